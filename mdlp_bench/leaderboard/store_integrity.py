"""Tests of a store as a whole: its chain, its files, and every number derived again from the samples."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from mdlp_bench.errors import DataError, MdlpBenchError, ProtocolError, reason
from mdlp_bench.harness.run import MetricSummary, RunRecord, count_differing, float_column
from mdlp_bench.harness.score import reader_ceilings, reader_columns
from mdlp_bench.harness.statistics import ClusterBootstrap
from mdlp_bench.harness.statistics.clusters import FloatArray
from mdlp_bench.harness.summarise import (
    Counts,
    summarise_abstaining,
    summarise_columns,
    summarise_confidence,
)
from mdlp_bench.harness.text_columns import GtReadings
from mdlp_bench.images import decode
from mdlp_bench.leaderboard import chain
from mdlp_bench.leaderboard.add import claims
from mdlp_bench.leaderboard.boards import DISTANCES, TEXT_METRICS
from mdlp_bench.leaderboard.chain import RESTORE
from mdlp_bench.leaderboard.copy_detection import (
    GT_RESIDUAL,
    derive_flags,
    signature,
    signatures,
)
from mdlp_bench.leaderboard.dataset_cards import chosen_ids, derived_card, fingerprint_of
from mdlp_bench.leaderboard.store import (
    DATASETS,
    ENTRIES,
    OUTPUT_HASH,
    SAMPLES,
    THUMBNAILS,
    DatasetCard,
    Deprecation,
    Entry,
    EntryRecord,
    Store,
    name_problem,
    reader_key,
)
from mdlp_bench.leaderboard.submission.faults import Faults
from mdlp_bench.leaderboard.submission.form import read_name
from mdlp_bench.metrics.base import METRICS
from mdlp_bench.metrics.protocol import WORKING_SIZE, Protocol

TOLERANCE: Final = 1e-6
"""How much a stored number may differ from the derived one: other machines round otherwise."""

_INTERVAL_TOLERANCE: Final = 0.05
"""The share of its width by which an interval's end may differ between releases."""

_THUMBNAIL_TOLERANCE: Final = 4.0
"""Grey levels; the changes of a signature by lossy compression stay below this.

At most 2.9 on the bundled board, where the nearest other picture of a method differs by 5.3.
"""

_PSNR_TOLERANCE: Final = 1.0
"""Decibels between a stored PSNR and that of the thumbnails, which are at most 0.4 on the bundled board."""

_LOSS: Final = 30.0
"""Squared grey levels that lossy compression of the two thumbnails may add to a mean squared error."""

_ENTRY_FILES: Final = frozenset(
    (EntryRecord.file_name, RunRecord.file_name, "summary.json", "per_sample.parquet")
)
_DATASET_FILES: Final = frozenset((DatasetCard.file_name, SAMPLES))
_OF_SAMPLES: Final = ("sample_id", "plate_id", "text", "layout")
_CONFIDENCE: Final = ("ece", "confidence_gap")

_Found = Iterator[str]


def check_store(store: Store, since: Path | None = None) -> Faults:
    """Check everything in a store; nothing is changed.

    Args:
        store: The store.
        since: An earlier copy of it, whose chain this one must continue.
    """
    faults = Faults()
    if not store.root.is_dir():
        faults.add("store", str(store.root), "no such folder", "name the folder that holds entries/")
        return faults
    _check_structure(store, faults)
    _check_chain(store, since, faults)
    try:
        entries = store.entries()
        cards = {slug: store.card(slug) for slug in sorted({entry.record.dataset for entry in entries})}
    except MdlpBenchError as error:
        faults.add("record", str(store.root), *_split(str(error)))
        return faults
    for slug, card in cards.items():
        _check_dataset(store, card, [entry for entry in entries if entry.record.dataset == slug], faults)
    _check_times(store, entries, faults)
    _check_names(store, entries, faults)
    return faults


