"""The conformance checks pass what the package brings, and name what is wrong with what breaks a rule."""

from __future__ import annotations

import csv
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mdlp_bench as mb
from mdlp_bench.data import open_samples, write_parquet
from mdlp_bench.data.sources.base import FileEntry, FileSamples
from mdlp_bench.data.sources.registry import Source
from mdlp_bench.harness.scorers import Images
from mdlp_bench.methods import FrameBatch, Method, MethodDescriptor
from mdlp_bench.metrics import fidelity
from mdlp_bench.metrics.base import METRICS, UserMetric
from mdlp_bench.readers import Reader, ReaderDescriptor, Reading
from mdlp_bench.synth.degrade import parse_recipe, recipe_names
from mdlp_bench.testing import check_method, check_metric, check_reader, check_recipe, check_source

METHODS = [
    "ground-truth", "input", "bicubic", "lanczos", "best-frame", "frame-mean", "aligned-mean",
    "reading-fusion", "srcnn", "lp-diff", "lp-diff-long", "lp-diff-long-blend", "lp-diff-psi",
]  # fmt: skip


@pytest.mark.parametrize("name", METHODS)
def test_bundled_methods_conform(name: str) -> None:
    check_method(name, samples=3)


@pytest.mark.parametrize("name", ["crnn", "ppocrv4"])
def test_bundled_readers_conform(name: str) -> None:
    if name != "crnn" and importlib.util.find_spec("onnxruntime") is None:
        pytest.skip("onnxruntime is not installed")
    check_reader(name)


@pytest.mark.parametrize("name", ["psnr", "ssim"])
def test_bundled_metrics_conform(name: str) -> None:
    check_metric(UserMetric(METRICS[name], getattr(fidelity, name), ""))


@pytest.mark.parametrize("name", recipe_names())
def test_bundled_recipes_conform(name: str) -> None:
    check_recipe(name)


