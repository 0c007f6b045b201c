"""ICPR 2026 LRLPR: `[<split>/][Scenario-X/][<layout>/]track_NNNNN/`, each with an `annotations.json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from mdlp_bench.data.rectify import Corners, as_corners
from mdlp_bench.data.sources.frame_order import AUTO, OrderRule
from mdlp_bench.data.sources.lr_hr_tracks import (
    Annotation,
    TrackSamples,
    holds_tracks,
    open_tracks,
    track_pattern,
)
from mdlp_bench.data.sources.names import Listing, printable, read_file
from mdlp_bench.data.sources.text_table import TEXT_NAMES, decoded, find_column
from mdlp_bench.errors import DataError, reason

_TRACK: Final = track_pattern("track")
_FILES: Final = ("annotations.json", "annotation.json")


def recognise(path: Path) -> bool:
    """Whether a folder holds LRLPR tracks."""
    return holds_tracks(path, _TRACK)


def open_lrlpr(path: Path, *, rectified: bool = False, order: OrderRule = AUTO) -> TrackSamples:
    """Open LRLPR tracks (the whole data set, a split, a scenario).

    Raises:
        DataError: A folder cannot be read.
    """
    return open_tracks(path, _TRACK, "lrlpr", read_annotation, rectified=rectified, order=order)


def read_annotation(folder: Path, listing: Listing) -> Annotation:
    """`{plate_layout, plate_text, corners: {<image>: {<corner>: [x, y]}}}`; each part is read on its own.

    Names of the fields are read as those of columns: in any case, and the usual others.
    """
    name = next((name for name in listing.others if name.lower() in _FILES), None)
    if name is None:
        return Annotation()
    where = printable(str(folder / name))
    try:
        found = json.loads(decoded(read_file(folder / name), where))
    except (ValueError, DataError, RecursionError) as error:
        return Annotation(faults=(f"{where}: not an annotation ({reason(error)})",))
    if not isinstance(found, dict):
        return Annotation(faults=(f"{where}: not an annotation (must be one JSON object)",))
    layout = found.get(find_column(("plate_layout", "layout"), found) or "")
    text = found.get(find_column(TEXT_NAMES, found) or "")
    corners, faults = _corners(found.get(find_column(("corners",), found) or "", {}), where)
    return Annotation(
        text=None if text is None else printable(str(text).strip()) or None,
        layout=layout.strip().lower() or None if isinstance(layout, str) else None,
        corners=corners,
        faults=faults,
    )


def _corners(found: Any, where: str) -> tuple[dict[str, Corners], tuple[str, ...]]:
    """The corners by image name, and what is wrong with those that cannot be used."""
    if not isinstance(found, dict):
        return {}, (f"{where}: corners are {found!r:.40}, not given by image name; they are not used",)
    corners: dict[str, Corners] = {}
    wrong: list[str] = []
    for name, points in found.items():
        try:
            corners[name] = as_corners(list(points.values()) if isinstance(points, dict) else points)
        except DataError:
            wrong.append(printable(name))
    if not wrong:
        return corners, ()
    return corners, (f"{where}: no usable corners of {', '.join(wrong[:3])} ({len(wrong)} of {len(found)})",)
