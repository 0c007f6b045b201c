"""Read a submission in one pass: all faults are reported at once, and every picture is decoded once."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from mdlp_bench.harness.predict import Prediction, Predictions
from mdlp_bench.harness.run import DatasetRecord, Environment, PredictionsRecord
from mdlp_bench.images import ImageU8
from mdlp_bench.leaderboard.submission.archive import Archive, open_archive
from mdlp_bench.leaderboard.submission.faults import Faults, listed, printable
from mdlp_bench.leaderboard.submission.form import (
    PREDICTIONS_FOLDER,
    READINGS_FILE,
    README_FILE,
    SUBMISSION_FILE,
    Submission,
    parse_submission,
)
from mdlp_bench.leaderboard.submission.png import PngError, read_png
from mdlp_bench.leaderboard.submission.readings import parse_readings
from mdlp_bench.leaderboard.submission.readme_txt import check_agreement, parse_readme
from mdlp_bench.methods.base import Output
from mdlp_bench.metrics.protocol import CURRENT, WORKING_SIZE
from mdlp_bench.readers.base import Reading

if TYPE_CHECKING:
    from mdlp_bench.data.samples import Samples

_PNG: Final = ".png"
# What `mdlp_bench.schema` demands of a sample_id, so that it can be a file name.
_SAMPLE_ID: Final = re.compile(r"[\w-][\w.-]*")
_SPLITS: Final = ("train-", "val-", "test-")

Take = Callable[[str, ImageU8], None]


@dataclass
class Report:
    """What was found in a submission.

    Attributes:
        path: The archive.
        faults: Everything that is wrong; empty for a valid submission.
        submission: Its form, when that can be read.
        sample_ids: Samples with a sound picture or reading.
        readings: The readings of a text method, by sample id.
        ignored: Files in it that an operating system added.
        sha256: SHA-256 of the archive.
    """

    path: Path
    faults: Faults = field(default_factory=Faults)
    submission: Submission | None = None
    sample_ids: list[str] = field(default_factory=list)
    readings: dict[str, Reading] = field(default_factory=dict)
    ignored: int = 0
    sha256: str = ""

    @property
    def valid(self) -> bool:
        """Whether there is no fault."""
        return not len(self.faults)

    def __str__(self) -> str:
        form = self.submission
        if form is None:
            return f"{self.path.name}: not valid"
        found = "readings" if form.output == "text" else "pictures"
        ignored = f"; {self.ignored:,} files of the operating system ignored" if self.ignored else ""
        return (
            f"{printable(form.method)} {form.version}: {len(self.sample_ids):,} sound {found}, "
            f"form complete{ignored}"
        )


class SubmittedPredictions(Predictions):
    """What a valid submission holds, as predictions: its pictures lie decoded in one file.

    Attributes:
        form: Its form.
        archive_sha256: SHA-256 of the archive.
    """

    def __init__(self, report: Report, form: Submission, samples: Samples, folder: Path) -> None:
        self.folder = folder
        self.form = form
        self.archive_sha256 = report.sha256
        self._readings = report.readings
        self._ids = list(samples.sample_ids)
        n = len(self._ids)
        self.record = PredictionsRecord(
            status="complete",
            method=form.descriptor(),
            dataset=DatasetRecord(name=samples.name, fingerprint=samples.fingerprint, n_samples=n),
            seed=form.seed or 0,
            batch_size=1,
            shard_size=n,
            device=form.device,
            environment=Environment.current(),
        )

    def __iter__(self) -> Iterator[Prediction]:
        """The predictions in the order of the samples."""
        if self.form.output == "text":
            for sample_id in self._ids:
                yield Prediction(sample_id, None, None, self._readings[sample_id])
            return
        pictures = _pixels(self.folder, len(self._ids), "r")
        for sample_id, image in zip(self._ids, pictures, strict=True):
            yield Prediction(sample_id, np.array(image), None)


def validate(path: Path, sample_ids: Collection[str] | None = None) -> Report:
    """Check an archive as a whole; nothing is written.

    Args:
        path: The zip file.
        sample_ids: The test set's ids; without them completeness cannot be checked.

    Returns:
        The form and all faults.
    """
    return _read(path, sample_ids, lambda sample_id, image: None, (CURRENT.id,))


def read_submission(
    path: Path, samples: Samples, folder: Path, protocols: Collection[str] = (CURRENT.id,)
) -> SubmittedPredictions:
    """Read a submission of a test set.

    Args:
        path: The zip file.
        samples: The test set.
        folder: An empty or new folder for the decoded pictures.
        protocols: Those that the form may name.

    Raises:
        SubmissionError: The archive has faults; the first is named.
    """
    ids = list(samples.sample_ids)
    places = {sample_id: place for place, sample_id in enumerate(ids)}
    folder.mkdir(parents=True, exist_ok=True)
    pictures = _pixels(folder, len(ids), "w+")

    def take(sample_id: str, image: ImageU8) -> None:
        pictures[places[sample_id]] = image

    report = _read(path, ids, take, protocols)
    if not report.valid or report.submission is None:
        raise report.faults.error(path.name)
    pictures.flush()
    return SubmittedPredictions(report, report.submission, samples, folder)


def _pixels(folder: Path, n: int, mode: str) -> np.memmap[tuple[int, ...], np.dtype[np.uint8]]:
    """Pictures on disk, uint8 RGB [n, 112, 224, 3]; sparse until they are written."""
    return np.memmap(folder / "pictures.u8", np.uint8, mode, shape=(n, *WORKING_SIZE, 3))  # type: ignore[call-overload, no-any-return]


def _read(path: Path, sample_ids: Collection[str] | None, take: Take, protocols: Collection[str]) -> Report:
    report = Report(path)
    archive = open_archive(path, report.faults)
    if archive is None:
        return report
    with archive:
        report.ignored = archive.ignored
        report.sha256 = archive.sha256()
        output = _check_forms(archive, report, protocols)
        if output == "text":
            _take_readings(archive, report, sample_ids)
        else:
            _take_pictures(archive, report, sample_ids, take)
    return report


def _check_forms(archive: Archive, report: Report, protocols: Collection[str]) -> Output:
    """Check the form, the readme and the names; what the archive's method gives."""
    faults = report.faults
    if SUBMISSION_FILE in archive.members:
        content = archive.read(SUBMISSION_FILE, faults)
        report.submission = None if content is None else parse_submission(content, faults, protocols)
    elif SUBMISSION_FILE not in archive.refused:
        faults.add(
            "yaml",
            SUBMISSION_FILE,
            "missing at the top of the archive",
            "write it with `mdlp-bench leaderboard pack --init`",
        )
    if README_FILE in archive.members:
        content = archive.read(README_FILE, faults)
        readme = None if content is None else parse_readme(content, faults)
        if readme is not None and report.submission is not None:
            check_agreement(readme, report.submission, faults)
    if report.submission is not None:
        output = report.submission.output
    else:
        output = "text" if READINGS_FILE in archive.members.keys() | archive.refused else "image"
    wanted = READINGS_FILE if output == "text" else f"{PREDICTIONS_FOLDER}<sample_id>{_PNG}"
    for name in archive.members:
        expected = name == READINGS_FILE if output == "text" else _stem(name) is not None
        if name not in (SUBMISSION_FILE, README_FILE) and not expected:
            faults.add(
                "unexpected",
                name,
                f"does not belong in a submission of {output}s",
                f"keep to {SUBMISSION_FILE}, {README_FILE} and {wanted}",
            )
    return output


