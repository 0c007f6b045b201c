"""A method's scores by part of the test set, and what its readings confuse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from mdlp_bench.harness.breakdown import parts
from mdlp_bench.harness.run import float_column
from mdlp_bench.harness.statistics import ClusterBootstrap, Estimate
from mdlp_bench.harness.statistics.clusters import FloatArray
from mdlp_bench.harness.text_columns import is_comparable
from mdlp_bench.leaderboard.boards import column
from mdlp_bench.leaderboard.store import Entry
from mdlp_bench.metrics.protocol import BootstrapRules
from mdlp_bench.metrics.text import confusion, positions_right

_CONFUSED: Final = 12
_MISTAKES: Final = 12


@dataclass(frozen=True, slots=True)
class Part:
    """Scores of a part of the test set: the share of plates read (ACC), and NED."""

    name: str
    n: int
    n_plates: int
    acc: Estimate
    ned: Estimate


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Where a method reads well and where it does not, by one reader.

    Attributes:
        layouts: By layout.
        heights: By height of the first frame; empty for entries that do not say it.
        recipes: By degradation recipe; empty for entries that do not say it, or with one recipe only.
        provinces: By province glyph, most frequent first.
        kinds: Share of characters right by kind (province, letter, digit, special).
        positions: By position (from 1), the share of characters right.
        mistakes: Most frequent mistakes as (character, reading, count).
        labels: Characters of the matrix: those with most mistakes.
        matrix: Counts of ground truth (rows) against reading (columns, `labels` and then all others).
    """

    layouts: tuple[Part, ...]
    heights: tuple[Part, ...]
    recipes: tuple[Part, ...]
    provinces: tuple[Part, ...]
    kinds: tuple[tuple[str, float, int], ...]
    positions: tuple[tuple[str, Estimate], ...]
    mistakes: tuple[tuple[str, str, int], ...]
    labels: tuple[str, ...]
    matrix: tuple[tuple[int, ...], ...]


def breakdown(entry: Entry, reader: str) -> Breakdown | None:
    """The breakdown by one reader (its key); None when no sample has a text."""
    table = entry.table
    position = column(entry, "ned", reader).removeprefix("ned")
    texts = table["text"].to_pylist()
    known = [i for i, text in enumerate(texts) if is_comparable(text)]
    if not known:
        return None
    part = table.take(known)
    gt_texts = part["text"].to_pylist()
    preds = part[f"read_text{position}"].to_pylist()
    scores = np.stack([float_column(part, f"{name}{position}") for name in ("acc", "ned")], axis=1)
    plates = part["plate_id"].to_pylist()
    rules = entry.run.record.rules.bootstrap
    names = part.column_names
    recipes = _parts(part, "recipe", scores, plates, rules) if "recipe" in names else ()
    counts = confusion(preds, gt_texts)
    right = positions_right(preds, gt_texts)
    places = ClusterBootstrap.by_rules(plates, rules).intervals(right, is_share=True)
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
        layouts=_parts(part, "layout", scores, plates, rules),
        heights=_parts(part, "height", scores, plates, rules) if "first_height" in names else (),
        recipes=recipes if len(recipes) > 1 else (),
        provinces=_parts(part, "province", scores, plates, rules),
        kinds=tuple(
            (label, float(share), int(total))
            for label, share, total in zip(kinds.labels, kinds.accuracy, kinds.total, strict=True)
            if total
        ),
        positions=tuple((str(number), place) for number, place in enumerate(places, start=1)),
        mistakes=tuple(counts.mistakes(_MISTAKES)),
        labels=tuple(counts.labels[i] for i in worst),
        matrix=matrix,
    )


def _parts(
    table: pa.Table, by: str, scores: FloatArray, plates: list[str], rules: BootstrapRules
) -> tuple[Part, ...]:
    """Scores, [n, 2] ACC and NED, of each part of a table."""
    found = []
    for name, rows in parts(table, by).items():
        own_plates = [plates[i] for i in rows]
        acc, ned = ClusterBootstrap.by_rules(own_plates, rules).intervals(scores[rows], is_share=True)
        found.append(Part(name, len(rows), len(set(own_plates)), acc, ned))
    return tuple(found)
