"""Captured tracks: consecutive images of one plate, in folders or listed in a table.

folder  <track>/<frame>.<ext>, at any depth, frames in numeric order of the last number in the name;
        optional label lists (labels.csv ...: track,text) beside the tracks
table   CSV, TSV or Parquet, one row a frame: track_id, frame_index, path (relative to the table); optional
        box (left, top, right, bottom) or corners (x1, y1, ... x4, y4) of the plate in the image,
        timestamp, text, split, layout, plate_id
"""

from __future__ import annotations

from pathlib import Path

from mdlp_bench.curate.tracks.folder import open_folder
from mdlp_bench.curate.tracks.table import open_table
from mdlp_bench.curate.tracks.track import BadTrack, FrameRef, Track, TrackSet
from mdlp_bench.data.sources.names import printable
from mdlp_bench.data.sources.table import TABLE_SUFFIXES
from mdlp_bench.errors import DataError

__all__ = ["BadTrack", "FrameRef", "Track", "TrackSet", "open_tracks"]


def open_tracks(path: Path) -> TrackSet:
    """List the tracks of a folder or table (see the module).

    Raises:
        DataError: There are none, or the folder or table cannot be read.
    """
    if path.is_dir():
        return open_folder(path)
    if path.is_file() and path.suffix.lower() in TABLE_SUFFIXES:
        return open_table(path)
    reason = "not a folder or a CSV, TSV or Parquet table" if path.exists() else "no such file or folder"
    raise DataError(f"{printable(str(path))}: {reason}")
