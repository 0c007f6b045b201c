"""Cut a plate out of a scene by its four corners."""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np

from mdlp_bench.errors import DataError
from mdlp_bench.images import ImageU8

Corners = tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]]
"""Left-top, right-top, right-bottom, left-bottom, as (x, y) in pixels."""

MIN_SIDE: Final = 2.0
MAX_SIDE: Final = 4096

_STRAIGHT: Final = 0.1
"""Sine of the angle below which a polygon goes straight on."""


def rectify(image: ImageU8, corners: Corners, margin: float = 0.04) -> ImageU8:
    """Warp the quadrilateral of a plate to an upright rectangle of its own size.

    Height and width are the longer of the two opposite sides, so no side loses pixels; the border around the
    plate is taken from the scene.

    Args:
        image: The scene, uint8 RGB [H, W, 3].
        corners: See `Corners`; must be convex, in this order, and touch the image.
        margin: Border on each side, as a fraction of the plate's width and height.

    Returns:
        uint8 RGB [h (1 + 2 margin), w (1 + 2 margin), 3].

    Raises:
        DataError: The corners are not an upright convex quadrilateral in the image.
    """
    quad = np.asarray(corners, np.float64)
    _check_quad(quad, image.shape[1], image.shape[0])
    left_top, right_top, right_bottom, left_bottom = quad
    width = max(np.linalg.norm(right_top - left_top), np.linalg.norm(right_bottom - left_bottom))
    height = max(np.linalg.norm(left_bottom - left_top), np.linalg.norm(right_bottom - right_top))
    if min(width, height) < MIN_SIDE or max(width, height) > MAX_SIDE:
        raise DataError(
            f"a plate of {width:.0f} x {height:.0f} pixels; sides must be {MIN_SIDE:.0f} to {MAX_SIDE}"
        )
    x, y = margin * width, margin * height
    size = (round(width + 2 * x), round(height + 2 * y))
    target = np.array([(x, y), (x + width, y), (x + width, y + height), (x, y + height)])
    homography = cv2.getPerspectiveTransform(quad.astype(np.float32), target.astype(np.float32))
    warped = cv2.warpPerspective(
        image, homography, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(warped, np.uint8)


def _check_quad(quad: np.ndarray[tuple[int, ...], np.dtype[np.float64]], width: int, height: int) -> None:
    if quad.shape != (4, 2) or not np.isfinite(quad).all():
        raise DataError("a plate needs four corners (x, y)")
    following = np.roll(quad, -1, axis=0) - quad
    after = np.roll(following, -1, axis=0)
    turns = following[:, 0] * after[:, 1] - following[:, 1] * after[:, 0]
    # With y downwards, left-top -> right-top -> right-bottom -> left-bottom turns clockwise everywhere.
    if not (turns > 0).all():
        raise DataError("the corners are not a convex quadrilateral in the order LT, RT, RB, LB")
    low, high = quad.min(axis=0), quad.max(axis=0)
    if low[0] >= width or low[1] >= height or high[0] < 0 or high[1] < 0:
        raise DataError(f"the corners lie outside the {width} x {height} image")


def _turning_points(polygon: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Any:
    """The points of a polygon at which it turns by more than a few degrees, each once."""
    polygon = polygon[np.any(polygon != np.roll(polygon, 1, axis=0), axis=1)]
    before, after = polygon - np.roll(polygon, 1, axis=0), np.roll(polygon, -1, axis=0) - polygon
    turns = np.abs(before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0])
    lengths = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    return polygon[turns > _STRAIGHT * lengths]


def as_corners(points: Any) -> Corners:
    """Points in any order as `Corners`: sorted by angle, beginning at the one nearest the left top.

    Args:
        points: Four points (x, y), the first of which may come again at the end, with others on the sides; or
            two, opposite corners of an upright box; or the eight or four numbers of either in one row.

    Raises:
        DataError: It is neither.
    """
    try:
        quad = np.asarray(points, np.float64)
    except (TypeError, ValueError) as error:
        raise DataError("a plate needs four corners (x, y), or two of a box") from error
    if quad.shape in ((8,), (4,)):
        quad = quad.reshape(-1, 2)
    if quad.ndim == 2 and len(quad) > 4 and quad.shape[1] == 2 and np.isfinite(quad).all():
        quad = _turning_points(quad)
    if quad.shape == (2, 2):
        (left, top), (right, bottom) = quad
        quad = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    if quad.shape != (4, 2) or not np.isfinite(quad).all():
        raise DataError("a plate needs four corners (x, y), or two of a box")
    offset = quad - quad.mean(axis=0)
    quad = quad[np.argsort(np.arctan2(offset[:, 1], offset[:, 0]), kind="stable")]
    quad = np.roll(quad, -int(np.argmin(quad.sum(axis=1))), axis=0)
    first, second, third, fourth = ((float(x), float(y)) for x, y in quad)
    return first, second, third, fourth
