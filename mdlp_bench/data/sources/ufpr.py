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
from mdlp_bench.data.sources.lr_hr_tracks import (
    Annotation,
    TrackSamples,
    holds_tracks,
    open_tracks,
    track_pattern,
)
from mdlp_bench.data.sources.names import Listing, printable, read_file
from mdlp_bench.data.sources.text_table import decoded
from mdlp_bench.errors import DataError, reason

_TRACK: Final = track_pattern("plate")
_PLATE_LABELS: Final = frozenset({"lp", "plate", "license_plate", "licence_plate", "license plate"})
_FIELD: Final = re.compile(r"plate\s*[:=]\s*(\S.*)", re.IGNORECASE)
_PLACEHOLDER: Final = "TEXT"
"""Instead of the text in the names of the public samples."""


def recognise(path: Path) -> bool:
    """Whether a folder holds UFPR tracks."""
    return holds_tracks(path, _TRACK)


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
                if (found := _labelme_corners(_json(folder / name))) is not None:
                    corners[images[stem]] = found
            except (ValueError, DataError, RecursionError) as error:
                faults.append(f"{printable(str(folder / name))}: no LabelMe corners ({reason(error)})")
    text, conflict = _text(folder, listing)
    return Annotation(text, None, corners, (*faults, *conflict))


def _json(path: Path) -> Any:
    return json.loads(decoded(read_file(path), printable(str(path))))


def _text(folder: Path, listing: Listing) -> tuple[str | None, list[str]]:
    """The text in the name of the text file; the file's content where the name has none.

    Where the names or contents of several files differ from it, that is a fault.
    """
    said: list[tuple[str, str]] = []
    faults: list[str] = []
    names = [name for name in listing.others if Path(name).suffix.lower() == ".txt"]
    for name in sorted(names, key=lambda name: "_" not in name):
        where = printable(str(folder / name))
        stem = printable(Path(name).stem)
        named = stem.rsplit("_", 1)[1] if "_" in stem else stem if plate.is_valid(stem) else ""
        if named not in ("", _PLACEHOLDER):
            said.append((named, f"the name of {where}"))
        try:
            content = decoded(read_file(folder / name), where)
        except DataError as error:
            faults.append(str(error))
            continue
        lines = [printable(line.strip()) for line in content.splitlines() if line.strip()]
        if written := _written(lines):
            said.append((written, where))
    given: set[str] = set()
    for text, where in said:
        if given and plate.normalise(text) not in given:
            faults.append(f"{said[0][1]} says {said[0][0]}, {where} says {text}; the first is taken")
        given.add(plate.normalise(text))
    return (said[0][0] if said else None), faults


def _written(lines: Sequence[str]) -> str:
    """The text in a file: after `plate:`, else its only line; empty where there is neither."""
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
    shape = (named or shapes)[0]
    if (kind := shape.get("shape_type")) not in (None, "rectangle", "polygon"):
        raise DataError(f"its shape is a {kind!r:.20}, not a rectangle or polygon")
    return as_corners(shape.get("points"))
