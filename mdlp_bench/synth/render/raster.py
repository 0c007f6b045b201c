"""Array types and small drawing primitives that the renderer's parts share.

Colour images are planar, float32 [3, H, W] with display values in 0..1, until the last step: arithmetic
between an image and a field or a colour is several times faster than with interleaved channels.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from mdlp_bench.synth.exact import resized as resized_field

Image = NDArray[np.uint8]
Field = NDArray[np.float32]


def u8(array: ArrayLike) -> Image:
    """View as uint8 (OpenCV's results carry no element type)."""
    return np.asarray(array, np.uint8)


def f32(array: ArrayLike) -> Field:
    """View as, or convert to, float32."""
    return np.asarray(array, np.float32)


def planes(colour: ArrayLike) -> Field:
    """A colour as float32 [3, 1, 1]."""
    return f32(colour)[:, None, None]


def to_uint8(image: Field) -> Image:
    """Round a planar image [3, H, W] (values beyond 0..1 are clipped) to interleaved uint8 [H, W, 3]."""
    values = np.maximum(image, np.float32(0))
    return u8(cv2.merge([cv2.convertScaleAbs(plane, alpha=255.0) for plane in values]))


def resized(image: Image, size: tuple[int, int]) -> Image:
    """Resize to (width, height), averaging over what a pixel covers."""
    return u8(cv2.resize(image, size, interpolation=cv2.INTER_AREA))


def shrunk(image: Image, size: tuple[int, int]) -> Image:
    """Resize to (width, height) about as well as `resized`, much faster: halvings, then one interpolation."""
    while image.shape[1] >= 2 * size[0]:
        image = u8(
            cv2.resize(image, (image.shape[1] // 2, image.shape[0] // 2), interpolation=cv2.INTER_AREA)
        )
    return u8(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR))


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], cells: int) -> Field:
    """Smooth random field of standard deviation near 1; `cells` grid cells over the height."""
    columns = max(2, round(cells * shape[1] / shape[0]))
    field = f32(rng.standard_normal((cells, columns), dtype=np.float32))
    quarter = (shape[0] // 4, shape[1] // 4)
    if cells < quarter[0]:
        field = resized_field(field, quarter[::-1], cv2.INTER_CUBIC)
    return resized_field(field, shape[::-1], cv2.INTER_LINEAR)


def grain(rng: np.random.Generator, shape: tuple[int, int]) -> Field:
    """Fine grain of standard deviation 1: a random window of one fixed noise tile (fresh noise is slow)."""
    tile = _noise_tile()
    row, column = (int(v) for v in rng.integers(0, 256, 2))
    rows, columns = tile.shape
    if row + shape[0] <= rows and column + shape[1] <= columns:
        return tile[row : row + shape[0], column : column + shape[1]]
    return np.take(
        np.take(tile, np.arange(row, row + shape[0]), axis=0, mode="wrap"),
        np.arange(column, column + shape[1]),
        axis=1,
        mode="wrap",
    )


@lru_cache(maxsize=1)
def _noise_tile() -> Field:
    tile = np.random.default_rng(0).standard_normal((448, 704), dtype=np.float32)
    tile.setflags(write=False)
    return tile


def rounded_outline(width: float, height: float, inset: float, radius: float) -> Field:
    """Points [N, 2] along a rounded rectangle, `inset` inside a sheet of `width` x `height`, clockwise."""
    quarter = np.linspace(0.0, np.pi / 2, 9)
    arcs = []
    for index, (x, y) in enumerate(
        (
            (width - inset - radius, inset + radius),
            (width - inset - radius, height - inset - radius),
            (inset + radius, height - inset - radius),
            (inset + radius, inset + radius),
        )
    ):
        angle = quarter + (index - 1) * np.pi / 2
        arcs.append(np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], 1))
    return np.concatenate(arcs).astype(np.float32)


def fixed_point(points: ArrayLike) -> NDArray[np.int32]:
    """Pixel coordinates (pixel centres at integers) as OpenCV's 1/16 pixel integers (`shift=4`)."""
    return np.round(np.asarray(points) * 16).astype(np.int32)
