"""Boards: entries of one data set, protocol and reader in order, with intervals of places and tie groups."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from mdlp_bench.errors import RunError, SubmissionError, no_such
from mdlp_bench.files import slugify
from mdlp_bench.harness.run import float_column
from mdlp_bench.harness.statistics import (
    ClusterBootstrap,
    Estimate,
    MetricRank,
    MetricRanking,
    MetricScores,
    Rank,
    pareto_front,
    rank_methods,
)
from mdlp_bench.harness.statistics.clusters import FloatArray
from mdlp_bench.harness.statistics.comparison import common_samples
from mdlp_bench.harness.statistics.ranking import borda_keys, lexicographic_ranks, rank_bounds
from mdlp_bench.harness.text_columns import chance
from mdlp_bench.leaderboard.store import DatasetCard, Entry, Store, protocol_suffix, reader_key
from mdlp_bench.metrics.base import METRICS, MetricInfo
from mdlp_bench.metrics.protocol import PROTOCOLS
from mdlp_bench.readers.base import ReaderDescriptor

BoardKind = Literal["main", "text-only", "ablation"]
Cost = Literal["ms", "parameters"]

TEXT_METRICS: Final = ("ned", "acc", "cer")
IMAGE_METRICS: Final = ("psnr", "ssim", "lpips", "lpips_squeeze", "lpips_vgg")
DISTANCES: Final = ("frd", "krd", "fid", "kid")
RANKED: Final = (*TEXT_METRICS, *IMAGE_METRICS)
"""The ranked metrics, in the order that decides the overall place: NED first, ties by ACC, and so on."""

GROUPED: Final = ("hallucination",)
"""Metrics with places and tie groups of their own that do not count for the overall place."""

SHOWN: Final = ("wrong_if_believed", "frd")
"""Metrics that are shown and not ranked."""

_OF_READER: Final = frozenset((*TEXT_METRICS, "hallucination", "wrong_if_believed", "read_text"))


@dataclass(frozen=True)
class Score:
    """A score of an entry on a board.

    Attributes:
        value: The mean; None when unavailable.
        low: Lower end of its interval.
        high: Upper end.
        place: Place in this metric; None for metrics that are shown and not ranked.
        group: Tie-group letters.
        unavailable: Why there is no value.
    """

    value: float | None
    low: float | None
    high: float | None
    place: Rank | None = None
    group: str = ""
    unavailable: str | None = None


@dataclass(frozen=True)
class BoardRow:
    """An entry on a board.

    Attributes:
        entry: The entry.
        place: Overall place by NED first.
        borda: Overall place by Borda's count.
        scores: By metric.
        pareto: For each kind of cost whether no entry is both better (NED) and cheaper; times are compared
            on equal hardware only.
    """

    entry: Entry
    place: Rank
    borda: Rank
    scores: dict[str, Score]
    pareto: dict[Cost, bool]

    def cost(self, kind: Cost) -> float | None:
        """Milliseconds per sample, or parameters."""
        if kind == "ms":
            return self.entry.run.record.milliseconds_per_image
        return float(self.entry.record.submission.n_parameters)


@dataclass(frozen=True)
class Board:
    """One board, best entry first.

    Attributes:
        slug: Name in addresses.
        title: Heading.
        kind: main, text-only or ablation.
        target: For an ablation, the method whose parts are removed; else empty.
        card: The data set.
        reader: The reader of the text scores.
        protocol: Its id.
        metrics: Ranked metrics, then shown ones.
        rows: The entries.
        chance: NED and ACC that the texts of other plates would get.
        rankings: Comparison of all pairs, by metric.
        bootstrap: Resamples of the plates.
    """

    slug: str
    title: str
    kind: BoardKind
    target: str
    card: DatasetCard
    reader: ReaderDescriptor
    protocol: str
    metrics: tuple[MetricInfo, ...]
    rows: tuple[BoardRow, ...]
    chance: dict[str, float]
    rankings: dict[str, MetricRanking]
    bootstrap: ClusterBootstrap

    @property
    def label(self) -> str:
        """Which of a data set's boards it is."""
        if self.kind == "ablation":
            return f"Ablation of {self.target}"
        return {"main": "All metrics", "text-only": "Text only"}[self.kind]

    def row(self, method: str) -> BoardRow:
        """The row of a method by its slug.

        Raises:
            SubmissionError: It is not on the board.
        """
        for row in self.rows:
            if row.entry.method == method:
                return row
        known = (row.entry.method for row in self.rows)
        raise no_such("method", method, known, SubmissionError, where=self.slug)

    @property
    def ceiling(self) -> dict[str, float]:
        """NED and ACC of the reader on the ground truths."""
        return self.card.ceilings.get(reader_key(self.reader), {})

    @property
    def floor(self) -> dict[str, float]:
        """NED and ACC of the reader on the first degraded frame."""
        return self.card.floors.get(reader_key(self.reader), {})


