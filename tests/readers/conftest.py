"""The real plates that readers are measured on."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rapidfuzz.distance.Levenshtein import normalized_distance

from mdlp_bench.images import ImageU8, decode
from mdlp_bench.metrics.protocol import to_working_size
from mdlp_bench.readers.base import Reader

Labelled = list[tuple[ImageU8, str]]
Measure = Callable[[Reader, Labelled], tuple[int, float]]


def _measure(reader: Reader, plates: Labelled) -> tuple[int, float]:
    readings = reader.read([image for image, _ in plates])
    exact = sum(reading.text == text for reading, (_, text) in zip(readings, plates, strict=True))
    ned = float(
        np.mean([normalized_distance(r.text, text) for r, (_, text) in zip(readings, plates, strict=True)])
    )
    return exact, ned


@pytest.fixture(scope="session")
def measure() -> Measure:
    """A function of a reader and labelled plates: plates read exactly, mean normalised edit distance."""
    return _measure


def _load(path: Path) -> ImageU8:
    return decode(path.read_bytes(), path.name)


def _groups(shared_dir: Path) -> list[tuple[str, str]]:
    with (shared_dir / "real/mdlp_figures/labels.csv").open(encoding="utf-8") as stream:
        return [(row["group"], row["text"]) for row in csv.DictReader(stream)]


@pytest.fixture(scope="session")
def ground_truths(shared_dir: Path) -> Labelled:
    folder = shared_dir / "real/mdlp_figures/val/gt"
    return [
        (to_working_size(_load(next((folder / group).iterdir()))), text)
        for group, text in _groups(shared_dir)
    ]


@pytest.fixture(scope="session")
def third_frames(shared_dir: Path) -> Labelled:
    def number(path: Path) -> int:
        return int(path.stem.split("_")[1])

    folder = shared_dir / "real/mdlp_figures/val/inputs"
    return [
        (to_working_size(_load(sorted((folder / group).iterdir(), key=number)[2])), text)
        for group, text in _groups(shared_dir)
    ]


@pytest.fixture(scope="session")
def real_crops(shared_dir: Path) -> Labelled:
    return [
        (_load(path), path.stem.split("_")[0]) for path in sorted((shared_dir / "real/plate_crops").iterdir())
    ]
