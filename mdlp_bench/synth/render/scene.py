"""A plate on a car, seen by a camera, cropped as MDLP's ground truths are."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mdlp_bench.errors import PlateError
from mdlp_bench.plate import Layout
from mdlp_bench.synth.exact import gaussian, warped
from mdlp_bench.synth.render.face import MAX_HEIGHT, MIN_HEIGHT, face_size, render_plate
from mdlp_bench.synth.render.geometry import CORNER_RADIUS, PLATE_HEIGHT, face_geometry
from mdlp_bench.synth.render.lighting import vivid
from mdlp_bench.synth.render.raster import (
    Field,
    Image,
    f32,
    fixed_point,
    planes,
    rounded_outline,
    smooth_noise,
    to_uint8,
    u8,
)
from mdlp_bench.synth.render.style import PlateStyle, Viewpoint


@dataclass(frozen=True, slots=True)
class SceneCrop:
    """A crop and where the plate is in it.

    Attributes:
        image: uint8 RGB [H, W, 3].
        corners: float32 [4, 2], the sheet's corners (x, y) in pixels: top left, top right, bottom right,
            bottom left of the plate. They may lie outside the crop when it cuts into the plate.
    """

    image: Image
    corners: Field


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
        PlateError: The text is not a plate of that layout or the size is out of range.
    """
    if not all(MIN_HEIGHT <= side <= MAX_HEIGHT for side in size):
        raise PlateError(
            f"crop size {size} is out of range; choose {MIN_HEIGHT} to {MAX_HEIGHT} pixels per side"
        )
    corners = _crop_corners(layout, style.view, size)
    # The face is drawn about as tall as it will be in the crop, so that the warp neither blurs nor aliases.
    sides = np.linalg.norm(corners - np.roll(corners, -1, axis=0), axis=1)
    width_mm = face_geometry(layout).width
    tall = max(sides[1], sides[3])
    wide = max(sides[0], sides[2]) * PLATE_HEIGHT / width_mm
    height = int(np.clip(round(float(max(tall, (tall + wide) / 2))), 32, MAX_HEIGHT))
    face = render_plate(text, layout, style, height=height)
    rows, columns = face_size(layout, height)
    source = f32([[0, 0], [columns, 0], [columns, rows], [0, rows]])
    # Corners are edges of pixels, OpenCV counts their centres: half a pixel between the two.
    matrix = cv2.getPerspectiveTransform(source - np.float32(0.5), corners - np.float32(0.5))
    back = cv2.getPerspectiveTransform(corners - np.float32(0.5), source - np.float32(0.5))
    seen = u8(warped(f32(face), back.tolist(), size[::-1], cv2.INTER_LINEAR))
    outline = rounded_outline(columns, rows, 0.0, CORNER_RADIUS * height / PLATE_HEIGHT) - np.float32(0.5)
    projected = cv2.perspectiveTransform(outline[None], matrix)[0]
    alpha = np.zeros(size, np.uint8)
    cv2.fillPoly(alpha, [fixed_point(projected)], 255, cv2.LINE_AA, 4)
    background = _surroundings(style, corners, size)
    cover = cv2.merge([alpha, alpha, alpha])
    image = cv2.add(
        cv2.multiply(seen, cover, scale=1 / 255), cv2.multiply(background, 255 - cover, scale=1 / 255)
    )
    return SceneCrop(u8(image), corners)


def view_corners(layout: Layout, view: Viewpoint) -> Field:
    """Project the sheet's corners with a pinhole camera at `view.distance` plate widths.

    Returns:
        float32 [4, 2] in plate widths from the optical axis, y down; order as in `SceneCrop`.
    """
    half = PLATE_HEIGHT / face_geometry(layout).width / 2
    sheet = np.array([[-0.5, -half, 0], [0.5, -half, 0], [0.5, half, 0], [-0.5, half, 0]])
    yaw, pitch, roll = np.deg2rad([view.yaw, view.pitch, view.roll])
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    about_z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    turned = sheet @ (about_z @ about_x @ about_y).T
    depth = 1 + turned[:, 2:] / view.distance
    return f32(turned[:, :2] / depth)


def _crop_corners(layout: Layout, view: Viewpoint, size: tuple[int, int]) -> Field:
    """The plate's corners in pixels of the crop."""
    points = view_corners(layout, view)
    low = points.min(0)
    extent = points.max(0) - low
    left, top, right, bottom = view.margins
    start = low - extent * f32([left, top])
    crop = extent * f32([1 + left + right, 1 + top + bottom])
    return f32((points - start) / crop * f32([size[1], size[0]]))


def _surroundings(style: PlateStyle, corners: Field, size: tuple[int, int]) -> Image:
    """What is behind the plate, with the shadow the sheet throws on it, uint8 [H, W, 3].

    Drawn at half the size and enlarged: bumpers are out of focus more often than not.
    """
    view, light = style.view, style.light
    rng = np.random.default_rng(view.seed)
    half = (size[0] // 2, size[1] // 2)
    rows, columns = half
    points = corners / 2
    # Lines on the car run parallel to the plate: v is 0 at its top edge, 1 at its bottom.
    top, bottom = (points[0] + points[1]) / 2, (points[3] + points[2]) / 2
    slope = (points[1, 1] - points[0, 1]) / max(float(points[1, 0] - points[0, 0]), 1.0)
    x = np.arange(columns, dtype=np.float32)[None, :] - np.float32(columns / 2)
    y = np.arange(rows, dtype=np.float32)[:, None]
    v = (y - slope * x - top[1]) / np.float32(max(float(bottom[1] - top[1]), 1.0))
    shade = (
        1 + np.float32(rng.uniform(-0.35, 0.35)) * (v - 0.5) + smooth_noise(rng, half, 2) * np.float32(0.06)
    )
    dark, low, high = rng.uniform(0.03, 0.18), rng.uniform(-0.12, -0.02), rng.uniform(1.02, 1.15)
    period, phase, share = rng.uniform(0.1, 0.3), rng.uniform(0, 1), rng.uniform(0.3, 0.7)
    tone = planes(view.surround_colour) * shade
    if view.surroundings == "recess":
        inside = np.clip((v - low) * 25, 0, 1) * np.clip((high - v) * 25, 0, 1)
        tone += (np.float32(dark) - tone) * inside
    elif view.surroundings == "grille":
        bars = np.clip((share - (v / period + phase) % 1.0) * 8 + 0.5, 0, 1)
        tone += (np.float32(dark) - tone) * bars
    shadow = np.zeros(half, np.float32)
    offset = np.float32(rng.uniform(0.01, 0.05)) * (bottom - top)
    cv2.fillConvexPoly(shadow, fixed_point(points + offset), 1.0, cv2.LINE_8, 4)
    shadow = gaussian(shadow, max(0.6, rows * 0.012))
    tone *= 1 - np.float32(0.55) * shadow
    tone = vivid(f32(tone * planes(light.gains)), light.saturation) * np.float32(1 - light.veil)
    tone += np.float32(0.7 * light.veil)
    return u8(cv2.resize(to_uint8(f32(tone)), size[::-1], interpolation=cv2.INTER_LINEAR))
