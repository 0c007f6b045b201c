"""A plate on a car, seen by a camera, cropped as MDLP's ground truths are."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mdlp_bench.data.render.face import (
    Field,
    Image,
    face_size,
    render_plate,
    sheet_alpha,
    smooth_noise,
    to_uint8,
)
from mdlp_bench.data.render.geometry import PLATE_HEIGHT, face_geometry
from mdlp_bench.data.render.style import PlateStyle, Viewpoint
from mdlp_bench.errors import PlateError
from mdlp_bench.plate import Layout


@dataclass(frozen=True, slots=True)
class SceneCrop:
    """A crop and where the plate is in it.

    Attributes:
        image: uint8 RGB [H, W, 3].
        corners: float32 [4, 2], the sheet's corners (x, y) in pixels: top left, top right, bottom right,
            bottom left of the plate. They may lie outside the crop when it cuts into the plate.
    """

    image: Image
    corners: NDArray[np.float32]


def render_scene_crop(
    text: str, layout: Layout, style: PlateStyle, size: tuple[int, int] = (112, 224)
) -> SceneCrop:
    """Render a plate through its viewpoint, in front of its car, cropped with the style's margins.

    The crop is the plate's upright bounding box with margins, stretched to `size`, as plate detectors crop.

    Args:
        text: The plate's text, valid for `layout`.
        layout: Visual layout.
        style: Looks and viewpoint.
        size: (height, width) of the crop in pixels, each 16 to 1120.

    Raises:
        PlateError: The text is no plate of that layout or the size is out of range.
    """
    if not (16 <= size[0] <= 1120 and 16 <= size[1] <= 1120):
        raise PlateError(f"crop size {size} is out of range; choose 16 to 1120 pixels a side")
    corners = _crop_corners(layout, style.view, size)
    # The face is drawn at the size it will have in the crop, so that the warp neither blurs nor aliases.
    tallest = max(np.linalg.norm(corners[3] - corners[0]), np.linalg.norm(corners[2] - corners[1]))
    widest = max(np.linalg.norm(corners[1] - corners[0]), np.linalg.norm(corners[2] - corners[3]))
    per_height = face_geometry(layout).width / PLATE_HEIGHT
    height = int(np.clip(round(float(max(tallest, widest / per_height))), 32, 560))
    face = render_plate(text, layout, style, height=height)
    rows, columns = face_size(layout, height)
    source = np.array([[0, 0], [columns, 0], [columns, rows], [0, rows]], np.float32) - np.float32(0.5)
    matrix = cv2.getPerspectiveTransform(source, corners - np.float32(0.5))
    background = _surroundings(style, corners, size)
    target = (size[1], size[0])
    warped = cv2.warpPerspective(
        face, matrix, target, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    alpha = cv2.warpPerspective(sheet_alpha(layout, height), matrix, target, flags=cv2.INTER_LINEAR)[
        ..., None
    ]
    blended = background + (warped.astype(np.float32) - background) * alpha
    return SceneCrop(cv2.convertScaleAbs(blended), corners)


def view_corners(layout: Layout, view: Viewpoint) -> NDArray[np.float32]:
    """Project the sheet's corners with a pinhole camera at `view.distance` plate widths.

    Returns:
        float32 [4, 2], in units of the plate's width around the optical axis, y down; order as in `SceneCrop`.
    """
    half_height = PLATE_HEIGHT / face_geometry(layout).width / 2
    sheet = np.array(
        [[-0.5, -half_height, 0], [0.5, -half_height, 0], [0.5, half_height, 0], [-0.5, half_height, 0]]
    )
    yaw, pitch, roll = np.deg2rad([view.yaw, view.pitch, view.roll])
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    about_z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    turned = sheet @ (about_z @ about_x @ about_y).T
    depth = 1 + turned[:, 2:] / view.distance
    projected: NDArray[np.float32] = (turned[:, :2] / depth).astype(np.float32)
    return projected


def _crop_corners(layout: Layout, view: Viewpoint, size: tuple[int, int]) -> NDArray[np.float32]:
    """The plate's corners in pixels of the crop."""
    points = view_corners(layout, view)
    low, high = points.min(0), points.max(0)
    extent = high - low
    left, top, right, bottom = view.margins
    start = low - extent * np.array([left, top], np.float32)
    crop = extent * np.array([1 + left + right, 1 + top + bottom], np.float32)
    corners: NDArray[np.float32] = ((points - start) / crop * np.array([size[1], size[0]])).astype(np.float32)
    return corners


def _surroundings(style: PlateStyle, corners: NDArray[np.float32], size: tuple[int, int]) -> Field:
    """What is behind the plate, float32 [H, W, 3] in 0..255, with the shadow the sheet throws on it."""
    view, light = style.view, style.light
    rng = np.random.default_rng(view.seed)
    rows, columns = size
    colour = np.asarray(view.surround_colour, np.float32)
    # Lines on the car run parallel to the plate: v is 0 at its top edge, 1 at its bottom.
    top, bottom = (corners[0] + corners[1]) / 2, (corners[3] + corners[2]) / 2
    slope = (corners[1, 1] - corners[0, 1]) / max(float(corners[1, 0] - corners[0, 0]), 1.0)
    x = np.arange(columns, dtype=np.float32)[None, :] - columns / 2
    y = np.arange(rows, dtype=np.float32)[:, None]
    v = (y - slope * x - top[1]) / max(float(bottom[1] - top[1]), 1.0)
    shade = 1 + rng.uniform(-0.35, 0.35) * (v - 0.5) + smooth_noise(rng, size, 2) * 0.06
    dark = np.float32(rng.uniform(0.03, 0.18))
    tone = colour * shade[..., None]
    if view.surroundings == "recess":
        lip = rng.uniform(-0.12, -0.02), rng.uniform(1.02, 1.15)
        inside = np.clip((v - lip[0]) * 25, 0, 1) * np.clip((lip[1] - v) * 25, 0, 1)
        tone += (dark - tone) * inside[..., None]
    elif view.surroundings == "grille":
        period, phase = rng.uniform(0.1, 0.3), rng.uniform(0, 2 * np.pi)
        bars = (
            np.sin(v * np.float32(2 * np.pi / period) + np.float32(phase)) > rng.uniform(-0.4, 0.6)
        ).astype(np.float32)
        tone += (dark - tone) * bars[..., None]
    tone *= np.asarray(light.gains, np.float32)
    shadow = np.zeros(size, np.float32)
    offset = np.float32(rng.uniform(0.01, 0.05)) * (bottom - top) + np.float32(0.5)
    cv2.fillConvexPoly(shadow, np.round((corners + offset) * 16).astype(np.int32), 1.0, cv2.LINE_AA, 4)
    shadow = cv2.GaussianBlur(shadow, (0, 0), max(0.6, rows * 0.012))
    tone *= (1 - 0.55 * shadow)[..., None]
    if light.veil > 0:
        tone += (np.float32(0.7) - tone) * np.float32(light.veil)
    return to_uint8(tone).astype(np.float32)
