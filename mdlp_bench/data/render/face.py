"""The frontal face of a plate: ink, embossing, ageing and light on a rectified sheet."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from mdlp_bench.data.render.geometry import (
    BORDER_INSET,
    BORDER_WIDTH,
    CORNER_RADIUS,
    PLATE_HEIGHT,
    FaceGeometry,
    face_geometry,
)
from mdlp_bench.data.render.glyphs import SCALE, glyph_mask
from mdlp_bench.data.render.style import Light, PlateStyle, Surface
from mdlp_bench.errors import PlateError
from mdlp_bench.plate import DIGITS, LETTERS, Layout, is_valid, parse

Image = NDArray[np.uint8]
Field = NDArray[np.float32]

MIN_HEIGHT: Final = 16
MAX_HEIGHT: Final = 1120
_LATIN: Final = frozenset(DIGITS + LETTERS)
_RED: Final = np.array([0.78, 0.08, 0.08], np.float32)
_RED_GLYPHS: Final = {"white_police": "警", "black": "使领"}
_METAL: Final = np.array([0.62, 0.63, 0.65], np.float32)


def render_plate(text: str, layout: Layout, style: PlateStyle, *, height: int = 140) -> Image:
    """Render a rectified plate face.

    Args:
        text: The plate's text (normalised or not); must be valid for `layout`.
        layout: Visual layout.
        style: Looks; its viewpoint is not used here.
        height: Height in pixels, 16 to 1120; 140 is one pixel a millimetre. The width follows from the
            layout: 440/140 or, for new-energy plates, 480/140 of the height.

    Returns:
        uint8 RGB [height, width, 3]; corners outside the rounded sheet have the colour of its metal edge.

    Raises:
        PlateError: The text is no plate of that layout, or the height is out of range.
    """
    if not MIN_HEIGHT <= height <= MAX_HEIGHT:
        raise PlateError(f"height {height} is out of range; choose {MIN_HEIGHT} to {MAX_HEIGHT} pixels")
    plain = text if is_valid(text, layout) and len(text) in (7, 8) else parse(text, layout).text
    plain = parse(plain, layout).text
    lit = _lit_sheet(plain, layout, style, height)
    return to_uint8(lit)


def face_size(layout: Layout, height: int) -> tuple[int, int]:
    """(height, width) in pixels of the face that `render_plate` returns."""
    return height, round(height * face_geometry(layout).width / PLATE_HEIGHT)


def to_uint8(image: Field) -> Image:
    """Round a float image in 0..1 (values beyond are clipped) to uint8."""
    return cv2.convertScaleAbs(np.maximum(image, 0.0), alpha=255.0)


@lru_cache(maxsize=64)
def sheet_alpha(layout: Layout, height: int) -> Field:
    """Cover of the sheet with its rounded corners, float32 [height, width] in 0..1."""
    geometry = face_geometry(layout)
    alpha = _rounded(geometry.width, 0.0, CORNER_RADIUS)
    result = cv2.resize(alpha, face_size(layout, height)[::-1], interpolation=cv2.INTER_AREA)
    scaled: Field = result.astype(np.float32) / 255
    scaled.setflags(write=False)
    return scaled


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], cells: float) -> Field:
    """Smooth random field of standard deviation about 1; `cells` grid cells over the height, float32."""
    rows = max(2, round(cells))
    columns = max(2, round(cells * shape[1] / shape[0]))
    grid = rng.standard_normal((rows, columns), dtype=np.float32)
    field: Field = cv2.resize(grid, shape[::-1], interpolation=cv2.INTER_CUBIC)
    return field


def _lit_sheet(text: str, layout: Layout, style: PlateStyle, height: int) -> Field:
    geometry = face_geometry(layout, text.startswith("使"))
    surface = style.surface
    rng = np.random.default_rng(surface.seed)
    size = face_size(layout, height)[::-1]
    ink_fine, red_fine = _ink(text, layout, style, geometry, rng)
    ink = cv2.resize(ink_fine, size, interpolation=cv2.INTER_AREA).astype(np.float32) * np.float32(1 / 255)
    shape = ink.shape
    cover = _worn(ink, style.paint.wear, rng)[..., None]
    sheet = _background(layout, style, height)
    colour = np.asarray(style.paint.ink, np.float32)
    if red_fine is None:
        image = sheet + (colour - sheet) * cover
    else:
        red = cv2.resize(red_fine, size, interpolation=cv2.INTER_AREA).astype(np.float32)[..., None] / 255
        image = sheet + (colour + (_RED - colour) * red - sheet) * cover
    if style.paint.fade > 0:
        image += (np.float32(0.62) - image) * np.float32(style.paint.fade * 0.6)
    _soil(image, surface, geometry, height, rng)
    light = _illumination(style.light, shape, rng)
    light += _relief(ink, surface.emboss, style.light.direction, height)
    image *= light[..., None]
    _fasten(image, surface, geometry, height, rng)
    if surface.frame > 0:
        _frame(image, surface, height)
    return _exposed(image, style.light, rng)


def _ink(
    text: str, layout: Layout, style: PlateStyle, geometry: FaceGeometry, rng: np.random.Generator
) -> tuple[Image, Image | None]:
    """Masks of all ink and of the red ink, uint8 at `SCALE` pixels per millimetre."""
    ink = _border(layout).copy()
    red: Image | None = None
    shifts = rng.uniform(-style.shift, style.shift, (len(text), 2)) * SCALE
    for character, box, shift in zip(text, geometry.characters, shifts, strict=True):
        latin = character in _LATIN
        mask = glyph_mask(
            character,
            style.latin if latin else style.han,
            box.width,
            growth=style.stroke if latin else style.han_stroke,
            flag_on_one=style.flag_on_one,
        )
        x, y = round(box.left * SCALE + shift[0]), round(box.top * SCALE + shift[1])
        window = ink[y : y + mask.shape[0], x : x + mask.shape[1]]
        np.maximum(window, mask, out=window)
        if character in _RED_GLYPHS.get(layout, ""):
            red = np.zeros_like(ink) if red is None else red
            red[y : y + mask.shape[0], x : x + mask.shape[1]] = 255
    if geometry.has_dot:
        cx, cy = geometry.separator.centre
        radius = geometry.separator.width / 2 + style.stroke * 0.5
        centre = (round(cx * SCALE * 16), round(cy * SCALE * 16))
        cv2.circle(ink, centre, round(radius * SCALE * 16), 255, -1, cv2.LINE_AA, 4)
    else:
        _security_mark(ink, geometry)
    return ink, red


def _security_mark(ink: Image, geometry: FaceGeometry) -> None:
    """The faint round mark in the wide gap of new-energy plates: a ring around a small disc."""
    cx, cy = geometry.separator.centre
    centre = (round(cx * SCALE * 16), round(cy * SCALE * 16))
    radius = geometry.separator.width / 2
    cv2.circle(ink, centre, round(radius * SCALE * 16), 60, SCALE, cv2.LINE_AA, 4)
    cv2.circle(ink, centre, round(radius * 0.45 * SCALE * 16), 80, -1, cv2.LINE_AA, 4)


@lru_cache(maxsize=16)
def _border(layout: Layout) -> Image:
    width = face_geometry(layout).width
    outer = _rounded(width, BORDER_INSET, CORNER_RADIUS - BORDER_INSET)
    inner = _rounded(width, BORDER_INSET + BORDER_WIDTH, CORNER_RADIUS - BORDER_INSET - BORDER_WIDTH / 2)
    line = cv2.subtract(outer, inner)
    line.setflags(write=False)
    return line


def _rounded(width: float, inset: float, radius: float) -> Image:
    """A filled rounded rectangle on a sheet of `width` x 140 mm, uint8 at `SCALE` pixels a millimetre."""
    fine = 4
    unit = SCALE * fine
    canvas = np.zeros((round(PLATE_HEIGHT * unit), round(width * unit)), np.uint8)
    low, right, bottom = (
        round(inset * unit),
        round((width - inset) * unit),
        round((PLATE_HEIGHT - inset) * unit),
    )
    r = round(radius * unit)
    cv2.rectangle(canvas, (low + r, low), (right - r - 1, bottom - 1), 255, -1)
    cv2.rectangle(canvas, (low, low + r), (right - 1, bottom - r - 1), 255, -1)
    for x in (low + r, right - r - 1):
        for y in (low + r, bottom - r - 1):
            cv2.circle(canvas, (x, y), r, 255, -1)
    return cv2.resize(canvas, None, fx=1 / fine, fy=1 / fine, interpolation=cv2.INTER_AREA)


def _background(layout: Layout, style: PlateStyle, height: int) -> Field:
    """The sheet's colours without ink, float32 [height, width or 1, 3]; a gradient needs one column only."""
    top = np.asarray(style.paint.background, np.float32)
    low = np.asarray(style.paint.background_low, np.float32)
    if layout == "green_large":
        # Two-tone: yellow behind the province and authority characters, green behind the rest.
        _, width = face_size(layout, height)
        edge = width * 147.0 / 480.0
        ramp = np.clip((np.arange(width, dtype=np.float32) - edge) / (0.01 * width) + 0.5, 0, 1)[
            None, :, None
        ]
        return top + (low - top) * ramp
    share = (np.arange(height, dtype=np.float32) + 0.5) / height
    # The gradient stays light through the upper third, as on real sheets.
    share = np.clip((share - 0.12) / 0.8, 0.0, 1.0) ** np.float32(1.2)
    return top + (low - top) * share[:, None, None]


