"""Compare runs of one data set and protocol: ranks with intervals, tie groups, the table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from mdlp_bench.errors import ProtocolError, RunError, one_of
from mdlp_bench.harness.run import Run, float_column
from mdlp_bench.harness.run_table import (
    DEFAULT_TABLE,
    PANEL_METRICS,
    TableOptions,
    run_table,
    unavailable_metrics,
)
from mdlp_bench.harness.statistics import (
    ClusterBootstrap,
    Clusters,
    Estimate,
    MetricScores,
    Ranking,
    StatisticsError,
    minimum_detectable_difference,
    rank_correlation,
    rank_methods,
)
from mdlp_bench.harness.tables import ScoreTable, to_rich, write_table
from mdlp_bench.harness.text_columns import chance
from mdlp_bench.metrics.base import METRICS
from mdlp_bench.metrics.protocol import CURRENT, Protocol
from mdlp_bench.plate.grammar import GRAMMARS_VARIABLE

if TYPE_CHECKING:
    from rich.console import Console

RANKING_METRICS: Final = (
    "ned", "acc", "cer", "psnr", "ssim", "lpips", "lpips_squeeze", "lpips_vgg", "hallucination",
)  # fmt: skip
"""What methods are ranked and grouped by; the overall order is by the first of these that was measured."""

_FILE_WIDTH: Final = 200
"""The least width where there is no terminal; a table that needs more gets more."""
_UNLIMITED: Final = 10_000


@dataclass(frozen=True)
class RunComparison:
    """Runs side by side.

    Attributes:
        names: What the runs are called: the method's name, with the folder's where two share it.
        runs: The runs, in the order given.
        bootstrap: Resamples of the plates.
        ranking: Places of the runs that are not oracles; None when there is none.
        chance: By text metric, what the texts of other plates would get (see `metrics.text.chance_scores`).
        agreement: For each reader but the first, Kendall's tau between the orders of the methods by its NED
            and by the first reader's, with the interval over plates.
        options: How the table looks.
    """

    names: tuple[str, ...]
    runs: tuple[Run, ...]
    bootstrap: ClusterBootstrap
    ranking: Ranking | None
    agreement: Mapping[str, Estimate]
    chance: Mapping[str, float]
    options: TableOptions = DEFAULT_TABLE

    @property
    def rules(self) -> Protocol:
        """The protocol of the runs."""
        return self.runs[0].record.rules

    @cached_property
    def table(self) -> ScoreTable:
        """The benchmark table as its options say (errors as in `run_table`)."""
        return run_table(self, self.options)

    @cached_property
    def full_table(self) -> ScoreTable:
        """The table with every column and every interval, e.g. for the supplement of a paper."""
        table = run_table(self, replace(self.options, columns=("all",), intervals="small"))
        return table.model_copy(update={"label": "supplement"})

    @cached_property
    def by_name(self) -> Mapping[str, Run]:
        """The runs by their names."""
        return dict(zip(self.names, self.runs, strict=True))

    @cached_property
    def titles(self) -> Mapping[str, str]:
        """By name, what a run is called in tables: its method's title, or its name where two share that."""
        titles = [run.record.method.title for run in self.runs]
        return {
            name: title if name == run.name and titles.count(title) == 1 else name
            for (name, run), title in zip(self.by_name.items(), titles, strict=True)
        }

    @cached_property
    def groups(self) -> Mapping[str, Mapping[str, str]]:
        """By metric and name, the letters of the tie groups."""
        if self.ranking is None:
            return {}
        return {one.metric: one.comparison.groups for one in self.ranking.metrics}

    def best_first(self) -> list[Run]:
        """The ranked runs by their overall place; oracles are left out."""
        return [] if self.ranking is None else [self.by_name[place.name] for place in self.ranking.overall]

    def inseparable(self) -> dict[str, tuple[tuple[str, str], ...]]:
        """For each metric, the pairs (better, worse) on adjacent ranks that the data cannot tell apart."""
        if self.ranking is None:
            return {}
        return {one.metric: one.comparison.inseparable_neighbours() for one in self.ranking.metrics}

    def detectable_difference(
        self, metric: str, first: str, second: str, *, n_plates: int | None = None
    ) -> float:
        """The smallest true difference between two methods that a test set would find four times in five.

        Args:
            metric: A per-sample metric, e.g. `ned`.
            first: Name of a run; its differences from `second` show how much plates vary.
            second: Name of the other.
            n_plates: Size of the planned test set; default that of these runs.

        Raises:
            RunError: There is no such run or metric.
            StatisticsError: Too few plates to test with.
        """
        columns = []
        for name in (first, second):
            table = self.by_name[one_of("run", name, self.names, RunError)].per_sample()
            if metric not in table.column_names:
                raise RunError(f"{name}: has no values per sample of {metric!r}")
            columns.append(table[metric].to_numpy())
        clusters = Clusters(table["plate_id"].to_pylist())
        return minimum_detectable_difference(clusters, *columns, n_clusters=n_plates)

    def write_table(self, path: str | Path) -> None:
        """Write the table as .md, .tex, .html or .csv (errors as in `tables.write_table`)."""
        write_table(self.table, Path(path))

    def write_supplement(self, path: str | Path) -> None:
        """Write the full table, for the supplement; formats and errors as in `write_table`."""
        write_table(self.full_table, Path(path))

    def print(self) -> None:
        """Show the table, the ranks that cannot be separated and the readers' agreement on the terminal."""
        console = print_table(self.table)
        for metric, pairs in self.inseparable().items():
            if pairs and self.ranking is not None and metric == self.ranking.metrics[0].metric:
                shown = "; ".join(_told([self.titles[name] for name in chain]) for chain in _chains(pairs))
                console.print(f"Not separable in {METRICS[metric].title}: {shown}", style="dim")
        for why, missing in unavailable_metrics(self.runs).items():
            console.print(f"No {missing}: {why}", style="dim", soft_wrap=True)
        first = self.runs[0].record.readers[0].name
        for reader, tau in self.agreement.items():
            limits = "" if tau.low is None or tau.high is None else f" [{tau.low:.2f}, {tau.high:.2f}]"
            console.print(
                f"Order of the methods by {reader} and by {first}: Kendall's tau {tau.value:.2f}{limits}"
            )

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON-able data: summaries, ranks, tie groups."""
        ranks = {} if self.ranking is None else {one.name: one for one in self.ranking.overall}
        groups = self.groups
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
                for name, run in self.by_name.items()
            ],
            "chance": dict(self.chance),
            "reader_agreement": {
                reader: {"kendall_tau": tau.value, "low": tau.low, "high": tau.high}
                for reader, tau in self.agreement.items()
            },
            "not_separable": {
                metric: [list(p) for p in pairs] for metric, pairs in self.inseparable().items()
            },
        }


def compare(runs: Sequence[Run], options: TableOptions = DEFAULT_TABLE) -> RunComparison:
    """Put runs side by side.

    Args:
        runs: Runs of one protocol, reader and data set.
        options: How the table looks.

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
            differences = "; ".join(_differences(first, run))
            raise ProtocolError(
                f"{first.folder} and {run.folder} cannot be ranked together: {differences}; "
                f"{_remedy(first, run)}"
            )
    tables = [run.per_sample().sort_by("sample_id") for run in runs]
    for run, table in zip(runs, tables, strict=True):
        if table["sample_id"] != tables[0]["sample_id"]:
            raise RunError(f"{run.folder}: its samples are not those of {first.folder}; score it again")
    names = _names(runs)
    bootstrap = ClusterBootstrap.by_rules(tables[0]["plate_id"].to_pylist(), first.record.rules.bootstrap)
    ranking = _rank(runs, names, tables, bootstrap)
    agreement = _agreement(runs, tables, bootstrap)
    texts, plates = (tables[0][name].to_pylist() for name in ("text", "plate_id"))
    by_chance = chance(texts, plates, first.record.rules.text.cer_cap)
    return RunComparison(names, tuple(runs), bootstrap, ranking, agreement, by_chance, options)


