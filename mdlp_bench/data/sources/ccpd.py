"""CCPD (2019 and 2020 green): the file-name codec, and the rectified plates of its scenes as ground truth.

A CCPD scene is one sharp photograph, so a sample has a ground truth and no frames; `degrade` makes them. The
ground truth is the plate cut out through its four vertices, encoded as PNG (the only images of this project
that are not the original bytes, because the original is a street scene).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from mdlp_bench import images, plate
from mdlp_bench.data.manifest import read_quarantine
from mdlp_bench.data.problem import Problem
from mdlp_bench.data.rectify import Corners, rectify
from mdlp_bench.data.sources.base import LazySamples
from mdlp_bench.data.sources.labels import check_text
from mdlp_bench.data.sources.names import list_folder, printable, read_file, sample_id_of
from mdlp_bench.data.sources.text_table import path_parts, read_list
from mdlp_bench.errors import DataError, PlateError
from mdlp_bench.schema import EncodedImage, Sample

PROVINCES: Final = "皖沪津渝冀晋蒙辽吉黑苏浙京闽赣鲁豫鄂湘粤桂琼川贵云藏陕甘青宁新警学O"
ALPHABETS: Final = "ABCDEFGHJKLMNPQRSTUVWXYZO"
ADS: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789O"
"""The index tables of plate positions 1, 2 and the rest; the final O of each means `no character`."""

NO_CHARACTER: Final = "O"

Point = tuple[int, int]

_POINT: Final = "[0-9]{1,6}&[0-9]{1,6}"
_FIELDS: Final = {
    "area": "[0-9]{1,30}",
    "tilt": "[0-9]{1,4}_[0-9]{1,4}",
    "box": f"{_POINT}_{_POINT}",
    "vertices": f"{_POINT}(?:_{_POINT}){{3}}",
    "plate": "[0-9]{1,2}(?:_[0-9]{1,2}){6,7}",
    "brightness": "[0-9]{1,6}",
    "blurriness": "[0-9]{1,6}",
}
_NAME: Final = re.compile("-".join(f"(?P<{title}>{pattern})" for title, pattern in _FIELDS.items()))
_SPLITS: Final = ("train", "val", "test")
_DEPTH: Final = 3
"""Root, subset, and the split folders of CCPD2020."""

_PEEK: Final = 1000
"""Images that are looked at for one with a name of the format: a few odd ones may stand first."""


@dataclass(frozen=True, slots=True)
class CcpdName:
    """What a CCPD file name says; see `parse`.

    Attributes:
        area: The digits after `0.` of the ratio of box to image area.
        tilt: Horizontal and vertical tilt in degrees, as written.
        box: Left-top and right-bottom corner of the bounding box.
        vertices: Right-bottom, left-bottom, left-top, right-top corner of the plate.
        indices: Seven (2019) or eight (2020, green) indices into `PROVINCES`, `ALPHABETS`, `ADS`, ...
        brightness: Of the plate region.
        blurriness: Of the plate region; lower is blurrier.
    """

    area: str
    tilt: tuple[int, int]
    box: tuple[Point, Point]
    vertices: tuple[Point, Point, Point, Point]
    indices: tuple[int, ...]
    brightness: int
    blurriness: int

    @classmethod
    def parse(cls, name: str) -> CcpdName:
        """Parse a file name, with or without its ending.

        Raises:
            DataError: It is not in the format; says which field is at fault.
        """
        stem = name.rsplit(".", 1)[0] if name.lower().endswith((".jpg", ".jpeg", ".png")) else name
        match = _NAME.fullmatch(stem)
        if match is None:
            raise DataError(f"{printable(name)}: not a CCPD file name ({_complaint(stem)})")
        indices = tuple(int(index) for index in match["plate"].split("_"))
        for position, index in enumerate(indices):
            if index >= len(_table(position)):
                raise DataError(
                    f"{name}: not a CCPD file name (plate index {position + 1} is {index}, "
                    f"the table ends at {len(_table(position)) - 1})"
                )
        horizontal, vertical = (int(degrees) for degrees in match["tilt"].split("_"))
        low, high = _points(match["box"])
        first, second, third, fourth = _points(match["vertices"])
        return cls(
            area=match["area"],
            tilt=(horizontal, vertical),
            box=(low, high),
            vertices=(first, second, third, fourth),
            indices=indices,
            brightness=int(match["brightness"]),
            blurriness=int(match["blurriness"]),
        )

    def format(self) -> str:
        """The file name without its ending; the inverse of `parse` (numbers without leading zeros)."""
        return "-".join(
            (
                self.area,
                "_".join(map(str, self.tilt)),
                "_".join(f"{x}&{y}" for x, y in self.box),
                "_".join(f"{x}&{y}" for x, y in self.vertices),
                "_".join(map(str, self.indices)),
                str(self.brightness),
                str(self.blurriness),
            )
        )

    @property
    def text(self) -> str | None:
        """The plate's text; None when a position has no character."""
        characters = [_table(position)[index] for position, index in enumerate(self.indices)]
        return None if NO_CHARACTER in characters else "".join(characters)

    @property
    def corners(self) -> Corners:
        """The vertices as left-top, right-top, right-bottom, left-bottom."""
        right_bottom, left_bottom, left_top, right_top = self.vertices
        return left_top, right_top, right_bottom, left_bottom


