"""Find outputs that copy the ground truth, an input or another entry, and scores that are too good.

Pictures are compared by the share of one that the other does not explain, sqrt(1 - r^2) with the correlation
coefficient r of their luminance, at the best of a few shifts: noise, compression, gain, sharpening, a shift
or some changed pixels hide no copy. Everything that flags depend on is kept per sample, so `check` derives
the flags again. The thresholds were set on the outputs of the bundled methods on rendered plates, MDLP and
LPBlur, and of LPDGAN on LPBlur.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mdlp_bench.errors import RunError
from mdlp_bench.files import sha256_bytes
from mdlp_bench.harness.predict import Prediction, Predictions
from mdlp_bench.harness.run import Run, float_column
from mdlp_bench.harness.statistics.clusters import FloatArray
from mdlp_bench.images import ImageU8
from mdlp_bench.leaderboard.boards import IMAGE_METRICS
from mdlp_bench.leaderboard.store import (
    FLAG_RULES,
    FRAME_RESIDUAL,
    OUTPUT_HASH,
    ClaimedScore,
    DatasetCard,
    Entry,
    Flag,
    FlagCode,
    reader_key,
)
from mdlp_bench.leaderboard.submission.form import Submission, read_name
from mdlp_bench.metrics.base import METRICS
from mdlp_bench.metrics.protocol import WORKING_SIZE, to_working_size
from mdlp_bench.plate import normalise
from mdlp_bench.readers.base import Reading

if TYPE_CHECKING:
    from mdlp_bench.data.samples import Samples

GT_RESIDUAL: Final = "gt_residual"
"""Column of `per_sample.parquet`: share of the ground truth that the picture does not explain."""

INPUT_RESIDUAL: Final = "input_residual"
"""Column of `per_sample.parquet`: the least share of a degraded frame that the picture does not explain."""

SIGNATURE: Final = "signature"
"""Column of `per_sample.parquet`: the picture's luminance at an eighth of its size, 14 x 28 bytes."""

COPY_OF_GT: Final = 0.12
"""Copies of ground truths stay below this; the best of LPDGAN's restorations of LPBlur has 0.20."""

COPY_OF_INPUT: Final = 0.045
"""Interpolated inputs stay below this; most of SRCNN's outputs, which change little, do not."""

_NEARER: Final = 0.5
"""Copies of ground truths are this much nearer to them than the frames; LPDGAN's median on LPBlur is 0.6."""

_NEAR: Final = 0.25
"""Pictures are copies if their difference is below this share of their differences from the input."""

_ALIKE: Final = 0.8
"""Correlation of signatures below which pictures have too little in common to be copies at another shift."""


def _word_set(words: str) -> frozenset[str]:
    return frozenset(map(read_name, words.split()))


_OF_PARTS: Final = _word_set(
    "train training val valid validation test testing dev split splits part parts subset set sets data "
    "dataset datasets a all an and at by for from in my of on or our own the their with without"
)
"""Words in names of data sets that say which part is meant, or nothing."""

_COMMON: Final = _word_set(
    "plate plates licence license number numbers text real synthetic synthesised synthesized synth render "
    "renders rendered rendering generated simulated simulation image images picture pictures photo photos "
    "frame frames track tracks sample samples pair pairs crop crops video videos footage captured collected "
    "public private internal custom new old day daytime night nighttime blur blurred blurry motion noise "
    "noisy rain snow fog glare dark degraded restored sharp clear clean low high super resolution lr hr lq "
    "hq recipe demo benchmark challenge car cars vehicle vehicles traffic surveillance camera cameras street "
    "road scene scenes chinese brazilian mercosur latin european"
)
"""Words that many data sets have in their names."""

_TELLING: Final = 3
"""Letters from which on a name is looked for inside other words."""

