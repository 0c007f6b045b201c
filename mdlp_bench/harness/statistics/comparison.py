"""Paired comparison of methods: Holm-corrected tests, tie groups, minimum detectable difference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, pairwise, product
from string import ascii_lowercase

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr, stdtrit

from mdlp_bench.harness.statistics.bootstrap import ClusterBootstrap
from mdlp_bench.harness.statistics.clusters import Clusters, ClusterSums, FloatArray, StatisticsError
from mdlp_bench.harness.statistics.estimate import Estimate, SeedSpread
from mdlp_bench.harness.statistics.shares import counts_events, sign_test

_ROUNDING = 1e-12  # differences below this share of the values' size are rounding noise, not evidence


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Difference of two methods' means on the samples both have values for.

    Attributes:
        difference: Mean of first minus second, with its bootstrap interval; `n` counts the shared samples.
        p_value: Two-sided p-value of "no difference" from the cluster-robust t statistic.
        p_holm: The same after Holm's correction over the comparisons made in one call.
    """

    difference: Estimate
    p_value: float
    p_holm: float


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """All methods of a table against each other in one metric.

    Two methods are *separable* if their paired difference is significant at `alpha` after Holm's correction
    over all pairs. Two methods share a tie-group letter exactly if they are not separable. With too few
    plates (`FEWEST_PLATES`) no pair is separable and there are no letters.

    Attributes:
        names: Methods, best mean first (equal means in alphabetical order), m of them.
        means: [m] means over the common samples.
        differences: [m, m] mean of the row's method minus mean of the column's.
        p_values: [m, m] Holm-corrected p-values; 1 on the diagonal.
        letters: Tie-group letters of each method, e.g. ("a", "ab", "b"); a group is named by its best
            method's place, "a" holding the best method. Empty texts with too few plates.
        alpha: Family-wise error level.
        n: Samples on which every method has a value; only these are compared.
        n_clusters: Plates among them.
        n_effective: The number of equal plates that would tell as much as these.
    """

    names: tuple[str, ...]
    means: FloatArray
    differences: FloatArray
    p_values: FloatArray
    letters: tuple[str, ...]
    alpha: float
    n: int
    n_clusters: int
    n_effective: float

    @property
    def groups(self) -> dict[str, str]:
        """Tie-group letters by method name."""
        return dict(zip(self.names, self.letters, strict=True))

    def separable(self, first: str, second: str) -> bool:
        """Whether two methods differ significantly after correction."""
        return bool(self.p_values[self.names.index(first), self.names.index(second)] < self.alpha)

    def inseparable_neighbours(self) -> tuple[tuple[str, str], ...]:
        """Pairs (better, worse) on adjacent ranks that the data cannot tell apart."""
        return tuple((a, b) for a, b in pairwise(self.names) if not self.separable(a, b))


