"""Compact JSON of boards, samples and entries for the scripts of the pages."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from mdlp_bench.harness.run import float_column
from mdlp_bench.leaderboard.boards import RANKED, TEXT_METRICS, Board, BoardRow, column
from mdlp_bench.leaderboard.store import DatasetCard, Entry, protocol_suffix, reader_key
from mdlp_bench.metrics.base import METRICS
from mdlp_bench.metrics.text import frames_show, matched_positions
from mdlp_bench.plate import normalise

_EXTRA_DIGITS: Final = 2  # per-sample values have this many more digits than tables


def page_name(entry: Entry) -> str:
    """An entry's name in addresses."""
    return f"{entry.method}--{entry.version}{protocol_suffix(entry.protocol)}"


def script_json(value: Any) -> str:
    """JSON that may stand inside a script element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in ("<", ">", "&", "\u2028", "\u2029"):
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def board_data(board: Board) -> dict[str, Any]:
    """A board column by column; scores as integers in units of their last shown decimal."""
    rows, leading = board.rows, board.metrics[0]
    groups: list[str] = []
    metrics = []
    for info in board.metrics:
        unit = 10**info.decimals
        scores = [row.scores.get(info.name) for row in rows]
        found: dict[str, Any] = {
            "name": info.name,
            "title": info.title,
            "unit": info.unit,
            "higher": info.higher_is_better,
            "decimals": info.decimals,
            "ranked": info.name in board.rankings,
            "v": [None if s is None else _scaled(s.value, unit) for s in scores],
            # The interval's ends as distances from the score: fewer digits.
            "l": [None if s is None else _distance(s.value, s.low, unit) for s in scores],
            "h": [None if s is None else _distance(s.high, s.value, unit) for s in scores],
        }
        if found["ranked"]:
            found["g"] = [_index(groups, "" if s is None else _runs(s.group)) for s in scores]
        reasons = {i: s.unavailable for i, s in enumerate(scores) if s is not None and s.unavailable}
        if reasons:
            found["why"] = sorted(set(filter(None, reasons.values())))[0]
        metrics.append(found)
    forms = [row.entry.record.submission for row in rows]
    return {
        "slug": board.slug,
        "dataset": board.card.slug,
        # The reader's score on the degraded input, in the leading metric.
        "floor": _scaled(board.floor.get(leading.name), 10**leading.decimals),
        "metrics": metrics,
        "groups": groups,
        "title": [form.method for form in forms],
        "version": _coded([form.version for form in forms]),
        "authors": _coded([", ".join(form.authors)[:60] for form in forms]),
        "flags": _coded([" ".join(sorted({flag.code for flag in row.entry.flags})) for row in rows]),
        "frames": [form.frames_used for form in forms],
        "parameters": [form.n_parameters for form in forms],
        "ms": [_significant(row.cost("ms")) for row in rows],
        "place": [[row.place.rank, row.place.low, row.place.high] for row in rows],
        "borda": [[row.borda.rank, row.borda.low, row.borda.high] for row in rows],
        "front": [_front(row) for row in rows],
    }


def typical_sample(board: Board) -> str | None:
    """The sample with pictures on which the best method does about as well as on average.

    Its score in the leading metric is nearest to the method's mean: neither its best sample nor its worst.
    None when no sample has pictures, a ground truth and a score.
    """
    row, leading = board.rows[0], board.metrics[0].name
    table = row.entry.table
    scores = table[column(row.entry, leading, reader_key(board.reader))].to_pylist()
    known = {i: s for i, s in zip(table["sample_id"].to_pylist(), scores, strict=True) if s is not None}
    mean = row.scores[leading].value
    shown = [one.sample_id for one in board.card.browsed if one.has_gt and one.sample_id in known]
    if mean is None or not shown:
        return None
    return min(shown, key=lambda sample_id: abs(known[sample_id] - mean))


def samples_data(card: DatasetCard, entries: Sequence[Entry]) -> dict[str, Any]:
    """What all entries of a data set share: ids, plates, texts and the shown samples with their readings."""
    table = entries[0].table
    plates: dict[str, int] = {}
    cluster = [plates.setdefault(plate, len(plates)) for plate in table["plate_id"].to_pylist()]
    shown = []
    for sample in card.browsed:
        gt_text = normalise(sample.text or "")
        shown.append(
            {
                "id": sample.sample_id,
                "text": gt_text,
                "layout": sample.layout or "",
                "frames": sample.n_frames,
                "gt": sample.has_gt,
                "frameTexts": {
                    key: [_coloured(text, gt_text, None) for text in texts]
                    for key, texts in sample.frame_texts.items()
                },
                "gtText": {k: _coloured(text, gt_text, None) for k, text in sample.gt_texts.items()},
            }
        )
    return {
        "dataset": card.slug,
        "ids": table["sample_id"].to_pylist(),
        "plates": cluster,
        "texts": [normalise(text or "") for text in table["text"].to_pylist()],
        "shown": shown,
    }


def entry_data(entry: Entry, card: DatasetCard) -> dict[str, Any]:
    """An entry's per-sample scores and readings, in the order of the sample ids."""
    table = entry.table
    frames = {sample.sample_id: sample.frame_texts for sample in card.browsed}
    ids = table["sample_id"].to_pylist()
    gt_texts = [normalise(text or "") for text in table["text"].to_pylist()]
    metrics: dict[str, Any] = {}
    texts: dict[str, Any] = {}
    for reader in entry.run.record.readers:
        key = reader_key(reader)
        for name in TEXT_METRICS:
            if column(entry, name, key) in table.column_names:
                metrics[f"{name}|{key}"] = _packed(entry, column(entry, name, key), name)
        read = table[column(entry, "read_text", key)].to_pylist()
        texts[key] = [
            _coloured(text, gt_text, frames.get(sample_id, {}).get(key))
            for sample_id, text, gt_text in zip(ids, read, gt_texts, strict=True)
        ]
    for name in RANKED:
        if name not in TEXT_METRICS and name in table.column_names:
            metrics[name] = _packed(entry, name, name)
    return {"page": page_name(entry), "title": entry.title, "metrics": metrics, "texts": texts}


