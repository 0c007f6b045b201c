"""Rain and fog, drawn by albumentations."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from mdlp_bench.synth.degrade.operators.base import ImageF32, Params


class RainParams(Params):
    """Rain streaks.

    Attributes:
        drops: Streaks per 10,000 pixels.
        length: Length of a streak, fraction of the height.
        slant: Horizontal displacement over a streak, pixels.
        thickness: Width of a streak, pixels.
        brightness: What the clouds leave of the light, (0, 1].
    """

    drops: float = Field(ge=0, le=200)
    length: float = Field(gt=0, le=1)
    slant: float = Field(ge=-20, le=20)
    thickness: int = Field(1, ge=1, le=5)
    brightness: float = Field(0.9, gt=0, le=1)


def rain(image: ImageF32, params: RainParams, rng: np.random.Generator) -> ImageF32:
    """Streaks at random places (albumentations' `add_rain`)."""
    from albumentations.augmentations.pixel.functional import add_rain

    height, width = image.shape[:2]
    count = int(rng.poisson(params.drops * height * width / 10_000))
    length = max(1, round(params.length * height))
    places = np.column_stack([rng.integers(0, width, count), rng.integers(-length, height, count)]).astype(
        np.int32
    )
    wet = add_rain(
        np.clip(image, 0.0, 1.0),
        slant=params.slant,
        drop_length=length,
        drop_width=params.thickness,
        drop_color=(200, 200, 200),
        blur_value=3,
        brightness_coefficient=params.brightness,
        rain_drops=places,
    )
    return np.asarray(wet, np.float32)


class FogParams(Params):
    """Fog patches: `density` 0-1 is about the share of white mixed in where patches overlap."""

    density: float = Field(ge=0, le=1)
    patches: int = Field(12, ge=1, le=100)


def fog(image: ImageF32, params: FogParams, rng: np.random.Generator) -> ImageF32:
    """Patches of white at random places (albumentations' `add_fog`)."""
    from albumentations.augmentations.pixel.functional import add_fog

    height, width = image.shape[:2]
    places = [(int(x), int(y)) for x, y in rng.random((params.patches, 2)) * (width, height)]
    foggy = add_fog(
        np.clip(image, 0.0, 1.0),
        fog_intensity=params.density,
        alpha_coef=0.15,
        fog_particle_positions=places,
        fog_particle_radiuses=[int(r) for r in rng.integers(height // 3, height, params.patches)],
    )
    return np.asarray(foggy, np.float32)
