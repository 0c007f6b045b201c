"""What a reader could still read: edit-distance scores, accuracy, confusion, calibration, hallucination.

Readings and targets are compared after `plate.normalise` (NFKC, upper case, no separators). Every function of
readings works on what it is given; apply `alnum` to both sides to leave the region sign out.

Texts come as a list or another sequence, one per sample. A `Reading` counts as its text. A single text in
place of the list is refused (`DataError`), because its characters would count as texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cpdist

from mdlp_bench.errors import DataError
from mdlp_bench.plate import ALPHABET, DIGITS, LETTERS, PROVINCES, grammar_of, grammars, normalise

Scores = NDArray[np.float64]
Denominator = Literal["max", "target"]

_CHANCE_PAIRS: Final = 20_000
_ALNUM: Final = frozenset(LETTERS + DIGITS + "IO")


def plain_texts(texts: Iterable[object], what: str) -> list[str]:
    """The texts as a list of `str`; the text of a `Reading` is taken.

    Args:
        texts: One text or `Reading` per sample.
        what: What they are called in errors, e.g. `readings`.

    Raises:
        DataError: A single text was given instead of a list, or an item is neither a text nor a `Reading`.
    """
    if isinstance(texts, str | bytes):
        raise DataError(
            f"{what}: {texts!r} is a single text; give a list with one text per plate, [{texts!r}]"
        )
    try:
        items = list(texts)
    except TypeError as error:
        raise DataError(
            f"{what}: a {type(texts).__name__} was given; give a list with one text per plate"
        ) from error
    # Readings live in a room above this one.
    plain = []
    for position, item in enumerate(items):
        text = item if isinstance(item, str) else getattr(item, "text", None)
        if not isinstance(text, str):
            found = "None" if item is None else f"of type {type(item).__name__}"
            raise DataError(f"{what}: number {position} is {found}; give texts, or leave the sample out")
        plain.append(text)
    return plain


def alnum(texts: Sequence[str]) -> list[str]:
    """The texts without their glyphs: normalised, reduced to A-Z and 0-9 (`京P20S75` becomes `P20S75`)."""
    plain = plain_texts(texts, "texts")
    return ["".join(c for c in normalise(text) if c in _ALNUM) for text in plain]


def edit_distances(preds: Sequence[str], targets: Sequence[str]) -> NDArray[np.int64]:
    """Levenshtein distance of each reading to its target (insert, delete, replace cost 1), int64 [B].

    Raises:
        DataError: The sequences differ in length, or a target is empty.
    """
    return _distances(*_normalised(preds, targets))


def ned(preds: Sequence[str], targets: Sequence[str], denominator: Denominator = "max") -> Scores:
    """Normalised edit distance of each reading, lower is better, range [0, 1].

    `d(pred, target) / max(len(pred), len(target))`, or with the denominator `target`
    `min(1, d / len(target))`.

    Returns:
        float64 [B].

    Raises:
        DataError: The sequences differ in length, or a target is empty.
    """
    read, true = _normalised(preds, targets)
    return _ned(_distances(read, true), read, true, denominator)


def accuracy(preds: Sequence[str], targets: Sequence[str]) -> Scores:
    """1 for a reading equal to its target, else 0; float64 [B], higher is better (errors as in `ned`)."""
    return within(preds, targets, 0)


def cer(preds: Sequence[str], targets: Sequence[str]) -> Scores:
    """Character error rate `d(pred, target) / len(target)` of each reading, lower is better, range [0, inf).

    Unlike NED it is not limited to 1: inserted characters count in full.

    Returns:
        float64 [B].

    Raises:
        DataError: The sequences differ in length, or a target is empty.
    """
    read, true = _normalised(preds, targets)
    return _distances(read, true) / _lengths(true)


def within(preds: Sequence[str], targets: Sequence[str], wrong: int) -> Scores:
    """1 for each reading at most `wrong` edits from its target, else 0; float64 [B], higher is better.

    `wrong=1` is the share of plates with at least n-1 of n characters right. Edits rather than positions are
    counted, so one dropped character does not spoil those after it, and a character too many is an error.

    Raises:
        DataError: The sequences differ in length, or a target is empty.
    """
    return (edit_distances(preds, targets) <= wrong).astype(np.float64)


def text_scores(
    preds: Sequence[str], targets: Sequence[str], cer_cap: float | None = None
) -> dict[str, Scores]:
    """Every per-sample text score, float64 [B] each, by its name in `base.METRICS`; with and without glyphs.

    Args:
        preds: Readings.
        targets: Ground truth texts.
        cer_cap: The largest CER of a sample; None for no limit.

    Raises:
        DataError: The sequences differ in length, or a target has no letter or digit.
    """
    columns: dict[str, Scores] = {}
    for suffix, read, true in (
        ("", *_normalised(preds, targets)),
        ("_alnum", *_normalised(alnum(preds), alnum(targets))),
    ):
        edits = _distances(read, true)
        columns[f"ned{suffix}"] = _ned(edits, read, true, "max")
        columns[f"ned_gt{suffix}"] = _ned(edits, read, true, "target")
        columns[f"acc{suffix}"] = (edits == 0).astype(np.float64)
        columns[f"cer{suffix}"] = np.minimum(edits / _lengths(true), np.inf if cer_cap is None else cer_cap)
        columns[f"within_1{suffix}"] = (edits <= 1).astype(np.float64)
        columns[f"within_2{suffix}"] = (edits <= 2).astype(np.float64)
    return columns


def chance_scores(
    targets: Sequence[str], plate_ids: Sequence[str], cer_cap: float | None = None
) -> dict[str, float]:
    """The scores of readings unrelated to their samples: the texts of the set's other plates.

    The mean of every score of `text_scores` over pairs of samples of different plates: all pairs of a small
    set, and those of enough shifts of one fixed shuffle of a large one. A set whose plates resemble each
    other (one province, one letter) has a lower chance NED than one of uniform plates: the same NED is worth
    less there.

    Args:
        targets: Ground truth texts, one per sample, in an order that is always the same.
        plate_ids: Their plates.
        cer_cap: As in `text_scores`.

    Returns:
        By score; empty when there is one plate only.

    Raises:
        DataError: The sequences differ in length, or a text has no letter or digit.
    """
    if len(targets) != len(plate_ids):
        raise DataError(f"{len(plate_ids)} plates for {len(targets)} texts")
    order = np.random.default_rng(0).permutation(len(targets))
    pairs = [
        (order[i], order[(i + shift) % len(order)])
        for shift in range(1, min(len(order), 1 + -(-_CHANCE_PAIRS // max(1, len(order)))))
        for i in range(len(order))
    ]
    pairs = [(i, j) for i, j in pairs if plate_ids[i] != plate_ids[j]]
    if not pairs:
        return {}
    columns = text_scores([targets[j] for _, j in pairs], [targets[i] for i, _ in pairs], cer_cap)
    return {name: float(values.mean()) for name, values in columns.items()}


def matched_positions(pred: str, target: str) -> tuple[bool, ...]:
    """Whether each character of one reading is right, by an alignment with the fewest edits."""
    right = {
        j for i, j in _alignment(pred, target) if i is not None and j is not None and target[i] == pred[j]
    }
    return tuple(j in right for j in range(len(pred)))


def positions_right(preds: Sequence[str], targets: Sequence[str]) -> Scores:
    """Whether the character at each position of the ground truth's text was read, aligned as `confusion`.

    Returns:
        float64 [B, L], L the longest text; 1 right, 0 wrong or dropped, NaN beyond a text's end.

    Raises:
        DataError: The sequences differ in length, or a text is empty.
    """
    read, true = _normalised(preds, targets)
    right = np.full((len(true), max(map(len, true), default=0)), np.nan)
    for row, pred, target in zip(right, read, true, strict=True):
        for i, j in _alignment(pred, target):
            if i is not None:
                row[i] = j is not None and target[i] == pred[j]
    return right


@dataclass(frozen=True, slots=True)
class Tally:
    """How many characters of each group were read right.

    Attributes:
        labels: One name per group.
        right: Characters read right, int64 [K].
        total: Characters of the target, int64 [K].
    """

    labels: tuple[str, ...]
    right: NDArray[np.int64]
    total: NDArray[np.int64]

    @property
    def accuracy(self) -> Scores:
        """Share read right, float64 [K]; NaN for a group that does not occur."""
        share = np.full(len(self.labels), np.nan)
        return np.asarray(np.divide(self.right, self.total, out=share, where=self.total > 0))


def position_accuracy(preds: Sequence[str], targets: Sequence[str]) -> Tally:
    """How often the character at each position of the target was read right.

    Characters are aligned with the fewest edits, so one dropped character counts once. Position 1 is the
    province glyph; plates of 7 and 8 characters are counted together.

    Raises:
        DataError: The sequences differ in length, or a target is empty.
    """
    right = positions_right(preds, targets)
    labels = tuple(str(position) for position in range(1, right.shape[1] + 1))
    counted = ~np.isnan(right)
    return Tally(labels, np.nansum(right, axis=0).astype(np.int64), counted.sum(axis=0, dtype=np.int64))


@dataclass(frozen=True, slots=True)
class Confusion:
    """How often each character is read as each other one.

    Attributes:
        labels: The characters of every known grammar, those of `plate.ALPHABET` first, then `other` (any
            other character) and `none` (in the row of `none` stand characters that were inserted, in its
            column those that were dropped).
        counts: int64 [K, K], target in rows, reading in columns.
    """

    labels: tuple[str, ...]
    counts: NDArray[np.int64]

    def by_character(self) -> Tally:
        """Accuracy of each character that plates have."""
        size = len(self.labels) - 2
        return Tally(self.labels[:size], np.diag(self.counts)[:size].copy(), self.counts[:size].sum(axis=1))

    def by_kind(self) -> Tally:
        """Accuracy of provinces, letters, digits and special glyphs."""
        each = self.by_character()
        kinds = np.array([_kind(character) for character in each.labels])
        names = ("province", "letter", "digit", "special")
        return Tally(
            names,
            np.array([each.right[kinds == name].sum() for name in names], np.int64),
            np.array([each.total[kinds == name].sum() for name in names], np.int64),
        )

    def mistakes(self, top: int) -> list[tuple[str, str, int]]:
        """The `top` most frequent mistakes as (target, reading, count), most frequent first."""
        wrong = self.counts.copy()
        np.fill_diagonal(wrong, 0)
        order = np.argsort(-wrong, axis=None, kind="stable")[:top]
        rows, columns = np.unravel_index(order, wrong.shape)
        found = zip(rows.tolist(), columns.tolist(), strict=True)
        return [(self.labels[i], self.labels[j], int(wrong[i, j])) for i, j in found if wrong[i, j]]


def confusion(preds: Sequence[str], targets: Sequence[str]) -> Confusion:
    """Count which characters are read as which, aligned with the fewest edits.

    Raises:
        DataError: The sequences differ in length, or a target is empty.
    """
    further = frozenset[str]().union(*(one.characters for one in grammars().values())).difference(ALPHABET)
    known = (*ALPHABET, *sorted(further))
    labels = (*known, "other", "none")
    index = {character: position for position, character in enumerate(known)}
    other, none = len(known), len(known) + 1
    counts = np.zeros((len(labels), len(labels)), np.int64)
    for pred, target in zip(*_normalised(preds, targets), strict=True):
        for i, j in _alignment(pred, target):
            row = none if i is None else index.get(target[i], other)
            column = none if j is None else index.get(pred[j], other)
            counts[row, column] += 1
    return Confusion(labels, counts)


def hallucinated(
    preds: Sequence[str],
    targets: Sequence[str],
    confidences: Sequence[float],
    threshold: float,
    *,
    same_grammar: bool = False,
) -> Scores:
    """1 for each output that is confidently read as a valid but wrong plate; float64 [B].

    Lower is better. An unreadable output is a failure but accuses nobody; this is the share of outputs that
    would.

    Args:
        preds: Readings.
        targets: Ground truth texts.
        confidences: Confidence of each reading, in [0, 1].
        threshold: Confidence from which a reading is believed; see `confident_from`.
        same_grammar: Count plates of the ground truth's grammar only, as `mdlp-v1` and `mdlp-v2` do, where it
            is of one; else those of every known grammar.

    Raises:
        DataError: The sequences differ in length, or a target is empty.
    """
    read, true = _normalised(preds, targets)
    if len(confidences) != len(read):
        raise DataError(f"{len(confidences)} confidences for {len(read)} readings")
    return np.array(
        [
            confidence >= threshold and pred != target and _is_believable(pred, target, same_grammar)
            for pred, target, confidence in zip(read, true, confidences, strict=True)
        ],
        np.float64,
    )


def _is_believable(pred: str, target: str, same_grammar: bool) -> bool:
    """Whether a reading is a plate, of the grammar of its ground truth where that is asked for and known."""
    found, wanted = grammar_of(pred), grammar_of(target)
    return found is not None and (not same_grammar or wanted is None or found is wanted)


def confident_from(
    confidences: Sequence[float], correct: Sequence[bool] | NDArray[np.bool_], error_rate: float = 0.01
) -> float | None:
    """The lowest confidence from which at most `error_rate` of a reader's readings are wrong.

    Calibrate it on the reader's readings of ground truths, then use it on restored images.

    Returns:
        The threshold, or None when even the most confident readings are wrong too often.

    Raises:
        DataError: The sequences differ in length.
    """
    values, right = _calibration(confidences, correct)
    if not len(values):
        return None
    order = np.argsort(-values, kind="stable")
    values, wrong = values[order], np.cumsum(~right[order])
    # Equal confidences are accepted together, so only the last of each may be a threshold.
    last = np.append(values[1:] != values[:-1], True)
    allowed = np.flatnonzero(last & (wrong <= error_rate * np.arange(1, len(values) + 1)))
    return float(values[allowed[-1]]) if len(allowed) else None


def frames_show(frames: Sequence[str], read: str, position: int) -> bool:
    """Whether a frame's reading has the character of `read` at that position or beside it."""
    return any(read[position] in frame[max(0, position - 1) : position + 2] for frame in frames)


