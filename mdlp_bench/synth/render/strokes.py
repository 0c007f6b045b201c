"""A plate face drawn for this project: digits and letters as strokes of one width in a 45 x 90 mm box.

The GA 36 face is a monoline gothic: flat stroke ends, round bowls, the digit 1 a bare bar. These centre lines
were drawn from the look of plates in traffic. Coordinates are millimetres, y down.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from mdlp_bench.synth.render.raster import Image, resized

WIDTH: Final = 45.0
HEIGHT: Final = 90.0
_SUPER: Final = 8

# Letters with many strokes in one box are drawn with thinner ones, as on real plates.
_THINNER: Final = {"W": 0.78, "M": 0.92}

Path = list[tuple[float, float]]


Stem = Literal["bent", "straight", "hook"]


@dataclass(frozen=True, slots=True)
class Forms:
    """How a face forms the characters that makers form differently.

    Attributes:
        six: What is above the bowl of the 6: a bent stem, a straight one, or a hook that comes back.
        nine: The same, turned, below the bowl of the 9.
        bowl: Half the height of these bowls in millimetres.
        serif: The I has serifs, below and at the top left, and no character has thinner strokes.
        square: Exponent of the superellipse of all bowls: 2 is an ellipse, more is squarer.
        tail: Degrees of the lower bowl of 3, 5 and S where their tails end: 90 is below, 180 left.
        waist: Millimetres from the top to where the middle of the M ends.
        peak: Millimetres from the top to where the middle of the W begins.
        closed: The 4 is a closed triangle on a whole stem, instead of an open corner.
        barred: The J has a bar at the top.
    """

    six: Stem = "bent"
    nine: Stem = "bent"
    bowl: float = 24.5
    serif: bool = False
    square: float = 2.0
    tail: float = 168.0
    waist: float = 51.0
    peak: float = 8.0
    closed: bool = False
    barred: bool = True


PLAIN: Final = Forms()


def stroke_glyph(
    character: str,
    stroke: float,
    scale: float,
    *,
    forms: Forms = PLAIN,
    size: tuple[float, float] = (WIDTH, HEIGHT),
) -> Image:
    """Draw one character.

    Args:
        character: A digit or a letter of the plate alphabet.
        stroke: Stroke width in millimetres.
        scale: Pixels per millimetre.
        forms: The face's forms.
        size: Width and height of the box in millimetres; centre lines are stretched to it, strokes are not.

    Returns:
        The ink as uint8 [size[1] * scale, size[0] * scale], 255 on strokes; strokes end flat at the box.
    """
    if not forms.serif:
        stroke *= _THINNER.get(character, 1.0)
    return stroked(_paths(character, stroke, forms), stroke, scale, size)


def stroked(
    paths: list[Path], stroke: float, scale: float, size: tuple[float, float] = (WIDTH, HEIGHT)
) -> Image:
    """Draw centre lines of a 45 x 90 mm box as strokes of one width (arguments as for `stroke_glyph`)."""
    height, width = round(size[1] * scale), round(size[0] * scale)
    fine = scale * _SUPER
    canvas = np.zeros((height * _SUPER, width * _SUPER), np.uint8)
    # Centre lines half a stroke from the box's edge stay there: the box they span is mapped, not the whole.
    half, box = stroke / 2, np.array([WIDTH, HEIGHT])
    stretch = (np.asarray(size) - stroke) / (box - stroke)
    for path in paths:
        points = np.round(((np.asarray(path) - half) * stretch + half) * fine * 16).astype(np.int32)
        _thick(canvas, points, stroke * fine)
    return resized(canvas, (width, height))


def _thick(canvas: Image, points: NDArray[np.int32], width: float) -> None:
    """Fill a polyline of the given width: one quadrilateral per segment, a disc at every inner joint."""
    p = points.astype(np.float64)
    for a, b in pairwise(p):
        along = b - a
        length = float(np.hypot(*along))
        if length == 0.0:
            continue
        normal = np.array([-along[1], along[0]]) / length * width * 8
        quad = np.round(np.stack([a + normal, b + normal, b - normal, a - normal])).astype(np.int32)
        cv2.fillConvexPoly(canvas, quad, 255, lineType=cv2.LINE_8, shift=4)
    for joint in points[1:-1]:
        cv2.circle(canvas, (int(joint[0]), int(joint[1])), round(width * 8), 255, -1, cv2.LINE_8, 4)


def _arc_of(power: float, cx: float, cy: float, rx: float, ry: float, degrees: tuple[float, float]) -> Path:
    """Points of an arc of a superellipse (exponent 2 / power) between two angles: 0 is right, 90 is down."""
    start, stop = degrees
    steps = max(4, round(abs(stop - start) / 6))
    angles = (math.radians(start + (stop - start) * k / steps) for k in range(steps + 1))
    unit = ((math.cos(a), math.sin(a)) for a in angles)
    return [
        (cx + rx * math.copysign(abs(x) ** power, x), cy + ry * math.copysign(abs(y) ** power, y))
        for x, y in unit
    ]


def _paths(character: str, stroke: float, forms: Forms) -> list[Path]:
    """The centre lines of one character; ends on the box's edge are cut flat by it."""
    arc = partial(_arc_of, 2 / forms.square)

    def bowl(x: float, right: float, top: float, bottom: float) -> Path:
        """The half ellipse from (x, top) over the right to (x, bottom)."""
        return arc(x, (top + bottom) / 2, right - x, (bottom - top) / 2, (-90, 90))

    h = stroke / 2
    left, right, top, bottom = h, WIDTH - h, h, HEIGHT - h
    cx = WIDTH / 2
    rx = cx - h  # radius of a full-width bowl's centre line
    ry = rx * 1.05
    up, low = top + ry, bottom - ry
    match character:
        case "0" | "O":
            return [[*arc(cx, up, rx, ry, (180, 360)), *arc(cx, low, rx, ry, (0, 180)), (left, up)]]
        case "I" if forms.serif:
            return [[(cx, -9), (cx, 99)], [(8, top), (cx, top)], [(7, bottom), (38, bottom)]]
        case "1" | "I":
            return [[(cx, -9), (cx, 99)]]
        case "2":
            return [
                [*arc(cx, up, rx, ry, (190, 380)), (left + 1, bottom - 1)],
                [(h * 0.2, bottom), (54, bottom)],
            ]
        case "3":
            r = 20.5
            return [
                arc(cx, top + r, rx - 1, r, (195, 430)),
                [*arc(cx, bottom - r - 2, rx, r + 2, (-75, forms.tail - 3))],
                [(cx - 6, 42.5), (cx + 5, 42.5)],
            ]
        case "4" if forms.closed:
            return [[(33, -9), (33, 99)], [(31, -9), (31, 0), (left - 1, 65), (54, 65)]]
        case "4":
            return [[(29, -9), (29, 0), (left - 1, 65), (54, 65)], [(33.5, 38), (33.5, 99)]]
        case "5":
            r = 25.0
            cy = bottom - r
            return [
                [
                    (right + 9, top),
                    (left + 1.5, top),
                    (left + 1.2, 47),
                    *arc(cx, cy, rx, r, (224, 360 + forms.tail)),
                ],
            ]
        case "6":
            cy = bottom - forms.bowl
            above = {
                "bent": [(35, -6), (31, 0), (18.5, 18), (9, 36), (left + 0.4, 52), (left, cy)],
                "straight": [(38, -7), (34, 0), (left + 1.5, 54), (left, cy)],
                "hook": [*arc(cx, up, rx, ry, (-15, -180)), (left, cy)],
            }
            return [arc(cx, cy, rx, forms.bowl, (0, 360)), above[forms.six]]
        case "7":
            return [[(-9, top), (54, top)], [(right, top), (right - 1, top + 6), (17, 90), (14.5, 99)]]
        case "8":
            r = 20.0
            lower = 22.5
            return [
                arc(cx, top + r, rx - 1.5, r, (0, 360)),
                arc(cx, bottom - lower, rx, lower, (0, 360)),
            ]
        case "9":
            cy = top + forms.bowl
            beneath = {
                "bent": [(10, 96), (14, 90), (26.5, 72), (36, 54), (right - 0.4, 38), (right, cy)],
                "straight": [(7, 97), (11, 90), (right - 1.5, 36), (right, cy)],
                "hook": [*arc(cx, low, rx, ry, (165, 0)), (right, cy)],
            }
            return [arc(cx, cy, rx, forms.bowl, (0, 360)), beneath[forms.nine]]
        case "A":
            return [[(cx - 1.5, -9), (cx - 1.5, 0), (h * 0.9, 90), (h * 0.9 - 2.2, 99)],
                    [(cx + 1.5, -9), (cx + 1.5, 0), (45 - h * 0.9, 90), (45 - h * 0.9 + 2.2, 99)],
                    [(10, 64), (35, 64)]]  # fmt: skip
        case "B":
            mid = 42.0
            return [
                [(left, -9), (left, 99)],
                [(left, top), (20, top), *bowl(22, right - 1.5, top, mid), (left, mid)],
                [(left, mid), (20, mid), *bowl(22, right, mid, bottom), (left, bottom)],
            ]
        case "C":
            return [[*arc(cx, up, rx, ry, (-8, -180)), *arc(cx, low, rx, ry, (180, 8))]]
        case "D":
            r = 20.0
            return [
                [(left, -9), (left, 99)],
                [(left, top), (right - r, top), *arc(right - r, top + r + 3, r, r + 3, (-90, 0)),
                 *arc(right - r, bottom - r - 3, r, r + 3, (0, 90)), (left, bottom)],
            ]  # fmt: skip
        case "E":
            return [[(left, -9), (left, 99)], [(left, top), (54, top)], [(left, 43), (39, 43)],
                    [(left, bottom), (54, bottom)]]  # fmt: skip
        case "F":
            return [[(left, -9), (left, 99)], [(left, top), (54, top)], [(left, 44), (39, 44)]]
        case "G":
            return [
                [*arc(cx, up, rx, ry, (-8, -180)), *arc(cx, low, rx, ry, (180, 0)), (right, 50)],
                [(24, 50), (right + h, 50)],
            ]
        case "H":
            return [[(left, -9), (left, 99)], [(right, -9), (right, 99)], [(left, 44), (right, 44)]]
        case "J":
            r = 15.5
            x = right - 5
            hook = [(x, -9), (x, bottom - r), *arc(x - r, bottom - r, r, r, (0, 150))]
            return [[(16, top), (x + h, top)], hook] if forms.barred else [hook]
        case "K":
            return [
                [(left, -9), (left, 99)],
                [(43.5, -9), (39, 0), (left, 59)],
                [(19, 37), (40, 90), (43.5, 99)],
            ]
        case "L":
            return [[(left, -9), (left, 99)], [(left, bottom), (54, bottom)]]
        case "M":
            return [[(left, -9), (left, 99)], [(right, -9), (right, 99)],
                    [(left - 3.2, -9), (left, 0), (cx, forms.waist), (right, 0),
                     (right + 3.2, -9)]]  # fmt: skip
        case "N":
            return [[(left, -9), (left, 99)], [(right, -9), (right, 99)],
                    [(left - 3, -9), (left, 0), (right, 90), (right + 3, 99)]]  # fmt: skip
        case "P":
            r = 24.0
            return [
                [(left, -9), (left, 99)],
                [(left, top), (19, top), *bowl(19, right, top, top + 2 * r), (left, top + 2 * r)],
            ]
        case "Q":
            return [[*arc(cx, up, rx, ry, (180, 360)), *arc(cx, low, rx, ry, (0, 180)), (left, up)],
                    [(24, 66), (41, 90), (47, 99)]]  # fmt: skip
        case "R":
            r = 22.5
            return [[(left, -9), (left, 99)],
                    [(left, top), (19, top), *bowl(19, right, top, top + 2 * r), (left, top + 2 * r)],
                    [(22, top + 2 * r), (39.5, 90), (43, 99)]]  # fmt: skip
        case "S":
            r = 20.8
            return [[*arc(cx, top + r, rx - 0.5, r, (-12, -222)), (cx, 45),
                     *arc(cx, bottom - r - 1, rx, r + 1, (-42, forms.tail))]]  # fmt: skip
        case "T":
            return [[(-9, top), (54, top)], [(cx, top), (cx, 99)]]
        case "U":
            return [[(left, -9), (left, low), *arc(cx, low, rx, ry, (180, 0)), (right, low), (right, -9)]]
        case "V":
            return [[(h * 0.9 - 2, -9), (h * 0.9, 0), (cx - 1, 90), (cx - 1, 99)],
                    [(45 - h * 0.9 + 2, -9), (45 - h * 0.9, 0), (cx + 1, 90), (cx + 1, 99)]]  # fmt: skip
        case "W":
            a, b = h * 0.95, 12.0
            return [[(a - 0.9, -9), (a, 0), (b, 90), (b + 0.9, 99)],
                    [(b - 1, 99), (b, 90), (cx, forms.peak), (45 - b, 90), (46 - b, 99)],
                    [(45.9 - a, -9), (45 - a, 0), (45 - b, 90), (44.1 - b, 99)]]  # fmt: skip
        case "X":
            return [
                [(1.5, -9), (h, 0), (45 - h, 90), (43.5, 99)],
                [(43.5, -9), (45 - h, 0), (h, 90), (1.5, 99)],
            ]
        case "Y":
            return [
                [(h - 4, -9), (h * 0.9, 0), (cx, 47), (45 - h * 0.9, 0), (49 - h, -9)],
                [(cx, 45), (cx, 99)],
            ]
        case "Z":
            return [
                [(-0.5, top), (right + h, top)],
                [(right, top), (left, bottom)],
                [(0, bottom), (54, bottom)],
            ]
        case _:
            raise ValueError(f"{character!r} is not a digit or letter of the plate alphabet")
