"""Viewpoints, crops and sample streams."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdlp_bench.errors import DataError
from mdlp_bench.plate import LAYOUTS, is_valid
from mdlp_bench.synth.render import (
    Appearance,
    face_size,
    render_plate,
    render_sample,
    render_samples,
    render_scene_crop,
    sample_style,
    view_corners,
)
from mdlp_bench.synth.render.preview import contact_sheet, layout_sheet, scene_sheet, write_picture


def frontal(layout="blue", **view):
    style = sample_style(np.random.default_rng(0), layout, appearance=Appearance(difficulty=0))
    straight = {"yaw": 0.0, "pitch": 0.0, "roll": 0.0, "distance": 10.0, "margins": (0.0,) * 4}
    return style.model_copy(update={"view": style.view.model_copy(update=straight | view)})


def test_a_frontal_view_is_the_face():
    style = frontal()
    crop = render_scene_crop("京A12345", "blue", style, size=(140, 440))
    np.testing.assert_allclose(crop.corners, [[0, 0], [440, 0], [440, 140], [0, 140]], atol=1e-3)
    face = render_plate("京A12345", "blue", style, height=140)
    difference = np.abs(crop.image[8:-8, 8:-8].astype(int) - face[8:-8, 8:-8])
    assert difference.mean() < 0.5


def test_yaw_narrows_and_roll_turns_the_plate():
    def corners(**view):
        return view_corners("blue", frontal(**view).view)

    width = corners(yaw=45.0, distance=1000.0)
    assert width[1, 0] - width[0, 0] == pytest.approx(np.cos(np.pi / 4), abs=1e-3)
    height = corners(pitch=20.0, distance=1000.0)
    assert height[3, 1] - height[0, 1] == pytest.approx(140 / 440 * np.cos(np.deg2rad(20)), abs=1e-3)
    turned = corners(roll=10.0)
    assert np.rad2deg(np.arctan2(*(turned[1] - turned[0])[::-1])) == pytest.approx(10, abs=1e-3)
    near = corners(yaw=30.0, distance=3.0)
    sides = np.linalg.norm(near[3] - near[0]), np.linalg.norm(near[2] - near[1])
    assert max(sides) / min(sides) > 1.1  # perspective: one side is nearer


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32))
def test_corners_are_where_the_plate_is(seed):
    """Rectifying the crop by its corners gives back the frontal face."""
    rng = np.random.default_rng(seed)
    style = sample_style(rng, "blue", appearance=Appearance(difficulty=1, night=0))
    margins = {"view": style.view.model_copy(update={"margins": (0.05,) * 4})}
    style = style.model_copy(update=margins)
    crop = render_scene_crop("京A12345", "blue", style, size=(280, 560))
    rows, columns = face_size("blue", 112)
    target = np.array([[0, 0], [columns, 0], [columns, rows], [0, rows]], np.float32) - np.float32(0.5)
    matrix = cv2.getPerspectiveTransform(crop.corners - np.float32(0.5), target)
    rectified = cv2.warpPerspective(crop.image, matrix, (columns, rows), flags=cv2.INTER_AREA)
    face = render_plate("京A12345", "blue", style, height=112)
    inner = (slice(10, -10), slice(10, -10))
    grey_a, grey_b = (
        cv2.GaussianBlur(cv2.cvtColor(i, cv2.COLOR_RGB2GRAY), (0, 0), 2)[inner] for i in (rectified, face)
    )
    if grey_b.std() < 2:  # glare or darkness left nothing to compare
        return
    assert np.corrcoef(grey_a.ravel(), grey_b.ravel())[0, 1] > 0.9


def test_samples_depend_on_seed_and_index_alone():
    forwards = [sample.image for sample in render_samples(3, 6)]
    backwards = [render_sample(3, index).image for index in reversed(range(6))][::-1]
    later = [sample.image for sample in render_samples(3, 3, start=3)]
    assert all(np.array_equal(a, b) for a, b in zip(forwards, backwards, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(forwards[3:], later, strict=True))
    assert not np.array_equal(forwards[0], render_sample(4, 0).image)
    assert len({image.tobytes() for image in forwards}) == 6


def _image(index):
    return render_sample(3, index).image


def test_samples_are_the_same_in_other_processes():
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        elsewhere = list(pool.map(_image, range(2)))
    assert all(np.array_equal(a, _image(index)) for index, a in enumerate(elsewhere))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_streams(layout):
    for sample in render_samples(
        8, 3, layouts={layout: 1.0}, appearance=Appearance(difficulty=1), size=(48, 96)
    ):
        assert sample.layout == layout
        assert is_valid(sample.text, layout)
        assert sample.image.shape == (48, 96, 3)
        again = render_scene_crop(sample.text, sample.layout, sample.style, (48, 96))
        assert np.array_equal(again.image, sample.image)


def test_plates_stay_legible_by_contrast():
    """At the default difficulty nearly every plate keeps a contrast that a reader can use."""
    spreads = []
    for sample in render_samples(21, 40):
        grey = cv2.cvtColor(sample.image, cv2.COLOR_RGB2GRAY)
        middle = grey[30:-30, 30:-30]
        spreads.append(np.percentile(middle, 95) - np.percentile(middle, 5))
    assert np.mean(np.array(spreads) > 15) > 0.93


def test_bad_shares_are_refused():
    with pytest.raises(DataError, match="purple"):
        render_sample(0, 0, layouts={"purple": 1.0})
    with pytest.raises(DataError, match="positive sum"):
        render_sample(0, 0, layouts={"blue": 0.0})
    with pytest.raises(DataError, match="positive sum"):
        render_sample(0, 0, layouts={"blue": -1.0})


def test_contact_sheets(tmp_path):
    sheet = contact_sheet([np.zeros((4, 6, 3), np.uint8)] * 3, 2, gap=1)
    assert sheet.shape == (9, 13, 3)
    assert (sheet[5:, 7:] == 255).all()
    assert scene_sheet(1, 4, columns=2, size=(32, 64)).shape == (68, 132, 3)
    assert layout_sheet(1, difficulties=(0.0, 1.0), height=28).shape == (
        len(LAYOUTS) * 32 - 4,
        2 * 100 - 4,
        3,
    )
    write_picture(tmp_path / "sheet.png", sheet)
    assert np.array_equal(cv2.imread(str(tmp_path / "sheet.png")), sheet)
    with pytest.raises(DataError, match="one image"):
        contact_sheet([], 2)
    with pytest.raises(DataError, match="image 1"):
        contact_sheet([np.zeros((4, 6, 3), np.uint8), np.zeros((4, 7, 3), np.uint8)], 2)
    with pytest.raises(DataError, match=r"sheet\.gif"):
        write_picture(tmp_path / "sheet.gif", sheet)
