"""Frontal faces of plates as roadside cameras and detectors deliver them, with the plate's corners.

The crops of `reader_data` are plates that were cropped once before. Here the camera comes first, so that
steep views are drawn as often as they are met and the corners are known.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from mdlp_bench.images import ImageU8
from mdlp_bench.readers.rectifying.geometry import SQUARE, mapped
from mdlp_bench.synth.render.raster import u8
from mdlp_bench.training.photo_effects import bend, elastic, expose, glare, jpeg, reweigh
from mdlp_bench.training.reader_data import Pool, empty_crop, photograph

Corners = npt.NDArray[np.float32]

STEEP: Final = 0.25
"""Share of steep views beside those that are steep by chance."""
SMALLEST_SHOT: Final = 16
"""Height in pixels of the smallest plates, before the view foreshortens them."""
_THUMBNAIL: Final = (94, 24)


class Shot(NamedTuple):
    """A crop as it is delivered.

    Attributes:
        image: uint8 RGB [h, w, 3].
        corners: float32 [4, 2], the sheet's corners in shares of the crop, as `SQUARE`.
        text: What is written there; empty where nothing can be read.
    """

    image: ImageU8
    corners: Corners
    text: str


def take_shot(faces: Pool, rng: np.random.Generator, empty: float) -> Shot:
    """One plate of the pool, or with chance `empty` a crop without a text to read."""
    if rng.random() < empty:
        return _empty_shot(faces, rng)
    index = int(rng.integers(len(faces)))
    text = faces.texts[index]
    image, corners = shoot(faces.images[index], _aspect(text), rng)
    return Shot(image, corners, text)


def shoot(face: ImageU8, aspect: float, rng: np.random.Generator) -> tuple[ImageU8, Corners]:
    """A frontal face through a camera, its codec and a cropper.

    As in `photograph`, the strengths of all that goes wrong share a limited sum, so that most crops stay
    readable. Half of them are thumbnails of 94 x 24 pixels, made of sharper pictures of plates up to four
    times as high, mostly without a prefilter, so that thin strokes break up.

    Args:
        face: uint8 RGB [h, w, 3] that the sheet fills.
        aspect: The sheet's width through its height.
        rng: Source of every draw.

    Returns:
        uint8 RGB [h, w, 3], and the sheet's corners in shares of it.
    """
    tilt, focus, light, grain, size, codec = np.minimum(
        rng.dirichlet(np.full(6, 0.5)) * rng.uniform(0.4, 1.8), 1
    )
    if rng.random() < STEEP:
        tilt = rng.uniform(0.4, 1)
    photo = reweigh(face, rng) if rng.random() < 0.3 else face
    if rng.random() < 0.35:
        photo = elastic(photo, rng)
    if rng.random() < 0.2:
        photo = bend(photo, rng)
    if rng.random() < 0.3 * light:
        photo = glare(photo, rng)
    corners = _view(aspect, float(tilt), rng)
    low, high = corners.min(0), corners.max(0)
    left, top, right, bottom = _margins(rng)
    low, high = low - (high - low) * [left, top], high + (high - low) * [right, bottom]
    thumbnail = rng.random() < 0.5
    if thumbnail:
        height = float(np.exp(rng.uniform(np.log(24), np.log(100))))
    else:
        height = 60 * (SMALLEST_SHOT / 60) ** float(np.clip(rng.uniform(0, 0.6) + size, 0, 1))
    columns, rows = np.clip(np.round((high - low) * height * aspect), [30, 10], [380, 230]).astype(int)
    pixels = (corners - low) / (high - low) * [columns, rows]
    image = _in_front_of(_background((rows, columns), rng), photo, pixels)
    sharpness = float(np.exp(rng.uniform(0, np.log(6)))) if thumbnail else 1.0
    image = expose(image, rng, float(focus), float(light), float(grain), sharpness)
    if rng.random() < 0.85:
        image = jpeg(image, int(np.clip(rng.normal(88 - 60 * codec, 6), 20, 97)))
    if rng.random() < 0.15:  # video cameras sharpen until dark strokes have bright halos
        soft = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 1.3) * max(rows / 28, 0.6))
        amount = rng.uniform(0.4, 2.0)
        image = u8(cv2.addWeighted(image, 1 + amount, soft, -amount, 0))
    if thumbnail:
        kinds = (cv2.INTER_LINEAR, cv2.INTER_LINEAR, cv2.INTER_LINEAR, cv2.INTER_AREA)
        image = u8(cv2.resize(image, _THUMBNAIL, interpolation=kinds[rng.integers(4)]))
        if rng.random() < 0.7:
            image = jpeg(image, int(rng.integers(60, 97)))
    elif rng.random() < 0.3:
        # Restored images reach the reader enlarged to the working size.
        image = u8(cv2.resize(image, (224, 112), interpolation=cv2.INTER_CUBIC))
    return image, (pixels / [columns, rows]).astype(np.float32)


def displaced(corners: Corners, rng: np.random.Generator) -> Corners:
    """Corners as a network finds them: moved together and singly, in shares of the plate's sides."""
    strength = 2.0 if rng.random() < 0.1 else 1.0
    together = rng.normal(0, [0.015 * strength, 0.045 * strength])
    return mapped(corners, SQUARE + together + rng.normal(0, [0.010 * strength, 0.03 * strength], (4, 2)))


