from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdlp_bench.errors import DataError
from mdlp_bench.harness.statistics.two_sets import TwoSetClusters, basic_interval, permutation_p_value

plates = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=12)


@given(plates, plates)
def test_units_are_plates_of_a_set_and_pairs_are_plates_of_both(first: list[str], second: list[str]) -> None:
    units = TwoSetClusters(first, second)
    pairs, only_first, only_second = units.strata()
    assert len(pairs) == len(set(first) & set(second))
    assert len(only_first) == len(set(first) - set(second))
    assert len(only_second) == len(set(second) - set(first))
    assert units.n_plates == (len(set(first)), len(set(second)))
    assert units.sample_is_first.tolist() == [True] * len(first) + [False] * len(second)
    if len(pairs):
        assert units.is_first[pairs[:, 0]].all() and not units.is_first[pairs[:, 1]].any()
        assert (units.plate[pairs[:, 0]] == units.plate[pairs[:, 1]]).all()


@given(plates, plates, st.integers(0, 99))
def test_random_draws_keep_plates_and_strata_together(first: list[str], second: list[str], seed: int) -> None:
    units = TwoSetClusters(first, second)
    pairs, only_first, only_second = units.strata()
    labels = units.permutations(20, np.random.default_rng(seed))
    alone = np.concatenate([only_first, only_second])
    assert (labels[:, alone].sum(axis=1) == len(only_first)).all()
    assert (labels[:, pairs].sum(axis=2) == 1).all()
    times = units.resamples(20, np.random.default_rng(seed))
    assert (times[:, only_first].sum(axis=1) == len(only_first)).all()
    assert (times[:, only_second].sum(axis=1) == len(only_second)).all()
    if len(pairs):
        assert (times[:, pairs[:, 0]] == times[:, pairs[:, 1]]).all()
    fold = units.folds(3, np.random.default_rng(seed))
    by_plate = {plate: set() for plate in (*first, *second)}
    for plate, one in zip((*first, *second), fold, strict=True):
        by_plate[plate].add(int(one))
    assert all(len(found) == 1 for found in by_plate.values())


@given(plates, plates, st.data())
def test_taking_samples_is_grouping_them_anew(
    first: list[str], second: list[str], data: st.DataObject
) -> None:
    kept = np.array(
        data.draw(st.lists(st.booleans(), min_size=len(first + second), max_size=len(first + second)))
    )
    left = [plate for plate, keep in zip(first, kept, strict=False) if keep]
    right = [plate for plate, keep in zip(second, kept[len(first) :], strict=True) if keep]
    if not left or not right:
        return
    taken, direct = TwoSetClusters(first, second).take(kept), TwoSetClusters(left, right)
    assert taken.n_plates == direct.n_plates and len(taken.strata()[0]) == len(direct.strata()[0])
    assert taken.sizes.tolist() == direct.sizes.tolist() and taken.codes.tolist() == direct.codes.tolist()


def test_an_empty_set_is_refused() -> None:
    with pytest.raises(DataError, match="both sets"):
        TwoSetClusters([], ["a"])


def test_p_values_are_never_zero_and_count_ties() -> None:
    assert permutation_p_value(3.0, np.array([1.0, 2.0, 3.0])) == 0.5
    assert permutation_p_value(9.0, np.zeros(99)) == 0.01


def test_the_basic_interval_mirrors_the_replicates() -> None:
    low, high = basic_interval(np.linspace(2, 4, 1001), 2.5, 0.9)
    assert low == pytest.approx(2 * 2.5 - 3.9) and high == pytest.approx(2 * 2.5 - 2.1)
