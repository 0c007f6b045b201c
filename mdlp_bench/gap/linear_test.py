"""The linear two-sample test: can a ridge logistic regression tell two sets by their statistics?

The plainest of classifier two-sample tests (Lopez-Paz and Oquab, ICLR 2017). It needs no network and finds
any shift of a mean; every plate is told by a model that has not seen it.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.optimize import minimize

from mdlp_bench.gap.classifier import balanced_accuracy
from mdlp_bench.harness.statistics.clusters import FloatArray
from mdlp_bench.harness.statistics.two_sets import BoolArray, TwoSetClusters

RIDGE: Final = 1.0
"""Half the weight of the squared coefficients of standardised statistics, beside the sum of losses."""


def linear_accuracy(values: FloatArray, units: TwoSetClusters, *, ridge: float = RIDGE) -> float:
    """Mean of both sets' shares told right, each plate left out once; 0.5 is chance.

    Args:
        values: float64 [n, k], pooled statistics without NaN.
        units: Their plates.
        ridge: See `RIDGE`.
    """
    is_first = units.sample_is_first
    right = np.empty(len(values))
    plates = units.plate[units.codes]  # a plate that both sets have is left out of both
    for plate in np.unique(plates):
        held = plates == plate
        right[held] = _told(values[~held], is_first[~held], values[held], ridge) == is_first[held]
    (accuracy,) = balanced_accuracy(right, units, np.ones((1, len(units.sizes))))
    return float(accuracy)


def _told(values: FloatArray, is_first: BoolArray, held_out: FloatArray, ridge: float) -> BoolArray:
    mean, scale = values.mean(axis=0), values.std(axis=0)
    scale[scale == 0] = 1.0
    known = np.column_stack([(values - mean) / scale, np.ones(len(values))])
    sign = np.where(is_first, 1.0, -1.0)
    # Both sets weigh alike, however many samples they have.
    weight = np.where(is_first, 0.5 / is_first.mean(), 0.5 / (~is_first).mean())

    def loss(coefficients: FloatArray) -> tuple[float, FloatArray]:
        margin = sign * (known @ coefficients)
        inner = np.append(coefficients[:-1], 0.0)
        pull = -sign * weight / (1 + np.exp(np.clip(margin, -500, 500)))
        value = float(weight @ np.logaddexp(0, -margin) + ridge * inner @ inner)
        return value, known.T @ pull + 2 * ridge * inner

    found = minimize(loss, np.zeros(known.shape[1]), jac=True, method="L-BFGS-B")
    told: BoolArray = np.column_stack([(held_out - mean) / scale, np.ones(len(held_out))]) @ found.x > 0
    return told