def holm(p_values: npt.ArrayLike) -> FloatArray:
    """Holm's step-down correction (Holm 1979): family-wise error control under any dependence.

    Args:
        p_values: [k] p-values of one family of tests.

    Returns:
        [k] adjusted p-values within [0, 1], to be compared with the level itself.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def paired_differences(
    bootstrap: ClusterBootstrap,
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    *,
    is_share: bool = False,
    is_binary: bool = False,
) -> tuple[PairedDifference, ...]:
    """Compare columns pair by pair on the same samples and the same resamples.

    The p-value is that of Student's t from the cluster-robust standard error and its degrees of freedom (see
    `Correction`): counting resamples cannot resolve p-values below 1 / B, which Holm's correction over many
    methods needs. With one sample per plate it is the paired t test. Of shares of events it is the larger one
    of that and of the exact sign test over plates (see `compare_methods`). Too few plates (`FEWEST_PLATES`)
    give p = 1.

    Args:
        bootstrap: Resamples of the test set.
        first: [n] or [n, k] per-sample values; NaN = no value.
        second: Same shape, or [n] to compare every column of `first` with one reference.
        is_share: As in `ClusterBootstrap.intervals`, of both sides.
        is_binary: As there.

    Returns:
        k comparisons, corrected as one family.

    Raises:
        StatisticsError: The shapes do not fit or a pair shares no sample.
    """
    a, b = bootstrap.clusters.columns(first), bootstrap.clusters.columns(second)
    if b.shape[1] not in (1, a.shape[1]):
        raise StatisticsError(f"{a.shape[1]} columns cannot be paired with {b.shape[1]}")
    delta = a - b
    delta[np.abs(delta) <= _ROUNDING * np.fmax(np.abs(a), np.abs(b))] = 0.0
    sums = bootstrap.clusters.sums(delta)
    p_values = _p_values(sums.means(), sums.standard_errors(), sums)
    if sums.correction == "cr2":
        exact = counts_events(a, is_share, is_binary) & counts_events(b, is_share, is_binary)
        p_values = np.where(exact, np.maximum(p_values, _signs(sums.totals)), p_values)
    return tuple(
        PairedDifference(interval, float(p), float(q))
        for interval, p, q in zip(bootstrap.intervals(delta), p_values, holm(p_values), strict=True)
    )


def compare_methods(
    clusters: Clusters,
    names: Sequence[str],
    values: npt.ArrayLike,
    *,
    higher_is_better: bool,
    alpha: float = 0.05,
    seeds: Sequence[SeedSpread | None] = (),
    is_share: bool = False,
    is_binary: bool = False,
) -> Comparison:
    """Compare every pair of methods in one metric and form tie groups.

    The t test takes few events for much: where four plates of 36 or of 500 differ and all in one direction,
    it gives p = 0.044, while four coins fall alike with probability 0.125. Of shares of events, a pair's
    p-value is therefore the larger one of the t test's and of the exact sign test over plates, a plate's sign
    being that of the sum over its samples. Clusters of the correction "cr1" keep to the t test.

    Args:
        clusters: Plates of the samples, e.g. `bootstrap.clusters`.
        names: m method names, all different.
        values: [n, m] per-sample values; NaN = no value. Only samples on which every method has a value
            count, so that no method gains from leaving out hard samples.
        higher_is_better: Direction of the metric.
        alpha: Family-wise error level of the m (m - 1) / 2 tests (as in `paired_differences`).
        seeds: Per method, how its mean moves with its seed, None for one that has no seed; none at all when
            empty. Its variance is added to that over plates, with Satterthwaite's degrees of freedom.
        is_share: As in `ClusterBootstrap.intervals`, of all methods.
        is_binary: As there.

    Raises:
        StatisticsError: The shapes do not fit, names repeat, or no sample is common to all methods.
    """
    columns = common_samples(clusters, names, values)
    sums = clusters.sums(columns)
    means = sums.means()
    order = method_order(names, means, higher_is_better=higher_is_better)
    means, residuals = means[order], sums.residuals()[:, order]
    m, n, n_clusters = len(order), int(sums.n[0]), int(sums.n_clusters[0])

    differences = means[:, None] - means
    differences[np.abs(differences) <= _ROUNDING * np.abs(means).max()] = 0.0
    weighted = np.sqrt(sums.inflation()) * residuals
    variances = np.stack([((weighted - weighted[:, i : i + 1]) ** 2).sum(axis=0) for i in range(m)]) / n**2
    p_values = np.ones((m, m))
    upper = np.triu_indices(m, 1)
    spreads = [seeds[i] for i in order] if seeds else [None] * m
    total, freedom = _with_seeds(variances[upper], sums.degrees_of_freedom()[0], spreads, upper)
    tested = _p_values(differences[upper], np.sqrt(total), sums, freedom)
    if sums.correction == "cr2" and counts_events(columns, is_share, is_binary).all():
        totals = sums.totals[:, order]
        signs = np.stack([_signs(totals - totals[:, i : i + 1]) for i in range(m)])
        tested = np.maximum(tested, signs[upper])
    p_values[upper] = holm(tested)
    p_values.T[upper] = p_values[upper]
    letters = compact_letters(p_values < alpha) if sums.enough()[0] else ("",) * m
    n_effective = float(sums.n_effective()[0])
    names_in_order = tuple(names[i] for i in order)
    return Comparison(
        names_in_order, means, differences, p_values, letters, alpha, n, n_clusters, n_effective
    )


def common_samples(clusters: Clusters, names: Sequence[str], values: npt.ArrayLike) -> FloatArray:
    """Blank the samples on which some method has no value.

    Args:
        clusters: Plates of the samples.
        names: m method names.
        values: [n, m] per-sample values; NaN = no value.

    Returns:
        [n, m]; a row is complete or NaN throughout.

    Raises:
        StatisticsError: The shapes do not fit, names repeat, or no sample is common to all methods.
    """
    columns = clusters.columns(values)
    if len(names) != columns.shape[1] or len(set(names)) != len(names):
        raise StatisticsError(
            f"{columns.shape[1]} columns need as many different method names, not {list(names)}"
        )
    missing = np.isnan(columns)
    incomplete = missing.any(axis=1, keepdims=True)
    if incomplete.all():
        sparse = names[int(missing.sum(axis=0).argmax())]
        raise StatisticsError(
            f"no sample has a value for every method; {sparse!r} has the fewest, leave it out"
        )
    return np.where(incomplete, np.nan, columns)


def method_order(names: Sequence[str], means: FloatArray, *, higher_is_better: bool) -> npt.NDArray[np.intp]:
    """[m] indices of the methods, best mean first; equal means in the order of their names."""
    keys = -means if higher_is_better else means
    return np.array(sorted(range(len(names)), key=lambda i: (keys[i], names[i])), dtype=np.intp)


def compact_letters(separable: npt.NDArray[np.bool_]) -> tuple[str, ...]:
    """Compact letter display: methods share a letter exactly if they are not separable.

    The letters are a clique cover of the graph of inseparable pairs, grown greedily along the ranks: each
    pair not covered yet, in rank order, starts a group that takes in every method, nearest ranks first, that
    is inseparable from all members; groups whose pairs all lie in other groups are dropped. (Piepho 2004
    defines the display; Gramm et al. 2007 the cover; neither order nor size of the cover affects whether it
    is right.)

    Args:
        separable: [m, m] symmetric, methods in rank order, False on the diagonal.

    Returns:
        m strings of letters a, b, ..., z, (aa), (ab), ...; a group's letter follows its best member.
    """
    m = len(separable)
    tied = [{j for j in range(m) if j != i and not separable[i, j]} for i in range(m)]
    groups: list[list[int]] = []
    covered = np.zeros((m, m), dtype=bool)
    for i in range(m):
        for j in sorted(other for other in tied[i] if other > i):
            if covered[i, j]:
                continue
            members, candidates = [i, j], tied[i] & tied[j]
            for k in sorted(candidates, key=lambda k: (max(i - k, k - j, 0), k)):
                if k in candidates:
                    members.append(k)
                    candidates &= tied[k]
            groups.append(sorted(members))
            covered[np.ix_(members, members)] = True
        if not tied[i]:
            groups.append([i])
    letters = [""] * m
    for label, group in zip(_labels(), sorted(_without_redundant(groups, m)), strict=False):
        for member in group:
            letters[member] += label if len(label) == 1 else f"({label})"
    return tuple(letters)


def minimum_detectable_difference(
    clusters: Clusters,
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    *,
    n_clusters: int | None = None,
    power: float = 0.8,
    alpha: float = 0.05,
) -> float:
    """The smallest true difference a paired comparison with `n_clusters` plates would find.

    (t_{1 - alpha / 2} + t_{power}) * standard error; the cluster-robust standard error of the observed
    difference is scaled by sqrt(C observed / C asked for) and its effective plates by the inverse ratio, so
    plates are taken to have the same sizes and spread as those observed.

    Args:
        clusters: Plates of the samples.
        first: [n] per-sample values of one method; NaN = no value.
        second: [n] of the other.
        n_clusters: Plates of the planned test set; None for the observed number.
        power: Probability of finding the difference, within (0.5, 1).
        alpha: Two-sided level of the single comparison.

    Raises:
        StatisticsError: Too few plates to test with, or `power` or `alpha` out of range.
    """
    if not (0.5 < power < 1 and 0 < alpha < 1):
        raise StatisticsError(f"power {power} must lie between 0.5 and 1, alpha {alpha} between 0 and 1")
    sums = clusters.sums(clusters.columns(first)[:, 0] - clusters.columns(second)[:, 0])
    observed = int(sums.n_clusters[0])
    planned = observed if n_clusters is None else n_clusters
    if observed < 2 or planned < 2:
        raise StatisticsError("a detectable difference needs at least two plates")
    error = float(sums.standard_errors()[0]) * (observed / planned) ** 0.5
    freedom = float(sums.n_effective()[0]) * planned / observed - 1
    if freedom <= 0:
        raise StatisticsError(f"{planned} plates of such unequal sizes weigh like one; plan with more")
    return float((stdtrit(freedom, 1 - alpha / 2) + stdtrit(freedom, power)) * error)


def _with_seeds(
    variances: FloatArray,
    freedom: float,
    seeds: Sequence[SeedSpread | None],
    pairs: tuple[npt.NDArray[np.intp], ...],
) -> tuple[FloatArray, FloatArray]:
    """[k] variances of the differences of pairs with those of the seeds, and their degrees of freedom."""
    own = np.array([0.0 if one is None else one.variance for one in seeds])
    own_freedom = np.array([1.0 if one is None else one.n_seeds - 1 for one in seeds])
    total = variances + own[pairs[0]] + own[pairs[1]]
    with np.errstate(divide="ignore", invalid="ignore"):
        squares = variances**2 / freedom + sum(own[side] ** 2 / own_freedom[side] for side in pairs)
        combined = np.where(total > variances, total**2 / squares, freedom)
    return total, combined


def _p_values(
    differences: FloatArray, errors: FloatArray, sums: ClusterSums, freedom: FloatArray | None = None
) -> FloatArray:
    """[k] two-sided p-values of differences and their standard errors, [k] each; 1 with too few plates."""
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(differences == 0, 0.0, np.abs(differences) / errors)
    if freedom is None:
        freedom = np.broadcast_to(sums.degrees_of_freedom(), t.shape)
    p_values: FloatArray = np.where(sums.enough(), 2 * stdtr(np.maximum(freedom, 1), -t), 1.0)
    return p_values


def _signs(differences: FloatArray) -> FloatArray:
    """[k] p-values of the exact sign test over plates, of the sums of their differences, [C, k]."""
    # Sums of means over seeds may differ in their last bits.
    return sign_test((differences > 1e-9).sum(axis=0), (differences < -1e-9).sum(axis=0))


def _without_redundant(groups: list[list[int]], m: int) -> list[list[int]]:
    """Drop groups all of whose pairs lie in other groups, smallest groups first."""
    times = np.zeros((m, m), dtype=np.int64)
    for group in groups:
        times[np.ix_(group, group)] += 1
    kept = []
    for group in sorted(groups, key=lambda g: (len(g), g)):
        pairs = np.ix_(group, group)
        if (times[pairs] > 1).all():
            times[pairs] -= 1
        else:
            kept.append(group)
    return kept


def _labels() -> Iterator[str]:
    for length in count(1):
        for letters in product(ascii_lowercase, repeat=length):
            yield "".join(letters)
