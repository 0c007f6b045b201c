"""Exact limits of shares: means of zeros and ones, where resampling fails near 0 and 1."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv

from mdlp_bench.harness.statistics.clusters import ClusterSums, FloatArray, column_sums

_PRIOR_PLATES: Final = 4.0
"""Plates' worth of evidence that all samples of a plate share one outcome, before anything is observed.

A few events do not show how strongly plates cluster. In the simulations of `benchmarks/harness_statistics.py`
four is the smallest of 0, 1, 2 and 4 with which every case is covered.
"""


def share_limits(sums: ClusterSums, confidence: float) -> FloatArray:
    """Clopper-Pearson limits of shares on their effective numbers of samples (Korn and Graubard 1998).

    n samples in plates of w_c count as n / (1 + rho (m - 1)), with m = sum w_c^2 / n, the size of the plate
    of an average sample, and rho the correlation of the outcomes within plates. With rho = 1 that is Kish's
    effective number of plates, with rho = 0 the number of samples. rho is the moment estimate from pairs of
    samples, drawn towards 1 by `_PRIOR_PLATES` against the plates that hold the rarer outcome.

    Args:
        sums: Of columns of zeros and ones.
        confidence: Nominal coverage.

    Returns:
        [m, 2] lower and upper limit within [0, 1].
    """
    n, w = column_sums(sums.counts), sums.counts
    share = sums.means()
    spread = share * (1 - share)
    pairs = column_sums(w * (w - 1))
    covariance = column_sums(sums.residuals() ** 2) - n * spread  # the samples' own variance is not a pair's
    with np.errstate(divide="ignore", invalid="ignore"):
        estimate = np.clip(covariance / (spread * pairs), 0.0, 1.0)
    rare = np.where(share <= 0.5, sums.totals, w - sums.totals)
    holding = (rare > 0).sum(axis=0)
    known = np.where((spread > 0) & (pairs > 0), holding, 0)
    rho = (known * np.where(known > 0, estimate, 0.0) + _PRIOR_PLATES) / (known + _PRIOR_PLATES)
    effective = n / (1 + rho * (column_sums(w**2) / n - 1))
    return clopper_pearson(share * effective, effective, confidence)


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
