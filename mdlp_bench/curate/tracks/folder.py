"""Tracks that are folders of frames."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pyarrow as pa

from mdlp_bench.curate.tracks.track import BadTrack, FrameRef, Track, TrackSet
from mdlp_bench.data.problem import ProblemCode
from mdlp_bench.data.sources.frame_order import AUTO, OrderRule, order_frames
from mdlp_bench.data.sources.labels import LabelKeys, LabelLists, LabelRow, check_text
from mdlp_bench.data.sources.names import list_folder, printable, sample_id_of
from mdlp_bench.errors import DataError

_DEPTH: Final = 6


def open_folder(root: Path, order: OrderRule = AUTO) -> TrackSet:
    """List the folders of frames at any depth; lists of labels (track,text) may lie beside them.

    Args:
        root: The folder.
        order: How the names of the frames are read.

    Raises:
        DataError: There are none, or a folder cannot be read.
    """
    # Stored as bytes, because paths would take ten times the memory.
    folders = pa.array(
        (os.fsencode(folder.relative_to(root)) for folder in _track_folders(root, _DEPTH)), pa.binary()
    )
    if not len(folders):
        raise DataError(
            f"{printable(str(root))}: no folder in it holds images; one folder per track is needed"
        )
    tracks = _FolderTracks(root, folders, {}, order)
    labels, notes = _labels(tracks)
    return TrackSet(
        printable(root.resolve().name), len(folders), tuple(notes), replace(tracks, labels=labels)
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
    """Tracks by their folders, relative to the root, and by number the lines that label some."""

    root: Path
    folders: pa.Array
    labels: Mapping[int, LabelRow]
    order: OrderRule

    def __iter__(self) -> Iterator[Track | BadTrack]:
        for number, relative in self.paths():
            folder = self.root / relative
            parts = relative.parts or (self.root.resolve().name,)
            track_id = sample_id_of(*map(printable, parts))
            try:
                ordered = order_frames(list_folder(folder).images, self.order, folder.name)
            except DataError as error:
                yield BadTrack(track_id, "frame-order", f"track {track_id}: {error}")
                continue
            row = self.labels.get(number, LabelRow("", "", None))
            text, layout, problems = check_text(row.text, track_id, None, row.where)
            pairs = zip(ordered.indices, ordered.names, strict=True)
            frames = tuple(FrameRef(index, folder / name) for index, name in pairs)
            notes: list[tuple[ProblemCode, str]] = [
                (p.code, p.message) for p in problems if p.code == "text-unreadable"
            ]
            if ordered.note is not None:
                notes.append(("order-unclear", f"track {track_id}: {ordered.note}"))
            yield Track(track_id, frames, text, layout, notes=tuple(notes))

    def paths(self) -> Iterator[tuple[int, Path]]:
        """Number and relative path of each folder."""
        for number in range(len(self.folders)):
            yield number, self.relative(number)

    def relative(self, number: int) -> Path:
        """The path of a folder below the root."""
        return Path(os.fsdecode(self.folders[number].as_py()))


def _labels(tracks: _FolderTracks) -> tuple[dict[int, LabelRow], list[str]]:
    """The label of each folder, found by its path below the root or by its name, and what fits none."""
    lists = LabelLists.of(tracks.root, {})
    keys = LabelKeys[int](lists.rows)
    if lists.rows:
        for number, relative in tracks.paths():
            name = printable(relative.name or tracks.root.resolve().name)
            keys.add(number, printable(relative.as_posix()), name)
    found, problems = keys.match("track", lambda number: printable(tracks.relative(number).as_posix()))
    return found, [problem.message for problem in (*lists.problems, *problems)]
