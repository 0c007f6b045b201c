"""Benchmark tables: one model, rendered to the terminal, Markdown, LaTeX, HTML and CSV."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from mdlp_bench.errors import MdlpBenchError
from mdlp_bench.files import write_text
from mdlp_bench.harness.tables.csv import to_csv
from mdlp_bench.harness.tables.html import to_html
from mdlp_bench.harness.tables.latex import escape_latex, to_latex
from mdlp_bench.harness.tables.markdown import escape_markdown, to_markdown
from mdlp_bench.harness.tables.table import Absent, Cell, Column, Intervals, Row, RowKind, ScoreTable
from mdlp_bench.harness.tables.terminal import to_rich

if TYPE_CHECKING:
    from pathlib import Path

RENDERERS: Final[Mapping[str, Callable[[ScoreTable], str]]] = MappingProxyType(
    {".md": to_markdown, ".tex": to_latex, ".html": to_html, ".csv": to_csv}
)
"""Text renderers by file suffix."""


def write_table(table: ScoreTable, path: Path) -> None:
    """Write a table in the format of the file's suffix (.md, .tex, .html, .csv), atomically.

    Raises:
        MdlpBenchError: The suffix is none of these, or the file cannot be written.
    """
    render = RENDERERS.get(path.suffix.lower())
    if render is None:
        raise MdlpBenchError(f"{path}: no table format of that name; end it in {', '.join(RENDERERS)}")
    write_text(path, render(table))


__all__ = [
    "RENDERERS",
    "Absent",
    "Cell",
    "Column",
    "Intervals",
    "Row",
    "RowKind",
    "ScoreTable",
    "escape_latex",
    "escape_markdown",
    "to_csv",
    "to_html",
    "to_latex",
    "to_markdown",
    "to_rich",
    "write_table",
]
