"""Several seeds of one stochastic method as one run: means over seeds, their variance in the intervals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mdlp_bench.errors import RunError
from mdlp_bench.harness.run import MetricSummary, Run, float_column, write_run
from mdlp_bench.harness.score import reading_confidences
from mdlp_bench.harness.statistics import ClusterBootstrap, Estimate, SeedSpread
from mdlp_bench.harness.summarise import estimated
from mdlp_bench.metrics.base import METRICS

_OF_SEEDS: Final = "#seeds"

SURE: Final = "read_lowest"
"""The column of the confidences by which readings are accepted."""


def combine_seeds(runs: Sequence[Run], out: Path) -> Run:
    """Write the run of a method over several seeds.

    Every per-sample metric is the mean over the seeds, and stands beside the values of each (`seed_values`),
    as do the confidences by which readings are ordered; what was read is the first seed's. All limits include
    the variance between seeds beside that between plates (`Estimate.widened`); those of metrics of sets are
    the mean of each seed's before that. The column `seed_agreement` says in which samples all seeds are read
    as the same text; one in which a seed failed is none.

    Args:
        runs: The runs of one method on one data set, scored in the same way, one per seed.
        out: The run folder.

    Raises:
        RunError: Fewer than two runs, two of one seed, or of different methods, data sets or scorings.
    """
    records = [run.record for run in runs]
    seeds = tuple(record.seed for record in records)
    if len(set(seeds)) < 2 or len(set(seeds)) < len(seeds):
        raise RunError(
            f"seeds {', '.join(map(str, seeds)) or 'none'}: runs of two or more different ones are needed"
        )
    first = records[0]
    for run in runs[1:]:
        if run.record.method != first.method or run.record.comparable != first.comparable:
            raise RunError(
                f"{run.folder} and {runs[0].folder}: not two seeds of one method, scored in the same way"
            )
    tables = [run.per_sample() for run in runs]
    if any(table["sample_id"] != tables[0]["sample_id"] for table in tables):
        raise RunError(f"{runs[0].folder}: its samples are not those of its other seeds; score them again")
    bootstrap = ClusterBootstrap.by_rules(tables[0]["plate_id"].to_pylist(), first.rules.bootstrap)
    summary: dict[str, MetricSummary] = {}
    for name in dict.fromkeys(name for run in runs for name in run.summary):
        found = [run.summary[name] for run in runs if name in run.summary]
        summary[name] = _combined(name, found, len(runs), bootstrap.confidence)
    names = [name for name in tables[0].column_names if name in summary]
    of_each = {name: np.stack([float_column(table, name) for table in tables], axis=1) for name in names}
    means = {name: _mean_over_seeds(values) for name, values in of_each.items()}
    texts = np.array([table["read_text"].to_pylist() for table in tables], dtype=object)
    known = np.array([bool(text) for text in tables[0]["text"].to_pylist()])
    agree = (texts == texts[0]).all(axis=0)
    failed = np.array([table["error"].is_valid().to_pylist() for table in tables]).any(axis=0)
    if first.rules.text.failed == "worst":
        agree &= ~failed
    means["seed_agreement"] = np.where(known, agree.astype(float), np.nan)
    for name, values in means.items():
        if not np.isnan(values).all():
            info = METRICS[name.partition("@")[0]]
            estimate = bootstrap.interval(values, is_share=info.is_share, is_binary=info.is_binary)
            # The column `seed_agreement` has no entry of the seeds.
            of_seeds = summary.get(name)
            if of_seeds is None:
                summary[name] = estimated(name, estimate, int((failed & known).sum()))
                continue
            estimate = estimate.widened(of_seeds.seeds, bootstrap.confidence, info.bounds)
            kept = {"ceiling": of_seeds.ceiling, "seeds": of_seeds.seeds}
            summary[name] = estimated(name, estimate, of_seeds.n_failed).model_copy(update=kept)
    columns = {name: tables[0][name] for name in tables[0].column_names}
    columns |= {name: pa.array(values, pa.float64(), from_pandas=True) for name, values in means.items()}
    # Runs of earlier versions do not have it.
    if all(SURE in table.column_names for table in tables):
        readings = ({name: table[name].to_pylist() for name in (SURE, "error")} for table in tables)
        of_each[SURE] = np.stack([reading_confidences(first, one, SURE) for one in readings], axis=1)
    columns |= {
        f"{name}{_OF_SEEDS}": pa.FixedSizeListArray.from_arrays(
            pa.array(values.ravel(), pa.float64(), from_pandas=True), len(runs)
        )
        for name, values in of_each.items()
    }
    record = first.model_copy(update={"seeds": seeds})
    return write_run(out, record, pa.table(columns), summary)


def seed_values(table: pa.Table, name: str) -> npt.NDArray[np.float64] | None:
    """The values of a metric, or of `SURE`, with each seed, float64 [n, seeds], NaN for none.

    None in the table of a run with one seed, or one that an earlier version wrote.
    """
    if f"{name}{_OF_SEEDS}" not in table.column_names:
        return None
    column = table[f"{name}{_OF_SEEDS}"].combine_chunks()
    flat = np.asarray(column.flatten().to_numpy(zero_copy_only=False), np.float64)
    return flat.reshape(len(table), -1)


def seed_spread(table: pa.Table, name: str, values: npt.NDArray[np.float64]) -> SeedSpread | None:
    """How the mean of a metric over some samples moves with the seed of a run.

    Args:
        table: The run's samples.
        name: The metric.
        values: [n] its values; NaN for the samples that are left out.

    Returns:
        None where it is not known what each seed gave of these samples.
    """
    of_each, inside = seed_values(table, name), ~np.isnan(values)
    if of_each is None or not inside.any() or np.isnan(of_each[inside]).all(axis=0).any():
        return None
    return SeedSpread.of(np.nanmean(of_each[inside], axis=0))


def _mean_over_seeds(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The mean of what is known of each row, [n] of [n, seeds]."""
    counted = (~np.isnan(values)).sum(axis=1)
    return np.where(counted > 0, np.nansum(values, axis=1) / np.maximum(counted, 1), np.nan)


def _combined(name: str, found: Sequence[MetricSummary], n_runs: int, confidence: float) -> MetricSummary:
    """One metric of all seeds: the mean of means, and of limits with the variance between seeds.

    Unavailable where a seed has no value. Where seeds differ in how many samples count, the most stand for
    them.
    """
    means = [one.mean for one in found if one.mean is not None]
    if len(means) < n_runs:
        return next((one for one in found if one.mean is None), found[0])
    lows = [one.low for one in found if one.low is not None]
    highs = [one.high for one in found if one.high is not None]
    estimate, seeds = Estimate(value=float(np.mean(means))), SeedSpread.of(means)
    if len(lows) == len(highs) == n_runs:
        limits = {"low": float(np.mean(lows)), "high": float(np.mean(highs))}
        bounds = METRICS[name.partition("@")[0]].bounds
        estimate = estimate.model_copy(update=limits).widened(seeds, confidence, bounds)
    return found[0].model_copy(
        update={
            "mean": estimate.value,
            "low": estimate.low,
            "high": estimate.high,
            "n": max(one.n for one in found),
            "n_plates": max(one.n_plates for one in found),
            "n_failed": max(one.n_failed for one in found),
            "seeds": seeds,
        }
    )
