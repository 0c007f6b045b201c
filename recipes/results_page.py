"""The measured parts of docs/results.md: each stands between two marks and is replaced as a whole."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from confusion_figure import draw_confusion

from mdlp_bench.data.samples import Samples
from mdlp_bench.errors import DataError, RunError
from mdlp_bench.files import atomic_path, write_bytes, write_text
from mdlp_bench.harness.breakdown import breakdown
from mdlp_bench.harness.compare import RunComparison
from mdlp_bench.harness.figure import FIGURE_FILE, glyph_font
from mdlp_bench.harness.plots import plot
from mdlp_bench.harness.run import Run
from mdlp_bench.harness.run_table import COSTS, PANEL_METRICS, TableOptions
from mdlp_bench.harness.tables import Cell, Column, Row, ScoreTable, to_markdown
from mdlp_bench.images import decode, encode
from mdlp_bench.metrics.text import Confusion, confusion

PARTS: Final = ("rendered", "degradations", "mdlp", "lpblur")
LOGS: Final = Path(__file__).with_name("logs")
STARTED: Final = {"lp-diff-long": "lp-diff-start"}
WEIGHTS_OF: Final = {"lp-diff-psi": "lp-diff", "lp-diff-long-blend": "lp-diff-long"}
"""Methods that use the weights of another."""
FITTED_PAIRS: Final = 60
"""Of LPBlur's test set, the first by name: what `benchmarks/motion_kernels.py` was run on."""
_MISTAKES: Final = 8
_FULL: Final = (
    "ned", "ned_alnum", "acc", "cer", "hallucination", "wrong_if_believed", "seed_agreement", "risk_50",
    "risk_20", "aurc", "invented", "psnr", "psnr_aligned", "ssim", "ssim_aligned", "lpips", "lpips_squeeze",
    "lpips_vgg", "fid", "frd", *COSTS,
)  # fmt: skip
"""The columns of the large table; NED and ACC by further readers follow the first's."""
_COMPACT: Final = ("ned", "acc", "hallucination", "psnr", "psnr_aligned", "lpips")
_TRAINING: Final = Column(key="training", title="Training", unit="CPU min", higher_is_better=None, decimals=0)


def marks(part: str) -> tuple[str, str]:
    """The lines before and after a part of the page."""
    return (
        f"<!-- {part}: written by recipes/reproduce.py; what stands here is replaced -->",
        f"<!-- end of {part} -->",
    )


def put(page: Path, part: str, text: str) -> None:
    """Replace what stands between the marks of a part.

    Raises:
        RunError: The page is missing or has not both marks.
    """
    begin, end = marks(part)
    content = page.read_text(encoding="utf-8") if page.is_file() else ""
    before, found, rest = content.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise RunError(f"{page}: needs the lines {begin!r} and {end!r}, between which the results go")
    write_text(page, f"{before}{begin}\n\n{text.strip()}\n\n{end}{after}")


def training_minutes(name: str, logs: Path = LOGS, started: Mapping[str, str] = STARTED) -> float | None:
    """CPU minutes that the phases of a bundled training took by their logs; None where there are none.

    Args:
        name: The method.
        logs: A folder per training, a log per phase.
        started: Trainings that began with the weights of another one, whose minutes count too.
    """
    own = WEIGHTS_OF.get(name, name)
    found = [
        json.loads(path.read_text(encoding="utf-8").splitlines()[-1])["cpu_seconds"] / 60
        for path in sorted((logs / own).glob("*.jsonl"))
    ]
    if not found:
        return None
    begun = started.get(own)
    return sum(found) + ((training_minutes(begun, logs, started) or 0) if begun else 0)


def with_training(table: ScoreTable, comparison: RunComparison, minutes: dict[str, float]) -> ScoreTable:
    """The table with a column of what its methods' trainings took.

    Args:
        table: A table of the comparison.
        comparison: Its runs.
        minutes: By the name of a run.
    """
    by_title = {
        run.record.method.title: minutes[name]
        for name, run in zip(comparison.names, comparison.runs, strict=True)
        if name in minutes
    }
    rows = tuple(
        row.model_copy(update={"cells": row.cells | {_TRAINING.key: Cell(value=by_title[row.name])}})
        if row.kind == "method" and row.name in by_title
        else row
        for row in table.rows
    )
    return table.model_copy(update={"columns": (*table.columns, _TRAINING), "rows": rows})


