"""Exact limits of shares: scipy as the oracle, coverage with equal and heavy-tailed plates."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mdlp_bench.harness.statistics import ClusterBootstrap, Clusters, SeedSpread
from mdlp_bench.harness.statistics.clusters import ClusterSums
from mdlp_bench.harness.statistics.shares import clopper_pearson, share_limits, sign_test

RUNS = 2000


def singletons(n: int) -> list[str]:
    return [f"plate-{i:05d}" for i in range(n)]


def heavy_tailed(n_plates: int, largest: int) -> np.ndarray:
    """Sizes of plates from 1 to `largest`, equally many per factor."""
    return np.maximum(1, np.round(largest ** ((np.arange(n_plates) + 0.5) / n_plates)))


def simulated(rng: np.random.Generator, share: float, sizes: np.ndarray, correlation: float) -> ClusterSums:
    """Zeros and ones in plates, one test set per column; plates' rates are beta distributed."""
    if correlation == 0:
        rates = np.full((len(sizes), RUNS), share)
    elif correlation == 1:
        rates = (rng.random((len(sizes), RUNS)) < share).astype(float)
    else:
        scale = 1 / correlation - 1
        rates = rng.beta(share * scale, (1 - share) * scale, (len(sizes), RUNS))
    ones = rng.binomial(sizes.astype(int)[:, None], rates).astype(float)
    return ClusterSums(ones, sizes[:, None])


def test_none_of_36_plates_is_up_to_ten_percent() -> None:
    interval = ClusterBootstrap(singletons(36), 200).interval(np.zeros(36), is_share=True)
    assert interval.low == 0 and interval.high == pytest.approx(0.0974, abs=5e-5)
    interval = ClusterBootstrap(singletons(36), 200).interval(np.ones(36), is_share=True)
    assert interval.high == 1 and interval.low == pytest.approx(0.9026, abs=5e-5)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 300), st.data(), st.sampled_from([0.9, 0.95, 0.99]))
def test_single_samples_give_the_binomial_limits_of_scipy(
    n: int, data: st.DataObject, confidence: float
) -> None:
    ones = data.draw(st.integers(0, n))
    oracle = stats.binomtest(ones, n).proportion_ci(confidence, "exact")
    (limits,) = clopper_pearson([ones], [n], confidence)
    np.testing.assert_allclose(limits, oracle, atol=1e-9)
    sums = Clusters(singletons(n)).sums(np.arange(n) < ones)
    np.testing.assert_allclose(share_limits(sums, confidence)[0], oracle, atol=1e-9)


@pytest.mark.parametrize(
    "sizes, effective",
    [(np.full(20, 5.0), 20), (np.array([10.0, 1, 1]), 144 / 102)],
    ids=["equal", "unequal"],
)
def test_without_an_event_plates_count_and_not_samples(sizes: np.ndarray, effective: float) -> None:
    sums = ClusterSums(np.zeros((len(sizes), 1)), sizes[:, None])
    expected = 1 - 0.025 ** (1 / effective)
    assert share_limits(sums, 0.95)[0, 1] == pytest.approx(expected)


def test_samples_that_vary_within_plates_count_nearly_in_full() -> None:
    ids = [f"p{i // 2}" for i in range(400)]
    values = np.arange(400) % 2
    interval = ClusterBootstrap(ids, 200).interval(values, is_share=True)
    full = stats.binomtest(200, 400).proportion_ci(method="exact")
    assert interval.high - interval.low == pytest.approx(full.high - full.low, rel=0.02)


def test_limits_of_a_share_are_those_of_its_complement_mirrored() -> None:
    rng = np.random.default_rng(3)
    ids = [f"p{i}" for i in rng.integers(0, 30, 200)]
    values = (rng.random(200) < 0.1).astype(float)
    bootstrap = ClusterBootstrap(ids, 200)
    one, other = (bootstrap.interval(v, is_share=True) for v in (values, 1 - values))
    assert (one.low, one.high) == pytest.approx((1 - other.high, 1 - other.low))


def test_only_columns_of_zeros_and_ones_that_are_shares_get_exact_limits() -> None:
    rng = np.random.default_rng(4)
    columns = np.stack([rng.random(40), np.zeros(40), np.zeros(40)], axis=1)
    columns[0, 1:] = np.nan
    bootstrap = ClusterBootstrap(singletons(40), 500)
    resampled = ClusterBootstrap(singletons(40), 500, exact_shares=False).intervals(columns)
    ned, acc, lpips = bootstrap.intervals(columns, [True, True, False])
    assert ned == resampled[0] and lpips == resampled[2]
    assert (resampled[1].low, resampled[1].high) == (0, 0)
    assert (acc.low, acc.n) == (0, 39) and acc.high == pytest.approx(1 - 0.025 ** (1 / 39))


