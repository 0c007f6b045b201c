"""What a fit found: `fitted.json`."""

from __future__ import annotations

from typing import Final, Literal

from mdlp_bench.gap.report_model import Record
from mdlp_bench.harness.statistics.estimate import Estimate

FIT_SCHEMA_VERSION: Final = 1


class FittedStrength(Record):
    """A distribution before and after the fit.

    Attributes:
        name: `operator.parameter`.
        kind: Of the draw (`uniform`, ...).
        start: Its limits in the recipe that was given.
        fitted: Its limits in the fitted one.
    """

    name: str
    kind: str
    start: tuple[float, ...]
    fitted: tuple[float, ...]


class HeldOutGap(Record):
    """The distance of a recipe's frames from real plates that the fit has not seen.

    Attributes:
        mean_standardised: Mean standardised Wasserstein distance over all statistics of the study.
        differing: Statistics that differ significantly after correction.
        statistics: Number of statistics compared.
        kernel: Kernel distance of the reader's features, or null without a reader.
        kernel_floor: Between two halves of the held-out plates; null with few.
    """

    mean_standardised: float
    differing: int
    statistics: int
    kernel: Estimate | None
    kernel_floor: float | None


class FitReport(Record):
    """All about a fit.

    Attributes:
        recipe: The recipe it started from.
        real: The real set, as typed.
        fingerprint: Of the real set.
        reader: Its name, or null.
        paired: Whether the real set's own ground truths were degraded.
        seed: Of everything random.
        fit_plates: Real plates of the fit.
        held_out_plates: Real plates kept from it.
        trials: Candidates tried.
        start_distance: The objective on the fit's plates, for the given recipe with the real sizes.
        distance: The same, for the fitted one.
        compared: What the objective compares.
        strengths: Before and after.
        before: The given recipe on the held-out plates.
        after: The fitted one.
        notes: What cannot be concluded from so few plates.
    """

    schema_version: Literal[1] = FIT_SCHEMA_VERSION
    recipe: str
    real: str
    fingerprint: str
    reader: str | None
    paired: bool
    seed: int
    fit_plates: int
    held_out_plates: int
    trials: int
    start_distance: float
    distance: float
    compared: tuple[str, ...]
    strengths: tuple[FittedStrength, ...]
    before: HeldOutGap
    after: HeldOutGap
    notes: tuple[str, ...]
