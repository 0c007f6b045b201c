"""Worker processes started for every step against workers that stay: five networks restore plates.

Run with `python benchmarks/workers.py [PLATES]`. Both on the clock, in turns, two workers each.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import mdlp_bench as mb
from mdlp_bench.data.samples import Samples
from mdlp_bench.engine import Engine, LocalEngine
from mdlp_bench.harness.predict import predict

METHODS = ("srcnn", "lp-diff-psi", "resshift", "resdiff", "hat")
REPEATS = 2


def restore(engine: Engine, samples: Samples, folder: Path) -> float:
    """Seconds that the five methods take."""
    began = time.perf_counter()
    for method in METHODS:
        predict(method, samples, folder / method, batch_size=4, engine=engine, measure=False)
    return time.perf_counter() - began


def main(plates: int) -> None:
    engine = LocalEngine(2)
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        samples = mb.synthesise(folder / "data", plates=plates)
        started, kept = [], []
        for turn in range(REPEATS):
            started.append(restore(engine, samples, folder / f"started-{turn}"))
            with engine.kept() as staying:
                kept.append(restore(staying, samples, folder / f"kept-{turn}"))
    print(
        f"{len(METHODS)} methods, {plates} plates: {min(started):.1f} s with new workers, "
        f"{min(kept):.1f} s with kept ones, {min(started) / min(kept):.1f}x"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
