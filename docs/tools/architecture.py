"""The rooms of the project and the one rule of their imports; draws docs/images/architecture.svg.

    python docs/tools/architecture.py

`tests/docs/test_architecture.py` holds the code to `ROWS` and the picture to this file.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path

PICTURE = Path(__file__).resolve().parents[1] / "images" / "architecture.svg"

ROWS: tuple[tuple[tuple[str, str], ...], ...] = (
    (("__main__", ""),),
    (
        ("cli", "thin commands"),
        ("api_data", "mb.pair, split, synthesise"),
        ("api_leaderboard", "mb.Leaderboard, pack"),
    ),
    (
        ("leaderboard", "submissions, store, ranks, site"),
        ("gap", "synthetic against real"),
        ("api", "mb.open, bench, train"),
        ("doctor", "what is missing"),
        ("testing", "conformance checks"),
    ),
    (("harness", "predict, score, statistics, tables"), ("training", "one loop for every network")),
    (
        ("methods", "the interface, the registry"),
        ("curate", "pairing, splits, audits"),
        ("synth", "renderer, recipes, synthetic data sets"),
    ),
    (("data", "samples, sources, Parquet, exports"),),
    (("quality", "what is measured on a frame"), ("readers", "text recognisers")),
    (("metrics", "pure functions, the protocol"),),
    (
        ("schema", "the sample"),
        ("records", "versioned JSON"),
        ("report", "self-contained HTML pages"),
        ("output_folder", "one writer, resumable"),
    ),
    (
        ("plate", "the grammar"),
        ("images", "strict decoding"),
        ("files", "atomic writes"),
        ("engine", "where work is done"),
        ("progress", "how far work has come"),
        ("userfiles", "file.py:name"),
        ("device", "CPU or GPU"),
    ),
    (("yaml_text", "one reader of YAML files"), ("frozen", "the base of models")),
    (("errors", "one line each, with the remedy"),),
)
"""Rooms from the top down, with what they hold; a room imports only rooms of rows below its own.

The first row is not drawn.
"""

_WIDTH, _LEFT, _RIGHT = 980, 60, 730
_ROW, _BOX, _GAP = 62, 44, 8
_INK, _PAPER, _ACCENT, _QUIET = "#1b2733", "#ffffff", "#1f5fa8", "#5b6b7a"
_FONT = "font-family='Helvetica, Arial, sans-serif'"


def may_import(importer: str, imported: str) -> bool:
    """Whether a room may import another one: the other's row lies below its own."""
    return _row(importer) < _row(imported)


def _row(room: str) -> int:
    for number, row in enumerate(ROWS):
        if room in dict(row):
            return number
    raise KeyError(f"{room}: no such room; give it a row in docs/tools/architecture.py")


def draw() -> str:
    """The picture as SVG text."""
    height = (len(ROWS) - 1) * _ROW + 30
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {_WIDTH} {height}' role='img' "
        "aria-label='Rooms of mdlp_bench in rows; imports point down'>",
        f"<rect width='{_WIDTH}' height='{height}' fill='{_PAPER}'/>",
        "<defs><marker id='tip' viewBox='0 0 8 8' refX='7' refY='4' markerWidth='8' markerHeight='8' "
        f"orient='auto-start-reverse'><path d='M0 0 8 4 0 8z' fill='{_ACCENT}'/></marker></defs>",
        f"<line x1='30' y1='20' x2='30' y2='{height - 20}' stroke='{_ACCENT}' stroke-width='2' "
        "marker-end='url(#tip)'/>",
        f"<text x='20' y='{height / 2}' {_FONT} font-size='13' fill='{_ACCENT}' text-anchor='middle' "
        f"transform='rotate(-90 20 {height / 2})'>imports point down</text>",
    ]
    for number, rooms in enumerate(ROWS[1:]):
        width = (_RIGHT - _LEFT - _GAP * (len(rooms) - 1)) / len(rooms)
        for place, (name, holds) in enumerate(rooms):
            parts += _box(_LEFT + place * (width + _GAP), 15 + number * _ROW, width, name, holds)
    for row in (2, 3):
        y = 15 + row * _ROW + _BOX / 2
        parts.append(
            f"<line x1='775' y1='{y}' x2='{_RIGHT + 4}' y2='{y}' stroke='{_ACCENT}' stroke-width='2' "
            "stroke-dasharray='5 4' marker-end='url(#tip)'/>"
        )
    parts += _box(775, 15 + 2 * _ROW, 190, "baselines", "LP-Diff and the field's methods")
    parts += _box(775, 15 + 3 * _ROW, 190, "your package", "or one file of your own")
    for line, text in enumerate(("found through entry points;", "mdlp_bench imports neither")):
        parts.append(
            f"<text x='870' y='{15 + 4 * _ROW + 14 + 15 * line}' {_FONT} font-size='11' fill='{_QUIET}' "
            f"text-anchor='middle'>{text}</text>"
        )
    return "\n".join([*parts, "</svg>", ""])


def _box(x: float, y: float, width: float, name: str, holds: str) -> Iterator[str]:
    middle = x + width / 2
    fits = len(holds) * 5.4 < width
    first, _, second = holds.partition(", ") if not fits else (holds, "", "")
    size = 10 if fits else 9
    lines = [f"{first},", second] if second else [first]
    title = y + (18 if len(lines) == 1 else 15)
    yield (
        f"<rect x='{x:.1f}' y='{y}' width='{width:.1f}' height='{_BOX}' rx='6' fill='#eef4fb' "
        f"stroke='{_ACCENT}'/>"
    )
    yield (
        f"<text x='{middle:.1f}' y='{title}' {_FONT} font-size='13' font-weight='bold' fill='{_INK}' "
        f"text-anchor='middle'>{escape(name)}</text>"
    )
    for place, line in enumerate(lines):
        yield (
            f"<text x='{middle:.1f}' y='{title + 13 + 11 * place}' {_FONT} font-size='{size}' "
            f"fill='{_QUIET}' text-anchor='middle'>{escape(line)}</text>"
        )


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
