"""The bundled rectifying reader: better on real plates than the second, silent where none stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

import mdlp_bench as mb
from mdlp_bench.images import ImageU8
from mdlp_bench.readers.base import Reader
from mdlp_bench.readers.rectifying import RectifyingReader
from mdlp_bench.readers.rectifying.weights import bundled_weights, load_rectifying
from mdlp_bench.readers.registry import load_reader
from mdlp_bench.synth.render import render_samples
from mdlp_bench.training.rectifying import RectifyingTraining

Labelled = list[tuple[ImageU8, str]]
Measure = Callable[[Reader, Labelled], tuple[int, float]]


@pytest.fixture(scope="module")
def third() -> Reader:
    return load_reader("crnn-3")


def empty_share(reader: Reader, crops: Sequence[ImageU8]) -> float:
    return float(np.mean([reading.text == "" for reading in reader.read(crops)]))


def test_the_third_reader_reads_real_plates_better(
    measure: Measure, third: Reader, real_crops: Labelled, ground_truths: Labelled
) -> None:
    assert measure(third, real_crops)[0] > measure(load_reader("crnn-2"), real_crops)[0]
    assert measure(third, ground_truths)[0] == 36


def test_the_third_reader_reads_nothing_where_there_is_no_plate(third: Reader) -> None:
    rng = np.random.default_rng(4)
    noise = [rng.integers(0, 256, (40, 110, 3), dtype=np.uint8) for _ in range(20)]
    flat = [np.full((30, 90, 3), rng.integers(0, 256, 3), np.uint8) for _ in range(20)]
    assert empty_share(third, noise) >= 0.95 and empty_share(third, flat) >= 0.95


def test_the_third_reader_reads_nothing_where_no_plate_stands_upright(
    third: Reader, real_crops: Labelled
) -> None:
    crops = [crop for crop, _ in real_crops]
    turned = [crop[::-1, ::-1].copy() for crop in crops]
    edges = [edge for crop in crops for edge in (crop[: len(crop) // 4], crop[-(len(crop) // 4) :])]
    for nothing in (turned, edges):
        assert empty_share(third, nothing) >= 0.95
    # The second reads upside-down plates like any other.
    assert empty_share(load_reader("crnn-2"), turned) < 0.5


def test_the_third_reader_reads_clean_renders_and_not_by_their_batch(third: Reader) -> None:
    renders = list(render_samples(11, 20, layouts={"blue": 1.0}))
    clean = [mb.render(render.text, difficulty=0.0).image for render in renders]
    assert [reading.text for reading in third.read(clean)] == [render.text for render in renders]
    assert isinstance(third, RectifyingReader)
    blurred = [cv2.GaussianBlur(render.image, (0, 0), 4) for render in renders]
    together = third.probabilities(blurred)
    alone = np.concatenate([third.probabilities([image]) for image in blurred])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_the_bundled_file_is_small_and_says_what_it_is() -> None:
    reader = load_reader("crnn-3")
    assert isinstance(reader, RectifyingReader)
    assert (reader.descriptor.name, reader.descriptor.version) == ("crnn-3", "3")
    assert bundled_weights().stat().st_size <= 4_000_000
    for decoding in ("", "-beam", "-grammar"):
        believed_from = load_reader(f"crnn-3{decoding}").descriptor.believed_from
        assert believed_from is not None and 0 < believed_from < 1


def test_the_recipe_of_the_bundled_file_is_the_default_training() -> None:
    recipe = Path(__file__).parents[2] / "recipes" / "reader" / "crnn-3.yaml"
    training = RectifyingTraining.model_validate(yaml.safe_load(recipe.read_text(encoding="utf-8")))
    assert training == RectifyingTraining(network="rectifying")
    found = load_rectifying(bundled_weights()).config
    fitted = {name: getattr(found.line, name) for name in ("temperature", "believed_from")}
    settings = {
        "line": training.reader.line.model_copy(update=fitted),
        "region_temperature": found.region_temperature,
    }
    assert found == training.reader.model_copy(update=settings)
