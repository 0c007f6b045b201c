"""The benchmark table of compared runs: its columns and rows, their order, and how they are shown."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from mdlp_bench.errors import RunError, no_such
from mdlp_bench.harness.run import MetricSummary, Run
from mdlp_bench.harness.statistics.clusters import FEW_PLATES, FEWEST_PLATES, fewest_plates
from mdlp_bench.harness.tables import Absent, Cell, Column, Intervals, Row, RowKind, ScoreTable
from mdlp_bench.harness.text_columns import OF_CONFIDENCE
from mdlp_bench.metrics.abstaining import COVERAGES
from mdlp_bench.metrics.base import METRICS

if TYPE_CHECKING:
    from mdlp_bench.harness.compare import RunComparison

COMPACT: Final = (
    "ned", "acc", "hallucination", "wrong_if_believed", "psnr", "ssim", "lpips", "ms_per_image",
)  # fmt: skip
"""The default columns of a table; `lpips` stands for the net that the runs have."""

PANEL_METRICS: Final = ("ned", "acc")
"""Metrics that every table also shows for each further reader, after those of the first."""

FEW_BELIEVED: Final = 20
"""P(wrong | believed) of fewer samples is shown with their number."""

MEANS_OF_SEEDS: Final = (
    "Scores over several seeds are means; intervals and letters hold the variance of seeds."
)

SHORT_INTERVALS: Final = (
    "Intervals of means that are not shares are too short where plates are few: those of 95 % cover 93 % of "
    "the time with {} plates of equal size, 87 % with {}."
)
"""Measured by `benchmarks/harness_statistics.py --means`."""

NOISY: Final = 0.1
"""Times with at least this spread are marked."""

COSTS: Final = ("ms_per_image", "parameters", "macs", "peak_memory")
_COST_UNITS: Final = {"ms_per_image": 1.0, "parameters": 1e6, "macs": 1e9, "peak_memory": 1e6}
_LPIPS: Final = ("lpips", "lpips_squeeze", "lpips_vgg")
_FROM_WEIGHTS: Final = (*_LPIPS, "fid", "kid")
_COVERAGES: Final = {f"risk_{percent}": percent for percent in COVERAGES}
_FROM_CONFIDENCES: Final = (*OF_CONFIDENCE, *_COVERAGES, "aurc", "aurc_mean", "ece", "confidence_gap")
_OTHER_INTERVALS: Final = {
    "percentiles of the same resamples": ("aurc", "aurc_mean"),
    "normal, from the standard error": ("kid", "krd"),
}
"""Kinds of intervals that the bootstrap's description does not cover, and the metrics that have them."""
_OWN_TEXT: Final = "the method's own text, which no reader read"
_NOTES: Final = {"ground-truth": "ceiling", "input": "floor"}
# Names of files and addresses help the person who scored, not the reader of the table.
_LOCAL: Final = re.compile(r"https?://|(?:^|[\s(])(?:~|[A-Za-z]:)?[/\\]\w")
_NO_WEIGHTS: Final = "not computed: the network's weights were not at hand when the run was scored"


@dataclass(frozen=True, slots=True)
class TableOptions:
    """How a table of runs looks.

    Attributes:
        columns: Metrics and costs by name, in order; `("all",)` for all that a run has, in the order of
            `METRICS`, None for `COMPACT` without the columns that no run has. `lpips` is also found under the
            net that the runs have.
        sort: The column by which rows are sorted, best first; `given` for the order of the runs, None for the
            ranking.
        intervals: How confidence intervals are shown.
        decimals: Digits after the decimal point: one number for all columns, or by column; the others keep
            their own.
        bounds: Whether ceiling, floor (ground truth and degraded input) and chance are shown.
        published: Rows quoted from papers, shown apart and never ranked (`published.published_rows`); their
            cells of other columns are left out.
        title: The first sentence of the caption; empty for protocol, data set and sizes.
    """

    columns: Sequence[str] | None = None
    sort: str | None = None
    intervals: Intervals = "small"
    decimals: int | Mapping[str, int] = field(default_factory=dict)
    bounds: bool = True
    published: Sequence[Row] = ()
    title: str = ""


DEFAULT_TABLE: Final = TableOptions()


