"""Exact limits and tests of shares: means of zeros and ones, where resampling fails near 0 and 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr, betaincinv

from mdlp_bench.harness.statistics.clusters import ClusterSums, FloatArray, column_sums

_PRIOR_PLATES: Final = 4.0
"""Plates' worth of evidence that all samples of a plate share one outcome, before anything is observed.

A few events do not show how strongly plates cluster. In the simulations of `benchmarks/harness_statistics.py`
four is the smallest of 0, 1, 2 and 4 with which every case is covered.
"""


def counts_events(
    columns: FloatArray, is_share: bool | Sequence[bool], is_binary: bool | Sequence[bool]
) -> npt.NDArray[np.bool_]:
    """[m] which columns of values, [n, m], are shares of events and get exact limits and tests.

    Args:
        columns: NaN = no value.
        is_share: Whether a column's values are shares of something, within [0, 1]; it counts events where all
            of them are 0 or 1. One answer or m.
        is_binary: Whether they are zeros and ones by their nature, or means of these over seeds.
    """
    plain = np.all((columns == 0) | (columns == 1) | np.isnan(columns), axis=0)
    return np.asarray(is_share & plain | is_binary, np.bool_)


def share_limits(sums: ClusterSums, confidence: float, own: FloatArray | None = None) -> FloatArray:
    """Clopper-Pearson limits of shares on their effective numbers of samples (Korn and Graubard 1998).

    n samples in plates of w_c count as n / (1 + rho (m - 1)), with m = sum w_c^2 / n, the size of the plate
    of an average sample, and rho the correlation of the outcomes within plates. With rho = 1 that is Kish's
    effective number of plates, with rho = 0 the number of samples. rho is the moment estimate from pairs of
    samples, drawn towards 1 by `_PRIOR_PLATES` against the plates that hold the rarer outcome.

    Means over seeds count as fractions of an event.

    Args:
        sums: Of columns of zeros and ones, or of means of these over seeds.
        confidence: Nominal coverage.
        own: [m] sum of the squared deviations of single samples from the mean; None for zeros and ones, of
            which it is known.

    Returns:
        [m, 2] lower and upper limit within [0, 1].
    """
    n, w = column_sums(sums.counts), sums.counts
    share = sums.means()
    spread = share * (1 - share)
    pairs = column_sums(w * (w - 1))
    # The samples' own variance is not a pair's.
    covariance = column_sums(sums.residuals() ** 2) - (n * spread if own is None else own)
    with np.errstate(divide="ignore", invalid="ignore"):
        estimate = np.clip(covariance / (spread * pairs), 0.0, 1.0)
    rare = np.where(share <= 0.5, sums.totals, w - sums.totals)
    holding = (rare > 1e-9).sum(axis=0)
    known = np.where((spread > 0) & (pairs > 0), holding, 0)
    rho = (known * np.where(known > 0, estimate, 0.0) + _PRIOR_PLATES) / (known + _PRIOR_PLATES)
    effective = n / (1 + rho * (column_sums(w**2) / n - 1))
    return clopper_pearson(share * effective, effective, confidence)


def sign_test(above: npt.ArrayLike, below: npt.ArrayLike) -> FloatArray:
    """[k] two-sided p-values of the exact sign test, from the numbers of plates above and below, [k] each.

    Plates without a difference say nothing. With one sample per plate and values of 0 and 1 it is McNemar's
    exact test (McNemar, Psychometrika 12(2), 1947).
    """
    first, second = np.asarray(above, np.int64), np.asarray(below, np.int64)
    p_values: FloatArray = np.minimum(1.0, 2 * bdtr(np.minimum(first, second), first + second, 0.5))
    return p_values


def clopper_pearson(successes: npt.ArrayLike, n: npt.ArrayLike, confidence: float) -> FloatArray:
    """[m, 2] limits of a binomial proportion; `successes` and `n` ([m] each) need not be whole numbers.

    Clopper and Pearson, Biometrika 26(4), 1934, by quantiles of the beta distribution.
    """
    x, size = np.broadcast_arrays(np.asarray(successes, np.float64), np.asarray(n, np.float64))
    tail = (1 - confidence) / 2
    slack = 1e-9 * size  # a product of share and size is seldom exactly 0 or n
    none, every = x <= slack, x >= size - slack
    low = betaincinv(np.where(none, 1.0, x), np.where(none, 1.0, size - x + 1), tail)
    high = betaincinv(np.where(every, 1.0, x + 1), np.where(every, 1.0, size - x), 1 - tail)
    limits: FloatArray = np.stack([np.where(none, 0.0, low), np.where(every, 1.0, high)], axis=-1)
    return limits
