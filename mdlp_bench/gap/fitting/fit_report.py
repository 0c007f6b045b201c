"""What a fit found: `fitted.json`, and the same in words and tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from mdlp_bench.frozen import FrozenFinite
from mdlp_bench.gap.sections import interval
from mdlp_bench.harness.statistics.estimate import Estimate

FIT_SCHEMA_VERSION: Final = 1


class FittedStrength(FrozenFinite):
    """A distribution before and after the fit.

    Attributes:
        name: `operator.parameter`.
        kind: Kind of the draw (`uniform`, ...).
        start: Its limits in the recipe that was given.
        fitted: Its limits in the fitted one.
    """

    name: str
    kind: str
    start: tuple[float, ...]
    fitted: tuple[float, ...]


class HeldOutGap(FrozenFinite):
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


class FitReport(FrozenFinite):
    """All about a fit.

    Attributes:
        recipe: The recipe it started from.
        real: The real set, as typed.
        fingerprint: Fingerprint of the real set.
        reader: Its name, or null.
        paired: Whether the real set's own ground truths were degraded.
        seed: Seed of everything random.
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


def summary(report: FitReport) -> str:
    """The fitted strengths, and the gap before and after on the held-out plates, as Markdown."""
    plates = "its own ground truths" if report.paired else "rendered plates"
    lines = [
        f"{report.recipe}, fitted to {report.fit_plates} plates of {report.real} by degrading {plates}: "
        f"distance {report.start_distance:.3f} -> {report.distance:.3f} after {report.trials} trials",
        "",
        f"| {report.held_out_plates} plates held out | before | after |",
        "|---|---|---|",
        *(f"| {name} | {before} | {after} |" for name, before, after in _gaps(report.before, report.after)),
        "",
        "| strength | kind | before | after |",
        "|---|---|---|---|",
        *(
            f"| {one.name} | {one.kind} | {_limits(one.start)} | {_limits(one.fitted)} |"
            for one in report.strengths
        ),
        *(f"\n{note}" for note in report.notes),
    ]
    return "\n".join(lines)


def _gaps(before: HeldOutGap, after: HeldOutGap) -> list[tuple[str, str, str]]:
    rows = [
        ("mean standardised distance", f"{before.mean_standardised:.3f}", f"{after.mean_standardised:.3f}"),
        (
            "statistics that differ",
            f"{before.differing} of {before.statistics}",
            f"{after.differing} of {after.statistics}",
        ),
    ]
    if before.kernel is not None and after.kernel is not None:
        floor = "" if before.kernel_floor is None else f" (floor {before.kernel_floor:.3f})"
        rows.append((f"KRD{floor}", interval(before.kernel), interval(after.kernel)))
    return rows


def _limits(values: Sequence[float]) -> str:
    return " ... ".join(f"{value:.3g}" for value in values)
