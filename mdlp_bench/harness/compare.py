"""Compare runs of one data set and protocol: ranks with intervals, tie groups, the table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mdlp_bench.errors import ProtocolError, RunError
from mdlp_bench.harness.run import Run
from mdlp_bench.harness.statistics import (
    ClusterBootstrap,
    Estimate,
    MetricScores,
    Ranking,
    StatisticsError,
    rank_correlation,
    rank_methods,
)
from mdlp_bench.harness.tables import Cell, Column, Row, ScoreTable, to_rich, write_table
from mdlp_bench.metrics.base import METRICS

if TYPE_CHECKING:
    from rich.console import Console, Group

RANKING_METRICS: Final = (
    "ned",
    "acc",
    "cer",
    "psnr",
    "ssim",
    "lpips",
    "lpips_squeeze",
    "lpips_vgg",
    "hallucination",
)
"""What methods are ranked and grouped by; the overall order is by the first of these that was measured."""

_COLUMNS: Final = (
    "psnr",
    "ssim",
    "psnr_aligned",
    "ssim_aligned",
    "lpips",
    "lpips_squeeze",
    "lpips_vgg",
    "fid",
    "frd",
    "ned",
    "ned_alnum",
    "acc",
    "cer",
    "hallucination",
)
_FILE_WIDTH: Final = 200
_DROPPED_FIRST: Final = (
    "peak_memory",
    "macs",
    "parameters",
    "cer",
    "ssim_aligned",
    "psnr_aligned",
    "ned_alnum",
    "frd",
    "fid",
    "hallucination",
    "ms_per_image",
    "ssim",
    "lpips_vgg",
    "lpips_squeeze",
    "lpips",
)
_COSTS: Final = ("ms_per_image", "parameters", "macs", "peak_memory")
_COST_UNITS: Final = {"ms_per_image": 1.0, "parameters": 1e6, "macs": 1e9, "peak_memory": 1e6}
_NOTES: Final = {"ground-truth": "ceiling", "input": "floor"}


@dataclass(frozen=True)
class RunComparison:
    """Runs side by side.

    Attributes:
        names: How the runs are called: the method's name, and the folder's where two share it.
        runs: The runs, in the order given.
        bootstrap: Resamples of the plates.
        ranking: Places of the runs that are no oracles; None when there is none.
        agreement: For each reader but the first, Kendall's tau between the orders of the methods by its NED
            and by the first reader's, with the interval over plates.
    """

    names: tuple[str, ...]
    runs: tuple[Run, ...]
    bootstrap: ClusterBootstrap
    ranking: Ranking | None
    agreement: Mapping[str, Estimate]

    @cached_property
    def table(self) -> ScoreTable:
        """The benchmark table, best method first, oracles as bounds."""
        first = self.runs[0]
        columns = [
            Column.from_metric(METRICS[name])
            for name in _COLUMNS
            if any(name in run.summary for run in self.runs) and not (name == "fid" and self._without_fid)
        ]
        rows = tuple(self._row(name, run) for name, run in zip(self.names, self.runs, strict=True))
        if "ground-truth" not in (run.name for run in self.runs):
            rows += _ceiling_row(first)
        costs = [
            Column.from_metric(METRICS[name]) for name in _COSTS if any(name in row.cells for row in rows)
        ]
        table = ScoreTable(
            columns=(*columns, *costs),
            rows=rows,
            protocol=f"{first.record.protocol}, reader {first.record.readers[0].title}",
            dataset=first.record.dataset.name,
            n=first.record.dataset.n_samples,
            n_plates=len(self.bootstrap.clusters),
            intervals=self.bootstrap.describe(),
        )
        if self.ranking is None:
            return table
        present = {column.key for column in table.columns}
        keys = (self.ranking.metrics[0].metric, "acc", "psnr")
        return table.sorted_by(*(key for key in keys if key in present))

    def best_first(self) -> list[Run]:
        """The ranked runs by their overall place; oracles are left out."""
        if self.ranking is None:
            return []
        by_name = dict(zip(self.names, self.runs, strict=True))
        return [by_name[place.name] for place in self.ranking.overall]

    def inseparable(self) -> dict[str, tuple[tuple[str, str], ...]]:
        """For each metric, the pairs (better, worse) on adjacent ranks that the data cannot tell apart."""
        if self.ranking is None:
            return {}
        return {one.metric: one.comparison.inseparable_neighbours() for one in self.ranking.metrics}

    def write_table(self, path: Path) -> None:
        """Write the table as .md, .tex, .html or .csv (errors as in `tables.write_table`)."""
        write_table(self.table, path)

    def print(self) -> None:
        """Show the table, the ranks that cannot be separated and the readers' agreement on the terminal."""
        from rich.console import Console

        console = Console()
        # A file or pipe has no width to keep to.
        console.width = console.width if console.is_terminal else _FILE_WIDTH
        columns = {column.key for column in self.table.columns}
        dropped = [key for key in _DROPPED_FIRST if key in columns]
        fitted, left_out = self.table, []
        intervals = _width(console, to_rich(fitted)) <= console.width
        if not intervals:
            left_out.append("intervals")
        while not intervals and dropped and _width(console, to_rich(fitted, intervals=False)) > console.width:
            left_out.append(next(c.title for c in fitted.columns if c.key == dropped[0]))
            fitted = fitted.without(dropped.pop(0))
        console.print(to_rich(fitted, intervals=intervals))
        if left_out:
            shown = ", ".join(left_out)
            console.print(f"Left out for lack of width: {shown}; written tables have all.", style="dim")
        for reason in self.table.footnotes():
            if reason not in fitted.footnotes():
                console.print(reason, style="dim", soft_wrap=True)
        for metric, pairs in self.inseparable().items():
            if pairs and metric == self._leading:
                shown = ", ".join(f"{better} / {worse}" for better, worse in pairs)
                console.print(f"Not separable in {METRICS[metric].title}: {shown}", style="dim")
        if self._without_fid:
            console.print(f"No FID and KID: {self._without_fid}", style="dim", soft_wrap=True)
        first = self.runs[0].record.readers[0].name
        for reader, tau in self.agreement.items():
            limits = "" if tau.low is None or tau.high is None else f" [{tau.low:.2f}, {tau.high:.2f}]"
            console.print(
                f"Order of the methods by {reader} and by {first}: Kendall's tau {tau.value:.2f}{limits}"
            )

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON-able data: summaries, ranks, tie groups."""
        ranks = {} if self.ranking is None else {one.name: one for one in self.ranking.overall}
        groups = self._groups()
        return {
            "protocol": self.runs[0].record.protocol,
            "dataset": self.runs[0].record.dataset.model_dump(mode="json"),
            "runs": [
                {
                    "name": name,
                    "method": run.record.method.model_dump(mode="json"),
                    "rank": None
                    if name not in ranks
                    else [ranks[name].rank, ranks[name].low, ranks[name].high],
                    "tie_groups": {metric: found[name] for metric, found in groups.items() if name in found},
                    "summary": {key: value.model_dump(mode="json") for key, value in run.summary.items()},
                }
                for name, run in zip(self.names, self.runs, strict=True)
            ],
            "reader_agreement": {
                reader: {"kendall_tau": tau.value, "low": tau.low, "high": tau.high}
                for reader, tau in self.agreement.items()
            },
            "not_separable": {
                metric: [list(p) for p in pairs] for metric, pairs in self.inseparable().items()
            },
        }

    @property
    def _without_fid(self) -> str | None:
        """Why no run has a FID; None when one has, or nobody asked for it."""
        found = [run.summary["fid"] for run in self.runs if "fid" in run.summary]
        return None if any(one.mean is not None for one in found) or not found else found[0].unavailable

    @property
    def _leading(self) -> str | None:
        return None if self.ranking is None else self.ranking.metrics[0].metric

    def _groups(self) -> dict[str, dict[str, str]]:
        if self.ranking is None:
            return {}
        return {one.metric: one.comparison.groups for one in self.ranking.metrics}

    def _row(self, name: str, run: Run) -> Row:
        groups = self._groups()
        cells = {}
        for metric in _COLUMNS:
            found = run.summary.get(metric)
            if found is None or (metric == "fid" and self._without_fid):
                continue
            if found.mean is None:
                cells[metric] = Cell(unavailable=found.unavailable)
            else:
                group = groups.get(metric, {}).get(name, "")
                cells[metric] = Cell(value=found.mean, low=found.low, high=found.high, group=group)
        oracle = run.record.method.provenance == "oracle"
        if not oracle:
            cells |= _cost_cells(run)
        n_failed = max((found.n_failed for found in run.summary.values()), default=0)
        failed = f"{n_failed} failed, counted at the floor" if n_failed else ""
        title = run.record.method.title if self.names.count(name) == 1 and name == run.name else name
        text_only = "text only" if run.record.method.output == "text" else ""
        note = "; ".join(part for part in (_NOTES.get(run.name, ""), text_only, failed) if part)
        return Row(name=title, kind="bound" if oracle else "method", cells=cells, note=note)


def compare(runs: Sequence[Run]) -> RunComparison:
    """Put runs side by side.

    Raises:
        ProtocolError: They were made under different protocols, readers or data sets, or under rules that
            this version does not know.
        RunError: There is none, or per-sample tables do not hold the same samples.
    """
    if not runs:
        raise RunError("no runs to compare")
    first = runs[0]
    for run in runs[1:]:
        if run.record.comparable != first.record.comparable:
            raise ProtocolError(
                f"{run.folder} and {first.folder} differ in protocol, reader or data set; "
                "only runs of the same ones can be ranked together"
            )
    tables = [run.per_sample().sort_by("sample_id") for run in runs]
    for run, table in zip(runs, tables, strict=True):
        if table["sample_id"] != tables[0]["sample_id"]:
            raise RunError(f"{run.folder}: its samples are not those of {first.folder}; score it again")
    names = _names(runs)
    bootstrap = ClusterBootstrap.by_rules(tables[0]["plate_id"].to_pylist(), first.record.rules.bootstrap)
    ranking = _rank(runs, names, tables, bootstrap)
    return RunComparison(names, tuple(runs), bootstrap, ranking, _agreement(runs, tables, bootstrap))


def _ceiling_row(run: Run) -> tuple[Row, ...]:
    """What the reader makes of the ground truths, as a run of any method tells; none without texts."""
    found = {name: run.summary[name].ceiling for name in _COLUMNS if name in run.summary}
    cells = {name: Cell(value=value) for name, value in found.items() if value is not None}
    return (Row(name="Ground truth", kind="bound", cells=cells, note="ceiling"),) if cells else ()


def _cost_cells(run: Run) -> dict[str, Cell]:
    """Cost columns of a run: what was measured, in the units of the table."""
    cost = run.record.cost
    if cost is None:
        return {}
    values = {
        "ms_per_image": cost.ms_per_image,
        "parameters": run.record.method.parameters,
        "macs": cost.macs,
        "peak_memory": cost.peak_memory,
    }
    return {name: Cell(value=v / _COST_UNITS[name]) for name, v in values.items() if v is not None}


def _width(console: Console, shown: Group) -> int:
    """Columns the grid of a table takes when nothing limits it; the sentences below it wrap."""
    from rich.measure import Measurement

    return Measurement.get(console, console.options.update(width=1000), shown.renderables[0]).maximum


def _rank(
    runs: Sequence[Run], names: Sequence[str], tables: Sequence[pa.Table], bootstrap: ClusterBootstrap
) -> Ranking | None:
    ranked = [i for i, run in enumerate(runs) if run.record.method.provenance != "oracle"]
    metrics = []
    for name in RANKING_METRICS:
        values = np.stack([_column(tables[i], name) for i in ranked], axis=1) if ranked else np.empty((0, 0))
        if values.size and not np.isnan(values).all():
            info = METRICS[name]
            metrics.append(MetricScores(name, values, info.higher_is_better, info.decimals, info.is_share))
    return rank_methods(bootstrap, [names[i] for i in ranked], metrics) if metrics else None


def _agreement(
    runs: Sequence[Run], tables: Sequence[pa.Table], bootstrap: ClusterBootstrap
) -> dict[str, Estimate]:
    # Readers can only differ on images.
    ranked = [
        table
        for run, table in zip(runs, tables, strict=True)
        if run.record.method.provenance != "oracle" and run.record.method.output == "image"
    ]
    found = {}
    record = runs[0].record
    for position, reader in enumerate(record.readers[1:], start=1):
        first, second = (
            np.stack([_column(table, name) for table in ranked], axis=1) if ranked else np.empty((0, 0))
            for name in ("ned", record.column("ned", position))
        )
        # Without an order in either (one method, or all equal) there is nothing to agree on.
        with suppress(StatisticsError):
            found[reader.name] = rank_correlation(bootstrap, first, second)
    return found


def _column(table: pa.Table, name: str) -> npt.NDArray[np.float64]:
    if name not in table.column_names:
        return np.full(len(table), np.nan)
    return np.asarray(table[name].to_numpy(zero_copy_only=False), np.float64)


def _names(runs: Sequence[Run]) -> tuple[str, ...]:
    counts = Counter(run.name for run in runs)
    names = tuple(run.name if counts[run.name] == 1 else f"{run.name} ({run.folder.name})" for run in runs)
    if len(set(names)) < len(names):
        names = tuple(str(run.folder) for run in runs)
    if len(set(names)) < len(names):
        raise RunError("a run is given twice; name each run folder once")
    return names
