"""Score tables in the terminal."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from mdlp_bench.harness.tables.table import CellText, RowText, ScoreTable

_STYLES = {"best": "bold", "second": "underline", None: ""}


def to_rich(table: ScoreTable) -> Group:
    """The table as a rich renderable: `Console().print(to_rich(table))`."""
    grid = Table(box=SIMPLE_HEAD, padding=(0, 1), title=Text(table.caption()), title_justify="left")
    grid.add_column("Method", no_wrap=True)
    for column in table.columns:
        grid.add_column(Text(column.heading.replace(" (", "\n(")), justify="right", no_wrap=True)
    for section in table.sections():
        if section.title:
            grid.add_row(Text(section.title, style="italic"))
        for row in section.rows:
            grid.add_row(_label(row), *map(_cell, row.cells))
        grid.add_section()
    notes = [Text(sentence, style="dim") for sentence in table.legend()]
    notes += [Text(f"({number}) {reason}") for number, reason in enumerate(table.footnotes(), start=1)]
    return Group(grid, *notes)


def _label(row: RowText) -> Text:
    return Text.assemble(row.name, (f"\n{row.note}" if row.note else "", "dim"))


def _cell(cell: CellText) -> Text:
    half_width = f" {cell.half_width}" if cell.half_width else ""
    footnote = f" ({cell.footnote})" if cell.footnote is not None else ""
    group = f" {cell.group}" if cell.group else ""
    interval = f"\n{cell.interval}" if cell.interval else ""
    return Text.assemble(
        (cell.value, _STYLES[cell.mark]), (half_width, "dim"), group, footnote, (interval, "dim")
    )
