"""Decoded batches: the fast way from encoded rows to arrays at the working size."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mdlp_bench.data.bitmap_samples import pixels_of_bitmap
from mdlp_bench.errors import DataError
from mdlp_bench.images import decode
from mdlp_bench.metrics.protocol import WORKING_SIZE, to_working_size

_COLUMNS: Final = ["sample_id", "frames", "gt", "text"]


@dataclass(frozen=True, slots=True)
class DecodedBatch:
    """Samples as arrays at the working size.

    Attributes:
        sample_ids: The ids.
        frames: uint8 RGB [B, N, 112, 224, 3]; a sample with fewer than N frames repeats its last one.
        gt: uint8 RGB [B, 112, 224, 3]; black where there is none.
        has_gt: bool [B].
        texts: The texts, None where unknown.
    """

    sample_ids: tuple[str, ...]
    frames: npt.NDArray[np.uint8]
    gt: npt.NDArray[np.uint8]
    has_gt: npt.NDArray[np.bool_]
    texts: tuple[str | None, ...]

    def __len__(self) -> int:
        return len(self.sample_ids)


def decode_batch(batch: pa.RecordBatch, n_frames: int = 3, pool: Executor | None = None) -> DecodedBatch:
    """Decode a record batch and bring every image to the working size.

    Args:
        batch: From `Samples.batches`, with the columns sample_id, frames, gt and text.
        n_frames: The lowest-numbered frames to take, 0 for the ground truth only.
        pool: A thread pool to decode and resize in (both release the interpreter lock).

    Raises:
        DataError: An image is broken, or a sample has no frames; names the sample.
    """
    count, columns = batch.num_rows, _Columns(batch)
    frames = np.empty((count, n_frames, *WORKING_SIZE, 3), np.uint8)
    gt = np.zeros((count, *WORKING_SIZE, 3), np.uint8)

    def fill(position: int) -> None:
        images = columns.frames(position)
        if n_frames and not images:
            raise DataError(f"sample {columns.ids[position]}: has no frames; degrade its ground truth first")
        for number in range(n_frames):
            if number < len(images):
                _decode_into(frames[position, number], images[number], columns.name(position, number))
            else:
                frames[position, number] = frames[position, number - 1]
        if (image := columns.gt(position)) is not None:
            _decode_into(gt[position], image, columns.name(position))

    for _ in (pool.map if pool else map)(fill, range(count)):
        pass
    return DecodedBatch(
        sample_ids=tuple(columns.ids),
        frames=frames,
        gt=gt,
        has_gt=np.asarray(batch.column("gt").is_valid(), np.bool_),
        texts=tuple(columns.texts),
    )


class _Columns:
    """The images of a record batch as views of its memory: nothing is copied before it is decoded."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        columns = batch.select(_COLUMNS)
        self.ids, self.texts = (columns.column(name).to_pylist() for name in ("sample_id", "text"))
        frames, gt = columns.column("frames"), columns.column("gt")
        self._stops = np.cumsum([0, *(length or 0 for length in frames.value_lengths().to_pylist())]).tolist()
        self._frames = _Blobs(frames.flatten().field("bytes"))
        self._gt, self._has_gt = _Blobs(gt.field("bytes")), gt.is_valid().to_pylist()

    def frames(self, position: int) -> list[memoryview]:
        return [self._frames[n] for n in range(*self._stops[position : position + 2])]

    def gt(self, position: int) -> memoryview | None:
        return self._gt[position] if self._has_gt[position] else None

    def name(self, position: int, frame: int | None = None) -> str:
        part = "ground truth" if frame is None else f"frame {frame}"
        return f"sample {self.ids[position]}, {part}"


class _Blobs:
    """The values of an Arrow binary array, by position."""

    def __init__(self, array: pa.Array) -> None:
        _, bounds, content = array.buffers()
        self._bounds = np.frombuffer(bounds, np.int32)[array.offset :][: len(array) + 1].tolist()
        self._content = memoryview(content or b"").cast("B")

    def __getitem__(self, position: int) -> memoryview:
        return self._content[self._bounds[position] : self._bounds[position + 1]]


def _decode_into(target: npt.NDArray[np.uint8], image: memoryview, name: str) -> None:
    """The image at the working size, written to uint8 [112, 224, 3]."""
    stored = pixels_of_bitmap(image)
    if stored is not None:
        cv2.cvtColor(stored, cv2.COLOR_BGR2RGB, dst=target)
    else:
        target[:] = to_working_size(decode(bytes(image), name))
