"""Captured tracks: consecutive images of one plate, in folders or listed in a table.

folder  <track>/<frame>.<ext>, at any depth, frames in the order of their names (`order_frames`);
        optional label lists (labels.csv ...: track,text) beside the tracks
table   CSV, TSV or Parquet, one row per frame: track_id, frame_index, path (relative to the table); optional
        box (left, top, right, bottom) or corners (x1, y1, ... x4, y4) of the plate in the image,
        timestamp, text, split, layout, plate_id
"""

from __future__ import annotations

from pathlib import Path

from mdlp_bench.curate.tracks.folder import open_folder
from mdlp_bench.curate.tracks.labelled import with_labels
from mdlp_bench.curate.tracks.table import open_table
from mdlp_bench.curate.tracks.track import BadTrack, FrameRef, Track, TrackSet
from mdlp_bench.data.sources import mdlp
from mdlp_bench.data.sources.frame_order import AUTO, OrderRule
from mdlp_bench.data.sources.names import printable
from mdlp_bench.data.sources.table import TABLE_SUFFIXES
from mdlp_bench.errors import DataError

__all__ = ["BadTrack", "FrameRef", "Track", "TrackSet", "open_tracks"]


def open_tracks(path: Path, order: str | None = None, labels: Path | None = None) -> TrackSet:
    """List the tracks of a folder or table (see the module).

    Args:
        path: Folder or table.
        order: How the names of the frames of a folder are read: `name`, `number:K`, `time` or the path of a
            list; None to find the order in the names (see `mdlp_bench.data.sources.frame_order`).
        labels: A label list (track,text) whose texts replace those beside the tracks.

    Raises:
        DataError: There are none, the folder, table or list cannot be read, no line fits a track, or the
            folder is a data set in the layout of MDLP.
    """
    if path.is_dir():
        if mdlp.recognise(path):
            raise DataError(
                f"{printable(str(path))}: frames and ground truths are paired already (the official layout "
                "of MDLP); `data split` and `data audit` take it as it is"
            )
        tracks = open_folder(path, AUTO if order is None else OrderRule.parse(order))
    elif path.is_file() and path.suffix.lower() in TABLE_SUFFIXES:
        if order is not None:
            raise DataError(f"{printable(str(path))}: frame_index gives the order; leave --order out")
        tracks = open_table(path)
    else:
        reason = "not a folder or a CSV, TSV or Parquet table" if path.exists() else "no such file or folder"
        raise DataError(f"{printable(str(path))}: {reason}")
    return tracks if labels is None else with_labels(tracks, labels)
