"""Paired comparison: t tests as the oracle, error rates on simulated plates, tie groups."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mdlp_bench.harness.statistics import (
    ClusterBootstrap,
    Clusters,
    StatisticsError,
    compact_letters,
    compare_methods,
    holm,
    minimum_detectable_difference,
    paired_differences,
)
from mdlp_bench.harness.statistics.clusters import Correction


def plates(n: int, size: int = 1) -> list[str]:
    return [f"plate-{i // size:05d}" for i in range(n)]


def plain_holm(p: list[float]) -> list[float]:
    """Holm's correction as the textbook states it: smallest first, never below its predecessor."""
    adjusted = [0.0] * len(p)
    running = 0.0
    for place, index in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        running = max(running, min(1.0, (len(p) - place) * p[index]))
        adjusted[index] = running
    return adjusted


class TestHolm:
    @given(st.lists(st.floats(0, 1), max_size=30))
    def test_textbook(self, p: list[float]) -> None:
        np.testing.assert_allclose(holm(p), plain_holm(p))

    def test_known_example(self) -> None:
        np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])


class TestPairedDifferences:
    def test_singleton_plates_give_the_paired_t_test(self) -> None:
        rng = np.random.default_rng(0)
        a, b = rng.normal(size=(40, 3)), rng.normal(0.3, size=(40, 3))
        results = paired_differences(ClusterBootstrap(plates(40), 500), a, b)
        oracle = stats.ttest_rel(a, b).pvalue
        np.testing.assert_allclose([r.p_value for r in results], oracle, rtol=1e-9)
        np.testing.assert_allclose([r.p_holm for r in results], plain_holm(list(oracle)), rtol=1e-9)

    def test_interval_is_that_of_the_differences(self) -> None:
        rng = np.random.default_rng(1)
        a, b = rng.random((60, 2)), rng.random(60)
        bootstrap = ClusterBootstrap(plates(60, 3), 500)
        results = paired_differences(bootstrap, a, b)
        assert tuple(r.difference for r in results) == bootstrap.intervals(a - b[:, None])

    def test_only_shared_samples_count(self) -> None:
        a, b = np.arange(10.0), np.arange(10.0) * 2
        a[0], b[9] = np.nan, np.nan
        (result,) = paired_differences(ClusterBootstrap(plates(10), 200), a, b)
        assert result.difference.n == 8
        assert result.difference.value == -np.arange(1, 9).mean()

    def test_identical_methods_do_not_differ(self) -> None:
        values = np.random.default_rng(2).random(30)
        (result,) = paired_differences(ClusterBootstrap(plates(30), 200), values, values * (1 + 1e-15))
        assert (result.difference.low, result.difference.high, result.p_value) == (0, 0, 1)

    def test_constant_shift_is_certain_and_a_single_plate_never(self) -> None:
        values = np.random.default_rng(2).random(30)
        (shifted,) = paired_differences(ClusterBootstrap(plates(30), 200), values + 0.5, values)
        assert shifted.p_value < 1e-12
        (single,) = paired_differences(ClusterBootstrap(["p"] * 30, 200), values + 0.5, values)
        assert (single.p_value, single.difference.low) == (1, None)

    def test_error_rate_on_clustered_data_is_nominal(self) -> None:
        """Without a true difference 5 % of tests reject; a t test over images rejects far more."""
        rng = np.random.default_rng(3)
        runs, ids = 2000, plates(400, 5)
        delta = np.repeat(rng.normal(size=(80, runs)), 5, axis=0) + rng.normal(size=(400, runs))
        results = paired_differences(ClusterBootstrap(ids, 100), delta, np.zeros(400))
        assert 0.035 <= np.mean([r.p_value < 0.05 for r in results]) <= 0.065
        assert np.mean(stats.ttest_1samp(delta, 0).pvalue < 0.05) > 0.15

    def test_shapes_must_fit(self) -> None:
        with pytest.raises(StatisticsError, match="cannot be paired"):
            paired_differences(ClusterBootstrap(plates(3), 200), np.ones((3, 2)), np.ones((3, 3)))


