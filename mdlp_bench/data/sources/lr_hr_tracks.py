"""Tracks of low- and high-resolution images, which LRLPR and UFPR-SR-Plates share: `{lr,hr}-00{1..5}.png`.

A track gives one sample: the LR images are the frames; the ground truth is the largest HR image, the later
one among equals, because the vehicle approaches. Test tracks have no HR images and no ground truth.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Final

from mdlp_bench import images, plate
from mdlp_bench.data.manifest import read_quarantine
from mdlp_bench.data.problem import Problem, ProblemCode
from mdlp_bench.data.rectify import Corners, rectify
from mdlp_bench.data.sources.base import (
    FileEntry,
    LazySamples,
    RejectedError,
    image_of,
    stray_files,
)
from mdlp_bench.data.sources.frame_order import AUTO, OrderRule, order_frames
from mdlp_bench.data.sources.labels import check_text
from mdlp_bench.data.sources.names import (
    Listing,
    list_folder,
    printable,
    sample_id_of,
)
from mdlp_bench.errors import DataError
from mdlp_bench.schema import EncodedImage, Sample

_IMAGE: Final = re.compile(r"(lr|hr)[-_ .]?\(?[0-9]+\)?", re.IGNORECASE)
_PEEK: Final = 20
_DEPTH: Final = 5
_MDLP_FOLDERS: Final = frozenset({"inputs", "gt"})
"""A data set in the official layout may call its groups `track_<n>` too."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """What lies beside the images of a track.

    Attributes:
        text: The text as written, or None.
        layout: The layout as written, lower case, or None.
        corners: Of the plate, by image name.
        faults: One line for each part that cannot be used; the other parts stand.
    """

    text: str | None = None
    layout: str | None = None
    corners: Mapping[str, Corners] = field(default_factory=dict)
    faults: tuple[str, ...] = ()


ReadAnnotation = Callable[[Path, Listing], Annotation]


@dataclass(frozen=True, slots=True)
class TrackEntry(FileEntry):
    """One track: its LR images are the frames; also its HR images, and the plate's corners by file name."""

    hr: tuple[Path, ...] = ()
    corners: Mapping[str, Corners] = field(default_factory=dict)


class TrackSamples(LazySamples[TrackEntry]):
    """One sample per track.

    With `rectified`, every image is cut out through its annotated corners and encoded as PNG; a track without
    corners is then left out. Otherwise images are the original bytes.
    """

    rectified: bool = False

    def files_of(self, entry: TrackEntry) -> Sequence[Path]:
        """See `LazySamples`."""
        return (*entry.frames, *entry.hr)

    def origin(self, sample_ids: Collection[str]) -> str | None:
        """See `Samples`."""
        corners = [sorted(entry.corners.items()) for entry in self._listed(sample_ids)]
        return sha256(repr((super().origin(sample_ids), self.rectified, corners)).encode()).hexdigest()

    def read(self, entry: TrackEntry, *, with_images: bool) -> Sample:
        """See `LazySamples`."""
        sample = entry.sample()
        if not with_images:
            return sample
        frames = tuple(self._image(path, entry)[0] for path in entry.frames)
        candidates = [self._image(path, entry) for path in entry.hr]
        # max() keeps the first of equals: reversed, that is the latest.
        gt = max(reversed(candidates), key=lambda found: found[1])[0] if candidates else None
        return replace(sample, frames=frames, gt=gt)

    def _image(self, path: Path, entry: TrackEntry) -> tuple[EncodedImage, int]:
        """An image of the track and its number of pixels."""
        image = image_of(path)
        where = printable(str(path))
        pixels = images.decode(image.content, where)
        if self.rectified:
            if path.name not in entry.corners:
                raise RejectedError("annotation", f"{where}: no corners in the annotations")
            try:
                pixels = rectify(pixels, entry.corners[path.name], margin=0.0)
            except DataError as error:
                raise RejectedError("annotation", f"{where}: {error}") from error
            image = EncodedImage(images.encode(pixels), printable(f"{path.stem}.png"))
        return image, pixels.shape[0] * pixels.shape[1]


