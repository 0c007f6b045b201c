"""Per-cluster sums: the form in which every statistic of this package sees the per-sample values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt

from mdlp_bench.errors import MdlpBenchError, one_of

FloatArray = npt.NDArray[np.float64]

Correction = Literal["cr1", "cr2"]
"""How standard errors allow for few and unequal clusters.

"cr2": every cluster's residual is divided by the root of 1 minus its share of the samples, which makes the
variance unbiased for equal samples, and Student's t has the degrees of freedom of Bell and McCaffrey (2002).
"cr1": the factor C / (C - 1) and C - 1 degrees of freedom, right for equal clusters only.
"""

FEWEST_PLATES: Final = 5
"""Effective plates below which nothing is called separable, no tie groups are formed and resampled means get
no limits.

The effective number is the degrees of freedom plus one: the number of equal plates that would tell as much.
Below four degrees of freedom Satterthwaite's approximation is not to be trusted (Tipton, Psychological
Methods 20(3), 2015), and resampled intervals of two or three plates cover half to three quarters of what they
should (`benchmarks/harness_statistics.py --means`).
"""

FEW_PLATES: Final = 15
"""Effective plates below which resampled intervals are known to be too short (the same simulation)."""


def fewest_plates(correction: Correction) -> int:
    """Effective plates that tests and resampled limits take: by "cr1" two, as in the first protocol."""
    return 2 if correction == "cr1" else FEWEST_PLATES


class StatisticsError(MdlpBenchError):
    """Values or cluster ids from which no statistic can be computed."""


@dataclass(frozen=True, slots=True, eq=False)
class ClusterSums:
    """Sums over the samples of each cluster, for m columns of per-sample values.

    Attributes:
        totals: [C, m] sum of the measured values of each cluster.
        counts: [C, m] number of measured values of each cluster, or [C, 1] when all columns miss the same
            samples.
        correction: How `standard_errors` and `degrees_of_freedom` allow for few and unequal clusters.
    """

    totals: FloatArray
    counts: FloatArray
    correction: Correction = "cr2"

    @property
    def n(self) -> npt.NDArray[np.int64]:
        """[m] or [1]: measured samples per column."""
        n: npt.NDArray[np.int64] = self.counts.sum(axis=0).astype(np.int64)
        return n

    @property
    def n_clusters(self) -> npt.NDArray[np.int64]:
        """[m] or [1]: clusters with at least one measured sample, per column."""
        n_clusters: npt.NDArray[np.int64] = (self.counts > 0).sum(axis=0)
        return n_clusters

    def means(self) -> FloatArray:
        """[m]: mean over samples, every sample weighing the same."""
        return column_sums(self.totals) / column_sums(self.counts)

    def residuals(self) -> FloatArray:
        """[C, m]: summed deviations of each cluster's samples from the column mean."""
        residuals: FloatArray = self.totals - self.counts * self.means()
        return residuals

    def standard_errors(self) -> FloatArray:
        """[m]: cluster-robust (sandwich) standard error of the mean.

        sqrt(sum_c a_c r_c^2) / n, with r_c the residual sum of cluster c (Liang and Zeger, 1986) and a_c the
        correction: 1 / (1 - n_c / n) by CR2, C / (C - 1) by CR1. With one sample per cluster both are the
        ordinary s / sqrt(n). With a single cluster it is NaN: nothing is known about the spread between
        clusters.
        """
        weighted = self.inflation() * self.residuals() ** 2
        errors: FloatArray = np.sqrt(column_sums(weighted)) / column_sums(self.counts)
        return errors

    def inflation(self) -> FloatArray:
        """[C, m] or [C, 1]: the factor of each cluster's squared residual; NaN with a single cluster."""
        n, clusters = column_sums(self.counts), self.n_clusters.astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.correction == "cr1":
                factor = np.broadcast_to(clusters / (clusters - 1), self.counts.shape)
            else:
                factor = 1 / (1 - self.counts / n)
        inflation: FloatArray = np.where(clusters > 1, factor, np.nan)
        return inflation

    def degrees_of_freedom(self) -> FloatArray:
        """[m] or [1]: of Student's t for the mean over its standard error; 0 with a single cluster.

        By CR2 those of Bell and McCaffrey (Survey Methodology 28(2), 2002), with independent samples as the
        working model; equal clusters give C - 1, as CR1 does for all.
        """
        if self.correction == "cr1":
            return self.n_clusters.astype(np.float64) - 1
        n, a, w = column_sums(self.counts), self.inflation(), self.counts
        squares = column_sums((a * w) ** 2 * (1 - 2 * w / n)) + (column_sums(a * w**2) / n) ** 2
        freedom: FloatArray = np.where(self.n_clusters > 1, n**2 / squares, 0.0)
        return freedom

    def n_effective(self) -> FloatArray:
        """[m] or [1]: how many plates of equal size would tell as much."""
        effective: FloatArray = self.degrees_of_freedom() + 1
        return effective

    def enough(self) -> npt.NDArray[np.bool_]:
        """[m] or [1]: whether there are enough plates for tests and resampled limits (`fewest_plates`)."""
        # Equal plates must count in full despite rounding.
        return np.asarray(self.n_effective() > fewest_plates(self.correction) - 1e-9, np.bool_)


