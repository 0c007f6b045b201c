"""The picture of a confusion matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mdlp_bench.metrics.text import Confusion

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.font_manager import FontProperties


def draw_confusion(axes: Axes, matrix: Confusion, font: FontProperties | None = None) -> None:
    """Draw the characters that occur, truth in rows, readings in columns, as shares of each row.

    Right readings are drawn too: a bright diagonal means a good reading. Numbers are written into the cells
    of mistakes that make at least 10 % of their row.

    Args:
        axes: Where to draw.
        matrix: The counts.
        font: A font for the province glyphs, which matplotlib's own draws as boxes.
    """
    occurs = np.flatnonzero(matrix.counts.sum(axis=0) + matrix.counts.sum(axis=1))
    counts = matrix.counts[np.ix_(occurs, occurs)]
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    axes.imshow(shares, cmap="viridis", vmin=0.0, vmax=1.0, interpolation="nearest")
    labels = [matrix.labels[index] for index in occurs]
    axes.set_xticks(range(len(labels)), labels)
    axes.set_yticks(range(len(labels)), labels)
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        if font is not None and not label.get_text().isascii():
            label.set_fontproperties(font)
        label.set_fontsize(7)
    axes.set_xlabel("read as")
    axes.set_ylabel("truth")
    wrong = (shares >= 0.1) & ~np.eye(len(labels), dtype=bool)
    for row, column in np.argwhere(wrong):
        colour = "black" if shares[row, column] > 0.6 else "white"
        axes.text(column, row, counts[row, column], ha="center", va="center", color=colour, fontsize=5)
