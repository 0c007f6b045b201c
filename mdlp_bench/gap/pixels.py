"""What single frames and pairs of consecutive frames say beside `mdlp_bench.degrade.statistics`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Final

import cv2
import numpy as np

from mdlp_bench.degrade.statistics import FloatPlane, luminance
from mdlp_bench.images import ImageU8

# Frames of a track differ in size; they are laid over one another at this one (height, width).
_COMMON: Final = (32, 64)
_MARGIN: Final = 3


@dataclass(frozen=True, slots=True)
class ColourStatistics:
    """Means over an image.

    Attributes:
        brightness: Luma (BT.601) / 255.
        colourfulness: Largest minus smallest channel, / 255.
        warmth: Red minus blue, / 255.
    """

    brightness: float
    colourfulness: float
    warmth: float


@dataclass(frozen=True, slots=True)
class TemporalStatistics:
    """Means over pairs of consecutive frames, brought to one size.

    Attributes:
        growth: Width of the later frame / width of the earlier one.
        shift: Displacement between them by phase correlation, in plate widths.
        change: 1 - normalised correlation of their luminances after that displacement is undone, 0-2.
    """

    growth: float
    shift: float
    change: float


COLOUR_NAMES: Final = tuple(field.name for field in fields(ColourStatistics))
TEMPORAL_NAMES: Final = tuple(field.name for field in fields(TemporalStatistics))


def colour_statistics(image: ImageU8) -> ColourStatistics:
    """Colour of uint8 RGB [H, W, 3]."""
    values = image.reshape(-1, 3).astype(np.float32) / 255
    means = values.mean(axis=0)
    return ColourStatistics(
        brightness=float(means @ np.array([0.299, 0.587, 0.114], np.float32)),
        colourfulness=float((values.max(axis=1) - values.min(axis=1)).mean()),
        warmth=float(means[0] - means[2]),
    )


def detail_direction(luma: FloatPlane) -> tuple[float, float]:
    """Which way detail was blurred, as a double-angle vector (cos 2a, sin 2a) times its strength.

    From the structure tensor J summed over the image (Bigün and Granlund 1987): ((Jyy - Jxx) / trace,
    -2 Jxy / trace), each in [-1, 1]. Blur removes the gradients along its direction: horizontal blur raises
    the first number, blur along the falling diagonal (down to the right) the second. A plate's own strokes
    give both an offset, so compare images of the same kind. (0, 0) for a flat image.
    """
    dx, dy = (cv2.Sobel(luma, cv2.CV_32F, x, y, scale=1 / 8) for x, y in ((1, 0), (0, 1)))
    jxx, jyy, jxy = (float((a * b).mean()) for a, b in ((dx, dx), (dy, dy), (dx, dy)))
    trace = jxx + jyy
    return ((jyy - jxx) / trace, -2 * jxy / trace) if trace > 1e-9 else (0.0, 0.0)


def noise_correlation(image: ImageU8) -> tuple[float, float]:
    """How noise hangs together: (between neighbouring pixels, between colour channels), each in [-1, 1].

    On the diagonal Haar detail (a - b - c + d) / 2 of 2 x 2 blocks, where least of the content is: the
    correlation of horizontally and vertically adjacent coefficients of the luma (0 for white noise, other
    values where it was resampled, compressed or denoised), and the mean correlation of the channels (0 for
    independent channels, 1 for grey noise). 0 where there is no such detail.
    """
    luma = _diagonal_detail(luminance(image))
    across = [(luma[:, :-1], luma[:, 1:]), (luma[:-1], luma[1:])]
    channels = [_diagonal_detail(image[..., k].astype(np.float32)) for k in range(3)]
    between = [(channels[i], channels[j]) for i, j in ((0, 1), (1, 2), (0, 2))]
    joined = [np.concatenate([pair[side].ravel() for pair in across]) for side in (0, 1)]
    return _cosine(joined[0], joined[1]), float(np.mean([_cosine(a, b) for a, b in between]))


def temporal_statistics(frames: Sequence[ImageU8]) -> TemporalStatistics | None:
    """Consistency of consecutive frames, uint8 RGB [h, w, 3] each; None for fewer than two."""
    if len(frames) < 2:
        return None
    height, width = _COMMON
    planes = [_resized(luminance(frame)) for frame in frames]
    shifts, changes = [], []
    for before, after in pairwise(planes):
        window = cv2.createHanningWindow((width, height), cv2.CV_32F)
        (dx, dy), _ = cv2.phaseCorrelate(before, after, window)
        undone = cv2.warpAffine(
            after,
            np.array([[1, 0, dx], [0, 1, dy]], np.float32),
            (width, height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        inner = (slice(_MARGIN, -_MARGIN), slice(_MARGIN, -_MARGIN))
        shifts.append(math.hypot(dx / width, dy / width))
        changes.append(1 - _cosine(_centred(before[inner]), _centred(np.asarray(undone, np.float32)[inner])))
    growth = [b.shape[1] / a.shape[1] for a, b in pairwise(frames)]
    return TemporalStatistics(float(np.mean(growth)), float(np.mean(shifts)), float(np.mean(changes)))


def _diagonal_detail(plane: FloatPlane) -> FloatPlane:
    even = plane[: plane.shape[0] // 2 * 2, : plane.shape[1] // 2 * 2]
    detail = even[::2, ::2] - even[::2, 1::2] - even[1::2, ::2] + even[1::2, 1::2]
    return np.asarray(detail / 2, np.float32)


def _resized(plane: FloatPlane) -> FloatPlane:
    shrinks = plane.shape[0] > _COMMON[0]
    kind = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(plane, _COMMON[::-1], interpolation=kind), np.float32)


def _centred(plane: FloatPlane) -> FloatPlane:
    return np.asarray(plane - plane.mean(), np.float32)


def _cosine(a: FloatPlane, b: FloatPlane) -> float:
    """Cosine of two arrays as vectors; 0 where one has no length."""
    lengths = float(np.sqrt(np.square(a).sum() * np.square(b).sum()))
    return float((a * b).sum()) / lengths if lengths > 1e-6 else 0.0
