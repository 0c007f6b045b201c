"""Draws the first picture of the README: some of the demo's methods on samples that are chosen by rule.

mdlp-bench demo -o demo
python docs/tools/result_picture.py demo    # into docs/images/comparison.png
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import mdlp_bench as mb
from mdlp_bench.harness.figure import comparison_figure
from mdlp_bench.harness.predict import Predictions
from mdlp_bench.harness.run import Run

OUT: Final = Path(__file__).resolve().parents[1] / "images" / "comparison.png"
METHODS: Final = ("bicubic", "resshift-reader", "lp-diff", "lp-diff-long")
"""Interpolation, a network for one image and two for several, from top to bottom."""


def main() -> None:
    """Draw the picture of a demo's folder."""
    demo = Path(sys.argv[1] if len(sys.argv) > 1 else "demo")
    samples = mb.open(demo / "data", split="test")
    entries = [(Predictions(demo / "predictions" / name), Run(demo / "runs" / name)) for name in METHODS]
    sys.stdout.write(f"{OUT}: {', '.join(comparison_figure(samples, entries, OUT))}\n")


if __name__ == "__main__":
    main()