def _check_structure(store: Store, faults: Faults) -> None:
    """Check that a store holds only what belongs in it, as regular files."""
    for path in sorted(store.root.rglob("*")):
        if path.is_symlink():
            faults.add("link", _named(store, path), "a link; a store holds files alone", "delete it")
    for path in sorted(store.root.glob(".adding-*")):
        faults.add("structure", _named(store, path), "left by an add that was stopped", "delete it")
    for folder, files in [
        *((version, {Deprecation.file_name}) for version in _folders(store.root / ENTRIES, 2)),
        *((method, set[str]()) for method in _folders(store.root / ENTRIES, 1)),
    ]:
        for path in sorted(folder.iterdir()):
            if not path.is_dir() and path.name not in files:
                faults.add("structure", _named(store, path), "does not belong in a store", "delete it")
    for root, depth, expected in ((ENTRIES, 3, _ENTRY_FILES), (DATASETS, 1, _DATASET_FILES)):
        for folder in _folders(store.root / root, depth):
            names = {path.name for path in folder.iterdir()}
            for name in sorted(expected - names - {SAMPLES}):
                faults.add("structure", _named(store, folder), f"no {name} in it", RESTORE)
            for name in sorted(names - expected - {THUMBNAILS}):
                faults.add(
                    "structure", _named(store, folder / name), f"does not belong in {root}", "delete it"
                )


def _check_chain(store: Store, since: Path | None, faults: Faults) -> None:
    on_disk = {_named(store, folder): kind for folder, kind in store.folders()}
    cards = (store.root / DATASETS).glob(f"*/{SAMPLES}")
    if not (store.root / chain.CHAIN).exists():
        if any(cards):
            faults.add("chain", chain.CHAIN, "is missing", RESTORE)
    else:
        try:
            for where, problem, remedy in chain.problems(store.root, chain.read_chain(store.root), on_disk):
                faults.add("chain", where, problem, remedy)
        except MdlpBenchError as error:
            faults.add("chain", chain.CHAIN, *_split(str(error).partition(": ")[2]))
    for where, problem, remedy in () if since is None else chain.extends(store.root, since):
        faults.add("chain", where, problem, remedy)


def _check_times(store: Store, entries: Sequence[Entry], faults: Faults) -> None:
    """Check that entries were added in the order of the chain."""
    try:
        order = [link.folder for link in chain.read_chain(store.root) if link.kind == "entry"]
    except MdlpBenchError:
        return
    added = {_named(store, entry.folder): entry.record.added for entry in entries}
    times = [(added[folder], folder) for folder in order if folder in added]
    for (before, _), (now, folder) in itertools.pairwise(times):
        if now < before:
            faults.add("record", folder, f"added at {now}, but chained after one of {before}", RESTORE)


def _check_names(store: Store, entries: Sequence[Entry], faults: Faults) -> None:
    """Check that no method or board has another's name; what is older than this rule is left alone."""
    for number, entry in enumerate(entries):
        try:
            ruled = GT_RESIDUAL in entry.table.column_names
        except MdlpBenchError:
            continue
        problem = name_problem(entry.record.submission, entries[:number]) if ruled else None
        if problem is not None:
            faults.add("name", _named(store, entry.folder), *_split(problem))
    names: dict[str, str] = {}
    for card in store.cards():
        first = names.setdefault(read_name(card.name), card.slug)
        if first != card.slug and card.samples_sha256 is not None:
            faults.add("name", card.slug, f"has the name of {first}", RESTORE)


def _split(message: str) -> tuple[str, str]:
    problem, _, remedy = message.rpartition("; ")
    return problem or remedy, remedy if problem else RESTORE


def _named(store: Store, path: Path) -> str:
    return path.relative_to(store.root).as_posix()


def _folders(root: Path, depth: int) -> Iterator[Path]:
    return (path for path in sorted(root.glob("/".join("*" * depth))) if path.is_dir())


@dataclass(frozen=True)
class _Dataset:
    """What the entries of a data set must agree with.

    Attributes:
        card: Its card.
        table: What is known of its samples, by sample id (see `Store.samples`); of an older store, what its
            first entry says of them.
        complete: Whether the table is the data set's own, with readings.
        thumbnails: The folder of its pictures.
    """

    card: DatasetCard
    table: pa.Table
    complete: bool
    thumbnails: Path
    _bootstraps: dict[str, ClusterBootstrap] = field(default_factory=dict)

    def bootstrap(self, rules: Protocol) -> ClusterBootstrap:
        """Resamples of its plates by a protocol's rules."""
        if rules.id not in self._bootstraps:
            plates = self.table["plate_id"].to_pylist()
            self._bootstraps[rules.id] = ClusterBootstrap.by_rules(plates, rules.bootstrap)
        return self._bootstraps[rules.id]

    def gt_readings(self, key: str) -> GtReadings:
        """The texts, and what a reader by its key reads in the ground truths, where that is known."""
        texts = self.table["text"].to_pylist()
        known = self.complete and key in self.card.readers
        read = self.table[f"truth_text@{key}"].to_pylist() if known else [None] * len(texts)
        return GtReadings(texts, read)


