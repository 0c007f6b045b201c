"""Light on a plate's face, and its exposure."""

from __future__ import annotations

import numpy as np

from mdlp_bench.images import LUMA
from mdlp_bench.synth.exact import correlate, exp, gaussian
from mdlp_bench.synth.render.geometry import PLATE_HEIGHT
from mdlp_bench.synth.render.raster import Field, f32, grain, planes, smooth_noise
from mdlp_bench.synth.render.style import Light


def relief(ink: Field, emboss: float, direction: float) -> Field:
    """Light and shadow along stamped edges: the slope of the blurred ink against the light, around 0."""
    if emboss <= 0:
        return np.zeros_like(ink)
    unit = ink.shape[0] / PLATE_HEIGHT
    soft = gaussian(ink, max(0.4, 1.3 * unit))
    angle = np.deg2rad(direction)
    strength = 0.75 * emboss * max(1.0, unit)
    # The ink stands out of the sheet; an edge that rises towards the light is lit (image y grows downwards).
    kernel = np.zeros((3, 3), np.float32)
    kernel[1, 0], kernel[1, 2] = np.cos(angle) * strength, -np.cos(angle) * strength
    kernel[0, 1], kernel[2, 1] = -np.sin(angle) * strength, np.sin(angle) * strength
    return correlate(soft, kernel)


def illumination(light: Light, shape: tuple[int, int], rng: np.random.Generator) -> Field:
    """Relative irradiance over the face: fall-off, cast shadow, retro-reflection; float32 [H, W] around 1."""
    x, y = _grid(shape)
    angle = np.deg2rad(light.direction)
    field = 1 + np.float32(0.5 * light.falloff) * (
        x * np.float32(np.cos(angle)) - y * np.float32(np.sin(angle))
    )
    if light.shadow > 0:
        angle = np.deg2rad(light.shadow_angle)
        along = x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle))
        along -= smooth_noise(rng, shape, 3) * np.float32(0.03)
        softness = 2 * light.shadow_softness + 2.0 / shape[1]
        shaded = np.clip((np.float32(light.shadow_at) - along) * np.float32(1 / softness) + 0.5, 0, 1)
        field *= 1 - np.float32(light.shadow) * shaded
    if light.retro > 0:
        across = exp(np.float32(-1.2) * x**2) * exp(np.float32(-4.8) * y**2)
        field += np.float32(light.retro) * across
    return f32(field)


def exposed(image: Field, light: Light, rng: np.random.Generator) -> Field:
    """Exposure and colour cast, glare, vividness, veil and grain on a planar face (not yet clipped)."""
    image *= planes(light.gains)
    shape = (image.shape[1], image.shape[2])
    if light.glare > 0:
        x, y = _grid(shape)
        gx = np.float32(light.glare_at[0] * 2 - 1)
        gy = np.float32((light.glare_at[1] * 2 - 1) * shape[0] / shape[1])
        scale = np.float32(-0.5 / light.glare_size**2)
        spot = exp((x - gx) ** 2 * scale) * exp((y - gy) ** 2 * scale)
        image += np.float32(light.glare) * spot
    image = vivid(image, light.saturation)
    if light.veil > 0:
        image *= np.float32(1 - light.veil)
        image += np.float32(0.7 * light.veil)
    if light.noise > 0:
        image += grain(rng, shape) * np.float32(light.noise)
    return image


def vivid(image: Field, saturation: float) -> Field:
    """Move the colours of a planar image away from (or towards) their grey, by the factor `saturation`."""
    grey = image[0] * LUMA[0] + image[1] * LUMA[1] + image[2] * LUMA[2]
    return f32(grey + (image - grey) * np.float32(saturation))


def _grid(shape: tuple[int, int]) -> tuple[Field, Field]:
    """Coordinates x [1, W] in -1..1 and y [H, 1] in the same unit (so -H/W..H/W)."""
    rows, columns = shape
    x = np.linspace(-1, 1, columns, dtype=np.float32)[None, :]
    y = np.linspace(-rows / columns, rows / columns, rows, dtype=np.float32)[:, None]
    return x, y
