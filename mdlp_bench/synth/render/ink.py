"""Where ink is on a plate: characters, separator and border."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import cv2
import numpy as np

from mdlp_bench.plate import Layout
from mdlp_bench.synth.render.geometry import (
    BORDER_INSET,
    CORNER_RADIUS,
    PLATE_HEIGHT,
    FaceGeometry,
    face_geometry,
)
from mdlp_bench.synth.render.glyphs import DRAWN_FACES, LATIN, SCALE, LatinFace, glyph_mask
from mdlp_bench.synth.render.raster import Image, fixed_point, resized, rounded_outline
from mdlp_bench.synth.render.style import PlateStyle

_HOOKED: Final[dict[Layout, LatinFace]] = {
    "green_small": "plate_energy",
    "green_large": "plate_energy",
    "brazilian": "plate_energy",
    "mercosur": "plate_serif",
}
_RED_GLYPHS: Final[dict[str, str]] = {"white_police": "警", "black": "使领"}
_FINE: Final = 4


def ink_masks(
    text: str, layout: Layout, style: PlateStyle, geometry: FaceGeometry, rng: np.random.Generator
) -> tuple[Image, Image | None]:
    """All ink, and the boxes whose ink is red (None when there are none).

    Returns:
        uint8 [280, 2 * width in mm]: two pixels per millimetre, 255 is ink.
    """
    ink = _border(layout).copy()
    red: Image | None = None
    shifts = rng.uniform(-style.shift, style.shift, (len(text), 2)) * SCALE
    for character, box, shift in zip(text, geometry.characters, shifts, strict=True):
        latin = character in LATIN
        mask = glyph_mask(
            character,
            _face(character, layout, style) if latin else style.han,
            box.width,
            height=box.height,
            growth=style.stroke if latin else style.han_stroke,
            flag_on_one=style.flag_on_one,
        )
        x, y = round(box.left * SCALE + shift[0]), round(box.top * SCALE + shift[1])
        place = (slice(y, y + mask.shape[0]), slice(x, x + mask.shape[1]))
        np.maximum(ink[place], mask, out=ink[place])
        if character in _RED_GLYPHS.get(layout, ""):
            red = np.zeros_like(ink) if red is None else red
            red[place] = 255
    _separator(ink, geometry, style.stroke)
    return ink, red


def _face(character: str, layout: Layout, style: PlateStyle) -> LatinFace:
    """The face of a digit or letter. Fonts lend every character but 6 and 9: theirs look like a plate's G."""
    if character in "69" and style.latin not in DRAWN_FACES:
        return _HOOKED.get(layout, "plate")
    return style.latin


def _separator(ink: Image, geometry: FaceGeometry, growth: float) -> None:
    """The dot; on new-energy plates the faint round security mark, a ring around a small disc."""
    if geometry.separator is None:
        return
    # Shifted by half a pixel: OpenCV counts pixel centres, millimetres count edges.
    x, y = (int(v) for v in fixed_point(np.array(geometry.separator.centre) * SCALE - 0.5))
    radius = geometry.separator.width / 2 * SCALE * 16
    if geometry.has_dot:
        cv2.circle(ink, (x, y), round(radius + growth * SCALE * 8), 255, -1, cv2.LINE_AA, 4)
    else:
        cv2.circle(ink, (x, y), round(radius), 80, SCALE, cv2.LINE_AA, 4)
        cv2.circle(ink, (x, y), round(radius * 0.5), 120, -1, cv2.LINE_AA, 4)


@lru_cache(maxsize=16)
def _border(layout: Layout) -> Image:
    """The line along the edge."""
    geometry = face_geometry(layout)
    width = geometry.width
    unit = SCALE * _FINE
    canvas = np.zeros((round(PLATE_HEIGHT * unit), round(width * unit)), np.uint8)
    for inset, value in ((BORDER_INSET, 255), (BORDER_INSET + geometry.border, 0)):
        outline = rounded_outline(width, PLATE_HEIGHT, inset, CORNER_RADIUS - inset)
        cv2.fillPoly(canvas, [fixed_point(outline * unit - 0.5)], value, cv2.LINE_8, 4)
    line = resized(canvas, (round(width * SCALE), round(PLATE_HEIGHT * SCALE)))
    line.setflags(write=False)
    return line
