"""Which plates need restoring: readable as captured, only in the ground truth, or not at all."""

from __future__ import annotations

import logging
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Final, Literal, get_args

from mdlp_bench.data.samples import Samples
from mdlp_bench.engine import chunks
from mdlp_bench.errors import DataError
from mdlp_bench.files import csv_text, write_text
from mdlp_bench.frozen import Frozen
from mdlp_bench.plate import grammars, normalise
from mdlp_bench.progress import progress_bar
from mdlp_bench.readers.base import Reader, ReaderDescriptor, Reading
from mdlp_bench.readers.reach import beyond_reach, is_plate
from mdlp_bench.schema import Sample

logger = logging.getLogger(__name__)

Verdict = Literal["readable", "needs-restoring", "unreadable", "unknown"]

_CHUNK: Final = 32


class Triaged(Frozen):
    """One sample.

    Attributes:
        verdict: `readable`: the surest frame is read right. `needs-restoring`: only the ground truth is read
            right. `unreadable`: neither is. `unknown`: the frame is not and there is no ground truth.
        frame: What is read in the surest frame: of those read as a valid plate, or of all where there is
            none, the one whose least certain character is most certain.
        frame_lowest: Confidence of that character, within [0, 1]; None where the reader gives none.
        frame_mean: Mean confidence of that frame's characters, likewise.
        gt: What is read in the ground truth; None without one.
    """

    sample_id: str
    split: str
    verdict: Verdict
    frame: str
    frame_lowest: float | None
    frame_mean: float | None
    gt: str | None
    text: str | None


class Triage(Frozen):
    """All samples of a data set by one reader.

    Attributes:
        reader: The reader's name; another reader may judge differently.
        counts: Samples by split and verdict.
    """

    dataset: str
    reader: str
    counts: dict[str, dict[Verdict, int]]
    samples: tuple[Triaged, ...]

    def write_csv(self, path: Path) -> None:
        """Write one line per sample.

        Raises:
            DataError: The file cannot be written.
        """
        rows = (one.model_dump().values() for one in self.samples)
        write_text(path, csv_text([Triaged.model_fields, *rows]))


def triage(samples: Samples, reader: Reader) -> Triage:
    """Sort samples by whether a reader reads their frames, only their ground truth, or neither.

    A reading is right when it is the sample's text. That of a sample without a text is taken for right when
    it is a valid plate of the reader's grammars and can be believed (`ReaderDescriptor.believed_from`): few
    characters are easily sure. Texts that the reader cannot know are logged in one line.

    Args:
        samples: The data set.
        reader: The reader that judges.

    Raises:
        DataError: A picture cannot be decoded, or a sample has no text and the reader no threshold.
    """
    if beyond := beyond_reach(reader.descriptor, samples.column("text")):
        logger.warning("%s", beyond)
    found: list[Triaged] = []
    with progress_bar(len(samples), "Reading") as bar:
        for chunk in chunks(samples, _CHUNK):
            frames = [sample.decode_frames() if sample.frames else () for sample in chunk]
            gts = [sample.decode_gt() for sample in chunk]
            of_gts = iter(reader.read([gt for gt in gts if gt is not None]))
            of_frames = iter(reader.read([frame for own in frames for frame in own]))
            for sample, own, gt in zip(chunk, frames, gts, strict=True):
                read = list(islice(of_frames, len(own)))
                found.append(_triaged(sample, read, None if gt is None else next(of_gts), reader.descriptor))
            bar.update(len(chunk))
    counts: dict[str, Counter[Verdict]] = {}
    for one in found:
        counts.setdefault(one.split, Counter())[one.verdict] += 1
    return Triage(
        dataset=samples.name,
        reader=reader.descriptor.name,
        counts={
            split: {verdict: own[verdict] for verdict in get_args(Verdict)} for split, own in counts.items()
        },
        samples=tuple(found),
    )


def _triaged(sample: Sample, frames: list[Reading], gt: Reading | None, reader: ReaderDescriptor) -> Triaged:
    surest = max(frames, key=lambda one: (_is_plate(one, reader), one.lowest_confidence), default=Reading(""))
    if _is_right(sample, surest, reader):
        verdict: Verdict = "readable"
    elif gt is None:
        verdict = "unknown"
    else:
        verdict = "needs-restoring" if _is_right(sample, gt, reader) else "unreadable"
    return Triaged(
        sample_id=sample.sample_id,
        split=sample.split,
        verdict=verdict,
        frame=surest.text,
        frame_lowest=surest.lowest_confidence if surest.has_confidences else None,
        frame_mean=surest.mean_confidence if surest.has_confidences else None,
        gt=None if gt is None else gt.text,
        text=sample.text,
    )


def _is_right(sample: Sample, reading: Reading, reader: ReaderDescriptor) -> bool:
    if sample.text:
        return normalise(reading.text) == normalise(sample.text)
    if reader.believed_from is None:
        raise DataError(
            f"sample {sample.sample_id}: has no text, and it is not known from which confidence "
            f"{reader.name} can be believed (see mdlp-bench calibrate)"
        )
    # Without confidences there is nothing to believe.
    is_sure = reading.has_confidences and reading.confidence >= reader.believed_from
    return is_sure and _is_plate(reading, reader)


def _is_plate(reading: Reading, reader: ReaderDescriptor) -> bool:
    """Whether a reading is a valid plate of the reader's grammars, of any where it names none."""
    return is_plate(reading.text, reader.grammars or tuple(grammars()))
