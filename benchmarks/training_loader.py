"""Triplets per second that the training's loader prepares, by worker processes, and what a step waits.

Samples are rendered and degraded plates, kept encoded in memory as in a training; a batch is decoded, brought
to the working size and augmented. `thread` is one thread beside the training, the default on CPUs.

    python benchmarks/training_loader.py [--workers 0,1,2,4] [--samples 256] [--batch 32] [--steps 60]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import cv2

from mdlp_bench.data import open_samples
from mdlp_bench.synth.build import synthesise_rendered
from mdlp_bench.synth.degrade import load_recipe
from mdlp_bench.training.data import TrainingData


def triplets_per_second(data: TrainingData, batch: int, steps: int, workers: int) -> float:
    """Steady rate: the first batches, for which processes start, are not counted."""
    warm_up = 4 * max(1, workers)
    begun = 0.0
    for step, pixels in enumerate(data.stream(0, steps + warm_up, batch, workers=workers)):
        pixels.to("cpu")
        if step == warm_up - 1:
            begun = time.perf_counter()
    return steps * batch / (time.perf_counter() - begun)


def cpu_milliseconds(data: TrainingData, batch: int, steps: int) -> float:
    """Processor time per triplet in this process on one thread; other programs disturb it little."""
    cv2.setNumThreads(1)
    data.batch(0, batch)
    begun = time.process_time()
    for step in range(steps):
        data.batch(step, batch)
    return 1000 * (time.process_time() - begun) / (steps * batch)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--workers", default="0,1,2,4")
    parser.add_argument("--samples", type=int, default=256)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        synthesise_rendered(load_recipe("surveillance"), options.samples, Path(folder) / "data", seed=1)
        data = TrainingData(open_samples(Path(folder) / "data"), seed=0)
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; batches of {options.batch}")
        each = cpu_milliseconds(data, options.batch, max(1, options.steps // 4))
        print(f"{each:.2f} ms of processor time per triplet: at most {1000 / each:,.0f}/s and core")
        print("| workers | triplets/s |\n|---|---|")
        for workers in map(int, options.workers.split(",")):
            rate = triplets_per_second(data, options.batch, options.steps, workers)
            print(f"| {workers or 'thread'} | {rate:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
