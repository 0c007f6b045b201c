"""Score tables as LaTeX with booktabs."""

from __future__ import annotations

import re
import unicodedata

from mdlp_bench.harness.tables.table import CellText, RowText, ScoreTable

# Brackets and stars in braces: after \\ or \midrule a bare one would be read as an optional argument.
_ESCAPES = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "{": r"\{",
        "}": r"\}",
        "$": r"\$",
        "&": r"\&",
        "#": r"\#",
        "%": r"\%",
        "_": r"\_",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        "`": r"\textasciigrave{}",
        '"': r"{''}",
        "[": "{[}",
        "]": "{]}",
        "*": "{*}",
        "–": "--",
        "↑": r"$\uparrow$",
        "↓": r"$\downarrow$",
        "α": r"$\alpha$",
        "±": r"$\pm$",
    }
)

_ONE_COLUMN = 5
_WIDEST = 8  # columns beside the methods; with more the type would be too small to read


def escape_latex(text: str) -> str:
    """Text that LaTeX sets as it is, on one line; characters beyond ASCII (Chinese plates) are kept."""
    visible = "".join(c for c in " ".join(text.split()) if unicodedata.category(c) != "Cc")
    # The mark between hyphens becomes braces last, so that they are not escaped; no visible text holds it.
    return re.sub("-(?=-)", "-\0", visible).translate(_ESCAPES).replace("\0", "{}")


def to_latex(table: ScoreTable) -> str:
    """The table as LaTeX floats: best in bold, second underlined, intervals in small type below.

    A table of more than five columns spans both columns of a two-column page. One of more than eight goes on
    in further floats, each with the methods' names. A float that is too wide for its page is set smaller.
    """
    count = -(-len(table.columns) // _WIDEST)
    size = -(-len(table.columns) // count)
    starts = range(0, len(table.columns), size)
    floats = [_float(table, slice(start, start + size), part) for part, start in enumerate(starts, start=1)]
    lines = [line for part in floats for line in ("", *part)][1:]
    needs = [r"% Needs \usepackage{booktabs,adjustbox}."]
    if not "\n".join(lines).isascii():
        needs.append(
            r"% Has characters beyond ASCII: compile with XeLaTeX or LuaLaTeX (Chinese: \usepackage{ctex})."
        )
    return "\n".join([*needs, *lines]) + "\n"


def _float(table: ScoreTable, shown: slice, part: int) -> list[str]:
    """One float with some of the columns; the first carries the caption, each the footnotes of its cells."""
    columns = table.columns[shown]
    name = "table*" if len(table.columns) > _ONE_COLUMN else "table"
    caption = " ".join([table.caption(), *table.legend()])
    lines = [
        rf"\begin{{{name}}}[t]",
        r"\centering",
        rf"\caption{{{escape_latex(caption)}}}"
        if part == 1
        else rf"\caption{{Further columns of Table~\ref{{tab:{table.label}}}.}}",
        rf"\label{{tab:{table.label}}}" if part == 1 else rf"\label{{tab:{table.label}-{part}}}",
        r"\small",
        r"\setlength{\tabcolsep}{4pt}",
        r"\begin{adjustbox}{max width=\linewidth}",
        rf"\begin{{tabular}}{{l{'r' * len(columns)}}}",
        r"\toprule",
        _line(["Method", *(_heading(column.heading) for column in columns)]),
    ]
    noted: set[int] = set()
    for section in table.sections():
        lines.append(r"\midrule")
        if section.title:
            lines.append(rf"\multicolumn{{{len(columns) + 1}}}{{l}}{{\textit{{{section.title}}}}} \\")
        for row in section.rows:
            cells = row.cells[shown]
            noted.update(cell.footnote for cell in cells if cell.footnote is not None)
            lines.append(_line([_label(row), *map(_cell, cells)]))
            if any(cell.interval for cell in cells):
                lines.append(_line(["", *map(_interval, cells)]))
    lines += [r"\bottomrule", r"\end{tabular}", r"\end{adjustbox}"]
    for number, reason in enumerate(table.footnotes(), start=1):
        if number in noted:
            lines.append(rf"\par\smallskip{{\footnotesize $^{{{number}}}$ {escape_latex(reason)}}}")
    return [*lines, rf"\end{{{name}}}"]


def _heading(text: str) -> str:
    """A heading; what follows a comma (the reader of a text metric) goes on a second line."""
    first, comma, second = text.partition(", ")
    if not comma:
        return escape_latex(text)
    return rf"\begin{{tabular}}[b]{{@{{}}r@{{}}}}{escape_latex(first)}\\{escape_latex(second)}\end{{tabular}}"


def _line(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


def _label(row: RowText) -> str:
    name = escape_latex(row.name)
    return rf"{name} {{\footnotesize ({escape_latex(row.note)})}}" if row.note else name


def _cell(cell: CellText) -> str:
    value = escape_latex(cell.value)
    half_width = f" {escape_latex(cell.half_width)}" if cell.half_width else ""
    marked = {"best": rf"\textbf{{{value}}}", "second": rf"\underline{{{value}}}", None: value}[cell.mark]
    letters = rf"\textsuperscript{{{escape_latex(cell.raised)}}}" if cell.raised else ""
    return f"{marked}{letters}{half_width}"


def _interval(cell: CellText) -> str:
    return rf"{{\scriptsize {escape_latex(cell.interval)}}}" if cell.interval else ""
