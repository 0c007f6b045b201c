"""Read a Parquet folder of samples (written by `write_parquet`, or by anyone with these columns)."""

from __future__ import annotations

import copy
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mdlp_bench.data.manifest import (
    INDEX,
    INDEX_SCHEMA,
    MANIFEST,
    fingerprint,
    index_row,
    read_manifest,
    read_quarantine,
)
from mdlp_bench.data.problem import Problem
from mdlp_bench.data.samples import Samples, check_known
from mdlp_bench.data.sources.names import natural_key, printable
from mdlp_bench.data.temp_table import Strings, hash_strings
from mdlp_bench.errors import DataError, no_such, reason
from mdlp_bench.files import file_state, sha256_file
from mdlp_bench.schema import (
    IMAGE_COLUMNS,
    IMAGE_TYPE,
    REQUIRED,
    SAMPLE_SCHEMA,
    Sample,
    check_columns,
    samples_of,
)

_CACHED_BYTES = 256_000_000
"""How much of the row groups that were read last random access keeps."""


@dataclass(frozen=True, slots=True)
class _File:
    """One Parquet file, the columns it has, and the place of its rows in the data set."""

    path: Path
    columns: tuple[str, ...]
    start: int
    rows: int


class ParquetSamples(Samples):
    """Rows of `SAMPLE_SCHEMA` in Parquet.

    Opening reads ids and splits only. `samples[i]` reads the row group of the sample and keeps the latest row
    groups, up to 256 MB. Nullable columns may be missing; other columns are ignored.

    Args:
        path: A folder with `manifest.json`, any folder of Parquet files, or one file.

    Raises:
        DataError: No Parquet, damaged, required columns missing, or not what the manifest says.
    """

    def __init__(self, path: Path) -> None:
        folder = path if path.is_dir() else path.parent
        self.path = path
        self._problems: list[Problem] = []
        if path.is_dir() and (path / MANIFEST).is_file():
            self.manifest = read_manifest(path)
            self.name = self.manifest.name
            self._problems += self.manifest.problems
            paths = [path / shard.path for shard in self.manifest.shards]
        else:
            self.name = path.resolve().stem if path.is_file() else path.resolve().name
            paths = find_parquet(path)
        self._files = _open_files(paths)
        self._ids, self._splits = self._read_index()
        self._places = _Places(self._ids)
        self._kept = np.ones(len(self._ids), np.bool_)
        self._fingerprint: str | None = None
        self._groups = _RowGroups(self._files)
        self._positions: npt.NDArray[np.int64] | None = None
        self._leave_out_duplicates()
        self._leave_out_quarantined(read_quarantine(folder))

    @property
    def problems(self) -> Sequence[Problem]:
        """See `Samples`; the problems of the build, duplicate ids and the quarantine."""
        return tuple(self._problems)

    @property
    def fingerprint(self) -> str:
        """See `Samples`; without a manifest every image is read once."""
        if self._fingerprint is None:
            self._fingerprint = fingerprint(row["digest"] for row in self._index_rows(["digest"]))
        return self._fingerprint

    @property
    def sample_ids(self) -> Sequence[str]:
        """See `Samples`."""
        return self._ids.filter(pa.array(self._kept)).to_pylist()  # type: ignore[no-any-return]

    def __len__(self) -> int:
        return int(self._kept.sum())

    def candidates(self) -> Mapping[str, Sequence[str]]:
        """See `Samples`."""
        return {
            split: Strings(self._ids.filter(pa.array(self._kept & np.asarray(pc.equal(self._splits, split)))))
            for split in self.splits
        }

    @property
    def splits(self) -> Mapping[str, int]:
        """See `Samples`."""
        counts = self._splits.filter(pa.array(self._kept)).value_counts()
        return {item["values"]: item["counts"] for item in counts.to_pylist()}

    def batches(self, size: int = 128, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """See `Samples`."""
        wanted = SAMPLE_SCHEMA.names if columns is None else list(columns)
        check_columns(wanted)
        pending: list[pa.RecordBatch] = []
        count = 0
        for group in self._row_groups(wanted):
            start = 0
            while start < group.num_rows:
                piece = group.slice(start, size - count)
                pending.append(piece)
                start, count = start + piece.num_rows, count + piece.num_rows
                if count == size:
                    yield _joined(pending)
                    pending, count = [], 0
        if pending:
            yield _joined(pending)

    def sample_at(self, position: int) -> Sample:
        """See `Samples`."""
        if self._positions is None:
            self._positions = np.flatnonzero(self._kept)
        return self._groups.sample(int(self._positions[position]))

    def select(
        self, *, split: str | None = None, sample_ids: Collection[str] | None = None
    ) -> ParquetSamples:
        """See `Samples`."""
        chosen = copy.copy(self)
        chosen._kept, chosen._fingerprint, chosen._positions = self._kept.copy(), None, None
        chosen._problems = list(self._problems)
        if split is not None:
            chosen._kept &= np.asarray(pc.equal(self._splits, split))
            known = list(self.splits) + [p.split for p in self._problems if p.split is not None]
            if split not in known:
                raise no_such("split", split, known, DataError, where=self.name)
            chosen._problems = [p for p in chosen._problems if p.split in (None, split)]
            chosen.name = f"{self.name}/{split}"
        if sample_ids is not None:
            wanted = set(sample_ids)
            found = self._places.of(wanted)
            found = found[self._kept[found]]
            if len(found) < len(wanted):
                present = set(self._ids.take(pa.array(found)).to_pylist())
                check_known(self.name, wanted, present | {p.sample_id for p in self._problems})
            asked = np.zeros_like(self._kept)
            asked[found] = True
            chosen._kept &= asked
            chosen._problems = [p for p in chosen._problems if p.sample_id in wanted]
        return chosen

    def origin(self, sample_ids: Collection[str]) -> str | None:
        """See `Samples`."""
        files = [file_state(file.path) for file in self._files]
        return sha256(repr((files, list(sample_ids))).encode()).hexdigest()

    def check_shards(self) -> Iterator[Problem]:
        """See `Samples`."""
        for shard in self.manifest.shards if self.manifest else ():
            path = self.path / shard.path
            if sha256_file(path) != shard.sha256:
                message = f"{printable(str(path))}: its SHA-256 is not the manifest's; copy the file again"
                yield Problem("row", message, None, shard.split)

    def index(self) -> Iterator[dict[str, Any]]:
        """See `Samples`; without reading images when there is a manifest."""
        yield from self._index_rows(INDEX_SCHEMA.names)

    def texts(self) -> pa.Table:
        """The columns sample_id, split and text; without reading shards when there is a manifest."""
        columns = ["sample_id", "split", "text"]
        if self.manifest is not None:
            with reading_parquet(self.path / INDEX):
                found = pq.read_table(self.path / INDEX, columns=columns)
        else:
            found = self._columns(columns)
        return found.filter(pa.array(self._kept))

    def _index_rows(self, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
        if self.manifest is None:
            yield from map(index_row, self)
            return
        path = self.path / INDEX
        start = 0
        with reading_parquet(path), _parquet(path) as parquet:
            for batch in parquet.iter_batches(columns=columns):
                kept = pa.array(self._kept[start : start + batch.num_rows])
                start += batch.num_rows
                yield from batch.filter(kept).to_pylist()

    def _row_groups(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The kept rows of every row group that has any."""
        for file in self._files:
            kept = self._kept[file.start : file.start + file.rows]
            if not kept.any():
                continue
            present = [name for name in columns if name in file.columns]
            with reading_parquet(file.path), _parquet(file.path) as parquet:
                start = 0
                for number in range(parquet.metadata.num_row_groups):
                    stop = start + parquet.metadata.row_group(number).num_rows
                    mask = kept[start:stop]
                    start = stop
                    if mask.any():
                        table = parquet.read_row_group(number, columns=present, use_threads=False)
                        batch = _conform(table, columns, file.path)
                        yield batch if mask.all() else batch.filter(pa.array(mask))

    def _read_index(self) -> tuple[pa.Array, pa.Array]:
        """Ids and splits of all rows."""
        if self.manifest is not None:
            path = self.path / INDEX
            if not path.is_file():
                raise DataError(f"{path}: missing; build the data set again")
            if sha256_file(path) != self.manifest.index_sha256:
                raise DataError(f"{path}: not the index that {MANIFEST} names; copy the data set again")
            with reading_parquet(path):
                index = pq.read_table(path, columns=["sample_id", "split"]).combine_chunks()
            self._check_sizes(index.num_rows)
            return _flat(index.column("sample_id")), _flat(index.column("split"))
        index = self._columns(["sample_id", "split"])
        return _flat(index.column("sample_id")), _flat(index.column("split"))

    def _columns(self, names: Sequence[str]) -> pa.Table:
        """Columns of all rows."""
        parts = []
        for file in self._files:
            present = [name for name in names if name in file.columns]
            with reading_parquet(file.path), _parquet(file.path) as parquet:
                parts.append(_conform(parquet.read(columns=present, use_threads=False), names, file.path))
        return pa.Table.from_batches(parts)

    def _check_sizes(self, index_rows: int) -> None:
        shards = self.manifest.shards if self.manifest else ()
        for shard, file in zip(shards, self._files, strict=True):
            if file.rows != shard.rows or file.path.stat().st_size != shard.size:
                raise DataError(f"{file.path}: not the shard that {MANIFEST} names; copy the data set again")
        if index_rows != sum(shard.rows for shard in shards):
            raise DataError(f"{self.path / INDEX}: {index_rows} rows, the shards have others; build it again")

    def _leave_out_duplicates(self) -> None:
        if pc.count_distinct(self._ids).as_py() == len(self._ids):
            return
        seen: set[str] = set()
        splits = self._splits.to_pylist()
        for position, sample_id in enumerate(self._ids.to_pylist()):
            if sample_id in seen:
                self._kept[position] = False
                what = "a second row has this id; only the first is used, rename one"
                self._problems.append(Problem.of_sample("duplicate-id", sample_id, splits[position], what))
            seen.add(sample_id)

    def _leave_out_quarantined(self, quarantine: Mapping[str, str]) -> None:
        if not quarantine:
            return
        listed = np.asarray(pc.is_in(self._ids, pa.array(list(quarantine), pa.string()))) & self._kept
        self._kept &= ~listed
        for position in np.flatnonzero(listed):
            sample_id, split = self._ids[position].as_py(), self._splits[position].as_py()
            what = f"in quarantine ({quarantine[sample_id]})"
            self._problems.append(Problem.of_sample("quarantined", sample_id, split, what))


class _RowGroups:
    """Random access to rows: the row group of a row is read as a whole, and the latest ones are kept.

    A copy in another process starts with nothing kept.
    """

    def __init__(self, files: Sequence[_File]) -> None:
        self._files = files
        self._starts: dict[int, list[int]] = {}
        self._kept: OrderedDict[tuple[int, int], pa.RecordBatch] = OrderedDict()

    def __reduce__(self) -> tuple[type[_RowGroups], tuple[Sequence[_File]]]:
        return _RowGroups, (self._files,)

    def sample(self, row: int) -> Sample:
        number = bisect_right(self._files, row, key=lambda file: file.start) - 1
        place = row - self._files[number].start
        starts = self._starts_of(number)
        group = bisect_right(starts, place) - 1
        (sample,) = samples_of(self._read(number, group).slice(place - starts[group], 1))
        return sample

    def _starts_of(self, number: int) -> list[int]:
        if number not in self._starts:
            path = self._files[number].path
            with reading_parquet(path), _parquet(path) as parquet:
                sizes = [parquet.metadata.row_group(g).num_rows for g in range(parquet.num_row_groups)]
            self._starts[number] = [0, *accumulate(sizes[:-1])]
        return self._starts[number]

    def _read(self, number: int, group: int) -> pa.RecordBatch:
        if (batch := self._kept.pop((number, group), None)) is None:
            file = self._files[number]
            present = [name for name in SAMPLE_SCHEMA.names if name in file.columns]
            with reading_parquet(file.path), _parquet(file.path) as parquet:
                table = parquet.read_row_group(group, columns=present, use_threads=False)
                batch = _conform(table, SAMPLE_SCHEMA.names, file.path)
        self._kept[number, group] = batch
        while len(self._kept) > 1 and sum(kept.nbytes for kept in self._kept.values()) > _CACHED_BYTES:
            self._kept.popitem(last=False)
        return batch


class _Places:
    """Positions of ids, by binary search among their hashes: the cost depends on the number of ids looked up.

    Args:
        ids: string [N]; sorted when the first id is looked up, 16 bytes per id.
    """

    def __init__(self, ids: pa.Array) -> None:
        self._ids = ids
        self._sorted: tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]] | None = None

    def of(self, wanted: Collection[str]) -> npt.NDArray[np.int64]:
        """The positions of these ids, ascending; an id that is repeated has several."""
        if self._sorted is None:
            hashes = hash_strings(self._ids)
            order = np.argsort(hashes, kind="stable")
            self._sorted = hashes[order], order
        hashes, order = self._sorted
        asked = np.unique(hash_strings(pa.array(list(wanted), pa.string())))
        first, last = (np.searchsorted(hashes, asked, side) for side in ("left", "right"))
        places = np.sort(
            np.concatenate([order[a:b] for a, b in zip(first, last, strict=True)] or [order[:0]])
        )
        same = pc.is_in(self._ids.take(pa.array(places)), pa.array(list(wanted), pa.string()))
        return np.asarray(places[np.asarray(same)], np.int64)


def find_parquet(path: Path) -> list[Path]:
    """The Parquet files of a folder: those in `data/` when there are any, else those directly inside.

    Raises:
        DataError: There are none.
    """
    if path.is_file():
        return [path]
    for folder in (path / "data", path):
        if folder.is_dir():
            found = [
                p for p in folder.glob("*.parquet") if p.is_file() and p.name != INDEX and p.name[0] != "."
            ]
            if found:
                return sorted(found, key=lambda p: natural_key(printable(p.name)))
    raise DataError(f"{printable(str(path))}: no Parquet files in it or in its folder data/")


def has_sample_columns(path: Path) -> bool:
    """Whether a Parquet file is readable and has the required columns of a sample row."""
    try:
        return set(pq.read_schema(path).names) >= REQUIRED
    except (OSError, pa.ArrowException):
        return False


def _open_files(paths: Sequence[Path]) -> list[_File]:
    files: list[_File] = []
    start = 0
    for path in paths:
        with reading_parquet(path), _parquet(path) as parquet:
            columns, rows = tuple(parquet.schema_arrow.names), parquet.metadata.num_rows
        if missing := sorted(REQUIRED - set(columns)):
            raise DataError(f"{printable(str(path))}: no column {missing[0]!r}; it holds no sample rows")
        files.append(_File(path, columns, start, rows))
        start += rows
    return files


def _parquet(path: Path) -> pq.ParquetFile:
    return pq.ParquetFile(path, memory_map=True, page_checksum_verification=True)


@contextmanager
def reading_parquet(path: Path) -> Iterator[None]:
    """Turn what Arrow and the system raise while a file is read into one line that names it.

    Raises:
        DataError: The file is missing or no readable Parquet file.
    """
    name = printable(str(path))
    try:
        yield
    except FileNotFoundError as error:
        raise DataError(f"{name}: missing; copy the data set again") from error
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{name}: not a readable Parquet file ({reason(error)})") from error


def _conform(table: pa.Table, columns: Sequence[str], path: Path) -> pa.RecordBatch:
    """The table as one batch with these columns, in the types of the sample schema."""
    arrays = []
    for name in columns:
        field = SAMPLE_SCHEMA.field(name)
        if name not in table.column_names:
            arrays.append(pa.nulls(table.num_rows, field.type))
            continue
        array = _flat(table.column(name))
        if name in REQUIRED and array.null_count:
            raise DataError(f"{printable(str(path))}: column {name!r} has rows without a value")
        if array.type != field.type:
            try:
                array = array.cast(field.type)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
                raise DataError(
                    f"{printable(str(path))}: column {name!r} is {array.type}, must be {field.type}"
                ) from error
        _check_embedded(array, name, path)
        arrays.append(array)
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema([SAMPLE_SCHEMA.field(n) for n in columns]))


def _check_embedded(array: pa.Array, name: str, path: Path) -> None:
    if name not in IMAGE_COLUMNS:
        return
    images = array.flatten() if name == "frames" else array.drop_null()
    if images.type == IMAGE_TYPE and len(images) and images.field("bytes").null_count:
        raise DataError(f"{printable(str(path))}: column {name!r} has images without bytes; embed them")


def _joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)


def _flat(column: pa.ChunkedArray) -> pa.Array:
    if column.num_chunks == 1:
        return column.chunk(0)
    combined = column.combine_chunks()
    return pa.concat_arrays(combined.chunks) if isinstance(combined, pa.ChunkedArray) else combined
