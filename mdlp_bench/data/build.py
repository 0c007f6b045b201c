"""Write the Parquet folder: sample rows with their original image bytes, shard by shard, resumable.

    data/<split>-<number>.parquet    rows of SAMPLE_SCHEMA; image columns uncompressed; page index
    manifest.json, manifest.parquet  see `mdlp_bench.data.manifest`
    quarantine.json                  optional, never written here: sample ids that loaders leave out

An unfinished build also has `.build/` with the record of every finished shard; starting it again
continues, and the result is the same to the byte.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from mdlp_bench.data.manifest import (
    INDEX,
    INDEX_SCHEMA,
    MANIFEST,
    Manifest,
    ProblemRecord,
    Shard,
    fingerprint,
    index_row,
)
from mdlp_bench.data.samples import Problem, Samples
from mdlp_bench.engine import SERIAL, Engine
from mdlp_bench.errors import DataError
from mdlp_bench.files import atomic_path, read_json, sha256_file, write_json
from mdlp_bench.schema import SAMPLE_SCHEMA, record_batch

ROW_GROUP: Final = 128
ROW_GROUP_BYTES: Final = 9_600_000
"""A row group ends at so many rows, or earlier at so many bytes of images (32 uncompressed triplets of the
working size): it is read as a whole."""

SHARD_ROWS: Final = 2048

Progress = Callable[[int], None]
"""Called with the number of rows just finished."""

# Images are compressed already; compressing them again costs time on every read and gains nothing.
_COMPRESSION: Final = {"frames.list.element.bytes": "none", "gt.bytes": "none"}
_TEXT_COLUMNS: Final = [f.name for f in SAMPLE_SCHEMA if f.name not in ("frames", "frame_indices", "gt")]


class ShardRecord(BaseModel):
    """What a build remembers of a finished shard (`.build/<split>-<number>.json`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    candidates: tuple[str, ...]
    shard: Shard
    index: tuple[dict[str, Any], ...]
    problems: tuple[ProblemRecord, ...]


@dataclass(frozen=True, slots=True)
class ShardTask:
    """One shard to be written: its place and the ids of the candidates for it."""

    split: str
    number: int
    candidates: tuple[str, ...]

    @property
    def stem(self) -> str:
        """File name without its ending."""
        return f"{_safe(self.split)}-{self.number:05d}"


def write_parquet(
    samples: Samples | Iterable[Mapping[str, Any]],
    out: Path | str,
    *,
    name: str | None = None,
    version: str = "1.0.0",
    supersedes: str | None = None,
    engine: Engine = SERIAL,
    shard_rows: int = SHARD_ROWS,
    progress: Progress | None = None,
) -> Manifest:
    """Write samples as a Parquet folder.

    Images are stored as the bytes they are. From `Samples`, every image is verified on the way; a broken
    sample is left out and told in the manifest. A killed build continues when called again with the same
    samples. Rows given as mappings are taken as they are, in order; each split keeps its own order.

    Args:
        samples: Samples of any source, or row mappings (see `mdlp_bench.schema`).
        out: Folder to write; must be new, empty or an unfinished build of the same samples.
        name: Name of the data set (default: that of the samples, else of the folder).
        version: Version of the data set.
        supersedes: The version this one replaces.
        engine: Where shards are written; the bytes do not depend on it (used for `Samples` only).
        shard_rows: Candidates a shard.
        progress: Called as rows are done.

    Returns:
        The manifest.

    Raises:
        DataError: The folder holds something else, two rows have one id, or there is no sound sample.
        MdlpBenchError: The folder cannot be written.
    """
    out = Path(out)
    _prepare_target(out)
    if isinstance(samples, Samples):
        records = _build(samples, out, engine, shard_rows, progress)
        default_name = samples.name
    else:
        records = _build_rows(samples, out, shard_rows, progress)
        default_name = out.resolve().name
    return _finish(out, records, name or default_name, version, supersedes)


def build_shard(samples: Samples, out: Path, task: ShardTask) -> int:
    """Write one shard and its record unless they are there already; return the number of candidates.

    The unit of work of every engine: depends on nothing but its arguments.

    Raises:
        DataError: The folder holds a shard of other samples.
        MdlpBenchError: The folder cannot be written.
    """
    if not _is_done(task, out):
        _write_shard(task, samples.load(task.candidates), out)
    return len(task.candidates)


def plan_shards(samples: Samples, shard_rows: int = SHARD_ROWS) -> list[ShardTask]:
    """The shards of a build, in their final order."""
    return [
        ShardTask(split, number, tuple(ids[start : start + shard_rows]))
        for split, ids in samples.candidates().items()
        for number, start in enumerate(range(0, len(ids), shard_rows))
    ]


def _build(
    samples: Samples, out: Path, engine: Engine, shard_rows: int, progress: Progress | None
) -> Iterator[ShardRecord]:
    tasks = plan_shards(samples, shard_rows)
    _check_stems(task.split for task in tasks)
    for done in engine.map(partial(build_shard, samples, out), tasks):
        _tell(progress, done)
    listed = tuple(ProblemRecord(**asdict(problem)) for problem in samples.listing_problems())
    yield from _records(tasks, out, listed)


def _build_rows(
    rows: Iterable[Mapping[str, Any]], out: Path, shard_rows: int, progress: Progress | None
) -> Iterator[ShardRecord]:
    waiting: dict[str, list[Mapping[str, Any]]] = {}
    numbers: Counter[str] = Counter()
    seen: set[str] = set()
    tasks: list[ShardTask] = []

    def flush(split: str) -> None:
        ready, waiting[split] = waiting[split], []
        task = ShardTask(split, numbers[split], tuple(str(row["sample_id"]) for row in ready))
        numbers[split] += 1
        if not _is_done(task, out):
            _write_shard(task, iter(ready), out)
        tasks.append(task)
        _tell(progress, len(ready))

    for row in rows:
        sample_id, split = row.get("sample_id"), row.get("split")
        if not sample_id or not split:
            raise DataError(f"sample {sample_id or '<no sample_id>'}: sample_id and split are required")
        if sample_id in seen:
            raise DataError(f"sample {sample_id}: two rows have this id; ids must be unique")
        seen.add(sample_id)
        if split not in waiting:
            _check_stems([*waiting, split])
        waiting.setdefault(split, []).append(row)
        if len(waiting[split]) == shard_rows:
            flush(split)
    for split in [split for split, left in waiting.items() if left]:
        flush(split)
    order = list(waiting)
    tasks.sort(key=lambda task: (order.index(task.split), task.number))
    yield from _records(tasks, out, ())


def _write_shard(task: ShardTask, items: Iterator[Mapping[str, Any] | Problem], out: Path) -> None:
    target = out / "data" / f"{task.stem}.parquet"
    index: list[dict[str, Any]] = []
    problems: list[Problem] = []

    def sound() -> Iterator[Mapping[str, Any]]:
        for item in items:
            if isinstance(item, Problem):
                problems.append(item)
            else:
                index.append(index_row(item))
                yield item

    with (
        atomic_path(target) as temporary,
        pq.ParquetWriter(
            temporary,
            SAMPLE_SCHEMA,
            compression={name: _COMPRESSION.get(name, "zstd") for name in _leaf_columns()},
            use_dictionary=_TEXT_COLUMNS,
            write_statistics=_TEXT_COLUMNS,
            write_page_index=True,
            write_page_checksum=True,
        ) as writer,
    ):
        for group in _row_groups(sound()):
            writer.write_batch(record_batch(group))
    shard = Shard(
        path=f"data/{target.name}",
        split=task.split,
        rows=len(index),
        size=target.stat().st_size,
        sha256=sha256_file(target),
    )
    record = ShardRecord(
        number=task.number,
        candidates=task.candidates,
        shard=shard,
        index=tuple(index),
        problems=tuple(ProblemRecord(**asdict(problem)) for problem in problems),
    )
    write_json(_record_path(task, out), record.model_dump())


def _row_groups(rows: Iterator[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    group: list[Mapping[str, Any]] = []
    size = 0
    for row in rows:
        group.append(row)
        size += sum(len(image["bytes"]) for image in (*row["frames"], row.get("gt")) if image)
        if len(group) == ROW_GROUP or size >= ROW_GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _leaf_columns() -> list[str]:
    leaves = [f.name for f in SAMPLE_SCHEMA if f.name not in ("frames", "frame_indices", "gt")]
    images = [f"{name}.{part}" for name in ("frames.list.element", "gt") for part in ("bytes", "path")]
    return [*leaves, *images, "frame_indices.list.element"]


def _finish(
    out: Path, records: Iterator[ShardRecord], name: str, version: str, supersedes: str | None
) -> Manifest:
    import pyarrow as pa

    shards: list[Shard] = []
    problems: list[ProblemRecord] = []
    digests: list[str] = []
    plates: set[str] = set()
    splits: Counter[str] = Counter()
    with (
        atomic_path(out / INDEX) as temporary,
        pq.ParquetWriter(temporary, INDEX_SCHEMA, compression="zstd", write_page_index=True) as writer,
    ):
        for record in records:
            problems += record.problems
            if record.shard.rows == 0:
                (out / record.shard.path).unlink(missing_ok=True)
                continue
            shards.append(record.shard)
            splits[record.shard.split] += record.shard.rows
            digests += [row["digest"] for row in record.index]
            plates.update(row["plate_id"] for row in record.index)
            writer.write_batch(pa.RecordBatch.from_pylist(list(record.index), INDEX_SCHEMA))
    if not digests:
        reason = f"; the first problem: {problems[0].message}" if problems else ""
        raise DataError(f"{out}: there is no sound sample to write{reason}")
    manifest = Manifest(
        name=name,
        version=version,
        supersedes=supersedes,
        fingerprint=fingerprint(digests),
        samples=len(digests),
        plates=len(plates),
        splits=dict(splits),
        shards=tuple(shards),
        index_sha256=sha256_file(out / INDEX),
        problems=tuple(sorted(problems, key=_problem_order)),
    )
    write_json(out / MANIFEST, manifest.model_dump())
    shutil.rmtree(out / ".build")
    return manifest


def _problem_order(problem: ProblemRecord) -> tuple[str, str, str, str]:
    """An order that does not depend on whether a problem was met while listing or while reading."""
    return problem.split or "", problem.sample_id or "", problem.code, problem.message


def _records(
    tasks: Sequence[ShardTask], out: Path, listed: tuple[ProblemRecord, ...]
) -> Iterator[ShardRecord]:
    """The records of all shards in order; the first also carries the problems of the listing."""
    for task in tasks:
        record = _read_record(_record_path(task, out))
        if record is None:
            raise DataError(f"{_record_path(task, out)}: vanished during the build; start it again")
        yield record.model_copy(update={"problems": (*listed, *record.problems)})
        listed = ()


def _read_record(path: Path) -> ShardRecord | None:
    if not path.is_file():
        return None
    try:
        return ShardRecord.model_validate(read_json(path))
    except ValidationError as error:
        raise DataError(f"{path}: damaged; delete the folder and build again") from error


def _record_path(task: ShardTask, out: Path) -> Path:
    return out / ".build" / f"{task.stem}.json"


def _is_done(task: ShardTask, out: Path) -> bool:
    record = _read_record(_record_path(task, out))
    if record is None:
        return False
    if record.candidates != task.candidates:
        raise DataError(
            f"{out}: holds an unfinished build of other samples; delete it or choose another folder"
        )
    path = out / record.shard.path
    return path.is_file() and path.stat().st_size == record.shard.size


def _prepare_target(out: Path) -> None:
    """Mark the folder as a build at work, and remove half-written files that a killed one left behind."""
    if out.exists() and not out.is_dir():
        raise DataError(f"{out}: is a file; give a folder")
    mark = out / ".build"
    taken = None if mark.is_dir() or not out.exists() else next(iter(sorted(out.iterdir())), None)
    if taken is not None:
        raise DataError(f"{out}: not empty (it holds {taken.name}); choose a new folder")
    try:
        mark.mkdir(parents=True, exist_ok=True)
        for folder in (out, mark, out / "data"):
            for path in folder.glob(".*.*"):
                path.unlink()
    except OSError as error:
        raise DataError(f"{out}: cannot be written ({error.strerror}); choose another folder") from error


def _check_stems(splits: Iterable[str]) -> None:
    names: dict[str, str] = {}
    for split in splits:
        if names.setdefault(_safe(split), split) != split:
            raise DataError(
                f"splits {names[_safe(split)]!r} and {split!r} need the same file names; rename one"
            )


def _safe(split: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.]", "_", split)


def _tell(progress: Progress | None, rows: int) -> None:
    if progress is not None:
        progress(rows)
