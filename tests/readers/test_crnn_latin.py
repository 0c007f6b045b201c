"""The bundled reader of Brazil's plates, on real pictures that it has not seen in training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mdlp_bench.data import open_samples
from mdlp_bench.images import ImageU8, decode
from mdlp_bench.methods import FrameBatch, load_method
from mdlp_bench.readers import load_reader
from mdlp_bench.readers.crnn.weights import bundled_weights
from mdlp_bench.synth.render import Appearance, render_samples

EXACT = 30
"""Of the 35 sharp pictures, with the bundled weights: five tracks of seven are mostly read, two are not."""


@pytest.fixture(scope="module")
def sharp(shared_dir: Path) -> list[tuple[ImageU8, str]]:
    """The high-resolution pictures of six tracks of UFPR-SR-Plates and one of LRLPR, with their texts."""
    found = []
    for folder in sorted((shared_dir / "real/ufpr_sr").glob("*/plate-*")):
        text = next(folder.glob("*_*.txt")).stem.rsplit("_", 1)[1]
        found += [(decode(p.read_bytes(), p.name), text) for p in sorted(folder.glob("hr-*.png"))]
    for folder in (shared_dir / "real/lrlpr").rglob("track_*"):
        text = json.loads((folder / "annotations.json").read_text())["plate_text"]
        found += [(decode(p.read_bytes(), p.name), text) for p in sorted(folder.glob("hr-*.jpg"))]
    return found


def test_most_sharp_pictures_are_read_exactly(sharp: list[tuple[ImageU8, str]]) -> None:
    readings = load_reader("crnn-latin").read([image for image, _ in sharp])
    right = sum(reading.text == text for reading, (_, text) in zip(readings, sharp, strict=True))
    assert len(sharp) == 35 and right >= EXACT


def test_rendered_plates_are_read() -> None:
    layouts = {"brazilian": 1.0, "mercosur": 1.0}
    samples = list(render_samples(77, 40, layouts=layouts, appearance=Appearance(difficulty=0.1)))
    for name in ("crnn-latin", "crnn-latin-grammar"):
        readings = load_reader(name).read([sample.image for sample in samples])
        right = sum(reading.text == sample.text for reading, sample in zip(readings, samples, strict=True))
        assert right >= 36, name


def test_it_is_small() -> None:
    assert bundled_weights("crnn-latin").stat().st_size < 4_000_000


def test_fusion_reads_tracks_of_five_frames(shared_dir: Path) -> None:
    method = load_method("reading-fusion-latin")
    assert method.descriptor.frames_used == 5 and method.descriptor.name == "reading-fusion-latin"
    samples = list(open_samples(shared_dir / "real/ufpr_sr"))
    frames = tuple(tuple(sample.decode_frames()) for sample in samples)
    assert {len(track) for track in frames} == {5}
    readings = method.read_batch(FrameBatch(tuple(s.sample_id for s in samples), frames))  # type: ignore[union-attr]
    assert all(len(reading.text) == 7 for reading in readings)
