"""Glyph masks: every character of every face, fitted to its box with strokes of one width.

A glyph is cached as a signed distance (millimetres, eight bits): any stroke weight is then one table look-up.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import as_file, files
from typing import Final, Literal, cast, get_args

import cv2
import numpy as np
from PIL import Image as PILImage
from PIL import ImageDraw, ImageFont

from mdlp_bench.plate import DIGITS, LETTERS
from mdlp_bench.synth.exact import without_ipp
from mdlp_bench.synth.render.han_strokes import PROVINCES as DRAWN_PROVINCES
from mdlp_bench.synth.render.han_strokes import han_glyph
from mdlp_bench.synth.render.raster import Field, Image, f32, resized, u8
from mdlp_bench.synth.render.strokes import HEIGHT, WIDTH, Forms, stroke_glyph

SCALE: Final = 2
"""Pixels per millimetre of the masks."""

LatinFace = Literal[
    "plate",
    "plate_energy",
    "plate_serif",
    "plate_serif_stem",
    "plate_square",
    "plate_old",
    "roboto_condensed",
    "barlow_condensed",
    "barlow_semi_condensed",
    "rajdhani",
    "sofia_sans_condensed",
    "archivo_narrow",
    "overpass",
]
"""Faces for digits and letters: the first six are drawn in `strokes.py`, the others are fonts in `assets/`.

`plate` is the face of embossed plates; `plate_energy`, that of new-energy plates, hooks its 6 and 9.
`plate_serif`, that of Mercosur plates, also has serifs on the I and a short-waisted M; `plate_serif_stem` is
squarer with a straight stem of the 6. Brazil's grey plates have squarer bowls since 2008 (`plate_square`);
earlier makers draw rounder ones, short-waisted (`plate_old`).
"""

_FORMS: Final[dict[LatinFace, Forms]] = {
    "plate": Forms(),
    "plate_energy": Forms("hook", "hook"),
    "plate_serif": Forms("hook", "hook", serif=True, tail=150.0, waist=34.0, peak=46.0),
    "plate_serif_stem": Forms(
        "straight", "hook", 23.0, serif=True, square=2.5, tail=142.0, waist=40.0, peak=34.0
    ),
    "plate_square": Forms(
        "hook", "hook", 23.0, square=3.6, tail=140.0, waist=56.0, closed=True, barred=False
    ),
    "plate_old": Forms(
        "straight", "straight", 21.5, tail=136.0, waist=68.0, peak=30.0, closed=True, barred=False
    ),
}

HanFace = Literal["han_medium", "han_bold", "han_plate", "han_plate_low"]
"""Faces for Chinese glyphs: two weights of one sans-serif, and the provinces as plates have them.

