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


def escape_latex(text: str) -> str:
    """Text that LaTeX sets as it is, on one line; characters beyond ASCII (Chinese plates) are kept."""
    visible = "".join(c for c in " ".join(text.split()) if unicodedata.category(c) != "Cc")
    # The mark between hyphens becomes braces last, so that they are not escaped; no visible text holds it.
    return re.sub("-(?=-)", "-\0", visible).translate(_ESCAPES).replace("\0", "{}")


def to_latex(table: ScoreTable) -> str:
    """The table as a LaTeX float: best in bold, second underlined, intervals in small type below.

    A table of more than five columns spans both columns of a two-column page.
    """
    float_name = "table*" if len(table.columns) > _ONE_COLUMN else "table"
    head = ["Method", *(escape_latex(column.heading) for column in table.columns)]
    lines = [
        rf"\begin{{{float_name}}}[t]",
        r"\centering",
        rf"\caption{{{escape_latex(' '.join([table.caption(), *table.legend()]))}}}",
        r"\label{tab:scores}",
        r"\small",
        r"\setlength{\tabcolsep}{4pt}",
        rf"\begin{{tabular}}{{l{'r' * len(table.columns)}}}",
        r"\toprule",
        _line(head),
    ]
    for section in table.sections():
        lines.append(r"\midrule")
        if section.title:
            lines.append(rf"\multicolumn{{{len(head)}}}{{l}}{{\textit{{{section.title}}}}} \\")
        for row in section.rows:
            lines.append(_line([_label(row), *map(_cell, row.cells)]))
            if any(cell.interval for cell in row.cells):
                lines.append(_line(["", *map(_interval, row.cells)]))
    lines += [r"\bottomrule", r"\end{tabular}"]
    for number, reason in enumerate(table.footnotes(), start=1):
        lines.append(rf"\par\smallskip{{\footnotesize $^{{{number}}}$ {escape_latex(reason)}}}")
    lines.append(rf"\end{{{float_name}}}")
    needs = [r"% Needs \usepackage{booktabs}."]
    if not "\n".join(lines).isascii():
        needs.append(
            r"% Has characters beyond ASCII: compile with XeLaTeX or LuaLaTeX (Chinese: \usepackage{ctex})."
        )
    return "\n".join([*needs, *lines]) + "\n"


def _line(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


def _label(row: RowText) -> str:
    name = escape_latex(row.name)
    return rf"{name} {{\footnotesize ({escape_latex(row.note)})}}" if row.note else name


def _cell(cell: CellText) -> str:
    value = escape_latex(cell.value)
    half_width = f" {escape_latex(cell.half_width)}" if cell.half_width else ""
    marked = {"best": rf"\textbf{{{value}}}", "second": rf"\underline{{{value}}}", None: value}[cell.mark]
    raised = cell.group or (str(cell.footnote) if cell.footnote is not None else "")
    letters = rf"\textsuperscript{{{escape_latex(raised)}}}" if raised else ""
    return f"{marked}{letters}{half_width}"


def _interval(cell: CellText) -> str:
    return rf"{{\scriptsize {escape_latex(cell.interval)}}}" if cell.interval else ""