def invented(preds: Sequence[str], targets: Sequence[str], frame_readings: Sequence[Sequence[str]]) -> Scores:
    """Share of each reading's characters that are wrong and not read in the frames, within [0, 1].

    Lower is better. A character counts when it is wrong (by an alignment with the ground truth's text) and no
    reading of the sample's input frames has it at its position or beside it (see `frames_show`). That the
    reader does not read it in the frames does not prove that they do not show it.

    Args:
        preds: Readings of the restored images.
        targets: Ground truth texts.
        frame_readings: For each sample, the readings of its degraded frames.

    Returns:
        float64 [B]; 0 for an empty reading.

    Raises:
        DataError: The sequences differ in length, or a target is empty.
    """
    read, true = _normalised(preds, targets)
    if len(frame_readings) != len(read):
        raise DataError(f"frame readings of {len(frame_readings)} samples for {len(read)} restored ones")
    shares = np.zeros(len(read))
    for sample, (pred, target, frames) in enumerate(zip(read, true, frame_readings, strict=True)):
        seen = [normalise(frame) for frame in plain_texts(frames, "readings of frames")]
        made_up = sum(
            not right and not frames_show(seen, pred, j)
            for j, right in enumerate(matched_positions(pred, target))
        )
        shares[sample] = made_up / max(1, len(pred))
    return shares


