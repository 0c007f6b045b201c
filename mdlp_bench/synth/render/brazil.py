"""What Brazil's sheets carry beside the plate's text: a plaque with the city, or the Mercosur band."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from mdlp_bench.plate import Layout
from mdlp_bench.synth.render.glyphs import glyph_mask
from mdlp_bench.synth.render.raster import Field, f32, planes
from mdlp_bench.synth.render.style import Colour, PlateStyle

_BLUE: Final[Colour] = (0.04, 0.14, 0.50)
_WHITE: Final[Colour] = (0.92, 0.93, 0.94)
_GREEN: Final[Colour] = (0.05, 0.50, 0.25)
_YELLOW: Final[Colour] = (0.92, 0.80, 0.10)
_LETTERS: Final = "ABCDEFGHIJKLMNPQRSTUV"


def brazilian_sheet(layout: Layout, style: PlateStyle, size: tuple[int, int]) -> Field:
    """The sheet's colours without the plate's text, float32 [3, *size].

    Positions are in millimetres of the real sheet, 400 x 130. The city on the plaque is random letters: small
    print that no reader may take for the plate's text.
    """
    rows, columns = size
    sheet = np.empty((3, rows, columns), np.float32)
    sheet[:] = planes(style.paint.background)
    rng = np.random.default_rng((style.surface.seed, 1))
    unit = rows / 130
    if layout == "mercosur":
        tone = float(np.exp(rng.normal(0, 0.15)))
        _box(sheet, (0, 0, 400, 30), (_BLUE[0] * tone, _BLUE[1] * tone, _BLUE[2] * tone), unit)
        _word(sheet, "BRASIL", (165, 8, 10), 13, _WHITE, unit)
        _box(sheet, (358, 7, 382, 23), _GREEN, unit)
        _box(sheet, (363, 10, 377, 20), _YELLOW, unit)
        _box(sheet, (18, 9, 36, 21), _WHITE, unit, strength=0.6)
        if rng.random() < 0.7:  # the square code, in the later ones
            code = rng.random((8, 8)) < 0.5
            for row, column in zip(*np.nonzero(code), strict=True):
                left, top = 12 + 2 * float(column), 38 + 2 * float(row)
                _box(sheet, (left, top, left + 2, top + 2), style.paint.ink, unit)
        _word(sheet, "BR", (12, 100, 9), 15, style.paint.ink, unit)
    else:
        shade = float(np.clip(1 + rng.normal(0, 0.1), 0.75, 1.2))
        r, g, b = (float(min(value * shade, 1.0)) for value in style.paint.background)
        if rng.random() < 0.85:
            _box(sheet, (52, 15, 348, 36), style.paint.ink, unit, strength=float(rng.uniform(0.1, 0.8)))
            _box(sheet, (54, 17, 346, 34), (r, g, b), unit)
        state, city = (
            rng.integers(len(_LETTERS), size=2),
            rng.integers(len(_LETTERS), size=rng.integers(5, 13)),
        )
        text = "".join(_LETTERS[i] for i in state) + " " + "".join(_LETTERS[i] for i in city)
        width = float(rng.uniform(7, 10))
        _word(sheet, text, (200 - width * len(text) / 2, 19, width), 13, style.paint.ink, unit)
    return sheet


def _word(
    sheet: Field, text: str, place: tuple[float, float, float], height: float, colour: Colour, unit: float
) -> None:
    """Small print: `place` is its left and top edge and the pitch of its letters, in millimetres."""
    left, top, pitch = place
    size = (max(1, round(0.8 * pitch * unit)), max(1, round(height * unit)))
    for index, character in enumerate(text):
        if character != " ":
            mask = cv2.resize(glyph_mask(character, "plate", 45.0), size, interpolation=cv2.INTER_AREA)
            x, y = round((left + index * pitch) * unit), round(top * unit)
            window = sheet[:, y : y + size[1], max(x, 0) : max(x, 0) + size[0]]
            cover = f32(mask[: window.shape[1], : window.shape[2]]) * np.float32(1 / 255)
            window += (planes(colour) - window) * cover


def _box(
    sheet: Field, box: tuple[float, float, float, float], colour: Colour, unit: float, strength: float = 1.0
) -> None:
    """A filled rectangle (left, top, right, bottom) in millimetres."""
    left, top, right, bottom = (round(edge * unit) for edge in box)
    window = sheet[:, top:bottom, left:right]
    window += (planes(colour) - window) * np.float32(strength)
