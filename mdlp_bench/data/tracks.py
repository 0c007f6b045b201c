"""Captured tracks: consecutive images of one plate, in folders or listed in a table.

folder  <track>/<frame>.<ext>, at any depth, frames in numeric order of the last number in the name;
        optional label lists (labels.csv ...: track,text) beside the tracks
table   CSV, TSV or Parquet, one row a frame: track_id, frame_index, path (relative to the table); optional
        box (left, top, right, bottom) or corners (x1, y1, ... x4, y4) of the plate in the image,
        timestamp, text, split, layout, plate_id
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from mdlp_bench import images
from mdlp_bench.data.rectify import Corners, as_corners, rectify
from mdlp_bench.data.samples import ProblemCode
from mdlp_bench.data.sources.labels import LabelRow, check_text, find_labels, read_labels
from mdlp_bench.data.sources.lazy import RejectedError
from mdlp_bench.data.sources.names import list_folder, order_frames, printable, read_file, sample_id_of
from mdlp_bench.data.sources.table import TABLE_SUFFIXES, TEXT_COLUMNS
from mdlp_bench.errors import DataError
from mdlp_bench.images import ImageU8

_DEPTH: Final = 6
_NUMBER: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_REQUIRED: Final = ("track_id", "frame_index", "path")
_OPTIONAL: Final = ("box", "corners", "timestamp", "split", "layout", "plate_id")

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels; right and bottom are exclusive."""


@dataclass(frozen=True, slots=True)
class FrameRef:
    """Where a frame is.

    Attributes:
        index: Its number in the track.
        path: The image file.
        region: The plate in the image; None when the image is the plate.
    """

    index: int
    path: Path
    region: Box | Corners | None = None

    def load(self) -> tuple[dict[str, Any], ImageU8]:
        """The frame as an `Image` struct and as uint8 RGB [H, W, 3].

        Without a region the bytes are the file's. A cut-out has no original bytes: it is encoded as PNG.

        Raises:
            DataError: The file is missing, broken, or the region is not in it; names the file.
        """
        name = printable(str(self.path))
        content = read_file(self.path)
        images.verify(content, name)
        pixels = images.decode(content, name)
        if self.region is None:
            return {"bytes": content, "path": printable(self.path.name)}, pixels
        try:
            pixels = _cut(pixels, self.region)
        except DataError as error:
            raise DataError(f"{name}: {error}") from error
        return {"bytes": images.encode(pixels), "path": printable(f"{self.path.stem}.png")}, pixels


@dataclass(frozen=True, slots=True)
class Track:
    """One track, in order.

    Attributes:
        track_id: Unique; does as a file name.
        frames: At least one.
        text: The label, normalised, when there is one.
        layout: As given, or when the label leaves only one.
        split: Split the samples go to.
        plate_id: As given; else the text decides.
    """

    track_id: str
    frames: tuple[FrameRef, ...]
    text: str | None = None
    layout: str | None = None
    split: str = "all"
    plate_id: str | None = None


@dataclass(frozen=True, slots=True)
class BadTrack:
    """A track that cannot be read as one."""

    track_id: str
    code: ProblemCode
    message: str


@dataclass(frozen=True, slots=True)
class TrackSet:
    """Tracks in a fixed order, listed as they are iterated.

    Attributes:
        name: Name of the folder or table.
        size: Number of tracks, bad ones counted.
        notes: What is odd about the labels.
    """

    name: str
    size: int
    notes: tuple[str, ...]
    _tracks: Any

    def __iter__(self) -> Iterator[Track | BadTrack]:
        return iter(self._tracks)


def open_tracks(path: Path) -> TrackSet:
    """List the tracks of a folder or table (see the module).

    Raises:
        DataError: There are none, or the folder or table cannot be read.
    """
    if path.is_dir():
        return _open_folder(path)
    if path.is_file() and path.suffix.lower() in TABLE_SUFFIXES:
        return _open_table(path)
    reason = "not a folder or a CSV, TSV or Parquet table" if path.exists() else "no such file or folder"
    raise DataError(f"{printable(str(path))}: {reason}")