class TestCompareMethods:
    def test_every_pair_is_the_corrected_t_test(self) -> None:
        rng = np.random.default_rng(4)
        values = rng.normal([0.0, 0.1, 0.5, 0.55, 2.0], 1, (50, 5)) + rng.normal(size=(50, 1))
        names = ["e", "d", "c", "b", "a"]
        result = compare_methods(Clusters(plates(50)), names, values, higher_is_better=True)
        order = np.argsort(-values.mean(axis=0))
        assert result.names == tuple(names[i] for i in order)
        ordered = values[:, order]
        pairs = [(i, j) for i in range(5) for j in range(i + 1, 5)]
        oracle = plain_holm([stats.ttest_rel(ordered[:, i], ordered[:, j]).pvalue for i, j in pairs])
        np.testing.assert_allclose([result.p_values[i, j] for i, j in pairs], oracle, rtol=1e-8)
        np.testing.assert_array_equal(result.p_values, result.p_values.T)
        np.testing.assert_allclose(result.differences[0], ordered.mean(axis=0)[0] - ordered.mean(axis=0))

    def test_agrees_with_single_comparisons_on_plates(self) -> None:
        rng = np.random.default_rng(5)
        values = rng.random((90, 2))
        ids = [f"p{i}" for i in rng.integers(0, 25, 90)]
        result = compare_methods(Clusters(ids), ["a", "b"], values, higher_is_better=False)
        (single,) = paired_differences(ClusterBootstrap(ids, 200), values[:, 0], values[:, 1])
        assert result.p_values[0, 1] == pytest.approx(single.p_value, rel=1e-9)

    def test_neighbours_and_groups(self) -> None:
        rng = np.random.default_rng(16)
        base = rng.random((400, 1))
        values = base + rng.normal([0.0, 0.001, 0.5], 0.05, (400, 3))
        result = compare_methods(Clusters(plates(400)), ["x", "y", "z"], values, higher_is_better=False)
        assert result.groups == {"x": "a", "y": "a", "z": "b"}
        assert set(result.inseparable_neighbours()[0]) == {"x", "y"}
        assert len(result.inseparable_neighbours()) == 1
        assert result.separable("x", "z") and not result.separable("x", "y")

    def test_equal_methods_tie_in_alphabetical_order(self) -> None:
        values = np.random.default_rng(7).random((30, 1)).repeat(3, axis=1)
        result = compare_methods(Clusters(plates(30)), ["c", "a", "b"], values, higher_is_better=True)
        assert (result.names, result.letters) == (("a", "b", "c"), ("a", "a", "a"))

    def test_only_common_samples_count_and_input_stays_as_it_is(self) -> None:
        values = np.random.default_rng(8).random((20, 2))
        values[3, 0] = np.nan
        before = values.copy()
        result = compare_methods(Clusters(plates(20, 2)), ["a", "b"], values, higher_is_better=True)
        assert (result.n, result.n_clusters) == (19, 10)
        np.testing.assert_array_equal(values, before)

    @pytest.mark.parametrize(
        "sizes", [(4,), (4, 4), (1, 1), (4, 4, 4, 4), (100, 1, 1, 1, 1, 1, 1), (50, 50, *(1,) * 40)]
    )
    def test_plates_that_weigh_like_fewer_than_five_separate_nothing(self, sizes: tuple[int, ...]) -> None:
        ids = [f"p{i}" for i, size in enumerate(sizes) for _ in range(size)]
        values = [[0.0, 1.0]] * len(ids)
        result = compare_methods(Clusters(ids), ["a", "b"], values, higher_is_better=True)
        assert result.n_effective < 5
        assert result.letters == ("", "") and not result.separable("a", "b")
        (pair,) = paired_differences(ClusterBootstrap(ids, 200), np.zeros(len(ids)), np.ones(len(ids)))
        assert pair.p_value == 1

    def test_five_equal_plates_are_enough(self) -> None:
        result = compare_methods(Clusters(plates(15, 3)), ["a", "b"], [[0, 1]] * 15, higher_is_better=True)
        assert result.n_effective == pytest.approx(5) and result.letters == ("a", "b")

    @pytest.mark.parametrize("n, k", [(5, 5), (36, 4), (500, 4), (36, 5)])
    def test_few_events_are_tested_exactly(self, n: int, k: int) -> None:
        """Where `k` plates differ, all in one direction, by McNemar's exact test and not by Student's t."""
        values = np.stack([np.ones(n), np.where(np.arange(n) < k, 0.0, 1.0)], axis=1)
        names, exact = ["a", "b"], stats.binomtest(0, k).pvalue
        given = {"higher_is_better": True, "is_share": True}
        found = compare_methods(Clusters(plates(n)), names, values, **given)
        assert found.p_values[0, 1] == pytest.approx(exact) and found.letters == ("a", "a")
        (pair,) = paired_differences(ClusterBootstrap(plates(n), 200), *values.T, is_share=True)
        assert pair.p_value == pytest.approx(exact)
        # The first protocol and other means keep to the t test, which is sure.
        first = compare_methods(Clusters(plates(n), correction="cr1"), names, values, **given)
        mean = compare_methods(Clusters(plates(n)), names, values, higher_is_better=True)
        assert first.p_values[0, 1] == pytest.approx(mean.p_values[0, 1]) and mean.separable("a", "b")

    def test_a_plates_sign_is_that_of_the_sum_over_its_samples(self) -> None:
        differences = [[1, 1, -1], [1, 0, 0], [0, -1, -1], [1, -1, 0], *[[1, 1, 1]] * 6]
        first = np.array([[d > 0 for d in plate] for plate in differences], float).ravel()
        second = np.array([[d < 0 for d in plate] for plate in differences], float).ravel()
        bootstrap = ClusterBootstrap(plates(30, 3), 200)
        (pair,) = paired_differences(bootstrap, first, second, is_share=True)
        assert pair.p_value == pytest.approx(stats.binomtest(1, 9).pvalue)
        # Means over seeds may differ by rounding alone: 0.1 + 0.2 is not 0.3.
        (tie,) = paired_differences(
            bootstrap, np.tile([0.1, 0.2, 0.0], 10), np.tile([0.3, 0.0, 0.0], 10), is_binary=True
        )
        assert tie.p_value == 1

    def test_many_events_are_separable(self) -> None:
        values = np.stack([np.ones(60), np.where(np.arange(60) < 12, 0.0, 1.0)], axis=1)
        found = compare_methods(
            Clusters(plates(60)), ["a", "b"], values, higher_is_better=True, is_share=True
        )
        assert found.letters == ("a", "b")

    def test_cr2_is_the_matrix_formula(self) -> None:
        """The variance and the degrees of freedom of Bell and McCaffrey, by their matrices."""
        rng = np.random.default_rng(12)
        sizes = np.array([1, 2, 2, 5, 9])
        codes = np.repeat(np.arange(5), sizes)
        n = len(codes)
        x = np.ones((n, 1))
        hat = x @ x.T / n
        values = rng.normal(size=n)
        vectors = []
        for cluster in range(5):
            rows = np.flatnonzero(codes == cluster)
            roots, axes = np.linalg.eigh(np.eye(len(rows)) - hat[np.ix_(rows, rows)])
            adjusted = axes @ np.diag(roots**-0.5) @ axes.T
            vectors.append((np.eye(n) - hat)[:, rows] @ adjusted @ x[rows, 0] / n)
        g = np.stack(vectors, axis=1)
        eigenvalues = np.linalg.eigvalsh(g.T @ g)
        sums = Clusters([f"p{code}" for code in codes]).sums(values)
        assert sums.standard_errors()[0] == pytest.approx(np.sqrt(((values @ g) ** 2).sum()))
        assert sums.degrees_of_freedom()[0] == pytest.approx(eigenvalues.sum() ** 2 / (eigenvalues**2).sum())

    @pytest.mark.parametrize("correction, low, high", [("cr1", 0.10, 0.30), ("cr2", 0.01, 0.07)])
    def test_family_wise_error_with_35_plates_of_1_to_200_samples(
        self, correction: Correction, low: float, high: float
    ) -> None:
        rng = np.random.default_rng(13)
        sizes = np.round(200 ** ((np.arange(35) + 0.5) / 35)).astype(int)
        clusters = Clusters(
            [f"p{i}" for i, size in enumerate(sizes) for _ in range(size)], correction=correction
        )
        names = list("abcde")
        wrong = 0
        for _ in range(400):
            plate = np.repeat(rng.normal(size=(35, 5)), sizes, axis=0)
            values = plate + rng.normal(size=(len(plate), 5))
            wrong += compare_methods(clusters, names, values, higher_is_better=True).p_values.min() < 0.05
        assert low <= wrong / 400 <= high

    def test_errors(self) -> None:
        clusters = Clusters(plates(2))
        with pytest.raises(StatisticsError, match="different method names"):
            compare_methods(clusters, ["a", "a"], np.ones((2, 2)), higher_is_better=True)
        with pytest.raises(StatisticsError, match="every method"):
            compare_methods(clusters, ["a", "b"], [[1, np.nan], [np.nan, 1]], higher_is_better=True)


