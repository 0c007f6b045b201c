"""Arithmetic on pictures that gives the same bytes whatever vector instructions a processor has.

Results of NumPy, its BLAS, OpenCV and Intel's IPP inside OpenCV depend on them: sums are taken in another
order, or a product is not rounded before it is added (fused multiply-add). What is used instead:

- sums of products whose every term and partial sum is exact in float32 (`correlate`);
- float64 rounded to float32, which removes what differs in the last of 53 bits (`power`, `exp`, `product`);
- integers, where a sum near a half is taken again exactly before it is rounded (`warped`);
- OpenCV's own code in place of IPP's (`resized`, `without_ipp`);
- additions and multiplications of NumPy, each of which is rounded by IEEE 754.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt
import PIL

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

_STEPS: Final = 2048
"""Levels per unit that `correlate` rounds an image to: eight per grey level."""

_EXACT: Final = 2**24
"""Integers up to this size are exact in float32."""

# From this many weights on OpenCV correlates by a Fourier transform, whose rounding depends on the machine.
_DIRECT: Final = 130 if platform.machine() in ("x86_64", "AMD64") else 50

_UNSURE: Final = 2.5e-6
"""Share of the greatest level by which OpenCV's float32 sums over up to 16 pixels may be off."""

# Weights at the 32 positions between two pixels at which OpenCV interpolates; all are exact.
_AT: Final = np.arange(32)[:, None] / 32
_CUBIC: Final = -0.75
_DISTANCES: Final = np.abs(_AT - np.array([-1, 0, 1, 2]))
_WEIGHTS: Final = {
    cv2.INTER_LINEAR: np.hstack([1 - _AT, _AT]),
    cv2.INTER_CUBIC: np.where(
        _DISTANCES <= 1,
        ((_CUBIC + 2) * _DISTANCES - (_CUBIC + 3)) * _DISTANCES**2 + 1,
        ((_CUBIC * _DISTANCES - 5 * _CUBIC) * _DISTANCES + 8 * _CUBIC) * _DISTANCES - 4 * _CUBIC,
    ),
}


def rendered_under() -> str:
    """What the bytes of a picture may still depend on: software and architecture, for the manifest."""
    versions = {"opencv": cv2.__version__, "numpy": np.__version__, "pillow": PIL.__version__}
    return ", ".join(f"{name} {version}" for name, version in versions.items()) + f", {platform.machine()}"


def power(base: npt.NDArray[Any], exponent: float) -> Float32:
    """Non-negative values to the power of `exponent`, itself rounded to float32."""
    return np.asarray(np.power(base, np.float64(np.float32(exponent)), dtype=np.float64), np.float32)


def exp(values: npt.NDArray[Any]) -> Float32:
    """e to the power of each value."""
    return np.asarray(np.exp(values, dtype=np.float64), np.float32)


def product(left: npt.NDArray[Any], right: npt.NDArray[Any]) -> Float32:
    """The matrix product, summed in float64."""
    return np.asarray(left.astype(np.float64) @ right.astype(np.float64), np.float32)


def correlate(image: Float32, kernel: npt.NDArray[Any]) -> Float32:
    """Correlate every channel with a kernel; the border is reflected without repeating the edge.

    The image is rounded to 1/2048, the kernel to the finest step for which all sums are exact in float32:
    2^-13 for weights that sum to one over values of at most one. The sum of the weights is kept.

    Args:
        image: [H, W] or [H, W, 3].
        kernel: [height, width], both odd.
    """
    steps = image * np.float32(_STEPS)
    np.rint(steps, out=steps)
    largest = max(float(steps.max()), -float(steps.min()), 1.0)
    kernel = np.asarray(kernel, np.float64)
    weights, scale = _integer_weights(kernel.tobytes(), kernel.shape, math.ceil(math.log2(largest)))
    sums = _correlated(steps, weights)
    sums *= np.float32(1 / (_STEPS * scale))
    return sums


def separable(image: Float32, row: npt.NDArray[Any], column: npt.NDArray[Any]) -> Float32:
    """`correlate` with the outer product of a column and a row, both of odd length and sum one."""
    along = correlate(image, row[None, :]) if row.size > 1 else image
    return correlate(along, column[:, None]) if column.size > 1 else along