def _cut(pixels: ImageU8, region: Box | Corners) -> ImageU8:
    if isinstance(region[0], tuple):
        return rectify(pixels, region)
    left, top, right, bottom = region
    height, width = pixels.shape[:2]
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        raise DataError(f"the box {list(region)} is not inside the {width} x {height} image")
    return np.ascontiguousarray(pixels[top:bottom, left:right])


def _open_folder(root: Path) -> TrackSet:
    folders = list(_track_folders(root, _DEPTH))
    if not folders:
        raise DataError(f"{printable(str(root))}: no folder in it holds images; one folder a track is needed")
    texts, notes = _folder_labels(root, folders)
    return TrackSet(
        printable(root.resolve().name), len(folders), tuple(notes), _FolderTracks(root, folders, texts)
    )


def _track_folders(folder: Path, depth: int) -> Iterator[Path]:
    listing = list_folder(folder)
    if listing.images:
        yield folder
    if depth:
        for name in listing.folders:
            yield from _track_folders(folder / name, depth - 1)


@dataclass(frozen=True, slots=True)
class _FolderTracks:
    root: Path
    folders: Sequence[Path]
    texts: Mapping[Path, str]

    def __iter__(self) -> Iterator[Track | BadTrack]:
        for folder in self.folders:
            parts = folder.relative_to(self.root).parts or (self.root.resolve().name,)
            track_id = sample_id_of(*map(printable, parts))
            try:
                names, indices = order_frames(list_folder(folder).images)
            except DataError as error:
                yield BadTrack(track_id, "frame-order", f"track {track_id}: {error}")
                continue
            text, layout, _ = check_text(self.texts.get(folder, ""), track_id, None)
            frames = (FrameRef(i, folder / name) for i, name in zip(indices, names, strict=True))
            yield Track(track_id, tuple(frames), text, layout)


def _folder_labels(root: Path, folders: Sequence[Path]) -> tuple[dict[Path, str], list[str]]:
    """The label of each folder, found by its path below the root or by its name."""
    by_key: dict[str, list[Path]] = defaultdict(list)
    for folder in folders:
        relative = printable(folder.relative_to(root).as_posix())
        for key in {relative, printable(folder.resolve().name)}:
            by_key[key].append(folder)
    texts: dict[Path, str] = {}
    notes: list[str] = []
    rows: list[LabelRow] = []
    for file in find_labels(root):
        found, problems = read_labels(file)
        rows += found
        notes += [problem.message for problem in problems]
    for row in rows:
        matches = by_key.get("/".join(row.parts), [])
        if len(matches) != 1:
            notes.append(f"{row.where}: {row.key!r} labels {'several tracks' if matches else 'no track'}")
        elif texts.setdefault(matches[0], row.text) != row.text:
            notes.append(f"{row.where}: {row.key!r} has another label already; the first is used")
    return texts, notes


def _open_table(path: Path) -> TrackSet:
    table = _read_table(path)
    name = printable(str(path))
    if missing := [column for column in _REQUIRED if column not in table.column_names]:
        raise DataError(f"{name}: no column {missing[0]!r} (there are: {', '.join(table.column_names)})")
    text_column = next((column for column in TEXT_COLUMNS if column in table.column_names), None)
    kept = [column for column in (*_REQUIRED, *_OPTIONAL) if column in table.column_names]
    table = table.select([*kept, *([text_column] if text_column else [])])
    if text_column:
        table = table.rename_columns([*kept, "text"])
    ids = table.column("track_id").combine_chunks()
    if ids.null_count:
        row = int(np.flatnonzero(np.asarray(ids.is_null()))[0])
        raise DataError(f"{name}: row {row + 2} has no track_id")
    codes = np.asarray(ids.cast(pa.string()).dictionary_encode().indices)
    order = np.argsort(codes, kind="stable")
    bounds = np.flatnonzero(np.diff(codes[order], prepend=-1, append=-1))
    if len(bounds) < 2:
        raise DataError(f"{name}: the table is empty")
    return TrackSet(printable(path.stem), len(bounds) - 1, (), _TableTracks(path, table, order, bounds))


