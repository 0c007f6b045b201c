"""One shard of a Parquet folder: written row group by row group, and on record until the build is done."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import pyarrow.parquet as pq
from pydantic import ValidationError

from mdlp_bench.data.manifest import Shard, index_row
from mdlp_bench.data.problem import Problem
from mdlp_bench.errors import DataError
from mdlp_bench.files import atomic_path, read_json, sha256_file, write_json
from mdlp_bench.frozen import Frozen
from mdlp_bench.output_folder import WORK
from mdlp_bench.schema import SAMPLE_SCHEMA, Sample, record_batch

ROW_GROUP: Final = 128
ROW_GROUP_BYTES: Final = 9_600_000
"""A row group is read as a whole, so it ends at so many rows or, earlier, at so many bytes of images (32
uncompressed triplets of the working size)."""

# Images are compressed already; compressing them again costs time on every read and gains nothing.
_COMPRESSION: Final = {"frames.list.element.bytes": "none", "gt.bytes": "none"}
_TEXT_COLUMNS: Final = [f.name for f in SAMPLE_SCHEMA if f.name not in ("frames", "frame_indices", "gt")]
_LEAF_COLUMNS: Final = [
    *_TEXT_COLUMNS,
    *(f"{name}.{part}" for name in ("frames.list.element", "gt") for part in ("bytes", "path")),
    "frame_indices.list.element",
]


class ShardRecord(Frozen):
    """The record of a finished shard (`.build/<split>-<number>.json`).

    Attributes:
        number: Its place in the split.
        candidates: The ids of the candidates that it was made from.
        origin: See `Samples.origin`.
        content: See `ShardContent.digest`.
        shard: Its entry in the manifest.
        index: The rows of `manifest.parquet`.
        problems: What was met.
    """

    number: int
    candidates: tuple[str, ...]
    origin: str | None
    content: str
    shard: Shard
    index: tuple[dict[str, Any], ...]
    problems: tuple[Problem, ...]


class ShardContent:
    """The content of a shard, counted and hashed but not kept.

    Attributes:
        index: The rows of `manifest.parquet`.
        problems: Why there is no row of some candidates.
    """

    def __init__(self) -> None:
        self.index: list[dict[str, Any]] = []
        self.problems: list[Problem] = []
        self._sha256 = sha256()

    def add(self, item: Sample | Problem) -> None:
        """Count a sample, or the reason why there is none."""
        if isinstance(item, Problem):
            self.problems.append(item)
            described: dict[str, Any] = asdict(item)
        else:
            self.index.append(index_row(item))
            described = {name: getattr(item, name) for name in _TEXT_COLUMNS}
            names = [image.name for _, image in item.named_images()]
            described |= {"frames": item.frame_indices, "index": self.index[-1], "names": names}
        self._sha256.update(json.dumps(described).encode() + b"\n")

    @property
    def digest(self) -> str:
        """SHA-256 over every column of every row, with the hashes of the images, and over the problems."""
        return self._sha256.hexdigest()


class ShardWriter:
    """A shard being written; the file appears when it is finished.

    Use it in a `with` block (or an `ExitStack`): left by an exception, it leaves nothing behind.

    Args:
        out: Folder of the data set.
        split: Split of its rows.
        number: The shard's number in the split.

    Raises:
        MdlpBenchError: The folder cannot be written.
    """

    def __init__(self, out: Path, split: str, number: int) -> None:
        self._out, self._split, self._number = out, split, number
        self._target = out / "data" / f"{stem_of(split, number)}.parquet"
        self._content = ShardContent()
        self._group: list[Sample] = []
        self._group_bytes = 0
        self._files = ExitStack()
        temporary = self._files.enter_context(atomic_path(self._target))
        self._writer = self._files.enter_context(
            pq.ParquetWriter(
                temporary,
                SAMPLE_SCHEMA,
                compression={name: _COMPRESSION.get(name, "zstd") for name in _LEAF_COLUMNS},
                use_dictionary=_TEXT_COLUMNS,
                write_statistics=_TEXT_COLUMNS,
                write_page_index=True,
                write_page_checksum=True,
            )
        )

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.__exit__(kind, error, trace)

    def add(self, item: Sample | Problem) -> None:
        """Add a sample, or the reason why there is none.

        Raises:
            DataError: See `record_batch`.
        """
        self._content.add(item)
        if isinstance(item, Problem):
            return
        self._group.append(item)
        self._group_bytes += sum(len(image.content) for _, image in item.named_images())
        if len(self._group) == ROW_GROUP or self._group_bytes >= ROW_GROUP_BYTES:
            self._flush()

    def finish(self, candidates: tuple[str, ...], origin: str | None = None) -> None:
        """Put the file in its place and record the candidates that it was made from.

        Args:
            candidates: Their ids.
            origin: See `Samples.origin`.

        Raises:
            MdlpBenchError: The folder cannot be written.
        """
        self._flush()
        self._files.close()
        record = ShardRecord(
            number=self._number,
            candidates=candidates,
            origin=origin,
            content=self._content.digest,
            shard=Shard(
                path=f"data/{self._target.name}",
                split=self._split,
                rows=len(self._content.index),
                size=self._target.stat().st_size,
                sha256=sha256_file(self._target),
            ),
            index=tuple(self._content.index),
            problems=tuple(self._content.problems),
        )
        write_json(_record_path(self._out, self._split, self._number), record.model_dump())

    def _flush(self) -> None:
        if self._group:
            self._writer.write_batch(record_batch(self._group))
        self._group, self._group_bytes = [], 0


def finished(out: Path, split: str, number: int) -> ShardRecord | None:
    """The record of a shard that an earlier run finished, None when it is still to be written.

    Raises:
        DataError: The record is damaged.
    """
    record = _read(_record_path(out, split, number))
    if record is None:
        return None
    path = out / record.shard.path
    return record if path.is_file() and path.stat().st_size == record.shard.size else None


def read_record(out: Path, split: str, number: int) -> ShardRecord:
    """The record of a shard of the running build.

    Raises:
        DataError: It vanished or is damaged.
    """
    path = _record_path(out, split, number)
    record = _read(path)
    if record is None:
        raise DataError(f"{path}: vanished during the build; start it again")
    return record


def check_content(record: ShardRecord, content: ShardContent, out: Path) -> None:
    """Test that a shard was made from these rows, column for column.

    Raises:
        DataError: It was not; names the first sample that differs.
    """
    if record.content != content.digest:
        changed = [
            now["sample_id"]
            for was, now in zip(record.index, content.index, strict=False)
            if was["digest"] != now["digest"]
        ]
        raise made_of(
            record, out, f"sample {changed[0]} with other images or text" if changed else "other rows"
        )


def made_of(record: ShardRecord, out: Path, what: str) -> DataError:
    """The error to raise for a shard that was made of something else than this build."""
    return DataError(
        f"{out}: holds an unfinished build of {what} (seen in {record.shard.path}); "
        "delete the folder or choose another one"
    )


def stem_of(split: str, number: int) -> str:
    """File name of a shard without its ending."""
    return f"{safe(split)}-{number:05d}"


def safe(split: str) -> str:
    """The form of a split's name in file names."""
    return re.sub(r"[^A-Za-z0-9_.]", "_", split)


def _read(path: Path) -> ShardRecord | None:
    if not path.is_file():
        return None
    try:
        return ShardRecord.model_validate(read_json(path))
    except ValidationError as error:
        raise DataError(f"{path}: damaged; delete the folder and build again") from error


def _record_path(out: Path, split: str, number: int) -> Path:
    return out / WORK / f"{stem_of(split, number)}.json"