def _take_readings(archive: Archive, report: Report, sample_ids: Collection[str] | None) -> None:
    if READINGS_FILE in archive.refused:
        return
    found: dict[str, Reading | None] | None = {}
    if READINGS_FILE in archive.members:
        content = archive.read(READINGS_FILE, report.faults)
        found = None if content is None else parse_readings(content, report.faults, sample_ids)
    if found is not None:
        report.readings = {sample_id: reading for sample_id, reading in found.items() if reading}
        report.sample_ids = list(report.readings)
        _check_completeness(found, READINGS_FILE, "reading", report.faults, sample_ids)


def _take_pictures(archive: Archive, report: Report, sample_ids: Collection[str] | None, take: Take) -> None:
    """Hand every sound picture of the test set on, with its sample id."""
    ids = None if sample_ids is None else ids_by_stem(sample_ids)
    named: dict[str, str] = {}
    for name in (*archive.members, *sorted(archive.refused)):
        stem = _stem(name)
        if stem is None:
            continue
        sample_id = stem if ids is None else ids.get(stem)
        if sample_id is None and name in archive.refused:
            continue
        if sample_id is None:
            report.faults.add(
                "unknown-id", name, "no sample of the test set", "leave it out, or correct its name"
            )
        elif sample_id in named:
            first = printable(named[sample_id])
            report.faults.add("twice", name, f"is of the sample of {first}", "give one picture per sample")
        else:
            named[sample_id] = name
            content = archive.read(name, report.faults) if name in archive.members else None
            if content is not None:
                try:
                    take(sample_id, read_png(content))
                    report.sample_ids.append(sample_id)
                except PngError as fault:
                    report.faults.add(fault.code, name, fault.problem, fault.remedy)
    _check_completeness(named, PREDICTIONS_FOLDER, "picture", report.faults, sample_ids)


def ids_by_stem(sample_ids: Iterable[str]) -> dict[str, str]:
    """Sample ids by the names that pictures of them may have: the id, or MDLP's group.

    A group is the id without its split; one that occurs in two splits names no sample.
    """
    ids = list(sample_ids)
    groups: dict[str, list[str]] = {}
    for sample_id in ids:
        for split in _SPLITS:
            if sample_id.startswith(split):
                groups.setdefault(sample_id.removeprefix(split), []).append(sample_id)
    return {group: one[0] for group, one in groups.items() if len(one) == 1} | {i: i for i in ids}


def _stem(name: str) -> str | None:
    """The name of a picture without folder and extension; None for any other file."""
    if not name.startswith(PREDICTIONS_FOLDER) or not name.lower().endswith(_PNG):
        return None
    stem = name.removeprefix(PREDICTIONS_FOLDER)[: -len(_PNG)]
    return stem if _SAMPLE_ID.fullmatch(stem) else None


def _check_completeness(
    named: Mapping[str, object], where: str, kind: str, faults: Faults, sample_ids: Collection[str] | None
) -> None:
    if not named:
        faults.add("missing", where, f"holds no {kind}", f"add one {kind} per sample")
        return
    missing = [sample_id for sample_id in sample_ids or () if sample_id not in named]
    if missing:
        faults.add(
            "missing",
            where,
            f"{len(missing):,} of {len(sample_ids or ()):,} samples have no {kind}: {listed(missing)}",
            f"give every sample its {kind}, also one on which the method fails",
        )
