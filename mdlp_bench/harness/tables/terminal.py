"""Score tables in the terminal."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from mdlp_bench.harness.tables.table import CellText, RowText, ScoreTable

_STYLES = {"best": "bold", "second": "underline", None: ""}


def to_rich(table: ScoreTable, *, intervals: bool = True) -> Group:
    """The table as a rich renderable: `Console().print(to_rich(table))`.

    Args:
        table: The table.
        intervals: Show the confidence intervals; without them it needs about half the width.
    """
    grid = Table(box=SIMPLE_HEAD, padding=(0, 1), title=Text(table.caption()), title_justify="left")
    grid.add_column("Method", no_wrap=True)
    for column in table.columns:
        grid.add_column(Text(column.heading.replace(" (", "\n(")), justify="right", no_wrap=True)
    for section in table.sections():
        if section.title:
            grid.add_row(Text(section.title, style="italic"))
        for row in section.rows:
            grid.add_row(_label(row), *(_cell(cell, intervals) for cell in row.cells))
        grid.add_section()
    shown = table if intervals else table.model_copy(update={"intervals": ""})
    notes = [Text(sentence, style="dim") for sentence in shown.legend()]
    notes += [Text(f"({number}) {reason}") for number, reason in enumerate(table.footnotes(), start=1)]
    return Group(grid, *notes)


def _label(row: RowText) -> Text:
    return Text.assemble(row.name, (f"\n{row.note}" if row.note else "", "dim"))


def _cell(cell: CellText, intervals: bool) -> Text:
    footnote = f" ({cell.footnote})" if cell.footnote is not None else ""
    group = f" {cell.group}" if cell.group else ""
    interval = f"\n{cell.interval}" if cell.interval and intervals else ""
    return Text.assemble((cell.value, _STYLES[cell.mark]), group, footnote, (interval, "dim"))
