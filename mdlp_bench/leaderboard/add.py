"""Take a submission into the store: every score recomputed from the pictures, every oddity flagged."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from pydantic import ValidationError

from mdlp_bench.engine import SERIAL, Engine
from mdlp_bench.errors import ProtocolError, SubmissionError
from mdlp_bench.files import sha256_bytes, write_bytes
from mdlp_bench.harness.plan import ScoringPlan
from mdlp_bench.harness.predict import chunks, decode_frames, decode_ground_truth
from mdlp_bench.harness.run import Run, write_run
from mdlp_bench.harness.score import score
from mdlp_bench.images import ImageU8, encode
from mdlp_bench.leaderboard.copy_detection import Inspection, flags_of, inspect_predictions
from mdlp_bench.leaderboard.store import (
    DATASETS,
    ENTRIES,
    OUTPUT_HASH,
    THUMBNAILS,
    BrowsedSample,
    ClaimedScore,
    DatasetCard,
    Deprecation,
    Entry,
    EntryRecord,
    Store,
    dataset_slug,
    reader_key,
)
from mdlp_bench.leaderboard.submission.form import Submission
from mdlp_bench.leaderboard.submission.validate import SubmittedPredictions, read_submission
from mdlp_bench.metrics.base import METRICS
from mdlp_bench.metrics.protocol import to_working_size
from mdlp_bench.metrics.text import accuracy, ned
from mdlp_bench.readers.base import Reader

if TYPE_CHECKING:
    from mdlp_bench.data.samples import Samples

BROWSED: Final = 48
"""Samples of a data set that the site shows pictures of."""

_BoundScores = dict[str, dict[str, list[float]]]

_WEBP_QUALITY: Final = 80
_CHUNK: Final = 64


def add(
    store: Store,
    archive: Path,
    samples: Samples,
    plan: ScoringPlan,
    *,
    engine: Engine = SERIAL,
    progress: bool = False,
) -> Entry:
    """Validate a submission, recompute its scores and store it: `add_all` of one."""
    (entry,) = add_all(store, [archive], samples, plan, engine=engine, progress=progress)
    return entry


def add_all(
    store: Store,
    archives: Sequence[Path],
    samples: Samples,
    plan: ScoringPlan,
    *,
    engine: Engine = SERIAL,
    progress: bool = False,
) -> list[Entry]:
    """Validate submissions, recompute their scores in one pass over the samples and store them in turn.

    None is stored if one has faults. Each is flagged against the entries of the store and those before it.

    Args:
        store: The store.
        archives: The submissions; no two of one method and version.
        samples: The test set.
        plan: Readers and image scorers; those of the entries they are to be ranked with.
        engine: Where samples are scored; the entries do not depend on it.
        progress: Show bars on standard error.

    Raises:
        SubmissionError: A submission has faults, or its version is in the store or in `archives` already.
        MdlpBenchError: As in `score`.
    """
    if not archives:
        return []
    slug = dataset_slug(samples.name, samples.fingerprint)
    with tempfile.TemporaryDirectory(prefix="mdlp-bench-") as work:
        taken: list[_Taken] = []
        for number, archive in enumerate(archives):
            one = _take(store, slug, archive, samples, Path(work) / str(number))
            if any(one.target == other.target for other in taken):
                raise _versions_stay(one.target, one.submission)
            taken.append(one)
        others = [entry for entry in store.entries() if entry.record.dataset == slug]
        store.root.mkdir(parents=True, exist_ok=True)
        added: list[Entry] = []
        # Beside the entries, so that each takes its place by one renaming.
        with tempfile.TemporaryDirectory(prefix=".adding-", dir=store.root) as made:
            predictions = [one.predictions for one in taken]
            folders = [Path(made) / str(number) for number in range(len(taken))]
            runs = score(predictions, samples, folders, plan, engine=engine, progress=progress)
            card = _card(store, slug, samples, plan.readers)
            for one, run in zip(taken, runs, strict=True):
                record = _written(one, run, samples, card, others + added)
                one.target.parent.mkdir(parents=True, exist_ok=True)
                run.folder.replace(one.target)
                added.append(Entry(one.target, record, Run(one.target)))
    return added


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


def _take(store: Store, slug: str, archive: Path, samples: Samples, work: Path) -> _Taken:
    predictions = read_submission(archive, samples, work)
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
    taken: _Taken, run: Run, samples: Samples, card: DatasetCard, others: Sequence[Entry]
) -> EntryRecord:
    """The entry's record, written with its thumbnails into the run's folder."""
    submission = taken.submission
    inspection = inspect_predictions(
        taken.predictions, samples, {sample.sample_id for sample in card.browsed}
    )
    (run.folder / THUMBNAILS).mkdir()
    for sample_id, image in inspection.kept.items():
        write_bytes(run.folder / THUMBNAILS / f"{sample_id}.webp", encode(image, "webp", _WEBP_QUALITY))
    run = _completed(run, submission, inspection)
    claimed = tuple(claims(submission, run))
    record = EntryRecord(
        submission=submission,
        dataset=card.slug,
        added=datetime.now(UTC).isoformat(timespec="milliseconds"),
        archive_sha256=taken.predictions.archive_sha256,
        claimed_vs_recomputed=claimed,
        flags=flags_of(submission, claimed, inspection, run, card, others),
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


def _completed(run: Run, submission: Submission, inspection: Inspection) -> Run:
    """The run with the declared run time and the hashes of what was submitted."""
    table = run.per_sample()
    hashes = [inspection.hashes.get(sample_id) for sample_id in table["sample_id"].to_pylist()]
    table = table.append_column(OUTPUT_HASH, [hashes])
    runtime = submission.runtime_per_image_s
    changed = {
        "milliseconds_per_image": None if runtime is None else 1000 * runtime,
        "prediction_seconds": 0.0,
    }
    return write_run(run.folder, run.record.model_copy(update=changed), table, run.summary)


def _card(store: Store, slug: str, samples: Samples, readers: Sequence[Reader]) -> DatasetCard:
    """The data set's card, made or completed with what these readers see in it."""
    keys = [reader_key(reader.descriptor) for reader in readers]
    if (store.dataset_folder(slug) / DatasetCard.file_name).is_file():
        card = store.card(slug)
        if card.fingerprint != samples.fingerprint:
            raise ProtocolError(f"{samples.name}: not the samples that {slug} stands for; use those")
        if all(key in card.ceilings for key in keys):
            return card
    else:
        card = _new_card(slug, samples)
    ceilings, floors = _bounds(samples, readers)
    shown = _browsed(store.root / DATASETS / slug / THUMBNAILS, card.browsed, samples, readers)
    known = {"ceilings": card.ceilings | ceilings, "floors": card.floors | floors}
    card = card.model_copy(update={**known, "browsed": shown})
    store.write_card(card)
    return card


