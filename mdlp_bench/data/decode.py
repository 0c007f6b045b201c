"""Decoded batches: the fast way from encoded rows to arrays at the working size."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mdlp_bench.errors import DataError
from mdlp_bench.images import ImageU8, decode
from mdlp_bench.metrics.protocol import WORKING_SIZE, to_working_size

_COLUMNS: Final = ["sample_id", "frames", "gt", "text"]


@dataclass(frozen=True, slots=True)
class DecodedBatch:
    """Samples as arrays at the working size.

    Attributes:
        sample_ids: One a sample.
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


@dataclass(frozen=True, slots=True)
class NativeSample:
    """One sample decoded at the sizes its images were captured in.

    Attributes:
        sample_id: Its id.
        frames: The frames, uint8 RGB [h, w, 3] each.
        gt: The ground truth, uint8 RGB [h, w, 3], or None.
        text: The text, or None.
    """

    sample_id: str
    frames: tuple[ImageU8, ...]
    gt: ImageU8 | None
    text: str | None


def decode_native(
    batch: pa.RecordBatch, n_frames: int | None = None, pool: Executor | None = None
) -> list[NativeSample]:
    """Decode a record batch with the columns sample_id, frames, gt and text, without resizing.

    Args:
        batch: From `Samples.batches`.
        n_frames: At most so many of the lowest-numbered frames, None for all.
        pool: A thread pool to decode in (decoding releases the interpreter lock).

    Raises:
        DataError: An image is broken; names the sample.
    """
    columns = batch.select(_COLUMNS)
    return list((pool.map if pool else map)(partial(_load, columns, n_frames), range(batch.num_rows)))


def decode_batch(batch: pa.RecordBatch, n_frames: int = 3, pool: Executor | None = None) -> DecodedBatch:
    """Decode a record batch and bring every image to the working size.

    Args:
        batch: From `Samples.batches`, with the columns sample_id, frames, gt and text.
        n_frames: The lowest-numbered frames to take, 0 for the ground truth only.
        pool: A thread pool to decode and resize in (both release the interpreter lock).

    Raises:
        DataError: An image is broken, or a sample has no frames; names the sample.
    """
    count, columns = batch.num_rows, batch.select(_COLUMNS)
    frames = np.empty((count, n_frames, *WORKING_SIZE, 3), np.uint8)
    gt = np.zeros((count, *WORKING_SIZE, 3), np.uint8)

    def fill(position: int) -> None:
        sample = _load(columns, n_frames, position)
        if n_frames and not sample.frames:
            raise DataError(f"sample {sample.sample_id}: has no frames; degrade its ground truth first")
        for number in range(n_frames):
            if number < len(sample.frames):
                frames[position, number] = to_working_size(sample.frames[number])
            else:
                frames[position, number] = frames[position, number - 1]
        if sample.gt is not None:
            gt[position] = to_working_size(sample.gt)

    for _ in (pool.map if pool else map)(fill, range(count)):
        pass
    return DecodedBatch(
        sample_ids=tuple(batch.column("sample_id").to_pylist()),
        frames=frames,
        gt=gt,
        has_gt=np.asarray(batch.column("gt").is_valid(), np.bool_),
        texts=tuple(batch.column("text").to_pylist()),
    )


def _load(batch: pa.RecordBatch, n_frames: int | None, position: int) -> NativeSample:
    # One row at a time: its bytes then stay in the processor's cache until they are decoded.
    (row,) = batch.slice(position, 1).to_pylist()
    name = f"sample {row['sample_id']}"
    frames = tuple(
        decode(image["bytes"], f"{name}, frame {number}")
        for number, image in enumerate(row["frames"][:n_frames])
    )
    gt = None if row["gt"] is None else decode(row["gt"]["bytes"], f"{name}, ground truth")
    return NativeSample(row["sample_id"], frames, gt, row["text"])
