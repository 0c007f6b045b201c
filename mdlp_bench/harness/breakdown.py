"""Scores of runs by part of the test set: layout, height of the frames, province, position, recipe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mdlp_bench.errors import RunError, no_such
from mdlp_bench.harness.compare import RunComparison
from mdlp_bench.harness.run import float_column
from mdlp_bench.harness.run_table import MEANS_OF_SEEDS, few_plates, metric_column, run_note
from mdlp_bench.harness.seeds import seed_spread, seed_values
from mdlp_bench.harness.statistics import ClusterBootstrap, MetricScores, SeedSpread, rank_methods
from mdlp_bench.harness.statistics.clusters import FloatArray, fewest_plates
from mdlp_bench.harness.tables import Cell, Column, Row, ScoreTable
from mdlp_bench.harness.text_columns import chance, is_comparable
from mdlp_bench.metrics.base import METRICS, MetricInfo
from mdlp_bench.metrics.text import positions_right
from mdlp_bench.plate import normalise, region_sign

HEIGHTS: Final = (8, 12, 16, 24)
"""Upper limits in pixels of the classes of the first frame's height; above 16 most plates are readable."""


def _layouts(table: pa.Table) -> list[str | None]:
    return [layout or None for layout in table["layout"].to_pylist()]


def _heights(table: pa.Table) -> list[str | None]:
    if "first_height" not in table.column_names:
        raise RunError("these runs do not say how high the frames are; score the predictions again")
    return [None if height is None else height_class(height) for height in table["first_height"].to_pylist()]


def _provinces(table: pa.Table) -> list[str | None]:
    return list(map(region_sign, table["text"].to_pylist()))


def _recipes(table: pa.Table) -> list[str | None]:
    if "recipe" not in table.column_names:
        raise RunError("these runs do not say what degraded the frames; score the predictions again")
    return [recipe or None for recipe in table["recipe"].to_pylist()]


GROUPS: Final = MappingProxyType[str, Callable[[pa.Table], list[str | None]]](
    {"layout": _layouts, "height": _heights, "province": _provinces, "recipe": _recipes}
)
"""By name, a function that gives the part of each sample in a per-sample table, None for no part."""

BY: Final = MappingProxyType(
    {
        "layout": "layout",
        "height": "height of the first frame",
        "province": "province",
        "recipe": "degradation recipe",
        "position": "position of the character",
    }
)
"""What scores can be broken down by, and what tables call it."""


def height_class(height: int) -> str:
    """The class of a first frame's height in pixels, e.g. "9-12 px"."""
    for low, high in zip((0, *HEIGHTS), HEIGHTS, strict=False):
        if height <= high:
            return f"{low + 1}-{high} px"
    return f"over {HEIGHTS[-1]} px"


def parts(table: pa.Table, by: str) -> dict[str, npt.NDArray[np.intp]]:
    """The rows of each part of a per-sample table, `other` (samples of no part) last.

    Heights ascend; other parts are ordered by their number of samples, largest first.

    Raises:
        RunError: There is no such breakdown, or the table does not have what it needs.
    """
    if by not in GROUPS:
        raise no_such("breakdown by", by, BY, RunError)
    names = [name if name is not None else "other" for name in GROUPS[by](table)]
    counts = Counter(names)
    ascending = [height_class(limit) for limit in (*HEIGHTS, HEIGHTS[-1] + 1)]

    def place(name: str) -> tuple[Any, ...]:
        return (name == "other", ascending.index(name) if name in ascending else -counts[name], name)

    rows = np.array(names)
    return {name: np.flatnonzero(rows == name) for name in sorted(counts, key=place)}