@st.composite
def separability(draw: st.DrawFn) -> np.ndarray:
    m = draw(st.integers(1, 12))
    upper = np.zeros((m, m), dtype=bool)
    index = np.triu_indices(m, 1)
    upper[index] = draw(st.lists(st.booleans(), min_size=len(index[0]), max_size=len(index[0])))
    return upper | upper.T


class TestCompactLetters:
    @settings(max_examples=200, deadline=None)
    @given(separability())
    def test_a_shared_letter_means_inseparable(self, separable: np.ndarray) -> None:
        letters = compact_letters(separable)
        assert all(letters)
        for i, first in enumerate(letters):
            for j, second in enumerate(letters):
                assert bool(set(first) & set(second)) == (i == j or not separable[i, j])
        firsts = [
            min(i for i, own in enumerate(letters) if label in own) for label in sorted(set("".join(letters)))
        ]
        assert firsts == sorted(firsts)

    def test_overlap(self) -> None:
        separable = np.zeros((3, 3), dtype=bool)
        separable[0, 2] = separable[2, 0] = True
        assert compact_letters(separable) == ("a", "ab", "b")

    def test_more_groups_than_letters(self) -> None:
        letters = compact_letters(~np.eye(28, dtype=bool))
        assert letters[25:] == ("z", "(aa)", "(ab)")


