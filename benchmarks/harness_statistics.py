"""Statistics: a leaderboard's ranking, and the vectorised bootstrap against scipy's, method by method.

Run with `python benchmarks/harness_statistics.py`; both sides of each ratio are measured in the same run.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy import stats

from mdlp_bench.harness.statistics import ClusterBootstrap, MetricScores, rank_correlation, rank_methods

ENTRIES, SAMPLES, RESAMPLES = 200, 2000, 2000


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def scores(rng: np.random.Generator, binary: bool = False) -> np.ndarray:
    """[samples, entries] NED-like values: hardness of the sample, skill of the entry, noise."""
    values = (
        rng.beta(0.8, 2.0, (SAMPLES, 1))
        + rng.uniform(-0.2, 0.2, ENTRIES)
        + rng.normal(0, 0.1, (SAMPLES, ENTRIES))
    )
    clipped = np.clip(values, 0, 1)
    return (clipped == 0).astype(float) if binary else clipped


def main() -> None:
    rng = np.random.default_rng(0)
    ned, acc, psnr, ssim, lpips = (
        scores(rng),
        scores(rng, binary=True),
        20 * scores(rng),
        scores(rng),
        scores(rng),
    )
    names = [f"entry-{i:03d}" for i in range(ENTRIES)]
    plates = [f"plate-{i // 2:04d}" for i in range(SAMPLES)]
    images = [f"plate-{i:04d}" for i in range(SAMPLES)]
    metrics = [
        MetricScores("ned", ned, False, 3),
        MetricScores("acc", acc, True, 3),
        MetricScores("psnr", psnr, True, 2),
        MetricScores("ssim", ssim, True, 3),
        MetricScores("lpips", lpips, False, 3),
    ]

    board = Table(title=f"{ENTRIES} entries x {SAMPLES} samples, {RESAMPLES} resamples")
    board.add_column("work")
    board.add_column("seconds", justify="right")
    for label, work in (
        ("ranking, NED only", lambda: rank_methods(ClusterBootstrap(plates, RESAMPLES), names, metrics[:1])),
        ("ranking, 5 metrics", lambda: rank_methods(ClusterBootstrap(plates, RESAMPLES), names, metrics)),
        (
            "ranking, 5 metrics, Borda",
            lambda: rank_methods(ClusterBootstrap(plates, RESAMPLES), names, metrics, rule="borda"),
        ),
        (
            "Kendall tau of two readers",
            lambda: rank_correlation(ClusterBootstrap(plates, RESAMPLES), ned, ssim),
        ),
    ):
        board.add_row(label, f"{seconds(work):.2f}")

    ratios = Table(title=f"Intervals of {ENTRIES} entries (one image a plate, as scipy has no clusters)")
    for heading in (
        "interval",
        "scipy.stats.bootstrap, a loop over entries (s)",
        "ClusterBootstrap (s)",
        "ratio",
    ):
        ratios.add_column(heading, justify="right")
    for ours, theirs in (("percentile", "percentile"), ("bca", "BCa")):
        loop = seconds(
            lambda name=theirs: [
                stats.bootstrap(
                    (column,), np.mean, n_resamples=RESAMPLES, method=name, rng=np.random.default_rng(0)
                )
                for column in ned.T
            ]
        )
        single = seconds(lambda name=ours: ClusterBootstrap(images, RESAMPLES, method=name).intervals(ned))
        ratios.add_row(theirs, f"{loop:.2f}", f"{single:.2f}", f"{loop / single:.1f}x")
    console = Console()
    console.print(board)
    console.print(ratios)


if __name__ == "__main__":
    main()
