"""How good one frame of a track is: size, sharpness, contrast, exposure, noise, JPEG blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

import cv2
import numpy as np

from mdlp_bench.images import ImageU8
from mdlp_bench.metrics.protocol import to_working_size
from mdlp_bench.quality.statistics import (
    FloatPlane,
    blockiness,
    gradients,
    luminance,
    measurable_size,
    noise_sigma,
)

_DARK, _BRIGHT = 2, 253


@dataclass(frozen=True, slots=True)
class FrameMeasures:
    """Measures of one plate crop, without a reference.

    The two sharpnesses are taken at the working size (112 x 224), so crops of different sizes compare: a
    small crop enlarged has no fine edges, however crisp its pixels are. The rest is measured on the pixels as
    given.

    Attributes:
        width: Pixels.
        height: Pixels.
        tenengrad: Mean squared Sobel gradient, in (grey levels per pixel)^2; see `tenengrad`.
        laplacian: Variance of the Laplacian, in grey levels^2; see `laplacian_variance`.
        contrast: Standard deviation of the luminance / 255, range [0, 0.5].
        exposure: Mean luminance / 255, range [0, 1].
        clipped: Share of pixels that are black or white beyond recovery, range [0, 1].
        noise: Standard deviation of the noise, grey levels (`quality.statistics.noise_sigma`).
        blockiness: Step across the JPEG grid over steps elsewhere (`quality.statistics.blockiness`).
    """

    width: int
    height: int
    tenengrad: float
    laplacian: float
    contrast: float
    exposure: float
    clipped: float
    noise: float
    blockiness: float


MEASURE_NAMES: Final[tuple[str, ...]] = tuple(field.name for field in fields(FrameMeasures))


def measure_frame(image: ImageU8) -> FrameMeasures:
    """Measure one uint8 RGB plate crop [H, W, 3].

    Raises:
        DataError: Not uint8 RGB, or smaller than 6 pixels in a direction.
    """
    height, width = measurable_size(image)
    luma = luminance(image)
    working = luminance(to_working_size(image))
    return FrameMeasures(
        width=width,
        height=height,
        tenengrad=tenengrad(working),
        laplacian=laplacian_variance(working),
        contrast=float(luma.std()) / 255,
        exposure=float(luma.mean()) / 255,
        clipped=float(((luma <= _DARK) | (luma >= _BRIGHT)).mean()),
        noise=noise_sigma(luma),
        blockiness=blockiness(luma),
    )


def unsteady(sizes: Sequence[tuple[int, int]], tolerance: float = 0.2) -> str | None:
    """What is odd about the sizes (width, height) of a track's frames, in order; None if nothing is.

    A vehicle that comes nearer grows steadily, one that leaves shrinks. Where the side (the square root of
    the area) falls by more than `tolerance` of what it had been and also rises by more, the frames may be out
    of order.
    """
    sides = np.sqrt([float(width * height) for width, height in sizes])
    if len(sides) < 3 or not sides.min():
        return None
    fall = float((1 - sides / np.maximum.accumulate(sides)).max())
    rise = float((1 - np.minimum.accumulate(sides) / sides).max())
    if min(fall, rise) <= tolerance:
        return None
    place = int((1 - sides / np.maximum.accumulate(sides)).argmax())
    shown = ", ".join(f"{width} x {height}" for width, height in sizes[max(0, place - 1) : place + 2])
    return (
        f"the plate neither grows nor shrinks steadily ({shown} px at frame {place + 1} of {len(sides)}), "
        "so the frames may be out of order; --order chooses how names are read"
    )


def tenengrad(luma: FloatPlane) -> float:
    """Mean of Gx^2 + Gy^2 with Sobel / 8 (Tenenbaum 1970; Krotkov 1988), for luminance [H, W] of 0-255."""
    dx, dy = gradients(luma)
    return float((dx**2 + dy**2).mean())


def laplacian_variance(luma: FloatPlane) -> float:
    """Variance of the 4-neighbour Laplacian (Pech-Pacheco et al. 2000), for luminance [H, W] of 0-255."""
    return float(cv2.Laplacian(luma, cv2.CV_32F).var())
