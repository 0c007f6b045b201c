"""Ranks that admit their uncertainty: rank intervals, an overall order, the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self, get_args

import numpy as np
import numpy.typing as npt

from mdlp_bench.errors import one_of
from mdlp_bench.harness.statistics.bootstrap import ClusterBootstrap
from mdlp_bench.harness.statistics.clusters import FloatArray, StatisticsError
from mdlp_bench.harness.statistics.comparison import Comparison, common_samples, compare_methods
from mdlp_bench.harness.statistics.estimate import UNBOUNDED, Estimate, SeedSpread

if TYPE_CHECKING:
    from mdlp_bench.metrics.base import MetricInfo

OverallRule = Literal["lexicographic", "borda"]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class MetricScores:
    """Per-sample scores of all methods in one metric.

    Attributes:
        metric: Name of the metric.
        values: [n, m] in the order of the bootstrap's samples and of the method names; NaN = no value, a
            column of NaN = the method has not been scored in this metric.
        higher_is_better: Direction of the metric.
        decimals: Decimals of the metric in tables; means equal to them are ties in the overall order.
        is_share: Whether the values are shares, within [0, 1] (see `ClusterBootstrap.intervals`).
        seeds: Per method, how its mean moves with its seed, None for one without; empty when none has.
        is_binary: Whether they are zeros and ones by their nature, or means of these over seeds.
        bounds: The range of the metric.
    """

    metric: str
    values: npt.ArrayLike
    higher_is_better: bool
    decimals: int
    is_share: bool = False
    seeds: Sequence[SeedSpread | None] = ()
    is_binary: bool = False
    bounds: tuple[float, float] = UNBOUNDED

    @classmethod
    def of(
        cls, info: MetricInfo, metric: str, values: npt.ArrayLike, seeds: Sequence[SeedSpread | None] = ()
    ) -> Self:
        """Scores in a known metric; `metric` is its name, or that by a further reader (`ned@ppocrv4`)."""
        given = values, info.higher_is_better, info.decimals, info.is_share
        return cls(metric, *given, seeds, info.is_binary, info.bounds)


@dataclass(frozen=True, slots=True)
class Rank:
    """A method's place; ties share the best place ("1, 2, 2, 4").

    Attributes:
        name: Method.
        rank: Place on the samples themselves, from 1.
        low: Best place within the bootstrap interval of places (percentile).
        high: Worst place within it.
    """

    name: str
    rank: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class MetricRank(Rank):
    """A method's place in one metric, with its score and its tie groups (letters, see `Comparison`)."""

    score: Estimate
    group: str


