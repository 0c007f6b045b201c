"""Means on two test sets and what follows from them, with plates of both resampled together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mdlp_bench.harness.statistics.agreement import kendall_tau, spearman_rho
from mdlp_bench.harness.statistics.clusters import FloatArray
from mdlp_bench.harness.statistics.estimate import Estimate
from mdlp_bench.harness.statistics.two_sets import TwoSetClusters


@dataclass(frozen=True, slots=True, eq=False)
class TwoMeans:
    """Means of m methods on two test sets: on the samples themselves first, then on every resample.

    Attributes:
        first: [1 + B, m].
        second: [1 + B, m].
        confidence: Confidence of intervals.
    """

    first: FloatArray
    second: FloatArray
    confidence: float

    @classmethod
    def of(
        cls,
        first: FloatArray,
        second: FloatArray,
        plates: tuple[list[str], list[str]],
        *,
        resamples: int,
        seed: int,
        confidence: float,
    ) -> TwoMeans:
        """Resample the plates of both sets; one that both have is drawn in both.

        Args:
            first: [n1, m] values without NaN.
            second: [n2, m].
            plates: The plate of each sample, n1 and n2 of them.
            resamples: B.
            seed: Seed of the resampling.
            confidence: Confidence of intervals.
        """
        units = TwoSetClusters(*plates)
        times = units.resamples(resamples, np.random.default_rng(seed))
        weights = np.concatenate([np.ones((1, times.shape[1])), times])[:, units.codes]
        n = len(first)
        means = [
            (part @ values) / part.sum(axis=1, keepdims=True)
            for part, values in ((weights[:, :n], first), (weights[:, n:], second))
        ]
        return cls(means[0], means[1], confidence)

    def difference(self, column: int) -> Estimate:
        """Second minus first mean of one method."""
        return self._estimate(self.second[:, column] - self.first[:, column])

    def kendall(self) -> Estimate:
        """Kendall's tau-b of the two orders."""
        return self._agreement(kendall_tau)

    def spearman(self) -> Estimate:
        """Spearman's rho of the two orders."""
        return self._agreement(spearman_rho)

    def orders(self, names: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The names by their means, smallest first, in each set."""
        first, second = (
            tuple(names[int(i)] for i in np.argsort(means[0], kind="stable"))
            for means in (self.first, self.second)
        )
        return first, second

    def _agreement(self, correlation: Callable[[FloatArray, FloatArray], FloatArray]) -> Estimate:
        # Means that are equal but for rounding tie.
        quantum = 1e-12 * max(1e-300, float(np.abs(self.first).max()), float(np.abs(self.second).max()))
        return self._estimate(correlation(np.rint(self.first / quantum), np.rint(self.second / quantum)))

    def _estimate(self, values: FloatArray) -> Estimate:
        """The first value, with the percentile interval of the others that have one."""
        replicates = values[1:][~np.isnan(values[1:])]
        value = 0.0 if np.isnan(values[0]) else float(values[0])
        if not len(replicates):
            return Estimate(value=value)
        tail = (1 - self.confidence) / 2
        low, high = np.quantile(replicates, [tail, 1 - tail])
        return Estimate(value=value, low=float(low), high=float(high))