def _empty_shot(faces: Pool, rng: np.random.Generator) -> Shot:
    """A crop without a readable plate, and corners that a network might find in it."""
    kind = rng.random()
    if kind < 0.5:
        return Shot(empty_crop(faces, rng, photograph), _anywhere(rng), "")
    if kind < 0.6:
        height = int(rng.integers(14, 60))
        image = _background((height, int(height * rng.uniform(2, 4.2))), rng)
        return Shot(expose(image, rng, *rng.uniform(0, 1, 3)), _anywhere(rng), "")
    index = int(rng.integers(len(faces)))
    face, aspect = faces.images[index], _aspect(faces.texts[index])
    if kind < 0.85:  # what a cropper left of a plate: less than half of every character
        share = rng.uniform(0.1, 0.38)
        rows = max(round(share * len(face)), 4)
        image, corners = shoot(face[:rows] if rng.random() < 0.5 else face[-rows:], aspect / share, rng)
        return Shot(image, corners if rng.random() < 0.5 else _anywhere(rng), "")
    if kind < 0.93:
        image, corners = shoot(np.ascontiguousarray(face[::-1, ::-1]), aspect, rng)
        return Shot(image, corners, "")
    image, corners = shoot(face, aspect, rng)
    patch = rng.uniform([0, 0.1], [0.9, 0.6]) + SQUARE * [0.06, 0.25]  # smaller than a character
    return Shot(image, mapped(corners, patch), "")


def _aspect(text: str) -> float:
    """Width through height of the sheet of a Chinese plate; those of new-energy cars are wider."""
    return (480 if len(text) == 8 else 440) / 140


def _anywhere(rng: np.random.Generator) -> Corners:
    """Corners near those of the crop."""
    moved = SQUARE + rng.normal(0, [0.02, 0.05], 2) + rng.normal(0, [0.03, 0.08], (4, 2))
    return moved.astype(np.float32)


def _view(aspect: float, tilt: float, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """A sheet's corners [4, 2] through a pinhole camera, in sheet widths; cameras look down on plates."""
    sheet = np.column_stack([(SQUARE - 0.5) * [1, 1 / aspect], np.zeros(4)])
    yaw = np.clip(rng.normal(0, 12 + 24 * tilt), -60, 60)
    pitch = np.clip(rng.normal(8 + 10 * tilt, 8 + 14 * tilt), -30, 50)
    roll = np.clip(rng.normal(0, 2.5 + 9 * tilt), -30, 30)
    (sin_y, sin_p, sin_r), (cos_y, cos_p, cos_r) = (
        f(np.deg2rad([yaw, pitch, roll])) for f in (np.sin, np.cos)
    )
    about_y = np.array([[cos_y, 0, sin_y], [0, 1, 0], [-sin_y, 0, cos_y]])
    about_x = np.array([[1, 0, 0], [0, cos_p, -sin_p], [0, sin_p, cos_p]])
    about_z = np.array([[cos_r, -sin_r, 0], [sin_r, cos_r, 0], [0, 0, 1]])
    turned = sheet @ (about_z @ about_x @ about_y).T
    seen: npt.NDArray[np.float64] = turned[:, :2] / (1 + turned[:, 2:] / rng.uniform(4, 25))
    return seen


def _margins(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Left, top, right and bottom: mostly boxes drawn close around the sheet, then detectors' looser ones."""
    kind = rng.random()
    if kind < 0.6:
        return rng.normal(0, 0.025, 4)
    if kind < 0.8:
        return rng.normal(0.03, 0.03, 4)
    return rng.uniform(0, 0.22, 4) if kind < 0.95 else rng.uniform(-0.06, 0.02, 4)


def _in_front_of(back: ImageU8, face: ImageU8, pixels: npt.NDArray[np.float64]) -> ImageU8:
    """The face with its corners at `pixels` of the background."""
    sides = np.linalg.norm(pixels[[3, 1]] - pixels[0], axis=1)
    rows, columns = np.minimum(np.maximum(np.round(sides).astype(int), [4, 24]), face.shape[:2])
    if (rows, columns) != face.shape[:2]:
        face = u8(cv2.resize(face, (int(columns), int(rows)), interpolation=cv2.INTER_AREA))
    source = (SQUARE * [columns, rows] - 0.5).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(source, (pixels - 0.5).astype(np.float32))
    size = (back.shape[1], back.shape[0])
    seen = cv2.warpPerspective(face, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    alpha = np.zeros(back.shape[:2], np.uint8)
    cv2.fillConvexPoly(alpha, np.round((pixels - 0.5) * 16).astype(np.int32), 255, cv2.LINE_AA, 4)
    cover = alpha[..., None].astype(np.uint16)
    return u8(((seen * cover + back * (255 - cover)) // 255).astype(np.uint8))


def _background(size: tuple[int, int], rng: np.random.Generator) -> ImageU8:
    """Paint, bumpers and grilles, out of focus."""
    height, width = size
    image = np.full((height, width, 3), rng.uniform(0, 255, 3) * 0.3 + rng.uniform(5, 235) * 0.7, np.float32)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    if rng.random() < 0.7:
        angle = rng.normal(np.pi / 2, 0.15) if rng.random() < 0.7 else rng.uniform(0, np.pi)
        along = (x * np.cos(angle) + y * np.sin(angle)) / height
        image += (along * rng.uniform(-70, 70))[..., None]
        if rng.random() < 0.5:
            wave = np.sin(along * rng.uniform(3, 40) + rng.uniform(0, 6))
            image += (np.clip(wave * rng.uniform(1, 5), -1, 1) * rng.uniform(0, 70))[..., None]
    if rng.random() < 0.5:
        coarse = rng.normal(0, rng.uniform(3, 30), (max(2, height // 6), max(2, width // 6), 3))
        image += cv2.resize(coarse.astype(np.float32), (width, height))
    return np.clip(image, 0, 255).astype(np.uint8)