def _new_card(slug: str, samples: Samples) -> DatasetCard:
    columns: dict[str, list[str | None]] = {}
    for batch in samples.batches(4096, ["sample_id", "plate_id", "domain", "layout", "text"]):
        for name, values in batch.to_pydict().items():
            columns.setdefault(name, []).extend(values)
    domains = set(columns["domain"])
    layouts = Counter(layout or "unknown" for layout in columns["layout"])
    ids = [str(sample_id) for sample_id in columns["sample_id"]]
    # A fixed choice that does not follow the order of the data: by hash.
    chosen = set(sorted(ids, key=lambda sample_id: sha256_bytes(sample_id.encode()))[:BROWSED])
    rows = zip(ids, columns["text"], columns["layout"], strict=True)
    return DatasetCard(
        slug=slug,
        name=samples.name,
        fingerprint=samples.fingerprint,
        n_samples=len(ids),
        n_plates=len(set(columns["plate_id"])),
        domain="mixed" if len(domains) > 1 else "real" if domains == {"real"} else "synthetic",
        layouts=dict(sorted(layouts.items())),
        ceilings={},
        floors={},
        browsed=tuple(
            BrowsedSample(sample_id=i, text=text, layout=layout, n_frames=0, has_truth=False)
            for i, text, layout in rows
            if i in chosen
        ),
    )


