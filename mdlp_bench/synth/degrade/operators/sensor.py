"""Noise: additive Gaussian, Poisson as in the blind super-resolution recipes, and a raw Bayer sensor."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.special import pdtr

from mdlp_bench.images import LUMA
from mdlp_bench.synth.degrade.operators.base import ImageF32, Params, linear_light, stored_values, to_uint8
from mdlp_bench.synth.exact import product

_QUANTILES: Final = 4096


class GaussianNoiseParams(Params):
    """Additive Gaussian noise of standard deviation `sigma` on the 0-255 scale.

    `channels`: independent in each channel (colour), the same in all (gray), or of a random covariance
    (correlated).
    """

    sigma: float = Field(ge=0, le=255)
    channels: Literal["colour", "gray", "correlated"] = "colour"


def gaussian_noise(image: ImageF32, params: GaussianNoiseParams, rng: np.random.Generator) -> ImageF32:
    """Add the noise and clip to [0, 1].

    The covariance of correlated noise is |L^2 U^T D U| with a random orthogonal U, a diagonal D uniform in
    [0, 1] and L = sigma (Zhang et al., BSRGAN, section 3.3).
    """
    sigma = np.float32(params.sigma / 255)
    shape = image.shape if params.channels != "gray" else (*image.shape[:2], 1)
    if params.channels == "correlated":
        orthogonal = np.linalg.qr(rng.standard_normal((3, 3)))[0]
        covariance = np.abs(orthogonal.T @ np.diag(rng.random(3)) @ orthogonal)
        # The absolute value may cost positive semi-definiteness; the nearest such matrix is used.
        values, vectors = np.linalg.eigh(covariance)
        mixing = np.asarray(vectors * np.sqrt(np.maximum(values, 0)), np.float32)
        noise = product(rng.standard_normal(shape, np.float32), mixing.T)
    else:
        noise = rng.standard_normal(shape, np.float32)
    return np.asarray(np.clip(image + sigma * noise, 0.0, 1.0), np.float32)


class PoissonNoiseParams(Params):
    """Shot noise multiplied by `scale`; `gray` puts the noise of the luminance into all channels."""

    scale: float = Field(ge=0, le=10)
    gray: bool = False


def poisson_noise(image: ImageF32, params: PoissonNoiseParams, rng: np.random.Generator) -> ImageF32:
    """image + scale (Poisson(image v) / v - image), clipped; v = number of grey levels, up to a power of 2.

    (The Poisson noise of Real-ESRGAN's second-order recipe.) Counts are drawn by inversion from a table of
    4096 quantiles for each grey level: several times faster than rejection, with the right mean and variance
    to a fraction of a percent; only the outermost tails, 1 in 8192 on each side, are cut.
    """
    source = product(image, LUMA)[..., None] if params.gray else image
    levels = to_uint8(source)
    rounded = levels.astype(np.float32) / np.float32(255)
    used = int(np.count_nonzero(np.bincount(levels.ravel(), minlength=256)))
    peak = 2 ** int(np.ceil(np.log2(max(used, 1))))
    draws = rng.integers(0, _QUANTILES, levels.shape, dtype=np.uint16)
    counts = _poisson_quantiles(peak)[levels, draws]
    noise = counts.astype(np.float32) / np.float32(peak) - rounded
    return np.asarray(np.clip(image + np.float32(params.scale) * noise, 0.0, 1.0), np.float32)


@lru_cache(maxsize=9)
def _poisson_quantiles(peak: int) -> npt.NDArray[np.int16]:
    """[256, 4096] quantiles of Poisson(level / 255 * peak) at the middles of 4096 equal parts."""
    counts = np.arange(peak + 16 * int(np.sqrt(peak)) + 32)
    middles = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    table = np.empty((256, _QUANTILES), np.int16)
    for level in range(256):
        table[level] = np.searchsorted(pdtr(counts, level / 255 * peak), middles)
    table.setflags(write=False)
    return table


class BayerSensorParams(Params):
    """A raw sensor.

    Attributes:
        shot: Variance per unit of linear light.
        read: Standard deviation of the read noise, linear light.
        red_gain, blue_gain: White balance error left after correction.
        phase_x, phase_y: Where the RGGB pattern starts (0 or 1).
    """

    shot: float = Field(ge=0, le=1)
    read: float = Field(ge=0, le=1)
    red_gain: float = Field(1.0, gt=0, lt=4)
    blue_gain: float = Field(1.0, gt=0, lt=4)
    phase_x: Literal[0, 1] = 0
    phase_y: Literal[0, 1] = 0


def bayer_sensor(image: ImageF32, params: BayerSensorParams, rng: np.random.Generator) -> ImageF32:
    """Linear light -> RGGB mosaic -> Poisson-Gaussian noise -> bilinear demosaicing -> stored values.

    Noise variance is shot x + read^2 (Foi et al., "Practical Poissonian-Gaussian noise modeling", 2008).
    """
    light = linear_light(image)
    red, green, blue = bayer_masks(image.shape[0], image.shape[1], params.phase_x, params.phase_y)
    raw = light[..., 0] * red + light[..., 1] * green + light[..., 2] * blue
    deviation = np.sqrt(np.float32(params.shot) * raw + np.float32(params.read**2))
    raw = np.clip(raw + deviation * rng.standard_normal(raw.shape, np.float32), 0.0, 1.0)
    return stored_values(demosaic(raw, red, green, blue) * white_balance(params.red_gain, params.blue_gain))


def white_balance(red_gain: float, blue_gain: float) -> npt.NDArray[np.float32]:
    """RGB gains."""
    return np.array([red_gain, 1.0, blue_gain], np.float32)


def bayer_masks(
    height: int, width: int, phase_x: int, phase_y: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """[height, width] masks (1 or 0) of the red, green and blue photosites of an RGGB pattern."""
    x = (np.arange(width) + phase_x)[None, :] % 2
    y = (np.arange(height) + phase_y)[:, None] % 2
    red = ((x == 0) & (y == 0)).astype(np.float32)
    blue = ((x == 1) & (y == 1)).astype(np.float32)
    return red, 1 - red - blue, blue


def demosaic(
    raw: npt.NDArray[np.float32],
    red: npt.NDArray[np.float32],
    green: npt.NDArray[np.float32],
    blue: npt.NDArray[np.float32],
) -> ImageF32:
    """Bilinear demosaicing: each missing value is the weighted mean of the neighbours that have it."""
    masks = np.stack([red, green, blue], axis=-1)
    values = raw[..., None]
    total, weight = _neighbours(values * masks), _neighbours(masks)
    return np.where(masks > 0, values, total / np.maximum(weight, np.float32(1e-6)))


def _neighbours(planes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Correlate [H, W, 3] with [1, 2, 1] / 2 along both axes; nothing lies beyond the border."""
    height, width = planes.shape[:2]
    padded = np.zeros((height + 2, width + 2, 3), np.float32)
    padded[1:-1, 1:-1] = planes
    rows = (padded[:-2] + padded[2:]) * np.float32(0.5) + padded[1:-1]
    return (rows[:, :-2] + rows[:, 2:]) * np.float32(0.5) + rows[:, 1:-1]
