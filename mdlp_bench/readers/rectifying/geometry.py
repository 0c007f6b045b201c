"""From a crop and the plate's corners in it to the plate seen from the front."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from mdlp_bench.images import ImageU8

Points = npt.NDArray[np.floating]

SQUARE: Final = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
"""A plate's corners in its own shares: top left, top right, bottom right, bottom left."""


def mapped(corners: Points, points: Points) -> npt.NDArray[np.float32]:
    """Places on a plate as places in its crop.

    Args:
        corners: The plate's corners [4, 2], (x, y) in shares of the crop's width and height, as `SQUARE`.
        points: Places [N, 2] in shares of the plate's width and height; outside of 0 to 1 beside it.

    Returns:
        float32 [N, 2] in shares of the crop.
    """
    matrix = cv2.getPerspectiveTransform(SQUARE, np.asarray(corners, np.float32))
    found = cv2.perspectiveTransform(np.asarray(points, np.float32)[None], matrix)[0]
    return np.asarray(found, np.float32)


def rectified(crop: ImageU8, corners: Points, size: tuple[int, int], inset: tuple[float, float]) -> ImageU8:
    """What lies between four corners of a crop, seen from the front.

    Args:
        crop: uint8 RGB [H, W, 3].
        corners: [4, 2] in shares of the crop, finite; what lies outside repeats its edge.
        size: Height and width in pixels.
        inset: Margin at the left and right edge and at the upper and lower one, as shares of the width and
            height, that shows what is around the corners.

    Returns:
        uint8 RGB [height, width, 3].
    """
    (height, width), (rows, columns) = size, crop.shape[:2]
    # Interpolation alone would skip pixels: what shrinks to half or less is averaged first.
    tall = np.linalg.norm((corners[[3, 2]] - corners[[0, 1]]) * [columns, rows], axis=1).max()
    if (shrink := int(tall // (height * (1 - 2 * inset[1])))) > 1:
        smaller = (max(columns // shrink, 1), max(rows // shrink, 1))
        crop = np.asarray(cv2.resize(crop, smaller, interpolation=cv2.INTER_AREA), np.uint8)
        columns, rows = smaller
    margin = np.array(inset, np.float32)
    target = (margin + SQUARE * (1 - 2 * margin)) * [width, height]
    # Corners are edges of pixels, OpenCV counts their centres: half a pixel between the two.
    source = np.asarray(corners * [columns, rows], np.float32) - np.float32(0.5)
    matrix = cv2.getPerspectiveTransform(source, np.asarray(target, np.float32) - np.float32(0.5))
    seen = cv2.warpPerspective(
        crop, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(seen, np.uint8)
