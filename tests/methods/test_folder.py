"""A folder of restored pictures as people have it: suffixes in capitals, group names, other files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mdlp_bench import images
from mdlp_bench.data import Samples, open_samples
from mdlp_bench.errors import MethodError
from mdlp_bench.harness.predict import predict

PNG = images.encode(np.full((112, 224, 3), 90, np.uint8))


@pytest.fixture
def samples(tmp_path: Path) -> Samples:
    """Groups `0001` and `0002` of `val`."""
    for group in ("0001", "0002"):
        for kind in ("inputs", "gt"):
            path = tmp_path / f"set/val/{kind}/{group}/img_1.png"
            path.parent.mkdir(parents=True)
            path.write_bytes(images.encode(np.full((12, 40, 3), 60, np.uint8)))
    return open_samples(tmp_path / "set")


def fill(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(PNG)
    return folder


@pytest.mark.parametrize(
    "names",
    [
        ("val-0001.png", "val-0002.png"),
        ("val-0001.PNG", "val-0002.Png"),
        ("0001.png", "0002.PNG"),
        ("val-0001.png", "0002.png", "notes.txt", "._val-0001.png", ".DS_Store", "val-0009.png", "Thumbs.db"),
    ],
)
def test_names_that_are_understood(samples: Samples, tmp_path: Path, names: tuple[str, ...]) -> None:
    folder = fill(tmp_path / "pictures", *names)
    found = list(predict(str(folder), samples, tmp_path / "out"))
    assert [one.error for one in found] == [None, None]
    assert all(one.image is not None and one.image[0, 0, 0] == 90 for one in found)


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (("notes.txt",), "no PNG file; a folder of restored images holds"),
        (("predictions/val-0001.png",), r"no PNG file \(PNGs are in .*pictures/predictions; give that\)"),
        (
            ("x.png", "y.png"),
            r"none of its 2 PNGs has the name of a sample, such as val-0001\.png; the first is x\.png",
        ),
        (("0001.PNG", "0001.png"), r"0001\.PNG and 0001\.png have one name; remove one"),
    ],
)
def test_what_is_refused_in_one_line(
    samples: Samples, tmp_path: Path, names: tuple[str, ...], says: str
) -> None:
    folder = fill(tmp_path / "pictures", *names)
    with pytest.raises(MethodError, match=says):
        predict(str(folder), samples, tmp_path / "out")


def test_a_group_of_two_splits_needs_the_whole_id(samples: Samples, tmp_path: Path) -> None:
    for kind in ("inputs", "gt"):
        fill(tmp_path / f"set/train/{kind}/0001", "img_1.png")
    folder = fill(tmp_path / "pictures", "0001.png", "0002.png")
    with pytest.raises(MethodError, match=r"0001\.png: is it train-0001 or val-0001\?"):
        predict(str(folder), open_samples(tmp_path / "set"), tmp_path / "out")
    fill(folder, "train-0001.png", "val-0001.png")
    found = list(predict(str(folder), open_samples(tmp_path / "set"), tmp_path / "out"))
    assert [one.error for one in found] == [None] * 3


def test_a_missing_picture_is_a_failed_sample(samples: Samples, tmp_path: Path) -> None:
    folder = fill(tmp_path / "pictures", "val-0001.png")
    found = list(predict(str(folder), samples, tmp_path / "out"))
    assert found[0].error is None and "val-0002.png: missing" in (found[1].error or "")
