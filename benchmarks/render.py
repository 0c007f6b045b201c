"""Speed of the plate renderer on one core: plates per second of CPU time, for scene crops and for faces.

    python benchmarks/render.py

CPU time is what counts here (one process, one thread): a plate does not wait for anything.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from mdlp_bench.synth.render import (
    Appearance,
    render_plate,
    render_samples,
    sample_style,
    sample_text,
)

PLATES = 200
ROUNDS = 5


def scenes(difficulty: float, size: tuple[int, int]) -> Callable[[], None]:
    def run() -> None:
        for _ in render_samples(1, PLATES, appearance=Appearance(difficulty=difficulty), size=size):
            pass

    return run


def faces(height: int) -> Callable[[], None]:
    rng = np.random.default_rng(1)
    plates = [(sample_text(rng, "blue"), sample_style(rng, "blue")) for _ in range(PLATES)]

    def run() -> None:
        for text, style in plates:
            render_plate(text, "blue", style, height=height)

    return run


def draws() -> None:
    rng = np.random.default_rng(1)
    for _ in range(PLATES):
        sample_text(rng, "blue")
        sample_style(rng, "blue")


def rate(run: Callable[[], None]) -> float:
    """Plates per second of CPU time, the best of some rounds; a first round fills the glyph cache."""
    run()
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.process_time()
        run()
        best = min(best, time.process_time() - start)
    return PLATES / best


def main() -> None:
    cv2.setNumThreads(1)
    table = Table(title="Plate renderer, one core")
    table.add_column("what")
    table.add_column("plates / CPU second", justify="right")
    for name, run in {
        "scene crop 112 x 224, difficulty 0.7": scenes(0.7, (112, 224)),
        "scene crop 112 x 224, difficulty 0": scenes(0.0, (112, 224)),
        "scene crop 112 x 224, difficulty 1": scenes(1.0, (112, 224)),
        "scene crop 48 x 96, difficulty 0.7": scenes(0.7, (48, 96)),
        "face 140 x 440": faces(140),
        "drawing text and style only": draws,
    }.items():
        table.add_row(name, f"{rate(run):.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
