"""Quality against cost: one point a method, and the front that no other method dominates."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from mdlp_bench.files import atomic_path
from mdlp_bench.harness.compare import RunComparison
from mdlp_bench.harness.statistics import pareto_front
from mdlp_bench.metrics.base import METRICS

_ON_FRONT: Final = "#0b6e4f"
_OTHER: Final = "#5b6470"


def cost_figure(comparison: RunComparison, out: Path, *, metric: str = "ned") -> None:
    """Draw a metric against the milliseconds of one image on a logarithmic axis.

    Methods whose cost was not measured are left out; those that give text alone are drawn as squares.

    Args:
        comparison: The runs.
        out: A `.png`, `.pdf` or `.svg` file, written atomically.
        metric: A metric of `METRICS`.
    """
    from matplotlib.figure import Figure

    info = METRICS[metric]
    measured = [
        (run.record.method, run.record.cost.ms_per_image, mean, run.summary[metric])
        for run in comparison.runs
        if run.record.cost is not None and (mean := run.summary[metric].mean) is not None
    ]
    points = sorted(measured, key=lambda point: -point[2] if info.higher_is_better else point[2])
    values = np.array([[mean, cost] for _, cost, mean, _ in points], np.float64).reshape(-1, 2)
    front = pareto_front(values, [info.higher_is_better, False])
    figure = Figure(figsize=(8.5, 4.5), dpi=150, layout="constrained")
    axes = figure.subplots()
    names = []
    for place, ((method, cost, mean, found), best) in enumerate(zip(points, front, strict=True), start=1):
        colour = _ON_FRONT if best else _OTHER
        low, high = (mean if end is None else end for end in (found.low, found.high))
        axes.plot([cost, cost], [low, high], color=colour, lw=1)
        axes.plot(cost, mean, "s" if method.output == "text" else "o", color=colour, ms=5)
        axes.annotate(str(place), (cost, mean), (4, 3), textcoords="offset points", fontsize=7, color=colour)
        names.append(f"{place:2d}  {method.title}, {cost:.3g} ms")
    axes.text(1.02, 1, "\n".join(names), transform=axes.transAxes, va="top", fontsize=7, linespacing=1.6)
    order = np.argsort(values[front][:, 1])
    axes.plot(*values[front][order].T[::-1], color=_ON_FRONT, lw=1, ls="--", label="not dominated")
    axes.set_xscale("log")
    axes.set_xlabel("milliseconds an image (one image a call)")
    axes.set_ylabel(f"{info.title} ({'higher' if info.higher_is_better else 'lower'} is better)")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)
    with atomic_path(out) as temporary:
        figure.savefig(temporary, format=out.suffix.lstrip("."))