def _check_dataset(store: Store, card: DatasetCard, entries: Sequence[Entry], faults: Faults) -> None:
    folder = store.dataset_folder(card.slug)
    where = _named(store, folder)
    try:
        samples = store.samples(card.slug)
        table = entries[0].table.select(list(_OF_SAMPLES)) if samples is None else samples
    except (MdlpBenchError, KeyError, pa.ArrowException) as error:
        faults.add("record", where, str(error), RESTORE)
        return
    dataset = _Dataset(card, table, samples is not None, folder / THUMBNAILS)
    for problem in _card_problems(dataset):
        faults.add("dataset", where, problem, RESTORE)
    if card.samples_sha256 is not None and samples is None:
        faults.add("dataset", where, f"no {SAMPLES} in it", RESTORE)
    pictures = {
        f"{sample.sample_id}-{part}.webp"
        for sample in card.browsed
        for part in (*(f"f{n + 1}" for n in range(sample.n_frames)), *(["gt"] if sample.has_gt else []))
    }
    _check_thumbnails(store, folder / THUMBNAILS, pictures, None, faults)
    before: list[Entry] = []
    for entry in entries:
        try:
            problems = list(_entry_problems(entry, dataset, before))
        except (MdlpBenchError, KeyError, TypeError, ValueError, pa.ArrowException) as error:
            problems = [f"its scores cannot be derived again ({type(error).__name__}: {reason(error)})"]
        for problem in problems:
            faults.add("scores", _named(store, entry.folder), problem, RESTORE)
        if entry.record.submission.output == "image":
            shown = {f"{sample.sample_id}.webp" for sample in card.browsed}
            _check_thumbnails(store, entry.folder / THUMBNAILS, shown, WORKING_SIZE, faults)
        before.append(entry)


def _card_problems(dataset: _Dataset) -> _Found:
    """The fields of a card that do not follow from the data set's samples."""
    card, keys = dataset.card, list(dataset.card.readers)
    derived = derived_card(dataset.table, keys) if dataset.complete else None
    if dataset.complete and card.texts and fingerprint_of(dataset.table) != card.fingerprint:
        yield f"its card's fingerprint does not follow from {SAMPLES}"
    if derived is None:
        ids = dataset.table["sample_id"].to_pylist()
        if (card.n_samples, card.n_plates) != (len(ids), len(set(dataset.table["plate_id"].to_pylist()))):
            yield "its card counts other samples or plates than its entries have"
        texts = dict(zip(ids, dataset.table["text"].to_pylist(), strict=True))
        if any(sample.text != texts.get(sample.sample_id, "") for sample in card.browsed):
            yield "its card shows other texts than its entries have"
        if sorted(sample.sample_id for sample in card.browsed) != chosen_ids(ids):
            yield "its card shows other samples than the ones that every data set shows"
        return
    for name in ("n_samples", "n_plates", "layouts", *(["browsed"] if card.thumbnails else [])):
        if getattr(card, name) != getattr(derived, name):
            yield f"{name} of its card does not follow from {SAMPLES}"
    for name in ("ceilings", "floors") if card.texts else ():
        stored, again = getattr(card, name), getattr(derived, name)
        for key in again.keys() | (stored.keys() & set(keys)):
            if not _same_numbers(stored.get(key, {}), again.get(key, {})):
                yield f"{name} of its card by {key} do not follow from {SAMPLES}"
    for key, reader in card.readers.items():
        if key != reader_key(reader):
            yield f"its card calls {reader.name} {key}"


def _same_numbers(first: Mapping[str, float], second: Mapping[str, float]) -> bool:
    return first.keys() == second.keys() and all(
        abs(value - second[name]) <= TOLERANCE for name, value in first.items()
    )


