"""Proportions of plates in millimetres, after GA 36-2018 (figures of the standard, chapter 5).

Every layout is rendered in its single-row form. (The rear plates of large vehicles and of trailers have two
rows, 440 x 220 mm; single-row readers and MDLP know the 440 x 140 mm form only.)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

from mdlp_bench.plate import Layout

PLATE_HEIGHT: Final = 140.0
CHARACTER_HEIGHT: Final = 90.0
CHARACTER_TOP: Final = (PLATE_HEIGHT - CHARACTER_HEIGHT) / 2
CORNER_RADIUS: Final = 10.0
BORDER_INSET: Final = 4.0
BORDER_WIDTH: Final = 2.5
DOT_DIAMETER: Final = 10.0
_MARGIN: Final = 15.5


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
        width: Plate width in millimetres: 440, or 480 for new-energy plates. The height is 140.
        characters: The boxes of the characters, left to right.
        separator: The box of the dot, or on new-energy plates of the round security mark, in the wide gap.
        has_dot: Whether the separator is an embossed dot.
        holes: Centres (x, y) of the four mounting holes: top left, top right, bottom left, bottom right.
    """

    width: float
    characters: tuple[Box, ...]
    separator: Box
    has_dot: bool
    holes: tuple[tuple[float, float], ...]


@cache
def face_geometry(layout: Layout, embassy: bool = False) -> FaceGeometry:
    """The geometry of a layout.

    Seven characters: boxes of 45 x 90 mm, gaps of 12 mm, one gap of 34 mm with the 10 mm dot. Eight (new
    energy): the province 45 mm, the others 43 mm wide, gaps of 9 mm, one gap of 49 mm without a dot. The
    wide gap follows the second character; on embassy plates (`使` and two groups of three digits) the fourth.
    """
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
    return FaceGeometry(plate_width, tuple(boxes), separator, not new_energy, holes)
