"""The sampled appearance of one plate: a frozen, JSON-able record, and the distribution it is drawn from."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from mdlp_bench.frozen import FrozenFinite
from mdlp_bench.plate import LATIN_LAYOUTS, Layout
from mdlp_bench.synth.render.glyphs import DRAWN_FACES, HAN_FACES, LATIN_FACES, HanFace, LatinFace

Unit = Annotated[float, Field(ge=0.0, le=1.0)]
Colour = tuple[Unit, Unit, Unit]
"""Red, green, blue in 0..1 (display values)."""

Fastener = Literal["none", "hole", "screw", "cap"]
"""What is in a mounting hole: covered or out of sight, an empty hole, a screw, a rivet's cap."""

Surroundings = Literal["paint", "recess", "grille"]
"""What is around the plate: body paint, a dark recess with painted edges, horizontal grille bars."""


class Paint(FrozenFinite):
    """Colours and age of the sheet.

    Attributes:
        background: Colour at the plate's top (new energy, small: the white end of the gradient).
        background_low: Colour at the bottom; the same as `background` except on gradients.
        ink: Colour of characters and border.
        wear: Share of ink worn off in patches.
        fade: How far all colours have faded to grey-white.
    """

    background: Colour
    background_low: Colour
    ink: Colour
    wear: Unit
    fade: Unit


class Surface(FrozenFinite):
    """What has happened to the sheet's surface; `seed` places it all.

    Attributes:
        emboss: Strength of the light and shadow along stamped strokes, 0 (flat print) to 1.
        dirt: Cover of dirt.
        dirt_colour: Its colour.
        scratches: Number of scratches.
        rust: Cover of rust around holes and edges.
        fasteners: What is in the four mounting holes: top left, top right, bottom left, bottom right.
        fastener_size: Diameter of screws and caps in millimetres.
        fastener_colour: Their colour.
        frame: Width in millimetres of a plate frame over the sheet's edge; 0 is no frame.
        frame_colour: Its colour.
        seed: Seed of every random texture on this plate.
    """

    emboss: Unit
    dirt: Unit
    dirt_colour: Colour
    scratches: Annotated[int, Field(ge=0, le=60)]
    rust: Unit
    fasteners: tuple[Fastener, Fastener, Fastener, Fastener]
    fastener_size: Annotated[float, Field(ge=6.0, le=30.0)]
    fastener_colour: Colour
    frame: Annotated[float, Field(ge=0.0, le=12.0)]
    frame_colour: Colour
    seed: Annotated[int, Field(ge=0)]


class Light(FrozenFinite):
    """Illumination and exposure.

    Attributes:
        direction: Where the light comes from, degrees; 90 is above, 0 from the right.
        gains: Exposure times colour cast of the light and the camera's white balance, per channel.
        saturation: What the camera makes of colours: 1 leaves them, more is more vivid.
        falloff: Relative brightness difference across the plate along `direction`.
        shadow: Darkness of a cast shadow's side of the plate; 0 is no shadow.
        shadow_angle: Direction of the shadow's edge in degrees.
        shadow_at: Where the edge crosses, -1 (nothing shaded) to 1 (all shaded).
        shadow_softness: Width of the penumbra as a share of the plate's width.
        glare: Strength of a specular reflection.
        glare_at: Its centre (x, y) as shares of width and height.
        glare_size: Its radius as a share of the plate's width.
        retro: Retro-reflection in headlights: the sheet shines, most in the middle.
        veil: Additive haze, lens flare or reflected sky: it lowers contrast.
        noise: Standard deviation of fine grain of paint and sensor.
    """

    direction: float
    gains: tuple[float, float, float]
    saturation: Annotated[float, Field(ge=0.0, le=2.0)]
    falloff: Unit
    shadow: Unit
    shadow_angle: float
    shadow_at: Annotated[float, Field(ge=-1.0, le=1.0)]
    shadow_softness: Unit
    glare: Annotated[float, Field(ge=0.0, le=2.0)]
    glare_at: tuple[float, float]
    glare_size: Annotated[float, Field(gt=0.0)]
    retro: Unit
    veil: Unit
    noise: Unit