The latter are drawn in `han_strokes.py`, in full height and a little smaller than the letters; they take the
glyphs that are not provinces from `han_medium`.
"""

LATIN_FACES: Final[tuple[LatinFace, ...]] = get_args(LatinFace)
DRAWN_FACES: Final[tuple[LatinFace, ...]] = tuple(_FORMS)
HAN_FACES: Final[tuple[HanFace, ...]] = get_args(HanFace)
DRAWN_HAN_FACES: Final[dict[str, float]] = {"han_plate": 0.0, "han_plate_low": 8.0}
"""Faces drawn in `han_strokes.py`, with the millimetres they leave free above the glyph."""

NOMINAL_STROKE: Final = 8.5
"""Stroke width of digits and letters, in millimetres, before `style.stroke` changes it."""

LATIN: Final = frozenset(DIGITS + LETTERS + "IO")
"""Digits and letters; the I and the O occur on Latin plates only."""

_PAD: Final = 4 * SCALE
_QUANTUM: Final = 16.0  # steps of the stored distance per millimetre
_FINE: Final = 4  # oversampling while a glyph is fitted


def glyph_mask(
    character: str,
    face: LatinFace | HanFace,
    width: float,
    *,
    height: float = HEIGHT,
    growth: float = 0.0,
    flag_on_one: bool = False,
) -> Image:
    """The ink of one character, fitted exactly to its box.

    Args:
        character: A character of the plate alphabet.
        face: A Latin face for digits and letters, a Chinese one for the rest.
        width: Box width in millimetres.
        height: Box height in millimetres; at 90, that of Chinese plates, the glyph is drawn 45 mm wide first.
        growth: Millimetres added to every stroke on both sides; -2 to 2.
        flag_on_one: Draw the digit 1 with its flag; plates with seven characters carry a bare bar.

    Returns:
        uint8 [2 * height, 2 * width], 255 is ink, edges anti-aliased. The digit 1 and the I keep their own
        width, centred.
    """
    drawn = (WIDTH, HEIGHT) if height == HEIGHT else (width, height)
    distance = _distance(character, face, flag_on_one, drawn)
    levels = np.clip((np.arange(256) - 128) / _QUANTUM + growth, -0.25, 0.25) * 2 + 0.5
    mask = u8(cv2.LUT(distance, (levels * 255).astype(np.uint8)))
    inner = _PAD - round(growth * SCALE)
    inner_x = _PAD if character in "1I" else inner
    box = mask[inner : mask.shape[0] - inner, inner_x : mask.shape[1] - inner_x]
    return u8(cv2.resize(box, (round(width * SCALE), round(height * SCALE)), interpolation=cv2.INTER_LINEAR))


@cache
def _font(face: str) -> ImageFont.FreeTypeFont:
    with as_file(files("mdlp_bench.synth.render") / "assets" / f"{face}.ttf") as path:
        return ImageFont.truetype(str(path), 90 * SCALE * _FINE)


@cache
def _distance(
    character: str, face: LatinFace | HanFace, flag_on_one: bool, size: tuple[float, float]
) -> Image:
    """Signed distance to the outline in a box of `size` mm with a 4 mm rim: 128 on it, more inside."""
    ink = _fitted(character, face, flag_on_one, size)
    signed = _signed_distance(np.pad(ink, _PAD * _FINE))
    small = cv2.resize(signed, None, fx=1 / _FINE, fy=1 / _FINE, interpolation=cv2.INTER_AREA)
    stored = u8(np.clip(np.round(f32(small) * _QUANTUM) + 128, 0, 255).astype(np.uint8))
    stored.setflags(write=False)
    return stored


def _fitted(character: str, face: LatinFace | HanFace, flag_on_one: bool, size: tuple[float, float]) -> Image:
    """The glyph's ink stretched to the box at the fine scale, its strokes brought to one width."""
    scale = SCALE * _FINE
    width, height = round(size[0] * scale), round(size[1] * scale)
    if face in DRAWN_FACES:
        if character == "1" and flag_on_one:
            return _flagged_one(scale, size)
        return stroke_glyph(character, NOMINAL_STROKE, scale, forms=_FORMS[face], size=size)
    if character in LATIN:
        latin = cast(LatinFace, face)
        grow_x, grow_y = _equalisation(latin)
        if character in "1I":
            return _fit_one(latin, flag_on_one and character == "1", grow_x, grow_y, (width, height))
        # Where plates carry an O it differs from the 0 by its place only; the subset fonts do without it.
        ink = _ink(face, "0" if character == "O" else character)
        # A J much narrower than the H keeps its proportion and stands at the right, as on plates.
        own = width
        if character == "J":
            own = min(width, round(1.2 * width * ink.shape[1] / _ink(face, "H").shape[1]))
        if character in "MWAV":  # their thin diagonals would not survive an erosion
            grow_x, grow_y = max(grow_x, 0.0), max(grow_y, 0.0)
        fitted = _calibrated(_reweigh(resized(ink, (own, height)), grow_x, grow_y))
        return np.pad(fitted, ((0, 0), (width - own, 0)))
    if (free := DRAWN_HAN_FACES.get(face)) is not None:
        if character in DRAWN_PROVINCES:
            return han_glyph(character, scale, size, free)
        face = "han_medium"
    # Square Chinese glyphs are stretched to twice their height, which doubles horizontal strokes: thin them.
    return _reweigh(resized(_ink(face, character), (width, height)), 0.8, -1.2)


