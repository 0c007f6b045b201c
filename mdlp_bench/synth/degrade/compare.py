"""How close the frames of each recipe come to real frames, statistic by statistic."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from mdlp_bench.errors import DataError
from mdlp_bench.images import ImageU8, decode
from mdlp_bench.quality.statistics import statistics_table
from mdlp_bench.synth.degrade.frames import degrade_triplet
from mdlp_bench.synth.degrade.recipe import Recipe

Legibility = Callable[[Sequence[ImageU8], Sequence[str]], Sequence[float]]
"""(images, their texts) -> normalised edit distance of each image's reading to its text, 0-1."""

READER_NED: Final = "reader_ned"


@dataclass(frozen=True)
class RecipeComparison:
    """Statistics of real frames beside those of each recipe.

    Attributes:
        real: Values by statistic, arrays [N].
        recipes: The same by recipe name.
    """

    real: Mapping[str, npt.NDArray[np.float64]]
    recipes: Mapping[str, Mapping[str, npt.NDArray[np.float64]]]

    @property
    def statistics(self) -> tuple[str, ...]:
        """The statistics compared."""
        return tuple(self.real)

    def distance(self, recipe: str, statistic: str) -> float:
        """First Wasserstein distance between the recipe's and the real values, in the statistic's unit."""
        from scipy.stats import wasserstein_distance

        return float(wasserstein_distance(self.real[statistic], self.recipes[recipe][statistic]))

    def closest(self, statistic: str) -> str:
        """The recipe of the smallest distance (the first by name of equal ones)."""
        return min(sorted(self.recipes), key=lambda recipe: self.distance(recipe, statistic))

    def wins(self) -> dict[str, int]:
        """On how many statistics each recipe is the closest."""
        winners = [self.closest(statistic) for statistic in self.statistics]
        return {recipe: winners.count(recipe) for recipe in self.recipes}

    def markdown(self) -> str:
        """A table: medians, in brackets the distance to the real values; the closest recipe is bold."""
        names = list(self.recipes)
        lines = ["| statistic | real | " + " | ".join(names) + " |", "|---" * (len(names) + 2) + "|"]
        for statistic in self.statistics:
            best = self.closest(statistic)
            cells = [f"{np.median(self.real[statistic]):.3g}"]
            for name in names:
                text = f"{np.median(self.recipes[name][statistic]):.3g}"
                text += f" ({self.distance(name, statistic):.2g})"
                cells.append(f"**{text}**" if name == best else text)
            lines.append(f"| {statistic.replace('_', ' ')} | " + " | ".join(cells) + " |")
        wins = self.wins()
        lines.append(
            "| closest on | | " + " | ".join(f"{wins[name]} of {len(self.real)}" for name in names) + " |"
        )
        return "\n".join(lines)


def compare_recipes(
    real: Sequence[Sequence[ImageU8]],
    gts: Sequence[ImageU8],
    recipes: Sequence[Recipe],
    *,
    seed: int = 0,
    repeats: int = 1,
    texts: Sequence[str] | None = None,
    legibility: Legibility | None = None,
) -> RecipeComparison:
    """Degrade ground truths by each recipe and measure the frames beside real ones.

    Args:
        real: The real degraded frames of each sample, uint8 RGB [H, W, 3].
        gts: Ground truths, preferably of the same samples, so that the content does not differ.
        recipes: The recipes.
        seed: Seed of the degradations.
        repeats: How often every ground truth is degraded.
        texts: The samples' texts, for `legibility` (`real` and `gts` are then parallel).
        legibility: A function that reads; adds the statistic `reader_ned` of each sample's last frame.

    Raises:
        DataError: Nothing to compare, or `texts` does not fit.
    """
    if not real or not gts or not recipes:
        raise DataError("a comparison needs real frames, ground truths and recipes")
    if legibility is not None and not len(texts or ()) == len(real) == len(gts):
        raise DataError(f"{len(texts or ())} texts for {len(real)} real samples and {len(gts)} ground truths")
    reference = dict(statistics_table([frame for frames in real for frame in frames]))
    if legibility is not None and texts is not None:
        reference[READER_NED] = np.array(legibility([frames[-1] for frames in real], texts), np.float64)
    measured: dict[str, Mapping[str, npt.NDArray[np.float64]]] = {}
    for recipe in recipes:
        made = [
            [decode(frame, f"{recipe.name} {index}") for frame in done.frames]
            for repeat in range(repeats)
            for index, image in enumerate(gts)
            for done in [degrade_triplet(image, recipe, seed=seed, sample_id=f"{index}-{repeat}")]
        ]
        table = dict(statistics_table([frame for frames in made for frame in frames]))
        if legibility is not None and texts is not None:
            read = legibility([frames[-1] for frames in made], list(texts) * repeats)
            table[READER_NED] = np.array(read, np.float64)
        measured[recipe.id] = table
    return RecipeComparison(reference, measured)
