"""UFPR-SR-Plates: `[<split>/]plate-NNNNNN/`, LabelMe files beside the images, text in `*_<text>.txt`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

from mdlp_bench import plate
from mdlp_bench.data.rectify import Corners, as_corners
from mdlp_bench.data.sources.frame_order import AUTO, OrderRule
from mdlp_bench.data.sources.lr_hr_tracks import Annotation, TrackSamples, find_tracks, open_tracks
from mdlp_bench.data.sources.names import Listing, printable, read_file
from mdlp_bench.errors import DataError, reason

_TRACK: Final = re.compile(r"plate[-_][0-9]+", re.IGNORECASE)
_PLATE_LABELS: Final = frozenset({"lp", "plate", "license_plate", "licence_plate", "license plate"})
_PLACEHOLDER: Final = "TEXT"
"""Instead of the text in the names of the public samples."""


def recognise(path: Path) -> bool:
    """Whether a folder holds UFPR tracks."""
    return next(find_tracks(path, _TRACK), None) is not None


def open_ufpr(path: Path, *, rectified: bool = False, order: OrderRule = AUTO) -> TrackSamples:
    """Open UFPR tracks.

    Raises:
        DataError: A folder cannot be read.
    """
    return open_tracks(path, _TRACK, "ufpr", read_annotation, rectified=rectified, order=order)


def read_annotation(folder: Path, listing: Listing) -> Annotation:
    """The text of a track and the corners of its images; what cannot be used is a fault, the rest stands."""
    corners: dict[str, Corners] = {}
    faults: list[str] = []
    images = {Path(name).stem: name for name in listing.images}
    for name in listing.others:
        stem, suffix = Path(name).stem, Path(name).suffix.lower()
        if suffix == ".json" and stem in images:
            try:
                if (found := _labelme_corners(json.loads(read_file(folder / name)))) is not None:
                    corners[images[stem]] = found
            except (ValueError, DataError, RecursionError) as error:
                faults.append(f"{printable(str(folder / name))}: no LabelMe corners ({reason(error)})")
    text, conflict = _text(folder, listing)
    return Annotation(text, None, corners, (*faults, *conflict))


def _text(folder: Path, listing: Listing) -> tuple[str | None, list[str]]:
    """The text in the name of the text file; the file's content where the name has none."""
    for name in listing.others:
        stem, suffix = Path(name).stem, Path(name).suffix
        if suffix.lower() != ".txt" or "_" not in stem:
            continue
        try:
            written = printable(read_file(folder / name).decode("utf-8-sig", "replace").strip())
        except DataError as error:
            return None, [str(error)]
        named = printable(stem.rsplit("_", 1)[1])
        if named == _PLACEHOLDER:
            return written or None, []
        if written and plate.normalise(written) != plate.normalise(named):
            where = printable(str(folder / name))
            return named, [f"{where}: the name says {named}, the file {written}; the name's text is taken"]
        return named or None, []
    return None, []


def _labelme_corners(content: Any) -> Corners | None:
    """The corners of the plate in a LabelMe file: four points, or two of a rectangle.

    Raises:
        DataError: It is not a LabelMe file, or its shape is neither.
    """
    shapes = content.get("shapes") if isinstance(content, dict) else None
    if not isinstance(shapes, list) or not all(isinstance(shape, dict) for shape in shapes):
        raise DataError("it has no list of shapes")
    if not shapes:
        return None
    named = [shape for shape in shapes if str(shape.get("label", "")).lower() in _PLATE_LABELS]
    return as_corners((named or shapes)[0].get("points"))
