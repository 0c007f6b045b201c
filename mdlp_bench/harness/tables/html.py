"""Score tables as a self-contained, accessible HTML page."""

from __future__ import annotations

from html import escape

from mdlp_bench.harness.tables.table import EMPTY, CellText, Column, RowText, ScoreTable, group_widths

_STYLE = """
:root { color-scheme: light dark; font-family: system-ui, sans-serif; line-height: 1.4; }
body { margin: 1.5rem; }
.scroll { overflow-x: auto; --edge: color-mix(in srgb, CanvasText 30%, transparent);
  background: linear-gradient(to left, Canvas 40%, transparent) 100% / 2rem 100% no-repeat local,
    linear-gradient(to left, var(--edge), transparent) 100% / .7rem 100% no-repeat; }
caption span { display: block; position: sticky; left: 0; max-width: calc(100vw - 3rem); width: max-content; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: .5rem; }
th, td { padding: .25rem .6rem; vertical-align: top; text-align: right; }
small { display: block; opacity: .8; white-space: nowrap; }
table.wide { font-size: .74rem; }
table.wide :is(th, td) { padding-inline: .2rem; }
table.wide small { font-size: .7rem; white-space: normal; }
table.wide thead button > span::after { content: ""; }
table.wide thead button:hover { text-decoration: underline; }
tr > th:first-child { text-align: left; position: sticky; left: 0; background: Canvas; }
sup { display: inline-block; text-align: left; line-height: 0; }
thead th { border-block: 2px solid; border-bottom-width: 1px; vertical-align: bottom; }
thead button { all: unset; cursor: pointer; }
thead button:focus-visible { outline: 2px solid; outline-offset: 2px; }
thead button span { white-space: nowrap; }
table.wide thead button span { white-space: normal; }
thead i { font-style: normal; }
thead button > span::after { content: " \\2195"; opacity: .55; font-weight: normal; font-size: .75em; }
[aria-sort=ascending] button > span::after { content: " \\25b4"; opacity: 1; }
[aria-sort=descending] button > span::after { content: " \\25be"; opacity: 1; }
tbody { border-bottom: 1px solid; }
tbody th { font-weight: normal; }
tbody th[scope=rowgroup] { font-style: italic; }
table > tbody:last-child { border-bottom-width: 2px; }
@media (max-width: 40rem) { body { margin: 1rem; } tr > th:first-child { max-width: 8rem; } }
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
    sections = table.sections()
    is_wide = len(table.columns) >= _WIDE
    # In a wide table the letters may stand on a line of their own.
    widths = [0] * len(table.columns) if is_wide else group_widths(sections)
    for section in sections:
        lines = [f"<tr>{_label(row)}{''.join(map(_cell, row.cells, widths))}</tr>" for row in section.rows]
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
    wide = ' class="wide"' if is_wide else ""
    parts = [
        "<!doctype html>",
        '<html lang="en">',
        '<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(table.dataset)}, {escape(table.protocol)}</title>",
        f"<style>\n{_STYLE}\n</style></head>",
        "<body><main>",
        '<div class="scroll" role="region" aria-labelledby="scores" tabindex="0">',
        f'<table{wide}><caption id="scores"><span>{escape(table.caption())}</span></caption>',
        f'<thead><tr><th scope="col"><button><span>Method</span></button></th>{heads}</tr></thead>',
        *bodies,
        "</table></div>",
        *notes,
        f"</main><script>\n{_SORT}\n</script></body></html>",
    ]
    return "\n".join(parts) + "\n"


def _heading(column: Column) -> str:
    if column.higher_is_better is None:
        return f'<th scope="col"><button>{_ending(column.heading)}</button></th>'
    first = "descending" if column.higher_is_better else "ascending"
    direction = _DIRECTIONS[column.higher_is_better]
    return (
        f'<th scope="col" data-first="{first}"><button>'
        f"{_ending(column.heading.removesuffix(column.arrow).strip(), column.arrow, direction)}</button></th>"
    )


def _ending(title: str, arrow: str = "", direction: str = "") -> str:
    """A heading whose last word stays on one line with the marks behind it."""
    start, _, end = title.rpartition(" ")
    words = f"{escape(start)} " if start else ""
    if not arrow:
        return f"{words}<span>{escape(end)}</span>"
    marks = f'<i aria-hidden="true">{arrow}</i><i class="hidden">{direction}</i>'
    return f"{words}<span>{escape(end)} {marks}</span>"


def _label(row: RowText) -> str:
    note = f"<small>{escape(row.note)}</small>" if row.note else ""
    return f'<th scope="row" data-value="{escape(row.name)}">{escape(row.name)}{note}</th>'


def _cell(cell: CellText, width: int) -> str:
    """A cell whose letters take `width` characters, so that the digits of a column stand in line."""
    number = cell.footnote
    link = "" if number is None else f'<a href="#note-{number}" aria-label="note {number}">{number}</a>'
    if cell.value == EMPTY and link:
        return f"<td>{cell.value}<sup>{link}</sup></td>"
    value = {
        "best": f'<strong>{cell.value}</strong><span class="hidden"> best</span>',
        "second": f'<u>{cell.value}</u><span class="hidden"> second</span>',
        None: cell.value,
    }[cell.mark]
    letters = f'<span class="hidden">tie group </span>{escape(cell.group)}' if cell.group else ""
    letters += " " * bool(letters and link) + link
    room = f' style="min-width: {width}ch"' if width else ""
    group = f"<wbr><sup{room}>{letters}</sup>" if letters or width else ""
    half_width = f" {escape(cell.half_width)}" if cell.half_width else ""
    interval = f"<small>{escape(cell.interval)}</small>" if cell.interval else ""
    sorts_by = f' data-value="{escape(cell.value)}"' if cell.value != EMPTY else ""
    return f"<td{sorts_by}>{value}{group}{half_width}{interval}</td>"