class Viewpoint(FrozenFinite):
    """Camera and crop.

    Attributes:
        yaw: Degrees the plate is turned about its vertical axis, -45 to 45.
        pitch: Degrees about its horizontal axis (camera above: positive), -20 to 20.
        roll: Degrees in the image plane, -20 to 20.
        distance: Camera distance in plate widths; small is strong perspective.
        margins: Left, top, right and bottom margin of the crop around the plate's upright bounding box, as
            shares of that box; negative cuts into the plate.
        surroundings: What is around the plate.
        surround_colour: The car's colour.
        seed: Seed of the surroundings.
    """

    yaw: Annotated[float, Field(ge=-45.0, le=45.0)]
    pitch: Annotated[float, Field(ge=-20.0, le=20.0)]
    roll: Annotated[float, Field(ge=-20.0, le=20.0)]
    distance: Annotated[float, Field(ge=2.0)]
    margins: tuple[float, float, float, float]
    surroundings: Surroundings
    surround_colour: Colour
    seed: Annotated[int, Field(ge=0)]


class PlateStyle(FrozenFinite):
    """Everything about one plate's looks; with text and layout it determines the picture.

    Attributes:
        latin: Face of digits and letters.
        han: Face of Chinese glyphs.
        stroke: Millimetres added to both sides of every digit's and letter's strokes.
        han_stroke: The same for Chinese glyphs.
        flag_on_one: Whether the digit 1 has its flag.
        shift: Largest displacement of a character from its box, millimetres (stamping tolerance).
        paint: Colours.
        surface: Embossing, dirt, damage, fasteners, frame.
        light: Illumination.
        view: Viewpoint and crop (used by `render_scene_crop` only).
    """

    latin: LatinFace
    han: HanFace
    stroke: Annotated[float, Field(ge=-2.0, le=2.0)]
    han_stroke: Annotated[float, Field(ge=-1.5, le=1.5)]
    flag_on_one: bool
    shift: Annotated[float, Field(ge=0.0, le=2.0)]
    paint: Paint
    surface: Surface
    light: Light
    view: Viewpoint


class Appearance(FrozenFinite):
    """The distribution that styles are drawn from.

    Attributes:
        difficulty: 0 gives clean, frontal, evenly lit plates, 1 the full range of traffic; it scales the
            strength and the frequency of everything adverse.
        drawn_face: Share of plates in the faces drawn to look like GA 36; the rest spread evenly over fonts.
        max_yaw: Largest yaw at difficulty 1, degrees (at most 45).
        max_pitch: Largest pitch (at most 20).
        max_roll: Largest roll (at most 20).
        night: Share of night scenes at difficulty 1.
        mean_margin: Mean crop margin around the plate's bounding box.
        stroke: Millimetres added to both sides of every stroke on average, beside the face's own weight.
    """

    difficulty: Unit = 0.7
    drawn_face: Unit = 0.65
    max_yaw: Annotated[float, Field(ge=0.0, le=45.0)] = 45.0
    max_pitch: Annotated[float, Field(ge=0.0, le=20.0)] = 20.0
    max_roll: Annotated[float, Field(ge=0.0, le=20.0)] = 14.0
    night: Unit = 0.2
    mean_margin: Annotated[float, Field(ge=0.0, le=0.5)] = 0.015
    stroke: Annotated[float, Field(ge=-1.0, le=1.0)] = 0.0


