"""Tracks of low- and high-resolution images: ICPR 2026 LRLPR and UFPR-SR-Plates.

    LRLPR  [<split>/][Scenario-X/][<layout>/]track_NNNNN/{lr,hr}-00{1..5}.png with annotations.json
    UFPR   [<split>/]plate-NNNNNN/{lr,hr}-00{1..5}.png with LabelMe .json beside each image and *_<text>.txt

A track gives one sample: the LR images are the frames; the ground truth is the largest HR image, the later
one among equals, because the vehicle approaches. Test tracks have no HR images and no ground truth.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mdlp_bench import images, plate
from mdlp_bench.data.manifest import read_quarantine
from mdlp_bench.data.rectify import Corners, as_corners, rectify
from mdlp_bench.data.samples import Problem, ProblemCode
from mdlp_bench.data.sources.base import FileEntry, LazySamples, RejectedError, image_of, stray_files
from mdlp_bench.data.sources.names import (
    Listing,
    list_folder,
    order_frames,
    printable,
    read_file,
    sample_id_of,
)
from mdlp_bench.errors import DataError, first_fault, reason

_IMAGE: Final = re.compile(r"(lr|hr)[-_]?[0-9]+", re.IGNORECASE)
_LRLPR_TRACK: Final = re.compile(r"track[-_][0-9]+", re.IGNORECASE)
_UFPR_TRACK: Final = re.compile(r"plate[-_][0-9]+", re.IGNORECASE)
_BRAZILIAN: Final = {
    "brazilian": re.compile("[A-Z]{3}[0-9]{4}"),
    "mercosur": re.compile("[A-Z]{3}[0-9][A-Z][0-9]{2}"),
}
_DEPTH: Final = 5
_MDLP_FOLDERS: Final = frozenset({"inputs", "gt"})
"""A data set in the official layout may call its groups `track_<n>` too."""


class LrlprAnnotation(BaseModel):
    """`annotations.json` of an LRLPR track; corners are given by image name, possibly none."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    plate_layout: str | None = None
    plate_text: str | None = None
    corners: Mapping[str, Mapping[str, tuple[float, float]]] = Field(default_factory=dict)


class _LabelMeShape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    points: tuple[tuple[float, float], ...]


class LabelMe(BaseModel):
    """The part of a LabelMe file that says where the plate is."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    shapes: tuple[_LabelMeShape, ...] = ()


@dataclass(frozen=True, slots=True)
class TrackEntry:
    """One track: the sample without ground truth, its HR images and the plate's corners by file name."""

    base: FileEntry
    hr: tuple[Path, ...]
    corners: Mapping[str, Corners]

    @property
    def sample_id(self) -> str:
        """See `Entry`."""
        return self.base.sample_id

    @property
    def split(self) -> str:
        """See `Entry`."""
        return self.base.split


class TrackSamples(LazySamples[TrackEntry]):
    """One sample a track.

    With `rectified`, every image is cut out through its annotated corners and encoded as PNG; a track without
    corners is then left out. Otherwise images are the original bytes.
    """

    rectified: bool = False

    def read(self, entry: TrackEntry, *, with_images: bool) -> dict[str, Any]:
        """See `LazySamples`."""
        row = entry.base.columns()
        if with_images:
            row["frames"] = [self._image(path, entry)[0] for path in entry.base.frames]
            candidates = [self._image(path, entry) for path in entry.hr]
            # max() keeps the first of equals: reversed, that is the latest.
            row["gt"] = max(reversed(candidates), key=lambda found: found[1])[0] if candidates else None
        return row

    def _image(self, path: Path, entry: TrackEntry) -> tuple[dict[str, Any], int]:
        """An image of the track and its number of pixels."""
        image = image_of(path)
        where = printable(str(path))
        pixels = images.decode(image["bytes"], where)
        if self.rectified:
            if path.name not in entry.corners:
                raise RejectedError("annotation", f"{where}: no corners in the annotations")
            try:
                pixels = rectify(pixels, entry.corners[path.name], margin=0.0)
            except DataError as error:
                raise RejectedError("annotation", f"{where}: {error}") from error
            image = {"bytes": images.encode(pixels), "path": printable(f"{path.stem}.png")}
        return image, pixels.shape[0] * pixels.shape[1]


def recognise_lrlpr(path: Path) -> bool:
    """Whether a folder holds LRLPR tracks."""
    return next(_tracks(path, _LRLPR_TRACK), None) is not None


def recognise_ufpr(path: Path) -> bool:
    """Whether a folder holds UFPR tracks."""
    return next(_tracks(path, _UFPR_TRACK), None) is not None


def open_lrlpr(path: Path, *, rectified: bool = False) -> TrackSamples:
    """Open LRLPR tracks (the whole data set, a split, a scenario).

    Raises:
        DataError: A folder cannot be read.
    """
    return _open(path, _LRLPR_TRACK, "lrlpr", rectified)


def open_ufpr(path: Path, *, rectified: bool = False) -> TrackSamples:
    """Open UFPR tracks.

    Raises:
        DataError: A folder cannot be read.
    """
    return _open(path, _UFPR_TRACK, "ufpr", rectified)


