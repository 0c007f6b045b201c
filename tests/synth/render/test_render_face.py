"""The rendered face, measured: proportions of GA 36, layouts, colours, errors, determinism."""

import hashlib

import numpy as np
import pytest
from pydantic import ValidationError

from mdlp_bench.errors import PlateError
from mdlp_bench.plate import LATIN_LAYOUTS, LAYOUTS
from mdlp_bench.synth.render import (
    Appearance,
    PlateStyle,
    face_geometry,
    render_plate,
    render_scene_crop,
    sample_style,
    sample_text,
)

PIXELS_PER_MM = 4


def plain_style(layout, latin="plate"):
    """A clean, flatly lit sheet: black on white, so that ink can be measured."""
    style = sample_style(np.random.default_rng(0), layout, appearance=Appearance(difficulty=0))
    paint = style.paint.model_copy(
        update={
            "background": (1.0,) * 3,
            "background_low": (1.0,) * 3,
            "ink": (0.0,) * 3,
            "wear": 0.0,
            "fade": 0.0,
        }
    )
    surface = style.surface.model_copy(
        update={
            "emboss": 0.0,
            "dirt": 0.0,
            "scratches": 0,
            "rust": 0.0,
            "frame": 0.0,
            "fasteners": ("none",) * 4,
        }
    )
    light = style.light.model_copy(
        update={
            "gains": (1.0,) * 3,
            "saturation": 1.0,
            "falloff": 0.0,
            "shadow": 0.0,
            "glare": 0.0,
            "retro": 0.0,
            "veil": 0.0,
        }
        | {"noise": 0.0}
    )
    return style.model_copy(
        update={
            "latin": latin,
            "stroke": 0.0,
            "han_stroke": 0.0,
            "shift": 0.0,
            "paint": paint,
            "surface": surface,
        }
        | {"light": light, "flag_on_one": False}
    )


def ink_runs(text, layout, latin="plate"):
    """Runs of columns with ink, in millimetres: (left, width, top, height)."""
    face = render_plate(text, layout, plain_style(layout, latin), height=140 * PIXELS_PER_MM)
    ink = face[..., 0] < 128
    rim = 9 * PIXELS_PER_MM  # the border line
    inner = ink[rim:-rim, rim:-rim]
    columns = np.flatnonzero(np.diff(np.concatenate([[0], inner.any(0).astype(int), [0]])))
    runs = []
    for left, right in columns.reshape(-1, 2):
        rows = np.flatnonzero(inner[:, left:right].any(1))
        box = np.array([left + rim, right - left, rows[0] + rim, rows[-1] + 1 - rows[0]])
        runs.append(tuple(box / PIXELS_PER_MM))
    return runs


# H, N, E and 0 fill their boxes and hang together, so one run of ink is one character. 甘 does, too.
@pytest.mark.parametrize("latin", ["plate", "roboto_condensed", "overpass"])
def test_seven_character_plate_has_the_proportions_of_ga36(latin):
    runs = ink_runs("甘HE0H00", "blue", latin)
    assert len(runs) == 8  # seven characters and the dot
    dot = runs.pop(2)
    lefts, widths, tops, heights = np.array(runs).T
    np.testing.assert_allclose(widths, 45, atol=0.8)
    np.testing.assert_allclose(heights, 90, atol=0.8)
    np.testing.assert_allclose(tops, 25, atol=0.6)
    gaps = lefts[1:] - (lefts + widths)[:-1]
    np.testing.assert_allclose(gaps, [12, 34, 12, 12, 12, 12], atol=1.0)
    assert dot[1] == pytest.approx(10, abs=0.6)
    assert dot[3] == pytest.approx(10, abs=0.6)
    assert dot[2] + dot[3] / 2 == pytest.approx(70, abs=0.4)
    assert dot[0] + dot[1] / 2 == pytest.approx(15.5 + 45 + 12 + 45 + 17, abs=0.6)


@pytest.mark.parametrize(("text", "layout"), [("甘HD00000", "green_small"), ("甘H00000D", "green_large")])
def test_new_energy_plate_has_the_proportions_of_ga36(text, layout):
    runs = ink_runs(text, layout)
    lefts, widths, _, heights = np.array(runs).T
    np.testing.assert_allclose(widths, [45] + [43] * 7, atol=0.8)
    np.testing.assert_allclose(heights, 90, atol=0.8)
    gaps = lefts[1:] - (lefts + widths)[:-1]
    np.testing.assert_allclose(gaps, [9, 49, 9, 9, 9, 9, 9], atol=1.0)


def test_embassy_plates_part_their_digits_in_threes():
    runs = ink_runs("使000000", "black")
    widths = [run[1] for run in runs]
    dots = [index for index, width in enumerate(widths) if width < 15]
    assert len(dots) == 1
    assert len(runs) - dots[0] - 1 == 3


def test_the_digit_one_is_a_centred_bar():
    run = ink_runs("甘H10000", "blue")[3]
    box = face_geometry("blue").characters[2]
    assert 6 < run[1] < 11
    assert run[0] + run[1] / 2 == pytest.approx(box.centre[0], abs=0.5)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("height", [16, 37, 140])
def test_size_follows_from_layout_and_height(layout, height):
    rng = np.random.default_rng(4)
    face = render_plate(sample_text(rng, layout), layout, sample_style(rng, layout), height=height)
    sheet = (
        (480, 140) if layout.startswith("green") else (400, 130) if layout in LATIN_LAYOUTS else (440, 140)
    )
    assert face.shape == (height, round(height * sheet[0] / sheet[1]), 3)
    assert face.dtype == np.uint8