def rendered_part(
    comparison: RunComparison,
    bench_folder: Path,
    images: Path,
    minutes: dict[str, float],
    published: Sequence[Row] = (),
) -> str:
    """The large table, samples, quality against cost, and which characters are mistaken.

    Args:
        comparison: The bench's runs.
        bench_folder: Its folder, for the comparison figure.
        images: Where pictures go, `images` beside the page.
        minutes: What trainings took, by method.
        published: Rows quoted from papers, shown apart and never ranked.
    """
    images.mkdir(parents=True, exist_ok=True)
    drawn = bench_folder / FIGURE_FILE
    # A page of photographs: a tenth of the PNG's size.
    write_bytes(
        images / "results-comparison.jpg", encode(decode(drawn.read_bytes(), str(drawn)), "jpg", quality=85)
    )
    plot(comparison, "ned-cost", images / "results-cost.png")
    measured = {column.key for column in comparison.full_table.columns}
    readers = comparison.runs[0].record.readers[1:]
    panel = [f"{name}@{reader.name}" for reader in readers for name in PANEL_METRICS]
    wanted = [key for name in _FULL for key in (name, *(panel if name == PANEL_METRICS[-1] else ()))]
    options = TableOptions(columns=[key for key in wanted if key in measured], published=published)
    full = replace(comparison, options=options).table
    return "\n\n".join(
        [
            to_markdown(with_training(full, comparison, minutes)).strip(),
            "### Samples",
            "Chosen by rule: evenly spaced from the easiest (left) over the median to the hardest, by the\n"
            "mean NED of all methods. The best method stands next to the ground truth.",
            "![Frames, every method and the ground truth of five samples](images/results-comparison.jpg)",
            "### Quality and cost",
            "![NED against milliseconds per image](images/results-cost.png)",
            *_confusions(comparison, images),
        ]
    )


def degradations_part(comparison: RunComparison) -> str:
    """NED and PSNR by the recipe of the degradation."""
    return "\n\n".join(to_markdown(breakdown(comparison, "recipe", name)).strip() for name in ("ned", "psnr"))


def without_fitted(samples: Samples) -> Samples:
    """LPBlur's pairs without the first by name, to which the kernels of `motion@2` were fitted."""
    return samples.select(sample_ids=sorted(samples.sample_ids)[FITTED_PAIRS:])


def restored_by_all(samples: Samples, folders: Sequence[Path]) -> Samples:
    """The samples of which each of the folders has a picture.

    Raises:
        DataError: There are none.
    """
    if not folders:
        return samples
    stems = set.intersection(*({path.stem for path in folder.glob("*.png")} for folder in folders))
    chosen = [name for name in samples.sample_ids if name in stems or name.partition("-")[2] in stems]
    if not chosen:
        raise DataError(f"{', '.join(map(str, folders))}: no picture of a sample of {samples.name}")
    return samples.select(sample_ids=chosen)


def compact_part(comparison: RunComparison, minutes: dict[str, float]) -> str:
    """The main columns."""
    measured = {
        key.partition("_squeeze")[0]
        for run in comparison.runs
        for key, found in run.summary.items()
        if found.mean is not None
    }
    options = TableOptions(columns=[name for name in _COMPACT if name in measured])
    table = replace(comparison, options=options).table
    return to_markdown(with_training(table, comparison, minutes)).strip()


def _confusions(comparison: RunComparison, images: Path) -> list[str]:
    """Which characters are mistaken: of the best restoring method, and what the reader itself mistakes."""
    chosen = [run for run in comparison.best_first() if run.record.method.output == "image"][:1]
    chosen += [run for run in comparison.runs if run.name == "ground-truth"]
    if not chosen:
        return []
    parts = ["### Characters", _kinds_table(chosen)]
    for run in chosen:
        title = run.record.method.title
        found = confusion_of(run)
        name = f"results-confusion-{run.name}.png"
        _draw_confusion(found, images / name)
        mistakes = ", ".join(f"{a} as {b} ({count})" for a, b, count in found.mistakes(_MISTAKES))
        parts += [
            f"![Characters of {title}, those of the ground truth in rows](images/{name})",
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