def test_means_of_events_over_seeds_are_fractions_of_an_event() -> None:
    """One event in 750, five seeds on 150 plates: its limit lies between those of none and of one."""
    bootstrap = ClusterBootstrap(singletons(150), 200)
    values = np.zeros(150)
    none = bootstrap.interval(values, is_share=True).high
    values[0] = 1
    one = bootstrap.interval(values, is_share=True).high
    values[0] = 0.2
    found = bootstrap.interval(values, is_share=True, is_binary=True)
    assert found.low is not None and found.low > 0 and none < found.high < one
    oracle = stats.beta.ppf(0.975, 1.2, 149.8)
    assert found.high == pytest.approx(oracle)


def test_the_correlation_within_plates_is_found_in_means_over_seeds() -> None:
    """Samples whose plates alike vary between seeds count as plates, others nearly in full."""
    ids = [f"p{i // 10}" for i in range(400)]
    bootstrap = ClusterBootstrap(ids, 200)
    alike = np.repeat([0.2, 0.8], 10)
    together, apart = np.tile(alike, 20), np.tile([0.2, 0.8], 200)
    one, other = (bootstrap.interval(v, is_share=True, is_binary=True) for v in (together, apart))
    # Two samples of a plate have a covariance of 0.3^2, or none; the estimate is drawn towards 1.
    for found, estimate in ((one, 0.3**2 / 0.25), (other, 0.0)):
        effective = 400 / (1 + 9 * (40 * estimate + 4) / 44)
        (limits,) = clopper_pearson([effective / 2], [effective], 0.95)
        assert (found.low, found.high) == pytest.approx(tuple(limits))


@pytest.mark.parametrize("share, seed_part", [(0.005, 1.0), (0.02, 1.0), (0.02, 0.5), (0.2, 0.5)])
@pytest.mark.parametrize("sizes", [np.ones(36), np.ones(150), np.full(40, 5.0)], ids=["36", "150", "40x5"])
def test_the_truth_is_covered_over_seeds(share: float, seed_part: float, sizes: np.ndarray) -> None:
    """Five seeds; `seed_part` is the part of events that differs between them, the others are the plates'."""
    rng = np.random.default_rng([int(1000 * share), len(sizes)])
    bootstrap = ClusterBootstrap(np.repeat(singletons(len(sizes)), sizes.astype(int)).tolist(), 200)
    covered = 0
    for _ in range(400):
        always = np.repeat(rng.random(len(sizes)) < share * (1 - seed_part), sizes.astype(int))
        values = always[:, None] | (rng.random((len(always), 5)) < share * seed_part)
        spread = SeedSpread.of(values.mean(axis=0))
        found = bootstrap.interval(values.mean(axis=1), is_share=True, is_binary=True)
        found = found.widened(spread, 0.95, (0.0, 1.0))
        truth = 1 - (1 - share * (1 - seed_part)) * (1 - share * seed_part)
        assert found.low is not None and found.high is not None
        covered += found.low <= truth <= found.high
    assert covered / 400 >= 0.94


@given(st.integers(0, 40), st.integers(0, 40))
def test_the_sign_test_is_scipys(above: int, below: int) -> None:
    expected = stats.binomtest(above, above + below).pvalue if above + below else 1.0
    assert sign_test([above], [below])[0] == pytest.approx(expected)


@pytest.mark.parametrize("share", [0.001, 0.003, 0.01, 0.03, 0.1, 0.3])
@pytest.mark.parametrize(
    "sizes",
    [
        np.ones(10),
        np.ones(36),
        np.ones(1000),
        np.full(7, 5.0),
        np.full(60, 5.0),
        np.full(200, 5.0),
        heavy_tailed(7, 50),
        heavy_tailed(21, 200),
        heavy_tailed(71, 200),
    ],
    ids=["10", "36", "1000", "7x5", "60x5", "200x5", "7 of 1-50", "21 of 1-200", "71 of 1-200"],
)
def test_the_truth_is_covered(share: float, sizes: np.ndarray) -> None:
    """At least the nominal 95 %, less two standard errors of the simulation."""
    rng = np.random.default_rng([int(1000 * share), len(sizes)])
    for correlation in (0.0, 0.3, 1.0) if sizes.max() > 1 else (0.0,):
        limits = share_limits(simulated(rng, share, sizes, correlation), 0.95)
        covered = np.mean((limits[:, 0] <= share) & (share <= limits[:, 1]))
        assert covered >= 0.94, correlation


@pytest.mark.parametrize("share, n, at_most", [(0.001, 1000, 0.70), (0.03, 36, 0.72)])
def test_resampling_does_not_cover_rare_events(share: float, n: int, at_most: float) -> None:
    """Why shares are not resampled."""
    values = (np.random.default_rng(5).random((n, 400)) < share).astype(float)
    intervals = ClusterBootstrap(singletons(n), 500, exact_shares=False).intervals(values, True)
    assert np.mean([i.low <= share <= i.high for i in intervals if i.low is not None]) < at_most