def expected_calibration_error(
    confidences: Sequence[float], correct: Sequence[bool] | NDArray[np.bool_], bins: int = 15
) -> float | None:
    """Expected calibration error, lower is better, range [0, 1]; None without readings.

    Guo et al., "On calibration of modern neural networks", ICML 2017, eq. 3: over equally wide bins
    `(lower, upper]`, the mean of |share correct - mean confidence|, weighted by the bins' sizes.

    Raises:
        DataError: The sequences differ in length, or a confidence is outside [0, 1].
    """
    values, right = _calibration(confidences, correct)
    if not len(values):
        return None
    bin_of = np.clip(np.ceil(values * bins).astype(np.int64) - 1, 0, bins - 1)
    gaps = np.bincount(bin_of, weights=right - values, minlength=bins)
    return float(np.abs(gaps).sum() / len(values))


def confidence_gap(confidences: Sequence[float], correct: Sequence[bool] | NDArray[np.bool_]) -> float | None:
    """Mean confidence of correct readings minus that of wrong ones, higher is better, range [-1, 1].

    The tie-break of the ICPR 2026 low-resolution licence plate recognition challenge.

    Returns:
        The gap, or None when all readings are correct or all are wrong.

    Raises:
        DataError: The sequences differ in length, or a confidence is outside [0, 1].
    """
    values, right = _calibration(confidences, correct)
    if right.all() or not right.any():
        return None
    return float(values[right].mean() - values[~right].mean())


