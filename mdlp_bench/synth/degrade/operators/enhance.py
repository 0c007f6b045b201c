"""What a camera does to please the eye: sharpening with its halo, and noise reduction."""

from __future__ import annotations

import cv2
import numpy as np
from pydantic import Field

from mdlp_bench.synth.degrade.operators.base import ImageF32, Params


class SharpenParams(Params):
    """Unsharp masking: image + amount (image - Gaussian(image)); `sigma` in pixels."""

    amount: float = Field(ge=0, le=10)
    sigma: float = Field(1.0, gt=0, le=10)


def sharpen(image: ImageF32, params: SharpenParams, rng: np.random.Generator) -> ImageF32:
    """Sharpen the luminance, which leaves dark and bright halos along edges."""
    ycc = cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb)
    luma = np.ascontiguousarray(ycc[..., 0])
    smooth = cv2.GaussianBlur(luma, (0, 0), params.sigma)
    ycc[..., 0] = luma + np.float32(params.amount) * (luma - smooth)
    return np.asarray(np.clip(cv2.cvtColor(ycc, cv2.COLOR_YCrCb2RGB), 0.0, 1.0), np.float32)


class DenoiseParams(Params):
    """Bilateral filter; `range_sigma` on the 0-1 scale, `space_sigma` in pixels."""

    range_sigma: float = Field(gt=0, le=2)
    space_sigma: float = Field(gt=0, le=10)


def denoise(image: ImageF32, params: DenoiseParams, rng: np.random.Generator) -> ImageF32:
    """The smearing noise reduction of surveillance cameras."""
    size = 2 * int(np.ceil(1.5 * params.space_sigma)) + 1
    return np.asarray(cv2.bilateralFilter(image, size, params.range_sigma, params.space_sigma), np.float32)
