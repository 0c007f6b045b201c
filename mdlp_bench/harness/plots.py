"""Figures of compared runs for papers: quality against cost, bars per layout, risk-coverage curves, ranks.

Vector output with embedded TrueType fonts; colours of Okabe and Ito (2008), which colour-blind readers can
tell apart, and markers or line styles that differ as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from mdlp_bench.errors import MdlpBenchError, RunError, no_such
from mdlp_bench.files import atomic_path
from mdlp_bench.harness.compare import RunComparison
from mdlp_bench.harness.run import Run, float_column
from mdlp_bench.harness.score import reading_confidences
from mdlp_bench.harness.seeds import SURE, seed_spread, seed_values
from mdlp_bench.harness.statistics import ClusterBootstrap, pareto_front
from mdlp_bench.metrics.abstaining import risk_coverage
from mdlp_bench.metrics.base import METRICS, MetricInfo
from mdlp_bench.metrics.text import accuracy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS: Final = (".pdf", ".svg", ".png")
_COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_DASHES: Final = ("-", "--", "-.", ":")
_ACCENT, _MUTED, _BOUND = "#0072B2", "#5b6470", "#D55E00"
_SIDES: Final = ((1, 1), (-1, -1), (-1, 1), (1, -1))
_NAME_WIDTH: Final = 22
"""Characters of a method's title beyond which it needs room of its own in a column."""
_CURVES: Final = len(_COLOURS)
_COLUMN, _PAGE = 3.45, 6.9
_FEW_PLATES: Final = 5
_OTHERS: Final = "other layouts"
_CJK: Final = ("Noto Sans CJK SC", "Source Han Sans SC", "WenQuanYi Zen Hei", "SimHei", "PingFang SC")


def plot(
    comparison: RunComparison, kind: str, out: str | Path | None = None, *, metric: str = "ned"
) -> Figure:
    """Draw a figure of compared runs.

    Args:
        comparison: The runs.
        kind: `ned-cost` (a metric against milliseconds per image, with the front that nothing dominates),
            `layout-bars` (a metric per plate layout, with intervals; layouts of fewer than five
            plates together), `risk-coverage` (share of wrong
            readings among those accepted, by how many are accepted) or `rank` (places with their intervals).
        out: Also write it there, atomically: `.pdf`, `.svg` or `.png` (300 dots per inch).
        metric: What `ned-cost` and `layout-bars` show: a metric of single samples, NED unless another is
            asked for.

    Returns:
        The matplotlib figure, 3.45 inches wide (a column) or 6.9 (a page).

    Raises:
        MdlpBenchError: There is no such kind or metric, the format is none of these, or the runs lack what
            the figure shows.
    """
    if kind not in KINDS:
        raise no_such("plot", kind, KINDS, MdlpBenchError)
    if metric not in (of_samples := [name for name, info in METRICS.items() if info.level == "sample"]):
        raise no_such("metric of single samples", metric, of_samples, MdlpBenchError)
    path = None if out is None else Path(out)
    if path is not None and path.suffix.lower() not in FORMATS:
        raise MdlpBenchError(f"{path}: no format of figures; end it in {', '.join(FORMATS)}")
    with _style():
        figure = KINDS[kind](comparison, METRICS[metric])
        if path is not None:
            # Without the date, equal runs give equal files.
            stamp = {".pdf": "CreationDate", ".svg": "Date"}.get(path.suffix.lower())
            with atomic_path(path) as temporary:
                figure.savefig(
                    temporary,
                    format=path.suffix.lower().removeprefix("."),
                    metadata=None if stamp is None else {stamp: None},
                )
    return figure


def _ned_cost(comparison: RunComparison, info: MetricInfo) -> Figure:
    points = [
        (title, run, run.record.cost.ms_per_image, mean)
        for title, run in _methods(comparison)
        if run.record.cost is not None and (mean := _mean(run, info.name)) is not None
    ]
    if not points:
        raise RunError(f"no run has both {info.title} and a cost; predict with --measure, or use bench")
    points.sort(key=lambda point: -point[3] if info.higher_is_better else point[3])
    values = np.array([[mean, cost] for *_, cost, mean in points], np.float64)
    front = pareto_front(values, [info.higher_is_better, False])
    beside = _sides(values[:, 1])
    figure, axes = _figure(_PAGE, 3.4)
    names = []
    for place, ((title, run, cost, mean), best) in enumerate(zip(points, front, strict=True), start=1):
        colour = _ACCENT if best else _MUTED
        found = run.summary[info.name]
        if found.low is not None and found.high is not None:
            axes.plot([cost, cost], [found.low, found.high], color=colour, lw=0.8)
        text_only = run.record.method.output == "text"
        axes.plot(cost, mean, "s" if text_only else "o", color=colour, mfc=colour if best else "white", ms=4)
        across, above = _SIDES[beside[place - 1]]
        axes.annotate(
            str(place),
            (cost, mean),
            (5 * across, 5 * above),
            textcoords="offset points",
            ha="left" if across > 0 else "right",
            va="center",
            fontsize=7,
            color=colour,
        )
        names.append(f"{place:2d}  {title}")
    axes.text(1.02, 1, "\n".join(names), transform=axes.transAxes, va="top", fontsize=7, linespacing=1.5)
    order = np.argsort(values[front][:, 1])
    axes.plot(*values[front][order].T[::-1], color=_ACCENT, lw=0.8, ls="--", label="not dominated")
    _bounds(comparison, info.name, axes.axhline)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlabel("milliseconds per image")
    axes.set_ylabel(_label(info))
    axes.legend(loc="best")
    return figure