def column_sums(table: FloatArray) -> FloatArray:
    """[m] sums of the columns of [C, m], each with the same bits whatever other columns stand beside it."""
    sums: FloatArray = np.ascontiguousarray(table.T).sum(axis=1)
    return sums


class Clusters:
    """The partition of samples into clusters (plates), independent of the samples' order.

    Attributes:
        ids: [C] ids of the clusters, sorted.
        codes: [n] the cluster of each sample.
        sizes: [C] samples of each cluster.

    Args:
        cluster_ids: One cluster id (plate id) per sample, n of them.
        correction: As in `ClusterSums`.

    Raises:
        StatisticsError: There is no sample, an id is empty or not a text, or there is no such correction.
    """

    def __init__(self, cluster_ids: Sequence[str], *, correction: Correction = "cr2") -> None:
        one_of("correction", correction, get_args(Correction), StatisticsError)
        self.correction = correction
        ids = list(cluster_ids)
        if not ids:
            raise StatisticsError("no samples: a statistic needs at least one scored sample")
        for position, cluster_id in enumerate(ids):
            if not isinstance(cluster_id, str) or not cluster_id:
                raise StatisticsError(
                    f"sample {position}: plate id {cluster_id!r} is not a text; give every sample a plate id "
                    "(its own sample id when the plate is unknown)"
                )
        self.ids, self.codes = np.unique(np.asarray(ids, dtype=np.str_), return_inverse=True)
        sizes = np.bincount(self.codes)
        self.sizes: FloatArray = sizes.astype(np.float64)
        self._starts = np.concatenate(([0], np.cumsum(sizes)[:-1]))
        self._order = np.argsort(self.codes, kind="stable")

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return len(self.codes)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def n_effective(self) -> float:
        """How many plates of equal size would tell as much, of values that all samples have."""
        return float(self._whole.n_effective()[0])

    @property
    def enough(self) -> bool:
        """Whether there are enough plates for resampled limits (see `ClusterSums.enough`)."""
        return bool(self._whole.enough()[0])

    @property
    def _whole(self) -> ClusterSums:
        return ClusterSums(self.sizes[:, None], self.sizes[:, None], self.correction)

    def columns(self, values: npt.ArrayLike) -> FloatArray:
        """Check per-sample values and shape them as columns.

        Args:
            values: [n] or [n, m] in the order of the cluster ids; NaN marks a sample without a value.

        Returns:
            [n, m] float64.

        Raises:
            StatisticsError: The number of samples differs, a value is infinite, or a column has no value at
                all.
        """
        columns = np.asarray(values, dtype=np.float64)
        if columns.ndim == 1:
            columns = columns[:, None]
        if columns.ndim != 2 or len(columns) != self.n_samples:
            raise StatisticsError(
                f"values of shape {np.shape(values)} do not fit {self.n_samples} samples; "
                "give one value per sample, in the order of the plate ids"
            )
        if np.isinf(columns).any():
            sample, column = np.argwhere(np.isinf(columns))[0]
            raise StatisticsError(
                f"column {column}, sample {sample}: infinite value; cap the metric as the protocol says"
            )
        empty = np.flatnonzero(np.isnan(columns).all(axis=0))
        if len(empty):
            raise StatisticsError(
                f"column {empty[0]}: no sample has a value; leave the column out as unavailable"
            )
        return columns

    def sums(self, values: npt.ArrayLike) -> ClusterSums:
        """Sum per-sample values within each cluster.

        The values of a cluster are added in ascending order, so the result has the same bits whatever the
        order of the samples.

        Args:
            values: As in `columns`.

        Raises:
            StatisticsError: As in `columns`.
        """
        columns = self.columns(values)
        if len(self) == self.n_samples:
            grouped = columns[self._order]
        else:
            grouped = np.empty_like(columns)
            for index, column in enumerate(columns.T):
                grouped[:, index] = column[np.lexsort((column, self.codes))]
        missing = np.isnan(grouped)
        totals = np.add.reduceat(np.where(missing, 0.0, grouped), self._starts, axis=0)
        # NaN sorts last within its cluster, so columns with the same numbers of missing samples agree here.
        present = ~(missing[:, :1] if (missing == missing[:, :1]).all() else missing)
        counts = np.add.reduceat(present.astype(np.float64), self._starts, axis=0)
        return ClusterSums(totals, counts, self.correction)
