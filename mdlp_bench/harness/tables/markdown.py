"""Score tables as GitHub-flavoured Markdown."""

from __future__ import annotations

import re

from mdlp_bench.harness.tables.table import CellText, RowText, ScoreTable

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&!])")


def escape_markdown(text: str) -> str:
    """Text that Markdown shows as it is, on one line and within a table cell."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def to_markdown(table: ScoreTable) -> str:
    """The table as Markdown: caption, pipe table, legend and footnotes; best in bold, second underlined."""
    head = ["Method", *(escape_markdown(column.heading) for column in table.columns)]
    lines = [escape_markdown(table.caption()), "", _line(head), _line([":--", *["--:"] * len(table.columns)])]
    for section in table.sections():
        if section.title:
            lines.append(_line([f"*{section.title}*", *[""] * len(table.columns)]))
        lines += [_line([_label(row), *map(_cell, row.cells)]) for row in section.rows]
    for sentence in table.legend():
        lines += ["", escape_markdown(sentence)]
    for number, reason in enumerate(table.footnotes(), start=1):
        lines += ["", f"<sup>{number}</sup> {escape_markdown(reason)}"]
    return "\n".join(lines) + "\n"


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _label(row: RowText) -> str:
    name = escape_markdown(row.name)
    return f"{name} ({escape_markdown(row.note)})" if row.note else name


def _cell(cell: CellText) -> str:
    value = {"best": f"**{cell.value}**", "second": f"<ins>{cell.value}</ins>", None: cell.value}[cell.mark]
    text = f"{value}<sup>{cell.raised}</sup>" if cell.raised else value
    return " ".join(part for part in (text, cell.half_width, cell.interval) if part)
