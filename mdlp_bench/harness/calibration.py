"""What a reader's confidences are worth on restored plates, method by method."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mdlp_bench.errors import RunError
from mdlp_bench.frozen import Frozen
from mdlp_bench.harness.run import Run, RunRecord, float_column
from mdlp_bench.harness.score import reading_confidences
from mdlp_bench.harness.statistics import ClusterBootstrap, Estimate
from mdlp_bench.metrics.text import confident_from


class MethodCalibration(Frozen):
    """A reader's confidences in the outputs of one method.

    A threshold that was found on undegraded plates says little about restored ones: a network can draw a
    wrong plate that is perfectly legible.

    Attributes:
        n: Samples with a text.
        believed: Share of readings of at least the reader's own threshold.
        wrong_if_believed: Share of wrong readings among these; None when there are none.
        believed_from: Confidence from which at most `error_rate` of this method's readings are wrong; None
            when there is none that at least 1 / `error_rate` readings reach.
    """

    method: str
    n: int
    believed: Estimate
    wrong_if_believed: Estimate | None
    error_rate: float
    believed_from: float | None


def find_runs(folders: Sequence[Path], reader: str) -> list[Run]:
    """Find the runs in folders, at any depth, whose pictures a reader read; oracles are left out.

    Raises:
        RunError: There is none.
    """
    where = ", ".join(map(str, folders))
    paths = sorted(path.parent for folder in folders for path in folder.rglob(RunRecord.file_name))
    # The confidences of a method that gives its own text are not the reader's.
    runs = [run for run in map(Run, paths) if not run.is_oracle and run.record.method.output == "image"]
    if not runs:
        raise RunError(f"{where}: no run of a method that gives images; score predictions first")
    names = {one.name: None for run in runs for one in run.record.readers}
    if reader not in names:
        raise RunError(f"{where}: no run is scored by {reader}; there are scores by {', '.join(names)}")
    return [run for run in runs if reader in (one.name for one in run.record.readers)]


def calibrate_method(run: Run, reader: str, error_rate: float = 0.01) -> MethodCalibration:
    """How often a reader is believed on the outputs of a run, and how often it is wrong then.

    Args:
        run: A run that this reader scored.
        reader: Its name.
        error_rate: Share of wrong readings that the method's own threshold allows.

    Raises:
        RunError: No sample has a text, the reader has no threshold, or it gave no confidences.
    """
    record = run.record
    position = [one.name for one in record.readers].index(reader)
    threshold = record.readers[position].believed_from
    if threshold is None:
        raise RunError(f"{run.folder}: {reader} has no threshold (see mdlp-bench calibrate)")
    table = run.per_sample()
    name = record.column("read_confidence", position)
    columns = {name: table[name].to_pylist(), "error": table["error"].to_pylist()}
    confidences = reading_confidences(record, columns, name)
    if np.isnan(confidences).any():
        raise RunError(f"{run.folder}: the readings by {reader} come without confidences")
    right = float_column(table, record.column("acc", position))
    known = ~np.isnan(right)
    if not known.any():
        raise RunError(f"{run.folder}: no sample has a text")
    bootstrap = ClusterBootstrap(table["plate_id"].to_pylist(), record.rules.bootstrap.resamples)
    sure = known & (confidences >= threshold)
    wrong = np.where(sure, 1 - right, np.nan)
    found = confident_from(confidences[known].tolist(), right[known] > 0, error_rate)
    reached = 0 if found is None else int((confidences[known] >= found).sum())
    return MethodCalibration(
        method=record.method.title,
        n=int(known.sum()),
        believed=bootstrap.interval(np.where(known, sure, np.nan), is_share=True),
        wrong_if_believed=bootstrap.interval(wrong, is_share=True) if sure.any() else None,
        error_rate=error_rate,
        believed_from=found if reached >= 1 / error_rate else None,
    )
