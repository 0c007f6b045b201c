"""How far two criteria (readers, metrics) put methods into the same order."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from mdlp_bench.errors import one_of
from mdlp_bench.harness.statistics.bootstrap import ClusterBootstrap, interval_limits
from mdlp_bench.harness.statistics.clusters import FloatArray, StatisticsError
from mdlp_bench.harness.statistics.estimate import Estimate
from mdlp_bench.harness.statistics.ranking import rank_bounds

Correlation = Literal["kendall", "spearman"]


def kendall_tau(first: FloatArray, second: FloatArray) -> FloatArray:
    """Kendall's tau-b of the rows of two arrays.

    (concordant - discordant) / sqrt(pairs untied in first * pairs untied in second), over the m (m - 1) / 2
    pairs (Kendall 1945).

    Args:
        first: [B, m].
        second: [B, m].

    Returns:
        [B] within [-1, 1]; NaN where all values of a row are equal.
    """
    score, untied_first, untied_second = (np.zeros(len(first)) for _ in range(3))
    for i in range(first.shape[1] - 1):
        a, b = (_direction(values[:, i : i + 1], values[:, i + 1 :]) for values in (first, second))
        score += (a * b).sum(axis=1)
        untied_first += np.count_nonzero(a, axis=1)
        untied_second += np.count_nonzero(b, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        tau: FloatArray = score / np.sqrt(untied_first * untied_second)
    return tau


def spearman_rho(first: FloatArray, second: FloatArray) -> FloatArray:
    """Spearman's rho of the rows of two arrays, shapes as in `kendall_tau`: Pearson's of the mid-ranks."""
    a, b = (np.add(*rank_bounds(values)) / 2 for values in (first, second))
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        rho: FloatArray = (a * b).sum(axis=1) / np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    return rho


def rank_correlation(
    bootstrap: ClusterBootstrap,
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    *,
    kind: Correlation = "kendall",
) -> Estimate:
    """Agreement of two orders of the same methods, with its interval over resampled plates.

    The order of the methods is that of their means in each resample. The interval is always the percentile
    one: a rank correlation moves in steps and often sits at its bound of 1, where BCa is not defined.
    Resamples in which all methods tie are left out.

    Args:
        bootstrap: Resamples of the test set.
        first: [n, m] per-sample values of m methods by one criterion (e.g. NED of one reader). NaN = no
            value; only samples with a value for every method in both criteria count.
        second: [n, m] by the other; both in the same direction (negate one otherwise).
        kind: "kendall" (tau-b) or "spearman".

    Returns:
        The correlation within [-1, 1]; `n` counts samples.

    Raises:
        StatisticsError: Shapes differ, fewer than two methods, no common sample, or all methods have the same
            mean.
    """
    one_of("rank correlation", kind, get_args(Correlation), StatisticsError)
    a, b = bootstrap.clusters.columns(first), bootstrap.clusters.columns(second)
    m = a.shape[1]
    if a.shape != b.shape or m < 2:
        raise StatisticsError(
            f"orders of shapes {a.shape} and {b.shape}: the same two or more methods are needed"
        )
    both = np.concatenate([a, b], axis=1)
    both[np.isnan(both).any(axis=1)] = np.nan
    if np.isnan(both).all():
        raise StatisticsError("no sample has a value for every method in both criteria")
    sums = bootstrap.clusters.sums(both)
    rows = np.concatenate([sums.means()[None], bootstrap.replicates(both)])
    rows = rows[~np.isnan(rows[:, 0])]
    quantum = 1e-12 * max(float(np.abs(rows).max()), 1e-300)
    rows = np.rint(rows / quantum)  # methods with equal means tie despite rounding noise
    correlations = (kendall_tau if kind == "kendall" else spearman_rho)(rows[:, :m], rows[:, m:])
    if np.isnan(correlations[0]):
        raise StatisticsError("all methods have the same mean in one criterion: there is no order to compare")
    n, n_clusters = int(sums.n[0]), int(sums.n_clusters[0])
    limits = interval_limits(correlations[1:, None], correlations[:1], bootstrap.confidence)[0]
    known = n_clusters > 1 and not np.isnan(limits).any()
    low, high = (float(limits[0]), float(limits[1])) if known else (None, None)
    return Estimate(value=float(correlations[0]), low=low, high=high, n=n, n_plates=n_clusters)


def _direction(one: FloatArray, others: FloatArray) -> npt.NDArray[np.int8]:
    """-1, 0 or 1: the sign of one - others, in one byte."""
    return (one > others).astype(np.int8) - (one < others).astype(np.int8)
