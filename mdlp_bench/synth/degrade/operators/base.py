"""What every operator is: a frozen parameter model and a pure function on a float image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from mdlp_bench.frozen import FrozenFinite
from mdlp_bench.synth.exact import power

ImageF32 = npt.NDArray[np.float32]
"""float32 RGB [H, W, 3], nominally in [0, 1]."""

GAMMA: Final = 2.2
"""The display exponent between stored values and linear light."""


class Params(FrozenFinite):
    """Concrete parameters of one application of an operator: frozen, strict, JSON in and out."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes (height, width) that a recipe may refer to while a frame is planned.

    Attributes:
        current: The image's size before the step.
        frame: The size at which this frame is stored.
        canvas: The size at which the scene is seen before any down-sampling.
    """

    current: tuple[int, int]
    frame: tuple[int, int]
    canvas: tuple[int, int]


Resolve = Callable[[Mapping[str, Any], Sizes], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Operator:
    """One degradation.

    Attributes:
        params: Its parameter model.
        apply: `apply(image, params, rng)` on an `ImageF32`; never changes its argument. Operators without
            randomness ignore `rng`.
        noise: `none`: deterministic; `frame`: fresh randomness in every frame; `scene`: the same in all
            frames of a sample (fog does not flicker).
        resolve: Turns what a recipe says into concrete parameters where these depend on image sizes.
        size_after: The (height, width) that comes out, for operators that change it.
    """

    params: type[Params]
    apply: Callable[[ImageF32, Any, np.random.Generator], ImageF32]
    noise: Literal["none", "frame", "scene"] = "none"
    resolve: Resolve | None = None
    size_after: Callable[[Any, tuple[int, int]], tuple[int, int]] | None = None


def to_uint8(image: ImageF32) -> npt.NDArray[np.uint8]:
    """Clip to [0, 1], scale to 255 and round to the nearest integer (halves away from zero)."""
    return np.asarray(np.clip(image, 0.0, 1.0) * np.float32(255.0) + np.float32(0.5), np.uint8)


def to_float(image: npt.NDArray[np.uint8]) -> ImageF32:
    """uint8 to float32 in [0, 1]."""
    return np.asarray(image, np.float32) * np.float32(1.0 / 255.0)


def linear_light(image: ImageF32) -> ImageF32:
    """Stored values to linear light; values below 0 count as 0."""
    return power(np.maximum(image, 0.0), GAMMA)


def stored_values(light: ImageF32) -> ImageF32:
    """Linear light to stored values, clipped to [0, 1]."""
    return power(np.clip(light, 0.0, 1.0), 1.0 / GAMMA)