def _differences(first: Run, second: Run) -> list[str]:
    """How two runs differ in what must be equal."""
    one, other = first.record, second.record
    found = []
    if one.protocol != other.protocol:
        found.append(f"protocol {one.protocol} and {other.protocol}")
    elif one.protocol_sha256 != other.protocol_sha256:
        found.append(f"other rules under the name {one.protocol} (an older version wrote one of them)")
    if one.grammars_sha256 != other.grammars_sha256:
        found.append(f"other further grammars of plates ({GRAMMARS_VARIABLE})")
    if one.dataset.fingerprint != other.dataset.fingerprint:
        sizes = [f"{data.name} ({data.n_samples} samples)" for data in (one.dataset, other.dataset)]
        same = " of the same name, with other texts or images" if sizes[0] == sizes[1] else ""
        found.append(f"data set {sizes[0]} and {sizes[1]}{same}")
    if one.readers != other.readers:
        names = [", ".join(reader.name for reader in record.readers) for record in (one, other)]
        if names[0] != names[1]:
            found.append(f"readers {names[0]} and {names[1]}")
        else:
            changed = [a.name for a, b in zip(one.readers, other.readers, strict=True) if a != b]
            found.append(f"reader {', '.join(changed)} has other weights, code or threshold")
    return found


def _chains(pairs: Sequence[tuple[str, str]]) -> list[list[str]]:
    """Pairs of adjacent ranks, joined where one ends with the method that the next begins with."""
    chains: list[list[str]] = []
    for better, worse in pairs:
        if chains and chains[-1][-1] == better:
            chains[-1].append(worse)
        else:
            chains.append([better, worse])
    return chains


