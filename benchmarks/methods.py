"""What every registered method costs on one CPU thread: a batch in batched numerics against single plates.

Run `python benchmarks/methods.py [METHOD ...]`; prints a Markdown table. Times are processor milliseconds,
the best of several runs, so other programs disturb them little.
"""

from __future__ import annotations

import sys
import time

import cv2
import numpy as np

from mdlp_bench.device import Compute
from mdlp_bench.engine import one_thread
from mdlp_bench.harness.demo import installed_methods
from mdlp_bench.methods import AnyMethod, FrameBatch, load_method
from mdlp_bench.methods.base import run_on
from mdlp_bench.metrics.cost import count_macs

_BATCH = 8
_BUDGET = 2.0
_REPEATS = 5


_BATCHED = Compute("cpu", "fp32", "batched")


def _samples(count: int) -> FrameBatch:
    """Samples of three smooth random frames, as small as those of an approaching car."""
    rng = np.random.default_rng(0)
    native = []
    for _ in range(count):
        coarse = rng.integers(0, 256, (5, 12, 3), dtype=np.uint8)
        native.append(tuple(cv2.resize(coarse, (44 + 4 * n, 14 + n)) for n in range(3)))
    return FrameBatch(tuple(f"s{i}" for i in range(count)), tuple(native), compute=_BATCHED)


def _best(method: AnyMethod, batch: FrameBatch) -> float:
    """Processor milliseconds per sample of the fastest run; slow methods get fewer runs."""
    times: list[float] = []
    while len(times) < _REPEATS and sum(times) < _BUDGET:
        start = time.process_time()
        run_on(method, batch)
        times.append(time.process_time() - start)
    return 1000 * min(times) / len(batch)


def main() -> None:
    """Print the table."""
    batch = _samples(_BATCH)
    heads = (
        "method",
        "parameters (M)",
        "MACs (G)",
        "single (ms)",
        f"batch of {_BATCH} (ms)",
        "ratio",
        "plates/s",
    )
    print(f"| {' | '.join(heads)} |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    with one_thread():
        for name in sys.argv[1:] or installed_methods():
            method = load_method(name)
            run_on(method, batch.single(0))
            macs = count_macs(lambda method=method: run_on(method, batch.single(0)))  # type: ignore[misc]
            single, together = _best(method, batch.single(0)), _best(method, batch)
            print(
                f"| {method.descriptor.title} | {method.descriptor.parameters / 1e6:.2f} "
                f"| {f'{macs / 1e9:.2f}' if macs else '-'} | {single:.1f} | {together:.1f} "
                f"| {single / together:.2f}x | {1000 / min(single, together):.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
