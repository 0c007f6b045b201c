"""Tracks that are folders of frames."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa

from mdlp_bench.curate.tracks.track import BadTrack, FrameRef, Track, TrackSet
from mdlp_bench.data.samples import ProblemCode
from mdlp_bench.data.sources.frame_order import AUTO, OrderRule, order_frames
from mdlp_bench.data.sources.labels import LabelRow, check_text, find_labels, read_labels
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
    # As the bytes that the system knows them by: as paths they would take ten times the memory.
    folders = pa.array(
        (os.fsencode(folder.relative_to(root)) for folder in _track_folders(root, _DEPTH)), pa.binary()
    )
    if not len(folders):
        raise DataError(f"{printable(str(root))}: no folder in it holds images; one folder a track is needed")
    tracks = _FolderTracks(root, folders, {}, order)
    texts, notes = _labels(tracks)
    labelled = _FolderTracks(root, folders, texts, order)
    return TrackSet(printable(root.resolve().name), len(folders), tuple(notes), labelled)


def _track_folders(folder: Path, depth: int) -> Iterator[Path]:
    listing = list_folder(folder)
    if listing.images:
        yield folder
    if depth:
        for name in listing.folders:
            yield from _track_folders(folder / name, depth - 1)


@dataclass(frozen=True, slots=True)
class _FolderTracks:
    """Tracks by their folders, relative to the root; by number the labels of some, and where these stand."""

    root: Path
    folders: pa.Array
    texts: Mapping[int, tuple[str, str]]
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
            label, where = self.texts.get(number, ("", ""))
            text, layout, problems = check_text(label, track_id, None, where)
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
        for number, name in enumerate(self.folders):
            yield number, Path(os.fsdecode(name.as_py()))


def _labels(tracks: _FolderTracks) -> tuple[dict[int, tuple[str, str]], list[str]]:
    """The label of each folder, found by its path below the root or by its name, and what fits none."""
    notes: list[str] = []
    rows: list[LabelRow] = []
    for file in find_labels(tracks.root):
        found, problems = read_labels(file)
        rows += found
        notes += [problem.message for problem in problems]
    if not rows:
        return {}, notes
    named = {"/".join(row.parts) for row in rows}
    matches: dict[str, list[int]] = defaultdict(list)
    for number, relative in tracks.paths():
        name = relative.name or tracks.root.resolve().name
        for key in {printable(relative.as_posix()), printable(name)} & named:
            matches[key].append(number)
    texts: dict[int, tuple[str, str]] = {}
    for row in rows:
        numbers = matches.get("/".join(row.parts), [])
        if len(numbers) != 1:
            notes.append(f"{row.where}: {row.key!r} labels {'several tracks' if numbers else 'no track'}")
        elif texts.setdefault(numbers[0], (row.text, row.where))[0] != row.text:
            notes.append(f"{row.where}: {row.key!r} has another label already; the first is used")
    return texts, notes
