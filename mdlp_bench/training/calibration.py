"""The confidence from which on a reader can be believed: `mdlp-bench calibrate`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from mdlp_bench.errors import DataError
from mdlp_bench.files import seed_for
from mdlp_bench.metrics.text import accuracy, confident_from
from mdlp_bench.progress import progress_bar
from mdlp_bench.readers.base import Reader, Reading
from mdlp_bench.training.reader_data import layout_shares, render_pool, vary

PLATES: Final = 2000
_STREAM: Final = 2_000_003
_BATCH: Final = 100
_FEWEST: Final = 100


@dataclass(frozen=True, slots=True)
class Calibration:
    """How reliable a reader's confidences are on rendered plates as sharp cameras deliver them.

    Attributes:
        believed_from: Lowest confidence from which at most 1 % of the readings are wrong; None where fewer
            than a hundred readings reach it.
        plates: How many were read.
        exact: Share read exactly.
        believed: Share read with at least that confidence.
    """

    believed_from: float | None
    plates: int
    exact: float
    believed: float


def calibrate(reader: Reader, folder: Path, *, plates: int = PLATES) -> Calibration:
    """Read rendered plates, varied as in the reader's training, and find the confidence.

    The plates are of every layout of the reader's grammars and none of the training's. They vary in crop,
    angle, resolution (16 to 48 pixels high), light blur, noise and JPEG, so that the reader errs on some:
    readings of flawless plates would say nothing about low confidences.

    Args:
        reader: The reader; its own `believed_from` is ignored.
        folder: Keeps the renders, for the next reader.
        plates: How many; the threshold rests on the few of them that are misread, about 1 %.

    Raises:
        DataError: A shard of renders is damaged, or the reader gives no confidences.
    """
    pool = render_pool(folder, _STREAM, plates, layout_shares(reader.descriptor.grammars))
    readings: list[Reading] = []
    with progress_bar(plates, "Reading", "plate") as bar:
        for start in range(0, plates, _BATCH):
            chosen = range(start, min(start + _BATCH, plates))
            rngs = [np.random.default_rng(seed_for("vary", "calibration", index)) for index in chosen]
            readings += reader.read(
                [vary(pool.images[index], rng) for index, rng in zip(chosen, rngs, strict=True)]
            )
            bar.update(len(chosen))
    confidences = np.array([reading.confidence for reading in readings])
    said = confidences[[reading.text != "" for reading in readings]]
    if len(said) and (said == 1).all():
        raise DataError(f"reader {reader.descriptor.name}: gives no confidences, so none can be measured")
    right = accuracy([reading.text for reading in readings], list(pool.texts)) > 0
    found = confident_from(confidences.tolist(), right)
    believed = 0 if found is None else int((confidences >= found).sum())
    threshold = found if believed >= _FEWEST else None
    return Calibration(threshold, plates, float(right.mean()), believed / plates if threshold else 0.0)
