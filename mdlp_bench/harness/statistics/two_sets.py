"""Plates of two sets of samples as the unit of resampling, permutation and cross-validation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from mdlp_bench.errors import DataError
from mdlp_bench.harness.statistics.clusters import Clusters, FloatArray

IntArray = npt.NDArray[np.intp]
BoolArray = npt.NDArray[np.bool_]

# Entries of a [draws, samples] array that are worked on at a time: 32 MB as float64.
BLOCK: Final = 1 << 22


class TwoSetClusters(Clusters):
    """The pooled samples of two sets, the first set's before the second's, grouped by (set, plate).

    A plate that both sets have makes two clusters, a pair: its content is the same in both, so whatever is
    drawn at random treats the two together.

    Attributes:
        is_first: [C] whether the cluster is of the first set.
        plate: [C] the plate's number; both clusters of a pair have the same.

    Args:
        first: Plate ids of the first set's samples.
        second: Of the second set's.

    Raises:
        DataError: A set has no samples.
    """

    def __init__(self, first: Sequence[str], second: Sequence[str]) -> None:
        if not len(first) or not len(second):
            raise DataError("a comparison needs samples in both sets")
        super().__init__([*(f"1/{plate}" for plate in first), *(f"2/{plate}" for plate in second)])
        self.is_first: BoolArray = np.char.startswith(self.ids, "1/")
        _, plate = np.unique([name[2:] for name in self.ids.tolist()], return_inverse=True)
        self.plate: IntArray = plate.astype(np.intp)

    @property
    def sample_is_first(self) -> BoolArray:
        """[n] whether a pooled sample is of the first set."""
        return self.is_first[self.codes]

    @property
    def n_plates(self) -> tuple[int, int]:
        """Plates of the first and of the second set."""
        return int(self.is_first.sum()), int((~self.is_first).sum())

    def take(self, kept: BoolArray) -> TwoSetClusters:
        """The clusters of the kept samples alone ([n] mask)."""
        names = self.plate[self.codes].astype(np.str_)
        first = self.sample_is_first
        return TwoSetClusters(names[kept & first].tolist(), names[kept & ~first].tolist())

    def strata(self) -> tuple[IntArray, IntArray, IntArray]:
        """Clusters of pairs, [P, 2] (first set, second set), and of plates only one set has, [.] each."""
        order = np.argsort(self.plate, kind="stable")
        twice = np.flatnonzero(np.diff(self.plate[order]) == 0)
        pairs = np.stack([order[twice], order[twice + 1]], axis=1)
        pairs = np.where(self.is_first[pairs[:, :1]], pairs, pairs[:, ::-1]) if len(pairs) else pairs
        alone = np.setdiff1d(np.arange(len(self.plate)), pairs)
        return pairs, alone[self.is_first[alone]], alone[~self.is_first[alone]]

    def permutations(self, count: int, rng: np.random.Generator) -> FloatArray:
        """Random relabellings under which equal distributions are exchangeable.

        Plates of one set alone keep their number per set and swap places at random; a pair swaps sides with
        probability 1/2.

        Returns:
            [count, C]: 1 where the cluster counts as of the first set, else 0.
        """
        pairs, first, second = self.strata()
        labels = np.zeros((count, len(self.plate)))
        swapped = rng.random((count, len(pairs))) < 0.5
        if len(pairs):
            labels[:, pairs[:, 0]], labels[:, pairs[:, 1]] = ~swapped, swapped
        alone = np.concatenate([first, second])
        labels[:, alone] = rng.permuted(np.tile(np.arange(len(alone)) < len(first), (count, 1)), axis=1)
        return labels

    def resamples(self, count: int, rng: np.random.Generator) -> FloatArray:
        """Bootstrap multiplicities, [count, C]: plates drawn with replacement in each stratum.

        Both clusters of a pair are drawn together.
        """
        pairs, first, second = self.strata()
        drawn = np.zeros((count, len(self.plate)))
        for units in (pairs, first[:, None], second[:, None]):
            if len(units):
                times = rng.multinomial(len(units), np.full(len(units), 1 / len(units)), count)
                for side in units.T:
                    drawn[:, side] = times
        return drawn

    def folds(self, count: int, rng: np.random.Generator) -> IntArray:
        """[n] the fold of each pooled sample: a plate is in one fold, every stratum is dealt out evenly."""
        of_plate = np.zeros(int(self.plate.max()) + 1, np.intp)
        offset = 0
        pairs, first, second = self.strata()
        for units in (pairs[:, 0] if len(pairs) else first[:0], first, second):
            of_plate[self.plate[rng.permutation(units)]] = (np.arange(len(units)) + offset) % count
            offset += len(units)
        folds: IntArray = of_plate[self.plate[self.codes]]
        return folds


def basic_interval(replicates: FloatArray, estimate: float, confidence: float) -> tuple[float, float]:
    """The basic bootstrap interval, 2 t - q(1 - a/2) ... 2 t - q(a/2).

    A distance that is estimated from samples is never below 0 and grows with noise; resampling adds noise
    once more. The basic interval turns that bias around where the percentile interval would double it.
    (Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 5.2.)
    """
    tail = (1 - confidence) / 2
    low, high = np.quantile(replicates, [tail, 1 - tail])
    return float(2 * estimate - high), float(2 * estimate - low)


def permutation_p_value(observed: float, permuted: FloatArray) -> float:
    """(1 + relabellings at least as extreme) / (1 + relabellings): never 0 (Phipson and Smyth 2010)."""
    # The same value may come out of another order of summation.
    slack = 1e-12 * max(1.0, abs(observed))
    return float((1 + np.count_nonzero(permuted >= observed - slack)) / (1 + len(permuted)))
