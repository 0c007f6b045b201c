"""How well `gap fit` finds planted blur, noise and JPEG: `python benchmarks/gap_fit.py [PLATES] [TRIALS]`.

Rendered plates are degraded by a known recipe, and another one is fitted to them, once with their ground
truths and once with other plates. A stopped run continues from its log in the folder `gap_fit`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final, NamedTuple

from mdlp_bench.gap.fitting.objective import Objective, degraded, rendered_plates
from mdlp_bench.gap.fitting.parameters import RecipeSpace
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


class Recovered(NamedTuple):
    """A planted distribution's limits, and those of a fit at its start and its end."""

    name: str
    planted: tuple[float, ...]
    start: tuple[float, ...]
    fitted: tuple[float, ...]

    def error(self, limits: tuple[float, ...]) -> float:
        """The error of the middle of these limits, relative to the planted one."""
        return abs(sum(limits) / sum(self.planted) - 1)


def planted_recipe() -> Recipe:
    """The recipe that acts as the camera."""
    return _recipe("planted", [0.75, 2.0], [4, 10], [40, 80])


def start_recipe() -> Recipe:
    """The start of a fit: half the blur, a third of the noise, a finer JPEG."""
    return _recipe("start", [0.4, 1.0], [1, 4], [70, 95])


def self_check(plates: int, trials: int, log: Path, *, paired: bool, seed: int = 0) -> list[Recovered]:
    """Degrade rendered plates by the planted recipe and fit the other one to them.

    Args:
        plates: How many.
        trials: Candidates at most.
        log: Of the search; the same call goes on from it.
        paired: Whether the fit has the ground truths of the frames, or other ones.
        seed: Of plates and degradations.
    """
    real = degraded(rendered_plates(plates, seed, planted_recipe()), planted_recipe(), seed=seed)
    gt_plates = real if paired else rendered_plates(plates, seed + 1, start_recipe())
    space = RecipeSpace.of(start_recipe())
    objective = Objective(real, gt_plates, space.recipe, None, seed=seed + 1, paired=paired)
    found = search(
        space.ranges,
        lambda candidates: objective.residuals([space.recipe_at(one) for one in candidates]),
        log,
        {"plates": plates, "paired": paired, "seed": seed},
        trials=trials,
    )
    fitted = space.limits(min(found, key=lambda one: one.cost).numbers)
    planted = RecipeSpace.of(planted_recipe()).strengths
    return [
        Recovered(start.name, known.limits, start.limits, fitted[start.name])
        for start, known in zip(space.strengths, planted, strict=True)
    ]


def _recipe(name: str, blur: list[float], noise: list[float], quality: list[int]) -> Recipe:
    return parse_recipe(_RECIPE.format(name=name, blur=blur, noise=noise, quality=quality), name)


def main(plates: int = 40, trials: int = 200) -> None:
    for paired in (True, False):
        kind = "their own ground truths" if paired else "other plates"
        log = Path("gap_fit") / f"{plates}-{'paired' if paired else 'unpaired'}.jsonl"
        print(f"\n{plates} plates, {trials} trials, fitted with {kind}\n")
        print("| parameter | planted | start | fitted | error of the middle |\n|---|---|---|---|---|")
        for one in self_check(plates, trials, log, paired=paired):
            limits = (
                " - ".join(f"{v:.3g}" for v in values) for values in (one.planted, one.start, one.fitted)
            )
            print(f"| {one.name} | {' | '.join(limits)} | {100 * one.error(one.fitted):.0f} % |")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
