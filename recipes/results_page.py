"""The page of results: tables and figures of a bench, put between two marks of a Markdown page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from confusion_figure import draw_confusion

from mdlp_bench.errors import RunError
from mdlp_bench.files import atomic_path, write_bytes, write_text
from mdlp_bench.harness.compare import RunComparison
from mdlp_bench.harness.figure import FIGURE_FILE, glyph_font
from mdlp_bench.harness.plots import plot
from mdlp_bench.harness.run import Run
from mdlp_bench.harness.run_table import TableOptions
from mdlp_bench.harness.tables import Row, to_markdown
from mdlp_bench.images import decode, encode
from mdlp_bench.metrics.text import Confusion, confusion

BEGIN: Final = "<!-- results: written by recipes/reproduce.py results; what stands here is replaced -->"
END: Final = "<!-- end of results -->"
_MISTAKES: Final = 8


def write_results(
    comparison: RunComparison,
    bench_folder: Path,
    page: Path,
    *,
    published: Sequence[Row] = (),
    ablations: RunComparison | None = None,
) -> None:
    """Replace the part of a page between its marks by the results of a bench.

    Pictures go to `<page's folder>/images/results-*`.

    Args:
        comparison: The bench's runs.
        bench_folder: Its folder, for the comparison figure.
        page: A Markdown page with the marks `BEGIN` and `END`.
        published: Rows quoted from papers, shown apart and never ranked.
        ablations: Runs that get a table of their own: a method without one part at a time, and whole.

    Raises:
        RunError: The page is missing or has not both marks.
    """
    content = page.read_text(encoding="utf-8") if page.is_file() else ""
    before, begin, rest = content.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise RunError(f"{page}: needs the lines {BEGIN!r} and {END!r}, between which the results go")
    images = page.parent / "images"
    images.mkdir(parents=True, exist_ok=True)
    drawn = bench_folder / FIGURE_FILE
    # A page of photographs: a tenth of the PNG's size.
    write_bytes(
        images / "results-comparison.jpg", encode(decode(drawn.read_bytes(), str(drawn)), "jpg", quality=85)
    )
    plot(comparison, "ned-cost", images / "results-cost.png")
    parts = [
        "## Table",
        to_markdown(replace(comparison, options=TableOptions(published=published)).full_table).strip(),
        "## Samples",
        "Chosen by rule: evenly spaced from the easiest (left) over the median to the hardest, by the\n"
        "mean NED of all methods. The best method stands next to the ground truth.",
        "![Frames, every method and the ground truth of five samples](images/results-comparison.jpg)",
        "## Quality and cost",
        "![NED against milliseconds an image](images/results-cost.png)",
        *_confusions(comparison, images),
    ]
    if ablations is not None:
        parts += ["## Ablation", to_markdown(ablations.full_table).strip()]
    write_text(page, before + BEGIN + "\n\n" + "\n\n".join(parts) + "\n\n" + END + after)


def _confusions(comparison: RunComparison, images: Path) -> list[str]:
    """Which characters are mistaken: of the best restoring method, and what the reader itself mistakes."""
    chosen = [run for run in comparison.best_first() if run.record.method.output == "image"][:1]
    chosen += [run for run in comparison.runs if run.name == "ground-truth"]
    if not chosen:
        return []
    parts = ["## Characters", _kinds_table(chosen)]
    for run in chosen:
        title = run.record.method.title
        found = confusion_of(run)
        name = f"results-confusion-{run.name}.png"
        _draw_confusion(found, images / name)
        mistakes = ", ".join(f"{a} as {b} ({count})" for a, b, count in found.mistakes(_MISTAKES))
        parts += [
            f"![Characters of {title}, truth in rows](images/{name})",
            f"{title}: {mistakes or 'none'}.",
        ]
    return parts


def confusion_of(run: Run) -> Confusion:
    """Which characters of a run's samples were read as which."""
    table = run.per_sample().select(["text", "read_text"]).to_pylist()
    known = [row for row in table if row["text"]]
    return confusion([row["read_text"] for row in known], [row["text"] for row in known])


def _draw_confusion(matrix: Confusion, out: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 9), dpi=110, layout="constrained")
    draw_confusion(figure.subplots(), matrix, glyph_font())
    with atomic_path(out) as temporary:
        figure.savefig(temporary, format="png")


def _kinds_table(runs: Sequence[Run]) -> str:
    tallies = [confusion_of(run).by_kind() for run in runs]
    names = [name for name, total in zip(tallies[0].labels, tallies[0].total, strict=True) if total]
    lines = ["| Share read right | " + " | ".join(names) + " |", "|:--|" + "--:|" * len(names)]
    for run, tally in zip(runs, tallies, strict=True):
        shares = dict(zip(tally.labels, tally.right / np.maximum(1, tally.total), strict=True))
        cells = " | ".join(f"{shares[name]:.3f}" for name in names)
        lines.append(f"| {run.record.method.title} | {cells} |")
    return "\n".join(lines)
