"""Risk-coverage curves against their definition, written as loops."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdlp_bench.errors import DataError
from mdlp_bench.metrics.abstaining import accepted, risk_coverage

READINGS = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40)


def plain_area(confidences: list[float], wrong: list[bool]) -> float:
    """The mean of the risks of the k surest readings, k = 1, ..., n."""
    order = sorted(range(len(wrong)), key=lambda i: -confidences[i])
    errors = [wrong[i] for i in order]
    return sum(sum(errors[:k]) / k for k in range(1, len(errors) + 1)) / len(errors)


@given(READINGS)
def test_area_is_its_definition_where_no_confidences_tie(readings: list[tuple[float, bool]]) -> None:
    wrong = [error for _, error in readings]
    confidences = np.random.default_rng(0).permutation(len(wrong)) / len(wrong)
    curve = risk_coverage(confidences, wrong)
    assert curve.area() == pytest.approx(plain_area(confidences.tolist(), wrong))
    assert curve.risk[-1] == pytest.approx(np.mean(wrong)) and curve.coverage[-1] == 1


def test_area_of_ties_is_the_mean_over_their_orders() -> None:
    confidences, wrong = [0.9, 0.5, 0.5, 0.5, 0.1], [False, True, False, False, True]
    orders = [plain_area([0.9, *tied, 0.1], wrong) for tied in itertools.permutations([0.5, 0.51, 0.49])]
    assert risk_coverage(confidences, wrong).area() == pytest.approx(np.mean(orders))


@given(READINGS, st.integers(0, 10**6))
def test_area_does_not_depend_on_the_order_of_the_readings(
    readings: list[tuple[float, bool]], seed: int
) -> None:
    confidences, wrong = (np.array(column, float) for column in zip(*readings, strict=True))
    order = np.random.default_rng(seed).permutation(len(wrong))
    area = risk_coverage(confidences, wrong).area()
    assert area == pytest.approx(risk_coverage(confidences[order], wrong[order]).area())
    assert 0 <= area <= 1


def test_the_surest_order_is_best_and_its_reverse_worst() -> None:
    wrong = np.array([0, 0, 0, 1, 1], float)
    sure, unsure = (risk_coverage(scores, wrong).area() for scores in (1 - wrong, wrong))
    random = risk_coverage(np.ones(5), wrong).area()
    assert random == pytest.approx(0.4) and sure < random < unsure


def test_weights_are_resamples() -> None:
    rng = np.random.default_rng(1)
    confidences, wrong = rng.random(30), (rng.random(30) < 0.4).astype(float)
    weights = rng.integers(0, 2, (3, 30)).astype(float)
    weights[2] = 0
    areas = risk_coverage(confidences, wrong, weights).area()
    for area, row in zip(areas[:2], weights[:2] > 0, strict=True):
        assert area == pytest.approx(risk_coverage(confidences[row], wrong[row]).area())
    assert np.isnan(areas[2])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50), st.floats(0.01, 1))
def test_a_threshold_accepts_at_least_the_coverage_and_the_surest(
    confidences: list[float], coverage: float
) -> None:
    scores = np.array(confidences)
    taken = accepted(scores, coverage)
    assert taken.mean() >= coverage - 1e-9
    assert taken.all() or scores[taken].min() > scores[~taken].max()
    least = scores[taken].min()
    assert (scores > least).mean() < coverage, "no reading too many but for ties"


def test_numbers_must_fit() -> None:
    for confidences, wrong in (([], []), ([0.5], [0, 1]), ([np.nan], [1])):
        with pytest.raises(DataError, match="one number is needed per reading"):
            risk_coverage(confidences, wrong)
