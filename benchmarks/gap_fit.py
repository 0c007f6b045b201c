"""How well `gap fit` finds planted blur, noise and JPEG: `python benchmarks/gap_fit.py [PLATES] [TRIALS]`.

Rendered plates are degraded by a known recipe and another one is fitted to them, with the clean plates at
hand and without. A stopped run goes on from its log in the folder `gap_fit`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from mdlp_bench.gap.fitting.selfcheck import self_check


def main(plates: int = 40, trials: int = 200) -> None:
    for paired in (True, False):
        kind = "its own clean plates" if paired else "other plates"
        log = Path("gap_fit") / f"{plates}-{'paired' if paired else 'unpaired'}.jsonl"
        print(f"\n{plates} plates, {trials} trials, fitted with {kind}\n")
        print("| parameter | planted | start | fitted | error of the middle |\n|---|---|---|---|---|")
        for one in self_check(plates, trials, log, paired=paired):
            limits = (
                " - ".join(f"{v:.3g}" for v in values) for values in (one.planted, one.start, one.fitted)
            )
            print(f"| {one.name} | {' | '.join(limits)} | {100 * one.error:.0f} % |")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
