"""The plate-cluster bootstrap: one set of resampled plates for every metric and method of a test set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal, Self, get_args

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from mdlp_bench.errors import one_of
from mdlp_bench.harness.statistics.clusters import (
    Clusters,
    ClusterSums,
    Correction,
    FloatArray,
    StatisticsError,
    column_sums,
)
from mdlp_bench.harness.statistics.estimate import Estimate
from mdlp_bench.harness.statistics.shares import counts_events, share_limits

if TYPE_CHECKING:
    from mdlp_bench.metrics.protocol import BootstrapRules

IntervalMethod = Literal["bca", "percentile"]

_BLOCK_DRAWS = 1 << 22  # draws per block: 32 MB as float64
_HELD_BYTES = 1 << 27  # larger sets of resamples are drawn again from the seed for each use


class ClusterBootstrap:
    """Bootstrap that resamples clusters (plates) with replacement, all samples of a plate together.

    Images of one plate resemble each other, so resampling images would understate the uncertainty. The
    multiplicities of the plates are drawn once and serve any number of value columns; columns of the same
    samples are therefore paired. Statistics depend on the set of (plate id, values), the seed and the number
    of resamples, not on the samples' order.

    The statistic is the mean over samples (a resample with repeated large plates has more samples than the
    original; its mean divides by its own number of samples).

    Args:
        cluster_ids: Plate id of each sample, n of them.
        n_resamples: Number of bootstrap resamples, B.
        seed: Seed of the resampling, at least 0.
        confidence: Nominal coverage of the intervals, within (0, 1).
        method: "bca" (bias-corrected and accelerated, Efron 1987, acceleration by the delete-one-cluster
            jackknife) or "percentile".
        correction: How standard errors allow for few and unequal plates.
        exact_shares: Give shares the limits of `share_limits` instead of resampled ones.

    Raises:
        StatisticsError: The ids are not usable or a setting is out of range.
    """

    def __init__(
        self,
        cluster_ids: Sequence[str],
        n_resamples: int = 5000,
        seed: int = 0,
        *,
        confidence: float = 0.95,
        method: IntervalMethod = "bca",
        correction: Correction = "cr2",
        exact_shares: bool = True,
    ) -> None:
        if n_resamples < 100:
            raise StatisticsError(f"{n_resamples} resamples are too few for an interval; use at least 100")
        if not 0 < confidence < 1:
            raise StatisticsError(f"confidence {confidence} is not between 0 and 1")
        one_of("interval method", method, get_args(IntervalMethod), StatisticsError)
        if seed < 0:
            raise StatisticsError(f"seed {seed} is negative; use 0 or more")
        self.clusters = Clusters(cluster_ids, correction=correction)
        self.n_resamples = n_resamples
        self.seed = seed
        self.confidence = confidence
        self.method: IntervalMethod = method
        self.exact_shares = exact_shares
        self._held: list[npt.NDArray[np.uint8]] | None = None

    @classmethod
    def by_rules(cls, cluster_ids: Sequence[str], rules: BootstrapRules) -> Self:
        """The resamples that a protocol's rules ask for (errors as of the class)."""
        return cls(
            cluster_ids,
            rules.resamples,
            confidence=rules.confidence,
            method=rules.interval,
            correction=rules.correction or "cr1",
            exact_shares=rules.shares is not None,
        )

    def describe(self) -> str:
        """One phrase for captions, "95 % BCa intervals, bootstrap of plates (5000 resamples, seed 0)"."""
        name = {"bca": "BCa", "percentile": "percentile"}[self.method]
        shares = "; shares: Clopper-Pearson on effective numbers of plates" if self.exact_shares else ""
        return (
            f"{100 * self.confidence:g} % {name} intervals, bootstrap of plates "
            f"({self.n_resamples} resamples, seed {self.seed}){shares}"
        )

    def means(self, values: npt.ArrayLike) -> FloatArray:
        """[m] mean over the measured samples of each column of `values` ([n] or [n, m], NaN = no value)."""
        return self.clusters.sums(values).means()

    def replicates(self, values: npt.ArrayLike) -> FloatArray:
        """The bootstrap distribution of the means.

        Args:
            values: [n] or [n, m] per-sample values in the order of the cluster ids; NaN = no value.

        Returns:
            [B, m]; row b is the same resample of plates for every column and every call. NaN where the
            resample holds no measured sample of a column.

        Raises:
            StatisticsError: As in `Clusters.columns`.
        """
        return self._replicates(self.clusters.sums(values))

    def intervals(
        self,
        values: npt.ArrayLike,
        is_share: bool | Sequence[bool] = False,
        is_binary: bool | Sequence[bool] = False,
    ) -> tuple[Estimate, ...]:
        """Mean and confidence interval of each column of `values` ([n] or [n, m], NaN = no value).

        Shares of events get exact limits (see `exact_shares`). Other means get resampled ones, and none where
        the plates are too few for these (`ClusterSums.enough`).

        Args:
            values: The columns.
            is_share: Whether a column's values are shares of something, within [0, 1]; one answer or m. Such
                a column counts events where all its values are 0 or 1.
            is_binary: Whether its values are zeros and ones by their nature, or means of these over seeds.

        Raises:
            StatisticsError: As in `Clusters.columns`.
        """
        return self.intervals_and_replicates(values, is_share, is_binary)[0]

    def intervals_and_replicates(
        self,
        values: npt.ArrayLike,
        is_share: bool | Sequence[bool] = False,
        is_binary: bool | Sequence[bool] = False,
    ) -> tuple[tuple[Estimate, ...], FloatArray]:
        """`intervals` together with the `replicates` of the means."""
        columns = self.clusters.columns(values)
        sums = self.clusters.sums(columns)
        means = sums.means()
        acceleration = jackknife_acceleration(sums) if self.method == "bca" else None
        replicates = self._replicates(sums)
        limits = interval_limits(replicates, means, self.confidence, acceleration)
        n, n_clusters = (np.broadcast_to(count, means.shape) for count in (sums.n, sums.n_clusters))
        known = np.broadcast_to(sums.enough(), means.shape)
        exact = counts_events(columns, is_share, is_binary)
        if self.exact_shares and exact.any():
            own = np.nansum((columns - means) ** 2, axis=0)
            limits = np.where(exact[:, None], share_limits(sums, self.confidence, own), limits)
            known = np.where(exact, n_clusters > 1, known)
        intervals = tuple(
            _estimate(means[j], limits[j] if known[j] else None, n[j], n_clusters[j])
            for j in range(len(means))
        )
        return intervals, replicates

    def interval(self, values: npt.ArrayLike, *, is_share: bool = False, is_binary: bool = False) -> Estimate:
        """Mean and confidence interval of one column of values, [n] (as in `intervals`)."""
        (interval,) = self.intervals(values, is_share, is_binary)
        return interval

    def multiplicities(self) -> Iterator[FloatArray]:
        """How often each sample occurs in each resample, [b, n] in blocks of rows of at most 32 MB."""
        rows = max(1, _BLOCK_DRAWS // self.clusters.n_samples)
        for block in self._blocks():
            for start in range(0, len(block), rows):
                yield block[start : start + rows, self.clusters.codes].astype(np.float64)

    def percentile_limits(self, replicates: npt.ArrayLike) -> tuple[float, float] | None:
        """Percentile limits from [B] resampled values of any statistic; None with too few plates."""
        values = np.asarray(replicates, np.float64)
        low, high = interval_limits(values[:, None], np.zeros(1), self.confidence)[0]
        return (float(low), float(high)) if self.clusters.enough and not np.isnan(low) else None

    def _replicates(self, sums: ClusterSums) -> FloatArray:
        replicates = np.empty((self.n_resamples, sums.totals.shape[1]))
        start = 0
        for block in self._blocks():
            multiplicities = block.astype(np.float64)
            counts = multiplicities @ sums.counts
            counts[counts == 0] = np.nan
            replicates[start : start + len(block)] = (multiplicities @ sums.totals) / counts
            start += len(block)
        # Matrix products round differently with the number of columns. Ten digits round that away, so that a
        # method's interval does not depend on its neighbours and a replicate equal to the estimate counts so.
        means = sums.means()
        step = 1e-10 * column_sums(np.abs(sums.totals)) / column_sums(sums.counts)
        step[step == 0] = 1.0
        rounded: FloatArray = means + np.rint((replicates - means) / step) * step
        return rounded

    def _blocks(self) -> Iterator[npt.NDArray[np.uint8]]:
        """The multiplicities [B, C] in blocks of rows: how often each plate occurs in each resample."""
        if self._held is not None:
            yield from self._held
            return
        held: list[npt.NDArray[np.uint8]] | None
        held = [] if self.n_resamples * len(self.clusters) <= _HELD_BYTES else None
        n_clusters = len(self.clusters)
        rows = max(1, _BLOCK_DRAWS // n_clusters)
        for number, start in enumerate(range(0, self.n_resamples, rows)):
            size = min(rows, self.n_resamples - start)
            draws = np.random.default_rng([self.seed, number]).integers(0, n_clusters, (size, n_clusters))
            draws += np.arange(size)[:, None] * n_clusters
            counts = np.bincount(draws.ravel(), minlength=size * n_clusters).reshape(size, n_clusters)
            # A plate's count is about Poisson(1), and at most 255 with 255 plates or fewer: a byte holds it.
            block = counts.astype(np.uint8)
            if held is not None:
                held.append(block)
            yield block
        self._held = held


def jackknife_acceleration(sums: ClusterSums) -> FloatArray:
    """[m] BCa acceleration by leaving out one cluster at a time.

    sum_c d_c^3 / (6 (sum_c d_c^2)^1.5), with d_c = mean of the leave-one-out estimates minus the estimate
    without cluster c (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, eq. 14.15). 0 where all
    leave-one-out estimates are equal.
    """
    present = sums.counts > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        left = (column_sums(sums.totals) - sums.totals) / (column_sums(sums.counts) - sums.counts)
        centre = column_sums(np.where(present, left, 0.0)) / sums.n_clusters
        deviations = np.where(present, centre - left, 0.0)
        acceleration = column_sums(deviations**3) / (6 * column_sums(deviations**2) ** 1.5)
    result: FloatArray = np.nan_to_num(acceleration, nan=0.0, posinf=0.0, neginf=0.0)
    return result


def interval_limits(
    replicates: FloatArray, estimates: FloatArray, confidence: float, acceleration: FloatArray | None = None
) -> FloatArray:
    """Confidence limits from bootstrap replicates.

    Args:
        replicates: [B, m]; NaN replicates are left out.
        estimates: [m] estimates on the samples themselves.
        confidence: Nominal coverage, e.g. 0.95.
        acceleration: [m] for BCa limits, None for percentile limits. Quantiles interpolate linearly.

    Returns:
        [m, 2] lower and upper limit; NaN for a column without any replicate.
    """
    n_valid = np.count_nonzero(~np.isnan(replicates), axis=0)
    tails = np.array([(1 - confidence) / 2, (1 + confidence) / 2])
    probabilities = np.broadcast_to(tails, (len(estimates), 2))
    if acceleration is not None:
        below = ((replicates < estimates).sum(axis=0) + (replicates <= estimates).sum(axis=0)) / 2
        # An estimate outside all replicates would give an infinite bias correction: count half a replicate.
        share = np.clip(below, 0.5, np.maximum(n_valid - 0.5, 0.5)) / np.maximum(n_valid, 1)
        bias = ndtri(share)[:, None]
        shifted = bias + ndtri(tails)
        probabilities = ndtr(bias + shifted / (1 - acceleration[:, None] * shifted))
    ordered = np.sort(replicates, axis=0)  # NaN last
    position = probabilities.T * np.maximum(n_valid - 1, 0)
    lower = np.floor(position).astype(np.intp)
    upper = np.minimum(lower + 1, np.maximum(n_valid - 1, 0))
    low_values = np.take_along_axis(ordered, lower, axis=0)
    high_values = np.take_along_axis(ordered, upper, axis=0)
    limits: FloatArray = (low_values + (position - lower) * (high_values - low_values)).T
    return limits


def _estimate(value: float, limits: FloatArray | None, n: int, n_plates: int) -> Estimate:
    low, high = (None, None) if limits is None or np.isnan(limits).any() else map(float, limits)
    return Estimate(value=float(value), low=low, high=high, n=int(n), n_plates=int(n_plates))
