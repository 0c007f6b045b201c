"""Shots of plates: where the corners are, what is written, how views are spread."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mdlp_bench.images import ImageU8
from mdlp_bench.plate import is_valid
from mdlp_bench.readers.rectifying.geometry import SQUARE, rectified
from mdlp_bench.training.plate_shots import Shot, displaced, shoot, take_shot
from mdlp_bench.training.reader_data import FACE_SIZE, Pool, render_faces


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    return render_faces(tmp_path_factory.mktemp("faces"), 7, 6)


def _quarters() -> ImageU8:
    """A face whose quarters differ in brightness: black and light grey above, white and dark grey below."""
    face = np.empty((*FACE_SIZE, 3), np.uint8)
    rows, columns = FACE_SIZE[0] // 2, FACE_SIZE[1] // 2
    face[:rows, :columns], face[:rows, columns:] = 10, 160
    face[rows:, :columns], face[rows:, columns:] = 240, 80
    return face


def test_faces_are_valid_plates_and_come_again(faces: Pool, tmp_path: Path) -> None:
    assert faces.images.shape == (6, *FACE_SIZE, 3)
    assert all(is_valid(text) for text in faces.texts)
    again = render_faces(tmp_path, 7, 6)
    assert again.texts == faces.texts and np.array_equal(again.images, faces.images)
    assert render_faces(tmp_path, 8, 6).texts != faces.texts


def test_what_lies_between_the_corners_is_the_face() -> None:
    face = _quarters()
    expected = face.mean(-1).ravel()

    def likeness(image: ImageU8) -> float:
        return float(np.corrcoef(image.mean(-1).ravel(), expected)[0, 1])

    right, turned = [], []
    for seed in range(60):
        image, corners = shoot(face, 440 / 140, np.random.default_rng(seed))
        right.append(likeness(rectified(image, corners, FACE_SIZE, (0, 0))))
        turned.append(likeness(rectified(image, corners[[1, 0, 3, 2]], FACE_SIZE, (0, 0))))
    # Over-exposed faces lose their quarters.
    assert np.median(right) > 0.9 and np.mean(np.array(right) > 0.7) > 0.9
    assert np.max(turned) < 0.5


def test_shots_are_a_function_of_their_source(faces: Pool) -> None:
    for seed in range(40):
        first, second = (take_shot(faces, np.random.default_rng(seed), 0.5) for _ in range(2))
        assert np.array_equal(first.image, second.image) and np.array_equal(first.corners, second.corners)
        assert first.text == second.text and first.text in (*faces.texts, "")
        height, width = first.image.shape[:2]
        assert first.image.dtype == np.uint8 and 4 <= height <= 230 and 8 <= width <= 380
        assert first.corners.dtype == np.float32 and first.corners.shape == (4, 2)


@pytest.mark.parametrize("empty", [0.0, 0.4, 1.0])
def test_the_share_without_a_text_is_as_asked(faces: Pool, empty: float) -> None:
    shots = [take_shot(faces, np.random.default_rng([5, seed]), empty) for seed in range(150)]
    share = np.mean([shot.text == "" for shot in shots])
    assert abs(share - empty) <= 4 * np.sqrt(empty * (1 - empty) / len(shots))


def test_views_reach_from_frontal_to_steep(faces: Pool) -> None:
    def climb(shot: Shot) -> float:
        """How far the upper edge climbs, in heights of the left edge."""
        left = np.linalg.norm(shot.corners[3] - shot.corners[0])
        return float(abs(shot.corners[1, 1] - shot.corners[0, 1]) / left)

    climbs = np.array([climb(take_shot(faces, np.random.default_rng([6, s]), 0)) for s in range(200)])
    assert np.mean(climbs < 0.15) > 0.25
    assert 0.1 < np.mean(climbs > 0.5) < 0.5


def test_corners_are_displaced_by_a_few_hundredths() -> None:
    moved = np.stack([displaced(SQUARE, np.random.default_rng(seed)) - SQUARE for seed in range(300)])
    across, down = moved.std(axis=(0, 1))
    assert 0.01 < across < 0.025 and 0.03 < down < 0.07
    assert np.abs(moved.mean(axis=(0, 1))).max() < 0.01
