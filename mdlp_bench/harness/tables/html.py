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
th, td { padding: .25rem .6rem; vertical-align: top; text-align: right; }
small { display: block; opacity: .8; white-space: nowrap; }
table.wide { font-size: .8rem; }
table.wide :is(th, td) { padding-inline: .25rem; }
table.wide small { font-size: .7rem; white-space: normal; }
table.wide thead button::after { content: ""; }
table.wide thead button:hover { text-decoration: underline; }
tr > th:first-child { text-align: left; }
thead th { border-block: 2px solid; border-bottom-width: 1px; vertical-align: bottom; }
thead button { all: unset; cursor: pointer; }
thead button:focus-visible { outline: 2px solid; outline-offset: 2px; }
thead button::after { content: " \\2195"; opacity: .55; }
[aria-sort=ascending] button::after { content: " \\25b4"; opacity: 1; }
[aria-sort=descending] button::after { content: " \\25be"; opacity: 1; }
tbody { border-bottom: 1px solid; }
tbody th { font-weight: normal; }
tbody th[scope=rowgroup] { font-style: italic; }
table > tbody:last-child { border-bottom-width: 2px; }
.hidden { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; }
""".strip()

# Rows of a section stay together; empty cells come last in both directions.
_SORT = """
for (const head of document.querySelectorAll("thead th")) {
  head.querySelector("button").addEventListener("click", () => {
    const up = head.ariaSort ? head.ariaSort === "descending" : head.dataset.first !== "descending";
    for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const key = row => row.cells[head.cellIndex].dataset.value ?? "";
    const compare = (a, b) => {
      if (!a || !b) return (a === "") - (b === "");
      const order = isNaN(a) || isNaN(b) ? a.localeCompare(b) : a - b;
      return up ? order : -order;
    };
    for (const body of document.querySelectorAll("tbody")) {
      const rows = [...body.rows].filter(row => !row.querySelector("[scope=rowgroup]"));
      rows.sort((a, b) => compare(key(a), key(b)));
      body.append(...rows);
    }
  });
}
""".strip()

_WIDE = 9
"""From this number of columns on, type is smaller and intervals take two lines, to fit 1280 pixels."""

_DIRECTIONS = {True: "higher is better", False: "lower is better"}


def to_html(table: ScoreTable) -> str:
    """The table as one HTML page without outside files, light and dark, readable by screen readers.

    A click on a heading sorts the rows of each section by that column, the better ones first.
    """
    heads = "".join(map(_heading, table.columns))
    bodies = []
    for section in table.sections():
        lines = [f"<tr>{_label(row)}{''.join(map(_cell, row.cells))}</tr>" for row in section.rows]
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
    wide = ' class="wide"' if len(table.columns) >= _WIDE else ""
    parts = [
        "<!doctype html>",
        '<html lang="en">',
        '<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(table.dataset)}, {escape(table.protocol)}</title>",
        f"<style>\n{_STYLE}\n</style></head>",
        "<body><main>",
        '<div class="scroll" role="region" aria-labelledby="scores" tabindex="0">',
        f'<table{wide}><caption id="scores">{escape(table.caption())}</caption>',
        f'<thead><tr><th scope="col"><button>Method</button></th>{heads}</tr></thead>',
        *bodies,
        "</table></div>",
        *notes,
        f"</main><script>\n{_SORT}\n</script></body></html>",
    ]
    return "\n".join(parts) + "\n"


def _heading(column: Column) -> str:
    if column.higher_is_better is None:
        return f'<th scope="col"><button>{escape(column.heading)}</button></th>'
    title = escape(column.heading.removesuffix(column.arrow))
    first = "descending" if column.higher_is_better else "ascending"
    direction = _DIRECTIONS[column.higher_is_better]
    return (
        f'<th scope="col" data-first="{first}"><button>{title}<span aria-hidden="true">{column.arrow}</span>'
        f'<span class="hidden">{direction}</span></button></th>'
    )


def _label(row: RowText) -> str:
    note = f"<small>{escape(row.note)}</small>" if row.note else ""
    return f'<th scope="row" data-value="{escape(row.name)}">{escape(row.name)}{note}</th>'


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
    group = (
        f'<wbr><sup><span class="hidden">tie group </span>{escape(cell.group)}</sup>' if cell.group else ""
    )
    half_width = f" {escape(cell.half_width)}" if cell.half_width else ""
    interval = f"<small>{escape(cell.interval)}</small>" if cell.interval else ""
    sorts_by = f' data-value="{escape(cell.value)}"' if cell.value != "–" else ""
    return f"<td{sorts_by}>{value}{group}{half_width}{interval}</td>"