def _bounds(
    samples: Samples, readers: Sequence[Reader]
) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, float]]]:
    """NED and ACC of each reader on the ground truths and on the first frames, where there is a text."""
    found: tuple[_BoundScores, _BoundScores] = ({}, {})
    for rows in chunks(samples.rows(("sample_id", "frames", "gt", "text")), _CHUNK):
        with_text = [row for row in rows if row["text"]]
        truths = [decode_ground_truth(row) for row in with_text]
        inputs: list[ImageU8 | None] = [decode_frames(row)[0] for row in with_text]
        for shown, scores in zip((truths, inputs), found, strict=True):
            known = [(i, row["text"]) for i, row in zip(shown, with_text, strict=True) if i is not None]
            if not known:
                continue
            images, texts = [to_working_size(image) for image, _ in known], [text for _, text in known]
            for reader in readers:
                read = [reading.text for reading in reader.read(images)]
                own = scores.setdefault(reader_key(reader.descriptor), {"ned": [], "acc": []})
                own["ned"] += ned(read, texts).tolist()
                own["acc"] += accuracy(read, texts).tolist()
    ceilings, floors = (
        {key: {name: float(np.mean(v)) for name, v in own.items()} for key, own in scores.items()}
        for scores in found
    )
    return ceilings, floors


def _browsed(
    folder: Path, browsed: Sequence[BrowsedSample], samples: Samples, readers: Sequence[Reader]
) -> tuple[BrowsedSample, ...]:
    """The shown samples with their pictures written and read by the readers."""
    by_id = {sample.sample_id: sample for sample in browsed}
    for row in samples.select(sample_ids=list(by_id)).rows(("sample_id", "frames", "gt")):
        sample_id = row["sample_id"]
        frames = [to_working_size(frame) for frame in decode_frames(row)[:3]]
        truth = decode_ground_truth(row)
        pictures = {f"{sample_id}-f{n}": frame for n, frame in enumerate(frames, start=1)}
        if truth is not None:
            truth = to_working_size(truth)
            pictures[f"{sample_id}-gt"] = truth
        for name, image in pictures.items():
            write_bytes(folder / f"{name}.webp", encode(image, "webp", _WEBP_QUALITY))
        known = by_id[sample_id]
        frame_texts, truth_texts = dict(known.frame_texts), dict(known.truth_texts)
        for reader in readers:
            key = reader_key(reader.descriptor)
            frame_texts[key] = tuple(reading.text for reading in reader.read(frames))
            if truth is not None:
                truth_texts[key] = reader.read([truth])[0].text
        by_id[sample_id] = known.model_copy(
            update={
                "n_frames": len(frames),
                "has_truth": truth is not None,
                "frame_texts": frame_texts,
                "truth_texts": truth_texts,
            }
        )
    return tuple(by_id.values())


def deprecate(store: Store, method: str, version: str, reason: str) -> None:
    """Mark a version as withdrawn; its entries stay.

    Raises:
        SubmissionError: There is no such version, or the reason is too short.
    """
    folder = store.root / ENTRIES / method / version
    if not folder.is_dir():
        raise SubmissionError(f"{folder}: no such version; give a method and version of the store")
    try:
        record = Deprecation(reason=reason, date=datetime.now(UTC).date().isoformat())
    except ValidationError as error:
        raise SubmissionError("the reason must have 3 to 300 characters; say why it is withdrawn") from error
    record.write(folder)