# Paint before ageing: background (top), background (bottom), ink. GA 36 names the colours; the values are the
# looks of fresh sheets in daylight.
_PAINT: dict[Layout, tuple[Colour, Colour, Colour]] = {
    "blue": ((0.07, 0.25, 0.72), (0.07, 0.25, 0.72), (0.95, 0.96, 0.97)),
    "green_small": ((0.88, 0.95, 0.91), (0.16, 0.71, 0.43), (0.05, 0.07, 0.06)),
    "green_large": ((0.93, 0.77, 0.10), (0.21, 0.70, 0.40), (0.05, 0.06, 0.05)),
    "yellow": ((0.95, 0.70, 0.08), (0.95, 0.70, 0.08), (0.06, 0.05, 0.04)),
    "white_police": ((0.92, 0.93, 0.93), (0.92, 0.93, 0.93), (0.05, 0.05, 0.06)),
    "black": ((0.06, 0.06, 0.07), (0.06, 0.06, 0.07), (0.93, 0.94, 0.94)),
    "training": ((0.95, 0.70, 0.08), (0.95, 0.70, 0.08), (0.06, 0.05, 0.04)),
    "trailer": ((0.95, 0.70, 0.08), (0.95, 0.70, 0.08), (0.06, 0.05, 0.04)),
    "brazilian": ((0.66, 0.67, 0.69), (0.66, 0.67, 0.69), (0.06, 0.06, 0.07)),
    "mercosur": ((0.92, 0.93, 0.94), (0.92, 0.93, 0.94), (0.06, 0.06, 0.07)),
}
# Brazil's further colours, with their shares: those of hired, official and test vehicles. The first entry of
# `_PAINT` above takes the rest.
_FURTHER_PAINT: dict[Layout, tuple[tuple[float, tuple[Colour, Colour, Colour]], ...]] = {
    "brazilian": (
        (0.14, ((0.62, 0.08, 0.10), (0.62, 0.08, 0.10), (0.93, 0.93, 0.93))),
        (0.03, ((0.90, 0.90, 0.90), (0.90, 0.90, 0.90), (0.06, 0.06, 0.07))),
        (0.02, ((0.10, 0.40, 0.22), (0.10, 0.40, 0.22), (0.93, 0.93, 0.93))),
    ),
    "mercosur": (
        (0.12, ((0.92, 0.93, 0.94), (0.92, 0.93, 0.94), (0.72, 0.08, 0.12))),
        (0.03, ((0.92, 0.93, 0.94), (0.92, 0.93, 0.94), (0.06, 0.16, 0.55))),
        (0.03, ((0.92, 0.93, 0.94), (0.92, 0.93, 0.94), (0.05, 0.42, 0.22))),
    ),
}
# Brazil's makers draw one face in several ways: faces with cumulative shares, the rest being the last one's.
_LATIN_MAKERS: dict[Layout, tuple[tuple[LatinFace, ...], tuple[float, ...]]] = {
    "brazilian": (("plate_square", "plate_old", "plate_energy", "plate"), (0.5, 0.8, 0.92)),
    "mercosur": (("plate_serif", "plate_serif_stem", "plate_old"), (0.4, 0.9)),
}
# Car colours and their rough shares in traffic: white, silver, grey, black, red, blue, brown, beige, green.
_BODY_COLOURS: tuple[tuple[float, Colour], ...] = (
    (0.34, (0.82, 0.83, 0.84)),
    (0.14, (0.62, 0.63, 0.65)),
    (0.14, (0.36, 0.37, 0.39)),
    (0.20, (0.07, 0.07, 0.08)),
    (0.06, (0.50, 0.08, 0.08)),
    (0.05, (0.11, 0.16, 0.34)),
    (0.03, (0.35, 0.27, 0.19)),
    (0.02, (0.74, 0.70, 0.60)),
    (0.02, (0.15, 0.26, 0.19)),
)


