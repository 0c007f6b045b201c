"""UFPR-SR-Plates: `[<split>/]plate-NNNNNN/`, LabelMe files beside the images, text in `*_<text>.txt`."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
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
_FIELD: Final = re.compile(r"plate\s*[:=]\s*(\S.*)", re.IGNORECASE)
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
    names = [name for name in listing.others if Path(name).suffix.lower() == ".txt"]
    for name in sorted(names, key=lambda name: "_" not in name):
        try:
            written = _written(_lines(read_file(folder / name)))
        except DataError as error:
            return None, [str(error)]
        stem = printable(Path(name).stem)
        named = stem.rsplit("_", 1)[1] if "_" in stem else stem if plate.is_valid(stem) else ""
        if named in ("", _PLACEHOLDER):
            if written or "_" in stem:
                return written or None, []
        elif written and plate.normalise(written) != plate.normalise(named):
            where = printable(str(folder / name))
            return named, [f"{where}: the name says {named}, the file {written}; the name's text is taken"]
        else:
            return named, []
    return None, []


def _lines(content: bytes) -> list[str]:
    """The lines of a text file that are not empty, without control characters."""
    lines = content.decode("utf-8-sig", "replace").splitlines()
    return [printable(line.strip()) for line in lines if line.strip()]


def _written(lines: Sequence[str]) -> str:
    """The text in a file: behind `plate:`, else its only line; empty where there is neither."""
    found = [match[1] for line in lines if (match := _FIELD.fullmatch(line))]
    return found[0] if found else lines[0] if len(lines) == 1 else ""


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
