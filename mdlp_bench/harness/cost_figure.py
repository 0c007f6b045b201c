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
    points = sorted(measured, key=lambda point: point[1])
    values = np.array([[mean, cost] for _, cost, mean, _ in points], np.float64).reshape(-1, 2)
    front = pareto_front(values, [info.higher_is_better, False])
    figure = Figure(figsize=(7.5, 4.5), dpi=150, layout="constrained")
    axes = figure.subplots()
    for place, ((method, cost, mean, found), best) in enumerate(zip(points, front, strict=True)):
        colour = _ON_FRONT if best else _OTHER
        low, high = (mean if end is None else end for end in (found.low, found.high))
        axes.plot([cost, cost], [low, high], color=colour, lw=1)
        axes.plot(cost, mean, "s" if method.output == "text" else "o", color=colour, ms=5)
        # Above and below in turn, and inwards, so that neighbours' names stay apart and within the frame.
        inwards = place > len(points) / 2
        axes.annotate(
            method.title,
            (cost, mean),
            (-4 if inwards else 4, 3 if place % 2 else -8),
            textcoords="offset points",
            ha="right" if inwards else "left",
            fontsize=7,
        )
    order = np.argsort(values[front][:, 1])
    axes.plot(*values[front][order].T[::-1], color=_ON_FRONT, lw=1, ls="--", label="not dominated")
    axes.set_xscale("log")
    axes.set_xlabel("milliseconds an image (one image a call)")
    axes.set_ylabel(f"{info.title} ({'higher' if info.higher_is_better else 'lower'} is better)")
    axes.grid(alpha=0.3)
    axes.margins(x=0.15)
    axes.legend(fontsize=7)
    with atomic_path(out) as temporary:
        figure.savefig(temporary, format=out.suffix.lstrip("."))
