"""Score tables as CSV for further computation."""

from __future__ import annotations

from mdlp_bench.files import csv_text
from mdlp_bench.harness.tables.table import Cell, ScoreTable


def to_csv(table: ScoreTable) -> str:
    """The table as CSV at full precision.

    Columns: method, kind (method, bound, published), note, then KEY, KEY_low, KEY_high and KEY_group for each
    metric, `unavailable` with the reasons of empty cells and left-out columns ("key: reason; ..."), and
    `remarks` with what must be known of values. Texts are on one line.
    """
    keys = [column.key for column in table.columns]
    fields = [f"{key}{part}" for key in keys for part in ("", "_low", "_high", "_group")]
    lines: list[list[object]] = [["method", "kind", "note", *fields, "unavailable", "remarks"]]
    for row in table.rows:
        cells = [row.cells.get(key, Cell()) for key in keys]
        values = [part for c in cells for part in (c.value, c.low, c.high, c.group)]
        reasons = [
            f"{k}: {c.unavailable}" for k, c in zip(keys, cells, strict=True) if c.unavailable is not None
        ]
        if row.kind == "method":
            reasons += [f"{one.key}: {one.reason}" for one in table.absent]
        remarks = [f"{k}: {c.note}" for k, c in zip(keys, cells, strict=True) if c.note]
        remarks += [f"{k}: n = {c.n}" for k, c in zip(keys, cells, strict=True) if c.n is not None]
        texts = (row.name, row.kind, row.note, *values, "; ".join(reasons), "; ".join(remarks))
        lines.append([" ".join(v.split()) if isinstance(v, str) else v for v in texts])
    return csv_text(lines)
