"""Check a submission: every fault at once, nothing written, nothing believed."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mdlp_bench.errors import SubmissionError
from mdlp_bench.files import sha256_file
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
from mdlp_bench.leaderboard.submission.png import PngError, clean_png
from mdlp_bench.leaderboard.submission.readings import SubmittedReadings, parse_readings
from mdlp_bench.leaderboard.submission.readme_txt import check_agreement, parse_readme
from mdlp_bench.methods.base import Output
from mdlp_bench.methods.registry import FolderMethod
from mdlp_bench.readers.base import Reading

_PNG: Final = ".png"
# What `mdlp_bench.schema` demands of a sample_id, so that it can be a file name.
_SAMPLE_ID: Final = re.compile(r"[\w-][\w.-]*")


@dataclass
class Report:
    """What was found in a submission.

    Attributes:
        path: The archive.
        faults: Everything that is wrong; empty for a valid submission.
        submission: Its form, when that can be read.
        sample_ids: Samples with a sound picture or reading.
    """

    path: Path
    faults: Faults = field(default_factory=Faults)
    submission: Submission | None = None
    sample_ids: list[str] = field(default_factory=list)

    @property
    def valid(self) -> bool:
        """Whether there is no fault."""
        return not len(self.faults)


def validate(path: Path, sample_ids: Collection[str] | None = None) -> Report:
    """Check an archive as a whole.

    Args:
        path: The zip file.
        sample_ids: The test set's ids; without them completeness cannot be checked.

    Returns:
        The form and all faults.
    """
    report = Report(path)
    archive = open_archive(path, report.faults)
    if archive is None:
        return report
    with archive:
        output = _check_forms(archive, report)
        if output == "text":
            readings = _readings(archive, report.faults, sample_ids)
            if readings is not None:
                report.sample_ids.extend(sample_id for sample_id, reading in readings.items() if reading)
                _check_completeness(readings, READINGS_FILE, "reading", report.faults, sample_ids)
        else:
            for sample_id, _ in _pictures(archive, report.faults, sample_ids):
                report.sample_ids.append(sample_id)
            named = {_sample_id(name) for name in archive.members.keys() | archive.refused} - {None}
            _check_completeness(named, PREDICTIONS_FOLDER, "picture", report.faults, sample_ids)
    return report


def extract(
    path: Path, folder: Path, sample_ids: Collection[str]
) -> tuple[Submission, FolderMethod | SubmittedReadings, str]:
    """Take out what a valid archive holds; pictures are written as `<folder>/<sample_id>.png`.

    File names are made from the data set's ids, never from the archive, and the pictures are rebuilt from
    their pixels.

    Args:
        path: The zip file.
        folder: An empty or new folder.
        sample_ids: The test set's ids.

    Returns:
        The form, the method that gives what was submitted, and the archive's SHA-256.

    Raises:
        SubmissionError: The archive has faults (the first is named), or changed meanwhile.
    """
    report = validate(path, sample_ids)
    form = report.submission
    if not report.valid or form is None:
        raise report.faults.error(path.name)
    faults = Faults()
    archive = open_archive(path, faults)
    readings: dict[str, Reading] = {}
    written = 0
    if archive is not None:
        folder.mkdir(parents=True, exist_ok=True)
        with archive:
            if form.output == "text":
                found = _readings(archive, faults, sample_ids) or {}
                readings = {sample_id: reading for sample_id, reading in found.items() if reading}
            else:
                for sample_id, content in _pictures(archive, faults, sample_ids):
                    (folder / f"{sample_id}{_PNG}").write_bytes(content)
                    written += 1
    if len(faults) or written + len(readings) != len(sample_ids):
        raise SubmissionError(f"{path}: changed while it was read; add it again")
    method: FolderMethod | SubmittedReadings
    method = SubmittedReadings(readings) if form.output == "text" else FolderMethod(folder)
    method.descriptor = form.descriptor()
    return form, method, sha256_file(path)


def _check_forms(archive: Archive, report: Report) -> Output:
    """Check the form, the readme and the names; what the archive's method gives."""
    faults = report.faults
    if SUBMISSION_FILE in archive.members:
        content = archive.read(SUBMISSION_FILE, faults)
        report.submission = None if content is None else parse_submission(content, faults)
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
        expected = name == READINGS_FILE if output == "text" else _sample_id(name) is not None
        if name not in (SUBMISSION_FILE, README_FILE) and not expected:
            faults.add(
                "unexpected",
                name,
                f"does not belong into a submission of {output}s",
                f"keep to {SUBMISSION_FILE}, {README_FILE} and {wanted}",
            )
    return output


def _readings(
    archive: Archive, faults: Faults, sample_ids: Collection[str] | None
) -> dict[str, Reading | None] | None:
    """What `parse_readings` gives; nothing of an archive without the file."""
    if READINGS_FILE in archive.refused:
        return None
    if READINGS_FILE not in archive.members:
        return {}
    content = archive.read(READINGS_FILE, faults)
    return None if content is None else parse_readings(content, faults, sample_ids)


def _pictures(
    archive: Archive, faults: Faults, sample_ids: Collection[str] | None
) -> Iterator[tuple[str, bytes]]:
    """Sample id and clean PNG of every sound picture of the test set."""
    known = None if sample_ids is None else frozenset(sample_ids)
    for name in archive.members:
        sample_id = _sample_id(name)
        if sample_id is None:
            continue
        if known is not None and sample_id not in known:
            faults.add("unknown-id", name, "no sample of the test set", "leave it out, or fix its name")
            continue
        content = archive.read(name, faults)
        if content is None:
            continue
        try:
            yield sample_id, clean_png(content)
        except PngError as fault:
            faults.add(fault.code, name, fault.problem, fault.remedy)


def _sample_id(name: str) -> str | None:
    """The id a picture's name stands for; None for any other name."""
    if not name.startswith(PREDICTIONS_FOLDER) or not name.endswith(_PNG):
        return None
    sample_id = name.removeprefix(PREDICTIONS_FOLDER).removesuffix(_PNG)
    return sample_id if _SAMPLE_ID.fullmatch(sample_id) else None


def _check_completeness(
    named: Collection[str | None], where: str, kind: str, faults: Faults, sample_ids: Collection[str] | None
) -> None:
    if not named:
        faults.add("missing", where, f"holds no {kind}", f"add one {kind} a sample")
        return
    missing = [sample_id for sample_id in sample_ids or () if sample_id not in named]
    if missing:
        faults.add(
            "missing",
            where,
            f"{len(missing):,} of {len(sample_ids or ()):,} samples have no {kind}: {listed(missing)}",
            f"give every sample its {kind}, also one on which the method fails",
        )


def summary(report: Report) -> str:
    """One line about a valid submission."""
    form = report.submission
    if form is None:
        return f"{report.path.name}: not valid"
    found = "readings" if form.output == "text" else "pictures"
    return f"{printable(form.method)} {form.version}: {len(report.sample_ids):,} sound {found}, form complete"
