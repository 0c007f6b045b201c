"""A method's scores by layout and province, and what its readings confuse."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

import numpy as np

from mdlp_bench.harness.statistics import ClusterBootstrap
from mdlp_bench.leaderboard.boards import column
from mdlp_bench.leaderboard.store import Entry
from mdlp_bench.metrics.protocol import BootstrapRules
from mdlp_bench.metrics.text import confusion, position_accuracy

_CONFUSED: Final = 12
_MISTAKES: Final = 12


@dataclass(frozen=True, slots=True)
class Part:
    """Scores of a part of the test set: share of plates read (ACC), NED with interval, samples, plates."""

    name: str
    n: int
    n_plates: int
    acc: float
    ned: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Where a method reads well and where not, by one reader.

    Attributes:
        layouts: By layout.
        provinces: By province glyph, most frequent first.
        kinds: Share of characters right by kind (province, letter, digit, special).
        positions: Share right by position.
        mistakes: Most frequent mistakes as (truth, reading, count).
        labels: Characters of the matrix: those with most mistakes.
        matrix: Counts of truth (rows) against reading (columns, `labels` and then all others).
    """

    layouts: tuple[Part, ...]
    provinces: tuple[Part, ...]
    kinds: tuple[tuple[str, float, int], ...]
    positions: tuple[tuple[str, float, int], ...]
    mistakes: tuple[tuple[str, str, int], ...]
    labels: tuple[str, ...]
    matrix: tuple[tuple[int, ...], ...]


def breakdown(entry: Entry, reader: str) -> Breakdown | None:
    """The breakdown by one reader (its key); None when no sample has a text."""
    table = entry.table
    position = column(entry, "ned", reader).removeprefix("ned")
    texts = table["text"].to_pylist()
    known = [i for i, text in enumerate(texts) if text]
    if not known:
        return None
    part = table.take(known)
    targets = part["text"].to_pylist()
    preds = part[f"read_text{position}"].to_pylist()
    scores = np.stack(
        [np.asarray(part[f"{name}{position}"].to_numpy(), np.float64) for name in ("acc", "ned")], axis=1
    )
    plates = part["plate_id"].to_pylist()
    layouts = [layout or "unknown" for layout in part["layout"].to_pylist()]
    rules = entry.run.record.rules.bootstrap
    counts = confusion(preds, targets)
    places = position_accuracy(preds, targets)
    kinds = counts.by_kind()
    wrong = counts.counts.sum(axis=1) - np.diag(counts.counts)
    worst = [int(i) for i in np.argsort(-wrong, kind="stable")[:_CONFUSED] if wrong[i]]
    matrix = tuple(
        (
            *(int(counts.counts[i, j]) for j in worst),
            int(counts.counts[i].sum() - counts.counts[i, worst].sum()),
        )
        for i in worst
    )
    return Breakdown(
        layouts=_parts(layouts, scores, plates, rules),
        provinces=_parts([target[0] for target in targets], scores, plates, None),
        kinds=tuple(
            (label, float(share), int(total))
            for label, share, total in zip(kinds.labels, kinds.accuracy, kinds.total, strict=True)
            if total
        ),
        positions=tuple(
            (label, float(share), int(total))
            for label, share, total in zip(places.labels, places.accuracy, places.total, strict=True)
        ),
        mistakes=tuple(counts.mistakes(_MISTAKES)),
        labels=tuple(counts.labels[i] for i in worst),
        matrix=matrix,
    )


def _parts(
    names: list[str], scores: np.ndarray, plates: list[str], rules: BootstrapRules | None
) -> tuple[Part, ...]:
    found = []
    groups = np.array(names)
    for name, n in Counter(names).most_common():
        chosen = np.flatnonzero(groups == name)
        own_plates = [plates[i] for i in chosen]
        low = high = None
        if rules is not None:
            interval = ClusterBootstrap.by_rules(own_plates, rules).interval(scores[chosen, 1], is_share=True)
            low, high = interval.low, interval.high
        acc, ned = scores[chosen].mean(axis=0)
        found.append(Part(name, n, len(set(own_plates)), float(acc), float(ned), low, high))
    return tuple(found)