def _layout_bars(comparison: RunComparison, info: MetricInfo) -> Figure:
    methods = list(_methods(comparison))
    tables = [run.per_sample().sort_by("sample_id") for _, run in methods]
    table = comparison.runs[0].per_sample().sort_by("sample_id")
    layouts = np.array([name or "unknown" for name in table["layout"].to_pylist()], object)
    plates = np.array(table["plate_id"].to_pylist())
    columns = [(title, float_column(own, info.name)) for (title, _), own in zip(methods, tables, strict=True)]
    known = ~np.isnan(np.stack([values for _, values in columns], axis=1)).all(axis=1)
    for name in set(layouts.tolist()):
        if len(set(plates[known & (layouts == name)].tolist())) < _FEW_PLATES:
            layouts[layouts == name] = _OTHERS
    names, counts = np.unique(layouts[known], return_counts=True)
    if not len(names):
        raise RunError(f"no run has {info.title} of single samples")
    sizes = dict(zip(names.tolist(), counts.tolist(), strict=True))
    ordered = sorted(sizes, key=lambda name: (name == _OTHERS, -sizes[name]))
    height = 0.7 + 0.17 * len(methods)
    across = min(len(ordered), 4)
    down = -(-len(ordered) // across)
    figure, grid = _panels(_PAGE, height * down + 0.2, down, across)
    places = np.arange(len(methods))
    rules = comparison.runs[0].record.rules.bootstrap
    for axes, layout in zip(grid.flat, ordered, strict=False):
        chosen = known & (layouts == layout)
        bootstrap = ClusterBootstrap.by_rules(plates[chosen].tolist(), rules)
        stacked = np.stack([values[chosen] for _, values in columns], axis=1)
        found = [
            estimate.widened(
                seed_spread(table, info.name, np.where(chosen, values, np.nan)),
                bootstrap.confidence,
                info.bounds,
            )
            for estimate, table, (_, values) in zip(
                bootstrap.intervals(stacked, info.is_share, info.is_binary), tables, columns, strict=True
            )
        ]
        values = np.array([one.value for one in found])
        errors = [
            [0.0 if one.low is None else one.value - one.low for one in found],
            [0.0 if one.high is None else one.high - one.value for one in found],
        ]
        axes.barh(places, values, height=0.7, color="#9cc6e0", edgecolor=_ACCENT, lw=0.6)
        axes.errorbar(values, places, xerr=np.maximum(errors, 0), fmt="none", ecolor="#222222", lw=0.7)
        axes.set_title(f"{layout.replace('_', ' ')}\n{len(bootstrap.clusters)} plates", fontsize=7.5)
        axes.set_ylim(len(methods) - 0.4, -0.6)
        axes.set_yticks(places, [title for title, _ in columns])
        axes.grid(axis="y", visible=False)
        axes.label_outer()
    for axes in list(grid.flat)[len(ordered) :]:
        axes.set_visible(False)
    figure.supxlabel(_label(info), fontsize=8)
    return figure


def _risk_coverage(comparison: RunComparison, info: MetricInfo) -> Figure:
    del info  # always of exact readings
    methods = list(_methods(comparison))
    curves = [(title + c.note, c) for title, run in methods if (c := _curve(run)) is not None]
    if not curves:
        raise RunError("no run has readings with confidences and texts to hold them against")
    drawn = curves[:_CURVES]
    # Two long names beside each other are wider than a column.
    across = 2 if max(len(title) for title, _ in drawn) <= _NAME_WIDTH else 1
    figure, axes = _figure(_COLUMN, 2.6 + 0.15 * -(-len(drawn) // across))
    for index, (title, curve) in enumerate(drawn):
        dashes = _DASHES[index % len(_DASHES)]
        axes.plot(curve.coverage, curve.risk, color=_COLOURS[index], ls=dashes, lw=1.2, label=title)
    axes.set_xlim(0, 1)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("coverage (share of readings accepted)")
    axes.set_ylabel("risk (share of them wrong)")
    shown = f"the {_CURVES} best of {len(curves)}" if len(curves) > _CURVES else None
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=across, title=shown)
    return figure


def _rank(comparison: RunComparison, info: MetricInfo) -> Figure:
    del info  # places are overall
    if comparison.ranking is None:
        raise RunError("there is no method to rank")
    overall = comparison.ranking.overall
    titles = [_wrapped(comparison.titles[one.name]) for one in overall]
    row = 0.29 if any("\n" in title for title in titles) else 0.19
    figure, axes = _figure(_COLUMN, 0.75 + row * len(overall))
    places = np.arange(len(overall))
    axes.hlines(places, [one.low for one in overall], [one.high for one in overall], color=_ACCENT, lw=2.2)
    axes.plot([one.rank for one in overall], places, "o", color=_ACCENT, mfc="white", ms=4.5)
    axes.set_yticks(places, titles)
    axes.invert_yaxis()
    axes.set_xlim(0.5, len(overall) + 0.5)
    axes.locator_params(axis="x", integer=True, nbins=7, steps=[1, 2, 5, 10])
    first = METRICS[comparison.ranking.metrics[0].metric].title
    confidence = f"{100 * comparison.bootstrap.confidence:g} %"
    axes.set_xlabel(f"place by {first} ({confidence} interval)")
    return figure


KINDS: Final[Mapping[str, Callable[[RunComparison, MetricInfo], Figure]]] = MappingProxyType(
    {"ned-cost": _ned_cost, "layout-bars": _layout_bars, "risk-coverage": _risk_coverage, "rank": _rank}
)
"""Figures by the name of their kind."""


def _methods(comparison: RunComparison) -> Iterator[tuple[str, Run]]:
    """Titles and runs of the ranked methods, best first."""
    for place in comparison.ranking.overall if comparison.ranking is not None else ():
        yield comparison.titles[place.name], comparison.by_name[place.name]


def _wrapped(title: str) -> str:
    """A long title with what it has in parentheses on a second line."""
    return title if len(title) <= _NAME_WIDTH else title.replace(" (", "\n(", 1)


def _mean(run: Run, metric: str) -> float | None:
    found = run.summary.get(metric)
    return None if found is None else found.mean


def _bounds(comparison: RunComparison, metric: str, line: Callable[..., Any]) -> None:
    """Ceiling and floor as dotted lines."""
    for run in comparison.runs:
        value = _mean(run, metric)
        if run.is_oracle and value is not None:
            dashes = "-." if run.name == "ground-truth" else ":"
            line(value, color=_BOUND, lw=0.8, ls=dashes, label=run.record.method.title.lower())


def _curve(run: Run) -> _Curve | None:
    """The curve whose area is the run's AURC; None without confidences or texts."""
    table = run.per_sample()
    name = next((n for n in (SURE, "read_confidence") if n in table.column_names), None)
    right = float_column(table, "acc")
    known = ~np.isnan(right)
    if name is None or not known.any():
        return None
    of_each, confidences = seed_values(table, "acc"), seed_values(table, SURE)
    if of_each is not None and confidences is not None:
        curves = [
            risk_coverage(sure[known], 1 - each[known])
            for sure, each in zip(confidences.T, of_each.T, strict=True)
        ]
        # Every seed has the same samples, and so the same coverages.
        return _Curve(curves[0].coverage, np.mean([curve.risk for curve in curves], axis=0))
    columns = {column: table[column].to_pylist() for column in (name, "error", "text", "read_text")}
    sure = reading_confidences(run.record, columns, name)[known]
    if not run.record.seeds:
        curve = risk_coverage(sure, 1 - right[known])
        return _Curve(curve.coverage, curve.risk)
    # Runs of earlier versions have the means over seeds beside the readings of the first one.
    failed = np.array([error is not None for error in columns["error"]])[known]
    read, texts = ([columns[c][i] for i in np.flatnonzero(known)] for c in ("read_text", "text"))
    curve = risk_coverage(sure, np.where(failed, 1.0, 1 - accuracy(read, texts)))
    return _Curve(curve.coverage, curve.risk, " (first seed)")


@dataclass(frozen=True, slots=True, eq=False)
class _Curve:
    """A risk-coverage curve, [n] each; `note` follows the method's title."""

    coverage: npt.NDArray[np.float64]
    risk: npt.NDArray[np.float64]
    note: str = ""


def _sides(costs: npt.NDArray[np.float64]) -> list[int]:
    """The side of each point for its number, an index of `_SIDES`; numbers must not overlap."""
    sides = [0] * len(costs)
    order = np.argsort(costs)
    for before, after in pairwise(order):
        if costs[after] < 1.35 * costs[before]:
            sides[after] = (sides[before] + 1) % len(_SIDES)
    return sides


def _label(info: MetricInfo) -> str:
    unit = f" ({info.unit})" if info.unit else ""
    return f"{info.title}{unit}, {'higher' if info.higher_is_better else 'lower'} is better"


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure, grid = _panels(width, height)
    axes: Axes = grid[0, 0]
    return figure, axes


def _panels(width: float, height: float, down: int = 1, across: int = 1) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=300, layout="constrained")
    return figure, figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)


@contextmanager
def _style() -> Iterator[None]:
    from matplotlib import font_manager, rc_context

    there = {font.name for font in font_manager.fontManager.ttflist}
    with rc_context(
        {
            "font.family": ["DejaVu Sans", *(name for name in _CJK if name in there)],
            "font.size": 8,
            "axes.labelsize": 8,
            "xtick.labelsize": 7,
            "ytick.labelsize": 7,
            "legend.fontsize": 7,
            "legend.frameon": False,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": "#dddddd",
            "grid.linewidth": 0.5,
            "pdf.fonttype": 42,
            "svg.hashsalt": "mdlp-bench",
        }
    ):
        yield
