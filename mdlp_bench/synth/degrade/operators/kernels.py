"""Blur kernels: functions of a few numbers that return float32 [size, size] arrays which sum to one.

Gaussian families after Liu et al., "Estimating Generalized Gaussian Blur Kernels for Out-of-Focus Image
Deblurring" (TCSVT 2020) and Wang et al., "Real-ESRGAN" (ICCVW 2021), equations 2-4; the sinc filter is
equation 5 of the latter. Angles are radians, anti-clockwise from the x axis in image coordinates.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.special import j1

Kernel = npt.NDArray[np.float32]

_MIN_SIGMA = 1e-3


def _normalised(values: npt.NDArray[np.float64]) -> Kernel:
    return np.asarray(values / values.sum(), np.float32)


def _grid(size: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    axis = np.arange(size, dtype=np.float64) - (size - 1) / 2
    return axis[None, :], axis[:, None]


def _quadratic_form(
    size: int, sigma_x: float, sigma_y: float, angle: float, offset: float = 0.0
) -> npt.NDArray[np.float64]:
    """x^T S^-1 x of the covariance with axes `sigma_x`, `sigma_y` turned by `angle`."""
    x, y = _grid(size)
    x, y = x - offset, y - offset
    cos, sin = math.cos(angle), math.sin(angle)
    along = (x * cos + y * sin) / max(sigma_x, _MIN_SIGMA)
    across = (y * cos - x * sin) / max(sigma_y, _MIN_SIGMA)
    return np.asarray(along**2 + across**2)


def gaussian_kernel(
    size: int, sigma_x: float, sigma_y: float, angle: float = 0.0, offset: float = 0.0
) -> Kernel:
    """Anisotropic Gaussian exp(-q/2), q = x^T S^-1 x.

    Args:
        size: Odd side length.
        sigma_x: Standard deviation along the first axis, pixels.
        sigma_y: Standard deviation along the second axis, pixels.
        angle: Direction of the first axis, radians.
        offset: Moves the centre right and down by this many pixels.
    """
    form = _quadratic_form(size, sigma_x, sigma_y, angle, offset)
    # Subtracting the minimum keeps the largest weight at 1 when a narrow Gaussian lies between pixels.
    return _normalised(np.exp(-0.5 * (form - form.min())))


def generalized_gaussian_kernel(
    size: int, sigma_x: float, sigma_y: float, angle: float, beta: float
) -> Kernel:
    """Generalised Gaussian exp(-q^beta / 2); beta 1 is the Gaussian, larger is flatter with sharper edges."""
    return _normalised(np.exp(-0.5 * _quadratic_form(size, sigma_x, sigma_y, angle) ** beta))


def plateau_kernel(size: int, sigma_x: float, sigma_y: float, angle: float, beta: float) -> Kernel:
    """Plateau-shaped 1 / (1 + q^beta)."""
    return _normalised(1.0 / (1.0 + _quadratic_form(size, sigma_x, sigma_y, angle) ** beta))


def sinc_kernel(size: int, cutoff: float) -> Kernel:
    """Circular low-pass (jinc) with cut-off in radians per pixel, (0, pi]: ringing and overshoot."""
    x, y = _grid(size)
    radius = np.sqrt(x**2 + y**2)
    radius[radius == 0] = np.nan
    values = cutoff * j1(cutoff * radius) / (2 * math.pi * radius)
    return _normalised(np.nan_to_num(values, nan=cutoff**2 / (4 * math.pi)))


def disk_kernel(radius: float) -> Kernel:
    """Defocus: a disk of `radius` >= 0 pixels whose rim pixels weigh what the disk covers of them."""
    half = math.ceil(radius)
    x, y = _grid(2 * half + 1)
    return _normalised(np.clip(radius + 0.5 - np.sqrt(x**2 + y**2), 0.0, 1.0))


def motion_kernel(length: float, angle: float) -> Kernel:
    """Uniform motion over `length` >= 0 pixels in direction `angle`, centred, with sub-pixel accuracy.

    The path is sampled densely and each sample is shared among its four neighbours (bilinear), so that length
    and direction act continuously.
    """
    half = math.ceil(length / 2) + 1
    size = 2 * half + 1
    steps = max(2, math.ceil(length * 8) + 1)
    position = (np.arange(steps) + 0.5) / steps * length - length / 2
    x = position * math.cos(angle) + half
    y = position * math.sin(angle) + half
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    fx, fy = x - left, y - top
    kernel = np.zeros((size, size))
    np.add.at(kernel, (top, left), (1 - fx) * (1 - fy))
    np.add.at(kernel, (top, left + 1), fx * (1 - fy))
    np.add.at(kernel, (top + 1, left), (1 - fx) * fy)
    np.add.at(kernel, (top + 1, left + 1), fx * fy)
    return _normalised(kernel)
