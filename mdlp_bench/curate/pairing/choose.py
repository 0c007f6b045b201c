"""Which frame of a track is the ground truth, and which frames are the degraded ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mdlp_bench.curate.pairing.config import PairingConfig, parse_policy
from mdlp_bench.quality.measures import FrameMeasures


@dataclass(frozen=True, slots=True)
class Measured:
    """A frame's measures (None: it cannot be used) and, with a reader, how surely it was read, in [0, 1]."""

    measures: FrameMeasures | None
    confidence: float | None = None

    @property
    def height(self) -> int:
        """Pixels; 0 for a frame that cannot be used."""
        return self.measures.height if self.measures else 0

    @property
    def area(self) -> int:
        """Pixels; 0 for a frame that cannot be used."""
        return self.measures.height * self.measures.width if self.measures else 0

    @property
    def sharpness(self) -> float:
        """Tenengrad at the working size; 0 for a frame that cannot be used."""
        return self.measures.tenengrad if self.measures else 0.0


def first_late(count: int, config: PairingConfig) -> int:
    """Position of the first late frame of a track of `count` frames."""
    return max(count - max(1, math.ceil(config.late_share * count)), config.n_frames)


def ground_truth_scores(frames: Sequence[Measured], config: PairingConfig) -> list[float | None]:
    """How good a ground truth each frame would be, in [0, 1]; None for frames that cannot be one.

    Frames of the last `late_share` of the track (at least one frame, and none of the first `n_frames`) score
    the weighted mean of: height over the greatest height among them; square root of Tenengrad over the
    greatest among them; reading confidence, when there is a reader. The root makes the sharpness a gradient
    magnitude, so that height and sharpness fall off in the same way.
    """
    late = [p for p in range(first_late(len(frames), config), len(frames)) if frames[p].measures is not None]
    tallest = max((frames[p].height for p in late), default=0)
    sharpest = max((frames[p].sharpness for p in late), default=0.0)
    scores: list[float | None] = [None] * len(frames)
    for p in late:
        frame = frames[p]
        parts = [
            (config.size_weight, frame.height / tallest),
            (config.sharpness_weight, math.sqrt(frame.sharpness / sharpest) if sharpest > 0 else 0.0),
        ]
        if frame.confidence is not None:
            parts.append((config.confidence_weight, frame.confidence))
        scores[p] = sum(w * value for w, value in parts) / sum(w for w, _ in parts)
    return scores


def choose_ground_truth(frames: Sequence[Measured], config: PairingConfig) -> int | None:
    """Position of the frame with the best score, the later one among equals; None when there is none."""
    scores = ground_truth_scores(frames, config)
    ranked = [(score, position) for position, score in enumerate(scores) if score is not None]
    return max(ranked)[1] if ranked else None


def choose_windows(frames: Sequence[Measured], gt: int, config: PairingConfig) -> list[int]:
    """Where the triplets of a track start, the preferred one first.

    A triplet is `n_frames` consecutive usable frames that all stand before the ground truth. They are taken
    in the policy's order, skipping those that start less than `stride` from one taken already.

    Args:
        frames: The track.
        gt: Position of its ground truth.
        config: See `PairingConfig`.
    """
    n = config.n_frames
    starts = [s for s in range(gt - n + 1) if all(frame.measures for frame in frames[s : s + n])]
    name, numbers = parse_policy(config.policy)
    if name == "official":
        starts = [s for s in starts if s == 0]
    elif name == "lowest-size":
        starts.sort(key=lambda s: (sum(frame.area for frame in frames[s : s + n]), s))
    elif name == "window":
        low, high = numbers
        starts = [s for s in starts if all(low <= frame.height <= high for frame in frames[s : s + n])]
    elif name == "gap":
        starts = [s for s in reversed(starts) if gt - (s + n) >= numbers[0]]
    taken: list[int] = []
    for start in starts:
        if len(taken) == config.max_triplets:
            break
        if all(abs(start - other) >= config.stride for other in taken):
            taken.append(start)
    return taken
