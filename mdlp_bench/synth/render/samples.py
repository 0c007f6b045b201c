"""Streams of rendered plates, each a function of (seed, index) alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mdlp_bench.errors import DataError, one_of
from mdlp_bench.files import seed_for
from mdlp_bench.plate import LAYOUTS, Layout
from mdlp_bench.synth.render.raster import Field, Image
from mdlp_bench.synth.render.scene import render_scene_crop
from mdlp_bench.synth.render.style import Appearance, PlateStyle, sample_style
from mdlp_bench.synth.render.text import Provinces, sample_text

DEFAULT_LAYOUTS: Final[Mapping[Layout, float]] = MappingProxyType(
    {
        "blue": 0.62,
        "green_small": 0.25,
        "green_large": 0.02,
        "yellow": 0.05,
        "white_police": 0.02,
        "black": 0.02,
        "training": 0.01,
        "trailer": 0.01,
    }
)
"""Shares of layouts: mostly blue, a quarter new-energy, as in MDLP; a little of everything else."""


@dataclass(frozen=True, slots=True)
class RenderedSample:
    """One rendered plate.

    Attributes:
        index: Its place in the stream.
        text: The plate's text (also its identity, `plate_id`).
        layout: Visual layout.
        style: Every sampled parameter; `render_scene_crop(text, layout, style, size)` gives `image` again.
        image: The crop, uint8 RGB [H, W, 3].
        corners: The sheet's corners in it, float32 [4, 2] (see `SceneCrop`).
    """

    index: int
    text: str
    layout: Layout
    style: PlateStyle
    image: Image
    corners: Field


def render_sample(
    seed: int,
    index: int,
    *,
    layouts: Mapping[Layout, float] = DEFAULT_LAYOUTS,
    provinces: Provinces = "uniform",
    appearance: Appearance = Appearance(),  # noqa: B008 - frozen
    size: tuple[int, int] = (112, 224),
) -> RenderedSample:
    """Render sample `index` of stream `seed`; the same on any worker and in any order.

    Args:
        seed: The stream.
        index: Place in the stream.
        layouts: Relative shares of layouts (need not sum to 1).
        provinces: Distribution of provinces; see `sample_text`.
        appearance: Distribution of looks; see `sample_style`.
        size: (height, width) in pixels.

    Raises:
        DataError: The shares name an unknown layout, are negative or are all zero.
    """
    rng = np.random.default_rng(seed_for(seed, index))
    text, layout = _draw_plate(rng, layouts, provinces)
    style = sample_style(rng, layout, appearance=appearance)
    crop = render_scene_crop(text, layout, style, size)
    return RenderedSample(index, text, layout, style, crop.image, crop.corners)


def plate_of(
    seed: int,
    index: int,
    *,
    layouts: Mapping[Layout, float] = DEFAULT_LAYOUTS,
    provinces: Provinces = "uniform",
) -> tuple[str, Layout]:
    """Text and layout of sample `index` of stream `seed`, without rendering it (see `render_sample`)."""
    return _draw_plate(np.random.default_rng(seed_for(seed, index)), layouts, provinces)


def _draw_plate(
    rng: np.random.Generator, layouts: Mapping[Layout, float], provinces: Provinces
) -> tuple[str, Layout]:
    names, shares = _shares(layouts)
    layout = names[rng.choice(len(names), p=shares)]
    return sample_text(rng, layout, provinces), layout


def render_samples(
    seed: int,
    n: int,
    *,
    start: int = 0,
    layouts: Mapping[Layout, float] = DEFAULT_LAYOUTS,
    provinces: Provinces = "uniform",
    appearance: Appearance = Appearance(),  # noqa: B008 - frozen
    size: tuple[int, int] = (112, 224),
) -> Iterator[RenderedSample]:
    """Yield samples `start` to `start + n - 1` of stream `seed` (arguments as in `render_sample`)."""
    for index in range(start, start + n):
        yield render_sample(
            seed, index, layouts=layouts, provinces=provinces, appearance=appearance, size=size
        )


def _shares(layouts: Mapping[Layout, float]) -> tuple[tuple[Layout, ...], NDArray[np.float64]]:
    for name in layouts:
        one_of("layout", name, LAYOUTS, DataError)
    values = np.array(list(layouts.values()), np.float64)
    if not np.isfinite(values).all() or (values < 0).any() or not values.sum() > 0:
        raise DataError("shares of layouts must be non-negative numbers with a positive sum")
    return tuple(layouts), values / values.sum()
