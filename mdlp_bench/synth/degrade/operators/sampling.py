"""Viewpoint and resolution: the affine view of a moment, and down- and up-sampling by several kernels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, Literal

import cv2
import numpy as np
from PIL import Image
from pydantic import Field

from mdlp_bench.synth.degrade.operators.base import ImageF32, Params, Sizes
from mdlp_bench.synth.degrade.operators.blur import Sigma
from mdlp_bench.synth.degrade.operators.kernels import gaussian_kernel
from mdlp_bench.synth.exact import correlate, resized, warped

Interpolation = Literal["nearest", "bilinear", "bicubic", "area", "lanczos", "antialiased_bicubic"]

_CV_INTERPOLATION: Final[Mapping[str, int]] = {
    "nearest": cv2.INTER_NEAREST,
    "bilinear": cv2.INTER_LINEAR,
    "bicubic": cv2.INTER_CUBIC,
    "area": cv2.INTER_AREA,
    "lanczos": cv2.INTER_LANCZOS4,
}


_LEVELS: Final = 2 * 255
"""What white is where views are rounded."""


class ViewParams(Params):
    """How the ground truth is seen at one moment.

    Attributes:
        height, width: Size of the canvas, pixels.
        shift_x, shift_y: Displacement of the content, fractions of the canvas.
        zoom: Magnification about the centre.
        roll: Rotation in degrees, clockwise on screen.
        shear: Horizontal displacement per vertical unit.
        stretch: Further magnification of the height; None is 1.
        surround: Grey level, 0 to 1, of what lies outside the crop; None repeats its edge pixels.
    """

    height: int = Field(ge=8, le=4096)
    width: int = Field(ge=8, le=4096)
    shift_x: float = 0.0
    shift_y: float = 0.0
    zoom: float = Field(1.0, gt=0.2, lt=5)
    roll: float = 0.0
    shear: float = 0.0
    stretch: float | None = Field(None, gt=0.2, lt=5)
    surround: float | None = Field(None, ge=0, le=1)


def view(image: ImageF32, params: ViewParams, rng: np.random.Generator) -> ImageF32:
    """Map the crop onto the canvas (bicubic), in halves of a grey level."""
    height, width = image.shape[:2]
    if width > 1.5 * params.width or height > 1.5 * params.height:
        image = resized(image, (params.width, params.height), cv2.INTER_AREA)
        height, width = params.height, params.width
    sx, sy = params.width / width, params.height / height
    angle = math.radians(params.roll)
    cos, sin = params.zoom * math.cos(angle), params.zoom * math.sin(angle)
    stretch = params.stretch or 1.0
    # Rows of the map from crop to canvas, [[a, b, shift], [c, d, shift]].
    a, b = cos * sx, (params.shear * cos - sin) * sy
    c, d = stretch * sin * sx, stretch * (cos + params.shear * sin) * sy
    # Pixel centres: the middle of the crop lands on the middle of the canvas plus the shift.
    x = (params.width - 1) / 2 + params.shift_x * params.width
    y = (params.height - 1) / 2 + params.shift_y * params.height
    across, down = (width - 1) / 2, (height - 1) / 2
    x, y = x - (a * across + b * down), y - (c * across + d * down)
    if (height, width) == (params.height, params.width) and (a, b, x, c, d, y) == (1, 0, 0, 0, 1, 0):
        return image
    size = a * d - b * c
    back = [[d / size, -b / size, (b * y - d * x) / size], [-c / size, a / size, (c * x - a * y) / size]]
    surround = None if params.surround is None else round(_LEVELS * params.surround)
    levels = np.rint(np.clip(image, 0.0, 1.0) * np.float32(_LEVELS))
    seen = warped(levels, back, (params.width, params.height), cv2.INTER_CUBIC, surround)
    return np.asarray(np.clip(seen, 0, _LEVELS, out=seen) * np.float32(1 / _LEVELS), np.float32)


class ResizeParams(Params):
    """Target size in pixels and kernel. `antialiased_bicubic` is Pillow's (and MATLAB's: a = -0.5)."""

    height: int = Field(ge=1, le=4096)
    width: int = Field(ge=1, le=4096)
    interpolation: Interpolation


def resize(image: ImageF32, params: ResizeParams, rng: np.random.Generator) -> ImageF32:
    """Resample to the given size."""
    height, width = image.shape[:2]
    if (height, width) == (params.height, params.width):
        return image
    if params.interpolation == "antialiased_bicubic":
        planes = [
            Image.fromarray(np.ascontiguousarray(image[..., channel])).resize(
                (params.width, params.height), Image.Resampling.BICUBIC
            )
            for channel in range(3)
        ]
        return np.asarray(np.clip(np.stack([np.asarray(p) for p in planes], axis=-1), 0.0, 1.0), np.float32)
    done = resized(image, (params.width, params.height), _CV_INTERPOLATION[params.interpolation])
    return np.asarray(np.clip(done, 0.0, 1.0), np.float32)


def resolve_resize(values: Mapping[str, Any], sizes: Sizes) -> dict[str, Any]:
    """Concrete size from `of` (current, frame or canvas; default current) times `scale` (default 1)."""
    base = {"current": sizes.current, "frame": sizes.frame, "canvas": sizes.canvas}[
        values.get("of", "current")
    ]
    scale = float(values.get("scale", 1.0))
    rest = {name: value for name, value in values.items() if name not in {"of", "scale"}}
    return {"height": max(2, round(base[0] * scale)), "width": max(2, round(base[1] * scale)), **rest}


class ShiftedNearestParams(Params):
    """Gaussian blur whose kernel is moved by (factor - 1) / 2 pixels, then every `factor`-th pixel."""

    factor: int = Field(ge=2, le=8)
    sigma: Sigma


def shifted_nearest(image: ImageF32, params: ShiftedNearestParams, rng: np.random.Generator) -> ImageF32:
    """Down-sampling by a shifted kernel (Zhang et al., "BSRGAN", ICCV 2021, section 3.2)."""
    kernel = gaussian_kernel(25, params.sigma, params.sigma, offset=(params.factor - 1) / 2)
    return np.ascontiguousarray(correlate(image, kernel)[:: params.factor, :: params.factor])


def resize_size(params: ResizeParams, size: tuple[int, int]) -> tuple[int, int]:
    """The size (height, width) after `resize`."""
    return params.height, params.width


def shifted_nearest_size(params: ShiftedNearestParams, size: tuple[int, int]) -> tuple[int, int]:
    """The size (height, width) after `shifted_nearest`."""
    return -(-size[0] // params.factor), -(-size[1] // params.factor)
