"""Loading decoded triplets: Parquet and `decode_batch` against the per-file loader the field uses.

The per-file loader opens every image with PIL, converts it to RGB and resizes it with albumentations, sample
by sample, as the official MDLP loader does (bilinear, and once with the bicubic filter of the protocol). All
give three frames and the ground truth, run in one process on the same synthetic images, alternating; the best
of several passes counts. The files are in the page cache: this is the cost of decoding, not of the disk.
"CPU" is the processor time of all threads: it does not depend on what else the machine does. "Resizes alone"
are those of the protocol on decoded pictures: what resizes while it loads is bound by them. "Stored at the
working size" is what `data export --to decoded` writes; its cost, once, is told below the table.

    python benchmarks/loading.py
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import albumentations as A
import cv2
import numpy as np
from PIL import Image

from mdlp_bench import images
from mdlp_bench.data import (
    DecodedSamples,
    decode_batch,
    open_samples,
    write_parquet,
)
from mdlp_bench.data.sources.names import natural_key
from mdlp_bench.metrics.protocol import to_working_size
from mdlp_bench.schema import Sample

SAMPLES = 1000
PASSES = 5
BATCH = 32
FRAME = (45, 20)
"""Width and height of an early frame in a real track (median)."""


def write_folder(root: Path) -> None:
    """Write an MDLP folder of plate-like pictures: few colours, sharp strokes, mild noise."""
    rng = np.random.default_rng(0)
    for group in range(SAMPLES):
        scene = np.full((95, 230, 3), (30, 60, 160), np.uint8)
        for stroke in range(14):
            corner = (12 + stroke * 15, int(rng.integers(15, 40)))
            cv2.rectangle(scene, corner, (corner[0] + int(rng.integers(3, 10)), 80), (235, 235, 240), -1)
        noisy = np.clip(scene + rng.normal(0, 6, scene.shape), 0, 255).astype(np.uint8)
        (root / f"train/gt/{group:05d}").mkdir(parents=True)
        (root / f"train/gt/{group:05d}/img_50.jpg").write_bytes(images.encode(noisy, "jpg"))
        (root / f"train/inputs/{group:05d}").mkdir(parents=True)
        for number in range(1, 4):
            small = np.asarray(cv2.resize(noisy, FRAME, interpolation=cv2.INTER_AREA), np.uint8)
            (root / f"train/inputs/{group:05d}/img_{number}.jpg").write_bytes(images.encode(small, "jpg"))


def per_file(root: Path, interpolation: int) -> int:
    """One sample at a time from single files."""
    resize = A.Resize(112, 224, interpolation=interpolation)
    count = 0
    for group in sorted((root / "train/inputs").iterdir()):
        frames = sorted(group.iterdir(), key=lambda path: natural_key(path.name))[:3]
        gt = next((root / "train/gt" / group.name).iterdir())
        loaded = [np.asarray(Image.open(path).convert("RGB")) for path in (*frames, gt)]
        count += len(np.stack([resize(image=image)["image"] for image in loaded])) == 4
    return count


def captured(folder: Path, threads: int) -> int:
    """Samples from Parquet at the sizes of their capture."""
    with ThreadPoolExecutor(threads) as pool:
        found = (pool.map if threads > 1 else map)(pictures_of, open_samples(folder))
        return sum(1 for _ in found)


def pictures_of(sample: Sample) -> list[images.ImageU8]:
    """Frames and ground truth."""
    gt = sample.decode_gt()
    return [*sample.decode_frames(3), *([] if gt is None else [gt])]


def from_parquet(folder: Path, threads: int) -> int:
    """Batches at the working size from Parquet."""
    samples = open_samples(folder)
    with ThreadPoolExecutor(threads) as pool:
        batches = samples.batches(BATCH, ["sample_id", "frames", "gt", "text"])
        return sum(len(decode_batch(batch, 3, pool if threads > 1 else None)) for batch in batches)


def resizes(samples: list[list[images.ImageU8]]) -> int:
    """What the protocol asks for once the pictures are decoded."""
    return sum(to_working_size(image) is not None for pictures in samples for image in pictures) // 4


def main() -> None:
    """Measure and print the table."""
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as name:
        root, folder, decoded = Path(name, "mdlp"), Path(name, "parquet"), Path(name, "decoded")
        write_folder(root)
        write_parquet(open_samples(root), folder)
        started = time.process_time()
        write_parquet(DecodedSamples(open_samples(folder)), decoded)
        once = time.process_time() - started
        native = list(map(pictures_of, open_samples(folder)))
        loaders: dict[str, Callable[[], int]] = {
            "files: PIL + albumentations, bilinear": lambda: per_file(root, cv2.INTER_LINEAR),
            "files: PIL + albumentations, bicubic": lambda: per_file(root, cv2.INTER_CUBIC),
            "Parquet, captured size, 1 thread": lambda: captured(folder, 1),
            "Parquet, captured size, 2 threads": lambda: captured(folder, 2),
            "the protocol's resizes alone": lambda: resizes(native),
            "Parquet, working size, 1 thread": lambda: from_parquet(folder, 1),
            "Parquet, working size, 2 threads": lambda: from_parquet(folder, 2),
            "Parquet, stored at the working size, 1 thread": lambda: from_parquet(decoded, 1),
            "Parquet, stored at the working size, 2 threads": lambda: from_parquet(decoded, 2),
        }
        wall = dict.fromkeys(loaders, float("inf"))
        cpu = dict.fromkeys(loaders, float("inf"))
        for _ in range(PASSES):
            for title, work in loaders.items():
                started, spent = time.perf_counter(), time.process_time()
                if work() != SAMPLES:
                    raise RuntimeError(f"{title}: lost samples")
                wall[title] = min(wall[title], time.perf_counter() - started)
                cpu[title] = min(cpu[title], time.process_time() - spent)
        bytes_stored = sum(path.stat().st_size for path in (decoded / "data").iterdir())
    bilinear, bicubic, *_ = loaders
    print("| loader | triplets/s | CPU ms a triplet | against bilinear files | against bicubic files |")
    print("| --- | --- | --- | --- | --- |")
    for title in loaders:
        print(
            f"| {title} | {SAMPLES / wall[title]:,.0f} | {cpu[title] / SAMPLES * 1000:.2f} "
            f"| {cpu[bilinear] / cpu[title]:.1f} | {cpu[bicubic] / cpu[title]:.1f} |"
        )
    each = f"{1000 * once / SAMPLES:.1f} ms and {bytes_stored / SAMPLES / 1000:.0f} kB a triplet"
    print(f"\nStoring at the working size took {each}.")


if __name__ == "__main__":
    main()
