"""Bootstrap intervals: scipy as the oracle, coverage on simulated plates, order and seed."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import stats

from mdlp_bench.harness.statistics import ClusterBootstrap, Estimate, StatisticsError
from mdlp_bench.harness.statistics import bootstrap as module
from mdlp_bench.harness.statistics.bootstrap import interval_limits, jackknife_acceleration
from mdlp_bench.harness.statistics.clusters import Clusters
from mdlp_bench.metrics.protocol import MDLP_V1


def singletons(n: int) -> list[str]:
    return [f"plate-{i:05d}" for i in range(n)]


def simulate(rng: np.random.Generator, sizes: np.ndarray, runs: int) -> np.ndarray:
    """[n, runs] NED-like skewed scores with a strong plate effect; the true mean is 1.5 * 0.2 = 0.3."""
    plate = rng.gamma(2.0, 0.1, (len(sizes), runs))
    noise = rng.gamma(1.0, 0.1, (int(sizes.sum()), runs))
    return np.repeat(plate, sizes, axis=0) + noise


class TestAgainstScipy:
    @pytest.mark.parametrize("scipy_name, ours", [("percentile", "percentile"), ("BCa", "bca")])
    def test_limits_from_the_same_replicates_are_equal(self, scipy_name: str, ours: str) -> None:
        values = np.random.default_rng(1).gamma(1.0, 0.2, 40)
        oracle = stats.bootstrap(
            (values,), np.mean, n_resamples=999, method=scipy_name, rng=np.random.default_rng(3)
        )
        acceleration = (
            jackknife_acceleration(Clusters(singletons(40)).sums(values)) if ours == "bca" else None
        )
        limits = interval_limits(
            oracle.bootstrap_distribution[:, None], np.array([values.mean()]), 0.95, acceleration
        )
        np.testing.assert_allclose(limits[0], oracle.confidence_interval, rtol=1e-12)

    @pytest.mark.parametrize("scipy_name, ours", [("percentile", "percentile"), ("BCa", "bca")])
    def test_singleton_clusters_agree_within_resampling_noise(self, scipy_name: str, ours: str) -> None:
        values = np.random.default_rng(2).exponential(0.3, 60)
        oracle = stats.bootstrap(
            (values,), np.mean, n_resamples=40_000, method=scipy_name, rng=np.random.default_rng(0)
        )
        interval = ClusterBootstrap(singletons(60), 40_000, seed=5, method=ours).interval(values)
        assert interval.value == pytest.approx(values.mean(), rel=1e-12)
        width = interval.high - interval.low
        assert interval.low == pytest.approx(oracle.confidence_interval.low, abs=0.02 * width)
        assert interval.high == pytest.approx(oracle.confidence_interval.high, abs=0.02 * width)

    def test_replicates_have_the_spread_of_scipys(self) -> None:
        values = np.random.default_rng(4).normal(size=50)
        oracle = stats.bootstrap(
            (values,), np.mean, n_resamples=20_000, method="basic", rng=np.random.default_rng(0)
        )
        replicates = ClusterBootstrap(singletons(50), 20_000).replicates(values)
        assert replicates.std(ddof=1) == pytest.approx(oracle.standard_error, rel=0.03)
        assert stats.ks_2samp(replicates[:, 0], oracle.bootstrap_distribution).pvalue > 0.01

    def test_standard_error_of_singletons_is_the_textbook_one(self) -> None:
        values = np.random.default_rng(5).normal(size=(30, 3))
        errors = Clusters(singletons(30)).sums(values).standard_errors()
        np.testing.assert_allclose(errors, stats.sem(values, axis=0), rtol=1e-12)


class TestCoverage:
    """2,000 simulated test sets of 150 plates, one column each, with known true mean."""

    runs = 2000

    @pytest.fixture(scope="class")
    @classmethod
    def data(cls) -> tuple[list[str], np.ndarray]:
        rng = np.random.default_rng(2024)
        sizes = rng.integers(1, 8, 150)
        ids = [f"plate-{i}" for i, size in enumerate(sizes) for _ in range(size)]
        return ids, simulate(rng, sizes, cls.runs)

    @staticmethod
    def coverage(intervals: tuple[Estimate, ...], truth: float) -> float:
        return float(np.mean([i.low <= truth <= i.high for i in intervals]))

    @pytest.mark.parametrize("method", ["percentile", "bca"])
    def test_interval_covers_the_truth(self, data: tuple[list[str], np.ndarray], method: str) -> None:
        ids, values = data
        intervals = ClusterBootstrap(ids, 2000, seed=1, method=method).intervals(values)
        assert 0.93 <= self.coverage(intervals, 0.3) <= 0.97

    def test_resampling_images_instead_covers_visibly_less(self, data: tuple[list[str], np.ndarray]) -> None:
        ids, values = data
        intervals = ClusterBootstrap(singletons(len(ids)), 1000, seed=1, method="percentile").intervals(
            values
        )
        assert self.coverage(intervals, 0.3) < 0.88

    @pytest.mark.parametrize("method", ["percentile", "bca"])
    def test_exact_match_shares_are_covered(self, method: str) -> None:
        rng = np.random.default_rng(7)
        skill = np.repeat(rng.beta(1.2, 2.8, (200, self.runs)), 3, axis=0)
        values = (rng.random(skill.shape) < skill).astype(float)
        ids = [f"plate-{i // 3}" for i in range(600)]
        intervals = ClusterBootstrap(ids, 2000, seed=2, method=method).intervals(values)
        assert 0.93 <= self.coverage(intervals, 0.3) <= 0.97

    def test_a_90_percent_interval_covers_90_percent(self, data: tuple[list[str], np.ndarray]) -> None:
        ids, values = data
        intervals = ClusterBootstrap(ids, 2000, seed=3, confidence=0.9).intervals(values)
        assert 0.88 <= self.coverage(intervals, 0.3) <= 0.92


class TestResampling:
    ids = ("京A12345", "京A12345", "沪B6789X", "粤C00001", "粤C00001", "粤C00001")
    values = np.array([0.1, 0.3, 0.25, 1 / 3, 0.7, 1 / 7])

    def test_plates_stay_together(self) -> None:
        replicates = ClusterBootstrap(self.ids, 500, seed=0).replicates(self.values)[:, 0]
        groups = [self.values[:2], self.values[2:3], self.values[3:]]
        possible = {
            round(float(np.concatenate([groups[i], groups[j], groups[k]]).mean()), 8)
            for i in range(3)
            for j in range(3)
            for k in range(3)
        }
        assert {round(float(r), 8) for r in replicates} == possible

    def test_order_of_samples_does_not_matter_to_the_last_bit(self) -> None:
        rng = np.random.default_rng(0)
        ids = [f"p{i}" for i in rng.integers(0, 20, 100)]
        values = rng.normal(size=(100, 4))
        values[rng.random((100, 4)) < 0.1] = np.nan
        shuffled = rng.permutation(100)
        one = ClusterBootstrap(ids, 500).intervals(values)
        other = ClusterBootstrap([ids[i] for i in shuffled], 500).intervals(values[shuffled])
        assert one == other

    def test_seed_decides(self) -> None:
        values = np.random.default_rng(0).random(30)
        one, again, other = (
            ClusterBootstrap(singletons(30), 500, seed).interval(values) for seed in (3, 3, 4)
        )
        assert one == again != other

    def test_columns_share_resamples(self) -> None:
        bootstrap = ClusterBootstrap(self.ids, 500)
        together = bootstrap.replicates(np.stack([self.values, self.values + 1], axis=1))
        np.testing.assert_allclose(together[:, 1] - together[:, 0], 1, rtol=1e-9)
        np.testing.assert_array_equal(bootstrap.replicates(self.values)[:, 0], together[:, 0])

    def test_held_and_redrawn_resamples_are_the_same(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "_BLOCK_DRAWS", 100)  # many blocks
        held = ClusterBootstrap(self.ids, 500)
        first = held.replicates(self.values)
        np.testing.assert_array_equal(held.replicates(self.values), first)
        monkeypatch.setattr(module, "_HELD_BYTES", 0)
        np.testing.assert_array_equal(ClusterBootstrap(self.ids, 500).replicates(self.values), first)

    def test_multiplicities_are_complete_and_unbiased(self) -> None:
        counts = np.concatenate(list(ClusterBootstrap(singletons(300), 2000)._blocks())).astype(int)
        assert (counts.sum(axis=1) == 300).all()
        assert stats.chisquare(counts.sum(axis=0)).pvalue > 0.001

    def test_missing_values_are_left_out_of_their_column_only(self) -> None:
        values = np.stack([self.values, self.values], axis=1)
        values[:3, 1] = np.nan
        complete, partial = ClusterBootstrap(self.ids, 500).intervals(values)
        assert (complete.n, complete.n_plates) == (6, 3)
        assert (partial.n, partial.n_plates) == (3, 1)
        assert partial.value == pytest.approx(self.values[3:].mean())
        assert (partial.low, partial.high) == (None, None)

    def test_equal_values_give_an_interval_of_no_width(self) -> None:
        assert ClusterBootstrap(singletons(30), 200).interval(np.full(30, 0.1)).model_dump() == {
            "value": pytest.approx(0.1),
            "low": pytest.approx(0.1),
            "high": pytest.approx(0.1),
            "n": 30,
            "n_plates": 30,
        }

    def test_no_warning_on_degenerate_columns(self) -> None:
        values = np.stack([np.zeros(30), np.eye(30)[0], np.where(np.arange(30) < 5, 1.0, np.nan)], axis=1)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            zero, rare, sparse = ClusterBootstrap(singletons(30), 500).intervals(values)
        assert (zero.low, zero.high) == (0, 0)
        assert 0 <= rare.low < rare.value < rare.high
        assert (sparse.low, sparse.high, sparse.n) == (1, 1, 5)

    @pytest.mark.parametrize("sizes", [(1,) * 2, (1,) * 4, (20, 20, 1, 1, 1, 1)])
    def test_plates_that_weigh_like_fewer_than_five_give_limits_of_shares_only(
        self, sizes: tuple[int, ...]
    ) -> None:
        ids = [f"p{i}" for i, size in enumerate(sizes) for _ in range(size)]
        rng = np.random.default_rng(1)
        columns = np.stack([rng.integers(0, 8, len(ids)) / 7, rng.integers(0, 2, len(ids))], axis=1)
        bootstrap = ClusterBootstrap(ids, 500)
        assert not bootstrap.clusters.enough
        ned, acc = bootstrap.intervals(columns, [True, True])
        assert (ned.low, ned.high) == (None, None)
        assert acc.low is not None and acc.low <= acc.value <= acc.high
        assert bootstrap.percentile_limits(np.linspace(0, 1, 500)) is None
        # The first protocol gives limits from two plates on.
        first, _ = ClusterBootstrap.by_rules(ids, MDLP_V1.bootstrap).intervals(columns, [True, True])
        assert first.low is not None and first.low <= first.value <= first.high

    def test_five_equal_plates_give_limits_of_means(self) -> None:
        ids = [f"p{i // 2}" for i in range(10)]
        found = ClusterBootstrap(ids, 500).interval(np.random.default_rng(1).random(10))
        assert found.low is not None and found.low < found.value < found.high

    def test_description_states_the_method(self) -> None:
        resampled = ClusterBootstrap(self.ids, 1000, 7, method="percentile", exact_shares=False).describe()
        assert resampled == "95 % percentile intervals, bootstrap of plates (1000 resamples, seed 7)"
        assert (
            ClusterBootstrap(self.ids)
            .describe()
            .endswith("; shares: Clopper-Pearson on effective numbers of plates")
        )


class TestErrors:
    @pytest.mark.parametrize(
        "ids, values, message",
        [
            ([], [], "no samples"),
            (["a", ""], [1, 2], "sample 1"),
            (["a", None], [1, 2], "sample 1"),
            (["a", "b"], [1], "one value per sample"),
            (["a", "b"], [[[1]], [[2]]], "one value per sample"),
            (["a", "b"], [[1, 2], [3, np.inf]], "column 1, sample 1: infinite"),
            (["a", "b"], [[1, np.nan], [3, np.nan]], "column 1: no sample has a value"),
        ],
    )
    def test_unusable_input(self, ids: list[str], values: list[object], message: str) -> None:
        with pytest.raises(StatisticsError, match=message):
            ClusterBootstrap(ids).intervals(values)

    @pytest.mark.parametrize(
        "settings", [{"n_resamples": 10}, {"confidence": 95}, {"method": "bca "}, {"seed": -1}]
    )
    def test_settings_out_of_range(self, settings: dict[str, object]) -> None:
        with pytest.raises(StatisticsError):
            ClusterBootstrap(["a", "b"], **settings)
