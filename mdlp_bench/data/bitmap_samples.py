"""Samples at the working size and uncompressed: decoded and enlarged once, for many readings."""

from __future__ import annotations

import struct
from collections.abc import Collection
from dataclasses import replace
from pathlib import PurePath
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from mdlp_bench.data.manifest import digest_of, fingerprint
from mdlp_bench.data.samples import Samples, WrappedSamples
from mdlp_bench.images import decode
from mdlp_bench.metrics.protocol import WORKING_SIZE, to_working_size
from mdlp_bench.schema import IMAGE_COLUMNS, EncodedImage, Sample

_PIXELS: Final = WORKING_SIZE[0] * WORKING_SIZE[1] * 3
_HEADER: Final = struct.pack(
    "<2sIIIIiiHHIIiiII",
    *(b"BM", 54 + _PIXELS, 0, 54, 40, WORKING_SIZE[1], -WORKING_SIZE[0], 1, 24, 0, _PIXELS, 0, 0, 0, 0),
)
"""Header of a 24-bit bitmap of the working size; a negative height means that the top row comes first."""


class DecodedSamples(WrappedSamples):
    """The same samples with every image at the working size, stored as BMP.

    `decode_batch` gives the same arrays as from the samples themselves, without the work. They are for
    training: methods that use frames at their captured size see other pixels, and the fingerprint differs.

    Args:
        base: The samples.
    """

    changes = IMAGE_COLUMNS

    def __init__(self, base: Samples) -> None:
        super().__init__(base, f"{base.name}-decoded")

    @property
    def fingerprint(self) -> str:
        """See `Samples`."""
        return fingerprint(map(digest_of, self))

    def changed(self, sample: Sample) -> Sample:
        """See `WrappedSamples`."""
        images = [_bitmap(image, name) for name, image in sample.named_images()]
        gt = None if sample.gt is None else images.pop()
        return replace(sample, frames=tuple(images), gt=gt)

    def select(
        self, *, split: str | None = None, sample_ids: Collection[str] | None = None
    ) -> DecodedSamples:
        """See `Samples`."""
        return DecodedSamples(self._base.select(split=split, sample_ids=sample_ids))


def pixels_of_bitmap(content: memoryview) -> npt.NDArray[np.uint8] | None:
    """The pixels of an image as `DecodedSamples` stores it, without copying them.

    Args:
        content: An encoded image of any kind.

    Returns:
        A view of its pixels, uint8 BGR [112, 224, 3]; None for an image of another kind or size.
    """
    if len(content) != len(_HEADER) + _PIXELS or content[: len(_HEADER)] != _HEADER:
        return None
    return np.frombuffer(content, np.uint8, offset=len(_HEADER)).reshape(*WORKING_SIZE, 3)


def _bitmap(image: EncodedImage, name: str) -> EncodedImage:
    """The image at the working size, as a BMP: lossless, and as quick to read as copying it."""
    pixels = to_working_size(decode(image.content, name))
    content = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR).tobytes()
    return EncodedImage(_HEADER + content, f"{PurePath(image.name or 'image').stem}.bmp")
