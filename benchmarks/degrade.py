"""Speed of the degradation recipes at 112 x 224: triplets per second on one core, and on a pool of processes.

    python benchmarks/degrade.py

The comparison is a plain numpy / scipy implementation of the second-order Real-ESRGAN recipe that draws the
same distributions (`scipy.ndimage` for blur and resizing, Pillow for JPEG), timed in the same run.
"""

from __future__ import annotations

import io
import resource
import time
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage, special

from mdlp_bench.engine import LocalEngine
from mdlp_bench.images import encode
from mdlp_bench.schema import EncodedImage, Sample
from mdlp_bench.synth.degrade import degrade_triplet, draw_parameters, load_recipe, recipe_names, synthesise

Array = npt.NDArray[np.float64]
HEIGHT, WIDTH, SCALE = 112, 224, 4
SECONDS = 3.0


def plate_like(seed: int) -> npt.NDArray[np.uint8]:
    """Strokes on blue: as much detail as a plate, without one."""
    rng = np.random.default_rng(seed)
    image = np.full((HEIGHT, WIDTH, 3), (30, 70, 190), np.uint8)
    for x in range(14, WIDTH - 20, 28):
        ends = rng.integers((x, 20), (x + 20, HEIGHT - 20), (5, 2))
        cv2.polylines(image, [ends.astype(np.int32)], False, (235, 235, 240), 5, cv2.LINE_AA)
    return image