def gaussian(image: Float32, sigma: float) -> Float32:
    """Gaussian blur by `sigma` pixels; the kernel reaches four sigma to each side."""
    size = round(8 * sigma + 1) | 1
    weights = exp(-0.5 * ((np.arange(size) - size // 2) / sigma) ** 2).astype(np.float64)
    weights /= weights.sum()
    return separable(image, weights, weights)


def resized(image: npt.NDArray[Any], size: tuple[int, int], interpolation: int) -> Float32:
    """`cv2.resize` of a float32 image to (width, height)."""
    with without_ipp():
        return np.asarray(cv2.resize(image, size, interpolation=interpolation), np.float32)


def warped(
    levels: Float32,
    matrix: Sequence[Sequence[float]],
    size: tuple[int, int],
    interpolation: int,
    surround: int | None = None,
) -> Float32:
    """Sample an image where an affine or projective map says, to 1/32 pixel.

    OpenCV's sums differ in their last bits, so what it gives is rounded. Near a half, where that does not
    settle the integer, the sum is taken again in float64, where it is exact.

    Args:
        levels: Integers within +-4096, [H, W, 3].
        matrix: [2, 3] or [3, 3]; maps pixels (x, y, 1) of the result to those of the image.
        size: (width, height) of the result.
        interpolation: `cv2.INTER_LINEAR` or `cv2.INTER_CUBIC`.
        surround: Level of what lies outside; None repeats the edge pixels.

    Returns:
        Integers, [height, width, 3].
    """
    x, y = np.arange(size[0]), np.arange(size[1])
    maps = [
        np.asarray(row[0] * x, np.float32)[None, :] + np.asarray(row[1] * y + row[2], np.float32)[:, None]
        for row in matrix
    ]
    if len(maps) == 3:
        depth = maps.pop()
        maps = [plane / depth for plane in maps]
    whole, fraction = cv2.convertMaps(maps[0], maps[1], cv2.CV_16SC2)
    border = cv2.BORDER_REPLICATE if surround is None else cv2.BORDER_CONSTANT
    level = surround or 0
    done = cv2.remap(
        levels, whole, fraction, interpolation, borderMode=border, borderValue=(level, level, level)
    )
    rounded = np.rint(done)
    done -= rounded
    np.abs(done, out=done)
    unsure = np.flatnonzero(done.reshape(-1) > 0.5 - _UNSURE * max(float(levels.max()), 1.0))
    pixel, channel = np.divmod(unsure, 3)
    places = whole.reshape(-1, 2)[pixel], fraction.reshape(-1)[pixel], channel
    rounded.reshape(-1)[unsure] = np.rint(_sampled(levels, places, interpolation, surround))
    return rounded


def _sampled(
    levels: Float32, places: tuple[npt.NDArray[Any], ...], interpolation: int, surround: int | None
) -> Float64:
    """Exact interpolated values [n] at places of an image: whole pixels, position between them, channel."""
    whole, fraction, channel = places
    weights = _WEIGHTS[interpolation]
    taps = np.arange(weights.shape[1]) - (weights.shape[1] // 2 - 1)
    across, down = (whole[:, axis, None].astype(np.int64) + taps for axis in (0, 1))
    height, width = levels.shape[:2]
    inside_x, inside_y = np.clip(across, 0, width - 1), np.clip(down, 0, height - 1)
    values = levels[inside_y[:, :, None], inside_x[:, None, :], channel[:, None, None]].astype(np.float64)
    if surround is not None:
        values[(inside_y != down)[:, :, None] | (inside_x != across)[:, None, :]] = surround
    values *= weights[fraction // 32][:, :, None] * weights[fraction % 32][:, None, :]
    return np.asarray(values.sum(axis=(1, 2)))


@contextmanager
def without_ipp() -> Iterator[None]:
    """Let OpenCV use its own code alone, on this thread: IPP's depends on the processor."""
    used = cv2.ipp.useIPP()
    cv2.ipp.setUseIPP(False)
    try:
        yield
    finally:
        cv2.ipp.setUseIPP(used)


@lru_cache(maxsize=256)
def _integer_weights(kernel: bytes, shape: tuple[int, ...], value_bits: int) -> tuple[Float32, int]:
    """A kernel times a power of two, rounded to integers for sums over integers below 2^value_bits."""
    exact = np.frombuffer(kernel, np.float64)
    total = float(np.abs(exact).sum())
    bound = _EXACT >> value_bits
    bits = math.floor(math.log2(bound / total)) if total else 0
    while True:
        # Sums are rounded, row by row from the first weight on: what one loses, its neighbour gains.
        weights = np.rint(np.cumsum(exact) * 2.0**bits)
        weights[1:] -= weights[:-1].copy()
        if np.abs(weights).sum() <= bound:
            return weights.astype(np.float32).reshape(shape), 2**bits
        bits -= 1


def _correlated(steps: Float32, weights: Float32) -> Float32:
    """`cv2.filter2D`, in place, without a Fourier transform: large kernels are cut into parts."""
    if weights.size < _DIRECT:
        border = cv2.BORDER_REFLECT_101
        return np.asarray(cv2.filter2D(steps, -1, weights, dst=steps, borderType=border), np.float32)
    height, width = steps.shape[:2]
    up, left = weights.shape[0] // 2, weights.shape[1] // 2
    padded = cv2.copyMakeBorder(steps, up, up, left, left, cv2.BORDER_REFLECT_101)
    steps.fill(0)
    for top, start, part in _parts(weights, 0, 0):
        window = padded[top : top + height + part.shape[0] - 1, start : start + width + part.shape[1] - 1]
        steps += cv2.filter2D(window, -1, part, anchor=(0, 0))[:height, :width]
    return steps


def _parts(weights: Float32, top: int, left: int) -> Iterator[tuple[int, int, Float32]]:
    """Cut a kernel into small ones without empty margins, with the place of each."""
    rows, columns = np.flatnonzero(weights.any(1)), np.flatnonzero(weights.any(0))
    if not rows.size:
        return
    top, left = top + int(rows[0]), left + int(columns[0])
    weights = weights[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = weights.shape
    if weights.size < _DIRECT:
        yield top, left, np.ascontiguousarray(weights)
    elif height >= width:
        yield from _parts(weights[: height // 2], top, left)
        yield from _parts(weights[height // 2 :], top + height // 2, left)
    else:
        yield from _parts(weights[:, : width // 2], top, left)
        yield from _parts(weights[:, width // 2 :], top, left + width // 2)
