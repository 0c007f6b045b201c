"""Tracks of a drawn plate that comes nearer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from mdlp_bench.images import ImageU8, encode

HEIGHTS = (14, 15, 16, 18, 20, 23, 27, 32, 40, 52, 70, 96)


def draw_plate(text: str = "A12345") -> ImageU8:
    """A blue plate with white characters, 120 x 300."""
    plate = np.full((120, 300, 3), (25, 60, 165), np.uint8)
    cv2.putText(plate, text, (12, 82), cv2.FONT_HERSHEY_SIMPLEX, 2.1, (240, 240, 240), 7, cv2.LINE_AA)
    return plate


def frame_of(plate: ImageU8, height: int) -> ImageU8:
    """The plate seen `height` pixels high."""
    size = (round(height * 2.5), height)
    return np.asarray(cv2.resize(plate, size, interpolation=cv2.INTER_AREA), np.uint8)


@pytest.fixture
def make_track(tmp_path: Path) -> Callable[..., Path]:
    """Writes the frames img_<n>.png of a track into tracks/<name>."""

    def make(name: str, heights: Sequence[int] = HEIGHTS, text: str = "A12345") -> Path:
        folder = tmp_path / "tracks" / name
        folder.mkdir(parents=True)
        plate = draw_plate(text)
        for number, height in enumerate(heights, start=1):
            (folder / f"img_{number}.png").write_bytes(encode(frame_of(plate, height)))
        return folder

    return make


@pytest.fixture
def sharp_reader(tmp_path: Path) -> str:
    """A reader that reads 京A12345 in every crop of at least 30 pixels, and nothing else."""
    path = tmp_path / "sharp.py"
    path.write_text("def read(crops):\n    return ['京A12345' if len(c) >= 30 else '' for c in crops]\n")
    return f"{path}:read"