def breakdown(comparison: RunComparison, by: str, *metrics: str) -> ScoreTable:
    """Metrics of compared runs by part of the test set, with intervals and tie groups in each part.

    Args:
        comparison: The runs.
        by: One of `BY`. By `position` it is the share of characters read right by the readers of `metrics`.
        metrics: Per-sample metrics of the runs, as in their tables, e.g. `acc@ppocrv4`; default NED.

    Returns:
        A row per run, best first overall, and what the texts of a part's other plates would get there; a
        column per metric and part, whose title says how many samples and plates it has. A part's letters
        compare its methods in that part alone.

    Raises:
        RunError: There is no such breakdown, or the runs do not have what it needs.
    """
    tables = [run.per_sample().sort_by("sample_id") for run in comparison.runs]
    plates = np.array(tables[0]["plate_id"].to_pylist())
    names = list(dict.fromkeys(metrics or ("ned",)))
    if by == "position":
        names = list(dict.fromkeys("@".join(("acc", *name.split("@")[1:])) for name in names))
    rows: dict[str, dict[str, Cell]] = {name: {} for name in comparison.names}
    by_chance: dict[str, Cell] = {}
    chances: dict[str, dict[str, float]] = {}
    shown: list[Column] = []
    effective = []
    titles = []
    for metric in names:
        info, column = _described(comparison, tables, metric)
        if by == "position":
            reader = column.title.removeprefix(info.title)
            column = column.model_copy(update={"title": f"characters right{reader}"})
        titles.append(column.title)
        parted = _by_position(tables, metric) if by == "position" else _by_part(tables, by, metric)
        for part, values in parted.items():
            measured = ~np.isnan(values).all(axis=1)
            if not measured.any():
                continue
            bootstrap = ClusterBootstrap.by_rules(plates[measured].tolist(), comparison.rules.bootstrap)
            key, named = (part, part) if len(names) == 1 else (f"{metric}:{part}", f"{column.title}, {part}")
            # By position readings are compared, which are the first seed's.
            seeds = [
                None if by == "position" else seed_spread(table, metric, own)
                for table, own in zip(tables, values.T, strict=True)
            ]
            for name, cell in _cells(comparison, bootstrap, values[measured], info, seeds).items():
                rows[name][key] = cell
            if by != "position" and info.name in comparison.chance:
                if part not in chances:
                    chances[part] = _chance(comparison, tables[0].filter(measured))
                if info.name in chances[part]:
                    by_chance[key] = Cell(value=chances[part][info.name])
            if not info.is_binary:
                effective.append(bootstrap.clusters.n_effective)
            n_plates = len(bootstrap.clusters)
            size = f"(n = {int(measured.sum())}; {n_plates} plate{'s' * (n_plates != 1)})"
            shown.append(column.model_copy(update={"key": key, "title": f"{named} {size}"}))
    if not shown:
        raise RunError(f"no sample has what a breakdown by {BY[by]} needs")
    several = [table for run, table in zip(comparison.runs, tables, strict=True) if run.record.seeds]
    # Earlier versions did not keep what each seed gave; readings are the first seed's.
    seeds_known = by != "position" and all(seed_values(table, names[0]) is not None for table in several)
    by_title = {
        title: Row(
            name=title,
            kind="bound" if comparison.by_name[name].is_oracle else "method",
            cells=rows[name],
            note=run_note(comparison.by_name[name], first_seed=by == "position"),
        )
        for name, title in comparison.titles.items()
    }
    ordered = [by_title[row.name] for row in comparison.table.rows if row.name in by_title]
    if by_chance and comparison.options.bounds:
        ordered.append(
            Row(name="Chance", kind="bound", cells=by_chance, note="texts of a part's other plates")
        )
    return comparison.table.model_copy(
        update={
            "columns": tuple(shown),
            "rows": tuple(ordered),
            "protocol": f"{comparison.table.protocol}; {', '.join(titles)} by {BY[by]}",
            "intervals": comparison.bootstrap.describe(),
            "remarks": (*_remarks(comparison, rows, seeds_known), *few_plates(effective)),
            "absent": (),
        }
    )


def _chance(comparison: RunComparison, table: pa.Table) -> dict[str, float]:
    """By score, what the texts of the other plates of a table would get."""
    texts, plates = (table[name].to_pylist() for name in ("text", "plate_id"))
    return chance(texts, plates, comparison.rules.text.cer_cap)


