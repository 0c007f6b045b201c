"""The ICPR 2026 challenge on low-resolution plates (LRLPR): its submission file, and its score.

A submission is a zip file with one text file, one line per track: `track_00001,ABC1234;0.9876`, the text and
the confidence in it. Ranks go by the recognition rate, the share of tracks whose whole text is right; ties by
the confidence gap, the mean confidence of right texts minus that of wrong ones.
"""

from __future__ import annotations

import io
import logging
import math
import re
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from mdlp_bench.data.samples import Samples
from mdlp_bench.errors import DataError, reason
from mdlp_bench.files import is_junk, write_bytes
from mdlp_bench.harness.statistics import ClusterBootstrap, Estimate
from mdlp_bench.leaderboard.submission.readings import parse_confidence, read_readings
from mdlp_bench.metrics.text import confidence_gap
from mdlp_bench.plate import normalise
from mdlp_bench.readers.base import Reader, Reading

logger = logging.getLogger(__name__)

READER: Final = "crnn-latin"
"""The bundled reader that knows the challenge's plates, Brazilian and Mercosur ones."""

TEXT_FILE: Final = "predictions.txt"
UNREAD: Final = "AAA0000"
"""Written with confidence 0 where nothing was read: a line needs a text of seven characters."""

_TRACK: Final = re.compile(r"(?:.*[-_/\\])?(track_[0-9]{5,})(?:[./\\].*)?")
_LINE: Final = re.compile(r"(track_[0-9]{5,}),([A-Z0-9]{1,10});([0-9.eE+-]{1,48})", re.ASCII)
_PLATE_LENGTH: Final = 7


@dataclass(frozen=True, slots=True)
class LrlprScore:
    """What the challenge measures, on tracks whose texts are known.

    Attributes:
        recognition_rate: Share of tracks read exactly; a track without a line is wrong.
        confidence_gap: Mean confidence of right minus wrong texts; None when all are right or all are wrong.
        by_layout: Recognition rate by layout.
        missing: Tracks without a line.
        indistinct: Two independent submissions with this rate, on as many tracks of as many plates, differ by
            more than this in about 5 % of all cases by chance alone; None without limits of the rate.
    """

    recognition_rate: Estimate
    confidence_gap: float | None
    by_layout: Mapping[str, Estimate]
    missing: int
    indistinct: float | None


def track_of(sample_id: str) -> str:
    """The challenge's name of a track, `track_00001`, in a sample id (`test-public-track_00001`) or a path.

    Raises:
        DataError: There is none.
    """
    match = _TRACK.fullmatch(sample_id)
    if match is None:
        raise DataError(f"sample {sample_id}: its id does not name a track_NNNNN; is this a set of LRLPR?")
    return match[1]


def collect_readings(source: Path, reader: Callable[[], Reader]) -> dict[str, Reading]:
    """Readings by sample id.

    Args:
        source: What `mdlp-bench predict` wrote (texts are taken, images are read), or a table of ids, texts
            and confidences (see `read_readings`).
        reader: Loads what reads images; called only where there are some.

    Raises:
        DataError: The table cannot be read, or a line of it is faulty.
        RunError: There is no such folder, or it is damaged or unfinished.
    """
    if source.is_file():
        return read_readings(source)
    from mdlp_bench.harness.predict import Predictions

    readings: dict[str, Reading] = {}
    loaded: Reader | None = None
    predictions = Predictions(source)
    predictions.warn_of_part()
    if n_failed := predictions.record.n_failed:
        logger.warning(
            "%s: the method failed on %d of %d tracks, submitted as unread; fix it and predict again",
            source,
            n_failed,
            predictions.record.dataset.n_samples,
        )
    for prediction in predictions:
        if prediction.image is not None:
            loaded = loaded or reader()
            (readings[prediction.sample_id],) = loaded.read([prediction.image])
        else:
            # A sample on which the method failed counts as read without a text.
            readings[prediction.sample_id] = prediction.reading or Reading("", ())
    return readings