def colour_at(layout, x_share, y_share, text):
    style = sample_style(np.random.default_rng(0), layout, appearance=Appearance(difficulty=0))
    clean = plain_style(layout).model_copy(update={"paint": style.paint})
    face = render_plate(text, layout, clean)
    return face[int(y_share * face.shape[0]), int(x_share * face.shape[1])].astype(int)


def test_layouts_have_their_colours():
    # Sampled in the gaps between ink and border.
    def near_top(layout, text, x=0.5):
        return colour_at(layout, x, 0.1, text)

    red, green, blue = near_top("blue", "京A12345")
    assert blue > 2 * green > 2 * red
    red, green, blue = near_top("yellow", "京A12345")
    assert red > green > 3 * blue
    assert near_top("black", "粤Z1234港").max() < 60
    assert near_top("white_police", "京A1234警").min() > 200
    low = colour_at("green_small", 0.5, 0.92, "京AD12345")
    assert near_top("green_small", "京AD12345").min() > 190
    assert low[1] > low[0] + 60
    red, green, blue = near_top("green_large", "京A12345D", 0.1)
    assert min(red, green) > 150 > blue
    red, green, blue = near_top("green_large", "京A12345D", 0.8)
    assert green > red + 60
    red, green, blue = near_top("mercosur", "ABC1D23", 0.25)
    assert blue > 2 * green > 2 * red
    low = colour_at("mercosur", 0.94, 0.5, "ABC1D23")
    assert low.min() > 200
    grey = colour_at("brazilian", 0.04, 0.5, "ABC1234")
    assert grey.min() > 120 and np.ptp(grey) < 30


def test_police_glyph_is_red():
    clean = plain_style("white_police")
    face = render_plate("京A1234警", "white_police", clean).astype(int)
    box = face_geometry("white_police").characters[6]
    glyph = face[25:115, round(box.left) : round(box.right)]
    ink = glyph[glyph[..., 1] < 80]
    assert (ink[:, 0] > ink[:, 1] + 60).all()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_same_arguments_same_bytes_and_the_style_survives_json(layout):
    rng = np.random.default_rng(9)
    text, style = sample_text(rng, layout), sample_style(rng, layout, appearance=Appearance(difficulty=1))
    again = PlateStyle.model_validate_json(style.model_dump_json())
    assert again == style
    assert np.array_equal(render_plate(text, layout, style), render_plate(text, layout, again))
    first, second = render_scene_crop(text, layout, style), render_scene_crop(text, layout, again)
    assert np.array_equal(first.image, second.image)


def test_every_surface_parameter_changes_the_picture():
    style = sample_style(np.random.default_rng(0), "blue", appearance=Appearance(difficulty=0))

    def digest(paint=(), surface=(), light=()):
        changed = style.model_copy(
            update={
                "paint": style.paint.model_copy(update=dict(paint)),
                "surface": style.surface.model_copy(update=dict(surface)),
                "light": style.light.model_copy(update=dict(light)),
            }
        )
        return hashlib.sha256(render_plate("京A12345", "blue", changed).tobytes()).hexdigest()

    variants = [
        digest(),
        digest(paint={"wear": 0.3}),
        digest(paint={"fade": 0.3}),
        digest(surface={"dirt": 0.5}),
        digest(surface={"rust": 1.0}),
        digest(surface={"scratches": 8}),
        digest(surface={"emboss": 0.95}),
        digest(surface={"frame": 6.0}),
        digest(surface={"fasteners": ("hole", "screw", "cap", "none")}),
        digest(light={"shadow": 0.6}),
        digest(light={"glare": 0.6}),
        digest(light={"retro": 0.6}),
        digest(light={"veil": 0.4}),
        digest(light={"saturation": 1.7}),
        digest(light={"noise": 0.03}),
        digest(light={"gains": (0.4, 0.4, 0.5)}),
        digest(light={"falloff": 0.5, "direction": 0.0}),
    ]
    assert len(set(variants)) == len(variants)


def test_embossing_lights_the_side_that_faces_the_light():
    style = plain_style("blue")
    grey = style.paint.model_copy(
        update={"background": (0.5,) * 3, "background_low": (0.5,) * 3, "ink": (0.5,) * 3}
    )
    for direction, lit, dark in ((90, "upper", "lower"), (270, "lower", "upper")):
        changed = style.model_copy(
            update={
                "paint": grey,
                "surface": style.surface.model_copy(update={"emboss": 1.0}),
                "light": style.light.model_copy(update={"direction": float(direction)}),
            }
        )
        face = render_plate("甘HE0H00", "blue", changed, height=280)[..., 0].astype(int)
        bar = face_geometry("blue").characters[2]  # the E: its upper bar spans 25 to 33.5 mm
        column = face[:, round((bar.left + 25) * 2)]
        edges = {"upper": column[48:53].mean(), "lower": column[64:70].mean()}
        assert edges[lit] > 132
        assert edges[dark] < 123


def test_errors_name_the_fault():
    style = sample_style(np.random.default_rng(0), "blue")
    with pytest.raises(PlateError, match="not in the alphabet"):
        render_plate("京A1234O", "blue", style)
    with pytest.raises(PlateError, match="green_small"):
        render_plate("京A12345", "green_small", style)
    with pytest.raises(PlateError, match="16 to 1120"):
        render_plate("京A12345", "blue", style, height=8)
    with pytest.raises(PlateError, match="16 to 1120"):
        render_scene_crop("京A12345", "blue", style, size=(112, 9))
    with pytest.raises(ValidationError):
        Appearance(max_yaw=60)
