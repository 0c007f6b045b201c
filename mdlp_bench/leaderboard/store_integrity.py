"""Tests of a store as a whole: structure, schemas, no duplicates, scores that follow from the samples."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from mdlp_bench.errors import MdlpBenchError, ProtocolError
from mdlp_bench.harness.run import RunRecord
from mdlp_bench.harness.summarise import worst_value
from mdlp_bench.leaderboard.boards import TEXT_METRICS, column
from mdlp_bench.leaderboard.store import (
    DATASETS,
    ENTRIES,
    OUTPUT_HASH,
    THUMBNAILS,
    Deprecation,
    Entry,
    EntryRecord,
    Store,
    reader_key,
)
from mdlp_bench.leaderboard.submission.faults import Faults
from mdlp_bench.metrics.protocol import TextRules
from mdlp_bench.metrics.text import text_scores

TOLERANCE: Final = 0.001
"""By how much a stored mean may differ from the mean of its samples."""

_ENTRY_FILES: Final = frozenset(
    (EntryRecord.file_name, RunRecord.file_name, "summary.json", "per_sample.parquet")
)
_RESTORE: Final = "restore it from the version control"


def check_store(store: Store) -> Faults:
    """Check everything in a store; nothing is changed."""
    faults = Faults()
    if not store.root.is_dir():
        faults.add("store", str(store.root), "no such folder", "name the folder that holds entries/")
        return faults
    _check_structure(store, faults)
    try:
        entries = store.entries()
    except MdlpBenchError as error:
        problem, _, remedy = str(error).rpartition("; ")
        faults.add("record", str(store.root), problem or remedy, remedy if problem else _RESTORE)
        return faults
    for entry in entries:
        _check_entry(store, entry, faults)
    _check_duplicates(store, entries, faults)
    return faults


def _check_structure(store: Store, faults: Faults) -> None:
    for path in store.root.glob(".adding-*"):
        faults.add("structure", _named(store, path), "left by an add that was stopped", "delete it")
    for version in _folders(store.root / ENTRIES, 2):
        for path in version.iterdir():
            if path.is_file() and path.name != Deprecation.file_name:
                faults.add("structure", _named(store, path), "does not belong into a store", "delete it")
    for folder in _folders(store.root / ENTRIES, 3):
        names = {path.name for path in folder.iterdir()}
        for name in sorted(_ENTRY_FILES - names):
            faults.add("structure", _named(store, folder), f"no {name} in it", _RESTORE)
        for name in sorted(names - _ENTRY_FILES - {THUMBNAILS}):
            faults.add(
                "structure", _named(store, folder / name), "does not belong into an entry", "delete it"
            )


def _named(store: Store, path: Path) -> str:
    return path.relative_to(store.root).as_posix()


def _folders(root: Path, depth: int) -> Iterator[Path]:
    return (path for path in sorted(root.glob("/".join("*" * depth))) if path.is_dir())


def _check_entry(store: Store, entry: Entry, faults: Faults) -> None:
    where = _named(store, entry.folder)
    record = entry.run.record
    try:
        rules = record.rules.text
    except ProtocolError as error:
        faults.add("protocol", where, str(error), "score it again")
        return
    if record.method != entry.record.submission.descriptor():
        faults.add("record", where, f"its run is of {record.method.name}", _RESTORE)
    try:
        card = store.card(entry.record.dataset)
        table = entry.table
    except MdlpBenchError as error:
        faults.add("record", where, str(error), _RESTORE)
        return
    if record.dataset.fingerprint != card.fingerprint:
        faults.add("record", where, f"its run is not on {card.slug}", "score it again on that data set")
    ids = table["sample_id"].to_pylist()
    if len(ids) != card.n_samples or len(set(ids)) != len(ids):
        faults.add("scores", where, f"{len(set(ids)):,} samples scored of {card.n_samples:,}", _RESTORE)
    for name, summary in entry.run.summary.items():
        if summary.mean is None or summary.low is None or name not in table.column_names:
            continue
        values = np.asarray(table[name].to_numpy(zero_copy_only=False), np.float64)
        mean = float(np.nanmean(values)) if not np.isnan(values).all() else float("nan")
        if not abs(mean - summary.mean) <= TOLERANCE:
            faults.add(
                "scores", where, f"{name} is {summary.mean:.4f}, its samples' mean {mean:.4f}", _RESTORE
            )
    for problem in _text_problems(entry, rules):
        faults.add("scores", where, problem, _RESTORE)
    for claim in entry.record.claimed_vs_recomputed:
        found = entry.run.summary.get(claim.metric)
        mean_now = None if found is None else found.mean
        if (mean_now is None) != (claim.recomputed is None) or (
            mean_now is not None and abs(mean_now - (claim.recomputed or 0.0)) > TOLERANCE
        ):
            faults.add("scores", where, f"the recomputed {claim.metric} is not the run's", _RESTORE)
    has_pictures = entry.record.submission.output == "image"
    for sample in card.browsed:
        if has_pictures and not (entry.folder / THUMBNAILS / f"{sample.sample_id}.webp").is_file():
            failed = table["error"][ids.index(sample.sample_id)].as_py() if sample.sample_id in ids else None
            if failed is None:
                faults.add("thumbnail", where, f"no picture of {sample.sample_id}", _RESTORE)
        if sample.has_truth and not _truth_picture(store, card.slug, sample.sample_id).is_file():
            faults.add("thumbnail", card.slug, f"no ground truth of {sample.sample_id}", _RESTORE)


def _text_problems(entry: Entry, rules: TextRules) -> Iterator[str]:
    """Where a sample's text scores do not follow from its reading and its text."""
    texts = entry.table["text"].to_pylist()
    known = [i for i, text in enumerate(texts) if text]
    failed = np.array([entry.table["error"][i].as_py() is not None for i in known])
    for reader in entry.run.record.readers:
        key = reader_key(reader)
        read = entry.table[column(entry, "read_text", key)].to_pylist()
        computed = text_scores([read[i] for i in known], [texts[i] for i in known], rules.cer_cap)
        for name in TEXT_METRICS:
            stored = np.asarray(entry.table[column(entry, name, key)].to_numpy(zero_copy_only=False), float)
            again = computed[name]
            if rules.failed == "worst":
                again[failed] = worst_value(name)
            differing = int((~(np.abs(stored[known] - again) <= TOLERANCE)).sum())
            if differing:
                yield f"{name} by {reader.name} does not follow from the readings of {differing:,} samples"


def _truth_picture(store: Store, slug: str, sample_id: str) -> Path:
    return store.root / DATASETS / slug / THUMBNAILS / f"{sample_id}-gt.webp"


def _check_duplicates(store: Store, entries: list[Entry], faults: Faults) -> None:
    """Two entries of one data set with the same outputs throughout, unless that was flagged when added."""
    seen: dict[tuple[object, ...], Entry] = {}
    for entry in entries:
        if OUTPUT_HASH not in entry.table.column_names:
            faults.add(
                "record", _named(store, entry.folder), f"no {OUTPUT_HASH} in per_sample.parquet", _RESTORE
            )
            continue
        key = (entry.record.dataset, tuple(entry.table[OUTPUT_HASH].to_pylist()))
        first = seen.setdefault(key, entry)
        flagged = any(flag.code == "duplicate" for flag in entry.record.flags)
        if first is not entry and not flagged:
            faults.add(
                "duplicate",
                _named(store, entry.folder),
                f"has the outputs of {first.key} and no flag that says so",
                "add the submission again",
            )
