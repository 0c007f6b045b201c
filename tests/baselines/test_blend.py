"""A restored image averaged with its frames: the average itself, and what its descriptor says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.blend import Blend, lp_diff_long_blend
from baselines.classical import frame_mean
from baselines.srcnn_method import srcnn
from mdlp_bench.errors import MethodError
from mdlp_bench.methods import MOST_FRAMES, FrameBatch, load_method


def _batch(samples: int = 2, frames: int = 3) -> FrameBatch:
    rng = np.random.default_rng(5)
    native = tuple(
        tuple(rng.integers(0, 256, (20, 48, 3), np.uint8) for _ in range(frames)) for _ in range(samples)
    )
    return FrameBatch(tuple(map(str, range(samples))), native)


_BATCH = _batch()
_RESTORED = srcnn().restore_batch(_BATCH).astype(np.float64)
_MEAN = frame_mean().restore_batch(_BATCH).astype(np.float64)


@given(st.floats(0, 1))
def test_it_lies_between_the_restored_image_and_the_frames(share: float) -> None:
    found = Blend(srcnn(), share).restore_batch(_BATCH)
    assert found.dtype == np.uint8 and found.shape == (2, 112, 224, 3)
    wanted = _RESTORED + share * (_MEAN - _RESTORED)
    assert np.abs(found - wanted).max() < 0.51


def test_the_ends_are_the_two_images() -> None:
    assert np.array_equal(Blend(srcnn(), 0).restore_batch(_BATCH), _RESTORED)
    assert np.array_equal(Blend(srcnn(), 1).restore_batch(_BATCH), _MEAN)
    with pytest.raises(MethodError, match=r"share 1.5: must lie between 0 and 1"):
        Blend(srcnn(), 1.5)


def test_its_descriptor_says_what_it_is() -> None:
    plain, blended = load_method("lp-diff-long").descriptor, lp_diff_long_blend().descriptor
    assert (blended.name, blended.frames_used) == ("lp-diff-long-blend", MOST_FRAMES)
    assert blended.title == f"{plain.title}, 50 % frames"
    assert "50 % are the mean of the first five" in blended.frame_policy
    assert blended.weights_sha256 == plain.weights_sha256 and blended.parameters == plain.parameters
    assert Blend(srcnn(), 0.25, "mine").descriptor.name == "mine"
