"""Score tables as a self-contained, accessible HTML page."""

from __future__ import annotations

from html import escape

from mdlp_bench.harness.tables.table import CellText, Column, RowText, ScoreTable

_STYLE = """
:root { color-scheme: light dark; font-family: system-ui, sans-serif; line-height: 1.4; }
body { margin: 1.5rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: .5rem; }
th, td { padding: .25rem .75rem; vertical-align: top; text-align: right; white-space: nowrap; }
tr > th:first-child { text-align: left; }
thead th { border-block: 2px solid; border-bottom-width: 1px; }
tbody { border-bottom: 1px solid; }
tbody th { font-weight: normal; }
tbody th[scope=rowgroup] { font-style: italic; }
table > tbody:last-child { border-bottom-width: 2px; }
small { display: block; opacity: .8; }
.hidden { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; }
""".strip()

_DIRECTIONS = {True: "higher is better", False: "lower is better"}


def to_html(table: ScoreTable) -> str:
    """The table as one HTML page without outside files, light and dark, readable by screen readers."""
    heads = "".join(f'<th scope="col">{_heading(column)}</th>' for column in table.columns)
    bodies = []
    for section in table.sections():
        lines = [
            f'<tr><th scope="row">{_label(row)}</th>{"".join(map(_cell, row.cells))}</tr>'
            for row in section.rows
        ]
        if section.title:
            width = len(table.columns) + 1
            lines.insert(0, f'<tr><th scope="rowgroup" colspan="{width}">{section.title}</th></tr>')
        bodies.append("\n".join(["<tbody>", *lines, "</tbody>"]))
    notes = [f"<p>{escape(' '.join(table.legend()))}</p>"] if table.legend() else []
    if reasons := table.footnotes():
        items = (
            f'<li id="note-{number}">{escape(reason)}</li>' for number, reason in enumerate(reasons, start=1)
        )
        notes.append("\n".join(["<ol>", *items, "</ol>"]))
    parts = [
        "<!doctype html>",
        '<html lang="en">',
        '<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(table.dataset)}, {escape(table.protocol)}</title>",
        f"<style>\n{_STYLE}\n</style></head>",
        "<body><main>",
        '<div class="scroll" role="region" aria-labelledby="scores" tabindex="0">',
        f'<table><caption id="scores">{escape(table.caption())}</caption>',
        f'<thead><tr><th scope="col">Method</th>{heads}</tr></thead>',
        *bodies,
        "</table></div>",
        *notes,
        "</main></body></html>",
    ]
    return "\n".join(parts) + "\n"


def _heading(column: Column) -> str:
    if column.higher_is_better is None:
        return escape(column.heading)
    title = escape(column.heading.removesuffix(column.arrow))
    direction = _DIRECTIONS[column.higher_is_better]
    return f'{title}<span aria-hidden="true">{column.arrow}</span><span class="hidden">{direction}</span>'


def _label(row: RowText) -> str:
    return escape(row.name) + (f"<small>{escape(row.note)}</small>" if row.note else "")


def _cell(cell: CellText) -> str:
    if cell.footnote is not None:
        number = cell.footnote
        link = f'<sup><a href="#note-{number}" aria-label="note {number}">{number}</a></sup>'
        return f"<td>{cell.value}{link}</td>"
    value = {
        "best": f'<strong>{cell.value}</strong><span class="hidden"> best</span>',
        "second": f'<u>{cell.value}</u><span class="hidden"> second</span>',
        None: cell.value,
    }[cell.mark]
    group = f'<sup><span class="hidden">tie group </span>{escape(cell.group)}</sup>' if cell.group else ""
    interval = f"<small>{escape(cell.interval)}</small>" if cell.interval else ""
    return f"<td>{value}{group}{interval}</td>"