def _check_thumbnails(
    store: Store, folder: Path, expected: set[str], size: tuple[int, int] | None, faults: Faults
) -> None:
    """Check that the expected pictures are regular WebP files of the working size and the only ones."""
    found = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    for name in sorted(expected - found):
        faults.add("thumbnail", _named(store, folder / name), "is missing", RESTORE)
    for name in sorted(found - expected):
        faults.add("thumbnail", _named(store, folder / name), "no picture of a shown sample", "delete it")
    for name in sorted(found & expected):
        path = folder / name
        if path.is_symlink() or not path.is_file():
            faults.add("thumbnail", _named(store, path), "not a regular file", RESTORE)
            continue
        content = path.read_bytes()
        try:
            sound = content[:4] == b"RIFF" and content[8:12] == b"WEBP"
            sound = sound and decode(content, name).shape[:2] == (size or WORKING_SIZE)
        except DataError:
            sound = False
        if not sound:
            faults.add("thumbnail", _named(store, path), "no WebP picture of the working size", RESTORE)


def _entry_problems(entry: Entry, dataset: _Dataset, before: Sequence[Entry]) -> _Found:
    """Where an entry contradicts itself, its data set, or the entries before it."""
    try:
        rules = entry.run.record.rules
    except ProtocolError as error:
        yield str(error).partition(";")[0]
        return
    yield from _record_problems(entry, dataset.card, before)
    table = entry.table
    if not all(table[name].equals(dataset.table[name]) for name in _OF_SAMPLES):
        for name in _OF_SAMPLES:
            stored, known = table[name].to_pylist(), dataset.table[name].to_pylist()
            differing = sum(a != b for a, b in itertools.zip_longest(stored, known, fillvalue=""))
            if differing:
                yield f"{name} of {differing:,} samples is not that of the data set"
        return
    if table["error"].null_count != len(table):
        yield "samples failed, but a submission gives every sample its picture or reading"
    yield from _column_problems(entry, dataset)
    yield from _summary_problems(entry, dataset, dataset.bootstrap(rules))
    yield from _form_problems(entry, before, dataset)
    yield from _thumbnail_problems(entry, dataset.thumbnails)


def _record_problems(entry: Entry, card: DatasetCard, before: Sequence[Entry]) -> _Found:
    form, run = entry.record.submission, entry.run.record
    if run.method != form.descriptor():
        yield f"its run is of {run.method.name} as its form does not describe it"
    if not form.fits((run.protocol,)):
        yield f"its run is scored under {run.protocol}, its form says {form.protocol}"
    told = (run.dataset.name, run.dataset.fingerprint, run.dataset.n_samples)
    if told != (card.name, card.fingerprint, card.n_samples):
        yield f"its run is not on {card.slug}"
    seconds = form.runtime_per_image_s
    milliseconds = run.milliseconds_per_image
    if (seconds is None) != (milliseconds is None) or (
        seconds is not None and abs(1000 * seconds - (milliseconds or 0)) > TOLERANCE * 1000 * seconds
    ):
        yield "its run's time per image is not that of the form"
    if (run.seed, run.prediction_seconds, run.cost) != (form.seed or 0, 0.0, None):
        yield "its run's seed or costs are not those of the form"
    for reader in run.readers:
        key = reader_key(reader)
        if card.readers.get(key, reader) != reader:
            yield f"its reader {reader.name} is not the data set's {key}"
        for other in before:
            if any(reader_key(one) == key and one != reader for one in other.run.record.readers):
                yield f"its reader {reader.name} is described in another way than in {other.key}"
                break
        if run.weights.get(f"reader {reader.name}") != reader.weights_sha256:
            yield f"its weights of {reader.name} are not those of its reader"
    for other in before:
        theirs = other.run.record.weights
        differing = [
            name
            for name, digest in run.weights.items()
            if not name.startswith("reader ") and theirs.get(name, digest) != digest
        ]
        if differing:
            yield f"its weights of {differing[0]} are not those of {other.key}"
            break


