"""Proportions of plates, in millimetres of a sheet 140 mm high, after GA 36-2018 (figures of chapter 5).

Brazil's sheets measure 400 x 130 mm; they are drawn in the same units, enlarged to a height of 140. Where
their characters stand was measured on photographs.

Every layout is rendered in its single-row form. (The rear plates of large vehicles and of trailers have two
rows, 440 x 220 mm; single-row readers and MDLP know the 440 x 140 mm form only.)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

from mdlp_bench.plate import LATIN_LAYOUTS, Layout

PLATE_HEIGHT: Final = 140.0
CHARACTER_HEIGHT: Final = 90.0
CHARACTER_TOP: Final = (PLATE_HEIGHT - CHARACTER_HEIGHT) / 2
CORNER_RADIUS: Final = 10.0
BORDER_INSET: Final = 4.0
BORDER_WIDTH: Final = 2.5
DOT_DIAMETER: Final = 10.0
_MARGIN: Final = 15.5
_BRAZIL: Final = PLATE_HEIGHT / 130.0


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle on the plate's face in millimetres from its top left corner."""

    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """The right edge."""
        return self.left + self.width

    @property
    def centre(self) -> tuple[float, float]:
        """The centre (x, y)."""
        return self.left + self.width / 2, self.top + self.height / 2


@dataclass(frozen=True, slots=True)
class FaceGeometry:
    """Where everything is on one plate's face.

    Attributes:
        width: Plate width in millimetres: 440, 480 (new energy) or 431 (Brazil); the height is 140.
        characters: The boxes of the characters, left to right.
        separator: The box of the dot, or on new-energy plates of the round security mark, in the wide gap;
            None where there is neither.
        has_dot: Whether the separator is an embossed dot.
        border: Width of the line along the edge; 0 is none.
        holes: Centres (x, y) of the four mounting holes: top left, top right, bottom left, bottom right.
    """

    width: float
    characters: tuple[Box, ...]
    separator: Box | None
    has_dot: bool
    border: float
    holes: tuple[tuple[float, float], ...]


@cache
def face_geometry(layout: Layout, embassy: bool = False) -> FaceGeometry:
    """The geometry of a layout.

    Seven characters: boxes of 45 x 90 mm, gaps of 12 mm, one gap of 34 mm with the 10 mm dot. Eight (new
    energy): the province 45 mm, the others 43 mm wide, gaps of 9 mm, one gap of 49 mm without a dot. The
    wide gap follows the second character; on embassy plates (`使` and two groups of three digits) the fourth.

    Brazil's plates have seven characters in cells of one width: those before 2018 with a dot after the
    letters and a small plaque with the city above, the Mercosur ones evenly spaced under a band.
    """
    if layout in LATIN_LAYOUTS:
        return _brazil(layout == "mercosur")
    new_energy = layout in ("green_small", "green_large")
    widths = [45.0] + [43.0] * 7 if new_energy else [45.0] * 7
    gap, wide_gap = (9.0, 49.0) if new_energy else (12.0, 34.0)
    wide_after = 3 if embassy else 1
    boxes: list[Box] = []
    x = _MARGIN
    for index, width in enumerate(widths):
        boxes.append(Box(x, CHARACTER_TOP, width, CHARACTER_HEIGHT))
        x += width + (wide_gap if index == wide_after else gap)
    plate_width = 480.0 if new_energy else 440.0
    middle = (boxes[wide_after].right + boxes[wide_after + 1].left) / 2
    diameter = 16.0 if new_energy else DOT_DIAMETER
    separator = Box(middle - diameter / 2, PLATE_HEIGHT / 2 - diameter / 2, diameter, diameter)
    holes = tuple((plate_width / 2 + dx, y) for y in (11.0, PLATE_HEIGHT - 11.0) for dx in (-105.0, 105.0))
    return FaceGeometry(plate_width, tuple(boxes), separator, not new_energy, BORDER_WIDTH, holes)


def _brazil(mercosur: bool) -> FaceGeometry:
    left, top, width, height, gap, wide_gap = (
        (41.0, 42.0, 36.5, 66.0, 10.0, 10.0) if mercosur else (27.0, 47.0, 38.0, 63.0, 10.0, 33.0)
    )
    boxes: list[Box] = []
    for index in range(7):
        boxes.append(Box(left * _BRAZIL, top * _BRAZIL, width * _BRAZIL, height * _BRAZIL))
        left += width + (wide_gap if index == 2 else gap)
    middle, diameter = (boxes[2].right + boxes[3].left) / 2, 10.0 * _BRAZIL
    dot = Box(middle - diameter / 2, boxes[0].centre[1] - diameter / 2, diameter, diameter)
    x, upper, lower = 400.0 * _BRAZIL, 11.5 * _BRAZIL, 120.0 * _BRAZIL
    holes = tuple((x / 2 + dx * _BRAZIL, y) for y in (upper, lower) for dx in (-86.0, 86.0))
    return FaceGeometry(
        x, tuple(boxes), None if mercosur else dot, not mercosur, 2.0 if mercosur else 0.0, holes
    )
