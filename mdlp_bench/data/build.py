"""Write the Parquet folder: samples with their original image bytes, shard by shard, resumable.

    data/<split>-<number>.parquet    rows of SAMPLE_SCHEMA; image columns uncompressed; page index
    manifest.json, manifest.parquet  see `mdlp_bench.data.manifest`
    quarantine.json                  optional, never written here: sample ids that loaders leave out

An unfinished build also has what `mdlp_bench.output_folder` keeps, and in `.build/` the record of every
finished shard; the same call continues, and the result is the same to the byte.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

import mdlp_bench
from mdlp_bench.data.manifest import (
    INDEX,
    INDEX_SCHEMA,
    MANIFEST,
    Manifest,
    Shard,
    fingerprint,
)
from mdlp_bench.data.problem import Problem
from mdlp_bench.data.samples import Samples
from mdlp_bench.data.shards import (
    ShardContent,
    ShardRecord,
    ShardWriter,
    check_content,
    finished,
    made_of,
    read_record,
    safe,
)
from mdlp_bench.data.temp_table import hash_strings
from mdlp_bench.engine import SERIAL, Engine, chunks
from mdlp_bench.errors import DataError
from mdlp_bench.files import atomic_path, sha256_file, write_json
from mdlp_bench.output_folder import unfinished
from mdlp_bench.progress import progress_bar
from mdlp_bench.schema import Sample

SHARD_ROWS: Final = 2048

_DIGEST_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class ShardTask:
    """One shard to be written: its place and the ids of the candidates for it."""

    split: str
    number: int
    candidates: tuple[str, ...]


def write_parquet(
    samples: Samples | Iterable[Sample | Mapping[str, Any]],
    out: Path | str,
    *,
    name: str | None = None,
    version: str = "1.0.0",
    supersedes: str | None = None,
    made_by: Mapping[str, Any] | None = None,
    rendered_under: str | None = None,
    engine: Engine = SERIAL,
    shard_rows: int = SHARD_ROWS,
    beside: Callable[[Manifest], None] | None = None,
) -> Manifest:
    """Write samples as a Parquet folder.

    Images are stored byte for byte. From `Samples`, every image is verified on the way; a broken sample is
    left out and reported in the manifest. A killed build continues when called again with the same samples
    and arguments; anything else is refused with what differs. Single samples are taken as they are, in order;
    each split keeps its own order.

    Args:
        samples: Samples of any source, or an iterable of `Sample` or of mappings for `Sample.from_row`.
        out: Folder to write; must be new, empty or an unfinished build of the same samples.
        name: Name of the data set (default: that of the samples, else of the folder).
        version: Version of the data set.
        supersedes: The version this one replaces.
        made_by: How the rows are made, as strict JSON; an unfinished build must have the same.
        rendered_under: See `Manifest`.
        engine: Where shards are written; the bytes do not depend on it (used for `Samples` only).
        shard_rows: Candidates per shard.
        beside: Called with the manifest to write further files; the build is finished when it returns.

    Returns:
        The manifest.

    Raises:
        DataError: The folder holds something else, two rows have one id, or there is no sound sample.
        MdlpBenchError: The folder cannot be written, or another process is writing into it.
    """
    out = Path(out)
    # What the bytes depend on, apart from the samples, which are compared shard by shard.
    identity = {
        "data": {"name": name, "version": version, "supersedes": supersedes},
        "samples": samples.name if isinstance(samples, Samples) else None,
        "rows per shard": shard_rows,
        "made by": None if made_by is None else dict(made_by),
        "software": {"mdlp-bench": mdlp_bench.__version__, "pyarrow": pa.__version__},
        "rendered under": rendered_under,
    }
    with unfinished(out, identity):
        if isinstance(samples, Samples):
            records = _build(samples, out, engine, shard_rows)
            manifest = _finish(out, records, name or samples.name, version, supersedes, rendered_under)
        else:
            with progress_bar(None, "Writing") as bar:
                records = _build_rows(bar.over(samples), out, shard_rows)
                own = name or out.resolve().name
                manifest = _finish(out, records, own, version, supersedes, rendered_under)
        if beside is not None:
            beside(manifest)
        return manifest


def build_shard(samples: Samples, out: Path, task: ShardTask) -> int:
    """Write one shard and its record unless they are there already; return the number of candidates.

    The unit of work of every engine: depends on nothing but its arguments.

    Raises:
        DataError: The folder holds a shard of other samples.
        MdlpBenchError: The folder cannot be written.
    """
    origin = samples.origin(task.candidates)
    if record := finished(out, task.split, task.number):
        if record.candidates != task.candidates:
            raise made_of(record, out, "other samples")
        if origin is not None:
            if record.origin != origin:
                raise made_of(record, out, "other files: images or labels have changed since")
        else:
            content = ShardContent()
            for item in samples.load(task.candidates):
                content.add(item)
            check_content(record, content, out)
    else:
        with ShardWriter(out, task.split, task.number) as shard:
            for item in samples.load(task.candidates):
                shard.add(item)
            shard.finish(task.candidates, origin)
    return len(task.candidates)


def plan_shards(samples: Samples, shard_rows: int = SHARD_ROWS) -> Iterator[ShardTask]:
    """The shards of a build, in their final order."""
    for split, ids in samples.candidates().items():
        for number, part in enumerate(chunks(ids, shard_rows)):
            yield ShardTask(split, number, tuple(part))


def _build(samples: Samples, out: Path, engine: Engine, shard_rows: int) -> Iterator[ShardRecord]:
    sizes = {split: len(ids) for split, ids in samples.candidates().items()}
    _check_names(sizes)
    with progress_bar(sum(sizes.values()), "Writing") as bar:
        for done in engine.map(partial(build_shard, samples, out), plan_shards(samples, shard_rows)):
            bar.update(done)
    listed = tuple(samples.listing_problems())
    yield from _records(out, {split: -(-size // shard_rows) for split, size in sizes.items()}, listed)


class _OpenSplit:
    """The shard that the rows of one split go to: written, or compared with what an earlier run wrote."""

    def __init__(self, out: Path, split: str, number: int) -> None:
        self.ids: list[str] = []
        self.record = finished(out, split, number)
        self.sink = ShardContent() if self.record else ShardWriter(out, split, number)


def _build_rows(
    rows: Iterable[Sample | Mapping[str, Any]], out: Path, shard_rows: int
) -> Iterator[ShardRecord]:
    open_splits: dict[str, _OpenSplit] = {}
    numbers: dict[str, int] = {}
    known = _KnownIds(out)

    def close(split: str) -> None:
        ready, number = open_splits[split], numbers[split]
        candidates = tuple(ready.ids)
        known.add(split, number, candidates)
        if ready.record and isinstance(ready.sink, ShardContent):
            if ready.record.candidates != candidates:
                raise made_of(ready.record, out, "other samples")
            check_content(ready.record, ready.sink, out)
        elif isinstance(ready.sink, ShardWriter):
            ready.sink.finish(candidates)
        del open_splits[split]
        numbers[split] += 1

    try:
        for row in rows:
            sample = row if isinstance(row, Sample) else Sample.from_row(row)
            split = sample.split
            if not sample.sample_id or not split:
                raise DataError(f"sample {sample.sample_id!r}: sample_id and split must not be empty")
            if split not in numbers:
                _check_names([*numbers, split])
                numbers[split] = 0
            if split not in open_splits:
                open_splits[split] = _OpenSplit(out, split, numbers[split])
            target = open_splits[split]
            target.ids.append(sample.sample_id)
            target.sink.add(sample)
            if len(target.ids) == shard_rows:
                close(split)
        for split in tuple(open_splits):
            close(split)
    except BaseException:
        with ExitStack() as half_written:
            for opened in open_splits.values():
                if isinstance(opened.sink, ShardWriter):
                    half_written.push(opened.sink)
            raise
    yield from _records(out, numbers, ())


class _KnownIds:
    """Finds ids that occur twice without holding them in memory.

    Args:
        out: Folder of the build; its records have the ids.
    """

    def __init__(self, out: Path) -> None:
        self._out = out
        self._places: list[tuple[str, int]] = []
        self._hashes: npt.NDArray[np.uint64] = np.zeros(0, np.uint64)

    def add(self, split: str, number: int, ids: Sequence[str]) -> None:
        """Add the ids of a shard that is about to be finished.

        Raises:
            DataError: One occurs twice, or was there before.
        """
        counts = Counter(ids)
        hashes = np.sort(hash_strings(pa.array(ids, pa.string())))
        places = np.searchsorted(self._hashes, hashes)
        again = [sample_id for sample_id, count in counts.items() if count > 1]
        inside = places < len(self._hashes)
        if not again and np.any(self._hashes[places[inside]] == hashes[inside]):
            records = (read_record(self._out, *place) for place in self._places)
            again = sorted({i for record in records for i in record.candidates if i in counts})
        if again:
            raise DataError(f"sample {again[0]}: two rows have this id; ids must be unique")
        self._hashes = np.insert(self._hashes, places, hashes)
        self._places.append((split, number))


@dataclass(slots=True)
class _Totals:
    """The totals for a manifest; they take about forty bytes per row."""

    shards: list[Shard] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    splits: Counter[str] = field(default_factory=Counter)
    digests: bytearray = field(default_factory=bytearray)
    plates: list[npt.NDArray[np.uint64]] = field(default_factory=list)

    def add(self, record: ShardRecord) -> None:
        self.shards.append(record.shard)
        self.splits[record.shard.split] += record.shard.rows
        for row in record.index:
            self.digests += bytes.fromhex(row["digest"])
        names = pa.array([row["plate_id"] for row in record.index], pa.string())
        self.plates.append(np.unique(hash_strings(names)))

    def fingerprint(self) -> str:
        starts = range(0, len(self.digests), _DIGEST_BYTES)
        return fingerprint(self.digests[start : start + _DIGEST_BYTES].hex() for start in starts)


def _finish(
    out: Path,
    records: Iterator[ShardRecord],
    name: str,
    version: str,
    supersedes: str | None,
    rendered_under: str | None,
) -> Manifest:
    totals = _Totals()
    with (
        atomic_path(out / INDEX) as temporary,
        pq.ParquetWriter(temporary, INDEX_SCHEMA, compression="zstd", write_page_index=True) as writer,
    ):
        for record in records:
            totals.problems += record.problems
            if record.shard.rows == 0:
                (out / record.shard.path).unlink(missing_ok=True)
                continue
            totals.add(record)
            writer.write_batch(pa.RecordBatch.from_pylist(list(record.index), INDEX_SCHEMA))
    # The order must not depend on whether a problem was met while listing or while reading.
    problems = sorted(totals.problems, key=lambda p: (p.split or "", p.sample_id or "", p.code, p.message))
    if not totals.shards:
        reason = f"; the first problem: {totals.problems[0].message}" if problems else ""
        raise DataError(f"{out}: there is no sound sample to write{reason}")
    manifest = Manifest(
        name=name,
        version=version,
        supersedes=supersedes,
        fingerprint=totals.fingerprint(),
        samples=totals.splits.total(),
        plates=len(np.unique(np.concatenate(totals.plates))),
        splits=dict(totals.splits),
        shards=tuple(totals.shards),
        index_sha256=sha256_file(out / INDEX),
        problems=tuple(problems),
        rendered_under=rendered_under,
    )
    write_json(out / MANIFEST, manifest.model_dump())
    return manifest


def _records(out: Path, shards: Mapping[str, int], listed: tuple[Problem, ...]) -> Iterator[ShardRecord]:
    """The records of all shards in order; the first also carries the problems of the listing."""
    for split, count in shards.items():
        for number in range(count):
            record = read_record(out, split, number)
            yield record.model_copy(update={"problems": (*listed, *record.problems)})
            listed = ()


def _check_names(splits: Iterable[str]) -> None:
    names: dict[str, str] = {}
    for split in splits:
        # Windows and macOS do not tell A from a.
        if (other := names.setdefault(safe(split).casefold(), split)) != split:
            raise DataError(f"splits {other!r} and {split!r} need the same file names; rename one")
