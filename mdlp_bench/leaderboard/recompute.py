"""Score submitted archives again and compare the entries with what comes out."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from mdlp_bench.errors import MdlpBenchError, ProtocolError
from mdlp_bench.files import sha256_file
from mdlp_bench.harness.plan import ScoringPlan
from mdlp_bench.harness.run import MetricSummary, count_differing, float_column
from mdlp_bench.harness.score import score
from mdlp_bench.images import decode
from mdlp_bench.leaderboard.boards import DISTANCES
from mdlp_bench.leaderboard.chain import RESTORE
from mdlp_bench.leaderboard.copy_detection import Inspection, inspect_predictions
from mdlp_bench.leaderboard.dataset_cards import board_of, thumbnail, without_texts
from mdlp_bench.leaderboard.store import THUMBNAILS, Entry, Store
from mdlp_bench.leaderboard.submission.faults import Faults, listed
from mdlp_bench.leaderboard.submission.validate import read_submission
from mdlp_bench.metrics.base import lpips_column
from mdlp_bench.metrics.protocol import PROTOCOLS

if TYPE_CHECKING:
    from mdlp_bench.data.samples import Samples

TOLERANCE: Final = 1e-3
"""How much a sample's score may differ, in the metric's unit: other processors round otherwise."""

_SET_TOLERANCE: Final = 0.01
"""The share of its value by which a distance between sets may differ."""

_PICTURE_TOLERANCE: Final = 6.0
"""Grey levels by which another version of the WebP encoder may change a thumbnail."""

_NETS: Final = {lpips_column(net): net for net in ("alex", "squeeze", "vgg")}


def recompute(store: Store, samples: Samples, archives: Path) -> tuple[int, Faults]:
    """Score again every entry of a data set whose archive is at hand; nothing is changed.

    An archive of this data set that no entry names tells of an entry that was removed or given another hash.
    It is a fault, too, if there is no board of this data set, or nothing to score again.

    Args:
        store: The store.
        samples: The data set.
        archives: A folder of submitted archives, whatever they are called; or one of them.

    Returns:
        The number of entries that were scored again, and where they are not what came out.

    Raises:
        MdlpBenchError: The store or the data set is damaged, or a reader cannot be loaded.
    """
    faults = Faults()
    card, samples, difference = board_of(store, samples)
    if card is None:
        names = listed(card.name for card in store.cards())
        near = (
            f"it is near that of {difference.card.name} but {difference}"
            if difference
            else f"those are {names}"
        )
        faults.add("recomputed", samples.name, f"no set of this store; {near}", "give the set of a board")
        return 0, faults
    files = [archives] if archives.is_file() else sorted(archives.rglob("*.zip"))
    by_hash = {sha256_file(path): path for path in files}
    entries = [entry for entry in store.entries() if entry.record.dataset == card.slug]
    found = [(entry, by_hash[h]) for entry in entries if (h := entry.record.archive_sha256) in by_hash]
    for entry, path in found:
        where = entry.folder.relative_to(store.root).as_posix()
        try:
            problems = list(_problems(entry, path, samples, card.texts))
        except MdlpBenchError as error:
            problems = [str(error)]
        for problem in problems:
            faults.add("recomputed", where, problem, RESTORE)
    named = {entry.record.archive_sha256 for entry in store.entries()}
    for path in (path for digest, path in by_hash.items() if digest not in named):
        try:
            with tempfile.TemporaryDirectory(prefix="mdlp-bench-") as work:
                form = read_submission(path, samples, Path(work) / "pictures", PROTOCOLS).form
        except MdlpBenchError:
            continue  # of another data set, or refused when it was submitted
        faults.add(
            "recomputed", path.name, f"{form.method} {form.version}: no entry is of this archive", RESTORE
        )
    if not found and not len(faults):
        problem = f"holds no archive of an entry of {card.name}"
        faults.add("recomputed", archives.name, problem, "give the archives that were submitted to it")
    return len(found), faults


def _problems(entry: Entry, path: Path, samples: Samples, texts: bool) -> Iterator[str]:
    record = entry.run.record
    net = next((net for name, net in _NETS.items() if name in entry.table.column_names), "none")
    names = [reader.name for reader in record.readers]
    plan = ScoringPlan.from_names(names, net, protocol=record.protocol)
    for stored, here in zip(record.readers, plan.readers, strict=True):
        if stored != here.descriptor:
            raise ProtocolError(f"its reader {stored.name} is another one here; install the version it names")
    with tempfile.TemporaryDirectory(prefix="mdlp-bench-") as work:
        predictions = read_submission(path, samples, Path(work) / "pictures", (record.protocol,))
        if predictions.form != entry.record.submission:
            yield "its form is not that of its archive"
        (run,) = score([predictions], samples, [Path(work) / "run"], plan)
        shown = {file.stem for file in (entry.folder / THUMBNAILS).glob("*.webp")}
        seen = inspect_predictions(predictions, samples, shown)
        table = seen.append_to(run.per_sample()).sort_by("sample_id")
    yield from _column_problems(entry.table, table if texts else without_texts(table))
    for name in DISTANCES:
        if name in run.summary and name in entry.run.summary:
            yield from _distance_problems(name, entry.run.summary[name], run.summary[name])
    yield from _thumbnail_problems(entry, seen)


def _column_problems(stored: pa.Table, again: pa.Table) -> Iterator[str]:
    if len(stored) != len(again):
        yield f"holds {len(stored):,} samples, its archive {len(again):,}"
        return
    for name in stored.column_names:
        if name not in again.column_names:
            continue
        if pa.types.is_floating(again.schema.field(name).type):
            differing = count_differing(float_column(stored, name), float_column(again, name), TOLERANCE)
        else:
            pairs = zip(stored[name].to_pylist(), again[name].to_pylist(), strict=True)
            differing = sum(old != new for old, new in pairs)
        if differing:
            yield f"{name} of {differing:,} samples is not what its archive gives"


def _distance_problems(name: str, stored: MetricSummary, again: MetricSummary) -> Iterator[str]:
    old, new = stored.mean, again.mean
    if old is None or new is None:
        if old is not new:
            yield f"{name} is not what its archive gives"
    elif abs(old - new) > _SET_TOLERANCE * max(abs(new), 0.01):
        yield f"{name} is {old:.4f}, its archive gives {new:.4f}"


def _thumbnail_problems(entry: Entry, seen: Inspection) -> Iterator[str]:
    for sample_id, image in seen.kept.items():
        content = (entry.folder / THUMBNAILS / f"{sample_id}.webp").read_bytes()
        shown, expected = (decode(one, sample_id).astype(float) for one in (content, thumbnail(image)))
        if shown.shape != expected.shape or np.abs(shown - expected).mean() > _PICTURE_TOLERANCE:
            yield f"the thumbnail of {sample_id} is not the picture in its archive"