def _open(path: Path, pattern: re.Pattern[str], source: str, rectified: bool) -> TrackSamples:
    entries: list[TrackEntry] = []
    problems: list[Problem] = []
    for folder in _tracks(path, pattern):
        parts = tuple(printable(part) for part in folder.relative_to(path).parts)
        root = printable(path.resolve().name)
        split = parts[0] if len(parts) > 1 and not parts[0].lower().startswith("scenario") else root
        sample_id = sample_id_of(*(parts if parts[0] == split else (split, *parts)))
        try:
            entry, notes = _read_track(folder, sample_id, split, source)
        except RejectedError as error:
            problems.append(Problem(error.code, f"sample {sample_id}: {error}", sample_id, split))
        except DataError as error:
            problems.append(Problem("frame-order", f"sample {sample_id}: {error}", sample_id, split))
        else:
            entries.append(entry)
            problems += notes
    samples = TrackSamples(path.resolve().name, entries, problems, read_quarantine(path))
    samples.rectified = rectified
    return samples


def _tracks(folder: Path, pattern: re.Pattern[str], depth: int = _DEPTH) -> Iterator[Path]:
    if depth == 0 or not folder.is_dir():
        return
    for name in list_folder(folder).folders:
        if name in _MDLP_FOLDERS:
            continue
        if pattern.fullmatch(name):
            yield folder / name
        else:
            yield from _tracks(folder / name, pattern, depth - 1)


def _read_track(folder: Path, sample_id: str, split: str, source: str) -> tuple[TrackEntry, list[Problem]]:
    listing = list_folder(folder)
    kinds: dict[str, list[str]] = {"lr": [], "hr": []}
    strays: list[str] = []
    for name in listing.images:
        match = _IMAGE.fullmatch(Path(name).stem)
        (kinds[match[1].lower()] if match else strays).append(name)
    if not kinds["lr"]:
        raise RejectedError("no-frames", f"no LR image in {printable(str(folder))}")
    frames, indices = order_frames(kinds["lr"])
    hr, _ = order_frames(kinds["hr"])
    problems = stray_files(Listing((), tuple(strays), ()), folder, split)
    read = _lrlpr_annotation if source == "lrlpr" else _ufpr_annotation
    annotation, complaint = read(folder, listing)
    if complaint is None and hr and annotation.text is None:
        complaint = "no text in the annotations"
    if complaint is not None:
        code: ProblemCode = "annotation" if annotation.text is not None else "text-missing"
        message = f"sample {sample_id}: {complaint}"
        problems.append(Problem(code, message, sample_id, split, rejected=False))
    text = plate.normalise(annotation.text) if annotation.text else None
    layout = annotation.layout or next((n for n, p in _BRAZILIAN.items() if text and p.fullmatch(text)), None)
    if text and not (any(p.fullmatch(text) for p in _BRAZILIAN.values()) or plate.is_valid(text)):
        message = f"sample {sample_id}: {text!r} is neither a Brazilian nor a Mercosur nor a Chinese plate"
        problems.append(Problem("text-grammar", message, sample_id, split, rejected=False))
    base = FileEntry(
        sample_id,
        split,
        source,
        tuple(folder / name for name in frames),
        tuple(indices),
        None,
        text,
        "label" if text else None,
        layout,
    )
    return TrackEntry(base, tuple(folder / name for name in hr), annotation.corners), problems


@dataclass(frozen=True, slots=True)
class _Annotation:
    text: str | None
    layout: str | None
    corners: Mapping[str, Corners]


_NOTHING: Final = _Annotation(None, None, {})


def _lrlpr_annotation(folder: Path, listing: Listing) -> tuple[_Annotation, str | None]:
    """The annotation of a track, and what is wrong with it."""
    if "annotations.json" not in listing.others:
        return _NOTHING, None
    path = folder / "annotations.json"
    try:
        found = LrlprAnnotation.model_validate(json.loads(read_file(path)))
        corners = {
            name: as_corners(list(points.values())) for name, points in found.corners.items() if points
        }
    except (ValueError, DataError, RecursionError) as error:
        return _NOTHING, f"{printable(str(path))}: not an annotation ({_first_line(error)})"
    layout = found.plate_layout.strip().lower() if found.plate_layout else None
    return _Annotation(found.plate_text or None, layout, corners), None


def _ufpr_annotation(folder: Path, listing: Listing) -> tuple[_Annotation, str | None]:
    corners: dict[str, Corners] = {}
    complaint: str | None = None
    for name in listing.others:
        if Path(name).suffix.lower() != ".json":
            continue
        image = next((other for other in listing.images if Path(other).stem == Path(name).stem), None)
        try:
            shapes = LabelMe.model_validate(json.loads(read_file(folder / name))).shapes
            if image is not None and shapes:
                corners[image] = as_corners(shapes[0].points)
        except (ValueError, DataError, RecursionError) as error:
            complaint = f"{printable(str(folder / name))}: not a LabelMe file ({_first_line(error)})"
    text: str | None = None
    for name in listing.others:
        stem, suffix = Path(name).stem, Path(name).suffix
        if suffix.lower() == ".txt" and "_" in stem:
            text = stem.rsplit("_", 1)[1]
            if text == "TEXT":
                text = read_file(folder / name).decode("utf-8", "replace").strip()
    return _Annotation(printable(text) if text else None, None, corners), complaint


def _first_line(error: Exception) -> str:
    return first_fault(error) if isinstance(error, ValidationError) else reason(error)