def _told(titles: Sequence[str]) -> str:
    if len(titles) == 2:
        return f"{titles[0]} and {titles[1]}"
    return f"{titles[0]} to {titles[-1]} ({len(titles)} methods, each from the next)"


def _remedy(first: Run, second: Run) -> str:
    """What makes two runs comparable that differ in what must be equal."""
    for run in (first, second):
        if first.record.protocol != second.record.protocol and run.record.protocol != CURRENT.id:
            return (
                f"score the predictions of {run.folder} again under {CURRENT.id}: "
                f"mdlp-bench score PREDICTIONS DATA -o {run.folder}"
            )
    return "score both the same way"


def print_table(table: ScoreTable) -> Console:
    """Print a table, on a terminal without the columns that do not fit.

    Returns:
        The console, for what follows.
    """
    from rich.console import Console

    console = Console()
    # A file or pipe has no width, and nobody would see there what is left out.
    console.width = console.width if console.is_terminal else max(_FILE_WIDTH, _width(console, table))
    fitted, left_out = _fitted(table, console)
    console.print(to_rich(fitted))
    if left_out:
        console.print(
            f"Left out for lack of width: {', '.join(left_out)}; written tables have it all.", style="dim"
        )
    return console


def _fitted(table: ScoreTable, console: Console) -> tuple[ScoreTable, list[str]]:
    """A table that fits the terminal, and what it lacks: first the intervals, then the last columns."""
    left_out = []
    if _width(console, table) > console.width and table.show_intervals != "none":
        table = table.model_copy(update={"show_intervals": "none"})
        left_out.append("intervals")
    while _width(console, table) > console.width and len(table.columns) > 1:
        left_out.append(table.columns[-1].title)
        table = table.of_columns([column.key for column in table.columns[:-1]])
    return table, left_out


def _width(console: Console, table: ScoreTable) -> int:
    """The width of a table's grid in characters when nothing limits it; the sentences below it wrap."""
    from rich.measure import Measurement

    return Measurement.get(
        console, console.options.update(width=_UNLIMITED), to_rich(table).renderables[0]
    ).maximum


def _rank(
    runs: Sequence[Run], names: Sequence[str], tables: Sequence[pa.Table], bootstrap: ClusterBootstrap
) -> Ranking | None:
    ranked = [i for i, run in enumerate(runs) if not run.is_oracle]
    metrics = []
    further = [f"{name}@{reader.name}" for reader in runs[0].record.readers[1:] for name in PANEL_METRICS]
    of_users = (info.name for run in runs for info in run.record.metrics)
    for name in dict.fromkeys((*RANKING_METRICS, *further, *of_users)):
        values = (
            np.stack([float_column(tables[i], name) for i in ranked], axis=1) if ranked else np.empty((0, 0))
        )
        if values.size and not np.isnan(values).all():
            info = METRICS[name.partition("@")[0]]
            spreads = [runs[i].summary[name].seeds if name in runs[i].summary else None for i in ranked]
            seeds = spreads if any(spreads) else ()
            metrics.append(MetricScores.of(info, name, values, seeds))
    return rank_methods(bootstrap, [names[i] for i in ranked], metrics) if metrics else None


def _agreement(
    runs: Sequence[Run], tables: Sequence[pa.Table], bootstrap: ClusterBootstrap
) -> dict[str, Estimate]:
    # Readers can only differ on images.
    ranked = [
        table
        for run, table in zip(runs, tables, strict=True)
        if not run.is_oracle and run.record.method.output == "image"
    ]
    found = {}
    record = runs[0].record
    for position, reader in enumerate(record.readers[1:], start=1):
        first, second = (
            np.stack([float_column(table, name) for table in ranked], axis=1) if ranked else np.empty((0, 0))
            for name in ("ned", record.column("ned", position))
        )
        # Without an order in either (one method, or all equal) there is nothing to agree on.
        with suppress(StatisticsError):
            found[reader.name] = rank_correlation(bootstrap, first, second)
    return found


def _names(runs: Sequence[Run]) -> tuple[str, ...]:
    counts = Counter(run.name for run in runs)
    names = tuple(run.name if counts[run.name] == 1 else f"{run.name} ({run.folder.name})" for run in runs)
    if len(set(names)) < len(names):
        names = tuple(str(run.folder) for run in runs)
    if len(set(names)) < len(names):
        raise RunError("a run is given twice; name each run folder once")
    return names
