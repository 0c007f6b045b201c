"""Eight numbers that describe the degradation of an image without a reference."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from mdlp_bench.errors import DataError
from mdlp_bench.images import LUMA, ImageU8, check_rgb

FloatPlane = npt.NDArray[np.float32]

SMALLEST_SIDE: Final = 6
"""Pixels below which there is nothing to measure."""


@dataclass(frozen=True, slots=True)
class FrameStatistics:
    """Statistics of one image, on luminance (BT.601) of range 0-255 unless said otherwise.

    Attributes:
        width: Pixels.
        height: Pixels.
        sharpness: Mean magnitude of the Sobel gradient, grey levels per pixel.
        noise_sigma: Standard deviation of the noise by Immerkaer's method, grey levels.
        blockiness: Mean step across the 8-pixel JPEG grid over the mean step elsewhere; 1 without blocks.
        contrast: Standard deviation / 255.
        spectrum_slope: Exponent of the power spectrum's fall, log power over log frequency (negative).
        effective_resolution: Columns that carry detail: twice the horizontal frequency below which 95 % of
            the power lies, times the width.
    """

    width: int
    height: int
    sharpness: float
    noise_sigma: float
    blockiness: float
    contrast: float
    spectrum_slope: float
    effective_resolution: float


STATISTIC_NAMES: Final[tuple[str, ...]] = tuple(field.name for field in fields(FrameStatistics))


def frame_statistics(image: ImageU8) -> FrameStatistics:
    """All statistics of a uint8 RGB image [H, W, 3].

    Raises:
        DataError: Not uint8 RGB, or smaller than 6 pixels in a direction.
    """
    height, width = measurable_size(image)
    luma = luminance(image)
    return FrameStatistics(
        width=width,
        height=height,
        sharpness=sharpness(luma),
        noise_sigma=noise_sigma(luma),
        blockiness=blockiness(luma),
        contrast=float(luma.std()) / 255,
        spectrum_slope=spectrum_slope(luma),
        effective_resolution=effective_resolution(luma),
    )


def statistics_table(images: Iterable[ImageU8]) -> Mapping[str, npt.NDArray[np.float64]]:
    """Statistics of many images as arrays [N] by name.

    Raises:
        DataError: As in `frame_statistics`.
    """
    rows = [frame_statistics(image) for image in images]
    return {name: np.array([getattr(row, name) for row in rows], np.float64) for name in STATISTIC_NAMES}


def measurable_size(image: ImageU8) -> tuple[int, int]:
    """Height and width of a uint8 RGB image that is large enough to be measured.

    Raises:
        DataError: Not uint8 RGB, or smaller than 6 pixels in a direction.
    """
    check_rgb(image)
    height, width = image.shape[:2]
    if min(height, width) < SMALLEST_SIDE:
        raise DataError(
            f"{width} x {height} px are too few to be measured; at least {SMALLEST_SIDE} per side are needed"
        )
    return height, width


def luminance(image: ImageU8) -> FloatPlane:
    """BT.601 luma [H, W], 0-255."""
    return np.asarray(image.astype(np.float32) @ LUMA)


def gradients(luma: FloatPlane) -> tuple[FloatPlane, FloatPlane]:
    """Derivatives along x and y by Sobel filters, grey levels per pixel, [H, W] each."""
    dx, dy = (cv2.Sobel(luma, cv2.CV_32F, x, y, scale=1 / 8) for x, y in ((1, 0), (0, 1)))
    return np.asarray(dx, np.float32), np.asarray(dy, np.float32)


def hann_window(height: int, width: int) -> npt.NDArray[np.float64]:
    """A Hann window [H, W] without zeros at the border."""
    return np.hanning(height + 2)[1:-1, None] * np.hanning(width + 2)[None, 1:-1]


def sharpness(luma: FloatPlane) -> float:
    """Mean magnitude of the gradient, grey levels per pixel."""
    dx, dy = gradients(luma)
    return float(np.sqrt(dx**2 + dy**2).mean())


def noise_sigma(luma: FloatPlane) -> float:
    """sqrt(pi / 2) / (6 (W - 2) (H - 2)) sum |I * N|, N = [[1,-2,1],[-2,4,-2],[1,-2,1]].

    (Immerkaer, "Fast Noise Variance Estimation", CVIU 1996.) Fine structure counts as noise in part: compare
    images of the same kind only.
    """
    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    response = np.asarray(cv2.filter2D(luma, -1, mask))[1:-1, 1:-1]
    return float(np.abs(response).mean() * math.sqrt(math.pi / 2) / 6)


def blockiness(luma: FloatPlane) -> float:
    """Mean absolute step across multiples of 8 / mean absolute step between other neighbours.

    1 where the image is flat or has no such boundary.
    """
    on: list[npt.NDArray[np.float32]] = []
    off: list[npt.NDArray[np.float32]] = []
    for axis in (0, 1):
        step = np.moveaxis(np.abs(np.diff(luma, axis=axis)), axis, 0)
        boundary = np.arange(1, step.shape[0] + 1) % 8 == 0
        on.append(step[boundary].ravel())
        off.append(step[~boundary].ravel())
    across, within = np.concatenate(on), np.concatenate(off)
    if across.size == 0 or float(within.mean()) < 1e-6:
        return 1.0
    return float(across.mean() / within.mean())


def spectrum_slope(luma: FloatPlane) -> float:
    """Least-squares slope of log power over log radial frequency, 0.05-0.5 cycles per pixel.

    The mean is removed and a Hann window applied; power is averaged over eight logarithmic rings first, so
    that high frequencies do not outvote low ones. 0 for a flat image.
    """
    height, width = luma.shape
    power = np.abs(np.fft.rfft2((luma - luma.mean()) * hann_window(height, width))) ** 2
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :])
    edges = np.geomspace(0.05, 0.5, 9)
    ring = np.digitize(radius, edges) - 1
    x, y = [], []
    for index in range(8):
        mean = float(power[ring == index].mean()) if np.any(ring == index) else 0.0
        if mean > 1e-12:
            x.append(math.log(math.sqrt(edges[index] * edges[index + 1])))
            y.append(math.log(mean))
    return float(np.polyfit(x, y, 1)[0]) if len(x) >= 2 else 0.0


def effective_resolution(luma: FloatPlane) -> float:
    """2 f W, f: horizontal frequency below which 95 % of the rows' power lies (mean removed, Hann window).

    f is interpolated between the bins of the spectrum. 0 for a flat image, at most W.
    """
    width = luma.shape[1]
    rows = (luma - luma.mean(axis=1, keepdims=True)) * np.hanning(width + 2)[None, 1:-1]
    power = (np.abs(np.fft.rfft(rows, axis=1)) ** 2).sum(axis=0)
    power[0] = 0.0
    total = float(power.sum())
    if total < 1e-9:
        return 0.0
    share = np.cumsum(power) / total
    return float(2 * np.interp(0.95, share, np.fft.rfftfreq(width)) * width)