def _worn(ink: Field, wear: float, rng: np.random.Generator) -> Field:
    """Ink cover after abrasion: patches of a two-scale noise lose their ink."""
    if wear <= 0:
        return ink
    shape = (ink.shape[0], ink.shape[1])
    noise = smooth_noise(rng, shape, 5) * 0.6 + smooth_noise(rng, shape, 24) * 0.6
    lost = np.clip((noise - np.float32(1.5 - 2.2 * wear)) * 2.0, 0.0, 0.85)
    worn: Field = ink * (1 - lost)
    return worn


def _soil(
    image: Field, surface: Surface, geometry: FaceGeometry, height: int, rng: np.random.Generator
) -> None:
    """Dirt, rust and scratches, in place."""
    shape = (image.shape[0], image.shape[1])
    if surface.dirt > 0:
        noise = smooth_noise(rng, shape, 4) * 0.5 + smooth_noise(rng, shape, 18) * 0.35
        splash = np.linspace(-0.35, 0.35, shape[0], dtype=np.float32)[:, None]  # more at the bottom
        cover = np.clip(noise * 0.35 + splash * 0.5 + surface.dirt - 0.1, 0.0, 0.85 * surface.dirt + 0.1)
        image += (np.asarray(surface.dirt_colour, np.float32) - image) * cover[..., None]
    if surface.rust > 0:
        _rust(image, surface.rust, geometry, height, rng)
    unit = height / PLATE_HEIGHT
    for _ in range(surface.scratches):
        start = rng.uniform((0, 0), (shape[1], shape[0]))
        angle, length = rng.uniform(0, 2 * np.pi), rng.exponential(45.0) * unit
        stop = start + length * np.array([np.cos(angle), np.sin(angle)])
        tone = float(rng.choice((0.25, 0.75)))
        a, b = (tuple(int(v) for v in point * 16) for point in (start, stop))
        cv2.line(image, a, b, (tone,) * 3, max(1, round(rng.uniform(0.3, 1.2) * unit)), cv2.LINE_8, 4)


