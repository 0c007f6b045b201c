"""What a track is: consecutive images of one plate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mdlp_bench import images
from mdlp_bench.data.problem import ProblemCode
from mdlp_bench.data.rectify import Corners, rectify
from mdlp_bench.data.sources.names import printable, read_file
from mdlp_bench.errors import DataError
from mdlp_bench.images import ImageU8
from mdlp_bench.schema import EncodedImage

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels; right and bottom are exclusive."""


@dataclass(frozen=True, slots=True)
class FrameRef:
    """The place of a frame.

    Attributes:
        index: Its number in the track.
        path: The image file.
        region: The plate in the image; None when the image is the plate.
    """

    index: int
    path: Path
    region: Box | Corners | None = None

    def load(self) -> tuple[EncodedImage, ImageU8]:
        """The frame encoded and as uint8 RGB [H, W, 3].

        Without a region the bytes are the file's. A cut-out has no original bytes: it is encoded as PNG.

        Raises:
            DataError: The file is missing, broken, or the region is not in it; names the file.
        """
        name = printable(str(self.path))
        content = read_file(self.path)
        images.verify(content, name)
        pixels = images.decode(content, name)
        if self.region is None:
            return EncodedImage(content, printable(self.path.name)), pixels
        try:
            pixels = _cut(pixels, self.region)
        except DataError as error:
            raise DataError(f"{name}: {error}") from error
        return EncodedImage(images.encode(pixels), printable(f"{self.path.stem}.png")), pixels


@dataclass(frozen=True, slots=True)
class Track:
    """One track, in order.

    Attributes:
        track_id: Unique; can be a file name.
        frames: At least one.
        text: The label, normalised, when there is one.
        layout: As given, or when the label leaves only one.
        split: Split the samples go to.
        plate_id: As given; else the text decides.
        notes: What is odd about it, as (code, message).
    """

    track_id: str
    frames: tuple[FrameRef, ...]
    text: str | None = None
    layout: str | None = None
    split: str = "all"
    plate_id: str | None = None
    notes: tuple[tuple[ProblemCode, str], ...] = ()


@dataclass(frozen=True, slots=True)
class BadTrack:
    """A track that cannot be read as one."""

    track_id: str
    code: ProblemCode
    message: str


@dataclass(frozen=True, slots=True)
class TrackSet:
    """Tracks in a fixed order, listed as they are iterated.

    Attributes:
        name: Name of the folder or table.
        size: Number of tracks, bad ones counted.
        notes: What is odd about the labels.
    """

    name: str
    size: int
    notes: tuple[str, ...]
    _tracks: Any

    def __iter__(self) -> Iterator[Track | BadTrack]:
        return iter(self._tracks)


def _cut(pixels: ImageU8, region: Box | Corners) -> ImageU8:
    if isinstance(region[0], tuple):
        return rectify(pixels, region)
    left, top, right, bottom = region
    height, width = pixels.shape[:2]
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        raise DataError(f"the box {list(region)} is not inside the {width} x {height} image")
    return np.ascontiguousarray(pixels[top:bottom, left:right])
