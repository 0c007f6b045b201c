"""Faces: every glyph present, distinct, in its box, at its weight; licences shipped."""

from importlib.resources import as_file, files

import cv2
import numpy as np
import pytest
from fontTools.ttLib import TTFont

from mdlp_bench.plate import ALPHABET, DIGITS, LETTERS, PROVINCES, SPECIAL_GLYPHS
from mdlp_bench.synth.render.glyphs import (
    DRAWN_FACES,
    DRAWN_HAN_FACES,
    HAN_FACES,
    LATIN_FACES,
    NOMINAL_STROKE,
    SCALE,
    glyph_mask,
)
from mdlp_bench.synth.render.strokes import stroke_glyph

LATIN = DIGITS + LETTERS
HAN = PROVINCES + SPECIAL_GLYPHS


def test_the_faces_cover_the_alphabet():
    assert set(LATIN + HAN) == set(ALPHABET)


@pytest.mark.parametrize(
    ("face", "characters"),
    [(face, LATIN) for face in LATIN_FACES if face not in DRAWN_FACES]
    + [(face, HAN) for face in HAN_FACES if face not in DRAWN_HAN_FACES],
)
def test_fonts_have_every_glyph(face, characters):
    with as_file(files("mdlp_bench.synth.render") / "assets" / f"{face}.ttf") as path:
        assert {ord(character) for character in characters} <= set(TTFont(path).getBestCmap())


@pytest.mark.parametrize(
    ("face", "characters"), [(f, LATIN) for f in LATIN_FACES] + [(f, HAN) for f in HAN_FACES]
)
def test_glyphs_fill_their_box_and_differ(face, characters):
    masks = {character: glyph_mask(character, face, 45.0) for character in characters}
    for character, mask in masks.items():
        if face in DRAWN_HAN_FACES and character in PROVINCES:
            continue  # these keep the proportions in which they were drawn
        assert mask.shape == (90 * SCALE, 45 * SCALE)
        rows = np.flatnonzero(mask.max(1) > 127)
        assert rows[0] <= 1, character
        assert rows[-1] >= 90 * SCALE - 2, character
        columns = np.flatnonzero(mask.max(0) > 127)
        if character not in "1J":  # bars and narrow letters keep their own width
            # Where their tails end low, 3 and 5 begin two millimetres inside.
            assert columns[0] <= (4 if character in "35" else 2), character
            assert columns[-1] >= 45 * SCALE - 3, character
    flat = np.stack([mask.ravel() for mask in masks.values()]).astype(np.float32)
    for index in range(len(flat)):
        distance = np.abs(flat - flat[index]).mean(1) / 255
        distance[index] = 1
        assert distance.min() > 0.02, f"{characters[index]} and {characters[distance.argmin()]} look alike"


@pytest.mark.parametrize(("face", "top"), DRAWN_HAN_FACES.items())
def test_drawn_provinces_stand_in_their_box_below_what_they_leave_free(face, top):
    for character in PROVINCES:
        mask = glyph_mask(character, face, 45.0)
        rows = np.flatnonzero(mask.max(1) > 127) / SCALE
        assert top - 0.5 <= rows[0] <= top + 7, character
        assert rows[-1] >= 82, character
        columns = np.flatnonzero(mask.max(0) > 127) / SCALE
        assert columns[0] <= 6, character
        assert columns[-1] >= 39, character


def test_drawn_provinces_look_like_those_of_a_font():
    def seen(face):
        masks = [glyph_mask(character, face, 45.0).astype(np.float32) for character in PROVINCES]
        blurred = np.stack([cv2.GaussianBlur(mask, (0, 0), 4).ravel() for mask in masks])
        blurred -= blurred.mean(0)
        return blurred / np.linalg.norm(blurred, axis=1, keepdims=True)

    nearest = (seen("han_plate") @ seen("han_medium").T).argmax(1)
    assert [PROVINCES[other] for other in nearest] == list(PROVINCES)


@pytest.mark.parametrize("face", LATIN_FACES)
def test_strokes_have_the_nominal_width(face):
    # The stem of the L above its foot, measured through half coverage.
    stem = (glyph_mask("L", face, 45.0)[30:100] / 255).sum(1).mean() / SCALE
    assert stem == pytest.approx(NOMINAL_STROKE, abs=0.9)