def sample_style(
    rng: np.random.Generator,
    layout: Layout,
    *,
    appearance: Appearance = Appearance(),  # noqa: B008 - frozen
) -> PlateStyle:
    """Draw one plate's looks.

    Args:
        rng: Source of every draw.
        layout: Decides colours and the flag on the digit 1.
        appearance: The distribution.
    """
    d = appearance.difficulty
    new_energy = layout in ("green_small", "green_large")
    latin_layout = layout in LATIN_LAYOUTS
    drawn: LatinFace = "plate_energy" if new_energy else "plate"
    if latin_layout:
        makers, steps = _LATIN_MAKERS[layout]
        drawn = makers[int(np.searchsorted(steps, rng.random(), side="right"))]
    fonts = tuple(face for face in LATIN_FACES if face not in DRAWN_FACES)
    latin = drawn if rng.random() < appearance.drawn_face else fonts[rng.integers(len(fonts))]
    # New-energy characters are printed, with thinner strokes; Brazil's are bold for their height.
    lightness = -0.4 if new_energy else 1.2 if latin_layout else 0.1
    return PlateStyle(
        latin=latin,
        han=HAN_FACES[int(rng.random() < 0.25)],
        stroke=_clipped(rng, lightness + appearance.stroke, 0.65, -1.8, 1.9 if latin_layout else 1.7),
        han_stroke=_clipped(rng, -0.25 + appearance.stroke / 2, 0.4, -0.9, 0.9),
        flag_on_one=bool(rng.random() < (0.9 if new_energy or latin_layout else 0.04)),
        shift=float(rng.uniform(0.0, 0.8)),
        paint=_paint(rng, layout, d),
        surface=_surface(rng, layout, d),
        light=_light(rng, layout, appearance),
        view=_view(rng, appearance),
    )


def _clipped(rng: np.random.Generator, mean: float, sd: float, low: float, high: float) -> float:
    return float(np.clip(rng.normal(mean, sd), low, high))


def _sometimes(rng: np.random.Generator, chance: float, low: float, high: float) -> float:
    """A uniform value with probability `chance`, else 0 (both draws are always made)."""
    hit, value = rng.random() < chance, rng.uniform(low, high)
    return float(value) if hit else 0.0


def _colour(rng: np.random.Generator, base: Colour, sd: float) -> Colour:
    """A colour near `base`: common brightness change, smaller change per channel."""
    values = np.asarray(base) * math.exp(rng.normal(0.0, sd)) + rng.normal(0.0, sd * 0.4, 3)
    r, g, b = (float(v) for v in np.clip(values, 0.0, 1.0))
    return (r, g, b)


def _paint(rng: np.random.Generator, layout: Layout, d: float) -> Paint:
    top, bottom, ink = _PAINT[layout]
    if further := _FURTHER_PAINT.get(layout):
        draw = rng.random()
        for share, colours in further:
            if 0 <= draw < share:
                top, bottom, ink = colours
            draw -= share
    background = _colour(rng, top, 0.04 + 0.10 * d)
    flat = top == bottom
    low = _colour(rng, bottom, 0.04 + 0.10 * d)
    return Paint(
        background=background,
        background_low=background if flat else low,
        ink=_colour(rng, ink, 0.03 + 0.07 * d),
        wear=_sometimes(rng, 0.35 * d, 0.02, 0.35),
        fade=_sometimes(rng, 0.6 * d, 0.0, 0.35),
    )


def _surface(rng: np.random.Generator, layout: Layout, d: float) -> Surface:
    screws = [_fastener(rng, top=index < 2) for index in range(4)]
    if layout in LATIN_LAYOUTS:  # these sheets have the upper two holes only
        screws[2:] = ["none", "none"]
    printed = layout in ("green_small", "green_large", "mercosur")
    metal = float(rng.uniform(0.25, 0.85))
    dirt_tone = float(rng.uniform(0.1, 0.5))
    return Surface(
        emboss=float(rng.uniform(0.0, 0.35) if printed else rng.uniform(0.1, 1.0)),
        dirt=_sometimes(rng, 0.2 + 0.5 * d, 0.0, 0.65 * d),
        dirt_colour=(dirt_tone, dirt_tone * 0.92, dirt_tone * 0.8),
        scratches=int(rng.integers(0, 1 + round(14 * d))) if rng.random() < 0.5 else 0,
        rust=_sometimes(rng, 0.15 * d, 0.05, 0.6),
        fasteners=(screws[0], screws[1], screws[2], screws[3]),
        fastener_size=float(rng.uniform(10.0, 21.0)),
        fastener_colour=_colour(rng, (metal, metal, metal), 0.1),
        frame=_sometimes(rng, 0.2, 2.0, 8.0),
        frame_colour=(0.08, 0.08, 0.09) if rng.random() < 0.6 else (0.7, 0.71, 0.73),
        seed=int(rng.integers(2**32)),
    )