def _rust(
    image: Field, strength: float, geometry: FaceGeometry, height: int, rng: np.random.Generator
) -> None:
    """Brown stains that run down from the mounting holes."""
    unit = height / PLATE_HEIGHT
    stain = np.zeros(image.shape[:2], np.float32)
    for x, y in geometry.holes:
        if rng.random() > strength + 0.3:
            continue
        radius, run = rng.uniform(6, 14), rng.uniform(4, 30)
        centre, axes = (
            (round(x * unit), round((y + run / 2) * unit)),
            (
                max(1, round(radius * unit)),
                max(1, round((radius + run / 2) * unit)),
            ),
        )
        cv2.ellipse(stain, centre, axes, 0, 0, 360, 1.0, -1)
    stain = cv2.GaussianBlur(stain, (0, 0), max(0.5, 4 * unit))
    stain *= np.clip(smooth_noise(rng, (image.shape[0], image.shape[1]), 20) * 0.5 + 0.7, 0, 1) * strength
    image += (np.array([0.36, 0.18, 0.07], np.float32) - image) * stain[..., None]


def _relief(ink: Field, emboss: float, direction: float, height: int) -> Field:
    """Light and shadow along stamped edges: the slope of the blurred ink against the light."""
    if emboss <= 0:
        return np.zeros_like(ink)
    soft = cv2.GaussianBlur(ink, (0, 0), max(0.4, 1.3 * height / PLATE_HEIGHT))
    angle = np.deg2rad(direction)
    # Image y grows downwards: light from above brightens slopes whose height falls upwards.
    kernel_x = np.float32(-np.cos(angle) * 0.5) * np.array([[-1, 0, 1]], np.float32)
    kernel_y = np.float32(np.sin(angle) * 0.5) * np.array([[-1], [0], [1]], np.float32)
    slope = cv2.filter2D(soft, -1, kernel_x) + cv2.filter2D(soft, -1, kernel_y)
    relief: Field = slope * np.float32(1.5 * emboss * max(1.0, height / PLATE_HEIGHT))
    return relief