def _column_problems(entry: Entry, dataset: _Dataset) -> _Found:
    """Per-sample scores that do not follow from the readings, or are outside a metric's range."""
    table, record = entry.table, entry.run.record
    names = [
        record.column(n, i) for n in ("read_text", "read_confidence") for i in range(len(record.readers))
    ]
    readings = {name: table[name].to_pylist() for name in ("error", *names)}
    keys = [reader_key(reader) for reader in record.readers]
    known = dataset.complete and keys[0] in dataset.card.readers
    frames = dataset.table[f"frame_texts@{keys[0]}"].to_pylist() if known else None
    derived: dict[str, FloatArray] = {}
    if dataset.card.texts:
        derived, _ = reader_columns(record, readings, [dataset.gt_readings(key) for key in keys], frames)
    for name, again in derived.items():
        if name not in table.column_names:
            if name.partition("@")[0] in TEXT_METRICS:
                yield f"{name} is missing"
            continue
        differing = count_differing(float_column(table, name), again, TOLERANCE)
        if differing:
            yield f"{name} does not follow from the readings of {differing:,} samples"
    for position, reader in enumerate(record.readers):
        values = float_column(table, record.column("read_confidence", position))
        # Some readers give none; one with a threshold does.
        if reader.believed_from is None:
            values = values[~np.isnan(values)]
        if not ((values >= 0) & (values <= 1)).all():
            yield f"{record.column('read_confidence', position)} is not within 0 and 1"
    for name in (name for name in _metrics_of(table) if name not in derived):
        values = float_column(table, name)
        low, high = limits(name)
        outside = int(((values < low) | (values > high) | np.isinf(values)).sum())
        if outside:
            yield f"{name} of {outside:,} samples is not within {low:g} and {high:g}"


def limits(name: str) -> tuple[float, float]:
    """The least and the greatest value that a per-sample image metric can have.

    LPIPS has no bound. A failed sample gets 1; more is possible, but 2 has not been seen.
    """
    info = METRICS[name]
    low, high = sorted((info.worst or 0.0, info.best or 0.0))
    return low - TOLERANCE, high + (1.0 if name.startswith("lpips") else TOLERANCE)


def _metrics_of(table: pa.Table) -> list[str]:
    found = (name for name in table.column_names if name.partition("@")[0] in METRICS)
    return [name for name in found if METRICS[name.partition("@")[0]].level == "sample"]


def _summary_problems(entry: Entry, dataset: _Dataset, bootstrap: ClusterBootstrap) -> _Found:
    """Means, intervals and counts that do not follow from the per-sample table."""
    table, record, summary = entry.table, entry.run.record, entry.run.summary
    columns = {name: float_column(table, name) for name in _metrics_of(table)}
    derived = summarise_columns(columns, bootstrap, 0)
    known = ~np.isnan(columns["acc"])
    counts = Counts(int(known.sum()), len(bootstrap.clusters), 0)
    confidences = float_column(table, "read_confidence")[known].tolist()
    derived |= summarise_confidence(confidences, columns["acc"][known] > 0, counts)
    if "read_lowest" in table.column_names:
        lowest, mean = float_column(table, "read_lowest"), float_column(table, "read_mean")
        derived |= summarise_abstaining(lowest, mean, 1 - columns["acc"], bootstrap, counts)
    gt_readings = [dataset.gt_readings(reader_key(reader)) for reader in record.readers]
    ceilings = reader_ceilings(record, gt_readings)
    for name, again in derived.items():
        stored = summary.get(name)
        if stored is None:
            yield f"{name} is missing in its summary"
            continue
        yield from _number_problems(name, stored, again)
        if (
            dataset.card.texts
            and (name in ceilings or dataset.complete)
            and not _close(stored.ceiling, ceilings.get(name), 0.0)
        ):
            yield f"the ceiling of {name} does not follow from the ground truths"
    n_gt = (
        sum(digest is not None for digest in dataset.table["gt_sha256"].to_pylist())
        if dataset.complete
        else None
    )
    for name in summary.keys() - derived.keys():
        stored = summary[name]
        if name not in METRICS and name.partition("@")[0] not in METRICS:
            yield f"{name} is not a metric"
        elif name in DISTANCES:
            yield from _distance_problems(name, stored, n_gt, len(bootstrap.clusters))
        elif stored.mean is not None or stored.unavailable is None:
            yield f"{name} is in its summary, but no sample has it"
        if stored.higher_is_better != METRICS[name.partition("@")[0]].higher_is_better:
            yield f"the direction of {name} is turned"


def _number_problems(name: str, stored: MetricSummary, again: MetricSummary) -> _Found:
    if again.mean is None:
        if stored.mean is not None or stored.low is not None or stored.unavailable is None:
            yield f"{name} is in its summary, but no sample has it"
        return
    if not _close(stored.mean, again.mean, 0.0):
        shown = "unavailable" if stored.mean is None else f"{stored.mean:.4f}"
        yield f"{name} is {shown}, its samples' mean {again.mean:.4f}"
    width = (again.high or 0.0) - (again.low or 0.0)
    ends = (stored.low, again.low), (stored.high, again.high)
    if any(not _close(end, expected, _INTERVAL_TOLERANCE * width) for end, expected in ends):
        yield f"the interval of {name} does not follow from its samples"
    for part in ("n", "n_plates", "n_failed", "higher_is_better"):
        if getattr(stored, part) != getattr(again, part):
            yield f"{part} of {name} is {getattr(stored, part)}, by its samples {getattr(again, part)}"