def boards(store: Store) -> list[Board]:
    """All boards of a store, computed again from the per-sample scores; those of new protocols come first.

    Superseded and withdrawn entries are not ranked. Entries marked as ablations stand on a board of their
    own, with the method that they are parts of. Methods that give text without a picture stand on text-only
    boards alone, beside what the reader reads in the pictures of the others.

    Raises:
        SubmissionError: The store is damaged.
        RunError: Two entries of one board do not have the same samples.
    """
    groups: dict[tuple[str, str, str], list[Entry]] = {}
    for entry in store.entries():
        if entry.current:
            record = entry.run.record
            # No reader but the first has anything to say of a method that gives its own text.
            for descriptor in record.readers if record.method.output == "image" else record.readers[:1]:
                key = (entry.record.dataset, record.protocol_sha256, reader_key(descriptor))
                groups.setdefault(key, []).append(entry)
    rankers: dict[tuple[str, str], _Ranker] = {}
    found: list[Board] = []
    newest = [*reversed(PROTOCOLS)]
    by_age = {key: newest.index(entries[0].protocol) for key, entries in groups.items()}
    for key in sorted(groups, key=lambda key: (key[0], by_age[key], key[2])):
        (dataset, rules, reader), entries = key, groups[key]
        ranker = rankers.setdefault((dataset, rules), _Ranker(store.card(dataset)))
        whole = [entry for entry in entries if entry.record.submission.ablation_of is None]
        restoring = [entry for entry in whole if entry.record.submission.output == "image"]
        if restoring:
            found.append(ranker.board(restoring, reader, "main"))
        if whole:
            found.append(ranker.board(whole, reader, "text-only"))
        ablated = sorted({entry.record.submission.ablation_of for entry in entries} - {None}, key=str)
        for target in filter(None, ablated):
            chosen = [e for e in entries if target in (e.record.submission.ablation_of, e.method)]
            found.append(ranker.board(chosen, reader, "ablation", target))
    return found


@dataclass
class _Ranked:
    """One metric over one set of entries: its ranking, and the values that the overall rules need."""

    ranking: MetricRanking
    by_name: dict[str, MetricRank]
    rounded: Sequence[Rank]
    keys: FloatArray
    replicate_keys: FloatArray


