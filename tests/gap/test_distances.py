from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mdlp_bench.gap.distances import PooledValues, ValueGap, scale_of, smallest_ks, value_gap
from mdlp_bench.gap.kernels import PlateKernel, cubic_kernel, gaussian_kernel
from mdlp_bench.harness.statistics import holm
from mdlp_bench.harness.statistics.two_sets import TwoSetClusters
from mdlp_bench.metrics.distribution import kernel_distance

numbers = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=15)


def own_plates(first: int, second: int) -> TwoSetClusters:
    return TwoSetClusters([f"a{i}" for i in range(first)], [f"b{i}" for i in range(second)])


@given(numbers, numbers)
def test_distances_equal_those_of_scipy_with_ties(first: list[float], second: list[float]) -> None:
    units = own_plates(len(first), len(second))
    own = units.is_first[None].astype(float)
    (wasserstein,), (ks,) = PooledValues(np.array(first + second), units).distances(own, 1 - own)
    assert wasserstein == pytest.approx(stats.wasserstein_distance(first, second), abs=1e-9)
    assert ks == pytest.approx(stats.ks_2samp(first, second).statistic, abs=1e-9)


def test_weights_of_units_are_repeated_samples() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=9), rng.normal(1, 2, size=7)
    units = own_plates(9, 7)
    times = units.resamples(5, rng)
    own = units.is_first[None].astype(float)
    wasserstein, _ = PooledValues(np.concatenate([first, second]), units).distances(
        times * own, times * (1 - own)
    )
    counts = times[:, units.codes].astype(int)
    for found, count in zip(wasserstein, counts, strict=True):
        expected = stats.wasserstein_distance(np.repeat(first, count[:9]), np.repeat(second, count[9:]))
        assert found == pytest.approx(expected)


def test_the_scale_is_the_pooled_deviation_and_bounds_constants_at_two() -> None:
    values = np.concatenate([np.zeros(10), np.full(30, 3.0)])
    is_first = np.arange(40) < 10
    assert 3.0 / scale_of(values, is_first) == pytest.approx(2)
    assert scale_of(np.ones(40), is_first) == 1.0


def gap(
    values: np.ndarray, units: TwoSetClusters, seed: int = 0, *, draws: tuple[int, int] = (199, 199)
) -> ValueGap:
    rng = np.random.default_rng(seed)
    return value_gap(
        values,
        units,
        permutations=units.permutations(draws[0], rng),
        resamples=units.resamples(draws[1], rng),
        confidence=0.95,
    )


def test_intervals_cover_a_known_shift_when_samples_of_a_plate_hang_together() -> None:
    covered = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        names = [f"{set_}{i}" for set_ in "ab" for i in range(60) for _ in range(3)]
        of_plate = np.repeat(rng.normal(size=120), 3)
        values = of_plate + 0.3 * rng.normal(size=360) + 1.5 * (np.arange(360) >= 180)
        found = gap(values, TwoSetClusters(names[:180], names[180:]), seed, draws=(1, 199))
        covered += found.wasserstein.low <= 1.5 <= found.wasserstein.high
    assert covered >= 51  # 95 % of 60 are 57; fewer than 51 has probability 0.002


def test_relabelling_plates_keeps_the_level_that_counting_samples_would_break() -> None:
    by_plate, by_sample = 0, 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        names = [f"{set_}{i}" for set_ in "ab" for i in range(20) for _ in range(6)]
        values = np.repeat(rng.normal(size=40), 6) + 0.2 * rng.normal(size=240)
        by_plate += gap(values, TwoSetClusters(names[:120], names[120:]), seed, draws=(199, 1)).p_value < 0.05
        by_sample += stats.ks_2samp(values[:120], values[120:]).pvalue < 0.05
    assert by_plate <= 11  # 5 expected; more than 11 has probability 0.004
    assert by_sample > 25


