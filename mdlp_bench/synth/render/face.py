"""The frontal face of a plate: ink, embossing, ageing and light on a rectified sheet."""

from __future__ import annotations

from typing import Final

import numpy as np

from mdlp_bench.errors import PlateError
from mdlp_bench.plate import LATIN_LAYOUTS, Layout, parse
from mdlp_bench.synth.exact import power
from mdlp_bench.synth.render.ageing import fasten, frame, soil, worn
from mdlp_bench.synth.render.brazil import brazilian_sheet
from mdlp_bench.synth.render.geometry import PLATE_HEIGHT, face_geometry
from mdlp_bench.synth.render.ink import ink_masks
from mdlp_bench.synth.render.lighting import exposed, illumination, relief
from mdlp_bench.synth.render.raster import Field, Image, f32, planes, shrunk, to_uint8
from mdlp_bench.synth.render.style import PlateStyle

MIN_HEIGHT: Final = 16
MAX_HEIGHT: Final = 1120
_RED: Final = planes((0.78, 0.08, 0.08))


def render_plate(text: str, layout: Layout, style: PlateStyle, *, height: int = 140) -> Image:
    """Render a rectified plate face.

    Args:
        text: The plate's text; must be valid for `layout`.
        layout: Visual layout.
        style: Looks; its viewpoint is not used here.
        height: Height in pixels, 16 to 1120; 140 is one pixel per millimetre. The width follows from the
            layout: 440/140 of the height, 480/140 for new-energy plates, 400/130 for Brazil's.

    Returns:
        uint8 RGB [height, width, 3]. The sheet fills it; `render_scene_crop` rounds its corners off.

    Raises:
        PlateError: The text is not a plate of that layout, or the height is out of range.
    """
    if not MIN_HEIGHT <= height <= MAX_HEIGHT:
        raise PlateError(f"height {height} is out of range; choose {MIN_HEIGHT} to {MAX_HEIGHT} pixels")
    plain = parse(text, layout).text
    geometry = face_geometry(layout, plain.startswith("使"))
    surface = style.surface
    rng = np.random.default_rng(surface.seed)
    size = face_size(layout, height)[::-1]
    ink_fine, red_fine = ink_masks(plain, layout, style, geometry, rng)
    ink = shrunk(ink_fine, size).astype(np.float32)
    ink *= np.float32(1 / 255)
    cover = worn(ink, style.paint.wear, rng)
    sheet = _background(layout, style, height)
    colour = planes(style.paint.ink)
    if red_fine is not None:
        colour = colour + (_RED - colour) * (f32(shrunk(red_fine, size)) / np.float32(255))
    image = sheet + (colour - sheet) * cover
    if style.paint.fade > 0:
        image += (np.float32(0.62) - image) * np.float32(style.paint.fade * 0.6)
    soil(image, surface, geometry, rng)
    light = illumination(style.light, (size[1], size[0]), rng)
    light += relief(ink, surface.emboss, style.light.direction)
    image *= light
    fasten(image, surface, geometry, rng)
    if surface.frame > 0:
        frame(image, surface)
    return to_uint8(exposed(image, style.light, rng))


def face_size(layout: Layout, height: int) -> tuple[int, int]:
    """(height, width) in pixels of the face that `render_plate` returns."""
    return height, round(height * face_geometry(layout).width / PLATE_HEIGHT)


def _background(layout: Layout, style: PlateStyle, height: int) -> Field:
    """The sheet's colours without ink, float32 [3, height or 1, width or 1]."""
    if layout in LATIN_LAYOUTS:
        return brazilian_sheet(layout, style, face_size(layout, height))
    top, low = planes(style.paint.background), planes(style.paint.background_low)
    if layout == "green_large":
        # Two tones: the first under the province and the authority's letter, the second under the rest.
        _, width = face_size(layout, height)
        edge = width * 147.0 / 480.0
        ramp = (np.arange(width, dtype=np.float32) - np.float32(edge)) / np.float32(0.01 * width)
        return f32(top + (low - top) * np.clip(ramp + 0.5, 0, 1)[None, :])
    if style.paint.background == style.paint.background_low:
        return top
    share = (np.arange(height, dtype=np.float32) + 0.5) / height
    # The gradient stays light through the upper third, as on real sheets.
    light = power(np.clip((share - 0.12) / 0.8, 0.0, 1.0), 1.2)
    return top + (low - top) * light[:, None]