def run_table(comparison: RunComparison, options: TableOptions) -> ScoreTable:
    """The table of compared runs: methods best first, then bounds, then published rows.

    Raises:
        RunError: A column does not exist, or no run has a value in it.
    """
    first = comparison.runs[0].record
    wanted = _columns(comparison.runs, options.columns)
    sort = None if options.sort in (None, "given") else _named(comparison.runs, str(options.sort))
    usual = _usual_conditions(comparison.runs)
    rows = tuple(_row(comparison, name, run, usual) for name, run in comparison.by_name.items())
    if "ground-truth" not in (run.name for run in comparison.runs):
        rows += _ceiling_row(comparison.runs[0])
    rows += _chance_row(comparison)
    rows = tuple(row for row in rows if options.bounds or row.kind != "bound")
    keys = {key: None for row in rows for key in row.cells} | dict.fromkeys(wanted)
    quoted = tuple(
        row.model_copy(update={"cells": {key: cell for key, cell in row.cells.items() if key in keys}})
        for row in options.published
    )
    table = ScoreTable(
        columns=tuple(metric_column(comparison.runs[0], key, options.decimals) for key in keys),
        rows=(*rows, *quoted),
        protocol=f"{first.protocol}, reader {first.readers[0].title}",
        dataset=first.dataset.name,
        n=first.dataset.n_samples,
        n_plates=len(comparison.bootstrap.clusters),
        intervals=_intervals(comparison, rows, wanted),
        show_intervals=options.intervals,
        title=options.title,
        remarks=_remarks(comparison),
        absent=_absent(comparison.runs, options.columns),
    )
    if sort is not None:
        table = table.sorted_by(sort)
    elif options.sort is None and comparison.ranking is not None:
        by = (comparison.ranking.metrics[0].metric, "acc", "psnr")
        table = table.sorted_by(*(key for key in by if key in keys))
    return table.of_columns(wanted)


def _columns(runs: Sequence[Run], wanted: Sequence[str] | None) -> list[str]:
    """The keys of the columns to show."""
    measured = _measured(runs) | {key for run in runs for key in _costs(run)}
    of_users = dict.fromkeys(info.name for run in runs for info in run.record.metrics)
    if wanted is not None and "all" not in wanted:
        names = [_named(runs, name) for name in wanted]
        for name in names:
            if name not in measured:
                raise RunError(f"{name}: no run has a value ({why_missing(runs, name)})")
        return list(dict.fromkeys(names))
    if wanted is not None:
        return [key for key in _all_columns(runs[0]) if key in measured]
    # The net that the runs have, whichever it is: the heading names it.
    net = next((key for key in _LPIPS if key in measured), "lpips")
    usual = (net if key == "lpips" else key for key in _with_panel(runs[0], COMPACT))
    return [*(key for key in usual if key in measured), *of_users] or sorted(measured)


def _measured(runs: Sequence[Run]) -> set[str]:
    return {key for run in runs for key, found in run.summary.items() if found.mean is not None}


def _all_columns(run: Run) -> list[str]:
    """Every metric and cost in the order of `METRICS`; behind a reader's those of the further readers."""
    further = [reader.name for reader in run.record.readers[1:]]
    of_readers = (*PANEL_METRICS, *OF_CONFIDENCE)
    return [
        key
        for name in METRICS
        for key in (name, *(f"{name}@{reader}" for reader in further if name in of_readers))
    ]


def _absent(runs: Sequence[Run], columns: Sequence[str] | None) -> tuple[Absent, ...]:
    """The columns of a reader's confidences that a table of usual or all columns lacks, and why.

    Without texts nothing can be right or wrong, and no column of readings is missed.
    """
    if columns is not None and "all" not in columns:
        return ()
    measured = _measured(runs)
    usual = COMPACT if columns is None else _all_columns(runs[0])
    found = []
    for key in usual:
        name, at, reader = key.partition("@")
        known = any(key in run.summary for run in runs)
        if name in _FROM_CONFIDENCES and key not in measured and known and f"acc{at}{reader}" in measured:
            images = [run for run in runs if run.record.method.output == "image"]
            title = metric_column(runs[0], key, {}).title
            found.append(Absent(key=key, title=title, reason=why_missing(images or runs, key)))
    return tuple(found)


def _intervals(comparison: RunComparison, rows: Sequence[Row], keys: Sequence[str]) -> str:
    """What the intervals of these columns are."""
    parts = [comparison.bootstrap.describe()]
    for kind, names in _OTHER_INTERVALS.items():
        shown = [key for key in names if key in keys and any(_has_interval(row, key) for row in rows)]
        if shown:
            parts.append(f"{', '.join(METRICS[key].title for key in shown)}: {kind}")
    return "; ".join(parts)


def _has_interval(row: Row, key: str) -> bool:
    return key in row.cells and row.cells[key].low is not None


def _with_panel(run: Run, keys: Sequence[str]) -> list[str]:
    """The keys, with NED and ACC by each further reader after the ACC of the first."""
    last = keys.index(PANEL_METRICS[-1]) + 1
    further = [f"{name}@{reader.name}" for reader in run.record.readers[1:] for name in PANEL_METRICS]
    return [*keys[:last], *further, *keys[last:]]


