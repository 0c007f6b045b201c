"""Samples as a map-style PyTorch data set."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, SupportsIndex, TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from mdlp_bench.data.samples import Samples
from mdlp_bench.errors import DataError
from mdlp_bench.metrics.protocol import WORKING_SIZE, to_working_size


class TorchSample(TypedDict):
    """One item, which PyTorch's own collating function stacks.

    Images are at the protocol's working size, RGB, 0 to 255: bytes travel to a device faster than floats, so
    convert there (`batch["gt"].to(device).float() / 127.5 - 1`).

    Attributes:
        sample_id: The id.
        plate_id: The plate.
        frames: uint8 [N, 3, 112, 224], lowest number first.
        gt: Ground truth, uint8 [3, 112, 224]; black where there is none.
        has_gt: Whether there is a ground truth.
        text: The text; empty where it is not known.
    """

    sample_id: str
    plate_id: str
    frames: Tensor
    gt: Tensor
    has_gt: bool
    text: str


class TorchSamples(Dataset[Any]):
    """What `Samples.torch` returns. It can be pickled and used in the workers of a `DataLoader`."""

    def __init__(
        self, samples: Samples, transform: Callable[[TorchSample], Any] | None = None, frames: int = 3
    ) -> None:
        self.samples = samples
        self.transform = transform
        try:
            self.frames = operator.index(frames)
        except TypeError as error:
            raise DataError(f"frames is {frames!r}; give a whole number of frames") from error
        if self.frames < 0:
            raise DataError(f"frames is {frames}; give a number from 0, which leaves frames out")

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: SupportsIndex | str | slice) -> Any:
        """The item at a position or of an id, after the transform; of a slice, a data set with its items.

        Raises:
            DataError: The sample has no frames though some are asked for, or an image is broken; names it.
            IndexError: There is no such position.
        """
        if isinstance(index, slice):
            return TorchSamples(self.samples[index], self.transform, self.frames)
        sample = self.samples[index]
        captured = sample.decode_frames(self.frames) if self.frames else ()
        frames = [to_working_size(frame) for frame in captured]
        frames += frames[-1:] * (self.frames - len(frames))
        gt = sample.decode_gt()
        item = TorchSample(
            sample_id=sample.sample_id,
            plate_id=sample.plate_id,
            frames=_channels_first(np.stack(frames)) if frames else torch.empty((0, 3, *WORKING_SIZE)).byte(),
            gt=_channels_first(np.zeros((*WORKING_SIZE, 3), np.uint8) if gt is None else to_working_size(gt)),
            has_gt=gt is not None,
            text=sample.text or "",
        )
        return item if self.transform is None else self.transform(item)


def _channels_first(images: np.ndarray) -> Tensor:
    """uint8 [..., H, W, 3] to [..., 3, H, W]."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(images, -1, -3)))
