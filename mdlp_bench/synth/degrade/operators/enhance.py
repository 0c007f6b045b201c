"""What cameras do to images for the eye: sharpening with its halo, and noise reduction."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from mdlp_bench.images import LUMA
from mdlp_bench.synth.degrade.operators.base import ImageF32, Params
from mdlp_bench.synth.exact import exp, gaussian, product


class SharpenParams(Params):
    """Unsharp masking: image + amount (image - Gaussian(image)); `sigma` in pixels."""

    amount: float = Field(ge=0, le=10)
    sigma: float = Field(1.0, gt=0, le=10)


def sharpen(image: ImageF32, params: SharpenParams, rng: np.random.Generator) -> ImageF32:
    """Sharpen the luminance, which leaves dark and bright halos along edges."""
    luma = product(image, LUMA)
    detail = np.float32(params.amount) * (luma - gaussian(luma, params.sigma))
    return np.asarray(np.clip(image + detail[..., None], 0.0, 1.0), np.float32)


class DenoiseParams(Params):
    """Bilateral filter; `range_sigma` on the 0-1 scale, `space_sigma` in pixels."""

    range_sigma: float = Field(gt=0, le=2)
    space_sigma: float = Field(gt=0, le=10)


def denoise(image: ImageF32, params: DenoiseParams, rng: np.random.Generator) -> ImageF32:
    """The smearing noise reduction of surveillance cameras.

    Weights are Gaussian in the distance, up to 1.5 sigma, and in the sum of the channels' differences.
    """
    reach = int(np.ceil(1.5 * params.space_sigma))
    height, width = image.shape[:2]
    padded = np.pad(image, ((reach, reach), (reach, reach), (0, 0)), mode="reflect")
    total, weights = np.zeros_like(image), np.zeros((height, width, 1), np.float32)
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            if (distance := dx * dx + dy * dy) > reach * reach:
                continue
            moved = padded[reach + dy : reach + dy + height, reach + dx : reach + dx + width]
            change = np.abs(moved - image)
            difference = (change[..., :1] + change[..., 1:2] + change[..., 2:]) / np.float32(
                params.range_sigma
            )
            weight = exp(-0.5 * (difference * difference + np.float32(distance / params.space_sigma**2)))
            total += moved * weight
            weights += weight
    return total / weights
