"""Tracks that are listed in a table with one row per frame."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from mdlp_bench import plate
from mdlp_bench.curate.tracks.track import BadTrack, Box, FrameRef, Track, TrackSet
from mdlp_bench.data.parquet import reading_parquet
from mdlp_bench.data.problem import ProblemCode
from mdlp_bench.data.rectify import Corners, as_corners
from mdlp_bench.data.sources.base import RejectedError
from mdlp_bench.data.sources.labels import check_text
from mdlp_bench.data.sources.names import printable, sample_id_of
from mdlp_bench.data.sources.text_table import (
    IMAGE_NAMES,
    TEXT_NAMES,
    cell_text,
    find_column,
    local_path,
    read_table,
)
from mdlp_bench.data.temp_table import Spill, hash_strings
from mdlp_bench.engine import chunks
from mdlp_bench.errors import DataError

_NUMBER: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_REQUIRED: Final = ("track_id", "frame_index", "path")
_ROWS: Final = 1 << 15
_NAMES: Final[Mapping[str, Sequence[str]]] = {
    "track_id": ("track_id", "track", "trackid", "tracklet", "tracklet_id", "sequence", "sequence_id"),
    "frame_index": ("frame_index", "frame_id", "frame_no", "frame_number", "frame_idx", "frame", "index"),
    "path": ("path", *(name for name in IMAGE_NAMES if name != "path")),
    "box": ("box", "bbox", "bounding_box"),
    "corners": ("corners", "vertices"),
    "timestamp": ("timestamp", "time"),
    "split": ("split",),
    "layout": ("layout",),
    "plate_id": ("plate_id",),
    "text": TEXT_NAMES,
}
"""The columns that matter and the names that they may have."""


def open_table(path: Path) -> TrackSet:
    """Group the rows of a CSV, TSV or Parquet table into tracks, in the order of their first rows.

    The rows are kept in a temporary file; in memory a row costs 16 bytes.

    Raises:
        DataError: Unreadable, empty, or without the columns that are needed.
    """
    name = printable(str(path))
    rows: Spill | None = None
    hashes = [np.zeros(0, np.uint64)]
    notes: list[str] = []
    with reading_parquet(path):
        for block in (
            _parquet_blocks(path) if path.suffix.lower() == ".parquet" else _text_blocks(path, notes)
        ):
            rows = rows or Spill(block.schema)
            ids = block.column("track_id")
            if ids.null_count:
                row = len(rows) + int(np.flatnonzero(np.asarray(ids.is_null()))[0])
                raise DataError(f"{name}: row {row + 2} has no track_id")
            rows.append(block)
            hashes.append(hash_strings(ids.cast(pa.string())))
    if rows is None or not len(rows):
        raise DataError(f"{name}: the table is empty")
    order, bounds = _grouped(np.concatenate(hashes))
    tracks = _TableTracks(path.parent, rows, order, bounds)
    return TrackSet(printable(path.stem), len(bounds) - 1, tuple(notes), tracks)


def _parquet_blocks(path: Path) -> Iterator[pa.RecordBatch]:
    """The rows of a Parquet table, only the columns that matter, some thousand at a time."""
    with pq.ParquetFile(path) as file:
        kept = _columns(path, file.schema_arrow.names)
        for batch in file.iter_batches(_ROWS, columns=list(kept), use_threads=False):
            yield batch.select(list(kept)).rename_columns(list(kept.values()))


def _text_blocks(path: Path, notes: list[str]) -> Iterator[pa.RecordBatch]:
    """The same of a CSV or TSV; lines of another length are left out and noted."""
    header, lines = read_table(path, notes.append)
    kept = {header.cells.index(column): role for column, role in _columns(path, header.cells).items()}
    for block in chunks(lines, _ROWS):
        arrays = [pa.array((line.cells[place] or None for line in block), pa.string()) for place in kept]
        yield pa.RecordBatch.from_arrays(arrays, names=list(kept.values()))


def _columns(path: Path, names: Sequence[str]) -> dict[str, str]:
    """The columns that matter, with their names in this table."""
    found = {role: find_column(wanted, names) for role, wanted in _NAMES.items()}
    if missing := [role for role in _REQUIRED if found[role] is None]:
        raise DataError(f"{printable(str(path))}: no column {missing[0]!r} (there are: {', '.join(names)})")
    return {column: role for role, column in found.items() if column is not None}


def _grouped(hashes: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Positions group by group, groups in the order of their first rows; where each starts, and the end."""
    order = np.argsort(hashes, kind="stable")
    ordered = hashes[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    sizes = np.diff(starts, append=len(order))
    # The sort is stable, so a group's first position is its first row.
    firsts = order[starts]
    order = order[np.argsort(np.repeat(firsts, sizes), kind="stable")]
    return order, np.concatenate([[0], np.cumsum(sizes[np.argsort(firsts)])])


@dataclass(frozen=True, slots=True)
class _TableTracks:
    base: Path
    rows: Spill
    order: npt.NDArray[np.int64]
    bounds: npt.NDArray[np.int64]

    def __iter__(self) -> Iterator[Track | BadTrack]:
        for start, stop in self._parts():
            at = int(self.bounds[start])
            block = self.rows.take(self.order[at : self.bounds[stop]])
            for first, end in pairwise((self.bounds[start : stop + 1] - at).tolist()):
                yield self._track(block.slice(first, end - first).to_pylist())

    def _parts(self) -> Iterator[tuple[int, int]]:
        """Tracks that are read together: about `_ROWS` rows, at least one track."""
        start, last = 0, len(self.bounds) - 1
        while start < last:
            stop = int(np.searchsorted(self.bounds, self.bounds[start] + _ROWS, "right")) - 1
            yield start, max(stop, start + 1)
            start = max(stop, start + 1)

    def _track(self, rows: Sequence[Mapping[str, Any]]) -> Track | BadTrack:
        track_id = sample_id_of(printable(str(rows[0]["track_id"]).strip()))
        try:
            return _table_track(rows, track_id, self.base)
        except RejectedError as error:
            return BadTrack(track_id, error.code, f"track {track_id}: {error}")
        except DataError as error:
            return BadTrack(track_id, "annotation", f"track {track_id}: {error}")


def _table_track(rows: Sequence[Mapping[str, Any]], track_id: str, base: Path) -> Track:
    by_index: dict[int, tuple[FrameRef, float | None]] = {}
    for row in rows:
        index = _number(row["frame_index"], "frame_index")
        if index != int(index) or not 0 <= index < 2**31:
            raise DataError(f"frame_index {row['frame_index']!r} is not a frame number")
        if int(index) in by_index:
            raise RejectedError(
                "frame-order", f"frame {int(index)} occurs twice, so the order is unknown; number the frames"
            )
        if cell_text(row["path"]) is None:
            raise DataError(f"frame {int(index)} has no path")
        frame = FrameRef(int(index), local_path(base, str(row["path"])), _region(row))
        stamp = None
        with suppress(DataError):  # times of day are not compared
            stamp = _number(row.get("timestamp"), "timestamp")
        by_index[int(index)] = (frame, stamp)
    ordered = [by_index[index] for index in sorted(by_index)]
    stamps = [stamp for _, stamp in ordered if stamp is not None]
    if any(later < earlier for earlier, later in pairwise(stamps)):
        raise RejectedError(
            "frame-order", "the timestamps contradict the order of frame_index; fix one of them"
        )
    notes: list[tuple[ProblemCode, str]] = []
    readable = [row for row in rows if not plate.is_unreadable(cell_text(row.get("text")) or "")]
    written = _agreed(readable or rows, "text", track_id, notes, plate.normalise)
    text, layout, problems = check_text(written or "", track_id, None)
    notes += [(p.code, p.message) for p in problems if p.code == "text-unreadable"]
    splits = sorted({split for row in rows if (split := cell_text(row.get("split"))) is not None})
    if len(splits) > 1:
        raise DataError(f"its rows are in the splits {', '.join(splits)}; put a track into one")
    return Track(
        track_id,
        tuple(frame for frame, _ in ordered),
        text,
        _agreed(rows, "layout", track_id, notes) or layout,
        printable(splits[0]) if splits else "all",
        _agreed(rows, "plate_id", track_id, notes),
        tuple(notes),
    )


def _agreed(
    rows: Sequence[Mapping[str, Any]],
    column: str,
    track_id: str,
    notes: list[tuple[ProblemCode, str]],
    form: Callable[[str], str] = str,
) -> str | None:
    """The one value that the rows of a track give, as `form` writes it; a note where they disagree."""
    values = {form(value) for row in rows if (value := cell_text(row.get(column))) is not None}
    if len(values) > 1:
        shown = ", ".join(sorted(values)[:3])
        notes.append(("label", f"track {track_id}: its rows disagree on {column} ({shown}); none is taken"))
        return None
    return printable(values.pop()) if values else None


def _number(value: Any, column: str) -> float:
    if hasattr(value, "timestamp"):
        return float(value.timestamp())
    with suppress(TypeError, ValueError):
        if math.isfinite(number := float(value)):
            return number
    raise DataError(f"{column} {value!r} is not a number")


def _region(row: Mapping[str, Any]) -> Box | Corners | None:
    corners, box = row.get("corners"), row.get("box")
    numbers = [float(number) for number in _NUMBER.findall(str(box if corners is None else corners))]
    if corners is not None:
        if len(numbers) != 8:
            raise DataError(f"corners {corners!r} are not eight numbers x1, y1, ... x4, y4")
        return as_corners(list(zip(numbers[::2], numbers[1::2], strict=True)))
    if box is None:
        return None
    if len(numbers) != 4:
        raise DataError(f"box {box!r} is not four numbers left, top, right, bottom")
    left, top, right, bottom = (round(number) for number in numbers)
    return left, top, right, bottom
