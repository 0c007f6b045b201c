"""Take a submission into the store: every score recomputed from the pictures, every oddity flagged."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
from pydantic import ValidationError

from mdlp_bench.engine import SERIAL, Engine
from mdlp_bench.errors import SubmissionError
from mdlp_bench.files import write_bytes
from mdlp_bench.harness.plan import ScoringPlan
from mdlp_bench.harness.run import Run, write_run
from mdlp_bench.harness.score import score
from mdlp_bench.leaderboard.copy_detection import SIGNATURE, Inspection, derive_flags, inspect_predictions
from mdlp_bench.leaderboard.dataset_cards import bound, complete_card, thumbnail, without_texts
from mdlp_bench.leaderboard.store import (
    ENTRIES,
    FLAG_RULES,
    THUMBNAILS,
    ClaimedScore,
    DatasetCard,
    Deprecation,
    Entry,
    EntryRecord,
    Store,
    name_problem,
)
from mdlp_bench.leaderboard.submission.form import Submission
from mdlp_bench.leaderboard.submission.validate import SubmittedPredictions, read_submission
from mdlp_bench.metrics.base import METRICS

if TYPE_CHECKING:
    from mdlp_bench.data.samples import Samples


def add(
    store: Store,
    archive: Path,
    samples: Samples,
    plan: ScoringPlan,
    *,
    engine: Engine = SERIAL,
) -> Entry:
    """Validate a submission, recompute its scores and store it: `add_all` of one."""
    (entry,) = add_all(store, [archive], samples, plan, engine=engine)
    return entry


def add_all(
    store: Store,
    archives: Sequence[Path],
    samples: Samples,
    plan: ScoringPlan,
    *,
    engine: Engine = SERIAL,
) -> list[Entry]:
    """Validate submissions, recompute their scores in one pass over the samples and store them in turn.

    If one has faults, none is stored. Each is flagged against the entries of the store and those before it.

    Args:
        store: The store.
        archives: The submissions; no two of one method and version.
        samples: The test set.
        plan: Readers and image scorers, the same as of the entries on the board, and the protocol, which the
            forms must name.
        engine: Where samples are scored; the entries do not depend on it.

    Raises:
        SubmissionError: A submission has faults, its version is in the store or in `archives` already, or its
            method's name belongs to somebody else.
        MdlpBenchError: As in `score`.
    """
    if not archives:
        return []
    slug, samples = bound(store, samples)
    with tempfile.TemporaryDirectory(prefix="mdlp-bench-") as work:
        taken: list[_Taken] = []
        for number, archive in enumerate(archives):
            one = _take(store, slug, archive, samples, Path(work) / str(number), plan.protocol.id)
            if any(one.target == other.target for other in taken):
                raise _versions_stay(one.target, one.submission)
            taken.append(one)
        _check_names([one.submission for one in taken], store.entries())
        with store.locked():
            card = complete_card(store, slug, samples, plan.readers)
        # In the same folder as the entries, so that one renaming puts each in its place.
        with tempfile.TemporaryDirectory(prefix=".adding-", dir=store.root) as made:
            predictions = [one.predictions for one in taken]
            folders = [Path(made) / str(number) for number in range(len(taken))]
            runs = score(predictions, samples, folders, plan, engine=engine)
            shown = {sample.sample_id for sample in card.browsed}
            seen = [inspect_predictions(one, samples, shown) for one in predictions]
            with store.locked():
                return _placed(store, slug, taken, runs, seen)


def _check_names(forms: Sequence[Submission], entries: Sequence[Entry]) -> None:
    for form in forms:
        problem = name_problem(form, entries)
        if problem is not None:
            raise SubmissionError(problem)


def _placed(
    store: Store, slug: str, taken: Sequence[_Taken], runs: Sequence[Run], seen: Sequence[Inspection]
) -> list[Entry]:
    """Put scored submissions into the store, flagged against the entries there; needs the store's lock."""
    for one in taken:
        if one.target.exists():
            raise _versions_stay(one.target, one.submission)
    card, known = store.card(slug), store.samples(slug)
    everything = store.entries()
    _check_names([one.submission for one in taken], everything)
    others = [entry for entry in everything if entry.record.dataset == slug]
    added: list[Entry] = []
    for one, run, inspection in zip(taken, runs, seen, strict=True):
        record = _written(one, run, inspection, card, others + added, known)
        one.target.parent.mkdir(parents=True, exist_ok=True)
        run.folder.replace(one.target)
        store.link("entry", one.target)
        added.append(Entry(one.target, record, Run(one.target)))
    placed = {entry.folder: entry for entry in store.entries()}
    return [placed[entry.folder] for entry in added]


