"""Statistics: their speed, and by simulation whether intervals cover and letters keep their error level.

`python benchmarks/harness_statistics.py` times a leaderboard's ranking, and the vectorised bootstrap against
scipy's in the same run. `--coverage` simulates the intervals of shares, `--errors` the family-wise error of
tie groups (half a minute each), both by the rules of mdlp-v1 and of mdlp-v2, and what the exact test of
shares costs in power; `--means` the resampled intervals of means such as NED.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable
from typing import Final

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy import stats

from mdlp_bench.harness.statistics import (
    ClusterBootstrap,
    Clusters,
    MetricScores,
    compare_methods,
    rank_correlation,
    rank_methods,
)

ENTRIES, SAMPLES, RESAMPLES = 200, 2000, 2000
SHARES: Final = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
CORRELATIONS: Final = (0.0, 0.3, 1.0)
TABLES: Final = 1000
"""Simulated test sets per case."""


def heavy_tailed(n_plates: int, largest: int) -> np.ndarray:
    """[n_plates] samples per plate, from 1 to `largest`, equally many per factor."""
    return np.maximum(1, np.round(largest ** ((np.arange(n_plates) + 0.5) / n_plates))).astype(int)


PLATES: Final = {
    "10 of 1": np.ones(10, int),
    "36 of 1": np.ones(36, int),
    "100 of 1": np.ones(100, int),
    "1,000 of 1": np.ones(1000, int),
    "7 of 5": np.full(7, 5),
    "60 of 5": np.full(60, 5),
    "200 of 5": np.full(200, 5),
    "7 of 1 to 50": heavy_tailed(7, 50),
    "21 of 1 to 200": heavy_tailed(21, 200),
    "35 of 1 to 200": heavy_tailed(35, 200),
}


def plate_ids(sizes: np.ndarray) -> list[str]:
    return [f"plate-{i:04d}" for i, size in enumerate(sizes) for _ in range(size)]


def shares(rng: np.random.Generator, share: float, sizes: np.ndarray, correlation: float) -> np.ndarray:
    """[samples, TABLES] zeros and ones; the rates of plates are beta distributed around the share."""
    shape = (len(sizes), TABLES)
    if correlation in (0.0, 1.0):
        rates = (rng.random(shape) < share).astype(float) if correlation else np.full(shape, share)
    else:
        scale = 1 / correlation - 1
        rates = rng.beta(share * scale, (1 - share) * scale, shape)
    rates = np.repeat(rates, sizes, axis=0)
    return (rng.random(rates.shape) < rates).astype(float)


def coverage() -> Table:
    """How often 95 % intervals of a share cover it, over shares and correlations within plates."""
    table = Table(title=f"95 % intervals of shares from 0.001 to 0.3, {TABLES} test sets per case")
    for heading in ("plates of samples", "BCa, lowest", "BCa, mean", "exact, lowest", "exact, mean", "width"):
        table.add_column(heading, justify="right")
    for name, sizes in PLATES.items():
        found: dict[bool, list[float]] = {True: [], False: []}
        widths: dict[bool, list[float]] = {True: [], False: []}
        for share, correlation in itertools.product(SHARES, CORRELATIONS if sizes.max() > 1 else (0.0,)):
            values = shares(np.random.default_rng(0), share, sizes, correlation)
            for exact in (True, False):
                bootstrap = ClusterBootstrap(plate_ids(sizes), 500, exact_shares=exact)
                limits = np.array([(i.low, i.high) for i in bootstrap.intervals(values, True)], float)
                found[exact].append(float(np.mean((limits[:, 0] <= share) & (share <= limits[:, 1]))))
                widths[exact].append(float(np.mean(limits[:, 1] - limits[:, 0])))
        table.add_row(
            name,
            *(f"{100 * f(found[exact]):.1f} %" for exact in (False, True) for f in (min, np.mean)),
            f"{np.mean(widths[True]) / np.mean(widths[False]):.1f}x",
        )
    return table


def means() -> Table:
    """How often 95 % intervals of a mean of NEDs cover it, by the number of plates."""
    table = Table(title=f"95 % BCa intervals of a mean NED of 0.4, {TABLES} test sets per case")
    for heading in ("plates of samples", "effective", "covered", "limits by mdlp-v2"):
        table.add_column(heading, justify="right")
    cases = {f"{n} of 1": np.ones(n, int) for n in (2, 3, 5, 8, 10, 15, 36)}
    cases |= {f"{n} of 1 to 50": heavy_tailed(n, 50) for n in (5, 8, 10, 15, 36)}
    for name, sizes in cases.items():
        rng = np.random.default_rng(2)
        # Plates differ in how well they can be read; of seven characters each is wrong as often as others.
        rates = np.repeat(rng.beta(2, 3, (len(sizes), TABLES)), sizes, axis=0)
        values = rng.binomial(7, rates) / 7
        # By the first protocol's rules, which give limits from two plates on.
        bootstrap = ClusterBootstrap(plate_ids(sizes), 2000, correction="cr1")
        limits = np.array([(i.low, i.high) for i in bootstrap.intervals(values)], float)
        covered = np.mean((limits[:, 0] - 1e-12 <= 0.4) & (limits[:, 1] + 1e-12 >= 0.4))
        clusters = Clusters(plate_ids(sizes))
        known = "yes" if clusters.enough else "none"
        table.add_row(name, f"{clusters.n_effective:.1f}", f"{100 * covered:.1f} %", known)
    return table


def errors() -> Table:
    """How often equal methods have a pair that is called separable, nominally 5 %.

    Five methods in NED and ACC, and two in an event of one sample in 25.
    """
    table = Table(title=f"Family-wise error of the letters of equal methods, {TABLES} tables per case")
    for heading in ("plates of samples", "effective", "values", "CR1 (mdlp-v1)", "CR2 (mdlp-v2)"):
        table.add_column(heading, justify="right")
    cases = {
        "2 of 20": np.full(2, 20),
        "5 of 10": np.full(5, 10),
        "10 of 3": np.full(10, 3),
        "36 of 1": np.ones(36, int),
        "35 of 4": np.full(35, 4),
        "5 of 1, 2, 5, 20, 60": np.array([1, 2, 5, 20, 60]),
        "10 of 1 to 50": heavy_tailed(10, 50),
        "35 of 1 to 200": heavy_tailed(35, 200),
        "150 of 1 to 200": heavy_tailed(150, 200),
    }
    kinds = {"NED": 5, "ACC": 5, "rare, two methods": 2}
    for (label, sizes), (kind, count) in itertools.product(cases.items(), kinds.items()):
        names = list("abcde"[:count])
        rng = np.random.default_rng(1)
        clusters = [Clusters(plate_ids(sizes), correction=correction) for correction in ("cr1", "cr2")]
        wrong = np.zeros(2)
        for _ in range(TABLES):
            latent = rng.normal(size=(len(sizes), 1)) + rng.normal(size=(len(sizes), count))
            latent = np.repeat(latent, sizes, axis=0) + rng.normal(size=(sizes.sum(), count))
            ned = np.clip(np.round(7 * (0.4 + 0.15 * latent)) / 7, 0, 1)
            values = ned if kind == "NED" else (latent > (1 if kind == "ACC" else 3)).astype(float)
            results = [
                compare_methods(one, names, values, higher_is_better=False, is_binary=kind != "NED")
                for one in clusters
            ]
            wrong += [result.p_values.min() < 0.05 for result in results]
        table.add_row(
            label, f"{results[1].n_effective:.1f}", kind, *(f"{100 * w / TABLES:.1f} %" for w in wrong)
        )
    return table


def power() -> Table:
    """How often a true difference in ACC is found, by Student's t alone and by both tests."""
    table = Table(title=f"Differences in ACC that are called separable, {TABLES} pairs of methods per case")
    for heading in ("plates of samples", "true difference", "t (CR2)", "t and signs (mdlp-v2)"):
        table.add_column(heading, justify="right")
    cases = {"36 of 1": (36, 1, 0.75), "200 of 1": (200, 1, 0.3), "35 of 4": (35, 4, 0.45)}
    for label, (n_plates, size, easier) in cases.items():
        rng = np.random.default_rng(3)
        clusters = Clusters(plate_ids(np.full(n_plates, size)))
        found, difference = np.zeros(2), 0.0
        for _ in range(TABLES):
            hardness = np.repeat(rng.normal(size=n_plates), size) + rng.normal(size=n_plates * size)
            latent = hardness[:, None] + rng.normal(0, 0.7, (len(hardness), 2)) + [0, easier]
            values = (latent > 1).astype(float)
            difference += np.diff(values.mean(axis=0))[0] / TABLES
            for exact in (False, True):
                result = compare_methods(clusters, ["a", "b"], values, higher_is_better=True, is_binary=exact)
                found[int(exact)] += result.separable("a", "b")
        table.add_row(label, f"{difference:.2f}", *(f"{100 * times / TABLES:.0f} %" for times in found))
    return table


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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--coverage", action="store_true", help="simulate intervals of shares")
    parser.add_argument("--means", action="store_true", help="simulate intervals of means of few plates")
    parser.add_argument("--errors", action="store_true", help="simulate error and power of tie groups")
    asked = parser.parse_args()
    work = (
        (coverage, asked.coverage),
        (means, asked.means),
        (errors, asked.errors),
        (power, asked.errors),
    )
    simulated = [simulate() for simulate, wanted in work if wanted]
    if simulated:
        Console(width=110).print(*simulated)
    else:
        speed()


def speed() -> None:
    """Time the ranking of a leaderboard, and intervals against scipy's."""
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

    ratios = Table(title=f"Intervals of {ENTRIES} entries (one image per plate, as scipy has no clusters)")
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