@dataclass
class _Ranker:
    """Ranks entries of one data set; each metric over each set of entries is computed once."""

    card: DatasetCard
    _bootstrap: ClusterBootstrap | None = None
    _sample_ids: list[str] = field(default_factory=list)
    _ranked: dict[tuple[str, ...], _Ranked | None] = field(default_factory=dict)
    _chance: dict[str, float] | None = None

    def board(self, entries: list[Entry], reader: str, kind: BoardKind, target: str = "") -> Board:
        """The board of these entries by one reader."""
        self._check_samples(entries)
        names = TEXT_METRICS if kind == "text-only" else (*RANKED, *GROUPED)
        ranked = {name: self._rank(entries, name, reader) for name in names}
        measured = {name: found for name, found in ranked.items() if found is not None}
        if not measured:
            raise RunError(f"{entries[0].folder}: no sample has a score to rank by; add it again with texts")
        places, borda = self._overall(
            entries, [found for name, found in measured.items() if name not in GROUPED]
        )
        scores = {entry.key: _scores(entry, measured, reader, kind) for entry in entries}
        metrics = [METRICS[name] for name in measured]
        if kind != "text-only":
            metrics += [METRICS[n] for n in SHOWN if any(n in found for found in scores.values())]
        fronts = {cost: self._front(entries, scores, cost) for cost in ("ms", "parameters")}
        rows = [
            BoardRow(
                entry,
                places[i],
                borda[i],
                scores[entry.key],
                {"ms": bool(fronts["ms"][i]), "parameters": bool(fronts["parameters"][i])},
            )
            for i, entry in enumerate(entries)
        ]
        descriptor = next(r for r in entries[0].run.record.readers if reader_key(r) == reader)
        protocol = entries[0].protocol
        parts = [
            self.card.slug,
            slugify(reader),
            *([] if kind == "main" else [kind]),
            *filter(None, [target]),
        ]
        suffix = {"main": "", "text-only": ", text only", "ablation": f", ablation of {target}"}[kind]
        return Board(
            slug="-".join(parts) + protocol_suffix(protocol),
            title=f"{self.card.name}{suffix}",
            kind=kind,
            target=target,
            card=self.card,
            reader=descriptor,
            protocol=protocol,
            metrics=tuple(metrics),
            rows=tuple(sorted(rows, key=lambda row: (row.place.rank, row.entry.key))),
            chance=self._chance_of(entries[0]),
            rankings={name: found.ranking for name, found in measured.items()},
            bootstrap=self._resamples,
        )

    @property
    def _resamples(self) -> ClusterBootstrap:
        if self._bootstrap is None:
            raise RuntimeError("the samples are checked before anything is ranked")
        return self._bootstrap

    def _chance_of(self, entry: Entry) -> dict[str, float]:
        """One for each data set and protocol, because it depends on the texts alone."""
        if self._chance is None:
            texts, plates = (entry.table[name].to_pylist() for name in ("text", "plate_id"))
            scores = chance(texts, plates, entry.run.record.rules.text.cer_cap)
            self._chance = {name: scores[name] for name in ("ned", "acc") if name in scores}
        return self._chance

    def _check_samples(self, entries: list[Entry]) -> None:
        for entry in entries:
            ids = entry.table["sample_id"].to_pylist()
            if self._bootstrap is None:
                plates = entry.table["plate_id"].to_pylist()
                self._sample_ids = ids
                self._bootstrap = ClusterBootstrap.by_rules(plates, entry.run.record.rules.bootstrap)
            elif ids != self._sample_ids:
                raise RunError(f"{entry.folder}: its samples are not those of {self.card.slug}; restore it")

    def _rank(self, entries: list[Entry], name: str, reader: str) -> _Ranked | None:
        keys = [entry.key for entry in entries]
        cache_key = (name, reader if name in _OF_READER else "", *keys)
        if cache_key not in self._ranked:
            values = np.stack([_values(entry, name, reader) for entry in entries], axis=1)
            self._ranked[cache_key] = None if np.isnan(values).all() else self._compute(keys, name, values)
        return self._ranked[cache_key]

    def _compute(self, keys: list[str], name: str, values: FloatArray) -> _Ranked:
        info = METRICS[name]
        bootstrap = self._resamples
        found = rank_methods(bootstrap, keys, [MetricScores.of(info, name, values)])
        (ranking,) = found.metrics
        scored = np.flatnonzero(~np.isnan(values).all(axis=0))
        columns = common_samples(bootstrap.clusters, [keys[i] for i in scored], values[:, scored])
        sign = -1.0 if info.higher_is_better else 1.0
        means = {entry.name: entry.score.value for entry in ranking.entries}
        place_keys = np.array(
            [sign * round(means[k], info.decimals) + 0 if k in means else np.inf for k in keys]
        )
        spread = np.full((bootstrap.n_resamples, len(keys)), np.inf)
        spread[:, scored] = sign * np.round(bootstrap.replicates(columns), info.decimals) + 0
        if ranking.comparison.n_clusters < 2:
            spread[:] = np.nan
        by_name = {place.name: place for place in found.overall}
        return _Ranked(
            ranking,
            {one.name: one for one in ranking.entries},
            [by_name[key] for key in keys],
            place_keys,
            spread,
        )

    def _overall(self, entries: list[Entry], ranked: list[_Ranked]) -> tuple[list[Rank], list[Rank]]:
        """Places by the leading metric (ties by the next ones) and by Borda's count."""
        names = [entry.key for entry in entries]
        first = lexicographic_ranks([one.keys for one in ranked])
        leading = ranked[0].rounded
        places = [
            Rank(name, int(p), min(one.low, int(p)), max(one.high, int(p)))
            for name, p, one in zip(names, first, leading, strict=True)
        ]
        counted = rank_bounds(borda_keys([one.keys for one in ranked])[None])[0][0]
        resampled = borda_keys([one.replicate_keys for one in ranked])
        known = resampled[~np.isnan(resampled).any(axis=1)]
        if not len(known):
            return places, [Rank(n, int(p), 1, len(names)) for n, p in zip(names, counted, strict=True)]
        best, worst = rank_bounds(known)
        tail = (1 - self._resamples.confidence) / 2
        low = np.minimum(np.quantile(best, tail, axis=0, method="inverted_cdf"), counted)
        high = np.maximum(np.quantile(worst, 1 - tail, axis=0, method="inverted_cdf"), counted)
        borda = zip(names, counted, low, high, strict=True)
        return places, [Rank(n, int(p), int(lo), int(hi)) for n, p, lo, hi in borda]

    def _front(
        self, entries: list[Entry], scores: dict[str, dict[str, Score]], cost: str
    ) -> npt.NDArray[np.bool_]:
        def paid(entry: Entry) -> float:
            if cost == "parameters":
                return float(entry.record.submission.n_parameters)
            time = entry.run.record.milliseconds_per_image
            return np.nan if time is None else time

        leading = next(iter(scores[entries[0].key]))
        found = [scores[entry.key][leading].value for entry in entries]
        table = [[np.nan if v is None else v, paid(entry)] for v, entry in zip(found, entries, strict=True)]
        if cost == "parameters":
            return pareto_front(table, [METRICS[leading].higher_is_better, False])
        # Times are compared on equal hardware only.
        front = np.zeros(len(entries), np.bool_)
        forms = [entry.record.submission for entry in entries]
        machines = [(form.hardware, form.device) for form in forms]
        for machine in dict.fromkeys(machines):
            of_machine = [index for index, one in enumerate(machines) if one == machine]
            rows = [table[index] for index in of_machine]
            front[of_machine] = pareto_front(rows, [METRICS[leading].higher_is_better, False])
        return front