def test_growth_adds_to_both_sides_of_a_stroke():
    def stem(growth):
        return (glyph_mask("L", "plate", 45.0, growth=growth)[40:100] / 255).sum(1).mean() / SCALE

    for growth in (-1.5, -0.5, 0.0, 1.0, 1.5):
        # The grown glyph is refitted to its box of 45 mm.
        expected = (NOMINAL_STROKE + 2 * growth) * 45 / (45 + 2 * growth)
        assert stem(growth) == pytest.approx(expected, abs=0.3), growth


def test_one_with_a_flag_reaches_left_of_the_bar():
    for face in LATIN_FACES:
        bar, flagged = (glyph_mask("1", face, 43.0, flag_on_one=flag) for flag in (False, True))
        assert (flagged[10:60].max(0) > 127).sum() > (bar[10:60].max(0) > 127).sum() + 3 * SCALE, face
        assert (bar[20:160].max(0) > 127).sum() < 12 * SCALE, face


def test_drawn_strokes_scale():
    small, large = (stroke_glyph("8", 8.5, scale) for scale in (1.0, 4.0))
    assert small.mean() == pytest.approx(large.mean(), rel=0.02)
    with pytest.raises(ValueError, match="'é'"):
        stroke_glyph("é", 8.5, 1.0)


def test_new_energy_plates_hook_their_six_and_nine():
    plain, hooked = (glyph_mask("6", face, 45.0) for face in ("plate", "plate_energy"))
    # The hook comes back to the right at the top, where the straight stem of embossed plates does not reach.
    corner = (slice(10, 40), slice(70, 90))
    assert hooked[corner].mean() > plain[corner].mean() + 40
    nine = glyph_mask("9", "plate_energy", 45.0)
    assert np.abs(nine[::-1, ::-1].astype(int) - hooked).mean() < 8
    assert (glyph_mask("8", "plate", 45.0) == glyph_mask("8", "plate_energy", 45.0)).all()


def test_makers_of_latin_plates_form_characters_differently():
    square, old, serif = (
        {c: glyph_mask(c, face, 45.0) for c in "0469JM"}
        for face in ("plate_square", "plate_old", "plate_serif_stem")
    )
    corner, below = (slice(0, 24), slice(0, 16)), (slice(96, 130), slice(37, 53))
    assert (
        square["0"][corner].mean() > old["0"][corner].mean() + 20
    )  # a squarer bowl fills more of its corner
    assert old["M"][below].mean() > serif["M"][below].mean() + 60  # the middle of the M reaches further down
    assert (
        square["6"][10:40, 70:].mean() > serif["6"][10:40, 70:].mean() + 40
    )  # a hook beside a straight stem
    stem = slice(60, 72)
    assert old["4"][:40, stem].mean() > glyph_mask("4", "plate", 45.0)[:40, stem].mean() + 40
    assert old["J"][:16, :50].mean() < 5 < serif["J"][:16, :50].mean()


def test_a_licence_lies_beside_every_font():
    assets = files("mdlp_bench.synth.render") / "assets"
    names = {entry.name for entry in assets.iterdir()}
    fonts = {name.removesuffix(".ttf") for name in names if name.endswith(".ttf")}
    assert fonts == {*LATIN_FACES, *HAN_FACES} - set(DRAWN_FACES) - set(DRAWN_HAN_FACES)
    for font in fonts:
        licence = (assets / f"{font}.OFL.txt").read_text(encoding="utf-8")
        assert "SIL OPEN FONT LICENSE Version 1.1" in licence
        assert licence.startswith("Copyright")
    assert sum(len((assets / name).read_bytes()) for name in names if not name.startswith("__")) < 600_000


def test_latin_plates_have_an_i_and_an_o_in_boxes_of_their_own_height():
    for face in LATIN_FACES:
        bar, round_letter = (glyph_mask(c, face, 40.0, height=68.0) for c in "IO")
        assert bar.shape == round_letter.shape == (136, 80), face
        middle = slice(40, 96)
        assert (bar[middle].max(0) > 127).sum() < 12 * SCALE < (round_letter[middle].max(0) > 127).sum(), face
    serif, bare = (glyph_mask("I", face, 40.0, height=68.0) for face in ("plate_serif", "plate_energy"))
    assert (serif[:10] > 127).any(0).sum() > 2 * (bare[:10] > 127).any(0).sum()
    # Strokes keep their width where the box is lower than the Chinese one.
    low, tall = (glyph_mask("L", "plate", 45.0, height=h) for h in (67.5, 90.0))
    assert (low[-4] > 127).sum() == pytest.approx((tall[-4] > 127).sum(), abs=2)
    stem = [int((mask[20:60] > 127).sum(1).mean()) for mask in (low, tall)]
    assert stem[0] == pytest.approx(stem[1], abs=1)
