"""Make the training pool of the bundled weights: `python recipes/pool.py OUT [WORKERS]`.

OUT/pool holds 20,000 rendered plates of the training split, degraded by the surveillance recipe; OUT/first
its first 8,192; OUT/val 128 plates of the validation split. No plate of the demo's test split is among them:
a plate's split is a function of its text.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from mdlp_bench.data.synth import synthesise_rendered
from mdlp_bench.degrade import load_recipe
from mdlp_bench.engine import LocalEngine

SEED = 11


def main() -> None:
    """Render and degrade."""
    out, workers = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    recipe = load_recipe("surveillance")
    for name, count, split in (("pool", 20_000, "train"), ("val", 128, "val")):
        synthesise_rendered(recipe, count, out / name, seed=SEED, only=split, engine=LocalEngine(workers))
    (out / "first").mkdir()
    for shard in sorted((out / "pool" / "data").glob("train-*.parquet"))[:4]:
        shutil.copy(shard, out / "first")


if __name__ == "__main__":
    main()
