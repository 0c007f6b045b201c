"""Plates of two sets of samples as the unit of resampling, permutation and cross-validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from mdlp_bench.errors import DataError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
BoolArray = npt.NDArray[np.bool_]

# Entries of a [draws, samples] array that are worked on at a time: 32 MB as float64.
BLOCK: Final = 1 << 22


@dataclass(frozen=True, slots=True, eq=False)
class PlateUnits:
    """The pooled samples of two sets, the first set's before the second's, grouped by (set, plate).

    A plate that both sets have makes two units, a pair: its content is the same in both, so whatever is drawn
    at random treats the two together.

    Attributes:
        unit: [n] the unit of each pooled sample.
        sizes: [U] samples of each unit.
        is_first: [U] whether the unit is of the first set.
        plate: [U] the plate's number; units of one plate have the same.
    """

    unit: IntArray
    sizes: FloatArray
    is_first: BoolArray
    plate: IntArray

    @classmethod
    def of(cls, first: Sequence[str], second: Sequence[str]) -> PlateUnits:
        """Group samples by the plate ids of both sets.

        Raises:
            DataError: A set has no samples.
        """
        if not len(first) or not len(second):
            raise DataError("a comparison needs samples in both sets")
        names, plates = np.unique(np.asarray([*first, *second], np.str_), return_inverse=True)
        second_set = np.arange(len(plates)) >= len(first)
        codes, unit = np.unique(plates + len(names) * second_set, return_inverse=True)
        return cls(
            unit.astype(np.intp),
            np.bincount(unit).astype(np.float64),
            codes < len(names),
            (codes % len(names)).astype(np.intp),
        )

    @property
    def sample_is_first(self) -> BoolArray:
        """[n] whether a pooled sample is of the first set."""
        return self.is_first[self.unit]

    @property
    def n_plates(self) -> tuple[int, int]:
        """Plates of the first and of the second set."""
        return int(self.is_first.sum()), int((~self.is_first).sum())

    def take(self, kept: BoolArray) -> PlateUnits:
        """The units of the kept samples alone ([n] mask)."""
        names = self.plate[self.unit].astype(np.str_)
        first = self.sample_is_first
        return PlateUnits.of(names[kept & first].tolist(), names[kept & ~first].tolist())

    def strata(self) -> tuple[IntArray, IntArray, IntArray]:
        """Units of pairs, [P, 2] (first set, second set), and those of plates only one set has, [.] each."""
        order = np.argsort(self.plate, kind="stable")
        twice = np.flatnonzero(np.diff(self.plate[order]) == 0)
        pairs = np.stack([order[twice], order[twice + 1]], axis=1)
        pairs = np.where(self.is_first[pairs[:, :1]], pairs, pairs[:, ::-1]) if len(pairs) else pairs
        alone = np.setdiff1d(np.arange(len(self.plate)), pairs)
        return pairs, alone[self.is_first[alone]], alone[~self.is_first[alone]]

    def permutations(self, count: int, rng: np.random.Generator) -> FloatArray:
        """Random relabellings under which equal distributions are exchangeable.

        Plates of one set alone keep their number a set and swap places at random; a pair swaps sides with
        probability 1/2.

        Returns:
            [count, U]: 1 where the unit counts as of the first set, else 0.
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
        """Bootstrap multiplicities of the units, [count, U]: plates drawn with replacement in each stratum.

        Both units of a pair are drawn together.
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
        folds: IntArray = of_plate[self.plate[self.unit]]
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