class TestMinimumDetectableDifference:
    def test_such_a_difference_is_found_with_the_stated_power(self) -> None:
        rng = np.random.default_rng(9)
        ids, runs = plates(300, 3), 3000
        noise = np.repeat(rng.normal(size=(100, runs)), 3, axis=0) + rng.normal(size=(300, runs))
        clusters = Clusters(ids)
        difference = minimum_detectable_difference(clusters, noise[:, 0], np.zeros(300))
        true_error = np.sqrt(1 / 100 + 1 / 300)
        assert difference == pytest.approx(2.83 * true_error, rel=0.15)
        scaled = noise * (difference / (2.826 * true_error))  # as if the estimated spread were the true one
        found = paired_differences(ClusterBootstrap(ids, 100), scaled + difference, np.zeros(300))
        assert np.mean([r.p_value < 0.05 for r in found]) == pytest.approx(0.8, abs=0.03)

    def test_four_times_the_plates_halve_it(self) -> None:
        rng = np.random.default_rng(10)
        a, b = rng.random(400), rng.random(400)
        clusters = Clusters(plates(400))
        few = minimum_detectable_difference(clusters, a, b, n_clusters=400)
        assert few == minimum_detectable_difference(clusters, a, b)
        assert minimum_detectable_difference(clusters, a, b, n_clusters=1600) == pytest.approx(
            few / 2, rel=0.01
        )

    def test_errors(self) -> None:
        with pytest.raises(StatisticsError, match="two plates"):
            minimum_detectable_difference(Clusters(["p", "p"]), [0, 1], [1, 0])
        with pytest.raises(StatisticsError, match="power"):
            minimum_detectable_difference(Clusters(["p", "q"]), [0, 1], [1, 0], power=80)
