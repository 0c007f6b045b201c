"""From per-sample columns to a run's summary: a number per metric with its interval, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from mdlp_bench.harness.run import MetricSummary
from mdlp_bench.harness.statistics import ClusterBootstrap, Estimate
from mdlp_bench.metrics import distribution, text
from mdlp_bench.metrics.abstaining import COVERAGES, accepted, risk_coverage
from mdlp_bench.metrics.base import METRICS, MetricInfo

NO_CONFIDENCES: Final = "the readings come without confidences"

_ABSTAINING: Final = (*(f"risk_{percent}" for percent in COVERAGES), "aurc", "aurc_mean")


@dataclass(frozen=True)
class Counts:
    """What every entry of a summary counts: samples, plates and failures."""

    n: int
    n_plates: int
    n_failed: int


def summarise_columns(
    columns: Mapping[str, npt.NDArray[np.float64]], bootstrap: ClusterBootstrap, n_failed: int
) -> dict[str, MetricSummary]:
    """Mean and interval over plates of per-sample columns, float64 [n] each with NaN for "no value"."""
    summary = {name: unavailable(name, "no sample has what it needs") for name in columns}
    measured = [name for name, values in columns.items() if not np.isnan(values).all()]
    if not measured:
        return summary
    is_share = [_info(name).is_share for name in measured]
    intervals = bootstrap.intervals(np.stack([columns[name] for name in measured], axis=1), is_share)
    for name, interval in zip(measured, intervals, strict=True):
        summary[name] = estimated(name, interval, n_failed)
    return summary


def summarise_distances(
    frechet_name: str,
    kernel_name: str,
    restored: npt.NDArray[np.float32] | None,
    gt: npt.NDArray[np.float32] | None,
    counts: Counts,
    confidence: float,
) -> dict[str, MetricSummary]:
    """FRD and KRD, or FID and KID: the distance of features [N, D] of restored plates from ground truths.

    The kernel distance's interval is normal, from its standard error; the Fréchet distance has none.
    """
    reason = None
    if restored is None or gt is None:
        reason = "the reader gives no features, or there is no ground truth"
    elif len(gt) < distribution.FEWEST_SAMPLES:
        reason = f"{len(gt)} samples with ground truth are too few for a distance between sets"
    if restored is None or gt is None or reason is not None:
        return {name: unavailable(name, str(reason)) for name in (frechet_name, kernel_name)}
    kernel = distribution.kernel_distance(restored, gt)
    margin = float(ndtri((1 + confidence) / 2)) * kernel.standard_error
    frechet = distribution.frechet_distance(restored, gt)
    return {
        frechet_name: _entry(frechet_name, counts, frechet),
        kernel_name: _entry(kernel_name, counts, kernel.value, kernel.value - margin, kernel.value + margin),
    }


def summarise_confidence(
    confidences: Sequence[float], correct: npt.NDArray[np.bool_], counts: Counts
) -> dict[str, MetricSummary]:
    """How far the reader's confidences can be believed: expected calibration error and the confidence gap.

    Both are unavailable where a confidence is not known (NaN).
    """
    if np.isnan(confidences).any():
        return {name: unavailable(name, NO_CONFIDENCES) for name in ("ece", "confidence_gap")}
    values = {
        "ece": text.expected_calibration_error(confidences, correct),
        "confidence_gap": text.confidence_gap(confidences, correct),
    }
    reason = "all readings are right or all are wrong"
    return {
        name: unavailable(name, reason) if value is None else _entry(name, counts, value)
        for name, value in values.items()
    }


def summarise_abstaining(
    lowest: npt.NDArray[np.float64],
    mean: npt.NDArray[np.float64],
    wrong: npt.NDArray[np.float64],
    bootstrap: ClusterBootstrap,
    counts: Counts,
) -> dict[str, MetricSummary]:
    """How often readings are wrong when only the surest are accepted.

    Args:
        lowest: Lowest character confidence of each reading, float64 [n]; NaN where it is not known, which
            makes all of these unavailable.
        mean: Mean character confidence, [n].
        wrong: [n] 1 for a wrong reading, 0 for a right one; NaN for a sample that is left out.
        bootstrap: Resamples of the samples; the limits of the areas are percentiles.
        counts: For the entries of the areas.
    """
    known = ~np.isnan(wrong)
    if not known.any():
        return {name: unavailable(name, "no sample has a text") for name in _ABSTAINING}
    if np.isnan(lowest[known]).any():
        return {name: unavailable(name, NO_CONFIDENCES) for name in _ABSTAINING}
    found: dict[str, MetricSummary] = {}
    for percent in COVERAGES:
        column = np.full(len(wrong), np.nan)
        column[known] = np.where(accepted(lowest[known], percent / 100), wrong[known], np.nan)
        name = f"risk_{percent}"
        found[name] = estimated(name, bootstrap.interval(column, is_share=True), counts.n_failed)
    for name, scores in (("aurc", lowest), ("aurc_mean", mean)):
        area = risk_coverage(scores[known], wrong[known]).area()
        resampled = [
            risk_coverage(scores[known], wrong[known], weights[:, known]).area()
            for weights in bootstrap.multiplicities()
        ]
        low, high = bootstrap.percentile_limits(np.concatenate(resampled)) or (None, None)
        found[name] = _entry(name, counts, float(area), low, high)
    return found


def unavailable(name: str, reason: str) -> MetricSummary:
    """The entry of a metric that has no value."""
    return _entry(name, Counts(0, 0, 0), None).model_copy(update={"unavailable": reason})


def worst_value(name: str) -> float:
    """What a failed sample gets in a column.

    Raises:
        ValueError: The metric is one of sets, not of samples.
    """
    worst = _info(name).worst
    if worst is None:
        raise ValueError(f"{name} has no worst value: it is not a metric of single samples")
    return worst


def estimated(name: str, estimate: Estimate, n_failed: int) -> MetricSummary:
    """The entry of a metric with its interval."""
    counts = Counts(estimate.n or 0, estimate.n_plates or 0, n_failed)
    return _entry(name, counts, estimate.value, estimate.low, estimate.high)


def _entry(
    name: str, counts: Counts, mean: float | None, low: float | None = None, high: float | None = None
) -> MetricSummary:
    return MetricSummary(
        mean=mean,
        low=low,
        high=high,
        n=counts.n,
        n_plates=counts.n_plates,
        n_failed=counts.n_failed,
        higher_is_better=_info(name).higher_is_better,
    )


def _info(name: str) -> MetricInfo:
    """The description of a column such as `ned` or `ned@ppocrv4`."""
    return METRICS[name.partition("@")[0]]
