"""The rectifying reader's geometry, its two opinions of the region, and its training."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.transform import ProjectiveTransform, warp
from torch import nn

from mdlp_bench.errors import DataError, MissingWeightsError, ReaderError
from mdlp_bench.images import ImageU8
from mdlp_bench.plate import PROVINCES
from mdlp_bench.readers.crnn.weights import bundled_weights as crnn_weights
from mdlp_bench.readers.rectifying.geometry import SQUARE, mapped, rectified
from mdlp_bench.readers.rectifying.networks import RectifyingConfig, RectifyingNetwork
from mdlp_bench.readers.rectifying.reader import RectifyingReader
from mdlp_bench.readers.rectifying.weights import RECTIFYING_KEY, save_rectifying
from mdlp_bench.readers.weights import save_recogniser
from mdlp_bench.training import rectifying
from mdlp_bench.training.reader_loop import Schedule
from mdlp_bench.training.rectifying import RectifyingTraining, train_part, train_rectifying

_SHORT = Schedule(steps=4, batch=4, warmup=1, decay=2, checkpoint_every=2)
_TINY = RectifyingTraining(
    network="rectifying",
    faces=6,
    held_out=20,
    calibration=4,
    empty=0.3,
    guided=2,
    corners=_SHORT,
    line=_SHORT,
    region=_SHORT,
)

_shifts = st.lists(st.floats(-0.2, 0.2), min_size=8, max_size=8).map(lambda v: np.array(v).reshape(4, 2))


def _homography(source: npt.NDArray[np.floating], target: npt.NDArray[np.floating]) -> ProjectiveTransform:
    """The projective map of four points to four others, from its eight linear equations."""
    rows, sides = [], []
    for (x, y), (u, v) in zip(source.astype(float), target.astype(float), strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        sides += [u, v]
    found = np.append(np.linalg.solve(np.array(rows), np.array(sides)), 1)
    return ProjectiveTransform(matrix=found.reshape(3, 3))


@given(_shifts)
def test_corners_map_to_corners_and_lines_to_lines(shifts: npt.NDArray[np.float64]) -> None:
    corners = SQUARE + shifts
    np.testing.assert_allclose(mapped(corners, SQUARE), corners, atol=1e-5)
    start, middle, end = mapped(corners, np.array([[0.1, 0.2], [0.3, 0.5], [0.5, 0.8]]))
    along, across = end - start, middle - start
    assert abs(along[0] * across[1] - along[1] * across[0]) < 1e-4


@given(_shifts)
def test_places_agree_with_scikit_image(shifts: npt.NDArray[np.float64]) -> None:
    corners, points = SQUARE + shifts, np.array([[0.25, 0.75], [-0.1, 1.1], [0.9, 0.4]])
    expected = _homography(SQUARE, corners)(points)
    np.testing.assert_allclose(mapped(corners, points), expected, atol=1e-4)


def test_a_crop_between_its_own_corners_stays_as_it_is() -> None:
    crop = np.random.default_rng(1).integers(0, 256, (24, 60, 3), dtype=np.uint8)
    assert np.array_equal(rectified(crop, SQUARE, (24, 60), (0, 0)), crop)


def test_a_tilted_sheet_is_seen_from_the_front() -> None:
    y, x = np.mgrid[0:48, 0:160]
    sheet = np.stack([x * 255 / 159, y * 255 / 47, 128 + 100 * np.sin(x / 9)], -1)
    pixels = np.array([[20.0, 12], [205, 40], [200, 96], [12, 60]])
    source = np.array([[0, 0], [160, 0], [160, 48], [0, 48]]) - 0.5
    seen_from = warp(sheet, _homography(pixels - 0.5, source), output_shape=(110, 220), order=1, cval=0)
    crop = np.asarray(np.round(seen_from), np.uint8)
    seen = rectified(crop, pixels / [220, 110], (48, 160), (0, 0)).astype(float)
    assert np.abs(seen - sheet)[2:-2, 2:-2].mean() < 3
    wider = rectified(crop, pixels / [220, 110], (48, 160), (0.1, 0.2))
    # The margins show what is around the sheet, which is black there.
    assert wider[4:-4, :12].mean() < 6 and wider[:6, 20:-20].mean() < 6 and wider[12:-12, 20:-20].mean() > 80


_NARROW_LEFT = np.array([[0, 0.48], [1, 0], [1, 1], [0, 0.52]], np.float32)


@pytest.mark.parametrize(
    ("rows", "corners", "inset"),
    [(480, SQUARE, (0, 0)), (90, SQUARE, (0.02, 0.06)), (480, _NARROW_LEFT, (0, 0))],
    ids=["large", "twice the inner height", "one long edge"],
)
def test_large_crops_are_averaged_not_skipped(
    rows: int, corners: npt.NDArray[np.float32], inset: tuple[float, float]
) -> None:
    fine = np.zeros((rows, 1600, 3), np.uint8)
    fine[::2] = 254  # rows alternate; a person sees grey
    seen = rectified(fine, corners, (48, 160), inset)[5:-5, 80:].astype(float)
    assert np.abs(seen - 127).max() < 10


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> RectifyingReader:
    path = tmp_path_factory.mktemp("weights") / "r.safetensors"
    save_rectifying(RectifyingNetwork(RectifyingConfig()), RectifyingConfig(), path)
    return RectifyingReader(path)


def _column(reader: RectifyingReader, shares: dict[str, float]) -> npt.NDArray[np.float64]:
    alphabet = reader.config.alphabet
    column = np.zeros(len(alphabet) + 1)
    for sign, share in shares.items():
        column[alphabet.index(sign) + 1 if sign else 0] = share
    return column


def test_regions_share_their_mass_as_both_networks_see_it(untrained: RectifyingReader) -> None:
    columns = [_column(untrained, {"": 0.1, "皖": 0.5, "赣": 0.3, "A": 0.1}), _column(untrained, {"A": 1.0})]
    regions = np.full(len(PROVINCES), 1e-9)
    regions[[PROVINCES.index("皖"), PROVINCES.index("赣")]] = 0.2, 0.8
    found = untrained._with_regions(np.stack(columns)[None], regions[None])[0]
    np.testing.assert_allclose(found.sum(-1), 1)
    first = {sign: found[0][untrained.config.alphabet.index(sign) + 1] for sign in "皖赣A"}
    # sqrt(5 * 2) : sqrt(3 * 8) of the mass of 0.8
    ours, theirs = np.sqrt(5 * 2), np.sqrt(3 * 8)
    assert first["皖"] == pytest.approx(0.8 * ours / (ours + theirs), abs=2e-3)
    assert first["赣"] == pytest.approx(0.8 * theirs / (ours + theirs), abs=2e-3)
    assert first["A"] == pytest.approx(0.1) and found[0][0] == pytest.approx(0.1)
    np.testing.assert_allclose(found[1], columns[1], atol=1e-9)


def test_crops_of_any_size_are_read(untrained: RectifyingReader) -> None:
    rng = np.random.default_rng(2)
    crops: Sequence[ImageU8] = [
        rng.integers(0, 256, (int(rng.integers(8, 90)), int(rng.integers(20, 200)), 3), dtype=np.uint8)
        for _ in range(5)
    ]
    np.testing.assert_allclose(untrained.probabilities(crops).sum(-1), 1)
    assert untrained.features(crops).shape == (5, untrained.config.feature_size)
    assert untrained.corners(crops).shape == (5, 4, 2)
    assert untrained.read([]) == [] and untrained.corners([]).shape == (0, 4, 2)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingWeightsError, match="missing"):
        RectifyingReader(tmp_path / "none.safetensors")
    with pytest.raises(ReaderError, match="not a rectifying reader"):
        RectifyingReader(crnn_weights())


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"regions": "Ω"}, "regions: 'Ω' is not in the alphabet"),
        ({"regions": ""}, "regions: String should have at least 1 character"),
        ({"inset": [0.5, 0.1]}, "inset.0: Input should be less than 0.5"),
        ({"line": {"askew": True}}, "line: a rectified plate is not looked at askew"),
    ],
)
def test_a_file_with_a_wrong_configuration_is_refused(
    tmp_path: Path, changed: dict[str, object], complaint: str
) -> None:
    path, stored = tmp_path / "r.safetensors", RectifyingConfig().model_dump(mode="json")
    line = stored["line"] | changed.get("line", {})  # type: ignore[operator]
    save_recogniser(nn.Linear(1, 1), path, RECTIFYING_KEY, json.dumps(stored | changed | {"line": line}))
    with pytest.raises(ReaderError, match=f"r.safetensors: unreadable configuration.*{re.escape(complaint)}"):
        RectifyingReader(path)


def test_a_killed_training_ends_with_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[dict[str, object]] = []
    weights = train_rectifying(_TINY, tmp_path / "whole", lines.append)
    assert [(line["network"], line["step"]) for line in lines] == [
        (part, step) for part in ("corners", "line", "region") for step in (2, 4)
    ]
    assert {"error_x", "error_y"} <= lines[0].keys()
    assert {"exact", "region", "rest", "empty"} <= lines[2].keys() and {"region", "empty"} <= lines[4].keys()
    reader = RectifyingReader(weights)
    assert reader.descriptor.version == "3" and reader.network.config.region_temperature != 1

    broken = tmp_path / "broken"
    advance = rectifying._PartTrial.advance

    def die_later(trial: rectifying._LineTrial, steps: int) -> None:
        if trial.step == 2:
            raise KeyboardInterrupt
        advance(trial, steps)

    monkeypatch.setattr(rectifying._LineTrial, "advance", die_later)
    train_part(_TINY, "region", broken)  # out of turn, as another process may
    with pytest.raises(KeyboardInterrupt):
        train_rectifying(_TINY, broken)
    monkeypatch.undo()
    assert train_rectifying(_TINY, broken).read_bytes() == weights.read_bytes()
    with pytest.raises(DataError, match="holds another training"):
        train_rectifying(_TINY.model_copy(update={"seed": 9}), broken)
