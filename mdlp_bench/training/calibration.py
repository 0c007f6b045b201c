"""The confidence from which on a reader can be believed: `mdlp-bench calibrate`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from mdlp_bench.errors import DataError
from mdlp_bench.files import seed_for
from mdlp_bench.metrics.text import accuracy, confident_from
from mdlp_bench.progress import progress_bar
from mdlp_bench.readers.base import Reader, Reading
from mdlp_bench.readers.ctc import greedy, softmax
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


def fit_temperature(logits: npt.NDArray[np.float32], texts: tuple[str, ...], alphabet: str) -> float:
    """The temperature that minimises the negative log-likelihood of whether each read character is right.

    Only readings of the right length count: for others it is not decided which character is wrong.
    """
    chosen = []
    for row, text in zip(logits, texts, strict=True):
        classes, _ = greedy(softmax(row))
        if len(classes) == len(text):
            right = [alphabet[i - 1] == character for i, character in zip(classes, text, strict=True)]
            chosen.append((row, np.array(right)))
    if not chosen:
        return 1.0

    def loss(temperature: float) -> float:
        confidences = np.concatenate([greedy(softmax(row, temperature))[1] for row, _ in chosen])
        correct = np.concatenate([right for _, right in chosen])
        confidences = np.clip(confidences, 1e-6, 1 - 1e-6)
        return float(-np.mean(np.where(correct, np.log(confidences), np.log1p(-confidences))))

    return _least(loss)


def likeliest_temperature(logits: npt.NDArray[np.float32], classes: npt.NDArray[np.int64]) -> float:
    """The temperature that minimises the negative log-likelihood of the right classes; 1 without any.

    Args:
        logits: [N, C].
        classes: [N], each from 0 to C - 1.
    """
    if not len(classes):
        return 1.0

    def loss(temperature: float) -> float:
        shares = softmax(logits, temperature)[np.arange(len(classes)), classes]
        return float(-np.mean(np.log(np.maximum(shares, 1e-12))))

    return _least(loss)


def _least(loss: Callable[[float], float]) -> float:
    """The temperature from 0.3 to 5 with the least loss."""
    found = minimize_scalar(
        lambda logarithm: loss(math.exp(logarithm)),
        bounds=(math.log(0.3), math.log(5.0)),
        method="bounded",
        options={"xatol": 0.02},
    )
    return round(math.exp(float(found.x)), 4)
