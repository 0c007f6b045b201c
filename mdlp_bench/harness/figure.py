"""The comparison figure: one column per sample; rows are the frames, every method and the ground truth."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from rapidfuzz.distance import Levenshtein

from mdlp_bench.data import as_samples
from mdlp_bench.data.samples import Samples
from mdlp_bench.files import atomic_path
from mdlp_bench.harness.predict import Predictions
from mdlp_bench.harness.run import Run
from mdlp_bench.images import ImageU8
from mdlp_bench.metrics.protocol import to_working_size
from mdlp_bench.schema import Sample
from mdlp_bench.synth import render

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.font_manager import FontProperties

FRAMES_SHOWN: Final = 3
FIGURE_FILE: Final = "comparison.png"
"""What a bench calls its figure."""
# Colour-blind safe, and wrong characters are also underlined.
RIGHT, WRONG, NEUTRAL = "#0b6e4f", "#c1121f", "#444444"


@dataclass(frozen=True)
class Cell:
    """One picture of the figure with the text a reader saw in it (None: nobody read it).

    Without a picture `missing` says why.
    """

    image: ImageU8 | None
    reading: str | None = None
    missing: str = "failed"


@dataclass(frozen=True)
class FigureRow:
    """One row: its label and a cell for each sample id."""

    label: str
    cells: Mapping[str, Cell]


def choose_samples(difficulty: Mapping[str, float], count: int) -> list[str]:
    """Pick samples by rule, never by hand: evenly spaced ranks from the easiest to the hardest.

    Args:
        difficulty: For each sample id a number that grows with difficulty, e.g. the mean NED of the methods.
        count: How many to pick (all, when there are fewer).
    """
    ranked = sorted(difficulty, key=lambda name: (difficulty[name], name))
    if count >= len(ranked):
        return ranked
    return [ranked[round(position)] for position in np.linspace(0, len(ranked) - 1, count)]


def comparison_figure(
    samples: Samples, entries: Sequence[tuple[Predictions, Run]], out: Path, *, columns: int = 5
) -> list[str]:
    """Draw frames, every method and the ground truth of samples chosen by rule.

    The samples are evenly spaced by their mean NED over the methods, from the easiest to the hardest. Under
    each restored image stands what the reader saw, right characters green, wrong ones red and underlined.

    Args:
        samples: The data set of the runs.
        entries: Predictions and their runs, in the order of the rows.
        out: A `.png`, `.pdf` or `.svg` file.
        columns: How many samples.

    Returns:
        The chosen sample ids.
    """
    scored = {run.folder: _readings(run) for _, run in entries}
    chosen = choose_samples(_difficulty(list(scored.values())), columns)
    by_id = {sample.sample_id: sample for sample in samples.select(sample_ids=chosen)}
    figure_rows = _frame_rows(by_id, FRAMES_SHOWN)
    for predictions, run in entries:
        images = _images(predictions, chosen)
        texts = scored[run.folder]
        missing = "text only" if run.record.method.output == "text" else "failed"
        cells = {name: Cell(images.get(name), texts.get(name, (None, 0.0))[0], missing) for name in chosen}
        figure_rows.append(FigureRow(run.record.method.title, cells))
    figure_rows.append(_gt_row(by_id))
    draw(figure_rows, {name: sample.text for name, sample in by_id.items()}, chosen, out)
    return chosen


def sample_figure(samples: Samples | str | Path, out: str | Path) -> None:
    """Draw all frames and the ground truth of a few samples as a `.png`, `.pdf` or `.svg`.

    Example:
        >>> import mdlp_bench as mb
        >>> mb.sample_figure(mb.open("DATA", split="test")[:3], "frames.png")
    """
    by_id = {sample.sample_id: sample for sample in as_samples(samples)}
    frames = max(len(sample.frames) for sample in by_id.values())
    texts = {name: sample.text for name, sample in by_id.items()}
    draw([*_frame_rows(by_id, frames), _gt_row(by_id)], texts, list(by_id), Path(out))


def draw(rows: Sequence[FigureRow], texts: Mapping[str, str | None], order: Sequence[str], out: Path) -> None:
    """Draw a grid of cells with their readings coloured against the true texts, and write it atomically."""
    from matplotlib.figure import Figure

    height, width = 0.78, 1.25
    figure = Figure(figsize=(1.25 + width * len(order), height * len(rows)), dpi=150)
    grid = figure.subplots(len(rows), len(order), squeeze=False)
    figure.subplots_adjust(
        left=1.2 / figure.get_figwidth(), right=0.995, top=0.995, bottom=0.04, hspace=0.42, wspace=0.05
    )
    font = glyph_font()
    for axes_row, row in zip(grid, rows, strict=True):
        label = textwrap.fill(row.label, 16)
        _write(axes_row[0], -0.06, 0.5, label, ha="right", va="center", fontsize=8)
        for axes, name in zip(axes_row, order, strict=True):
            _draw_cell(axes, row.cells[name], texts[name], font)
    with atomic_path(out) as temporary:
        figure.savefig(temporary, format=out.suffix.lstrip(".") or "png")


def _draw_cell(axes: Axes, cell: Cell, text: str | None, font: FontProperties) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    if cell.image is None:
        colour = WRONG if cell.missing == "failed" else NEUTRAL
        _write(axes, 0.5, 0.5, cell.missing, va="center", fontsize=7, color=colour)
        axes.set_facecolor("#eeeeee")
    else:
        axes.imshow(cell.image, aspect="auto", interpolation="nearest")
    if cell.reading is None:
        return
    right = correct_positions(cell.reading, text) if text else [None] * len(cell.reading)
    step = 0.115
    left = 0.5 - step * (len(cell.reading) - 1) / 2
    for index, (character, is_right) in enumerate(zip(cell.reading, right, strict=True)):
        colour = NEUTRAL if is_right is None else RIGHT if is_right else WRONG
        x = left + step * index
        face = None if character.isascii() else font
        _write(axes, x, -0.05, character, va="top", color=colour, fontsize=7, fontproperties=face)
        if is_right is False:
            ends = [x - 0.04, x + 0.04]
            axes.plot(ends, [-0.3, -0.3], transform=axes.transAxes, color=WRONG, lw=0.8, clip_on=False)


def _write(axes: Axes, x: float, y: float, text: str, **style: Any) -> None:
    """Write a text at a place given in shares of the cell."""
    axes.text(x, y, text, transform=axes.transAxes, **({"ha": "center"} | style))


def correct_positions(reading: str, text: str) -> list[bool]:
    """For each character of `reading`, whether an optimal alignment with `text` (Levenshtein) keeps it."""
    kept = [False] * len(reading)
    for block in Levenshtein.opcodes(reading, text):
        if block.tag == "equal":
            kept[block.src_start : block.src_end] = [True] * (block.src_end - block.src_start)
    return kept


def glyph_font() -> FontProperties:
    """The renderer's subset font: the only one sure to have the province glyphs (and nothing else)."""
    from matplotlib.font_manager import FontProperties

    return FontProperties(fname=str(Path(render.__file__).parent / "assets" / "han_medium.ttf"))


