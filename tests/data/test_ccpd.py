"""CCPD: the file-name codec both ways, rectification, the source."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdlp_bench import images, plate
from mdlp_bench.data import open_samples
from mdlp_bench.data.rectify import as_corners, rectify
from mdlp_bench.data.sources.ccpd import ADS, ALPHABETS, PROVINCES, CcpdName, indices_of
from mdlp_bench.errors import DataError, MissingDependencyError, PlateError
from mdlp_bench.readers.packaged import load_ppocr

BLUE = "025-95_113-154&383_386&473-386&473_177&454_154&383_363&402-0_0_22_27_27_33_16-37-15"
GREEN = "04396551724137931-90_253-218&507_558&625-534&589_218&625_248&512_558&507-0_0_3_25_29_31_31_31-40-6"

numbers = st.integers(0, 99_999)
points = st.tuples(numbers, numbers)
names = st.builds(
    CcpdName,
    area=st.from_regex(r"[0-9]{1,30}", fullmatch=True),
    tilt=st.tuples(st.integers(0, 999), st.integers(0, 999)),
    box=st.tuples(points, points),
    vertices=st.tuples(points, points, points, points),
    indices=st.integers(5, 6).flatmap(
        lambda n: st.tuples(st.integers(0, 33), st.integers(0, 24), *[st.integers(0, 34)] * n)
    ),
    brightness=numbers,
    blurriness=numbers,
)


def test_tables_are_those_of_the_data_set() -> None:
    assert (len(PROVINCES), len(ALPHABETS), len(ADS)) == (34, 25, 35)
    assert PROVINCES[0] == "皖" and ADS[24] == "0" and {t[-1] for t in (PROVINCES, ALPHABETS, ADS)} == {"O"}


def test_known_names() -> None:
    name = CcpdName.parse(f"{BLUE}.jpg")
    assert name.text == "皖AY339S"
    assert (name.area, name.tilt, name.brightness, name.blurriness) == ("025", (95, 113), 37, 15)
    assert name.box == ((154, 383), (386, 473))
    assert name.corners == ((154, 383), (363, 402), (386, 473), (177, 454))
    assert CcpdName.parse(GREEN).text == "皖AD15777"
    assert name.format() == BLUE and CcpdName.parse(GREEN).format() == GREEN


@given(names)
def test_format_and_parse_are_inverse(name: CcpdName) -> None:
    assert CcpdName.parse(name.format()) == name
    assert CcpdName.parse(f"{name.format()}.jpg").format() == name.format()


@given(names)
def test_texts_and_indices_are_inverse(name: CcpdName) -> None:
    if name.text is not None:
        assert indices_of(name.text) == name.indices
    else:
        assert 34 in name.indices[2:] or name.indices[0] == 33 or name.indices[1] == 24


@given(st.text(max_size=120) | st.from_regex(r"[0-9&_-]{0,120}", fullmatch=True))
def test_no_name_crashes_the_parser(text: str) -> None:
    try:
        parsed = CcpdName.parse(text)
    except DataError as error:
        assert "not a CCPD file name" in str(error) and "\n" not in str(error)
    else:
        assert CcpdName.parse(parsed.format()) == parsed


@given(st.data())
def test_one_changed_character_never_crashes(data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(BLUE) - 1))
    mutant = BLUE[:position] + data.draw(st.characters()) + BLUE[position + 1 :]
    with contextlib.suppress(DataError):
        CcpdName.parse(mutant)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("photo", "1 fields joined by '-', expected 7"),
        (BLUE.replace("95_113", "95"), "the field tilt is '95'"),
        (BLUE.replace("0_0_22", "0_0"), "the field plate is"),
        (BLUE.replace("0_0_22", "34_0_22"), "plate index 1 is 34, the table ends at 33"),
        (BLUE.replace("0_0_22", "0_25_22"), "plate index 2 is 25, the table ends at 24"),
        (BLUE.replace("0_0_22", "0_0_35"), "plate index 3 is 35, the table ends at 34"),
        (BLUE.replace("386&473-", "386473-"), "the field box is"),
        (BLUE + "\n", "the field blurriness"),
        (BLUE.replace("025", "０25"), "the field area"),
    ],
)
def test_complaints_name_the_field(name: str, complaint: str) -> None:
    with pytest.raises(DataError) as error:
        CcpdName.parse(name)
    assert complaint in str(error.value)


def test_a_text_beside_the_tables_has_no_indices() -> None:
    with pytest.raises(PlateError, match="no 'O' at position 3"):
        indices_of("皖AO1234")


def test_rectify_undoes_a_known_perspective() -> None:
    rng = np.random.default_rng(5)
    upright = np.asarray(cv2.resize(rng.integers(0, 256, (8, 24, 3), np.uint8), (240, 80)), np.uint8)
    corners = ((60.0, 40.0), (290.0, 70.0), (296.0, 150.0), (56.0, 118.0))
    source = np.array([(0, 0), (240, 0), (240, 80), (0, 80)], np.float32)
    scene = cv2.warpPerspective(
        upright, cv2.getPerspectiveTransform(source, np.array(corners, np.float32)), (360, 200)
    )
    crop = rectify(scene, corners, margin=0.0)
    back = cv2.resize(crop, (240, 80), interpolation=cv2.INTER_AREA)
    inner = np.s_[4:-4, 4:-4]
    assert np.abs(back[inner].astype(int) - upright[inner]).mean() < 4
    wide = rectify(scene, corners, margin=0.1)
    assert wide.shape[0] == pytest.approx(crop.shape[0] * 1.2, abs=1)
    assert wide.shape[1] == pytest.approx(crop.shape[1] * 1.2, abs=1)


@pytest.mark.parametrize(
    "corners",
    [
        ((10, 10), (10, 10), (10, 10), (10, 10)),
        ((10, 10), (30, 10), (20, 12), (20, 30)),
        ((10, 10), (10, 30), (30, 30), (30, 10)),
        ((500, 10), (530, 10), (530, 30), (500, 30)),
        ((0, 0), (float("nan"), 0), (9, 9), (0, 9)),
        ((0, 0), (9000, 0), (9000, 90), (0, 90)),
    ],
)
def test_corners_that_are_no_plate(corners: tuple) -> None:
    with pytest.raises(DataError):
        rectify(np.zeros((100, 200, 3), np.uint8), corners)


@given(st.permutations([(10.0, 10.0), (50.0, 12.0), (51.0, 30.0), (9.0, 28.0)]))
def test_corners_in_any_order(points: list[tuple[float, float]]) -> None:
    assert as_corners(points) == ((10.0, 10.0), (50.0, 12.0), (51.0, 30.0), (9.0, 28.0))


def scene(draw: Callable[..., bytes], seed: int = 1) -> bytes:
    return draw(seed, 720, 1160)


def test_subsets_share_scenes_and_lists_give_splits(tmp_path: Path, draw: Callable[..., bytes]) -> None:
    root = tmp_path / "CCPD2019"
    other = BLUE.replace("-37-15", "-38-15")
    unread = BLUE.replace("22_27", "34_27")
    for subset, stems in {
        "ccpd_base": [BLUE, unread],
        "ccpd_blur": [BLUE, other],
        "ccpd_np": ["1234"],
        "ccpd_tilt": ["holiday"],
    }.items():
        (root / subset).mkdir(parents=True)
        for stem in stems:
            (root / subset / f"{stem}.jpg").write_bytes(scene(draw))
    (root / "splits").mkdir()
    (root / "splits/train.txt").write_text(f"ccpd_base/{BLUE}.jpg\n")
    (root / "splits/test.txt").write_text(f"ccpd_blur/{BLUE}.jpg\nccpd_blur/{other}.jpg\n")
    samples = open_samples(root)
    rows = list(samples.rows())
    assert samples.splits == {"train": 1, "test": 1, "unlisted": 1}
    assert [row["text"] for row in rows] == ["皖AY339S", "皖AY339S", None]
    assert all(row["frames"] == [] and row["source"] == "ccpd" for row in rows)
    assert rows[0]["text_origin"] == "filename" and rows[0]["layout"] == "blue"
    assert rows[2]["plate_id"] == rows[2]["sample_id"] and rows[2]["text_origin"] is None
    found = {problem.code: problem for problem in samples.problems}
    assert set(found) == {"duplicate-scene", "no-plate", "file-name", "text-missing"}
    assert "the same scene as ccpd_base" in found["duplicate-scene"].message


def test_scenes_that_do_not_fit_their_name(tmp_path: Path, draw: Callable[..., bytes]) -> None:
    (tmp_path / f"{BLUE}.jpg").write_bytes(draw(1, 100, 50))
    (tmp_path / f"{GREEN}.jpg").write_bytes(scene(draw)[:-900])
    samples = open_samples(tmp_path)
    assert len(samples) == 0
    told = sorted(problem.message for problem in samples.problems)
    assert "outside the 100 x 50 image" in told[0] and "truncated JPEG" in told[1]


def test_real_scenes_open(shared_dir: Path) -> None:
    samples = open_samples(shared_dir / "real/ccpd_scenes")
    rows = list(samples.rows())
    assert len(rows) == 29 and not samples.problems
    assert sum(row["layout"] == "green_small" for row in rows) == 5
    for row in rows:
        assert plate.is_valid(row["text"])
        height, width = images.decode(row["gt"]["bytes"], "gt").shape[:2]
        assert 1.5 < width / height < 5
    for path in (shared_dir / "real/ccpd_scenes").iterdir():
        assert CcpdName.parse(path.name).format() == path.stem


def test_rectified_scenes_read_as_their_names_say(shared_dir: Path) -> None:
    try:
        reader = load_ppocr("ppocrv4")
    except MissingDependencyError as error:
        pytest.skip(str(error))
    rows = list(open_samples(shared_dir / "real/ccpd_scenes").rows())
    readings = reader.read([images.decode(row["gt"]["bytes"], "gt") for row in rows])
    agree = sum(plate.normalise(r.text) == row["text"] for r, row in zip(readings, rows, strict=True))
    assert agree >= 26
