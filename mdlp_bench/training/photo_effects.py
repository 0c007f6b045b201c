"""What happens to a plate between its sheet and the crop: strokes, bends, optics, exposure, sensor, codec."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from mdlp_bench.images import ImageU8
from mdlp_bench.synth.render.raster import f32, u8

# The transfer curve of display values: grey levels to linear light, and linear light in 12 bits back.
_LINEAR: Final = f32((np.arange(256, dtype=np.float32) / 255) ** np.float32(2.2))
_CODED: Final = u8(np.round(255 * (np.arange(4096) / 4095) ** (1 / 2.2)).astype(np.uint8))


def reweigh(image: ImageU8, rng: np.random.Generator) -> ImageU8:
    """Thinner or bolder strokes: the image is blended with its dilation or erosion."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    other = cv2.dilate(image, kernel) if rng.random() < 0.5 else cv2.erode(image, kernel)
    share = float(rng.uniform(0, 0.8))
    return u8(cv2.addWeighted(image, 1 - share, other, share, 0))


def elastic(image: ImageU8, rng: np.random.Generator) -> ImageU8:
    """Glyph shapes of other makers: a smooth displacement of up to about two pixels, a stroke's width."""
    height, width = image.shape[:2]
    coarse = rng.normal(0, rng.uniform(0.3, 0.9), (8, 20, 2)).astype(np.float32)
    field = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return _remapped(image, x + field[..., 0], y + field[..., 1])


def bend(image: ImageU8, rng: np.random.Generator) -> ImageU8:
    """Sheets are bent by bumpers and tools: rows and columns leave their straight lines by up to a stroke."""
    height, width = image.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    waves = rng.uniform(0.5, 2.0, 2)
    phases = rng.uniform(0, 2 * np.pi, 2)
    reach = np.clip(rng.normal(0, [0.025, 0.012], 2), [-0.06, -0.03], [0.06, 0.03])
    bent_y = y + np.float32(reach[0] * height) * np.sin(np.float32(np.pi * waves[0]) * x / width + phases[0])
    bent_x = x + np.float32(reach[1] * width) * np.sin(np.float32(np.pi * waves[1]) * x / width + phases[1])
    return _remapped(image, bent_x.astype(np.float32), bent_y.astype(np.float32))


def glare(image: ImageU8, rng: np.random.Generator) -> ImageU8:
    """A lamp or the sun on the sheet: a soft bright spot, or a dark shadow's side."""
    height, width = image.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    centre = rng.uniform(0, [width, height])
    radius = rng.uniform(0.2, 1.2, 2) * [height, height]
    spot = np.exp(-(((x - centre[0]) / radius[0]) ** 2) - ((y - centre[1]) / radius[1]) ** 2)[..., None]
    strength = rng.uniform(40, 170) if rng.random() < 0.7 else -rng.uniform(20, 80)
    return u8(np.clip(image + spot * strength, 0, 255))


def expose(
    image: ImageU8,
    rng: np.random.Generator,
    focus: float,
    light: float,
    grain: float,
    sharpness: float = 1.0,
) -> ImageU8:
    """Optics, exposure and sensor in linear light.

    Args:
        image: uint8 RGB [H, W, 3].
        rng: Source of every draw.
        focus: Strength of blur, from 0 to 1; its width grows with the image.
        light: Strength of over- or under-exposure, likewise.
        grain: Strength of noise, likewise.
        sharpness: How many times narrower than usual all blur is.

    Returns:
        uint8 RGB [H, W, 3].
    """
    scale = image.shape[0] / 28 / sharpness
    linear = _LINEAR[image]
    kind = rng.random()
    sigma = (rng.uniform(0.1, 0.45) + rng.uniform(0.0, 0.75) * focus) * scale
    if kind < 0.8:
        other = sigma * float(np.exp(rng.normal(0, 0.2)))  # lenses and lines differ along the two axes
        linear = f32(cv2.GaussianBlur(linear, (0, 0), max(sigma, 0.2), sigmaY=max(other, 0.2)))
    elif kind < 0.9:
        length = max(2, round((1 + 3 * focus) * scale))
        kernel = np.full((1, length), 1 / length, np.float32)
        linear = f32(cv2.filter2D(linear, -1, kernel if rng.random() < 0.7 else kernel.T))
    # Over-exposure to three times the light, or night with a tenth of it.
    stops = rng.normal(0, 0.25) + light * (
        rng.uniform(0, 1.7) if rng.random() < 0.55 else rng.uniform(-3.3, 0)
    )
    linear = linear * np.exp2(stops + rng.normal(0, 0.12, 3) * (1 + light)).astype(np.float32)
    if rng.random() < 0.2 + 0.4 * light:  # halo of what is brighter than the sensor's range
        halo = cv2.GaussianBlur(np.maximum(linear - 0.6, 0), (0, 0), rng.uniform(0.5, 2.0) * scale)
        linear = linear + halo * np.float32(rng.uniform(0.2, 1.0))
    if rng.random() < 0.3:  # haze, reflected sky
        linear = linear + np.float32(rng.uniform(0, 0.12 + 0.3 * light))
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    if rng.random() < 0.5:  # demosaicing and the codec's chroma smear noise
        noise = cv2.GaussianBlur(noise, (0, 0), 0.7) * np.float32(2)
    linear = linear + noise * np.sqrt(np.maximum(linear, 0) + 0.02) * np.float32(0.004 + 0.05 * grain)
    coded = _CODED[(np.clip(linear, 0, 1) * 4095).astype(np.uint16)]
    if rng.random() < 0.3:  # cameras sharpen
        soft = cv2.GaussianBlur(coded, (0, 0), max(0.8 * scale, 0.3))
        amount = rng.uniform(0.3, 1.2)
        coded = u8(cv2.addWeighted(coded, 1 + amount, soft, -amount, 0))
    if rng.random() < 0.07:
        coded = u8(cv2.cvtColor(cv2.cvtColor(coded, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB))
    return coded


def jpeg(image: ImageU8, quality: int) -> ImageU8:
    """The image after JPEG of a quality from 1 to 100."""
    _, coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)


def _remapped(image: ImageU8, x: npt.NDArray[np.float32], y: npt.NDArray[np.float32]) -> ImageU8:
    """The image with each pixel taken from its place in `x` and `y`."""
    return u8(cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