def indices_of(text: str) -> tuple[int, ...]:
    """The plate indices of a text of seven or eight characters; the inverse of `CcpdName.text`.

    Raises:
        PlateError: A character is in none of CCPD's tables.
    """
    plain = plate.normalise(text)
    if len(plain) not in (7, 8):
        raise PlateError(f"{text!r}: CCPD writes plates of 7 or 8 characters, this has {len(plain)}")
    for position, character in enumerate(plain):
        if character == NO_CHARACTER or character not in _table(position):
            raise PlateError(f"{text!r}: CCPD has no {character!r} at position {position + 1}")
    return tuple(_table(position).index(character) for position, character in enumerate(plain))


@dataclass(frozen=True, slots=True)
class CcpdEntry:
    """One scene."""

    path: Path
    sample_id: str
    split: str


@dataclass(frozen=True, slots=True)
class _Listed:
    """A line of a split list."""

    split: str
    where: str


class CcpdSamples(LazySamples[CcpdEntry]):
    """The rectified plates of CCPD scenes."""

    def files_of(self, entry: CcpdEntry) -> Sequence[Path]:
        """See `LazySamples`."""
        return (entry.path,)

    def read(self, entry: CcpdEntry, *, with_images: bool) -> Sample:
        """See `LazySamples`."""
        name = CcpdName.parse(entry.path.name)
        text, layout, _ = check_text(name.text or "", entry.sample_id, entry.split)
        gt = None
        if with_images:
            where = printable(str(entry.path))
            scene = images.decode(read_file(entry.path), where)
            try:
                crop = rectify(scene, name.corners)
            except DataError as error:
                raise DataError(f"{where}: {error}") from error
            gt = EncodedImage(images.encode(crop), f"{entry.sample_id}.png")
        return Sample(
            sample_id=entry.sample_id,
            plate_id=text or entry.sample_id,
            track_id=entry.sample_id,
            split=entry.split,
            domain="real",
            source="ccpd",
            gt=gt,
            text=text,
            text_origin="filename" if text else None,
            layout=layout or ("blue" if text and plate.is_valid(text, "blue") else None),
        )


def recognise(path: Path) -> bool:
    """Whether a folder holds CCPD scenes, directly or in its subsets."""
    if not path.is_dir():
        return False
    return any(_NAME.fullmatch(file.stem) for _, file in islice(_walk(path, _DEPTH), _PEEK))


def sets_in(path: Path) -> list[str]:
    """The folders in a folder that are CCPD as a whole (with subsets in them) and not one of its subsets."""
    names = [n for n in list_folder(path).folders if not n.lower().startswith("ccpd_") and n not in _SPLITS]
    return [
        name
        for name in names
        if not (listing := list_folder(path / name)).images and listing.folders and recognise(path / name)
    ]