def plain_kernel(rng: np.random.Generator, sigma_high: float, sinc: float) -> Array:
    size = int(rng.choice(np.arange(7, 22, 2)))
    axis = np.arange(size) - size // 2
    x, y = np.meshgrid(axis, axis)
    if rng.random() < sinc:
        cutoff = rng.uniform(np.pi / 3 if size < 13 else np.pi / 5, np.pi)
        radius = np.sqrt(x**2 + y**2)
        with np.errstate(invalid="ignore", divide="ignore"):
            kernel = cutoff * special.j1(cutoff * radius) / (2 * np.pi * radius)
        kernel[size // 2, size // 2] = cutoff**2 / (4 * np.pi)
        return np.asarray(kernel / kernel.sum())
    kind = rng.choice(6, p=[0.45, 0.25, 0.12, 0.03, 0.12, 0.03])
    sx = rng.uniform(0.2, sigma_high)
    sy, angle = (sx, 0.0) if kind % 2 == 0 else (rng.uniform(0.2, sigma_high), rng.uniform(-np.pi, np.pi))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    inverse = np.linalg.inv(turn @ np.diag([sx**2, sy**2]) @ turn.T)
    points = np.stack([x, y], axis=-1)
    form = np.einsum("...i,ij,...j->...", points, inverse, points)
    if kind < 2:
        kernel = np.exp(-0.5 * form)
    elif kind < 4:
        beta = rng.uniform(0.5, 1) if rng.random() < 0.5 else rng.uniform(1, 4)
        kernel = np.exp(-0.5 * form**beta)
    else:
        beta = 1.0 if rng.random() < 0.5 else rng.uniform(1, 2)
        kernel = 1 / (form**beta + 1)
    return np.asarray(kernel / kernel.sum())


def plain_blur(image: Array, kernel: Array) -> Array:
    return np.stack([ndimage.convolve(image[..., c], kernel, mode="mirror") for c in range(3)], axis=-1)


def plain_resize(image: Array, height: int, width: int, rng: np.random.Generator) -> Array:
    order = int(rng.choice([0, 1, 3]))
    factors = (height / image.shape[0], width / image.shape[1], 1)
    if order == 0:  # area: a box filter of the shrinking factor in front of the sampling
        image = ndimage.uniform_filter(
            image, (max(1, round(1 / factors[0])), max(1, round(1 / factors[1])), 1)
        )
    return np.clip(ndimage.zoom(image, factors, order=max(1, order), grid_mode=True, mode="mirror"), 0, 1)


def plain_noise(image: Array, sigma: float, scale: float, rng: np.random.Generator) -> Array:
    gray = rng.random() < 0.4
    if rng.random() < 0.5:
        shape = (*image.shape[:2], 1) if gray else image.shape
        return np.clip(image + rng.normal(0, rng.uniform(1, sigma) / 255, shape), 0, 1)
    source = image @ np.array([0.299, 0.587, 0.114]) if gray else image
    source = np.round(np.clip(source, 0, 1) * 255) / 255
    levels = 2 ** np.ceil(np.log2(len(np.unique(source))))
    noise = (rng.poisson(source * levels) / levels - source) * rng.uniform(0.05, scale)
    return np.clip(image + (noise[..., None] if gray else noise), 0, 1)


def plain_jpeg(image: Array, rng: np.random.Generator) -> Array:
    buffer = io.BytesIO()
    picture = Image.fromarray(np.round(np.clip(image, 0, 1) * 255).astype(np.uint8))
    picture.save(buffer, "JPEG", quality=int(rng.uniform(30, 95)))
    return np.asarray(Image.open(buffer), np.float64) / 255


def plain_realesrgan(gt: npt.NDArray[np.uint8], rng: np.random.Generator) -> bytes:
    image = gt.astype(np.float64) / 255
    image = plain_blur(image, plain_kernel(rng, 3.0, 0.1))
    kind = rng.choice(3, p=[0.2, 0.7, 0.1])
    factor = (rng.uniform(1, 1.5), rng.uniform(0.15, 1), 1.0)[kind]
    image = plain_resize(image, round(HEIGHT * factor), round(WIDTH * factor), rng)
    image = plain_jpeg(plain_noise(image, 30, 3, rng), rng)
    if rng.random() < 0.8:
        image = plain_blur(image, plain_kernel(rng, 1.5, 0.1))
    kind = rng.choice(3, p=[0.3, 0.4, 0.3])
    factor = (rng.uniform(1, 1.2), rng.uniform(0.3, 1), 1.0)[kind] / SCALE
    image = plain_resize(image, round(HEIGHT * factor), round(WIDTH * factor), rng)
    image = plain_noise(image, 25, 2.5, rng)
    final = plain_kernel(rng, 1.0, 1.0) if rng.random() < 0.8 else np.ones((1, 1))
    if rng.random() < 0.5:
        image = plain_blur(plain_resize(image, HEIGHT // SCALE, WIDTH // SCALE, rng), final)
        image = plain_jpeg(image, rng)
    else:
        image = plain_jpeg(image, rng)
        image = plain_blur(plain_resize(image, HEIGHT // SCALE, WIDTH // SCALE, rng), final)
    buffer = io.BytesIO()
    Image.fromarray(np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def rate(work: Callable[[int], Any], seconds: float = SECONDS) -> float:
    """Calls per second of CPU time of this process (other jobs on the machine do not count)."""
    work(-1)
    count, start = 0, time.process_time()
    while time.process_time() - start < seconds:
        work(count)
        count += 1
    return count / (time.process_time() - start)


def gt_samples(count: int) -> Iterator[Sample]:
    stored = [encode(plate_like(seed), "png") for seed in range(8)]
    for index in range(count):
        name = f"{index:07d}"
        yield Sample(
            sample_id=name,
            plate_id=name,
            track_id=name,
            split="train",
            domain="synthetic",
            source="rendered",
            gt=EncodedImage(stored[index % 8], "gt.png"),
        )


def main() -> None:
    cv2.setNumThreads(1)
    gt = plate_like(0)
    print(f"Triplets of {HEIGHT} x {WIDTH} ground truths, one core\n")
    print("| recipe | triplets/s | parameters alone, samples/s | 1,000,000 triplets, hours |")
    print("|---|---|---|---|")
    speed = {}
    for name in recipe_names():
        recipe = load_recipe(name)
        speed[name] = rate(lambda i, r=recipe: degrade_triplet(gt, r, seed=0, sample_id=str(i)))
        draws = rate(lambda i, r=recipe: draw_parameters(r, seed=0, sample_id=str(i)), 1.0)
        print(f"| {name} | {speed[name]:.0f} | {draws:.0f} | {1e6 / speed[name] / 3600:.1f} |")
    plain = rate(lambda i: [plain_realesrgan(gt, np.random.default_rng([i + 1, k])) for k in range(3)])
    print(f"| realesrgan, plain numpy / scipy | {plain:.1f} | | {1e6 / plain / 3600:.1f} |")
    print(f"\nrealesrgan against the plain implementation: {speed['realesrgan'] / plain:.1f} times\n")

    recipe, count = load_recipe("surveillance"), 1500
    print(
        "| workers | surveillance triplets/s (wall clock, start included) | against one | peak memory, MB |"
    )
    print("|---|---|---|---|")
    single = 0.0
    for workers in (1, 2, 8):
        start = time.perf_counter()
        done = sum(1 for _ in synthesise(gt_samples(count), recipe, seed=0, engine=LocalEngine(workers)))
        pace = done / (time.perf_counter() - start)
        single = single or pace
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"| {workers} | {pace:.0f} | {pace / single:.2f} | {memory:.0f} |")

    print("\n| triplets made in one process | resident memory, MB |\n|---|---|")
    for index, _ in enumerate(synthesise(gt_samples(20_000), recipe, seed=0), start=1):
        if index in {500, 2000, 8000, 20000}:
            print(f"| {index} | {resident():.0f} |")


def resident() -> float:
    """Resident memory of this process now, MB (Linux)."""
    with open("/proc/self/statm") as file:  # noqa: PTH123
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20


if __name__ == "__main__":
    main()
