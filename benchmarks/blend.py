"""What a share of the frames in LP-Diff long's images does to their scores.

Run with `python benchmarks/blend.py DATA OUT [SHARE ...]`; DATA is a folder that `mdlp_bench.open` reads.
"""

from __future__ import annotations

import sys
from pathlib import Path

import mdlp_bench as mb
from baselines.blend import Blend
from baselines.lp_diff.method import lp_diff_long
from mdlp_bench.harness.demo import lpips_net

SHARES = ("0", "0.25", "0.5", "0.75")


def main(data: Path, out: Path, shares: tuple[str, ...]) -> None:
    samples, runs = mb.open(data), []
    for share in shares:
        name = f"share-{share}"
        made = mb.predict(Blend(lp_diff_long(), float(share), name), samples, out / "preds" / name)
        run = out / "runs" / name
        runs.append(mb.score(made, samples, run, lpips=lpips_net(), fid=False, protocol="mdlp-v2"))
    mb.compare(runs, columns=["psnr", "ssim", "lpips", "ned", "acc", "hallucination"]).print()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), tuple(sys.argv[3:]) or SHARES)
