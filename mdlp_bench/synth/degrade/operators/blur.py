"""Linear blurs: one operator per kernel family."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import AfterValidator, Field

from mdlp_bench.synth.degrade.operators import kernels
from mdlp_bench.synth.degrade.operators.base import ImageF32, Params
from mdlp_bench.synth.exact import correlate, separable


def _odd(size: int) -> int:
    if size % 2 == 0:
        raise ValueError(f"kernel sizes are odd, got {size}")
    return size


KernelSize = Annotated[int, Field(ge=1, le=63), AfterValidator(_odd)]
Sigma = Annotated[float, Field(ge=0, le=30)]


class GaussianBlurParams(Params):
    """Gaussian blur; `size` None takes three sigma to each side, `sigma_y` None makes it isotropic."""

    sigma_x: Sigma
    sigma_y: Sigma | None = None
    angle: float = 0.0
    size: KernelSize | None = None


def gaussian_blur(image: ImageF32, params: GaussianBlurParams, rng: np.random.Generator) -> ImageF32:
    """Blur with `kernels.gaussian_kernel`."""
    sigma_y = params.sigma_x if params.sigma_y is None else params.sigma_y
    size = params.size or 2 * int(np.ceil(3 * max(params.sigma_x, sigma_y))) + 1
    if sigma_y == params.sigma_x or params.angle == 0.0:
        # The kernel is separable: the same result with 2k instead of k^2 products per pixel.
        row = kernels.gaussian_kernel(size, params.sigma_x, params.sigma_x)[size // 2]
        column = kernels.gaussian_kernel(size, sigma_y, sigma_y)[size // 2]
        return separable(image, row / row.sum(), column / column.sum())
    return correlate(image, kernels.gaussian_kernel(size, params.sigma_x, sigma_y, params.angle))


class ShapedBlurParams(Params):
    """Generalised Gaussian or plateau blur with shape exponent `beta`."""

    size: KernelSize
    sigma_x: Sigma
    sigma_y: Sigma | None = None
    angle: float = 0.0
    beta: float = Field(gt=0, le=10)

    @property
    def kernel(self) -> tuple[int, float, float, float, float]:
        """The arguments of the functions of `kernels`."""
        sigma_y = self.sigma_x if self.sigma_y is None else self.sigma_y
        return self.size, self.sigma_x, sigma_y, self.angle, self.beta


def generalized_gaussian_blur(
    image: ImageF32, params: ShapedBlurParams, rng: np.random.Generator
) -> ImageF32:
    """Blur with `kernels.generalized_gaussian_kernel`."""
    return correlate(image, kernels.generalized_gaussian_kernel(*params.kernel))


def plateau_blur(image: ImageF32, params: ShapedBlurParams, rng: np.random.Generator) -> ImageF32:
    """Blur with `kernels.plateau_kernel`."""
    return correlate(image, kernels.plateau_kernel(*params.kernel))


class SincBlurParams(Params):
    """Ideal circular low-pass; `cutoff` in radians per pixel."""

    size: KernelSize
    cutoff: float = Field(gt=0, le=float(np.pi) + 1e-9)


def sinc_blur(image: ImageF32, params: SincBlurParams, rng: np.random.Generator) -> ImageF32:
    """Filter with `kernels.sinc_kernel`: blur with ringing."""
    return correlate(image, kernels.sinc_kernel(params.size, params.cutoff))


class DefocusBlurParams(Params):
    """Circle of confusion of `radius` pixels."""

    radius: float = Field(ge=0, le=30)


def defocus_blur(image: ImageF32, params: DefocusBlurParams, rng: np.random.Generator) -> ImageF32:
    """Blur with `kernels.disk_kernel`."""
    return correlate(image, kernels.disk_kernel(params.radius))


class MotionBlurParams(Params):
    """Uniform motion during the exposure: `length` pixels, direction `angle` radians."""

    length: float = Field(ge=0, le=500)
    angle: float


def motion_blur(image: ImageF32, params: MotionBlurParams, rng: np.random.Generator) -> ImageF32:
    """Blur with `kernels.motion_kernel`."""
    if params.length < 0.05:
        return image
    return correlate(image, kernels.motion_kernel(params.length, params.angle))
