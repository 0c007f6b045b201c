from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdlp_bench.curate.pairing import choose_ground_truth, choose_windows, ground_truth_scores, make_config
from mdlp_bench.curate.pairing.choose import Measured
from mdlp_bench.errors import DataError
from mdlp_bench.quality.measures import FrameMeasures


def measured(height: int, sharpness: float = 100.0, confidence: float | None = None) -> Measured:
    if height == 0:
        return Measured(None)
    measures = FrameMeasures(2 * height, height, sharpness, 10.0, 0.2, 0.4, 0.0, 1.0, 1.0)
    return Measured(measures, confidence)


def windows(heights: list[int], **values: object) -> list[int]:
    frames = [measured(height, float(height)) for height in heights]
    return choose_windows(frames, len(frames) - 1, make_config(**values))


def test_each_policy_takes_the_frames_it_promises() -> None:
    heights = [15, 14, 12, 11, 13, 16, 18, 20, 24, 90]
    assert windows(heights) == [0]
    assert windows(heights, policy="official") == [0]
    assert windows(heights, policy="lowest-size") == [2]
    assert windows(heights, policy="window:16-20") == [5]
    assert windows(heights, policy="window:40-50") == []
    # Frames 3, 4, 5; then 6, 7, 8 stay free; 9 is the ground truth.
    assert windows(heights, policy="gap:3") == [3]
    assert windows(heights, policy="gap:0") == [6]
    assert windows(heights, policy="gap:7") == []


def test_several_triplets_keep_their_stride() -> None:
    heights = list(range(10, 22))
    assert windows(heights, max_triplets=9, stride=3) == [0, 3, 6]
    assert windows(heights, max_triplets=9, stride=1) == list(range(9))
    assert windows(heights, max_triplets=2, stride=4, policy="gap:0") == [8, 4]
    assert windows(heights, max_triplets=2, stride=3, policy="lowest-size") == [0, 3]


def test_frames_that_cannot_be_used_are_never_inside_a_triplet() -> None:
    assert windows([10, 0, 12, 13, 14, 15, 90]) == [2]
    assert windows([10, 0, 12, 13, 14, 15, 90], policy="official") == []


@given(
    st.lists(st.integers(0, 60), min_size=2, max_size=30),
    st.data(),
    st.sampled_from(["earliest", "lowest-size", "window:8-40", "gap:2"]),
    st.integers(1, 4),
    st.integers(1, 5),
)
def test_triplets_stand_before_the_ground_truth(
    heights: list[int], data: st.DataObject, policy: str, n: int, stride: int
) -> None:
    frames = [measured(height) for height in heights]
    gt = data.draw(st.integers(0, len(frames) - 1))
    config = make_config(n_frames=n, policy=policy, stride=stride, max_triplets=5)
    starts = choose_windows(frames, gt, config)
    assert len(starts) <= 5
    for start in starts:
        assert start >= 0 and start + n <= gt
        assert all(frame.measures for frame in frames[start : start + n])
    assert all(abs(a - b) >= stride for a in starts for b in starts if a != b)


def test_the_ground_truth_is_late_large_sharp_and_legible() -> None:
    config = make_config()
    heights = [90, 20, 20, 20, 20, 20, 40, 60, 80]
    # The first frame is the largest but not late.
    assert choose_ground_truth([measured(h) for h in heights], config) == 8
    # A blurred last frame loses to the sharp one before it, an illegible one as well.
    blurred = [*[measured(20)] * 7, measured(70, 400.0), measured(80, 50.0)]
    assert choose_ground_truth(blurred, config) == 7
    read = [*[measured(20)] * 7, measured(78, 400.0, 0.99), measured(80, 400.0, 0.2)]
    assert choose_ground_truth(read, config) == 7
    # Equals: the later one. Frames that cannot be used: never.
    assert choose_ground_truth([measured(20)] * 9, config) == 8
    assert choose_ground_truth([*[measured(20)] * 8, measured(0)], config) == 7
    assert choose_ground_truth([measured(20)] * 6 + [measured(0)] * 3, config) is None


def test_the_score_is_the_stated_mean() -> None:
    frames = [*[measured(10)] * 6, measured(20, 100.0, 0.5), measured(40, 400.0, 1.0)]
    config = make_config(late_share=0.25, size_weight=2.0)
    scores = ground_truth_scores(frames, config)
    assert scores[:6] == [None] * 6
    assert scores[6] == pytest.approx((2 * 0.5 + 0.5 + 0.5) / 4)
    assert scores[7] == pytest.approx(1.0)


@pytest.mark.parametrize(
    "values",
    [
        {"policy": "latest"},
        {"policy": "window:9-3"},
        {"policy": "window:a-b"},
        {"policy": "gap:-1"},
        {"policy": "official", "n_frames": 5},
        {"policy": "official", "max_triplets": 2},
        {"n_frames": 0},
        {"late_share": 0.0},
        {"unknown": 1},
    ],
)
def test_values_that_make_no_sense_are_refused_in_one_line(values: dict[str, object]) -> None:
    with pytest.raises(DataError, match=r"^pairing: ") as caught:
        make_config(**values)
    assert "\n" not in str(caught.value)