def _grid(shape: tuple[int, ...]) -> tuple[Field, Field]:
    """Coordinates x [1, W] in -1..1 and y [H, 1] in the same unit (so -H/W..H/W), float32."""
    rows, columns = shape[0], shape[1]
    x = np.linspace(-1, 1, columns, dtype=np.float32)[None, :]
    y = np.linspace(-rows / columns, rows / columns, rows, dtype=np.float32)[:, None]
    return x, y


def _illumination(light: Light, shape: tuple[int, ...], rng: np.random.Generator) -> Field:
    """Relative irradiance over the face, float32 [H, W] around 1."""
    x, y = _grid(shape)
    angle = np.deg2rad(light.direction)
    towards = x * np.float32(np.cos(angle)) - y * np.float32(np.sin(angle))
    field = 1 + np.float32(0.5 * light.falloff) * towards
    if light.shadow > 0:
        angle = np.deg2rad(light.shadow_angle)
        along = x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle))
        wobble = smooth_noise(rng, (shape[0], shape[1]), 3) * np.float32(0.03)
        softness = 2 * light.shadow_softness + 2.0 / shape[1]
        shaded = np.clip((np.float32(light.shadow_at) - along + wobble) / np.float32(softness) + 0.5, 0, 1)
        field = field * (1 - np.float32(light.shadow) * shaded)
    if light.retro > 0:
        field = field + np.float32(light.retro) * np.exp(-(x**2 + 4 * y**2) * np.float32(1.2))
    result: Field = np.broadcast_to(field, shape[:2]).astype(np.float32)
    return result


