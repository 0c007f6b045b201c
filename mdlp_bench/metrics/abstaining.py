"""How useful a reader's confidences are: how often it errs on the readings that it is surest of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from mdlp_bench.errors import DataError

FloatArray = npt.NDArray[np.float64]

COVERAGES: Final = (100, 50, 20)
"""Percentages of plates read at which the share of wrong ones is reported."""


@dataclass(frozen=True, slots=True, eq=False)
class RiskCoverage:
    """The risk-coverage curve of readings, most confident first (El-Yaniv and Wiener, JMLR 11, 2010).

    Attributes:
        coverage: [..., n] share of the readings accepted, ascending to 1.
        risk: [..., n] share of wrong ones among those accepted.
        weights: [..., n] how often each reading counts.
    """

    coverage: FloatArray
    risk: FloatArray
    weights: FloatArray

    def area(self) -> FloatArray:
        """[...] area under the curve (AURC of Geifman, Uziel and El-Yaniv, ICLR 2019), within [0, 1].

        The mean of the risks after each reading; lower is better. Without an error it is 0; where all
        readings are wrong it is 1. NaN where nothing has a weight.
        """
        total = self.weights.sum(axis=-1)
        with np.errstate(invalid="ignore"):
            area: FloatArray = (self.risk * self.weights).sum(axis=-1) / total
        return area


def risk_coverage(
    confidences: npt.ArrayLike, wrong: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> RiskCoverage:
    """The risk-coverage curve. Readings with equal confidences have no order, so each gets their mean risk.

    Args:
        confidences: [n] any score that grows with certainty.
        wrong: [n] 1 for a wrong reading, 0 for a right one, or anything between.
        weights: [..., n] how often each reading counts, e.g. in resamples; once by default.

    Raises:
        DataError: There is no reading, the lengths differ, or a confidence is not a number.
    """
    scores, errors = np.asarray(confidences, np.float64), np.asarray(wrong, np.float64)
    if scores.ndim != 1 or scores.shape != errors.shape or not len(scores) or np.isnan(scores).any():
        raise DataError(
            f"{scores.size} confidences for {errors.size} readings; one number is needed per reading"
        )
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    times = np.diff(np.append(starts, len(ordered)))
    w = np.ones(len(scores)) if weights is None else np.asarray(weights, np.float64)[..., order]
    group_weights = np.add.reduceat(w, starts, axis=-1)
    group_errors = np.add.reduceat(w * errors[order], starts, axis=-1)
    mean = np.repeat(group_errors / np.where(group_weights > 0, group_weights, 1.0), times, axis=-1)
    taken = np.cumsum(w, axis=-1)
    risk = np.cumsum(w * mean, axis=-1) / np.where(taken > 0, taken, 1.0)
    return RiskCoverage(taken / np.maximum(taken[..., -1:], 1e-300), risk, w)


def accepted(confidences: npt.ArrayLike, coverage: float) -> npt.NDArray[np.bool_]:
    """[n] the readings above the highest threshold that accepts at least the share `coverage`, in (0, 1].

    Readings as sure as the last one accepted are accepted with it.
    """
    scores = np.asarray(confidences, np.float64)
    count = max(1, int(np.ceil(coverage * len(scores) - 1e-9)))
    return np.asarray(scores >= np.sort(scores)[-count], np.bool_)