@dataclass(frozen=True)
class _Taken:
    """A sound submission.

    Attributes:
        target: Its folder in the store, not there yet.
        predictions: Its form, pictures or readings.
    """

    target: Path
    predictions: SubmittedPredictions

    @property
    def submission(self) -> Submission:
        """Its form."""
        return self.predictions.form


def _take(store: Store, slug: str, archive: Path, samples: Samples, work: Path, protocol: str) -> _Taken:
    predictions = read_submission(archive, samples, work, (protocol,))
    target = store.entry_folder(predictions.form, slug)
    if target.exists():
        raise _versions_stay(target, predictions.form)
    return _Taken(target, predictions)


def _versions_stay(target: Path, submission: Submission) -> SubmissionError:
    return SubmissionError(
        f"{target}: there is an entry of {submission.method} {submission.version}; entries are "
        "never changed, submit a new version"
    )


def _written(
    taken: _Taken,
    run: Run,
    inspection: Inspection,
    card: DatasetCard,
    others: Sequence[Entry],
    samples: pa.Table | None,
) -> EntryRecord:
    """The entry's record, written with its thumbnails into the run's folder."""
    submission = taken.submission
    if inspection.kept:
        (run.folder / THUMBNAILS).mkdir()
    for sample_id, image in inspection.kept.items():
        write_bytes(run.folder / THUMBNAILS / f"{sample_id}.webp", thumbnail(image))
    run = _completed(run, submission, inspection, card)
    claimed = tuple(claims(submission, run))
    table = run.per_sample().sort_by("sample_id")
    record = EntryRecord(
        submission=submission,
        dataset=card.slug,
        added=max([datetime.now(UTC).isoformat(timespec="milliseconds"), *(e.record.added for e in others)]),
        archive_sha256=taken.predictions.archive_sha256,
        claimed_vs_recomputed=claimed,
        flags=derive_flags(submission, claimed, run, table, card, others, samples).flags,
        flag_rules=FLAG_RULES,
    )
    record.write(run.folder)
    return record


def claims(submission: Submission, run: Run) -> list[ClaimedScore]:
    """Claimed scores beside the recomputed ones."""
    found = []
    for name, claimed in submission.claimed.items():
        summary = run.summary.get(name)
        recomputed = None if summary is None else summary.mean
        unit = 10.0 ** -METRICS[name].decimals
        agrees = recomputed is not None and abs(claimed - recomputed) <= unit * (1 + 1e-9)
        found.append(ClaimedScore(metric=name, claimed=claimed, recomputed=recomputed, agrees=agrees))
    return found


def _completed(run: Run, submission: Submission, inspection: Inspection, card: DatasetCard) -> Run:
    """The run with the declared run time and what was seen in the outputs."""
    table = inspection.append_to(run.per_sample()).sort_by("sample_id")
    if not card.texts:
        table = without_texts(table)
    if not card.thumbnails and SIGNATURE in table.column_names:
        # A signature is a picture too, though a very small one.
        table = table.drop_columns([SIGNATURE])
    runtime = submission.runtime_per_image_s
    changed = {
        "milliseconds_per_image": None if runtime is None else 1000 * runtime,
        "prediction_seconds": 0.0,
    }
    return write_run(run.folder, run.record.model_copy(update=changed), table, run.summary)


def deprecate(store: Store, method: str, version: str, reason: str) -> None:
    """Mark a version as withdrawn; its entries stay.

    Raises:
        SubmissionError: There is no such version, or the reason is too short.
    """
    folder = store.root / ENTRIES / method / version
    if not folder.is_dir():
        raise SubmissionError(f"{folder}: no such version; give a method and version of the store")
    if (folder / Deprecation.file_name).exists():
        raise SubmissionError(f"{folder}: has been withdrawn already, which is final")
    try:
        record = Deprecation(reason=reason, date=datetime.now(UTC).date().isoformat())
    except ValidationError as error:
        raise SubmissionError("the reason must have 3 to 300 characters; say why it is withdrawn") from error
    with store.locked():
        record.write(folder)
        store.link("deprecation", folder)