def _fasten(
    image: Field, surface: Surface, geometry: FaceGeometry, height: int, rng: np.random.Generator
) -> None:
    """Holes, screws and rivet caps with a highlight above and a shadow below, in place."""
    unit = height / PLATE_HEIGHT
    metal = np.asarray(surface.fastener_colour)
    for kind, hole in zip(surface.fasteners, geometry.holes, strict=True):
        x, y = np.asarray(hole) + rng.uniform(-2.5, 2.5, 2)
        if kind == "none":
            continue
        radius = (4.0 if kind == "hole" else surface.fastener_size / 2) * unit
        centre = (round(x * unit * 16), round(y * unit * 16))
        fixed = round(max(radius, 0.8) * 16)
        if kind == "hole":
            cv2.ellipse(image, _ellipse(centre, fixed, 1.6), (0.05, 0.05, 0.05), -1, cv2.LINE_AA)
            continue
        below = (centre[0], centre[1] + round(1.5 * unit * 16))
        cv2.circle(image, below, round(fixed * 1.08), (0.06, 0.06, 0.06), -1, cv2.LINE_AA, 4)
        cv2.circle(image, centre, fixed, tuple(metal.tolist()), -1, cv2.LINE_AA, 4)
        shine = (centre[0] - round(radius * 4), centre[1] - round(radius * 5))
        cv2.circle(
            image, shine, round(fixed * 0.45), tuple(np.minimum(metal * 1.6, 1).tolist()), -1, cv2.LINE_AA, 4
        )
        if kind == "screw":
            slot = rng.uniform(0, np.pi)
            reach = np.array([np.cos(slot), np.sin(slot)]) * radius * 0.7 * 16
            a = (round(centre[0] - reach[0]), round(centre[1] - reach[1]))
            b = (round(centre[0] + reach[0]), round(centre[1] + reach[1]))
            dark = tuple((metal * 0.3).tolist())
            cv2.line(image, a, b, dark, max(1, round(2 * unit)), cv2.LINE_AA, 4)


def _ellipse(centre: tuple[int, int], fixed: int, stretch: float) -> cv2.RotatedRect:
    """A slot-shaped hole from fixed-point (1/16 pixel) centre and radius."""
    return cv2.RotatedRect((centre[0] / 16, centre[1] / 16), (fixed / 8 * stretch, fixed / 8), 0.0)


def _frame(image: Field, surface: Surface, height: int) -> None:
    """A plate frame over the sheet's edge, with a lighter inner lip, in place."""
    width = max(1, round(surface.frame * height / PLATE_HEIGHT))
    colour = np.asarray(surface.frame_colour, np.float32)
    for side in (image[:width], image[-width:], image[:, :width], image[:, -width:]):
        side[...] = colour
    lip = tuple(np.minimum(colour * 1.4 + 0.05, 1.0).tolist())
    cv2.rectangle(image, (width - 1, width - 1), (image.shape[1] - width, image.shape[0] - width), lip, 1)


def _exposed(image: Field, light: Light, rng: np.random.Generator) -> Field:
    """Exposure with a highlight shoulder, glare, veil and grain."""
    image *= np.asarray(light.gains, np.float32)
    if light.glare > 0:
        x, y = _grid(image.shape)
        gx = np.float32(light.glare_at[0] * 2 - 1)
        gy = np.float32((light.glare_at[1] * 2 - 1) * image.shape[0] / image.shape[1])
        spot = np.exp(-((x - gx) ** 2 + (y - gy) ** 2) / np.float32(2 * light.glare_size**2))
        image += np.float32(light.glare) * spot[..., None]
    if light.veil > 0:
        image += (np.float32(0.7) - image) * np.float32(light.veil)
    if light.noise > 0:
        image += grain(rng, (image.shape[0], image.shape[1]), light.noise)[..., None]
    return image


def grain(rng: np.random.Generator, shape: tuple[int, int], sd: float) -> Field:
    """Fine grain: a random window of one fixed noise tile (cheaper than fresh noise, still seeded)."""
    tile = _noise_tile()
    row, column = rng.integers(0, 256, 2)
    rows = np.arange(row, row + shape[0]) % 256
    columns = np.arange(column, column + shape[1]) % 512
    window: Field = tile[rows][:, columns] * np.float32(sd)
    return window


@lru_cache(maxsize=1)
def _noise_tile() -> Field:
    tile = np.random.default_rng(0).standard_normal((256, 512), dtype=np.float32)
    tile.setflags(write=False)
    return tile


def edge_colour() -> Field:
    """The colour of the sheet's bare metal edge."""
    return _METAL