def open_ccpd(path: Path) -> CcpdSamples:
    """Open CCPD scenes: the whole of CCPD2019 or CCPD2020, one subset, or any folder of scenes.

    A scene that several subsets share is taken once. Splits come from `splits/{train,val,test}.txt` or from
    folders of these names; scenes without either are in the split `all` (`unlisted` when there are lists).

    Raises:
        DataError: A folder or split list cannot be read.
    """
    lists = _split_lists(path / "splits")
    entries: dict[str, CcpdEntry] = {}
    problems: list[Problem] = []
    used: set[str] = set()
    for folder, file in _walk(path, _DEPTH):
        stem = sample_id_of(printable(file.stem).replace("&", "_"))
        split = folder.name if folder != path and folder.name in _SPLITS else "all"
        if lists:
            split = lists[file.name].split if file.name in lists else "unlisted"
            used.add(file.name)
        where = printable(str(file.relative_to(path)))
        if folder.name.lower() == "ccpd_np":
            problems.append(Problem("no-plate", f"{where}: a scene without a plate", stem, split))
        elif stem in entries:
            other = printable(str(entries[stem].path.relative_to(path)))
            problems.append(Problem("duplicate-scene", f"{where}: the same scene as {other}", None, split))
        else:
            try:
                name = CcpdName.parse(file.name)
            except DataError as error:
                problems.append(Problem("file-name", str(error), stem, split))
                continue
            entries[stem] = CcpdEntry(file, stem, split)
            problems += _check_plate(name, stem, split)
    problems += _unused(lists, used)
    rank = {split: number for number, split in enumerate(_SPLITS)}
    ordered = sorted(entries.values(), key=lambda entry: rank.get(entry.split, len(rank)))
    return CcpdSamples(path.resolve().name, ordered, problems, read_quarantine(path))


def _walk(folder: Path, depth: int) -> Iterator[tuple[Path, Path]]:
    """Folders and the images in them, in natural order, a few levels deep (links cannot make it endless)."""
    listing = list_folder(folder)
    for name in listing.images:
        yield folder, folder / name
    if depth > 1:
        for name in listing.folders:
            yield from _walk(folder / name, depth - 1)


def _split_lists(folder: Path) -> dict[str, _Listed]:
    """File name to its line, from the official lists; the first list that names a file decides."""
    found: dict[str, _Listed] = {}
    for split in _SPLITS:
        path = folder / f"{split}.txt"
        if path.is_file():
            for number, written in read_list(path):
                where = f"{printable(str(path))}:{number}"
                found.setdefault(path_parts(written)[-1], _Listed(split, where))
    return found


def _unused(lists: Mapping[str, _Listed], used: Collection[str]) -> list[Problem]:
    """One note about the lines of the split lists that name no scene here."""
    missing = [(name, listed) for name, listed in lists.items() if name not in used]
    if not missing:
        return []
    name, listed = missing[0]
    message = f"{listed.where}: {printable(name)} names no scene here; {len(missing):,} lines do so in all"
    return [Problem("split-list", message, rejected=False)]


def _check_plate(name: CcpdName, sample_id: str, split: str) -> list[Problem]:
    if name.text is None:
        message = "the file name leaves a character open, so the text is unknown"
        return [Problem.of_sample("text-missing", sample_id, split, message, rejected=False)]
    return check_text(name.text, sample_id, split)[2]


def _table(position: int) -> str:
    return PROVINCES if position == 0 else ALPHABETS if position == 1 else ADS


def _points(text: str) -> list[Point]:
    pairs = (point.split("&") for point in text.split("_"))
    return [(int(x), int(y)) for x, y in pairs]


def _complaint(stem: str) -> str:
    fields = stem.split("-")
    if len(fields) != len(_FIELDS):
        return f"{len(fields)} fields joined by '-', expected {len(_FIELDS)}"
    wrong = (
        f"the field {title} is {printable(text)!r}"
        for (title, pattern), text in zip(_FIELDS.items(), fields, strict=True)
        if not re.fullmatch(pattern, text)
    )
    return next(wrong)