def _ink(face: str, character: str) -> Image:
    """The glyph's ink, cut to its bounding box."""
    font = _font(face)
    left, top, right, bottom = font.getbbox(character)
    canvas = PILImage.new("L", (round(right - left) + 2, round(bottom - top) + 2))
    ImageDraw.Draw(canvas).text((1 - left, 1 - top), character, fill=255, font=font)
    return _trimmed(np.array(canvas))


def _reweigh(ink: Image, grow_x: float, grow_y: float) -> Image:
    """Widen (or thin, when negative) strokes by millimetres along x and y and refit to the same size."""
    size = ink.shape[::-1]
    for grow, along_x in ((grow_x, True), (grow_y, False)):
        reach = 2 * round(abs(grow) * SCALE * _FINE / 2) + 1
        if reach == 1:
            continue
        kernel = np.ones((1, reach) if along_x else (reach, 1), np.uint8)
        padded = np.pad(ink, reach)
        ink = _trimmed(u8(cv2.dilate(padded, kernel) if grow > 0 else cv2.erode(padded, kernel)))
    return resized(ink, size)


def _calibrated(ink: Image) -> Image:
    """Bring the mean stroke to the nominal width: stretching changes diagonals otherwise than stems."""
    signed = _signed_distance(np.pad(ink, _PAD * _FINE))
    # Across a stroke of width w, the distance to its edges is w / 4 on average.
    stroke = 4 * float(signed[signed > 0].mean())
    growth = float(np.clip((NOMINAL_STROKE - stroke) / 2, -1.5, 1.5))
    return resized(_trimmed(((signed + growth) > 0).astype(np.uint8) * 255), ink.shape[::-1])


def _signed_distance(ink: Image) -> Field:
    """Millimetres to the nearest outline at the fine scale, positive inside."""
    with without_ipp():
        inside = cv2.distanceTransform((ink > 127).astype(np.uint8), cv2.DIST_L2, 5)
        outside = cv2.distanceTransform((ink <= 127).astype(np.uint8), cv2.DIST_L2, 5)
    return f32(inside - outside) / np.float32(SCALE * _FINE)


def _trimmed(ink: Image) -> Image:
    """Cut to the bounding box of the ink."""
    rows, columns = np.flatnonzero(ink.max(1) > 127), np.flatnonzero(ink.max(0) > 127)
    return np.ascontiguousarray(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])


@cache
def _equalisation(face: LatinFace) -> tuple[float, float]:
    """Millimetres to add to vertical and to horizontal strokes, measured on the letter L."""
    scale = SCALE * _FINE
    letter = resized(_ink(face, "L"), (45 * scale, 90 * scale)) > 127
    stem = float(letter[10 * scale].sum()) / scale
    bar = float(letter[:, 40 * scale].sum()) / scale
    return NOMINAL_STROKE - stem, NOMINAL_STROKE - bar


def _fit_one(face: LatinFace, flagged: bool, grow_x: float, grow_y: float, size: tuple[int, int]) -> Image:
    """The digit 1 or the I: full height, in the width it has beside the letter H, centred in the box."""
    scale = SCALE * _FINE
    ink = _ink(face, "1" if flagged else "I")
    width = min(size[0], round(ink.shape[1] * size[0] / _ink(face, "H").shape[1]))
    narrow = resized(ink, (width, size[1]))
    if flagged:
        narrow = _calibrated(_reweigh(narrow, grow_x, grow_y))
    else:
        narrow = resized(narrow, (round(NOMINAL_STROKE * scale), size[1]))
    box = np.zeros(size[::-1], np.uint8)
    left = (box.shape[1] - narrow.shape[1]) // 2
    box[:, left : left + narrow.shape[1]] = narrow
    return box


def _flagged_one(scale: int, size: tuple[float, float]) -> Image:
    """The bar of the drawn face with the flag that new-energy plates give it."""
    box = stroke_glyph("1", NOMINAL_STROKE, scale, size=size)
    middle, half = size[0] / 2 + NOMINAL_STROKE / 2, NOMINAL_STROKE * 0.9
    tip = size[0] / 2 - 14.5
    flag = np.array([[middle, 0], [middle - half, 0], [tip, 13], [tip, 13 + half], [middle - half, 9 + half]])
    cv2.fillPoly(box, [np.round(flag * scale * 16).astype(np.int32)], 255, shift=4)
    return box
