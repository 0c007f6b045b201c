"""A fit in words and tables, as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from mdlp_bench.gap.fitting.fit_report import FitReport, HeldOutGap
from mdlp_bench.gap.sections import interval


def summary(report: FitReport) -> str:
    """The fitted strengths, and the gap before and after on the held-out plates."""
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
