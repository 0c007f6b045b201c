"""Small data sets in every layout, built on the fly."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import settings

from mdlp_bench import images

# A busy machine is no bug: examples have no time limit.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")

Draw = Callable[..., bytes]


@pytest.fixture(scope="session")
def draw() -> Draw:
    """Encoded pictures that differ by seed: `draw(seed, width, height, kind)`."""

    def make(seed: int, width: int = 40, height: int = 18, kind: str = "jpg") -> bytes:
        rng = np.random.default_rng(seed)
        small = rng.integers(0, 256, (5, 9, 3), np.uint8)
        picture = np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
        return images.encode(picture, "png" if kind == "png" else "jpg")

    return make


@pytest.fixture
def mdlp(tmp_path: Path, draw: Draw) -> Path:
    """train: a (3 frames), b (1), c (5, gaps, mixed endings); val: a (2, no gt). Labels for all but val/a."""
    root = tmp_path / "set"
    groups = {
        ("train", "a"): ["img_1.jpg", "img_2.jpg", "img_10.jpg"],
        ("train", "b"): ["img_7.JPG"],
        ("train", "c"): ["f001.png", "f002.JPEG", "f010.jpg", "f020.jpg", "f100.jpg"],
        ("val", "a"): ["img_3.jpg", "img_4.jpg"],
    }
    for number, ((split, group), names) in enumerate(groups.items()):
        for frame, name in enumerate(names):
            path = root / split / "inputs" / group / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(draw(number * 100 + frame, kind="png" if name.endswith("png") else "jpg"))
        if (split, group) != ("val", "a"):
            path = root / split / "gt" / group / "img_50.jpg"
            path.parent.mkdir(parents=True)
            path.write_bytes(draw(number * 100 + 50, 160, 60))
    (root / "val/gt").mkdir()
    (root / "train/labels.csv").write_text("group,text\na,京P20S75\nb,沪ad12345\nc,苏UZ502G\n", "utf-8")
    return root


@pytest.fixture
def lrlpr(tmp_path: Path, draw: Draw) -> Path:
    """One training track with corners and HR of growing size, one test track."""
    root = tmp_path / "lrlpr"
    train = root / "train/Scenario-A/Brazilian/track_00001"
    test = root / "test/track_00002"
    for folder in (train, test):
        folder.mkdir(parents=True)
        for n in range(1, 6):
            (folder / f"lr-{n:03d}.png").write_bytes(draw(n, 48, 17, "png"))
    for n in range(1, 6):
        (train / f"hr-{n:03d}.png").write_bytes(draw(10 + n, 100 + 2 * n, 40, "png"))
    corner = {"top-left": [2, 2], "top-right": [44, 3], "bottom-right": [45, 15], "bottom-left": [3, 14]}
    corners = {f"{kind}-{n:03d}.png": corner for kind in ("lr", "hr") for n in range(1, 6)}
    annotation = {"plate_layout": "Brazilian", "plate_text": "AVL5215", "corners": corners}
    (train / "annotations.json").write_text(json.dumps(annotation))
    return root
