"""Per-sample columns of text metrics, and their ceiling: the scores of the reader on the ground truths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeGuard

import numpy as np
import numpy.typing as npt

from mdlp_bench.metrics import text
from mdlp_bench.metrics.protocol import TextRules
from mdlp_bench.plate import is_unreadable

OF_CONFIDENCE: Final = ("hallucination", "wrong_if_believed")
"""Columns of the readings that a reader's threshold lets through; one without has none."""

Column = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class GtReadings:
    """The texts of a data set and what one reader reads in its ground truths.

    Attributes:
        texts: One per sample; None or empty where there is none.
        readings: One per sample; None without a ground truth.
    """

    texts: Sequence[str | None]
    readings: Sequence[str | None]

    @property
    def known(self) -> tuple[list[int], list[str]]:
        """The positions of samples whose text can be compared, and these texts."""
        found = [(index, known) for index, known in enumerate(self.texts) if is_comparable(known)]
        return [index for index, _ in found], [known for _, known in found]

    def scores(self, rules: TextRules) -> dict[str, float]:
        """The mean of every text metric on the ground truths themselves; empty when none can be read."""
        both = [(r, t) for i, t in zip(*self.known, strict=True) if (r := self.readings[i]) is not None]
        if not both:
            return {}
        columns = text.text_scores([read for read, _ in both], [known for _, known in both], rules.cer_cap)
        return {name: float(values.mean()) for name, values in columns.items()}


def text_columns(
    readings: Sequence[str],
    gt: GtReadings,
    rules: TextRules,
    frame_readings: Sequence[Sequence[str]] | None = None,
) -> dict[str, Column]:
    """Every per-sample text metric, float64 [n] each; NaN where a sample has no text.

    Args:
        readings: Of the restored images, one per sample.
        gt: Texts and readings of the ground truths.
        rules: Of the protocol.
        frame_readings: Readings of each sample's input frames; with them also `invented`.
    """
    known, gt_texts = gt.known
    texts = [readings[index] for index in known]
    scores = text.text_scores(texts, gt_texts, rules.cer_cap)
    if frame_readings is not None:
        scores["invented"] = text.invented(texts, gt_texts, [frame_readings[index] for index in known])
    return {name: _spread(values, known, len(readings)) for name, values in scores.items()}


def hallucinations(
    readings: Sequence[str],
    confidences: Sequence[float],
    gt: GtReadings,
    rules: TextRules,
    believed_from: float,
) -> Column:
    """1 for each confident reading of a valid but wrong plate, else 0, float64 [n]; NaN without a text.

    Args:
        readings: Of the restored images, one per sample.
        confidences: Of these readings, in [0, 1].
        gt: Texts of the ground truths.
        rules: Of the protocol.
        believed_from: The reader's threshold (see `ReaderDescriptor`).
    """
    known, gt_texts = gt.known
    found = text.hallucinated(
        [readings[i] for i in known],
        gt_texts,
        [confidences[i] for i in known],
        believed_from,
        same_grammar=rules.hallucinated is None,
    )
    return _spread(found, known, len(readings))


def wrong_if_believed(
    readings: Sequence[str], confidences: Sequence[float], gt: GtReadings, believed_from: float
) -> Column:
    """For believed readings 1 if wrong and 0 if right, float64 [n]; NaN for all others.

    Args: As in `hallucinations`.
    """
    known, gt_texts = gt.known
    wrong = 1 - text.accuracy([readings[i] for i in known], gt_texts)
    wrong[[confidences[i] < believed_from for i in known]] = np.nan
    return _spread(wrong, known, len(readings))


def is_comparable(gt_text: str | None) -> TypeGuard[str]:
    """Whether a label is a text that readings can be held against: it is known and has a letter or digit.

    A data set made earlier may hold `#####`, and one in which a region sign alone was legible `京`; every
    metric leaves both out.
    """
    return bool(gt_text) and not is_unreadable(str(gt_text)) and bool(text.alnum([str(gt_text)])[0])


def chance(
    gt_texts: Sequence[str | None], plate_ids: Sequence[str], cer_cap: float | None
) -> dict[str, float]:
    """What the texts of other plates would get (`metrics.text.chance_scores`), of the comparable texts."""
    known = [(gt, plate) for gt, plate in zip(gt_texts, plate_ids, strict=True) if is_comparable(gt)]
    return text.chance_scores([gt for gt, _ in known], [plate for _, plate in known], cer_cap)


def _spread(values: Column, places: Sequence[int], size: int) -> Column:
    column = np.full(size, np.nan)
    column[list(places)] = values
    return column
