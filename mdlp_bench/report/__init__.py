"""Self-contained HTML reports: pictures as data URIs, histograms as inline SVG, no outside files."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from mdlp_bench.errors import DataError
from mdlp_bench.files import write_text
from mdlp_bench.frozen import Frozen
from mdlp_bench.images import ImageU8, decode, encode

THUMBNAIL_HEIGHT: Final = 56
_MAX_ASPECT: Final = 4
_JPEG_QUALITY: Final = 85


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of a report: its data URI (None: it cannot be shown) and a caption."""

    uri: str | None
    caption: str


@dataclass(frozen=True, slots=True)
class Card:
    """A row of pictures with a heading and remarks."""

    title: str
    pictures: tuple[Picture, ...]
    remarks: tuple[str, ...] = field(default=())


def picture(image: ImageU8, caption: str, height: int = THUMBNAIL_HEIGHT) -> Picture:
    """A picture of uint8 RGB [H, W, 3] at a height in pixels, at most four times as wide.

    It is enlarged without smoothing, so that its pixels can be judged.
    """
    rows, columns = image.shape[:2]
    scale = min(height / rows, _MAX_ASPECT * height / columns)
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    small = np.asarray(cv2.resize(image, size, interpolation=kind), np.uint8)
    content = base64.b64encode(encode(small, "jpg", quality=_JPEG_QUALITY)).decode("ascii")
    return Picture(f"data:image/jpeg;base64,{content}", caption)


def picture_of(content: bytes, caption: str) -> Picture:
    """The picture of an encoded image; one that cannot be shown where the image is broken."""
    try:
        return picture(decode(content, caption), caption)
    except DataError:
        return Picture(None, caption)


class Histogram(Frozen):
    """Counts in fixed bins, so a stream of any length needs no memory.

    Attributes:
        title: What is counted, with its unit.
        edges: K + 1 ascending edges; values outside count in the first or last bin.
        counts: K counts.
    """

    title: str
    edges: tuple[float, ...]
    counts: tuple[int, ...]


class HistogramBuilder:
    """Fills a `Histogram` value by value."""

    def __init__(self, title: str, edges: tuple[float, ...]) -> None:
        self.title, self.edges = title, edges
        self._counts = np.zeros(len(edges) - 1, np.int64)

    def add(self, value: float) -> None:
        """Count one value."""
        place = int(np.searchsorted(self.edges, value, side="right")) - 1
        self._counts[min(max(place, 0), len(self._counts) - 1)] += 1

    def build(self) -> Histogram:
        """The histogram so far."""
        return Histogram(title=self.title, edges=self.edges, counts=tuple(self._counts.tolist()))


def svg_histogram(histogram: Histogram, width: int = 320, height: int = 130) -> str:
    """The histogram as an inline SVG with a title for screen readers."""
    top, bottom = 14, height - 34
    bar = width / len(histogram.counts)
    highest = max(1, *histogram.counts)
    total = sum(histogram.counts)
    parts = [
        f'<svg role="img" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f"<title>{escape(histogram.title)}: {total:,} values</title>",
    ]
    fullest = histogram.counts.index(max(histogram.counts))
    parts += [
        f'<line x1="0" x2="{width}" y1="{bottom}" y2="{bottom}"/>',
        f'<text x="{min(max((fullest + 0.5) * bar, 20), width - 20):.1f}" y="{top - 3}" '
        f'text-anchor="middle">{max(histogram.counts):,}</text>',
    ]
    for number, count in enumerate(histogram.counts):
        tall = (bottom - top) * count / highest
        low, high = histogram.edges[number], histogram.edges[number + 1]
        parts.append(
            f'<rect x="{number * bar + 1:.1f}" y="{bottom - tall:.1f}" width="{bar - 2:.1f}" '
            f'height="{tall:.1f}"><title>{low:g} to {high:g}: {count:,}</title></rect>'
        )
    marks = ((0, "start"), (len(histogram.edges) // 2, "middle"), (len(histogram.edges) - 1, "end"))
    for number, anchor in marks:
        parts.append(
            f'<text x="{number * bar:.1f}" y="{bottom + 13}" text-anchor="{anchor}">'
            f"{histogram.edges[number]:g}</text>"
        )
    parts.append(
        f'<text x="{width / 2:.0f}" y="{height - 4}" text-anchor="middle">{escape(histogram.title)}</text>'
    )
    return "".join([*parts, "</svg>"])


def plain(value: object) -> str:
    """A value for people: thousands separated, fractions with four digits."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def write_report(target: Path, template: str, **context: Any) -> None:
    """Render a template of this package and write the page atomically.

    Args:
        target: The `.html` file.
        template: A file name in `templates/`.
        context: Values for the template; every one is escaped.

    Raises:
        MdlpBenchError: The file cannot be written.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("mdlp_bench.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["plain"] = plain
    environment.filters["histogram"] = lambda histogram: Markup(svg_histogram(histogram))
    write_text(target, environment.get_template(template).render(**context) + "\n")
