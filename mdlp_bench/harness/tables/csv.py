"""Score tables as CSV for further computation."""

from __future__ import annotations

from mdlp_bench.files import csv_text
from mdlp_bench.harness.tables.table import Cell, ScoreTable


def to_csv(table: ScoreTable) -> str:
    """The table as CSV at full precision.

    Columns: method, kind (method, bound, published), note, then KEY, KEY_low, KEY_high and KEY_group for each
    metric, and `unavailable` with the reasons of empty cells ("key: reason; ..."). How to read a cell is told
    in the note of its row, in the same form. Texts are on one line.
    """
    keys = [column.key for column in table.columns]
    fields = [f"{key}{part}" for key in keys for part in ("", "_low", "_high", "_group")]
    lines: list[list[object]] = [["method", "kind", "note", *fields, "unavailable"]]
    for row in table.rows:
        cells = [row.cells.get(key, Cell()) for key in keys]
        values = [part for c in cells for part in (c.value, c.low, c.high, c.group)]
        reasons = [
            f"{k}: {c.unavailable}" for k, c in zip(keys, cells, strict=True) if c.unavailable is not None
        ]
        remarks = [f"{k}: {c.remark}" for k, c in zip(keys, cells, strict=True) if c.remark is not None]
        note = "; ".join(filter(None, (row.note, *remarks)))
        texts = (row.name, row.kind, note, *values, "; ".join(reasons))
        lines.append([" ".join(v.split()) if isinstance(v, str) else v for v in texts])
    return csv_text(lines)