_SHARE: Final = 0.5
_FIRST_LOOK: Final = 15
_MARGIN: Final = 8
_SHIFT: Final = 2
_SIGNATURE_SHAPE: Final = (WORKING_SIZE[0] // 8, WORKING_SIZE[1] // 8)
_MIN_WRONG: Final = 10


@dataclass
class Inspection:
    """What was seen in one pass over the predictions.

    Attributes:
        columns: Further columns of the per-sample table: hash, residuals and signature of each output.
        kept: The pictures asked for.
    """

    columns: dict[str, list[object]] = field(default_factory=dict)
    kept: dict[str, ImageU8] = field(default_factory=dict)

    def append_to(self, table: pa.Table) -> pa.Table:
        """The per-sample table with these columns."""
        types = {OUTPUT_HASH: pa.string(), SIGNATURE: pa.binary()}
        for name, values in self.columns.items():
            table = table.append_column(name, pa.array(values, types.get(name, pa.float64())))
        return table


def inspect_predictions(predictions: Predictions, samples: Samples, keep: Collection[str]) -> Inspection:
    """Compare every picture with its ground truth and frames.

    Raises:
        RunError: The predictions are not of these samples.
    """
    found = Inspection({name: [] for name in (OUTPUT_HASH, GT_RESIDUAL, INPUT_RESIDUAL, SIGNATURE)})
    for one, sample in zip(predictions, samples, strict=True):
        if one.sample_id != sample.sample_id:
            raise RunError("the predictions' sample ids are not the data set's; predict again")
        compared: tuple[object, ...] = (None, None, None)
        if one.image is not None:
            gt = sample.decode_gt()
            compared = (
                None if gt is None else residual(one.image, to_working_size(gt)),
                min(residual(one.image, to_working_size(frame)) for frame in sample.decode_frames()),
                signature(one.image).tobytes(),
            )
            if one.sample_id in keep:
                found.kept[one.sample_id] = one.image
        for column, value in zip(found.columns.values(), (output_hash(one), *compared), strict=True):
            column.append(value)
    return found


def output_hash(prediction: Prediction) -> str | None:
    """The SHA-256 of a picture's pixels, or of a reading with its sample; None where there is neither."""
    if prediction.reading is not None:
        return sha256_bytes(_spelt(prediction.sample_id, prediction.reading).encode())
    return None if prediction.image is None else sha256_bytes(prediction.image.tobytes())


def residual(image: ImageU8, other: ImageU8) -> float:
    """The share of `other` that `image` does not explain, at the best shift of at most two pixels.

    Args:
        image: uint8 RGB [112, 224, 3].
        other: uint8 RGB [112, 224, 3].

    Returns:
        sqrt(1 - r^2) in [0, 1]; 0 for a copy, also with other brightness and contrast, 1 for a flat picture.
    """
    # Averages of 2 x 2 pixels: they keep strokes and average out noise.
    first, second = (
        cv2.blur(cv2.cvtColor(one, cv2.COLOR_RGB2GRAY).astype(np.float32), (2, 2)) for one in (image, other)
    )
    template = second[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
    if template.std() < 1e-3 or first.std() < 1e-3:
        return 1.0
    edge = _MARGIN - _SHIFT
    best = 0.0
    # Also half a pixel to the right, down, and both.
    for kernel in ((1, 1), (2, 1), (1, 2), (2, 2)):
        shifted = first if kernel == (1, 1) else cv2.blur(first, kernel)
        found = cv2.matchTemplate(shifted[edge:-edge, edge:-edge], template, cv2.TM_CCOEFF_NORMED)
        best = max(best, float(np.abs(np.nan_to_num(found, posinf=0, neginf=0)).max()))
    return float(np.sqrt(max(0.0, 1 - min(best, 1.0) ** 2)))


def signature(image: ImageU8) -> npt.NDArray[np.uint8]:
    """The luminance of a picture, uint8 RGB [112, 224, 3], at an eighth of its size, uint8 [14, 28]."""
    height, width = _SIGNATURE_SHAPE
    return np.asarray(
        cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (width, height), interpolation=cv2.INTER_AREA),
        np.uint8,
    )


def signature_residuals(first: FloatArray, second: FloatArray) -> FloatArray:
    """By sample, the share of one signature that the other does not explain, at the best of a few shifts.

    The shifts are of at most two pixels of the pictures, a quarter of a signature's pixel.

    Args:
        first: Signatures, [n, 14, 28].
        second: Signatures, [n, 14, 28].

    Returns:
        [n], as in `residual`.
    """

    def normed(images: FloatArray) -> FloatArray:
        inner = images[:, 1:-1, 1:-1].reshape(
            len(images), (_SIGNATURE_SHAPE[0] - 2) * (_SIGNATURE_SHAPE[1] - 2)
        )
        inner = inner - inner.mean(axis=1, keepdims=True)
        return np.asarray(inner / np.maximum(np.linalg.norm(inner, axis=1, keepdims=True), 1e-6))

    def moved(images: FloatArray, pixels: int, axis: int) -> FloatArray:
        part = abs(pixels) / 16
        return (1 - part) * images + part * np.roll(images, 1 if pixels > 0 else -1, axis=axis)

    best = np.abs((normed(first) * normed(second)).sum(axis=1))
    # Signatures with little in common are not copies; trying shifts is slow with hundreds of entries.
    close = np.flatnonzero(best > _ALIKE)
    # Each moves half of the way, so that interpolation blurs both alike.
    for down in range(-_SHIFT, _SHIFT + 1):
        upper, lower = moved(first[close], -down, 1), moved(second[close], down, 1)
        for right in range(-_SHIFT, _SHIFT + 1):
            halves = normed(moved(upper, -right, 2)), normed(moved(lower, right, 2))
            found = np.abs((halves[0] * halves[1]).sum(axis=1))
            best[close] = np.maximum(best[close], found)
    return np.asarray(np.sqrt(np.maximum(0.0, 1 - np.minimum(best, 1.0) ** 2)))


def signatures(table: pa.Table) -> FloatArray | None:
    """The signatures of an entry, [n, 14, 28]; None for one that has none."""
    if SIGNATURE not in table.column_names or table[SIGNATURE].null_count:
        return None
    content = b"".join(table[SIGNATURE].to_pylist())
    if len(content) != len(table) * _SIGNATURE_SHAPE[0] * _SIGNATURE_SHAPE[1]:
        return None
    return np.frombuffer(content, np.uint8).reshape(-1, *_SIGNATURE_SHAPE).astype(np.float64)


@dataclass(frozen=True)
class DerivedFlags:
    """Flags of an entry.

    Attributes:
        flags: Those it must have.
        decided: Codes that could be decided; entries of older stores lack some columns.
    """

    flags: tuple[Flag, ...]
    decided: frozenset[FlagCode]


def derive_flags(
    submission: Submission,
    claims: Sequence[ClaimedScore],
    run: Run,
    table: pa.Table,
    card: DatasetCard,
    others: Sequence[Entry],
    samples: pa.Table | None,
    rules: int = FLAG_RULES,
) -> DerivedFlags:
    """Everything that readers of a board should know about an entry.

    Args:
        submission: Its form.
        claims: Its claimed scores beside the recomputed ones.
        run: Its scores.
        table: Its per-sample table, by sample id.
        card: The data set.
        others: The entries of the data set that were there before.
        samples: What is known of its samples (see `Store.samples`); None in older stores.
        rules: `EntryRecord.flag_rules`.
    """
    flags: list[Flag] = []
    complete = GT_RESIDUAL in table.column_names
    decided: set[FlagCode] = {"extra-data", "synthetic", "claim-differs", "duplicate", "too-good"}

    def note(code: FlagCode, text: str) -> None:
        flags.append(Flag(code=code, text=text))

    if submission.extra_data:
        note("extra-data", "trained on data beyond the benchmark's training split")
    trained_on = submission.training_data if complete else ()
    overlapping = [item for item in trained_on if names_data_set(item, card, rules)]
    if overlapping:
        note(
            "training-overlap",
            f"trained on {', '.join(overlapping)}: this board's data set or one with plates in common; its "
            "test samples must not be among them",
        )
    if submission.uses_synthetic:
        note("synthetic", "trained on synthetic data")
    for claim in claims:
        if claim.recomputed is not None and not claim.agrees:
            note(
                "claim-differs", f"claims {claim.metric} {claim.claimed:g}, recomputed {claim.recomputed:.4g}"
            )
    if complete:
        decided |= {"training-overlap", "equals-ground-truth", "equals-input"}
        of_gt, of_input = (float_column(table, name) for name in (GT_RESIDUAL, INPUT_RESIDUAL))
        copies = of_gt <= COPY_OF_GT
        if samples is not None:
            # Where frames are hardly degraded, honest restorations are near the ground truth too.
            copies &= of_gt <= _NEARER * float_column(samples, FRAME_RESIDUAL)
        if copies.any():
            first = table["sample_id"][int(np.flatnonzero(copies)[0])].as_py()
            note(
                "equals-ground-truth",
                f"{int(copies.sum()):,} of {len(table):,} pictures equal the ground truth, e.g. {first}",
            )
        inputs = (of_input <= COPY_OF_INPUT) & ~copies
        if inputs.sum() >= _SHARE * len(table):
            note("equals-input", f"{int(inputs.sum()):,} of {len(table):,} pictures equal a degraded input")
    own = frozenset(table[OUTPUT_HASH].to_pylist()) if OUTPUT_HASH in table.column_names else frozenset()
    # Entries of one version under several protocols are one method.
    for other in (
        one for one in others if (one.method, one.version) != (submission.slug, submission.version)
    ):
        text = _copied(submission, table, own, other, complete)
        if text is not None:
            note("duplicate", text)
    # PSNR, SSIM and LPIPS are the same in all protocols.
    for text in (*_above_the_ceiling(run, card), *(_far_ahead(run, others) if complete else ())):
        note("too-good", text)
    return DerivedFlags(tuple(flags), frozenset(decided))


def names_data_set(item: str, card: DatasetCard, rules: int = FLAG_RULES) -> bool:
    """Whether an item of `training_data` names a board's data set, of any split, or one of its siblings.

    A name counts whole, or without words that many data sets have (`real`, `plates`): `LPBlur train`,
    `LPBlur` and `LP-Blur` name `My LPBlur`. Such words alone name nothing, unless the name consists of them.

    Args:
        item: As the form has it.
        card: The board's card.
        rules: `EntryRecord.flag_rules`; by the first ones only whole names in the item count.
    """
    names = (card.name.rpartition("/")[0] or card.name, *card.siblings)
    if rules == 1:
        return any(len(name) > 1 and name in read_name(item) for name in map(read_name, names))
    return any(_names(item, name) for name in names)


def _names(item: str, name: str) -> bool:
    """Whether an item of `training_data` names this data set."""
    own, words = _words(item), _words(name)
    core, known = ([word for word in one if word not in _COMMON] for one in (own, words))
    if not core or not known:
        return own == words != []
    whole, joined, known_joined = read_name(name), "".join(own), "".join(known)
    return (
        (len(whole) >= _TELLING and whole in read_name(item))
        or (len(known_joined) >= _TELLING and any(word.startswith(known_joined) for word in own))
        or (len(joined) >= _TELLING and joined in known)
        or _holds(core, known)
        or (len("".join(core)) >= _TELLING and _holds(known, core))
    )


def _words(name: str) -> list[str]:
    """The words of a name as people see them, without numbers and words of `_OF_PARTS`."""
    split = re.split(r"[\W_]+", unicodedata.normalize("NFKC", name).casefold())
    # `CCPD2019` is of CCPD; a short word like `x4` stays.
    bare = (re.sub(r"(?<=[^\W\d]{3})\d+$", "", word) for word in split if word and not word.isdecimal())
    return [word for word in map(read_name, bare) if word not in _OF_PARTS]


def _holds(words: Sequence[str], part: Sequence[str]) -> bool:
    """Whether words contain others, side by side."""
    n = len(part)
    return any(list(words[start : start + n]) == list(part) for start in range(len(words) - n + 1))


def _copied(
    submission: Submission, table: pa.Table, own: frozenset[str], other: Entry, near_too: bool
) -> str | None:
    """What an entry shares with another one, if that is too much."""
    if submission.output != other.record.submission.output or OUTPUT_HASH not in other.table.column_names:
        return None
    kind = "pictures" if submission.output == "image" else "readings, confidences included,"
    n, shared = len(table), len(own & other.output_hashes)
    if shared >= _SHARE * n:
        return f"{shared:,} of {n:,} {kind} are those of {other.key}"
    if not near_too:
        return None
    if submission.output == "text":
        return _copied_readings(table, other)
    if len(table) != len(other.table) or not _alike(table, other.table):
        return None
    first, second = signatures(table), signatures(other.table)
    if first is None or second is None or len(first) != len(second):
        return None
    least = np.minimum(float_column(table, INPUT_RESIDUAL), float_column(other.table, INPUT_RESIDUAL))
    # Copies of the inputs are alike without being copies of one another.
    near = int(((signature_residuals(first, second) <= _NEAR * least) & (least > COPY_OF_INPUT)).sum())
    if near >= _SHARE * n:
        return f"{near:,} of {n:,} pictures are nearly those of {other.key}"
    return None


def _alike(table: pa.Table, other: pa.Table) -> bool:
    """Whether a few samples of two entries are alike enough to compare them all."""
    places = np.unique(np.linspace(0, len(table) - 1, _FIRST_LOOK).astype(int))
    if SIGNATURE not in table.column_names or SIGNATURE not in other.column_names:
        return False
    first, second = (signatures(one.select([SIGNATURE]).take(places)) for one in (table, other))
    if first is None or second is None:
        return False
    return float(np.quantile(signature_residuals(first, second), 0.25)) <= _NEAR


def _copied_readings(table: pa.Table, other: Entry) -> str | None:
    """Two methods are often right on the same samples, but seldom wrong in the same way."""
    texts = [normalise(text or "") for text in table["text"].to_pylist()]
    own, theirs = ([normalise(t) for t in one["read_text"].to_pylist()] for one in (table, other.table))
    wrong = [(a, b) for a, b, text in zip(own, theirs, texts, strict=True) if text and text not in (a, b)]
    same = sum(a == b for a, b in wrong)
    if same >= _MIN_WRONG and same >= 0.9 * len(wrong):
        return f"{same:,} of {len(wrong):,} wrong readings are those of {other.key}"
    return None


def _above_the_ceiling(run: Run, card: DatasetCard) -> list[str]:
    """Text scores better than the reader's on the ground truths themselves."""
    found = []
    for position, reader in enumerate(run.record.readers):
        for name, ceiling in card.ceilings.get(reader_key(reader), {}).items():
            summary = run.summary.get(run.record.column(name, position))
            if summary is None or summary.mean is None:
                continue
            lead = summary.mean - ceiling if summary.higher_is_better else ceiling - summary.mean
            if lead > 1e-9:
                found.append(
                    f"{name.upper()} {summary.mean:.3f} is better than {reader.title}'s {ceiling:.3f} on the "
                    "ground truth"
                )
    return found


def _far_ahead(run: Run, others: Sequence[Entry]) -> list[str]:
    """Image scores further from the best of three or more others than that one is from their worst."""
    found = []
    for name in IMAGE_METRICS:
        own = run.summary.get(name)
        theirs = [one.run.summary[name].mean for one in others if name in one.run.summary]
        known = [mean for mean in theirs if mean is not None]
        if own is None or own.mean is None or len(known) < 3:
            continue
        best, worst = (max(known), min(known)) if own.higher_is_better else (min(known), max(known))
        if abs(own.mean - best) > abs(best - worst) and (own.mean > best) == own.higher_is_better:
            info = METRICS[name]
            found.append(
                f"{info.title} {own.mean:.{info.decimals}f} is further from the best other entry's "
                f"{best:.{info.decimals}f} than that is from the worst one's {worst:.{info.decimals}f}"
            )
    return found


def _spelt(sample_id: str, reading: Reading) -> str:
    """A reading as `readings.csv` has it: two methods rarely agree in six digits of a confidence."""
    return f"{sample_id},{reading.text},{reading.confidence:.6f}"
