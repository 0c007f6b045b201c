"""Fit a recipe to a real set: divide its plates, search, judge on those held out, write."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mdlp_bench.data import open_samples
from mdlp_bench.data.samples import Samples
from mdlp_bench.engine import SERIAL, Engine
from mdlp_bench.files import seed_for, write_json, write_text
from mdlp_bench.gap.fitting.fit_report import FitReport, FittedStrength, HeldOutGap
from mdlp_bench.gap.fitting.objective import Objective, Plate, plates_of, rendered_plates
from mdlp_bench.gap.fitting.parameters import RecipeSpace, draw_of, recipe_text
from mdlp_bench.gap.fitting.search import search
from mdlp_bench.gap.measure import READER, Measured, choose_plates, measure
from mdlp_bench.gap.report_model import StudySettings
from mdlp_bench.gap.sets import divide_plates
from mdlp_bench.gap.study import compare_sets
from mdlp_bench.progress import say
from mdlp_bench.synth.build import synthesise_rendered, synthesise_samples
from mdlp_bench.synth.degrade import Recipe

if TYPE_CHECKING:
    from mdlp_bench.readers.base import Reader

HELD_OUT: Final = 1 / 3
_FEW: Final = 50


def fit_recipe(
    real: str,
    recipe: Recipe,
    out: Path,
    *,
    trials: int,
    limit: int,
    seed: int = 0,
    labels: Path | None = None,
    reader: Reader | None = None,
    engine: Engine = SERIAL,
) -> FitReport:
    """Fit the strengths of a recipe to a real set.

    Sizes of frames are taken from the real ones; levels and spreads of all strengths (see
    `fitting.parameters`) are searched. A third of the plates is held out, and the recipe is judged on those
    before and after by the statistics of the study.

    Args:
        real: The real set.
        recipe: Where the fit starts.
        out: The fitted recipe, a `.yaml`. Beside it `.json` gets the report and `.trials.jsonl` the log, from
            which the same call continues.
        trials: Candidates at most.
        limit: Real samples at most; whole plates.
        seed: Seed of everything random.
        labels: A label list whose texts are used for the real set.
        reader: Its features are compared too; None leaves them out.
        engine: Where candidates are made and measured; the result does not depend on it.

    Raises:
        DataError: The set has too few plates or no frames, or the recipe nothing to fit.
    """
    samples = choose_plates(open_samples(real, labels=labels), limit, seed)
    shares = {"fitted": 1 - HELD_OUT, "held out": HELD_OUT}
    remedy = "give a larger set, or more --samples"
    ours, held_out = divide_plates(samples, shares, seed, name=samples.name, remedy=remedy)
    plates = plates_of(ours)
    paired = all(sample.gt is not None for sample in samples)
    gt_plates = plates if paired else rendered_plates(len(plates), seed, recipe)
    space = RecipeSpace.of(_with_sizes(recipe, plates))
    with engine.kept() as kept:
        objective = Objective(plates, gt_plates, space.recipe, reader, seed=seed, paired=paired, engine=kept)
        identity = {
            "recipe": recipe.model_dump(mode="json"),
            "real": ours.fingerprint,
            "reader": None if reader is None else reader.descriptor.weights_sha256,
            "seed": seed,
            "compared": list(objective.statistics),
        }
        found = search(
            space.ranges,
            lambda candidates: objective.residuals([space.recipe_at(one) for one in candidates]),
            out.with_suffix(".trials.jsonl"),
            identity,
            trials=trials,
        )
    best = min(found, key=lambda one: one.cost)
    fitted = space.recipe_at(
        best.numbers,
        name=f"{recipe.name}-fitted",
        version="1",
        description=f"{recipe.name} version {recipe.version}, fitted to {len(plates)} samples.",
    )
    say("judging the recipe on the plates held out, before and after")
    before, after = _judged(
        held_out, [recipe, fitted], paired=paired, seed=seed, reader=reader, engine=engine
    )
    limits = space.limits(best.numbers)
    counts = [len(set(part.column("plate_id"))) for part in (ours, held_out)]
    report = FitReport(
        recipe=recipe.name,
        real=real,
        fingerprint=samples.fingerprint,
        reader=None if reader is None else reader.descriptor.name,
        paired=paired,
        seed=seed,
        fit_plates=counts[0],
        held_out_plates=counts[1],
        trials=len(found),
        start_distance=found[0].distance,
        distance=best.distance,
        compared=objective.statistics,
        strengths=tuple(
            FittedStrength(name=one.name, kind=one.kind, start=one.limits, fitted=limits[one.name])
            for one in space.strengths
        ),
        before=before,
        after=after,
        notes=tuple(_notes(counts, len(space.ranges), paired)),
    )
    write_text(out, recipe_text(fitted))
    write_json(out.with_suffix(".json"), report.model_dump(mode="json"))
    return report


def _with_sizes(recipe: Recipe, plates: Sequence[Plate]) -> Recipe:
    """The recipe with the sizes of the real first frames."""
    shapes = [plate.frames[0].shape for plate in plates]
    camera = {
        "width": draw_of([width for _, width, _ in shapes]),
        "aspect": draw_of([width / height for height, width, _ in shapes]),
    }
    tree = recipe.model_dump(mode="json", exclude_unset=True)
    return Recipe.model_validate(tree | {"camera": tree["camera"] | camera})


def _judged(
    held_out: Samples,
    recipes: Sequence[Recipe],
    *,
    paired: bool,
    seed: int,
    reader: Reader | None,
    engine: Engine,
) -> list[HeldOutGap]:
    """The gap of each recipe's frames to the held-out ones, on seeds that the fit has not used."""
    other = seed_for(seed, "held out") % 2**32
    real = measure(held_out, "real", reader, engine=engine)
    gaps = []
    for recipe in recipes:
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "made"
            if paired:
                synthesise_samples(held_out, recipe, target, seed=other, engine=engine)
            else:
                synthesise_rendered(recipe, len(held_out), target, seed=other, engine=engine)
            made = measure(open_samples(target), recipe.name, reader, engine=engine)
        gaps.append(_gap(real, made, seed))
    return gaps


def _gap(real: Measured, made: Measured, seed: int) -> HeldOutGap:
    settings = StudySettings(seed=seed)
    found = compare_sets(real, made, settings, with_classifier=False)
    features = next((one for one in found.features if one.features == READER), None)
    return HeldOutGap(
        mean_standardised=found.mean_standardised,
        differing=len(found.differing(1 - settings.confidence)),
        statistics=len(found.statistics),
        kernel=None if features is None else features.kernel,
        kernel_floor=None if features is None else features.kernel_floor,
    )


def _notes(plates: Sequence[int], numbers: int, paired: bool) -> list[str]:
    notes = []
    if min(plates) < _FEW:
        notes.append(
            f"{plates[0]} plates to fit and {plates[1]} held out are few for {numbers} numbers: the fitted "
            "recipe is one of many that fit about as well, and single numbers mean little."
        )
    if not paired:
        notes.append(
            "The real set has no ground truths for all samples: rendered plates were degraded, so a "
            "difference of content is fitted like one of degradation."
        )
    return notes
