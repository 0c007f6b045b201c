"""Charts of a study: numbers only, no picture of a plate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from mdlp_bench.files import atomic_path
from mdlp_bench.gap.measure import INFO, NAMES, Measured
from mdlp_bench.gap.report_model import GapStudy
from mdlp_bench.harness.statistics.clusters import FloatArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which colour-blind readers can distinguish; the real set is black.
COLOURS: Final = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#f0e442")
REAL_COLOUR: Final = "#222222"
_MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X")
_COLUMNS: Final = 5
_DPI: Final = 110


def distances_chart(study: GapStudy, out: Path) -> None:
    """Standardised distances with intervals: a row per statistic, a marker per set, filled if significant."""
    from matplotlib.figure import Figure

    level = 1 - study.settings.confidence
    found = [{one.name: one for one in gap.statistics} for gap in study.gaps]
    names = [name for name in NAMES if any(name in rows for rows in found)]
    names.sort(key=lambda name: np.mean([rows[name].standardised.value for rows in found if name in rows]))
    figure = Figure(figsize=(7.5, 0.34 * len(names) + 1.2), dpi=_DPI)
    axes = figure.subplots()
    offsets = np.linspace(0.26, -0.26, len(found)) if len(found) > 1 else np.zeros(1)
    for index, (gap, rows) in enumerate(zip(study.gaps, found, strict=True)):
        colour, marker = _style(index)
        for place, name in enumerate(names):
            if name not in rows:
                continue
            distance, y = rows[name].standardised, place + offsets[index]
            if distance.low is not None and distance.high is not None:
                axes.plot([distance.low, distance.high], [y, y], color=colour, linewidth=1)
            filled = colour if rows[name].p_holm < level else "white"
            axes.plot(distance.value, y, marker, color=colour, markerfacecolor=filled, markersize=5)
        axes.plot([], [], marker, color=colour, label=gap.name)
    axes.set_yticks(range(len(names)), [INFO[name].title for name in names])
    axes.set_xlabel("Wasserstein distance to real, in pooled standard deviations (filled: significant)")
    axes.set_xlim(left=0)
    axes.grid(axis="x", alpha=0.3)
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    _save(figure, out)


def distributions_chart(sets: Sequence[Measured], out: Path) -> None:
    """Box plots (quartiles, 5th and 95th percentile) of every statistic and set; the first set is real."""
    from matplotlib.figure import Figure

    names = [name for name in NAMES if sum(not np.isnan(one.values[name]).all() for one in sets) > 1]
    rows = -(-len(names) // _COLUMNS)
    figure = Figure(figsize=(2.6 * _COLUMNS, 1.9 * rows), dpi=_DPI)
    grid = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    for axes, name in zip(grid, names, strict=False):
        values = [one.values[name][~np.isnan(one.values[name])] for one in sets]
        boxes = axes.boxplot(
            values, whis=(5, 95), showfliers=False, patch_artist=True, widths=0.6, orientation="horizontal"
        )
        for index, box in enumerate(boxes["boxes"]):
            box.set_facecolor(REAL_COLOUR if index == 0 else _style(index - 1)[0])
            box.set_alpha(0.75)
        for median in boxes["medians"]:
            median.set_color("white")
        axes.set_yticks(range(1, len(sets) + 1), [one.name for one in sets], fontsize=7)
        axes.invert_yaxis()
        axes.tick_params(axis="x", labelsize=7)
        unit = INFO[name].unit
        axes.set_title(INFO[name].title + (f" ({unit})" if unit else ""), fontsize=8)
    for axes in grid[len(names) :]:
        axes.set_axis_off()
    figure.tight_layout()
    _save(figure, out)


def embedding_chart(sets: Sequence[Measured], places: Sequence[FloatArray], title: str, out: Path) -> None:
    """Samples of all sets in two dimensions; the first set is real."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.5, 5), dpi=_DPI)
    axes = figure.subplots()
    for index in reversed(range(len(sets))):
        colour, marker = (REAL_COLOUR, "*") if index == 0 else _style(index - 1)
        x, y = places[index].T
        axes.scatter(x, y, s=22 if index == 0 else 12, c=colour, marker=marker, alpha=0.6, linewidths=0)
        axes.scatter([], [], c=colour, marker=marker, label=sets[index].name)
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("first principal component")
    axes.set_ylabel("second principal component")
    axes.legend(frameon=False, fontsize=8)
    _save(figure, out)


def _style(index: int) -> tuple[str, str]:
    return COLOURS[index % len(COLOURS)], _MARKERS[index % len(_MARKERS)]


def _save(figure: Figure, out: Path) -> None:
    with atomic_path(out) as temporary:
        figure.savefig(temporary, format="png", bbox_inches="tight", metadata={"Software": None})
