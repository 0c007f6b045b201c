"""Decoded batches: the fast way from encoded rows to arrays at the working size."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mdlp_bench.errors import DataError
from mdlp_bench.images import decode
from mdlp_bench.metrics.protocol import WORKING_SIZE, to_working_size


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


def decode_batch(batch: pa.RecordBatch, n_frames: int = 3, pool: Executor | None = None) -> DecodedBatch:
    """Decode a record batch with the columns sample_id, frames, gt and text.

    Args:
        batch: From `Samples.batches`.
        n_frames: The lowest-numbered frames to take, 0 for the ground truth only.
        pool: A thread pool to decode in (decoding and resizing release the interpreter lock).

    Raises:
        DataError: An image is broken, or a sample has no frames; names the sample.
    """
    rows = batch.select(["sample_id", "frames", "gt", "text"]).to_pylist()
    frames = np.empty((len(rows), n_frames, *WORKING_SIZE, 3), np.uint8)
    gt = np.zeros((len(rows), *WORKING_SIZE, 3), np.uint8)

    def fill(position: int) -> None:
        row = rows[position]
        _fill_frames(frames[position], row)
        if row["gt"] is not None:
            gt[position] = to_working_size(decode(row["gt"]["bytes"], f"sample {row['sample_id']}, gt"))

    for _ in (pool.map if pool else map)(fill, range(len(rows))):
        pass
    return DecodedBatch(
        sample_ids=tuple(row["sample_id"] for row in rows),
        frames=frames,
        gt=gt,
        has_gt=np.array([row["gt"] is not None for row in rows], np.bool_),
        texts=tuple(row["text"] for row in rows),
    )


def _fill_frames(target: npt.NDArray[np.uint8], row: dict[str, Any]) -> None:
    images = row["frames"][: len(target)]
    if len(target) and not images:
        raise DataError(f"sample {row['sample_id']}: has no frames; degrade its ground truth first")
    for number in range(len(target)):
        if number < len(images):
            image = decode(images[number]["bytes"], f"sample {row['sample_id']}, frame {number}")
            target[number] = to_working_size(image)
        else:
            target[number] = target[number - 1]