def test_smallest_ks_is_where_the_asymptotic_test_turns() -> None:
    n, m = 150, 220
    limit = smallest_ks(n, m, 0.01)
    below, above = (stats.kstwobign.sf(d * np.sqrt(n * m / (n + m))) for d in (limit - 0.005, limit + 0.005))
    assert above < 0.01 < below


def test_with_a_sample_a_plate_the_kernel_distance_is_that_of_the_metrics() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=(23, 4)), rng.normal(0.4, 1, size=(31, 4))
    kernel = PlateKernel(np.concatenate([first, second]), own_plates(23, 31), cubic_kernel)
    expected = kernel_distance(first, second)
    assert kernel.value() == pytest.approx(expected.value, rel=1e-9)
    assert kernel.standard_error() == pytest.approx(expected.standard_error, rel=1e-9)


def test_pairs_of_one_plate_do_not_count() -> None:
    """With two copies of every sample, in one set or in both, nothing but different plates is compared."""
    rng = np.random.default_rng(2)
    first, second = rng.normal(size=(12, 3)), rng.normal(0.5, 1, size=(12, 3))
    alone = PlateKernel(np.concatenate([first, second]), own_plates(12, 12), cubic_kernel).value()
    names = [f"a{i}" for i in range(12)] * 2, [f"b{i}" for i in range(12)] * 2
    twice = PlateKernel(np.concatenate([first, first, second, second]), TwoSetClusters(*names), cubic_kernel)
    assert twice.value() == pytest.approx(alone)
    shared = TwoSetClusters([f"p{i}" for i in range(12)], [f"p{i}" for i in range(12)])
    same = PlateKernel(np.concatenate([first, first]), shared, cubic_kernel)
    assert same.value() == pytest.approx(0, abs=1e-12) and same.standard_error() == pytest.approx(
        0, abs=1e-12
    )


def test_a_planted_shift_gives_monotone_distances_and_small_p_values() -> None:
    rng = np.random.default_rng(3)
    first, noise = rng.normal(size=(60, 5)), rng.normal(size=(60, 5))
    units = own_plates(60, 60)
    permutations = units.permutations(199, rng)
    found = []
    for shift in (0.0, 0.3, 0.6, 1.2, 2.4):
        pooled = np.concatenate([first, noise + shift])
        mmd = PlateKernel(pooled, units, gaussian_kernel(pooled))
        wasserstein = gap(pooled[:, 0], units).wasserstein.value
        found.append(
            (wasserstein, PlateKernel(pooled, units, cubic_kernel).value(), mmd.p_value(permutations))
        )
    assert [w for w, *_ in found] == sorted(w for w, *_ in found)
    assert [k for _, k, _ in found] == sorted(k for _, k, _ in found)
    assert found[0][2] > 0.05 and found[-1][2] == 1 / 200


def test_no_false_alarm_beyond_the_level_in_fifty_plate_disjoint_halvings() -> None:
    """Real against itself: a family of corrected tests, and the MMD test, at 5 %."""
    any_statistic = mmd_alarms = 0
    rng = np.random.default_rng(4)
    of_plate = rng.normal(size=(60, 6)) @ rng.normal(size=(6, 6))
    table = np.repeat(of_plate, 2, axis=0) + 0.3 * rng.normal(size=(120, 6))
    names = np.repeat([f"p{i}" for i in range(60)], 2)
    for seed in range(50):
        half = np.isin(names, np.random.default_rng(seed).permutation(np.unique(names))[:30])
        pooled = np.concatenate([table[half], table[~half]])
        units = TwoSetClusters(names[half].tolist(), names[~half].tolist())
        p_values = [gap(column, units, seed, draws=(199, 1)).p_value for column in pooled.T]
        any_statistic += holm(p_values).min() < 0.05
        permutations = units.permutations(199, np.random.default_rng(seed))
        mmd_alarms += PlateKernel(pooled, units, gaussian_kernel(pooled)).p_value(permutations) < 0.05
    assert any_statistic <= 7 and mmd_alarms <= 7  # 2.5 expected; more than 7 has probability 0.003