def _normalised(preds: Sequence[str], targets: Sequence[str]) -> tuple[list[str], list[str]]:
    given, wanted = plain_texts(preds, "readings"), plain_texts(targets, "true texts")
    if len(given) != len(wanted):
        raise DataError(f"{len(given)} readings for {len(wanted)} plates")
    true = [normalise(target) for target in wanted]
    for target, original in zip(true, wanted, strict=True):
        if not target:
            raise DataError(f"the plate text {original!r} has no character to compare; leave the sample out")
    return [normalise(pred) for pred in given], true


def _distances(read: list[str], true: list[str]) -> NDArray[np.int64]:
    if not read:
        return np.zeros(0, np.int64)
    return np.asarray(cpdist(read, true, scorer=Levenshtein.distance, dtype=np.int64))


def _lengths(texts: list[str]) -> NDArray[np.int64]:
    return np.array([len(text) for text in texts], np.int64)


def _ned(edits: NDArray[np.int64], read: list[str], true: list[str], denominator: Denominator) -> Scores:
    if denominator == "max":
        return edits / np.maximum(_lengths(read), _lengths(true))
    return np.minimum(1.0, edits / _lengths(true))


def _alignment(pred: str, target: str) -> Iterator[tuple[int | None, int | None]]:
    """Pairs of positions (in the target, in the reading) of one alignment with the fewest edits."""
    for block in Levenshtein.opcodes(target, pred):
        if block.tag == "delete":
            yield from ((i, None) for i in range(block.src_start, block.src_end))
        elif block.tag == "insert":
            yield from ((None, j) for j in range(block.dest_start, block.dest_end))
        else:
            yield from zip(
                range(block.src_start, block.src_end), range(block.dest_start, block.dest_end), strict=True
            )


def _kind(character: str) -> str:
    if character in PROVINCES:
        return "province"
    if character.isascii() and character.isalpha():
        return "letter"
    return "digit" if character in DIGITS else "special"


def _calibration(
    confidences: Sequence[float], correct: Sequence[bool] | NDArray[np.bool_]
) -> tuple[Scores, NDArray[np.bool_]]:
    values, right = np.asarray(confidences, np.float64), np.asarray(correct, np.bool_)
    if values.shape != right.shape:
        raise DataError(f"{values.size} confidences for {right.size} readings")
    if values.size and not (values.min() >= 0.0 and values.max() <= 1.0):
        raise DataError("confidences must be numbers between 0 and 1")
    return values, right
