"""The thresholds of pairing, in one place and printed in every report."""

from __future__ import annotations

import re
from typing import Final, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from mdlp_bench.errors import checked, no_such
from mdlp_bench.frozen import Frozen

OFFICIAL_FRAMES: Final = 3

RejectCode = Literal[
    "too-short",
    "no-window",
    "gt-too-small",
    "gt-blurred",
    "not-degraded",
    "text-uncertain",
    "broken-image",
    "frame-order",
    "annotation",
]
"""Why a track or a triplet was left out, in the order in which it is tested from `too-short` on."""

REJECT_CODES: Final[tuple[RejectCode, ...]] = get_args(RejectCode)

_WINDOW: Final = re.compile(r"window:([0-9]+)-([0-9]+)")
_GAP: Final = re.compile(r"gap:([0-9]+)")


class PairingConfig(Frozen):
    """How a track becomes triplets.

    Attributes:
        n_frames: Degraded frames of a triplet.
        policy: Which run of `n_frames` consecutive frames in front of the ground truth is taken: `earliest` -
            the earliest; `official` - the three lowest-numbered of the track, whatever they are;
            `lowest-size` - the one with the smallest mean area; `window:LOW-HIGH` - the earliest whose plates
            are all LOW to HIGH pixels high; `gap:K` - the latest that leaves at least K frames between itself
            and the ground truth.
        max_triplets: Triplets of a track at most; all share its ground truth.
        stride: Least number of frames between the starts of two triplets (below `n_frames` they share
            frames).
        late_share: The ground truth is one of the last frames, this share of the track.
        size_weight: Weight of the height in the ground truth's score.
        sharpness_weight: Weight of the sharpness.
        confidence_weight: Weight of the reading confidence, when there is a reader.
        min_gt_height: Pixels.
        min_gt_sharpness: Tenengrad at the working size (see `FrameMeasures`). Ground truths of real data have
            220 and more; a plate 40 pixels high has about 130.
        max_frame_sharpness: A triplet is degraded when each of its frames has at most this share of the
            ground truth's Tenengrad ...
        max_frame_confidence: ... and no frame of it is read as the plate's text with this confidence.
        sharp_share: Late frames with at least this share of the ground truth's Tenengrad vote on the text.
        min_text_confidence: Confidence that the weakest character of a voted text needs.
    """

    n_frames: int = Field(default=3, ge=1, le=64)
    policy: str = "earliest"
    max_triplets: int = Field(default=1, ge=1, le=10_000)
    stride: int = Field(default=3, ge=1)
    late_share: float = Field(default=1 / 3, gt=0, le=1)
    size_weight: float = Field(default=1.0, ge=0)
    sharpness_weight: float = Field(default=1.0, ge=0)
    confidence_weight: float = Field(default=1.0, ge=0)
    min_gt_height: int = Field(default=40, ge=1)
    min_gt_sharpness: float = Field(default=120.0, ge=0)
    max_frame_sharpness: float = Field(default=0.5, gt=0)
    max_frame_confidence: float = Field(default=0.9, ge=0)
    sharp_share: float = Field(default=0.5, ge=0, le=1)
    min_text_confidence: float = Field(default=0.6, ge=0, le=1)

    @field_validator("policy")
    @classmethod
    def _known(cls, policy: str) -> str:
        parse_policy(policy)
        return policy

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.policy == "official" and (self.n_frames, self.max_triplets) != (OFFICIAL_FRAMES, 1):
            raise ValueError("the official policy takes one triplet of 3 frames per track")
        if self.size_weight + self.sharpness_weight == 0:
            raise ValueError("size_weight and sharpness_weight cannot both be 0")
        return self


def parse_policy(policy: str) -> tuple[str, tuple[int, ...]]:
    """The name and the numbers of a policy.

    Raises:
        ValueError: There is no such policy.
    """
    if policy in ("earliest", "official", "lowest-size"):
        return policy, ()
    if match := _WINDOW.fullmatch(policy):
        low, high = int(match[1]), int(match[2])
        if low > high:
            raise ValueError(f"policy {policy}: {low} is above {high}")
        return "window", (low, high)
    if match := _GAP.fullmatch(policy):
        return "gap", (int(match[1]),)
    known = ("earliest", "official", "lowest-size", "window:LOW-HIGH", "gap:K")
    raise no_such("policy", policy, known, ValueError, hint="; LOW and HIGH are pixels, K frames")


def make_config(**values: object) -> PairingConfig:
    """A config of these values.

    Raises:
        DataError: A value is not allowed; names it.
    """
    return checked(PairingConfig, values, "pairing")
