"""Compare a frame with its own ground truth: how much detail is left, and what the blur does not explain.

The ground truth is laid over the frame (its size, its brightness, an affine map found by correlation) and a
small kernel is fitted by least squares that makes the frame of it. The kernel's response shows the blur, the
residual shows noise, compression and misregistration. Both are biased; real and synthetic frames are compared
by the same biased numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np

from mdlp_bench.images import ImageU8
from mdlp_bench.quality.statistics import FloatPlane, luminance

PAIRED_NAMES: Final = ("response_horizontal", "response_vertical", "residual")

_RADIUS: Final = 3
_FREQUENCY: Final = 0.2
_RIDGE: Final = 1e-3
_STEPS: Final = 30
_SMOOTHING: Final = 3
# The least correlation of a registration that counts.
_CORRELATED: Final = 0.4
_SMALLEST: Final = 4 * _RADIUS


def paired_statistics(frames: Sequence[ImageU8], gt: ImageU8) -> dict[str, float]:
    """Means over the frames that can be registered to the ground truth; NaN without one.

    Args:
        frames: uint8 RGB [h, w, 3] each.
        gt: The ground truth, uint8 RGB [H, W, 3].

    Returns:
        `response_horizontal` and `response_vertical`: what the kernel leaves of a wave of 0.2 cycles per
        pixel in that direction, relative to what it leaves of the mean (1: all); `residual`: standard
        deviation of frame minus kernel * plate, grey levels.
    """
    plane = luminance(gt)
    found = [row for frame in frames if (row := _frame(luminance(frame), plane)) is not None]
    means = np.mean(found, axis=0) if found else np.full(len(PAIRED_NAMES), math.nan)
    return dict(zip(PAIRED_NAMES, map(float, means), strict=True))


def _frame(frame: FloatPlane, gt: FloatPlane) -> tuple[float, float, float] | None:
    height, width = frame.shape
    if min(height, width) < _SMALLEST or frame.std() < 1:
        return None
    small = np.asarray(cv2.resize(gt, (width, height), interpolation=cv2.INTER_AREA), np.float32)
    laid = _registered(small, frame)
    if laid is None:
        return None
    shifts = range(-_RADIUS, _RADIUS + 1)
    inner = (slice(_RADIUS, height - _RADIUS), slice(_RADIUS, width - _RADIUS))
    windows = np.lib.stride_tricks.sliding_window_view(laid, (len(shifts), len(shifts)))
    design = windows.reshape(-1, len(shifts) ** 2).astype(np.float64)
    design = np.concatenate([design, np.ones((len(design), 1))], axis=1)
    wanted = frame[inner].ravel().astype(np.float64)
    normal = design.T @ design
    normal += _RIDGE * np.trace(normal) / len(normal) * np.eye(len(normal))
    weights = np.linalg.solve(normal, design.T @ wanted)
    kernel = weights[:-1].reshape(len(shifts), len(shifts))
    total = float(kernel.sum())
    if abs(total) < 1e-3:
        return None
    wave = np.exp(2j * np.pi * _FREQUENCY * np.array(shifts))
    across, down = (abs(complex((kernel.sum(axis=axis) * wave).sum())) for axis in (0, 1))
    return across / abs(total), down / abs(total), float((wanted - design @ weights).std())


def _registered(gt: FloatPlane, frame: FloatPlane) -> FloatPlane | None:
    """The ground truth mapped onto the frame; None where they do not correlate."""
    matrix, everywhere = np.eye(2, 3, dtype=np.float32), np.full(frame.shape, 255, np.uint8)
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, _STEPS, 1e-4)
    try:
        correlation, found = cv2.findTransformECC(
            frame, gt, matrix, cv2.MOTION_AFFINE, criteria, everywhere, _SMOOTHING
        )
    except cv2.error:
        # It does not converge where the two have nothing in common.
        return None
    if correlation < _CORRELATED:
        return None
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (frame.shape[1], frame.shape[0])
    laid = cv2.warpAffine(gt, np.asarray(found), size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(laid, np.float32)
