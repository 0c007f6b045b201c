"""Ranks, rank intervals, overall orders, Pareto front, rank correlation and the import's weight."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from mdlp_bench.harness.statistics import (
    ClusterBootstrap,
    MetricScores,
    StatisticsError,
    pareto_front,
    rank_correlation,
    rank_methods,
)
from mdlp_bench.harness.statistics.agreement import kendall_tau, spearman_rho
from mdlp_bench.harness.statistics.ranking import borda_keys, lexicographic_ranks, rank_bounds

small_tables = hnp.arrays(
    np.float64, st.tuples(st.integers(1, 4), st.integers(2, 8)), elements=st.integers(0, 4).map(float)
)


def plates(n: int, size: int = 1) -> list[str]:
    return [f"plate-{i // size:05d}" for i in range(n)]


@given(small_tables)
def test_rank_bounds_are_scipys(keys: np.ndarray) -> None:
    low, high = rank_bounds(keys)
    np.testing.assert_array_equal(low, stats.rankdata(keys, axis=1, method="min"))
    np.testing.assert_array_equal(high, stats.rankdata(keys, axis=1, method="max"))


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=10))
def test_lexicographic_ranks_are_those_of_sorted_tuples(rows: list[tuple[int, int]]) -> None:
    keys = [np.array(column, dtype=float) for column in zip(*rows, strict=True)]
    assert lexicographic_ranks(keys).tolist() == [1 + sum(other < row for other in rows) for row in rows]


def test_borda_counts_beaten_methods_and_half_ties() -> None:
    points = -borda_keys([np.array([1.0, 2.0, 2.0]), np.array([1.0, 1.0, 3.0])])
    assert points.tolist() == [2 + 1.5, 0.5 + 1.5, 0.5 + 0]


@settings(deadline=None)
@given(
    hnp.arrays(np.float64, st.tuples(st.integers(1, 8), st.just(2)), elements=st.integers(0, 3).map(float))
)
def test_pareto_front_by_definition(values: np.ndarray) -> None:
    front = pareto_front(values, [True, False])
    for i, (quality, cost) in enumerate(values):
        dominated = any(q >= quality and c <= cost and (q, c) != (quality, cost) for q, c in values)
        assert front[i] == (not dominated)


def test_pareto_front_leaves_out_unknown_criteria() -> None:
    assert pareto_front([[0.1, 5], [0.0, np.nan], [0.2, 6]], [False, False]).tolist() == [True, False, False]
    with pytest.raises(StatisticsError, match="directions"):
        pareto_front([[1, 2]], [True])


class TestRankMethods:
    @pytest.fixture
    def data(self) -> tuple[ClusterBootstrap, list[str], np.ndarray]:
        rng = np.random.default_rng(0)
        names = ["bad", "good", "twin", "best"]
        base = rng.random((600, 1))
        values = base + rng.normal([0.9, 0.3, 0.301, 0.0], 0.1, (600, 4))
        return ClusterBootstrap(plates(600, 3), 1000), names, values

    def test_ranks_intervals_groups(self, data: tuple[ClusterBootstrap, list[str], np.ndarray]) -> None:
        bootstrap, names, values = data
        ranking = rank_methods(bootstrap, names, [MetricScores("ned", values, False, 3)])
        entries = {entry.name: entry for entry in ranking.metrics[0].entries}
        assert [entry.rank for entry in ranking.metrics[0].entries] == [1, 2, 3, 4]
        assert (entries["best"].low, entries["best"].high, entries["best"].group) == (1, 1, "a")
        assert (entries["bad"].low, entries["bad"].high, entries["bad"].group) == (4, 4, "c")
        for name in ("good", "twin"):
            assert (entries[name].low, entries[name].high, entries[name].group) == (2, 3, "b")
        assert entries["best"].score == bootstrap.interval(values[:, 3])
        assert [r.name for r in ranking.overall] == [e.name for e in ranking.metrics[0].entries]

    def test_identical_methods_share_their_place(self) -> None:
        values = np.random.default_rng(1).random((50, 2))[:, [0, 1, 0]]
        ranking = rank_methods(
            ClusterBootstrap(plates(50), 500),
            ["a", "b", "c"],
            [MetricScores("psnr", values + np.array([0, 1, 0]), True, 2)],
        )
        places = {entry.name: (entry.rank, entry.low, entry.high) for entry in ranking.metrics[0].entries}
        assert places == {"b": (1, 1, 1), "a": (2, 2, 3), "c": (2, 2, 3)}

    def test_ties_at_the_decimals_go_to_the_next_metric(self) -> None:
        ned = np.tile([0.1001, 0.1002, 0.3], (20, 1))
        acc = np.tile([0.0, 1.0, 1.0], (20, 1))
        ranking = rank_methods(
            ClusterBootstrap(plates(20), 200),
            ["a", "b", "c"],
            [MetricScores("ned", ned, False, 3), MetricScores("acc", acc, True, 3)],
        )
        assert [(r.name, r.rank, r.low, r.high) for r in ranking.overall] == [
            ("b", 1, 1, 2),
            ("a", 2, 1, 2),
            ("c", 3, 3, 3),
        ]

    def test_borda_can_disagree_with_the_leading_metric(self) -> None:
        first = np.tile([0.1, 0.2, 0.3], (20, 1))
        others = np.tile([0.9, 0.1, 0.2], (20, 1))
        metrics = [
            MetricScores(n, v, False, 3) for n, v in (("ned", first), ("lpips", others), ("fid", others))
        ]
        bootstrap = ClusterBootstrap(plates(20), 200)
        assert rank_methods(bootstrap, ["a", "b", "c"], metrics).overall[0].name == "a"
        borda = rank_methods(bootstrap, ["a", "b", "c"], metrics, rule="borda").overall
        assert [(r.name, r.rank) for r in borda] == [("b", 1), ("a", 2), ("c", 2)]

    @pytest.mark.parametrize("rule", ["lexicographic", "borda"])
    def test_unscored_methods_come_last(self, rule: str) -> None:
        rng = np.random.default_rng(2)
        ned, lpips = rng.random((40, 3)), rng.random((40, 3))
        ned[:, 1] = np.nan
        lpips[:] = np.nan
        ranking = rank_methods(
            ClusterBootstrap(plates(40), 200),
            ["a", "b", "c"],
            [MetricScores("ned", ned, False, 3), MetricScores("lpips", lpips, False, 3)],
            rule=rule,
        )
        assert [m.metric for m in ranking.metrics] == ["ned"]
        assert {e.name for e in ranking.metrics[0].entries} == {"a", "c"}
        assert (ranking.overall[2].name, ranking.overall[2].rank) == ("b", 3)

    def test_resamples_without_a_measured_sample_are_left_out(self) -> None:
        values = np.full((40, 2), np.nan)
        values[:3] = [[0.1, 0.2], [0.2, 0.3], [0.3, 0.35]]
        metrics = [
            MetricScores("ned", values, False, 3),
            MetricScores("acc", 1 - np.nan_to_num(values), True, 3),
        ]
        for rule in ("lexicographic", "borda"):
            ranking = rank_methods(ClusterBootstrap(plates(40), 500), ["a", "b"], metrics, rule=rule)
            assert [(r.name, r.low, r.high) for r in ranking.overall] == [("a", 1, 1), ("b", 2, 2)]

    @pytest.mark.parametrize("rule", ["lexicographic", "borda"])
    def test_one_plate_leaves_every_place_open(self, rule: str) -> None:
        metrics = [MetricScores("ned", [[0.1, 0.9]] * 5, False, 3)]
        ranking = rank_methods(ClusterBootstrap(["p"] * 5, 200), ["a", "b"], metrics, rule=rule)
        for ranks in (ranking.overall, ranking.metrics[0].entries):
            assert [(r.name, r.rank, r.low, r.high) for r in ranks] == [("a", 1, 1, 2), ("b", 2, 1, 2)]

    def test_one_method(self) -> None:
        metrics = [MetricScores("ned", [[0.1], [0.2]] * 3, False, 3)]
        ranking = rank_methods(ClusterBootstrap(plates(6), 200), ["a"], metrics)
        assert [(r.rank, r.low, r.high, r.group) for r in ranking.metrics[0].entries] == [(1, 1, 1, "a")]

    def test_errors(self) -> None:
        bootstrap = ClusterBootstrap(plates(2), 200)
        with pytest.raises(StatisticsError, match="at least one metric"):
            rank_methods(bootstrap, ["a"], [])
        with pytest.raises(StatisticsError, match="2 samples x 2 methods"):
            rank_methods(bootstrap, ["a", "b"], [MetricScores("ned", np.ones((2, 1)), False, 3)])
        with pytest.raises(StatisticsError, match="ned: no method"):
            rank_methods(bootstrap, ["a"], [MetricScores("ned", np.full((2, 1), np.nan), False, 3)])
        with pytest.raises(StatisticsError, match="no ranking rule"):
            rank_methods(bootstrap, ["a"], [MetricScores("ned", np.ones((2, 1)), False, 3)], rule="median")


class TestRankCorrelation:
    @settings(deadline=None)
    @given(small_tables)
    def test_coefficients_are_scipys(self, table: np.ndarray) -> None:
        other = np.random.default_rng(int(table.sum())).permuted(table, axis=1)
        for ours, oracle in ((kendall_tau, stats.kendalltau), (spearman_rho, stats.spearmanr)):
            results = ours(table, other)
            for a, b, result in zip(table, other, results, strict=True):
                if len(set(a)) == 1 or len(set(b)) == 1:
                    assert np.isnan(result)
                else:
                    assert result == pytest.approx(oracle(a, b).statistic, abs=1e-12)

    @pytest.mark.parametrize("kind", ["kendall", "spearman"])
    def test_readers_that_agree_and_readers_that_do_not(self, kind: str) -> None:
        rng = np.random.default_rng(3)
        skill = np.linspace(0, 1, 8)
        first = skill + rng.normal(0, 0.2, (300, 8))
        same = rank_correlation(ClusterBootstrap(plates(300, 2), 500), first, first * 2 + 1, kind=kind)
        assert (same.value, same.low, same.high, same.n, same.n_plates) == (1, 1, 1, 300, 150)
        reverse = rank_correlation(ClusterBootstrap(plates(300, 2), 500), first, -first, kind=kind)
        assert (reverse.low, reverse.high) == (-1, -1)
        noise = rank_correlation(
            ClusterBootstrap(plates(300, 2), 500), first, rng.random((300, 8)), kind=kind
        )
        assert noise.low < noise.value < noise.high
        assert noise.high - noise.low > 0.4

    def test_missing_samples_are_left_out_of_both(self) -> None:
        rng = np.random.default_rng(4)
        first, second = rng.random((30, 3)), rng.random((30, 3))
        first[0, 0] = second[1, 2] = np.nan
        result = rank_correlation(ClusterBootstrap(plates(30), 200), first, second)
        assert result.n == 28
        oracle = stats.kendalltau(first[2:].mean(axis=0), second[2:].mean(axis=0))
        assert result.value == pytest.approx(oracle.statistic)

    def test_errors(self) -> None:
        bootstrap = ClusterBootstrap(plates(2), 200)
        with pytest.raises(StatisticsError, match="two or more methods"):
            rank_correlation(bootstrap, [1, 2], [1, 2])
        with pytest.raises(StatisticsError, match="same mean"):
            rank_correlation(bootstrap, np.ones((2, 2)), np.eye(2))
        with pytest.raises(StatisticsError, match="no sample"):
            rank_correlation(bootstrap, [[1, np.nan], [1, 1]], [[1, 1], [np.nan, 1]])


def test_statistics_and_tables_import_without_torch_or_pandas() -> None:
    code = (
        "import sys, mdlp_bench.harness.statistics, mdlp_bench.harness.tables;"
        "print([m for m in ('torch', 'datasets', 'pandas', 'scipy.stats') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
