"""Scoring speed: this project's metrics against the straightforward loop and against torchmetrics.

Run with `python benchmarks/metrics.py [IMAGES]`. The first full scoring is on the clock, for as many images
as asked: the loop with the threads that PyTorch and OpenCV take by themselves, as a user would run it, and
ours with a worker process a processor, their start included. Everything else is processor time on one thread,
which other processes of the machine disturb least. Then come the operations that the networks need, and how
fast this processor multiplies matrices: the bound of any implementation in float32.
Weights of SqueezeNet must be in torch hub's cache (`TORCH_HOME`) or downloadable.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein
from rich.console import Console
from rich.table import Table
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from mdlp_bench.engine import Loaded, LocalEngine
from mdlp_bench.metrics import distribution, fidelity, text
from mdlp_bench.metrics.cost import count_macs
from mdlp_bench.metrics.perceptual import Lpips
from mdlp_bench.readers import Reader, load_reader

IMAGES = 500  # ground truths
SOME = 24  # of them for processor time
METHODS = 6
CHUNK = 64
REPEATS = 3
TEXTS = 2000
FEATURES = (500, 256)

Images = NDArray[np.uint8]


def plates(count: int) -> Images:
    """Drawings with the statistics of plates: flat ground, strokes, uneven light."""
    rng = np.random.default_rng(0)
    images = np.empty((count, 112, 224, 3), np.uint8)
    for image in images:
        image[:] = rng.integers(0, 256, 3)
        characters = "".join(rng.choice(list("ABCDEFGH0123456789"), 7))
        cv2.putText(
            image, characters, (8, 74), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (240, 240, 240), 4, cv2.LINE_AA
        )
        image[:] = image * np.linspace(rng.uniform(0.5, 1), 1, 224)[:, None]
    return images


def restored(gt: Images, method: int) -> Images:
    """What a method might return: softened and noisy, less so the better the method."""
    rng = np.random.default_rng(method)
    soft = np.stack([cv2.GaussianBlur(image, (0, 0), 0.5 + 0.5 * method) for image in gt])
    return np.clip(soft + rng.normal(0, 2 + method, soft.shape), 0, 255).astype(np.uint8)


def fastest(*calls: Callable[[], object]) -> list[float]:
    """The shortest processor time of each call in seconds; the calls take turns to see the same machine."""
    best = [float("inf")] * len(calls)
    for _ in range(REPEATS):
        for index, call in enumerate(calls):
            start = time.process_time()
            call()
            best[index] = min(best[index], time.process_time() - start)
    return best


def straightforward(
    gt: Images, methods: list[Images], texts: list[str], reference: torch.nn.Module, reader: Reader
) -> None:
    """A loop over pairs: scikit-image, the lpips package, one reading an image."""
    for outputs in methods:
        for pred, target, plate in zip(outputs, gt, texts, strict=True):
            peak_signal_noise_ratio(target, pred, data_range=255)
            sk_ssim(pred, target)
            with torch.no_grad():
                reference(signed(pred[None]), signed(target[None]))
            read = reader.read([pred])[0].text
            Levenshtein.distance(read, plate) / max(len(read), len(plate))


class Ours:
    """The same scores of a chunk of ground truths, whose statistics and features serve all methods."""

    def __init__(self) -> None:
        self.lpips, self.reader = Lpips("squeeze"), load_reader("crnn")

    def score(self, target: Images, methods: list[Images], texts: list[str]) -> list[dict[str, object]]:
        for_ssim, for_lpips = fidelity.SsimTarget.of(target), self.lpips.prepare(target)
        return [
            {
                "psnr": fidelity.psnr(preds, target),
                "ssim": fidelity.ssim(preds, for_ssim),
                "lpips": self.lpips.score(preds, for_lpips),
                "ned": text.ned([reading.text for reading in self.reader.read(list(preds))], texts),
            }
            for preds in methods
        ]


Chunk = tuple[Images, list[Images], list[str]]


def chunks(gt: Images, methods: list[Images], texts: list[str]) -> list[Chunk]:
    parts = [slice(start, start + CHUNK) for start in range(0, len(gt), CHUNK)]
    return [(gt[part], [outputs[part] for outputs in methods], texts[part]) for part in parts]


def scored(ours: Loaded[Ours], chunk: Chunk) -> list[dict[str, object]]:
    return ours.value.score(*chunk)


def on_the_clock(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def sk_ssim(pred: Images, target: Images) -> float:
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    return float(structural_similarity(target, pred, channel_axis=2, data_range=255, **options))


def sk_fidelity(preds: Images, gt: Images) -> list[tuple[float, float]]:
    pairs = zip(preds, gt, strict=True)
    return [(peak_signal_noise_ratio(t, p, data_range=255), sk_ssim(p, t)) for p, t in pairs]


def signed(images: Images) -> torch.Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1


def show(title: str, rows: list[tuple[str, str, str, str]], other: str) -> None:
    table = Table(title=title)
    for column in ("", other, "mdlp-bench", "times faster"):
        table.add_column(column, justify="right" if column else "left")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def row(name: str, theirs: float, mine: float, per: int, unit: str = "ms") -> tuple[str, str, str, str]:
    scale = 1000 / per
    return name, f"{theirs * scale:.3f} {unit}", f"{mine * scale:.3f} {unit}", f"{theirs / mine:.1f}"


def single_metrics(gt: Images, preds: Images, lpips: Lpips) -> list[tuple[str, str, str, str]]:
    """Each metric alone against torchmetrics, per image (per pair of texts, per set)."""
    from torchmetrics.functional import image as tm
    from torchmetrics.functional.text import edit_distance
    from torchmetrics.image.kid import poly_mmd

    rng = np.random.default_rng(0)
    target = [f"京A{number:05d}" for number in rng.integers(0, 100_000, TEXTS)]
    read = [string[: rng.integers(4, 8)] for string in target]
    a, b = (rng.normal(0, 1, FEATURES) for _ in range(2))
    float_preds, float_gt = (torch.from_numpy(x).permute(0, 3, 1, 2).float() for x in (preds, gt))
    no_reduction = {"data_range": 255.0, "reduction": "none"}
    pairs: list[tuple[str, int, Callable[[], object], Callable[[], object]]] = [
        (
            "PSNR",
            len(gt),
            lambda: tm.peak_signal_noise_ratio(float_preds, float_gt, dim=(1, 2, 3), **no_reduction),
            lambda: fidelity.psnr(preds, gt),
        ),
        (
            "SSIM",
            len(gt),
            lambda: tm.structural_similarity_index_measure(float_preds, float_gt, **no_reduction),
            lambda: fidelity.ssim(preds, gt),
        ),
        (
            "LPIPS (squeeze)",
            len(gt),
            lambda: tm.learned_perceptual_image_patch_similarity(
                signed(preds), signed(gt), net_type="squeeze"
            ),
            lambda: lpips.score(preds, gt),
        ),
        (
            "edit distance",
            TEXTS,
            lambda: edit_distance(read, target, reduction="none"),
            lambda: text.edit_distances(read, target),
        ),
        (
            f"kernel distance, {FEATURES[0]} x {FEATURES[1]}",
            1,
            lambda: poly_mmd(torch.from_numpy(a), torch.from_numpy(b)),
            lambda: distribution.kernel_distance(a, b),
        ),
    ]
    rows = []
    for name, per, theirs, mine in pairs:
        with torch.no_grad():
            rows.append(row(name, *fastest(theirs, mine), per))
    return rows


def operations(lpips: Lpips, reader: Reader) -> tuple[float, float, float]:
    """GFLOP a pair that the two networks need, GFLOP/s of this processor, and the milliseconds that follow.

    SqueezeNet runs once an output and once a ground truth, which serves all methods.
    """
    image = np.zeros((1, *plates(1).shape[1:]), np.uint8)
    macs = (count_macs(lambda: lpips.prepare(image)) or 0) * (METHODS + 1) / METHODS
    macs += count_macs(lambda: reader.read(list(image))) or 0
    size = 1024
    a, b = torch.rand(2, size, size)
    seconds = fastest(*[lambda: torch.mm(a, b)] * 5)
    rate = 2 * size**3 / min(seconds)
    return 2 * macs / 1e9, rate / 1e9, 2000 * macs / rate


def main(images: int = IMAGES) -> None:
    """Measure and print."""
    gt = plates(images)
    methods = [restored(gt, method) for method in range(METHODS)]
    texts = [f"京A{number:05d}" for number in range(images)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lpips import LPIPS

        reference = LPIPS(net="squeeze", verbose=False)
    reader = load_reader("crnn")
    workers = os.cpu_count() or 1
    engine = LocalEngine(workers)
    threads = torch.get_num_threads()
    clock = [
        on_the_clock(lambda: straightforward(gt, methods, texts, reference, reader)),
        on_the_clock(lambda: list(engine.map(partial(scored, Loaded(Ours)), chunks(gt, methods, texts)))),
    ]

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    gt, methods, texts = gt[:SOME], [outputs[:SOME] for outputs in methods], texts[:SOME]
    ours = Ours()
    full = fastest(
        lambda: straightforward(gt, methods, texts, reference, reader),
        lambda: [ours.score(*chunk) for chunk in chunks(gt, methods, texts)],
    )
    prepared = fidelity.SsimTarget.of(gt)
    two = fastest(
        lambda: sk_fidelity(methods[2], gt),
        lambda: (fidelity.psnr(methods[2], gt), fidelity.ssim(methods[2], prepared)),
    )
    cold = fastest(
        lambda: sk_fidelity(methods[2], gt),
        lambda: (fidelity.psnr(methods[2], gt), fidelity.ssim(methods[2], gt)),
    )
    parts = "PSNR, SSIM, LPIPS (squeeze), NED (CRNN)"
    rows = [
        row(
            f"{parts}: {images} images x {METHODS} methods, on the clock, loop with {threads} threads, "
            f"ours with {workers} workers",
            *clock,
            images * METHODS,
        ),
        row(f"the same, {len(gt)} images, processor time of one thread", *full, len(gt) * METHODS),
        row("PSNR, SSIM, ground truth prepared", *two, len(gt)),
        row("PSNR, SSIM, ground truth new", *cold, len(gt)),
    ]
    show("Scoring: time an image", rows, "scikit-image, lpips")
    show("Single metrics: processor time", single_metrics(gt, methods[2], ours.lpips), "torchmetrics")
    needed, rate, bound = operations(ours.lpips, reader)
    print(
        f"The networks need {needed:.2f} GFLOP a pair; matrices are multiplied at {rate:.0f} GFLOP/s: "
        f"at least {bound:.1f} ms"
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