def test_bundled_sources_conform(mdlp: Path, lrlpr: Path, tmp_path: Path, draw: Callable[..., bytes]) -> None:
    check_source("mdlp", mdlp)
    check_source("lrlpr", lrlpr)
    crops = tmp_path / "crops"
    crops.mkdir()
    for number, text in enumerate(("京P20S75", "沪AD12345")):
        (crops / f"{text}.jpg").write_bytes(draw(number))
    check_source("crops", crops)
    with (crops / "table.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerows([("gt", "text"), ("京P20S75.jpg", "京P20S75"), ("沪AD12345.jpg", "沪AD12345")])
    check_source("table", crops / "table.csv")
    write_parquet(open_samples(mdlp), tmp_path / "pq", shard_rows=2)
    check_source("parquet", tmp_path / "pq")


class Faulty(Method):
    """The last frame, unless a subclass breaks a rule."""

    descriptor = MethodDescriptor(name="faulty", title="Faulty")

    def restore_batch(self, batch: FrameBatch) -> Any:
        return batch.frames(1)[:, 0]


class Random(Faulty):
    def restore_batch(self, batch: FrameBatch) -> Any:
        return np.random.default_rng().integers(0, 256, (len(batch), 112, 224, 3), np.uint8)


class Seeded(Faulty):
    def restore_batch(self, batch: FrameBatch) -> Any:
        return np.stack([np.full((112, 224, 3), seed % 251, np.uint8) for seed in batch.seeds])


class Mixing(Faulty):
    def restore_batch(self, batch: FrameBatch) -> Any:
        frames = super().restore_batch(batch)
        return np.repeat(frames.mean(axis=0, keepdims=True).astype(np.uint8), len(frames), axis=0)


class Writing(Faulty):
    def restore_batch(self, batch: FrameBatch) -> Any:
        batch.native[0][0][:] = 0
        return super().restore_batch(batch)


class Floats(Faulty):
    def restore_batch(self, batch: FrameBatch) -> Any:
        return super().restore_batch(batch) / 255


class Heavy(Faulty):
    def __init__(self) -> None:
        self.helper = lambda: None


class Small(Faulty):
    def restore_batch(self, batch: FrameBatch) -> Any:
        frames = super().restore_batch(batch)
        return frames if batch.native[0][0].shape[0] > 1 else frames[:, :1]


class Words(Faulty):
    descriptor = MethodDescriptor(name="words", title="Words", output="text")


@pytest.mark.parametrize(
    ("method", "says"),
    [
        (Random, "when it is called again"),
        (Seeded, "depends on the seed; say deterministic=False"),
        (Mixing, "depends on the other samples"),
        (Writing, "changes the frames"),
        (Floats, r"returned float64 \[2, 112, 224, 3\]"),
        (Heavy, "cannot be pickled"),
        (Small, r"returned uint8 \[1, 1, 224, 3\]"),
        (Words, "gives images, its descriptor says text"),
    ],
)
def test_a_method_that_breaks_a_rule_is_told_which(method: type[Faulty], says: str) -> None:
    with pytest.raises(AssertionError, match=says):
        check_method(method(), samples=2)


def test_a_method_that_keeps_the_rules_passes() -> None:
    check_method(Faulty(), samples=2)
    seeded = Seeded()
    seeded.descriptor = seeded.descriptor.model_copy(update={"deterministic": False})
    check_method(seeded, samples=2)


def mean_error(restored: Images, gt: Images) -> Any:
    return np.abs(restored.astype(float) - gt).mean(axis=(1, 2, 3))


def shared_error(restored: Images, gt: Images) -> Any:
    return np.repeat(mean_error(restored, gt).mean(), len(gt)) if len(gt) else np.empty(0)


def writing_error(restored: Images, gt: Images) -> Any:
    restored[:] = 0
    return mean_error(restored, gt)


def random_error(restored: Images, gt: Images) -> Any:
    return np.random.default_rng().uniform(0, 1, len(gt))


@pytest.mark.parametrize(
    ("function", "options", "says"),
    [
        (mean_error, {}, None),
        (shared_error, {}, "depends on the other images"),
        (writing_error, {}, "changes the images"),
        (random_error, {}, "when it is called again"),
        (mean_error, {"best": 1.0}, "identical images get 0, its best value is 1"),
        (mean_error, {"worst": 5.0}, "scores worse than a failed one"),
        (mean_error, {"higher_is_better": True, "worst": 0.0}, "wrong way round"),
    ],
)
def test_a_metric_that_breaks_a_rule_is_told_which(
    function: Any, options: dict[str, Any], says: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mdlp_bench.metrics import base

    monkeypatch.setattr(base, "_METRICS", dict(base._METRICS))
    fields: dict[str, Any] = {"higher_is_better": False, "worst": 255.0, "best": 0.0} | options
    made = mb.metric(**fields)(function)
    if says is None:
        check_metric(made)
        return
    with pytest.raises(AssertionError, match=says):
        check_metric(made)


class FaultyReader(Reader):
    """Reads the mean level, unless a subclass breaks a rule."""

    descriptor = ReaderDescriptor(
        name="faulty", title="Faulty", version="1", weights_sha256=None, licence="MIT"
    )

    def read(self, images: Any) -> list[Reading]:
        return [Reading(str(int(image.mean())), (0.5,) * len(str(int(image.mean())))) for image in images]


class Counting(FaultyReader):
    def read(self, images: Any) -> list[Reading]:
        return [Reading(str(n), (1.0,)) for n in range(len(images))]


class Sorting(FaultyReader):
    def read(self, images: Any) -> list[Reading]:
        return sorted(super().read(images), key=lambda reading: reading.text)


class Doubles(FaultyReader):
    def features(self, images: Any) -> Any:
        return np.zeros((len(images), 4))


@pytest.mark.parametrize(
    ("reader", "says"),
    [
        (FaultyReader, None),
        (Counting, "does not keep the order"),
        (Sorting, "does not keep the order"),
        (Doubles, r"features must be float32 \[B, D\]"),
    ],
)
def test_a_reader_that_breaks_a_rule_is_told_which(reader: type[Reader], says: str | None) -> None:
    if says is None:
        check_reader(reader())
        return
    with pytest.raises(AssertionError, match=says):
        check_reader(reader())


def _pairs(path: str, split: str | None, order: Any) -> FileSamples:
    files = sorted(Path(path).glob("*.jpg"))
    return FileSamples("pairs", [FileEntry(p.stem, "all", "pairs", (p,), (0,), None) for p in files])


class Blind(FileSamples):
    """Keeps broken samples."""

    def _verified(self, entry: FileEntry) -> Any:
        return self.read(entry, with_images=True)


def _blind(path: str, split: str | None, order: Any) -> FileSamples:
    files = sorted(Path(path).glob("*.jpg"))
    return Blind("pairs", [FileEntry(p.stem, "all", "pairs", (p,), (0,), None) for p in files])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, None),
        ({"recognise": lambda path: True}, "recognises an empty folder"),
        ({"open": _blind}, "keeps samples whose images are broken"),
    ],
)
def test_a_source_that_breaks_a_rule_is_told_which(
    changes: dict[str, Any], says: str | None, tmp_path: Path, draw: Callable[..., bytes]
) -> None:
    for number in range(3):
        (tmp_path / f"p{number}.jpg").write_bytes(draw(number))
    fields: dict[str, Any] = {
        "name": "pairs", "title": "Pairs", "layout": "*.jpg", "recognise": lambda path: False, "open": _pairs,
    }  # fmt: skip
    source = Source(**(fields | changes))
    if says is None:
        check_source(source, tmp_path)
        return
    with pytest.raises(AssertionError, match=says):
        check_source(source, tmp_path)


def test_a_recipe_that_enlarges_is_told_so() -> None:
    text = """
name: large
version: 1
description: Frames larger than the plate.
camera: {width: 300, distance: 20, speed: 0}
steps: [{op: resize, params: {of: frame, interpolation: bicubic}}]
"""
    with pytest.raises(AssertionError, match="larger than the working size"):
        check_recipe(parse_recipe(text, "large"))