def _distance_problems(name: str, stored: MetricSummary, n: int | None, n_plates: int) -> _Found:
    """A distance between sets follows from features, which are not stored: only its form can be checked."""
    if stored.mean is None:
        return
    if name in ("frd", "fid") and (stored.mean < 0 or stored.low is not None or stored.high is not None):
        yield f"{name} is below zero or has an interval"
    if name in ("krd", "kid") and not (
        stored.low is not None and stored.high is not None and stored.low < stored.mean < stored.high
    ):
        yield f"{name} is not within its interval"
    if n is not None and (stored.n, stored.n_plates, stored.n_failed) != (n, n_plates, 0):
        yield f"{name} counts other samples or plates than the data set has"


def _close(stored: float | None, derived: float | None, slack: float) -> bool:
    if stored is None or derived is None:
        return stored is derived
    return abs(stored - derived) <= slack + TOLERANCE * max(1.0, abs(derived))


def _form_problems(entry: Entry, before: Sequence[Entry], dataset: _Dataset) -> _Found:
    """Claims, flags and hashes that do not follow from the form and the scores."""
    record = entry.record
    again = claims(record.submission, entry.run)
    if len(again) != len(record.claimed_vs_recomputed):
        yield "its claimed scores are not those of its form"
    else:
        for now, stored in zip(again, record.claimed_vs_recomputed, strict=True):
            same = (now.metric, now.claimed, now.agrees) == (stored.metric, stored.claimed, stored.agrees)
            if not same or not _close(stored.recomputed, now.recomputed, 0.0):
                yield f"the recomputed {stored.metric} is not its run's"
    if OUTPUT_HASH not in entry.table.column_names:
        yield f"no {OUTPUT_HASH} in per_sample.parquet"
        return
    if entry.table[OUTPUT_HASH].null_count:
        yield f"{OUTPUT_HASH} is missing for {entry.table[OUTPUT_HASH].null_count:,} samples"
    stored_flags = set(record.flags)
    derived = derive_flags(
        record.submission,
        again,
        entry.run,
        entry.table,
        dataset.card,
        before,
        dataset.table if dataset.complete else None,
        record.flag_rules,
    )
    kinds = {flag.code for flag in derived.flags} | derived.decided
    for flag in sorted(set(derived.flags) - stored_flags, key=lambda flag: flag.code):
        yield f"no flag {flag.code} that says: {flag.text}"
    for flag in sorted(stored_flags - set(derived.flags), key=lambda flag: flag.code):
        if flag.code in kinds:
            yield f"its flag {flag.code} does not follow from its form and outputs"


def _thumbnail_problems(entry: Entry, ground_truths: Path) -> _Found:
    """Shown pictures that do not match the signatures and the PSNR in the per-sample table."""
    known = signatures(entry.table)
    places = {sample_id: place for place, sample_id in enumerate(entry.table["sample_id"].to_pylist())}
    psnr = float_column(entry.table, "psnr") if "psnr" in entry.table.column_names else None
    for path in sorted((entry.folder / THUMBNAILS).glob("*.webp")):
        place = places.get(path.stem)
        if place is None or path.is_symlink():
            continue
        shown = decode(path.read_bytes(), path.name)
        if known is not None:
            difference = np.abs(signature(shown).astype(np.float64) - known[place]).mean()
            if difference > _THUMBNAIL_TOLERANCE:
                yield f"its thumbnail {path.name} is another picture"
                continue
        gt = ground_truths / f"{path.stem}-gt.webp"
        if psnr is not None and gt.is_file() and not gt.is_symlink():
            error = np.square(shown.astype(np.float64) - decode(gt.read_bytes(), gt.name)).mean()
            told = 255**2 / 10 ** (psnr[place] / 10)
            if abs(error - told) > max(_LOSS, (10 ** (_PSNR_TOLERANCE / 10) - 1) * min(error, told)):
                found = 10 * np.log10(255**2 / max(error, 1e-3))
                yield f"psnr of {path.stem} is {psnr[place]:.2f}, of its thumbnail {found:.2f}"