def _described(comparison: RunComparison, tables: list[pa.Table], metric: str) -> tuple[MetricInfo, Column]:
    base = metric.partition("@")[0]
    for name, table in zip(comparison.names, tables, strict=True):
        if base not in METRICS or metric not in table.column_names:
            raise RunError(f"{name}: has no {metric!r} per sample; break down a metric of single samples")
    return METRICS[base], metric_column(comparison.runs[0], metric, comparison.options.decimals)


def _remarks(comparison: RunComparison, rows: dict[str, dict[str, Cell]], seeds_known: bool) -> Iterator[str]:
    methods = [name for name, run in comparison.by_name.items() if not run.is_oracle]
    lettered = {key for name in methods for key, cell in rows[name].items() if cell.group}
    if len(methods) > 1 and any(rows[name].keys() - lettered for name in methods):
        most = fewest_plates(comparison.bootstrap.clusters.correction) - 1
        few = f"Parts that tell no more than {most} plate{'s' * (most > 1)} of equal size have no tie groups"
        yield f"{few}, and limits of shares only."
    if any(run.record.seeds for run in comparison.runs):
        yield MEANS_OF_SEEDS if seeds_known else "Intervals and letters do not hold the variance of seeds."


def _by_part(tables: list[pa.Table], by: str, metric: str) -> dict[str, FloatArray]:
    """By part, the values [n, runs] of its samples, NaN for all others."""
    values = np.stack([float_column(table, metric) for table in tables], axis=1)
    found = {}
    for name, rows in parts(tables[0], by).items():
        found[name] = np.full_like(values, np.nan)
        found[name][rows] = values[rows]
    return found


def _by_position(tables: list[pa.Table], metric: str) -> dict[str, FloatArray]:
    """By position (from 1), 1 where that character was read right, else 0, [n, runs]; NaN beyond a text."""
    reading = metric.replace("acc", "read_text", 1)
    texts = tables[0]["text"].to_pylist()
    known = [i for i, text in enumerate(texts) if is_comparable(text)]
    targets = [texts[i] for i in known]
    size = max(map(len, map(normalise, targets)), default=0)
    values = np.full((len(tables), len(texts), size), np.nan)
    for own, table in zip(values, tables, strict=True):
        # A reader has read nothing of a method that gives its own text.
        if not np.isnan(float_column(table, metric)).all():
            read = table[reading].to_pylist()
            own[known] = positions_right([read[i] for i in known], targets)
    return {str(position + 1): values[:, :, position].T for position in range(size)}


def _cells(
    comparison: RunComparison,
    bootstrap: ClusterBootstrap,
    values: FloatArray,
    info: MetricInfo,
    seeds: Sequence[SeedSpread | None],
) -> dict[str, Cell]:
    """The cells of one part's column, by run; only methods get tie-group letters."""
    found = {}
    methods = [i for i, run in enumerate(comparison.runs) if not run.is_oracle]
    scored = [i for i in range(values.shape[1]) if not np.isnan(values[:, i]).all()]
    for i in scored:
        estimate = bootstrap.interval(values[:, i], is_share=info.is_share, is_binary=info.is_binary)
        estimate = estimate.widened(seeds[i], bootstrap.confidence, info.bounds)
        found[comparison.names[i]] = Cell(value=estimate.value, low=estimate.low, high=estimate.high)
    ranked = [i for i in methods if i in scored]
    if ranked:
        of_ranked = [seeds[i] for i in ranked]
        given = of_ranked if any(of_ranked) else ()
        scores = MetricScores.of(info, info.name, values[:, ranked], given)
        (ranking,) = rank_methods(bootstrap, [comparison.names[i] for i in ranked], [scores]).metrics
        for entry in ranking.entries:
            found[entry.name] = found[entry.name].model_copy(update={"group": entry.group})
    return found
