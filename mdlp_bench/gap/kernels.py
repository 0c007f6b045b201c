"""Maximum mean discrepancy of two sets of features: value, standard error over plates, permutation test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from mdlp_bench.errors import DataError
from mdlp_bench.harness.statistics.clusters import FloatArray
from mdlp_bench.harness.statistics.two_sets import TwoSetClusters, permutation_p_value

Kernel = Callable[[FloatArray, FloatArray], FloatArray]
"""[N, D], [M, D] -> [N, M]."""

_ROWS: Final = 512
_FOR_BANDWIDTH: Final = 1000


def cubic_kernel(x: FloatArray, y: FloatArray) -> FloatArray:
    """(x . y / D + 1)^3, the kernel of KID and KRD (Binkowski et al., ICLR 2018)."""
    kernel: FloatArray = (x @ y.T / x.shape[1] + 1.0) ** 3
    return kernel


def gaussian_kernel(features: FloatArray) -> Kernel:
    """exp(-|x - y|^2 / (2 m)), m the median squared distance of pooled features [n, D].

    (The median heuristic: Gretton et al., A Kernel Two-Sample Test, JMLR 2012.)
    """
    some = features[:: max(1, len(features) // _FOR_BANDWIDTH)]
    between = _squared_distances(some, some)[np.triu_indices(len(some), 1)]
    width = 2 * max(float(np.median(between)), 1e-12)
    return lambda x, y: np.exp(-_squared_distances(x, y) / width)


class PlateKernel:
    """The kernel of pooled features, summed over the samples of each pair of plates.

    The estimate is the unbiased squared MMD (a U-statistic, Gretton et al. 2012, eq. 3) over all pairs of
    samples of different plates. Pairs of one plate, in one set or across, show the same content and are left
    out. With one sample per plate and no plate in both sets, this is the usual estimate.

    Args:
        features: [n, D] finite, in the order of the units' samples.
        units: Their plates.
        kernel: Which.

    Raises:
        DataError: A set has fewer than three plates, or the features are not finite.
    """

    def __init__(self, features: npt.ArrayLike, units: TwoSetClusters, kernel: Kernel) -> None:
        x = np.asarray(features, np.float64)
        if min(units.n_plates) < 3:
            raise DataError(
                f"a kernel distance needs at least 3 plates in each set, found {units.n_plates[0]} and "
                f"{units.n_plates[1]}"
            )
        if not np.isfinite(x).all():
            raise DataError("features contain values that are not finite")
        self.units = units
        order = np.argsort(units.codes, kind="stable")
        x = x[order]
        starts = np.concatenate([[0], np.cumsum(units.sizes)[:-1]]).astype(np.intp)
        rows = np.concatenate(
            [
                np.add.reduceat(kernel(x[start : start + _ROWS], x), starts, axis=1)
                for start in range(0, len(x), _ROWS)
            ]
        )
        different = units.plate[:, None] != units.plate
        self._sums: FloatArray = np.add.reduceat(rows, starts, axis=0) * different
        self._pairs: FloatArray = np.outer(units.sizes, units.sizes) * different

    def value(self) -> float:
        """The unbiased squared MMD; may be slightly negative for equal distributions."""
        own = self.units.is_first[None].astype(np.float64)
        return float(self._values(own, 1 - own)[0])

    def standard_error(self) -> float:
        """By the jackknife over plates, (m - 1) / m sum (t_i - mean)^2 summed over strata (Arvesen 1969)."""
        own = self.units.is_first.astype(np.float64)
        pairs, first, second = self.units.strata()
        variance = 0.0
        for left_out in (pairs, first[:, None], second[:, None]):
            if len(left_out) < 2:
                continue
            kept = np.ones((len(left_out), len(own)))
            for side in left_out.T:
                kept[np.arange(len(left_out)), side] = 0
            variance += (len(left_out) - 1) * float(self._values(kept * own, kept * (1 - own)).var())
        return float(np.sqrt(variance))

    def p_value(self, permutations: FloatArray) -> float:
        """Of "both sets have one distribution", by `TwoSetClusters.permutations`, [B, C]."""
        return permutation_p_value(self.value(), self._values(permutations, 1 - permutations))

    def _values(self, a: FloatArray, b: FloatArray) -> FloatArray:
        def mean(x: FloatArray, y: FloatArray) -> FloatArray:
            ratio: FloatArray = ((x @ self._sums) * y).sum(axis=1) / ((x @ self._pairs) * y).sum(axis=1)
            return ratio

        return mean(a, a) + mean(b, b) - 2 * mean(a, b)


def _squared_distances(x: FloatArray, y: FloatArray) -> FloatArray:
    squares = np.square(x).sum(axis=1)[:, None] + np.square(y).sum(axis=1) - 2 * x @ y.T
    return np.asarray(np.maximum(squares, 0.0))