def _read_table(path: Path) -> pa.Table:
    name = printable(str(path))
    try:
        if path.suffix.lower() == ".parquet":
            return pq.read_table(path)
        delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
        parse = pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
        with pa.csv.open_csv(path, parse_options=parse) as stream:
            columns = stream.schema.names
        convert = pa.csv.ConvertOptions(
            column_types=dict.fromkeys(columns, pa.string()), strings_can_be_null=True, null_values=[""]
        )
        return pa.csv.read_csv(path, parse_options=parse, convert_options=convert)
    except (OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{name}: not a readable table ({reason})") from error


@dataclass(frozen=True, slots=True)
class _TableTracks:
    path: Path
    table: pa.Table
    order: Any
    bounds: Any

    def __iter__(self) -> Iterator[Track | BadTrack]:
        for start, stop in pairwise(self.bounds.tolist()):
            rows = self.table.take(pa.array(self.order[start:stop])).to_pylist()
            track_id = sample_id_of(printable(str(rows[0]["track_id"]).strip()))
            try:
                yield _table_track(rows, track_id, self.path.parent)
            except RejectedError as error:
                yield BadTrack(track_id, error.code, f"track {track_id}: {error}")
            except DataError as error:
                yield BadTrack(track_id, "annotation", f"track {track_id}: {error}")


def _table_track(rows: Sequence[Mapping[str, Any]], track_id: str, base: Path) -> Track:
    by_index: dict[int, tuple[FrameRef, float | None]] = {}
    for row in rows:
        index = _number(row["frame_index"], "frame_index")
        if index != int(index) or not 0 <= index < 2**31:
            raise DataError(f"frame_index {row['frame_index']!r} is no frame number")
        if int(index) in by_index:
            raise RejectedError(
                "frame-order", f"frame {int(index)} occurs twice, so the order is unknown; number the frames"
            )
        if not str(row["path"] or "").strip():
            raise DataError(f"frame {int(index)} has no path")
        stamp = row.get("timestamp")
        frame = FrameRef(int(index), base / str(row["path"]).strip(), _region(row))
        by_index[int(index)] = (frame, None if stamp is None else _number(stamp, "timestamp"))
    ordered = [by_index[index] for index in sorted(by_index)]
    stamps = [stamp for _, stamp in ordered if stamp is not None]
    if any(later < earlier for earlier, later in pairwise(stamps)):
        raise RejectedError(
            "frame-order", "the timestamps contradict the order of frame_index; mend one of them"
        )
    text, layout, _ = check_text(_agreed(rows, "text") or "", track_id, None)
    return Track(
        track_id,
        tuple(frame for frame, _ in ordered),
        text,
        _agreed(rows, "layout") or layout,
        _agreed(rows, "split") or "all",
        _agreed(rows, "plate_id"),
    )


def _agreed(rows: Sequence[Mapping[str, Any]], column: str) -> str | None:
    """The one value that the rows of a track give."""
    values = {str(value).strip() for row in rows if (value := row.get(column)) is not None} - {""}
    if len(values) > 1:
        raise DataError(f"its rows disagree on {column} ({', '.join(sorted(values)[:3])})")
    return printable(values.pop()) if values else None


def _number(value: Any, column: str) -> float:
    if hasattr(value, "timestamp"):
        return float(value.timestamp())
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise DataError(f"{column} {value!r} is not a number") from error
    if not math.isfinite(number):
        raise DataError(f"{column} {value!r} is not a number")
    return number


def _region(row: Mapping[str, Any]) -> Box | Corners | None:
    if row.get("corners") is not None:
        numbers = [float(number) for number in _NUMBER.findall(str(row["corners"]))]
        if len(numbers) != 8:
            raise DataError(f"corners {row['corners']!r} are not eight numbers x1, y1, ... x4, y4")
        return as_corners(list(zip(numbers[::2], numbers[1::2], strict=True)))
    if row.get("box") is None:
        return None
    numbers = [float(number) for number in _NUMBER.findall(str(row["box"]))]
    if len(numbers) != 4:
        raise DataError(f"box {row['box']!r} is not four numbers left, top, right, bottom")
    left, top, right, bottom = (round(number) for number in numbers)
    return left, top, right, bottom
