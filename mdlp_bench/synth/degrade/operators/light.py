"""Light and colour: exposure, gamma, contrast, veil, saturation, night and glare."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from mdlp_bench.images import LUMA
from mdlp_bench.synth.degrade.operators.base import ImageF32, Params, linear_light, stored_values
from mdlp_bench.synth.exact import exp, gaussian, power, product


class ExposureParams(Params):
    """Multiply linear light by `gain`; what exceeds white is clipped."""

    gain: float = Field(gt=0, le=64)


def exposure(image: ImageF32, params: ExposureParams, rng: np.random.Generator) -> ImageF32:
    """Under- or over-expose."""
    return stored_values(linear_light(image) * np.float32(params.gain))


class GammaParams(Params):
    """Raise stored values to `gamma`; above 1 darkens."""

    gamma: float = Field(gt=0.1, le=10)


def gamma(image: ImageF32, params: GammaParams, rng: np.random.Generator) -> ImageF32:
    """Gamma curve."""
    return power(np.clip(image, 0.0, 1.0), params.gamma)


class ToneParams(Params):
    """Scale about the mean luminance by `contrast`, then mix `veil` of an even grey `veil_level` over all."""

    contrast: float = Field(1.0, ge=0, le=4)
    veil: float = Field(0.0, ge=0, le=1)
    veil_level: float = Field(0.5, ge=0, le=1)


def tone(image: ImageF32, params: ToneParams, rng: np.random.Generator) -> ImageF32:
    """Contrast and veiling glare of a lens."""
    mean = np.float32(product(image, LUMA).mean())
    toned = (image - mean) * np.float32(params.contrast) + mean
    toned = toned * np.float32(1 - params.veil) + np.float32(params.veil * params.veil_level)
    return np.asarray(np.clip(toned, 0.0, 1.0), np.float32)


class SaturationParams(Params):
    """Blend with the luminance: 0 grey, 1 unchanged."""

    factor: float = Field(ge=0, le=4)


def saturation(image: ImageF32, params: SaturationParams, rng: np.random.Generator) -> ImageF32:
    """Colour saturation (computed here: albumentations takes seconds to import in every worker)."""
    grey = product(image, LUMA)[..., None]
    return np.asarray(np.clip(grey + (image - grey) * np.float32(params.factor), 0.0, 1.0), np.float32)


class ColourCastParams(Params):
    """Gains of red and blue in linear light (green stays)."""

    red_gain: float = Field(gt=0, le=4)
    blue_gain: float = Field(gt=0, le=4)


def colour_cast(image: ImageF32, params: ColourCastParams, rng: np.random.Generator) -> ImageF32:
    """A wrong white balance."""
    gains = np.array([params.red_gain, 1.0, params.blue_gain], np.float32)
    return stored_values(linear_light(image) * gains)


class NightParams(Params):
    """Night.

    Attributes:
        level: Ambient light as a fraction of day.
        colour_loss: How much of the saturation the dark takes, 0-1.
        lamp_x, lamp_y: Centre of the lamp's cone, fractions of width and height.
        lamp: Light of the lamp at its centre, as a fraction of day.
        lamp_radius: Gaussian radius of the cone, fraction of the width.
    """

    level: float = Field(gt=0, le=1)
    colour_loss: float = Field(ge=0, le=1)
    lamp_x: float = 0.5
    lamp_y: float = 0.5
    lamp: float = Field(0.0, ge=0, le=10)
    lamp_radius: float = Field(0.5, gt=0, le=5)


def night(image: ImageF32, params: NightParams, rng: np.random.Generator) -> ImageF32:
    """Dim ambient light plus one lamp, with less colour."""
    light = linear_light(image)
    grey = product(light, LUMA)[..., None]
    light = light + (grey - light) * np.float32(params.colour_loss)
    x, y = _offsets(image, params.lamp_x, params.lamp_y)
    cone = np.exp(-(x**2 + y**2) / (2 * params.lamp_radius**2))
    shade = np.asarray(params.level + params.lamp * cone, np.float32)
    return stored_values(light * shade[..., None])


class GlareParams(Params):
    """A bright spot scattered over the lens: `strength` of white at (x, y), fractions of width and height."""

    strength: float = Field(ge=0, le=2)
    x: float
    y: float
    radius: float = Field(gt=0, le=5)


def glare(image: ImageF32, params: GlareParams, rng: np.random.Generator) -> ImageF32:
    """Add the spot in linear light (Gaussian, radius a fraction of the width)."""
    x, y = _offsets(image, params.x, params.y, np.float32)
    spot = np.float32(params.strength) * exp(-(x**2 + y**2) / np.float32(2 * params.radius**2))
    return stored_values(linear_light(image) + spot[..., None].astype(np.float32))


class ShadowParams(Params):
    """A straight shadow edge: beyond the line through (x, y), towards `angle`, `level` of the light stays."""

    x: float
    y: float
    angle: float
    level: float = Field(ge=0, le=1)
    softness: float = Field(0.01, ge=0, le=0.5)


def shadow(image: ImageF32, params: ShadowParams, rng: np.random.Generator) -> ImageF32:
    """Cast the shadow in linear light; `softness` is the edge's blur, fraction of the width."""
    x, y = _offsets(image, params.x, params.y)
    mask = (x * np.cos(params.angle) + y * np.sin(params.angle) > 0).astype(np.float32)
    if params.softness > 0:
        mask = gaussian(mask, max(0.3, params.softness * image.shape[1]))
    return stored_values(linear_light(image) * (1 - mask * np.float32(1 - params.level))[..., None])


def _offsets(
    image: ImageF32, x: float, y: float, kind: npt.DTypeLike = np.float64
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """How far pixels are from a point (fractions of width and height), in widths: [1, W] and [H, 1]."""
    height, width = image.shape[:2]
    right = (np.arange(width, dtype=kind) + 0.5)[None, :] / width - np.asarray(x, kind)
    down = ((np.arange(height, dtype=kind) + 0.5)[:, None] / height - np.asarray(y, kind)) * (height / width)
    return right, down