def _readings(run: Run) -> dict[str, tuple[str | None, float]]:
    table = run.per_sample()
    neds = table["ned"].to_pylist() if "ned" in table.column_names else [None] * len(table)
    texts = table["read_text"].to_pylist() if "read_text" in table.column_names else [None] * len(table)
    ids = table["sample_id"].to_pylist()
    return {
        name: (text, 0.0 if ned is None else ned) for name, text, ned in zip(ids, texts, neds, strict=True)
    }


def _difficulty(readings: Sequence[Mapping[str, tuple[str | None, float]]]) -> dict[str, float]:
    names = readings[0].keys() if readings else ()
    return {name: float(np.mean([one[name][1] for one in readings])) for name in names}


def _images(predictions: Predictions, wanted: Collection[str]) -> dict[str, ImageU8 | None]:
    return {p.sample_id: p.image for p in predictions if p.sample_id in wanted}


def _frame_rows(samples: Mapping[str, Sample], count: int) -> list[FigureRow]:
    return [
        FigureRow(f"Frame {n + 1}", {name: _frame_cell(sample, n) for name, sample in samples.items()})
        for n in range(count)
    ]


def _gt_row(samples: Mapping[str, Sample]) -> FigureRow:
    return FigureRow("Ground truth", {n: Cell(_gt_image(s), s.text) for n, s in samples.items()})


def _frame_cell(sample: Sample, index: int) -> Cell:
    frames = sample.decode_frames()
    return Cell(to_working_size(frames[index]) if index < len(frames) else None)


def _gt_image(sample: Sample) -> ImageU8 | None:
    image = sample.decode_gt()
    return None if image is None else to_working_size(image)
