"""One text from many readings of the same plate: a character-wise vote, weighted by confidence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

from mdlp_bench.plate import normalise
from mdlp_bench.readers.base import Reading


@dataclass(frozen=True, slots=True)
class Consensus:
    """What readings agree on.

    Attributes:
        text: The voted text, normalised; empty when nothing was read.
        char_confidences: For each character, the confidences of the readings that voted for it, summed and
            divided by the number of all readings, in [0, 1]: it is high only when many readings agree and are
            sure.
    """

    text: str
    char_confidences: tuple[float, ...]

    @property
    def confidence(self) -> float:
        """That of the weakest character; 0 without text."""
        return min(self.char_confidences, default=0.0)


def vote(readings: Sequence[Reading]) -> Consensus:
    """Vote character by character.

    The length with the greatest sum of confidences wins, and the most confident reading of that length is the
    pivot. Every reading is aligned to the pivot with the fewest edits: characters that are equal or replaced
    vote at the pivot's position; positions that a reading dropped get no vote from it, characters that it
    inserted are ignored (ROVER: Fiscus, ASRU 1997, with a fixed pivot). Equal scores go to the pivot's
    character, then to the lower code point.

    Args:
        readings: Of several frames, of several readers; empty ones count against every character.
    """
    read = [(normalise(r.text), r) for r in readings]
    usable = [(text, r) for text, r in read if text and len(text) == len(r.weights)]
    if not usable:
        return Consensus("", ())
    weights: dict[int, float] = defaultdict(float)
    for text, reading in usable:
        weights[len(text)] += reading.confidence
    length = max(weights, key=lambda size: (weights[size], size))
    pivot = max(
        ((r.confidence, text) for text, r in usable if len(text) == length),
        key=lambda item: (item[0], item[1]),
    )[1]
    votes: list[dict[str, float]] = [defaultdict(float) for _ in pivot]
    for text, reading in usable:
        for block in Levenshtein.opcodes(pivot, text):
            if block.tag in ("equal", "replace"):
                for offset in range(block.src_end - block.src_start):
                    at = block.dest_start + offset
                    votes[block.src_start + offset][text[at]] += reading.weights[at]
    winners = [
        max(sorted(scores), key=lambda c, p=p, scores=scores: (scores[c], c == pivot[p]))  # type: ignore[misc]
        for p, scores in enumerate(votes)
    ]
    confidences = (min(1.0, votes[p][c] / len(readings)) for p, c in enumerate(winners))
    return Consensus("".join(winners), tuple(confidences))
