"""Does a fit find what is known? A planted recipe acts as the camera, and a fit starts elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mdlp_bench.engine import SERIAL, Engine
from mdlp_bench.gap.fitting.objective import Objective, degraded, rendered_plates
from mdlp_bench.gap.fitting.parameters import RecipeSpace, Strength
from mdlp_bench.gap.fitting.search import search
from mdlp_bench.synth.degrade import Recipe, parse_recipe

_RECIPE: Final = """
name: {name}
version: 1
description: Blur, noise and JPEG.
camera:
  canvas: [56, 112]
  width: 56
  crop_shift_x: {{uniform: [-0.02, 0.02]}}
steps:
  - {{op: gaussian_blur, params: {{sigma_x: {{uniform: {blur}}}}}}}
  - {{op: resize, params: {{of: frame, interpolation: area}}}}
  - {{op: gaussian_noise, params: {{sigma: {{uniform: {noise}}}}}}}
  - {{op: jpeg, params: {{quality: {{integers: {quality}}}}}}}
"""


@dataclass(frozen=True, slots=True)
class Recovered:
    """A planted distribution, and the result of a fit that started from another one.

    Attributes:
        name: `operator.parameter`.
        planted: Its limits.
        start: Where the fit started.
        fitted: Where it ended.
    """

    name: str
    planted: tuple[float, ...]
    start: tuple[float, ...]
    fitted: tuple[float, ...]

    @property
    def error(self) -> float:
        """The error of the middle, relative to the planted one."""
        return abs(sum(self.fitted) / sum(self.planted) - 1)

    @property
    def start_error(self) -> float:
        """The same for the start of the fit."""
        return abs(sum(self.start) / sum(self.planted) - 1)


def planted_recipe() -> Recipe:
    """The recipe that acts as the camera."""
    return _recipe("planted", [0.75, 2.0], [4, 10], [40, 80])


def start_recipe() -> Recipe:
    """The start of a fit: half the blur, a third of the noise, a finer JPEG."""
    return _recipe("start", [0.4, 1.0], [1, 4], [70, 95])


def self_check(
    plates: int,
    trials: int,
    log: Path,
    *,
    paired: bool,
    seed: int = 0,
    engine: Engine = SERIAL,
) -> list[Recovered]:
    """Degrade rendered plates by the planted recipe and fit the other one to them.

    Args:
        plates: How many.
        trials: Candidates at most.
        log: Of the search; the same call goes on from it.
        paired: Whether the fit has the ground truths of the frames, or other ones.
        seed: Of plates and degradations.
        engine: Where candidates are made and measured.
    """
    real = degraded(rendered_plates(plates, seed, planted_recipe()), planted_recipe(), seed=seed)
    gt_plates = real if paired else rendered_plates(plates, seed + 1, start_recipe())
    space = RecipeSpace.of(start_recipe())
    objective = Objective(real, gt_plates, space.recipe, None, seed=seed + 1, paired=paired, engine=engine)
    found = search(
        space.ranges,
        lambda candidates: objective.residuals([space.recipe_at(one) for one in candidates]),
        log,
        {"plates": plates, "paired": paired, "seed": seed},
        trials=trials,
    )
    fitted = space.limits(min(found, key=lambda one: one.cost).numbers)
    planted: tuple[Strength, ...] = RecipeSpace.of(planted_recipe()).strengths
    return [
        Recovered(start.name, true.limits, start.limits, fitted[start.name])
        for start, true in zip(space.strengths, planted, strict=True)
    ]


def _recipe(name: str, blur: list[float], noise: list[float], quality: list[int]) -> Recipe:
    return parse_recipe(_RECIPE.format(name=name, blur=blur, noise=noise, quality=quality), name)
