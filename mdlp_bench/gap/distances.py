"""Distances between the distributions of one number in two sets, with plate-wise intervals and tests.

Both distances come from the two empirical distribution functions: Wasserstein's first distance is the area
between them, Kolmogorov's and Smirnov's their largest difference.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdlp_bench.harness.statistics.clusters import FloatArray
from mdlp_bench.harness.statistics.estimate import Estimate
from mdlp_bench.harness.statistics.two_sets import (
    BLOCK,
    BoolArray,
    TwoSetClusters,
    basic_interval,
    permutation_p_value,
)


@dataclass(frozen=True, slots=True)
class ValueGap:
    """The distance between two distributions of one number.

    Attributes:
        wasserstein: First Wasserstein distance in the number's unit, with the basic bootstrap interval over
            plates, not below 0.
        ks: Kolmogorov-Smirnov distance, 0-1.
        p_value: p-value of `ks`, by relabelling plates.
        scale: Standard deviation of both sets pooled in equal parts; `wasserstein / scale` is 0 for equal
            distributions and 2 for two different constants.
    """

    wasserstein: Estimate
    ks: float
    p_value: float
    scale: float

    @property
    def standardised(self) -> Estimate:
        """`wasserstein` in units of `scale`."""
        found, scale = self.wasserstein, self.scale
        assert found.low is not None and found.high is not None  # noqa: S101 - for type checkers
        return Estimate(value=found.value / scale, low=found.low / scale, high=found.high / scale)


class PooledValues:
    """The values of two sets, sorted once for any number of weightings.

    Args:
        values: [n] pooled values without NaN, in the order of the units' samples.
        units: Their plates.
    """

    def __init__(self, values: FloatArray, units: TwoSetClusters) -> None:
        self.units = units
        self._order = np.argsort(values, kind="stable")
        ordered = values[self._order]
        self._steps = np.diff(ordered)
        # The distribution functions are not complete between equal values.
        self._ends = np.append(self._steps > 0, True)
        self._unit = units.codes[self._order]

    def distances(self, first: FloatArray, second: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Wasserstein and KS distances for weights of the units.

        Args:
            first: [B, U] how much a unit's samples count in the first set.
            second: [B, U] in the second.

        Returns:
            [B] each.
        """
        wasserstein, ks = np.empty(len(first)), np.empty(len(first))
        rows = max(1, BLOCK // len(self._unit))
        for start in range(0, len(first), rows):
            part = slice(start, start + rows)
            a, b = (np.cumsum(weights[part][:, self._unit], axis=1) for weights in (first, second))
            gap = np.abs(a / a[:, -1:] - b / b[:, -1:])
            wasserstein[part] = gap[:, :-1] @ self._steps
            ks[part] = gap[:, self._ends].max(axis=1)
        return wasserstein, ks


def value_gap(
    values: FloatArray,
    units: TwoSetClusters,
    *,
    permutations: FloatArray,
    resamples: FloatArray,
    confidence: float,
) -> ValueGap:
    """Compare the two sets' values.

    Args:
        values: [n] pooled values without NaN.
        units: Their plates.
        permutations: From `TwoSetClusters.permutations`.
        resamples: From `TwoSetClusters.resamples`.
        confidence: Confidence of the interval.
    """
    pooled = PooledValues(values, units)
    own = units.is_first[None].astype(np.float64)
    (wasserstein,), (ks,) = pooled.distances(own, 1 - own)
    _, permuted = pooled.distances(permutations, 1 - permutations)
    replicates, _ = pooled.distances(resamples * own, resamples * (1 - own))
    low, high = basic_interval(replicates, float(wasserstein), confidence)
    return ValueGap(
        Estimate(value=float(wasserstein), low=max(0.0, low), high=max(0.0, high)),
        float(ks),
        permutation_p_value(float(ks), permuted),
        scale_of(values, units.sample_is_first),
    )


def scale_of(values: FloatArray, is_first: BoolArray) -> float:
    """See `ValueGap.scale`: sqrt((v1 + v2) / 2 + (m1 - m2)^2 / 4); 1 where all values are equal."""
    a, b = values[is_first], values[~is_first]
    variance = (a.var() + b.var()) / 2 + (a.mean() - b.mean()) ** 2 / 4
    smallest = 1e-9 * max(1.0, float(np.abs(values).max()))
    return float(np.sqrt(variance)) if variance > smallest**2 else 1.0


def smallest_ks(n_first: int, n_second: int, alpha: float) -> float:
    """The KS distance from which two sets of so many plates differ significantly, 0-1.

    sqrt(-ln(alpha / 2) / 2) sqrt((n + m) / (n m)) (Smirnov's asymptotic limit), with one sample per plate.
    """
    limit = np.sqrt(-np.log(alpha / 2) / 2 * (n_first + n_second) / (n_first * n_second))
    return float(min(1.0, limit))