def why_missing(runs: Sequence[Run], key: str) -> str:
    """Why no run has a value of a metric, as scoring recorded it."""
    reasons = (run.summary[key].unavailable for run in runs if key in run.summary)
    return next((reason for reason in reasons if reason), "not measured")


def unavailable_metrics(runs: Sequence[Run]) -> dict[str, str]:
    """The metrics that need downloaded weights and that no run has: titles by the reason scoring recorded."""
    wanted = [key for key in _FROM_WEIGHTS if any(key in run.summary for run in runs)]
    missing = [key for key in wanted if all(_mean(run.summary.get(key)) is None for run in runs)]
    reasons: dict[str, list[str]] = {}
    for key in missing:
        reasons.setdefault(why_missing(runs, key), []).append(METRICS[key].title)
    return {reason: " and ".join(titles) for reason, titles in reasons.items()}


def _named(runs: Sequence[Run], name: str) -> str:
    """The key of a column by what a user calls it: its name or its title, in any case."""
    known = list(dict.fromkeys([*(key for run in runs for key in run.summary), *COSTS]))
    by_name = {METRICS[key].title.lower(): key for key in known if key in METRICS}
    by_name |= {key.lower(): key for key in known}
    nets = [net for net in _LPIPS if any(_mean(run.summary.get(net)) is not None for run in runs)]
    if nets:
        by_name["lpips"] = nets[0]
    key: str | None = by_name.get(name.strip().lower())
    if key is None:
        raise no_such("column", name, known, RunError, hint=", or say all")
    return key


def _mean(found: MetricSummary | None) -> float | None:
    return None if found is None else found.mean


def metric_column(run: Run, key: str, decimals: int | Mapping[str, int]) -> Column:
    """The column of a metric or cost, or of a metric by a further reader (`ned@ppocrv4`).

    Args:
        run: Tells what its readers are called.
        key: The metric or cost.
        decimals: See `TableOptions`.
    """
    name, _, reader = key.partition("@")
    column = Column.from_metric(METRICS[name])
    titles = {one.name: one.title for one in run.record.readers}
    given = decimals if isinstance(decimals, int) else decimals.get(key, column.decimals)
    title = f"{column.title}, {titles.get(reader, reader)}" if reader else column.title
    return column.model_copy(update={"key": key, "title": title, "decimals": given})


def _usual_conditions(runs: Sequence[Run]) -> str:
    """The conditions under which most runs were timed; among equally frequent ones the first."""
    found = [run.record.cost.conditions for run in runs if run.record.cost is not None]
    return max(found, key=found.count, default="")


def _row(comparison: RunComparison, name: str, run: Run, usual: str) -> Row:
    groups = comparison.groups
    cells = {}
    for key, found in run.summary.items():
        if found.mean is None:
            cells[key] = Cell(unavailable=_public(found.unavailable))
        else:
            group = groups.get(key, {}).get(name, "")
            note = _OWN_TEXT if run.record.method.output == "text" else _accepted(run, key)
            is_few = key.partition("@")[0] == "wrong_if_believed" and found.n < FEW_BELIEVED
            n = found.n if is_few else None
            cells[key] = Cell(value=found.mean, low=found.low, high=found.high, group=group, note=note, n=n)
    if not run.is_oracle:
        cells |= {key: Cell(value=value) for key, value in _costs(run).items()}
    cost, noise = run.record.cost, ""
    if cost is not None and "ms_per_image" in cells:
        if cost.conditions != usual:
            reason = f"timed on {cost.conditions}, other methods on {usual}"
            cells["ms_per_image"] = Cell(unavailable=reason)
        elif cost.spread is not None and cost.spread > NOISY:
            noise = f"time uncertain, spread {cost.spread:.0%}"
    note = "; ".join(part for part in (run_note(run), noise) if part)
    kind: RowKind = "bound" if run.is_oracle else "method"
    return Row(name=comparison.titles[name], kind=kind, cells=cells, note=note)


def run_note(run: Run, *, first_seed: bool = False) -> str:
    """What to know of a run's scores: bound, text alone, seeds, failures.

    Args:
        run: The run.
        first_seed: Whether what is shown follows from readings, which are kept of the first seed only.
    """
    n_failed = max((found.n_failed for found in run.summary.values()), default=0)
    failed = f"{n_failed} failed, counted at the floor" if n_failed else ""
    text_only = "text only" if run.record.method.output == "text" else ""
    seeds = "first seed" if first_seed and run.record.seeds else _seeds_note(run)
    return "; ".join(part for part in (_NOTES.get(run.name, ""), text_only, seeds, failed) if part)