def open_tracks(
    path: Path,
    pattern: re.Pattern[str],
    source: str,
    annotation: ReadAnnotation,
    *,
    rectified: bool,
    order: OrderRule = AUTO,
) -> TrackSamples:
    """Open every track below a folder: the whole data set, a split, a scenario.

    Args:
        path: The folder.
        pattern: See `track_pattern`.
        source: Name of the source, for the samples.
        annotation: Reads what lies beside the images of a track.
        rectified: Cut the plates out through their corners.
        order: How the names of the frames are read.

    Raises:
        DataError: A folder cannot be read.
    """
    entries: list[TrackEntry] = []
    problems: list[Problem] = []
    for folder in find_tracks(path, pattern):
        parts = tuple(printable(part) for part in folder.relative_to(path).parts)
        root = printable(path.resolve().name)
        split = parts[0] if len(parts) > 1 and not parts[0].lower().startswith("scenario") else root
        sample_id = sample_id_of(*(parts if parts[0] == split else (split, *parts)))
        try:
            named = pattern.fullmatch(folder.name)
            text = named["text"] if named is not None else None
            entry, notes = _read_track(folder, sample_id, split, source, annotation, order, text)
        except RejectedError as error:
            problems.append(Problem.of_sample(error.code, sample_id, split, str(error)))
        except DataError as error:
            problems.append(Problem.of_sample("frame-order", sample_id, split, str(error)))
        else:
            entries.append(entry)
            problems += notes
    samples = TrackSamples(path.resolve().name, entries, problems, read_quarantine(path))
    samples.rectified = rectified
    return samples


def holds_tracks(path: Path, pattern: re.Pattern[str]) -> bool:
    """Whether there are folders of tracks with LR or HR images in them; looks at the first ones."""
    tracks = islice(find_tracks(path, pattern), _PEEK)
    return any(_IMAGE.fullmatch(Path(name).stem) for folder in tracks for name in list_folder(folder).images)


def track_pattern(word: str) -> re.Pattern[str]:
    """Names of the folders that are tracks: the word and a number, perhaps with the text of the plate."""
    return re.compile(rf"{word}[-_]?[0-9]+(?:[-_](?P<text>[^-_]+))?", re.IGNORECASE)


def find_tracks(folder: Path, pattern: re.Pattern[str], depth: int = _DEPTH) -> Iterator[Path]:
    """The folders below a folder whose names fit, in natural order, a few levels deep."""
    if depth == 0 or not folder.is_dir():
        return
    for name in list_folder(folder).folders:
        if name.lower() in _MDLP_FOLDERS:
            continue
        match = pattern.fullmatch(name)
        if match is not None and (match["text"] is None or plate.is_valid(match["text"])):
            yield folder / name
        else:
            yield from find_tracks(folder / name, pattern, depth - 1)


def _read_track(
    folder: Path,
    sample_id: str,
    split: str,
    source: str,
    read: ReadAnnotation,
    order: OrderRule,
    named: str | None,
) -> tuple[TrackEntry, list[Problem]]:
    listing = list_folder(folder)
    kinds: dict[str, list[str]] = {"lr": [], "hr": []}
    strays: list[str] = []
    for name in listing.images:
        match = _IMAGE.fullmatch(Path(name).stem)
        (kinds[match[1].lower()] if match else strays).append(name)
    if not kinds["lr"]:
        raise RejectedError("no-frames", f"no LR image in {printable(str(folder))}")
    frames = order_frames(kinds["lr"], order, folder.name)
    hr = order_frames(kinds["hr"], order, folder.name).names
    problems = stray_files(Listing((), tuple(strays), ()), folder, split)

    def note(code: ProblemCode, message: str) -> None:
        problems.append(Problem.of_sample(code, sample_id, split, message, rejected=False))

    if frames.note is not None:
        note("order-unclear", frames.note)
    annotation = read(folder, listing)
    written = annotation.text or named
    for fault in annotation.faults:
        note("annotation", fault)
    if named and written and plate.normalise(named) != plate.normalise(written):
        note("annotation", f"the folder's name says {named}, the annotation {written}, which is taken")
    if hr and written is None:
        note("text-missing", "no text in the annotations")
    text, _, notes = check_text(written or "", sample_id, split)
    problems += [found for found in notes if found.code == "text-unreadable"]
    layouts = plate.parse(text).layouts if text and plate.is_valid(text) else ()
    layout = annotation.layout or (layouts[0] if len(layouts) == 1 else None)
    if text and not layouts:
        note("text-grammar", f"{text!r} is a plate of no known grammar")
    entry = TrackEntry(
        sample_id=sample_id,
        split=split,
        source=source,
        frames=tuple(folder / name for name in frames.names),
        frame_indices=frames.indices,
        gt=None,
        text=text,
        text_origin="label" if annotation.text else "filename",
        layout=layout,
        hr=tuple(folder / name for name in hr),
        corners=annotation.corners,
    )
    return entry, problems
