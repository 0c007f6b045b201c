"""What a reader makes of real crops and of crops without a plate: shares, confusions, what it believes.

python benchmarks/reader_accuracy.py crnn crnn-2 crnn-3 --real REAL

`--real` is a folder with `plate_crops/` (files named by their text), `mdlp_figures/`, `lpblur/` and
`ccpd_scenes/` (CCPD's own file names); what is not there is left out. A reader is what `--reader` takes.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from mdlp_bench.data import open_samples
from mdlp_bench.data.sources.ccpd import CcpdName
from mdlp_bench.images import ImageU8, decode
from mdlp_bench.readers.base import Reader
from mdlp_bench.readers.registry import load_reader

_PARTS: Final[dict[str, Callable[[ImageU8], ImageU8]]] = {
    "upper quarter": lambda crop: crop[: len(crop) // 4],
    "lower quarter": lambda crop: crop[-(len(crop) // 4) :],
    "upper third": lambda crop: crop[: len(crop) // 3],
    "lower third": lambda crop: crop[-(len(crop) // 3) :],
    "upper half": lambda crop: crop[: len(crop) // 2],
    "lower half": lambda crop: crop[len(crop) // 2 :],
    "upside down": lambda crop: crop[::-1, ::-1].copy(),
}
"""What is left of a crop that shows no whole plate, or none upright; a reader should say nothing."""


def _margin(crop: ImageU8, share: float) -> ImageU8:
    rows, columns = round(share * crop.shape[0]), round(share * crop.shape[1])
    return np.asarray(cv2.copyMakeBorder(crop, rows, rows, columns, columns, cv2.BORDER_REPLICATE), np.uint8)


def _cut(crop: ImageU8, share: float) -> ImageU8:
    rows, columns = max(1, round(share * crop.shape[0])), max(1, round(share * crop.shape[1]))
    return crop[rows:-rows, columns:-columns]


def _askew(crop: ImageU8) -> ImageU8:
    height, width = crop.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    moved = corners + np.array([[0, 0.08], [0, -0.08], [0, 0], [0, 0.08]], np.float32) * height
    moved[:, 0] += np.array([0.02, -0.02, 0.02, -0.02], np.float32) * width
    matrix = cv2.getPerspectiveTransform(corners, moved.astype(np.float32))
    return np.asarray(
        cv2.warpPerspective(crop, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def _turned(crop: ImageU8, degrees: float) -> ImageU8:
    height, width = crop.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    return np.asarray(
        cv2.warpAffine(crop, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


_DELIVERED: Final[dict[str, Callable[[ImageU8], ImageU8]]] = {
    "5 % more margin": lambda crop: _margin(crop, 0.05),
    "10 % more margin": lambda crop: _margin(crop, 0.1),
    "3 % cut off": lambda crop: _cut(crop, 0.03),
    "seen askew": _askew,
    "turned by 3 degrees": lambda crop: _turned(crop, 3),
    "blurred": lambda crop: np.asarray(cv2.GaussianBlur(crop, (0, 0), crop.shape[0] / 32), np.uint8),
}
"""Plates as other croppers and cameras deliver them; a reader should read them all the same."""


class Crops(NamedTuple):
    """Crops and what is written on them; empty texts where there is nothing to read."""

    name: str
    images: list[ImageU8]
    texts: list[str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("readers", nargs="+")
    parser.add_argument("--real", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    sets = [*_plates(arguments.real), *_nothing(arguments.real)]
    console = Console(width=150)
    for name in arguments.readers:
        reader = load_reader(name)
        console.print(_table(reader, name, sets))
        for crops in sets:
            if any(crops.texts) and crops.name.split(", ")[-1] not in _DELIVERED:
                console.print(f"{crops.name}: {_errors(reader, crops)}", soft_wrap=True)


def _table(reader: Reader, name: str, sets: Sequence[Crops]) -> Table:
    table = Table(title=f"{name}, version {reader.descriptor.version}")
    columns = ("n", "exact", "province", "rest", "empty", "5 and more", "believed", "of these wrong")
    for column in ("crops", *columns):
        table.add_column(column, justify="left" if column == "crops" else "right")
    threshold = reader.descriptor.believed_from
    for crops in sets:
        read = reader.read(crops.images)
        pairs = [(reading.text, text) for reading, text in zip(read, crops.texts, strict=True)]
        wrong = [text != truth for text, truth in pairs]
        sure = [threshold is not None and reading.confidence >= threshold for reading in read]
        shares = (
            1 - np.mean(wrong),
            np.mean([text[:1] == truth[:1] for text, truth in pairs]),
            np.mean([text[1:] == truth[1:] for text, truth in pairs]),
            np.mean([not text for text, _ in pairs]),
            np.mean([len(text) >= 5 for text, _ in pairs]),
        )
        errors = sum(a and b for a, b in zip(sure, wrong, strict=True))
        cells = [f"{share:.3f}" for share in shares]
        table.add_row(crops.name, str(len(pairs)), *cells, str(sum(sure)), str(errors))
    return table


def _errors(reader: Reader, crops: Crops) -> str:
    pairs = [(r.text, t) for r, t in zip(reader.read(crops.images), crops.texts, strict=True) if r.text != t]
    provinces = Counter(f"{t[:1]}>{text[:1] or '-'}" for text, t in pairs if text[:1] != t[:1])
    listed = ", ".join(f"{found} {n}" for found, n in provinces.most_common())
    return f"{len(pairs)} errors; provinces: {listed or 'none'}"


def _plates(real: Path) -> Iterator[Crops]:
    files = sorted((real / "plate_crops").glob("*.jpg"))
    if files:
        images, texts = [*map(_picture, files)], [file.stem.split("_")[0] for file in files]
        yield Crops("crops of 94 x 24", images, texts)
        for what, change in _DELIVERED.items():
            yield Crops(f"every fourth, {what}", [change(image) for image in images[::4]], texts[::4])
    for folder in ("mdlp_figures", "lpblur", "ccpd_scenes"):
        if (real / folder).is_dir():
            found = [s for s in open_samples(real / folder) if s.text and s.gt]
            images = [decode(s.gt.content, s.sample_id) for s in found if s.gt]
            texts = [str(s.text) for s in found]
            yield Crops(f"{folder}, ground truths", images, texts)
            if folder == "mdlp_figures":
                for what, change in _DELIVERED.items():
                    yield Crops(f"{folder}, {what}", [change(image) for image in images], texts)
    scenes = sorted((real / "ccpd_scenes").rglob("*.jpg"))
    if scenes:
        boxes, texts = [], []
        for file in scenes:
            name = CcpdName.parse(file.name)
            (left, top), (right, bottom) = name.box
            box = _picture(file)[top:bottom, left:right]
            boxes.append(np.asarray(cv2.resize(box, (94, 24)), np.uint8))
            texts.append(name.text or "")
        yield Crops("ccpd_scenes, boxes at 94 x 24", boxes, texts)


def _picture(file: Path) -> ImageU8:
    return decode(file.read_bytes(), str(file))


def _nothing(real: Path) -> Iterator[Crops]:
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (48, 96, 3), dtype=np.uint8) for _ in range(50)]
    grain = [rng.integers(0, 256, (12, 24, 3), dtype=np.uint8) for _ in range(50)]
    coarse = [np.asarray(cv2.resize(g, (96, 48)), np.uint8) for g in grain]
    flat = [np.full((48, 96, 3), rng.integers(0, 256, 3), np.uint8) for _ in range(50)]
    sets = {"noise": noise, "coarse noise": coarse, "flat colours": flat}
    scenes = sorted((real / "ccpd_scenes").rglob("*.jpg"))
    if scenes:
        sets["background of CCPD scenes"] = [crop for file in scenes for crop in _background(file, rng)]
    crops = [_picture(file) for file in sorted((real / "plate_crops").glob("*.jpg"))[::3]]
    if crops:
        sets |= {name: [part(crop) for crop in crops] for name, part in _PARTS.items()}
    for name, images in sets.items():
        yield Crops(name, images, [""] * len(images))


def _background(file: Path, rng: np.random.Generator) -> Iterator[ImageU8]:
    picture, ((left, top), (right, bottom)) = _picture(file), CcpdName.parse(file.name).box
    for _ in range(12):
        width = int(rng.integers(90, 300))
        height = int(width / rng.uniform(2.5, 4))
        x = int(rng.integers(0, picture.shape[1] - width))
        y = int(rng.integers(0, picture.shape[0] - height))
        if x + width < left or x > right or y + height < top or y > bottom:
            yield picture[y : y + height, x : x + width].copy()


if __name__ == "__main__":
    main()