def few_plates(effective: Iterable[float]) -> tuple[str, ...]:
    """What to know of the intervals of means over few plates.

    Args:
        effective: Effective numbers of plates of all that is shown.
    """
    if not any(FEWEST_PLATES - 1e-9 < n < FEW_PLATES for n in effective):
        return ()
    return (SHORT_INTERVALS.format(FEW_PLATES, FEWEST_PLATES),)


def _accepted(run: Run, key: str) -> str:
    """How many readings a threshold accepts where equal confidences make them more than the column says."""
    if key not in _COVERAGES or key not in run.summary or "risk_100" not in run.summary:
        return ""
    taken, known = run.summary[key].n, run.summary["risk_100"].n
    if taken <= math.ceil(known * _COVERAGES[key] / 100) + 1:
        return ""
    most = "up to " if run.record.seeds else ""
    return f"{most}{taken / known:.0%} of the readings are accepted, because as many are equally sure"


def _seeds_note(run: Run) -> str:
    """How many seeds a method that depends on its seed was scored with."""
    if run.record.method.deterministic:
        return ""
    return f"{len(run.record.seeds)} seeds" if run.record.seeds else "one seed"


def _public(reason: str | None) -> str | None:
    """A reason without the paths and addresses of the person who scored."""
    return _NO_WEIGHTS if reason and _LOCAL.search(reason) else reason


def _ceiling_row(run: Run) -> tuple[Row, ...]:
    """The scores of the reader on the ground truths, which any method's run holds; none without texts."""
    cells = {
        name: Cell(value=found.ceiling) for name, found in run.summary.items() if found.ceiling is not None
    }
    return (Row(name="Ground truth", kind="bound", cells=cells, note="ceiling"),) if cells else ()


def _chance_row(comparison: RunComparison) -> tuple[Row, ...]:
    """The scores of other plates' texts, equal for all readers; none without texts of several plates."""
    cells = {
        key: Cell(value=comparison.chance[key.partition("@")[0]])
        for key in dict.fromkeys(key for run in comparison.runs for key in run.summary)
        if key.partition("@")[0] in comparison.chance
    }
    return (Row(name="Chance", kind="bound", cells=cells, note="texts of other plates"),) if cells else ()


def _remarks(comparison: RunComparison) -> tuple[str, ...]:
    """Further notes on the table: unknown texts, plates too few for tie groups, means over seeds."""
    remarks = []
    total = comparison.runs[0].record.dataset.n_samples
    read = comparison.runs[0].summary.get("ned")
    if read is not None and 0 < read.n < total:
        remarks.append(f"Text scores are of the {read.n:,} of {total:,} samples whose text is known.")
    if any(run.record.seeds for run in comparison.runs):
        remarks.append(MEANS_OF_SEEDS)
    if comparison.ranking is not None and len(comparison.ranking.overall) > 1:
        leading = comparison.ranking.metrics[0].comparison
        plates = f"{leading.n_clusters} plate{'s' * (leading.n_clusters != 1)}"
        if not any(leading.letters):
            fewest = fewest_plates(comparison.bootstrap.clusters.correction)
            remarks.append(
                f"No tie groups, and no limits of means that are not shares: {plates} of these sizes tell as "
                f"much as {leading.n_effective:.1f} of equal size, and at least {fewest} are needed."
            )
    return (*remarks, *few_plates([comparison.bootstrap.clusters.n_effective]))


def _costs(run: Run) -> dict[str, float]:
    """What restoring one image costs, as measured, in the units of the table."""
    cost = run.record.cost
    if cost is None:
        return {}
    values = {
        "ms_per_image": cost.ms_per_image,
        "parameters": run.record.method.parameters,
        "macs": cost.macs,
        "peak_memory": cost.peak_memory,
    }
    return {name: value / _COST_UNITS[name] for name, value in values.items() if value is not None}


def parse_decimals(text: str) -> int | dict[str, int]:
    """Digits as a user types them: `3` for every column, or `ned=2,psnr=1`.

    Raises:
        RunError: It is neither.
    """
    parts = [part.partition("=") for part in text.split(",") if part.strip()]
    try:
        if len(parts) == 1 and not parts[0][1]:
            found: int | dict[str, int] = int(parts[0][0])
        else:
            found = {name.strip(): int(digits) for name, _, digits in parts}
        if not all(0 <= n <= 12 for n in ([found] if isinstance(found, int) else found.values())):
            raise ValueError("out of range")
    except ValueError as error:
        raise RunError(f"digits {text!r}: give a number from 0 to 12, or ned=2,psnr=1") from error
    return found