def _packed(entry: Entry, key: str, name: str) -> list[int | None]:
    values = float_column(entry.table, key)
    unit = 10 ** (METRICS[name].decimals + _EXTRA_DIGITS)
    return [None if np.isnan(value) else round(value * unit) for value in values.tolist()]


def _coloured(text: str, gt_text: str, frames: Sequence[str] | None) -> list[str]:
    """A reading and one letter per character: r right, w wrong, h hallucinated (wrong and in no frame)."""
    read = normalise(text)
    if not gt_text:
        return [read, "n" * len(read)]
    seen = None if frames is None else [normalise(frame) for frame in frames]
    kinds = []
    for j, right in enumerate(matched_positions(read, gt_text)):
        supported = seen is None or frames_show(seen, read, j)
        kinds.append("r" if right else "w" if supported else "h")
    return [read, "".join(kinds)]


def _scaled(value: float | None, unit: int) -> int | None:
    return None if value is None else round(value * unit)


def _distance(high: float | None, low: float | None, unit: int) -> int | None:
    return None if high is None or low is None else round(high * unit) - round(low * unit)


def _coded(values: list[str]) -> dict[str, Any]:
    """Texts that repeat, as the distinct ones and the position of each."""
    names = list(dict.fromkeys(values))
    index = {name: position for position, name in enumerate(names)}
    return {"names": names, "at": [index[value] for value in values]}


def _significant(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.3g}")


def _runs(group: str) -> str:
    """Tie-group letters as runs of numbers: "abcf" becomes "0-2,5"; few bytes even for many groups."""
    numbers = [_letter_number(letter) for letter in re.findall(r"\(([a-z]+)\)|([a-z])", group)]
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(f"{low}" if low == high else f"{low}-{high}" for low, high in runs)


def _letter_number(found: tuple[str, str]) -> int:
    """a is 0, z is 25, (aa) is 26."""
    number = 0
    for character in found[0] or found[1]:
        number = 26 * number + ord(character) - ord("a") + 1
    return number - 1


def _index(groups: list[str], group: str) -> int:
    if group not in groups:
        groups.append(group)
    return groups.index(group)


def _front(row: BoardRow) -> int:
    """Bit 1: on the front of quality and time; bit 2: of quality and parameters."""
    return int(row.pareto["ms"]) + 2 * int(row.pareto["parameters"])