@dataclass(frozen=True, slots=True, eq=False)
class MetricRanking:
    """All places in one metric, best first, and the paired comparison behind the tie groups."""

    metric: str
    entries: tuple[MetricRank, ...]
    comparison: Comparison


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Places in every metric and overall.

    Attributes:
        metrics: One ranking per metric, in the order given, without metrics in which no method was scored.
        overall: Overall places under `rule`, best first.
        rule: As in `rank_methods`.
    """

    metrics: tuple[MetricRanking, ...]
    overall: tuple[Rank, ...]
    rule: OverallRule


def rank_methods(
    bootstrap: ClusterBootstrap,
    names: Sequence[str],
    metrics: Sequence[MetricScores],
    *,
    rule: OverallRule = "lexicographic",
    alpha: float = 0.05,
) -> Ranking:
    """Rank methods in each metric and overall.

    In a metric, methods are compared on the samples on which every scored method has a value. Overall rules:

    - "lexicographic": by the first metric (give NED first); means equal at its decimals are decided by the
      next metric, and so on. The interval of places is that of the first metric.
    - "borda": by points; in each metric a method gains one point for every method it beats and half a point
      for every tie at the metric's decimals. The interval counts the points again in each resample.

    A method not scored in a metric comes after all scored ones there.

    Args:
        bootstrap: Resamples of the test set.
        names: m method names, all different.
        metrics: The metrics, the leading one first.
        rule: The overall rule.
        alpha: Family-wise error level of the tie groups.

    Raises:
        StatisticsError: Shapes do not fit, names repeat, no method was scored in the leading metric, or the
            scored methods share no sample.
    """
    one_of("ranking rule", rule, get_args(OverallRule), StatisticsError)
    if not metrics:
        raise StatisticsError("a ranking needs at least one metric")
    keys: list[FloatArray] = []  # one [m] per metric, lower is better, at the metric's decimals
    replicate_keys: list[FloatArray] = []  # one [B, m] per metric
    rankings: list[MetricRanking] = []
    for scores in metrics:
        values = np.asarray(scores.values, dtype=np.float64)
        if values.shape != (bootstrap.clusters.n_samples, len(names)):
            raise StatisticsError(
                f"{scores.metric}: values of shape {values.shape}, expected "
                f"{bootstrap.clusters.n_samples} samples x {len(names)} methods"
            )
        scored = [i for i in range(len(names)) if not np.isnan(values[:, i]).all()]
        if not scored:
            if scores is metrics[0]:
                raise StatisticsError(f"{scores.metric}: no method has a value, and it decides the ranking")
            continue
        seeds = [scores.seeds[i] for i in scored] if scores.seeds else []
        ranking, replicates = _rank_metric(
            bootstrap, [names[i] for i in scored], scores, values[:, scored], alpha, seeds
        )
        means = {entry.name: entry.score.value for entry in ranking.entries}
        sign = -1.0 if scores.higher_is_better else 1.0
        # Adding 0 turns a rounded -0 into 0: the two are a tie.
        rounded = [sign * round(means[n], scores.decimals) + 0 if n in means else np.inf for n in names]
        keys.append(np.array(rounded))
        spread = np.full((len(replicates), len(names)), np.inf)
        spread[:, scored] = sign * np.round(replicates, scores.decimals) + 0
        replicate_keys.append(spread)
        rankings.append(ranking)

    if rule == "borda":
        place = rank_bounds(borda_keys(keys)[None])[0][0]
        resampled = borda_keys(replicate_keys)
    else:
        place = lexicographic_ranks(keys)
        resampled = replicate_keys[0]
    low, high = _rank_interval(place, resampled, bootstrap.confidence)
    order = sorted(range(len(names)), key=lambda i: (place[i], names[i]))
    overall = tuple(Rank(names[i], int(place[i]), int(low[i]), int(high[i])) for i in order)
    return Ranking(tuple(rankings), overall, rule)


def rank_bounds(keys: FloatArray) -> tuple[IntArray, IntArray]:
    """Ranks within each row, lower keys first.

    Args:
        keys: [..., m], equal keys are ties.

    Returns:
        The best and the worst rank of each key among its ties, [..., m] each, from 1.
    """
    m = keys.shape[-1]
    order = np.argsort(keys, axis=-1, kind="stable")
    ordered = np.take_along_axis(keys, order, axis=-1)
    starts = np.ones(keys.shape, dtype=bool)
    starts[..., 1:] = ordered[..., 1:] != ordered[..., :-1]
    ends = np.ones(keys.shape, dtype=bool)
    ends[..., :-1] = starts[..., 1:]
    places = np.arange(1, m + 1)
    best = np.maximum.accumulate(np.where(starts, places, 0), axis=-1)
    worst = np.minimum.accumulate(np.where(ends, places, m)[..., ::-1], axis=-1)[..., ::-1]
    low, high = np.empty(keys.shape, dtype=np.int64), np.empty(keys.shape, dtype=np.int64)
    np.put_along_axis(low, order, best, axis=-1)
    np.put_along_axis(high, order, worst, axis=-1)
    return low, high


def lexicographic_ranks(keys: Sequence[FloatArray]) -> IntArray:
    """[m] ranks by the first of the keys ([m] each, lower is better), ties decided by the next ones."""
    _, distinct = np.unique(np.stack(keys, axis=1), axis=0, return_inverse=True)
    return rank_bounds(distinct.astype(np.float64))[0]


def borda_keys(keys: Sequence[FloatArray]) -> FloatArray:
    """Negative Borda points, [..., m], from keys of the metrics ([..., m] each, lower is better)."""
    points = np.zeros(keys[0].shape)
    for key in keys:
        low, high = rank_bounds(key)
        points += np.where(np.isnan(key), np.nan, key.shape[-1] - (low + high) / 2)
    return -points


def pareto_front(values: npt.ArrayLike, higher_is_better: Sequence[bool]) -> npt.NDArray[np.bool_]:
    """Which methods no other method dominates.

    A method dominates another if it is at least as good in every criterion and better in one; of equal
    methods all stay.

    Args:
        values: [m, k] criteria, e.g. NED and milliseconds per image; NaN = not known.
        higher_is_better: k directions.

    Returns:
        [m] bool; methods with an unknown criterion are not on the front and dominate nobody.

    Raises:
        StatisticsError: The number of directions differs from k.
    """
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] != len(higher_is_better):
        raise StatisticsError(
            f"criteria of shape {table.shape} do not fit {len(higher_is_better)} directions"
        )
    costs: FloatArray = np.where(higher_is_better, -table, table)
    known = np.asarray(~np.isnan(costs).any(axis=1), dtype=np.bool_)
    at_least = np.all(costs[:, None] <= costs, axis=2)
    better = np.any(costs[:, None] < costs, axis=2)
    dominated = np.any(at_least & better & known[:, None], axis=0)
    return np.asarray(known & ~dominated, dtype=np.bool_)


def _rank_metric(
    bootstrap: ClusterBootstrap,
    names: list[str],
    scores: MetricScores,
    values: FloatArray,
    alpha: float,
    seeds: Sequence[SeedSpread | None],
) -> tuple[MetricRanking, FloatArray]:
    """Rank the scored methods in one metric; also the replicates [B, m] of their means."""
    columns = common_samples(bootstrap.clusters, names, values)
    comparison = compare_methods(
        bootstrap.clusters,
        names,
        columns,
        higher_is_better=scores.higher_is_better,
        alpha=alpha,
        seeds=seeds,
        is_share=scores.is_share,
        is_binary=scores.is_binary,
    )
    intervals, replicates = bootstrap.intervals_and_replicates(columns, scores.is_share, scores.is_binary)
    if seeds:
        intervals = tuple(
            one.widened(spread, bootstrap.confidence, scores.bounds)
            for one, spread in zip(intervals, seeds, strict=True)
        )
        noise = np.random.default_rng(bootstrap.seed).standard_normal(replicates.shape)
        replicates = replicates + noise * [0.0 if one is None else one.variance**0.5 for one in seeds]
    if comparison.n_clusters < 2:  # every resample is the same plate: no spread is not certainty
        replicates = np.full_like(replicates, np.nan)
    means = np.array([interval.value for interval in intervals])
    sign = -1.0 if scores.higher_is_better else 1.0
    quantum = 1e-12 * max(
        float(np.abs(means).max()), 1e-300
    )  # equal methods stay equal despite rounding noise
    place = rank_bounds(np.rint(sign * means / quantum)[None])[0][0]
    low, high = _rank_interval(place, np.rint(sign * replicates / quantum), bootstrap.confidence)
    groups = comparison.groups
    index = {name: i for i, name in enumerate(names)}
    entries = tuple(
        MetricRank(n, int(place[i]), int(low[i]), int(high[i]), intervals[i], groups[n])
        for n, i in ((name, index[name]) for name in comparison.names)
    )
    return MetricRanking(scores.metric, entries, comparison), replicates


def _rank_interval(place: IntArray, keys: FloatArray, confidence: float) -> tuple[IntArray, IntArray]:
    """Percentile interval [m] of places over resamples, from the best place among ties to the worst.

    Args:
        place: [m] places on the samples themselves, always within the interval.
        keys: [B, m] keys of each resample, lower is better; NaN = the resample tells nothing. Without any
            that does, every place is possible.
        confidence: Nominal coverage.
    """
    known = keys[~np.isnan(keys).any(axis=1)]
    if not len(known):
        return np.ones_like(place), np.full_like(place, len(place))
    best, worst = rank_bounds(known)
    tail = (1 - confidence) / 2
    low = np.quantile(best, tail, axis=0, method="inverted_cdf")
    high = np.quantile(worst, 1 - tail, axis=0, method="inverted_cdf")
    return np.minimum(low, place).astype(np.int64), np.maximum(high, place).astype(np.int64)
