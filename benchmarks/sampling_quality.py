"""What LP-Diff's bundled weights give against sampling steps: PSNR, LPIPS, NED and milliseconds a plate.

Run `python benchmarks/sampling_quality.py [DATA] [PLATES] [STEPS ...]`; without DATA it renders the demo's
plates. LPIPS is taken with the net whose weights are at hand. Times are processor time of one thread.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from baselines.lp_diff.checkpoint import load
from baselines.weights import bundled
from mdlp_bench.data import open_samples
from mdlp_bench.data.decode import DecodedBatch, decode_batch
from mdlp_bench.data.synth import synthesise_rendered
from mdlp_bench.degrade import load_recipe
from mdlp_bench.files import seed_for
from mdlp_bench.harness.demo import RECIPE, SEED, lpips_net
from mdlp_bench.metrics.fidelity import psnr
from mdlp_bench.metrics.lpips import lpips
from mdlp_bench.metrics.text import accuracy, ned
from mdlp_bench.readers.crnn.reader import CrnnReader
from mdlp_bench.training.images import to_images, to_tensor

STEPS = (1, 2, 4, 8, 16, 50)


def plates(folder: Path | None, count: int) -> DecodedBatch:
    if folder is not None:
        return decode_batch(next(open_samples(folder).batches(count)))
    with tempfile.TemporaryDirectory() as name:
        data = Path(name) / "data"
        synthesise_rendered(load_recipe(RECIPE), count, data, seed=SEED, only="test")
        return decode_batch(next(open_samples(data).batches(count)))


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    batch = plates(folder, int(sys.argv[2]) if len(sys.argv) > 2 else 200)
    steps = tuple(map(int, sys.argv[3:])) or STEPS
    torch.set_num_threads(1)
    model, _ = load(bundled("lp-diff"))
    reader, net = CrnnReader(), lpips_net()
    frames = to_tensor(batch.frames)
    seeds = [seed_for(0, "restore", sample_id) for sample_id in batch.sample_ids]
    texts = [text or "" for text in batch.texts]
    head = ("restored by", "PSNR", f"LPIPS ({net})", "NED", "ACC", "ms a plate")
    table = Table(*head)

    def row(name: str, restore: Callable[[Tensor, int], Tensor]) -> None:
        started = time.process_time()
        with torch.inference_mode():
            restored = [to_images(restore(frames[i : i + 1], seed)) for i, seed in enumerate(seeds)]
        cost = 1e3 * (time.process_time() - started) / len(seeds)
        images = np.concatenate(restored)
        read = [reading.text for reading in reader.read(list(images))]
        figures = (
            psnr(images, batch.gt),
            lpips(images, batch.gt, net),
            ned(read, texts),
            accuracy(read, texts),
        )
        table.add_row(name, *(f"{values.mean():.3f}" for values in figures), f"{cost:.0f}")

    row("input (last frame)", lambda sample, seed: sample[:, -1])
    row("psi alone", lambda sample, seed: model.condition(sample))
    for count in steps:
        solver = "ddpm" if count >= model.schedule.steps else "dpm++"
        row(
            f"{solver}, {count} steps",
            lambda sample, seed, n=count, s=solver: model.sample(sample, [seed], steps=n, solver=s),
        )
    Console().print(table)


if __name__ == "__main__":
    main()
