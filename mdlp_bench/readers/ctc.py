"""Decoding of connectionist temporal classification (CTC) outputs, in numpy.

A CTC recogniser gives, for each of T time steps, a probability for each of C classes, one of which is the
blank. A path (one class per step) stands for the text that remains after equal neighbours are merged and
blanks are dropped; the probability of a text is the sum over its paths (Graves et al. 2006).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating]

NEGATIVE_INFINITY: Final = float("-inf")
# Probabilities below this cannot change a beam: 1e-30 is far under float32's rounding of its neighbours.
_FLOOR: Final = 1e-30


def softmax(logits: FloatArray, temperature: float = 1.0) -> npt.NDArray[np.float64]:
    """Softmax over the last axis of `logits / temperature`, in float64."""
    scaled = np.asarray(logits, np.float64) / temperature
    scaled = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return np.asarray(scaled / scaled.sum(axis=-1, keepdims=True))


def greedy(probabilities: FloatArray, blank: int = 0) -> tuple[list[int], list[float]]:
    """Best-path decoding: the most probable class at each step, equal neighbours merged, blanks dropped.

    Args:
        probabilities: [T, C], rows sum to 1.
        blank: Class of the blank.

    Returns:
        The classes of the text, and for each its confidence in [0, 1]: the largest probability in its run.
    """
    best = probabilities.argmax(axis=1)
    top = probabilities[np.arange(len(best)), best]
    starts = (
        np.flatnonzero(np.concatenate([[True], best[1:] != best[:-1]])) if len(best) else np.empty(0, int)
    )
    if not len(starts):
        return [], []
    peaks = np.maximum.reduceat(top, starts)
    kept = best[starts] != blank
    return best[starts][kept].tolist(), peaks[kept].astype(float).tolist()


def prefix_beam(
    probabilities: FloatArray,
    blank: int = 0,
    *,
    beam: int = 16,
    floor: float = 0.0,
    viable: Callable[[tuple[int, ...]], bool] | None = None,
    complete: Callable[[tuple[int, ...]], bool] | None = None,
) -> tuple[tuple[int, ...], float] | None:
    """Prefix beam search: the text with the largest summed path probability (Graves 2012, section 7.5.3).

    Exact when `beam` is at least the number of texts and `floor` is 0; else an approximation from below.

    Args:
        probabilities: [T, C], rows sum to 1.
        blank: Class of the blank.
        beam: Prefixes kept after each step.
        floor: Classes less probable than this at a step do not lengthen a prefix there.
        viable: Whether a prefix may be continued or ended; prefixes that are not are never entered.
        complete: Whether a prefix may be the result.

    Returns:
        The classes of the best text and the logarithm of its probability; None when `complete` accepts no
        prefix of the last beam.
    """
    logs = np.log(np.maximum(np.asarray(probabilities, np.float64), _FLOOR))
    log_floor = np.log(max(floor, _FLOOR))
    # prefix -> (log probability of its paths that end in a blank, and of those that end in its last class)
    beams: dict[tuple[int, ...], tuple[float, float]] = {(): (0.0, NEGATIVE_INFINITY)}
    for row in logs:
        candidates = [index for index in np.flatnonzero(row >= log_floor).tolist() if index != blank]
        grown: dict[tuple[int, ...], tuple[float, float]] = {}
        for prefix, (ends_blank, ends_class) in beams.items():
            total = _add(ends_blank, ends_class)
            last = prefix[-1] if prefix else None
            stay_class = ends_class + row[last] if last is not None else NEGATIVE_INFINITY
            _accumulate(grown, prefix, total + row[blank], stay_class)
            for index in candidates:
                longer = (*prefix, index)
                if viable is not None and not viable(longer):
                    continue
                # The same class again needs a blank in between.
                came_from = ends_blank if index == last else total
                if came_from > NEGATIVE_INFINITY:
                    _accumulate(grown, longer, NEGATIVE_INFINITY, came_from + row[index])
        best = sorted(grown.items(), key=lambda item: (-_add(*item[1]), item[0]))[:beam]
        beams = dict(best)
    for prefix, (ends_blank, ends_class) in beams.items():
        if complete is None or complete(prefix):
            return prefix, _add(ends_blank, ends_class)
    return None


def align(probabilities: FloatArray, labels: tuple[int, ...], blank: int = 0) -> list[float]:
    """Confidence of each label of a given text: its largest probability on the text's most probable path.

    Args:
        probabilities: [T, C], rows sum to 1.
        labels: Classes of the text, without blanks; it must fit into T steps.
        blank: Class of the blank.

    Returns:
        One probability in [0, 1] per label.
    """
    if not labels:
        return []
    steps = len(probabilities)
    states = np.full(2 * len(labels) + 1, blank)
    states[1::2] = labels
    emissions = np.log(np.maximum(np.asarray(probabilities, np.float64), _FLOOR))[:, states]
    # A label may follow the label two states back directly unless both are the same class.
    skips = np.zeros(len(states), bool)
    skips[3::2] = states[3::2] != states[1:-2:2]
    scores = np.full(len(states), NEGATIVE_INFINITY)
    scores[:2] = emissions[0, :2]
    back = np.zeros((steps, len(states)), np.int64)
    for step in range(1, steps):
        options = np.stack(
            [scores, np.roll(scores, 1), np.where(skips, np.roll(scores, 2), NEGATIVE_INFINITY)]
        )
        options[1, 0] = NEGATIVE_INFINITY
        back[step] = options.argmax(axis=0)
        scores = options.max(axis=0) + emissions[step]
    state = len(states) - 1 if scores[-1] >= scores[-2] else len(states) - 2
    confidences = [0.0] * len(labels)
    for step in range(steps - 1, -1, -1):
        if state % 2:
            label = state // 2
            confidences[label] = max(confidences[label], float(probabilities[step, labels[label]]))
        state -= int(back[step, state])
    return confidences


def _add(first: float, second: float) -> float:
    """log(exp(first) + exp(second)), safe for minus infinity."""
    return float(np.logaddexp(first, second))


def _accumulate(
    table: dict[tuple[int, ...], tuple[float, float]], key: tuple[int, ...], blank: float, label: float
) -> None:
    old = table.get(key, (NEGATIVE_INFINITY, NEGATIVE_INFINITY))
    table[key] = (_add(old[0], blank), _add(old[1], label))
