"""What pictures give away: copies of the truth, of an input, of another entry."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from mdlp_bench.errors import RunError
from mdlp_bench.files import sha256_bytes
from mdlp_bench.harness.predict import Predictions, decode_frames, decode_ground_truth
from mdlp_bench.harness.run import Run
from mdlp_bench.images import ImageU8
from mdlp_bench.leaderboard.store import (
    ClaimedScore,
    DatasetCard,
    Entry,
    Flag,
    FlagCode,
    output_hashes,
    reader_key,
)
from mdlp_bench.leaderboard.submission.form import Submission
from mdlp_bench.metrics.protocol import to_working_size
from mdlp_bench.readers.base import Reading

if TYPE_CHECKING:
    from mdlp_bench.data.samples import Samples

# Mean absolute difference in grey levels below which pictures count as copies; re-encoding makes about 1.
_COPY: Final = 1.0
_DUPLICATE_SHARE: Final = 0.5
_INPUT_SHARE: Final = 0.5


@dataclass
class Inspection:
    """What was seen in one pass over the predictions.

    Attributes:
        n: Pictures or readings.
        hashes: SHA-256 of each picture's pixels, or of each sample's id and reading.
        kept: The pictures asked for.
        equal_truth: Samples whose picture is the ground truth.
        equal_input: Samples whose picture is one of the frames, resized.
    """

    n: int = 0
    hashes: dict[str, str] = field(default_factory=dict)
    kept: dict[str, ImageU8] = field(default_factory=dict)
    equal_truth: list[str] = field(default_factory=list)
    equal_input: list[str] = field(default_factory=list)


def inspect_predictions(predictions: Predictions, samples: Samples, keep: Collection[str]) -> Inspection:
    """Compare every picture with its ground truth and frames.

    Raises:
        RunError: The predictions are not of these samples.
    """
    found = Inspection()
    for one, row in zip(predictions, samples.rows(("sample_id", "frames", "gt")), strict=True):
        if one.sample_id != row["sample_id"]:
            raise RunError("the predictions' sample ids are not the data set's; predict again")
        found.n += 1
        if one.reading is not None:
            found.hashes[one.sample_id] = sha256_bytes(_spelt(one.sample_id, one.reading).encode())
        if one.image is None:
            continue
        found.hashes[one.sample_id] = sha256_bytes(one.image.tobytes())
        if one.sample_id in keep:
            found.kept[one.sample_id] = one.image
        truth = decode_ground_truth(row)
        if truth is not None and _is_copy(one.image, truth):
            found.equal_truth.append(one.sample_id)
        elif any(_is_copy(one.image, frame) for frame in decode_frames(row)):
            found.equal_input.append(one.sample_id)
    return found


def flags_of(
    submission: Submission,
    claims: Sequence[ClaimedScore],
    inspection: Inspection,
    run: Run,
    card: DatasetCard,
    others: Sequence[Entry],
) -> tuple[Flag, ...]:
    """Everything a reader of the board should know of the entry."""
    flags: list[Flag] = []

    def note(code: FlagCode, text: str) -> None:
        flags.append(Flag(code=code, text=text))

    if submission.extra_data:
        note("extra-data", "trained on data beyond the benchmark's training split")
    if submission.uses_synthetic:
        note("synthetic", "trained on synthetic data")
    for claim in claims:
        if claim.recomputed is not None and not claim.agrees:
            note(
                "claim-differs", f"claims {claim.metric} {claim.claimed:g}, recomputed {claim.recomputed:.4g}"
            )
    if inspection.equal_truth:
        share = f"{len(inspection.equal_truth):,} of {inspection.n:,}"
        note(
            "equals-ground-truth",
            f"{share} pictures equal the ground truth, e.g. {inspection.equal_truth[0]}",
        )
    if len(inspection.equal_input) >= _INPUT_SHARE * inspection.n:
        share = f"{len(inspection.equal_input):,} of {inspection.n:,}"
        note("equals-input", f"{share} pictures equal a degraded input")
    own = set(inspection.hashes.values())
    kind = "pictures" if submission.output == "image" else "readings, confidences included,"
    for key, hashes in output_hashes(others).items():
        shared = len(own & hashes)
        if own and shared >= _DUPLICATE_SHARE * len(own):
            note("duplicate", f"{shared:,} of {inspection.n:,} {kind} are those of {key}")
    for text in _too_good(run, card):
        note("too-good", text)
    return tuple(flags)


def _too_good(run: Run, card: DatasetCard) -> list[str]:
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


def _spelt(sample_id: str, reading: Reading) -> str:
    """A reading as `readings.csv` has it: two methods rarely agree in six digits of a confidence."""
    return f"{sample_id},{reading.text},{reading.confidence:.6f}"


def _is_copy(image: ImageU8, other: ImageU8) -> bool:
    difference = np.abs(image.astype(np.int16) - to_working_size(other).astype(np.int16))
    return bool(difference.mean() <= _COPY)