def _fastener(rng: np.random.Generator, top: bool) -> Fastener:
    kinds: tuple[Fastener, ...] = ("none", "hole", "screw", "cap")
    steps = (0.1, 0.25, 0.75) if top else (0.35, 0.6, 0.85)  # cumulative shares
    return kinds[int(np.searchsorted(steps, rng.random(), side="right"))]


def _light(rng: np.random.Generator, layout: Layout, appearance: Appearance) -> Light:
    d = appearance.difficulty
    night = rng.random() < appearance.night * d
    exposure = rng.normal(-0.9, 0.35) * d if night else rng.normal(-0.05, 0.36 * d + 0.05)
    # Warm-cold axis, then the green-magenta axis (fluorescent and sodium light, poor white balance).
    warm = rng.normal(0.08 if night else -0.02, 0.05 + 0.10 * d)
    green = rng.normal(0.04 * d, 0.02 + 0.10 * d)
    gains = np.exp(exposure + np.array([warm - green / 2, green, -warm - green / 2]))
    r, g, b = (float(v) for v in np.clip(gains, 0.12, 2.6))
    return Light(
        direction=float(rng.normal(90.0, 40.0)),
        gains=(r, g, b),
        saturation=_clipped(rng, 1.15, 0.05 + 0.2 * d, 0.6, 1.8),
        falloff=float(rng.uniform(0.0, 0.15 + 0.5 * d)),
        shadow=_sometimes(rng, 0.3 * d, 0.15, 0.7),
        shadow_angle=float(rng.uniform(0.0, 360.0)),
        shadow_at=float(rng.uniform(-0.8, 0.8)),
        shadow_softness=float(rng.uniform(0.005, 0.15)),
        glare=_sometimes(rng, 0.22 * d, 0.15, 0.85),
        glare_at=(float(rng.uniform(-0.1, 1.1)), float(rng.uniform(-0.2, 1.2))),
        glare_size=float(rng.uniform(0.06, 0.45)),
        retro=_sometimes(rng, 0.6 if night else 0.05, 0.1, 0.8),
        veil=_sometimes(rng, 0.5 * d, 0.0, 0.5),
        noise=float(rng.uniform(0.0, 0.012 + 0.03 * d * night)),
    )


def _view(rng: np.random.Generator, appearance: Appearance) -> Viewpoint:
    d = appearance.difficulty
    yaw, pitch, roll = (
        _clipped(rng, 0.0, 0.45 * limit * d, -limit * d, limit * d)
        for limit in (appearance.max_yaw, appearance.max_pitch, appearance.max_roll)
    )
    m = appearance.mean_margin
    spread = 0.01 + 0.025 * d
    left, top, right, bottom = (
        float(np.clip(rng.normal(m, spread) + _sometimes(rng, 0.12 * d, 0.0, 0.12), -0.04, 0.25))
        for _ in range(4)
    )
    kinds: tuple[Surroundings, ...] = ("paint", "recess", "grille")
    return Viewpoint(
        yaw=yaw,
        pitch=pitch,
        roll=roll,
        distance=float(rng.uniform(4.0, 20.0)),
        margins=(left, top, right, bottom),
        surroundings=kinds[rng.choice(3, p=(0.35, 0.45, 0.2))],
        surround_colour=_colour(rng, _body_colour(rng), 0.15),
        seed=int(rng.integers(2**32)),
    )


def _body_colour(rng: np.random.Generator) -> Colour:
    steps = np.cumsum([share for share, _ in _BODY_COLOURS])
    index = int(np.searchsorted(steps, rng.random() * steps[-1], side="right"))
    return _BODY_COLOURS[index][1]