def column(entry: Entry, name: str, reader: str) -> str:
    """The column of a metric or reading by a reader (see `RunRecord.column`)."""
    if name not in _OF_READER:
        return name
    record = entry.run.record
    return record.column(name, [reader_key(descriptor) for descriptor in record.readers].index(reader))


def _values(entry: Entry, name: str, reader: str) -> FloatArray:
    return float_column(entry.table, column(entry, name, reader))


def _scores(entry: Entry, measured: dict[str, _Ranked], reader: str, kind: BoardKind) -> dict[str, Score]:
    found: dict[str, Score] = {}
    for name, ranked in measured.items():
        rank = ranked.by_name.get(entry.key)
        summary = entry.run.summary.get(column(entry, name, reader))
        reason = "not computed" if summary is None else summary.unavailable
        found[name] = Score(None, None, None, unavailable=reason) if rank is None else _score(rank)
    for name in SHOWN if kind != "text-only" else ():
        summary = entry.run.summary.get(column(entry, name, reader))
        if summary is not None:
            found[name] = Score(summary.mean, summary.low, summary.high, unavailable=summary.unavailable)
    return found


def _score(rank: MetricRank) -> Score:
    interval: Estimate = rank.score
    place = Rank(rank.name, rank.rank, rank.low, rank.high)
    return Score(interval.value, interval.low, interval.high, place, rank.group)


def find_board(store: Store, slug: str | None) -> Board:
    """A board by its slug, the first one without.

    Raises:
        SubmissionError: There is no such board.
    """
    found = boards(store)
    for board in found:
        if slug in (None, board.slug):
            return board
    if slug is None:
        raise SubmissionError(f"{store.root}: no board in it; add an entry first")
    raise no_such("board", slug, (board.slug for board in found), SubmissionError, where=str(store.root))


def find_boards(found: Iterable[Board], entry: Entry) -> list[tuple[Board, BoardRow]]:
    """Where an entry stands."""
    return [
        (board, row)
        for board in found
        for row in board.rows
        if row.entry.key == entry.key
        and (board.card.slug, board.protocol) == (entry.record.dataset, entry.protocol)
    ]