def write_submission(readings: Mapping[str, Reading], out: Path) -> int:
    """Write the zip file; the same readings give the same bytes.

    Args:
        readings: By sample id.
        out: The file.

    Returns:
        How many readings are not seven characters of A-Z and 0-9; they are written as `UNREAD`.

    Raises:
        DataError: There are no readings, or two are of one track.
    """
    lines: dict[str, str] = {}
    unread = 0
    for sample_id, reading in readings.items():
        track = track_of(sample_id)
        if track in lines:
            raise DataError(f"two readings of {track}; submit the tracks of one set")
        text, confidence = normalise(reading.text), reading.confidence
        if not re.fullmatch(rf"[A-Z0-9]{{{_PLATE_LENGTH}}}", text):
            text, confidence = UNREAD, 0.0
            unread += 1
        lines[track] = f"{track},{text};{confidence:.4f}\n"
    if not lines:
        raise DataError("there are no readings to submit")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo(TEXT_FILE)  # dated 1980, so that bytes repeat
        entry.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(entry, "".join(lines[track] for track in sorted(lines)))
    write_bytes(out, buffer.getvalue())
    return unread


def read_submission(path: Path) -> dict[str, tuple[str, float]]:
    """Text and confidence by track.

    Raises:
        DataError: It is not a submission; names the line.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/") and not is_junk(name)]
            if len(names) != 1 or not names[0].endswith(".txt"):
                raise DataError(f"{path}: holds {names or 'nothing'}; a submission holds one .txt file")
            lines = archive.read(names[0]).decode("ascii").splitlines()
    except (OSError, zipfile.BadZipFile, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a zip file of one plain text file ({reason(error)})") from error
    found: dict[str, tuple[str, float]] = {}
    for number, line in enumerate(lines, start=1):
        match = _LINE.fullmatch(line)
        confidence = None if match is None else parse_confidence(match[3])
        if match is None or confidence is None:
            raise DataError(f"{path}: line {number} is {line[:60]!r}, not like track_00001,ABC1234;0.9876")
        if match[1] in found:
            raise DataError(f"{path}: line {number}: {match[1]} has a line already")
        found[match[1]] = (match[2], confidence)
    return found


def score_submission(path: Path, samples: Samples) -> LrlprScore:
    """Score a submission on tracks whose texts are known.

    Args:
        path: The zip file.
        samples: The tracks; those without a text are left out.

    Raises:
        DataError: It is not a submission, a line is of a track that `samples` lacks, or no text is known.
    """
    submitted = read_submission(path)
    tracks = [track_of(sample_id) for sample_id in samples.sample_ids]
    if strangers := sorted(submitted.keys() - set(tracks)):
        more = f" and {len(strangers) - 1} more" if len(strangers) > 1 else ""
        raise DataError(f"{path}: {strangers[0]}{more}: not a track of {samples.name}")
    columns = map(samples.column, ("text", "plate_id", "layout"))
    known = [row for row in zip(tracks, *columns, strict=True) if row[1]]
    if not known:
        raise DataError(f"{samples.name}: has no texts to score by")
    answers = [submitted.get(track) for track, *_ in known]
    right = np.array(
        [a is not None and a[0] == normalise(text) for a, (_, text, *_) in zip(answers, known, strict=True)],
        np.float64,
    )
    given = [index for index, answer in enumerate(answers) if answer is not None]
    gap = confidence_gap([a[1] for a in answers if a is not None], right[given] > 0) if given else None
    layouts = [layout or "unknown" for *_, layout in known]

    def rate(chosen: Iterable[int]) -> Estimate:
        places = list(chosen)
        plates = [known[index][2] for index in places]
        return ClusterBootstrap(plates).interval(right[places], is_share=True)

    total = rate(range(len(known)))
    return LrlprScore(
        recognition_rate=total,
        confidence_gap=gap,
        by_layout={
            name: rate(i for i, layout in enumerate(layouts) if layout == name)
            for name in sorted(set(layouts))
        },
        missing=len(known) - len(given),
        indistinct=_indistinct(total),
    )


def _indistinct(rate: Estimate) -> float | None:
    """The half-width of the interval of the difference between two independent shares that are both this one.

    It is made of the limits of each (Newcombe, Statistics in Medicine 17(8), 1998, method 10, with the exact
    limits by plates), so it is above 0 where none or all are right.
    """
    if rate.low is None or rate.high is None:
        return None
    return math.hypot(rate.value - rate.low, rate.high - rate.value)
