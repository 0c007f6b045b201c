"""Registration by the rules of mdlp-v1 and mdlp-v2: processor time, and the aligned scores that come out.

    python benchmarks/registration.py out/predictions DATA --limit 60

For each folder of predictions the first pairs of restored image and ground truth are registered by both.
Processor time on one thread, the better of two rounds.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from mdlp_bench.data import open_samples
from mdlp_bench.harness.predict import Predictions
from mdlp_bench.metrics.protocol import MDLP_V1, MDLP_V2, Protocol, to_working_size
from mdlp_bench.metrics.registered import AlignedScores, Images, aligned_scores

ROUNDS = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("predictions", type=Path, help="folder of prediction folders")
    parser.add_argument("data", type=Path)
    parser.add_argument("--split")
    parser.add_argument("--limit", type=int, default=60, help="pairs per method")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    samples = open_samples(arguments.data, split=arguments.split)
    gts = {sample.sample_id: image for sample in samples if (image := sample.decode_gt()) is not None}
    table = Table(title=f"{samples.name}: mdlp-v1, mdlp-v2")
    for column in (
        "method",
        "pairs",
        "ms per pair",
        "aligned PSNR",
        "aligned SSIM",
        "registered",
        "PSNR by pair",
    ):
        table.add_column(column, justify="left" if column == "method" else "right")
    for folder in sorted(path.parent for path in arguments.predictions.glob("*/predictions.json")):
        predictions = Predictions(folder)
        if predictions.record.method.output == "text" or predictions.record.method.provenance == "oracle":
            continue
        pairs = [
            (p.image, gts[p.sample_id]) for p in predictions if p.image is not None and p.sample_id in gts
        ]
        restored, gt = (
            np.stack([to_working_size(pair[i]) for pair in pairs[: arguments.limit]]) for i in (0, 1)
        )
        (old_ms, old), (new_ms, new) = (timed(protocol, restored, gt) for protocol in (MDLP_V1, MDLP_V2))
        moved = new.psnr - old.psnr
        table.add_row(
            predictions.record.method.title,
            str(len(gt)),
            f"{old_ms:.1f}, {new_ms:.1f}",
            f"{old.psnr.mean():.3f}, {new.psnr.mean():.3f}",
            f"{old.ssim.mean():.4f}, {new.ssim.mean():.4f}",
            f"{old.registered.mean():.3f}, {new.registered.mean():.3f}",
            f"{moved.min():+.2f} to {moved.max():+.2f}",
        )
    Console(width=130).print(table)


def timed(protocol: Protocol, restored: Images, gt: Images) -> tuple[float, AlignedScores]:
    """Processor milliseconds per pair, and the scores."""
    best = np.inf
    for _ in range(ROUNDS):
        start = time.process_time()
        found = aligned_scores(restored, gt, protocol.registration)
        best = min(best, time.process_time() - start)
    return 1000 * best / len(gt), found


if __name__ == "__main__":
    main()
