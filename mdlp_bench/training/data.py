"""The data of the training loop: samples kept encoded in memory, decoded and augmented at every visit.

Batch k of a training is a function of (samples, seed, k): independent of threads and processes, and of
whether the training was interrupted before it. Pixels travel to the device as bytes and become floats there.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar

import cv2
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from mdlp_bench.data.samples import Samples
from mdlp_bench.engine import DIED
from mdlp_bench.errors import DataError, MdlpBenchError
from mdlp_bench.files import seed_for
from mdlp_bench.images import ImageU8
from mdlp_bench.methods.tensors import to_tensor
from mdlp_bench.metrics.protocol import WORKING_SIZE, to_working_size
from mdlp_bench.schema import SAMPLE_SCHEMA, samples_of
from mdlp_bench.training.trainable import TrainingBatch

Item = TypeVar("Item")

# The record of the degradation is left out, because it is as large as a frame.
_COLUMNS: Final = [name for name in SAMPLE_SCHEMA.names if name != "degradation"]
_PREFETCHED: Final = 4
"""Batches that each worker holds ready."""


@dataclass(frozen=True)
class PixelBatch:
    """A batch as bytes.

    Attributes:
        frames: uint8 [B, N, 112, 224, 3], oldest first.
        gt: uint8 [B, 112, 224, 3].
        texts: The plates' texts, None where unknown.
    """

    frames: Tensor
    gt: Tensor
    texts: tuple[str | None, ...]

    def __len__(self) -> int:
        return len(self.gt)

    def to(self, device: torch.device | str) -> TrainingBatch:
        """The batch as trainables see it, on a device."""
        return TrainingBatch(to_tensor(self.frames, device), to_tensor(self.gt, device), self.texts)

    def pin_memory(self) -> PixelBatch:
        """The batch in memory from which a GPU copies while it computes."""
        return PixelBatch(self.frames.pin_memory(), self.gt.pin_memory(), self.texts)


class TrainingData:
    """Samples with frames and ground truth.

    Args:
        samples: Where they come from; all are read into memory, encoded as they are (about 20 kB each).
        seed: Seed of order, choice of frames and augmentation.
        frames: Frames drawn of each sample.
        augment: Strength of the augmentation, 0 (none) to 1.
        single: Share of samples in which one frame replaces the others, as where there is only one.
        exposure: Strength of the changes of exposure and colour, times that of the augmentation. With more
            of it a network takes these from the frames, with less from what ground truths usually show.

    Raises:
        DataError: No samples, or one without frames or ground truth; names it.
    """

    def __init__(
        self,
        samples: Samples,
        *,
        seed: int,
        frames: int = 3,
        augment: float = 1.0,
        single: float = 0.0,
        exposure: float = 1.0,
    ) -> None:
        self.table = pa.Table.from_batches(samples.batches(columns=_COLUMNS)).combine_chunks()
        if not len(self.table):
            raise DataError(f"{samples.name}: no samples to train on")
        self._check(samples.name)
        self.seed = seed
        self.frames = frames
        self.augment = augment
        self.single = single
        self.exposure = exposure

    def __len__(self) -> int:
        return len(self.table)

    def batch(self, step: int, size: int, rank: int = 0, world: int = 1) -> PixelBatch:
        """The share of process `rank` of `world` in the batch of a step (samples rank, rank + world, ...)."""
        places = range(step * size + rank, (step + 1) * size, world)
        frames, gts, texts = zip(*(self._visit(place) for place in places), strict=True)
        return PixelBatch(torch.from_numpy(np.stack(frames)), torch.from_numpy(np.stack(gts)), texts)

    def stream(
        self,
        first: int,
        stop: int,
        size: int,
        rank: int = 0,
        world: int = 1,
        *,
        workers: int = 0,
        pin: bool = False,
    ) -> Iterator[PixelBatch]:
        """The batches of steps first ... stop - 1, each prepared while the one before is used.

        Args:
            first: The first step.
            stop: The step after the last one.
            size: Samples per batch, over all processes.
            rank: Rank of this process among those that train.
            world: How many train.
            workers: Processes that prepare batches; 0 for one thread of this process. The batches are the
                same. Your own script must do its work under `if __name__ == "__main__":`.
            pin: Put batches into memory from which a GPU copies while it computes.

        Raises:
            DataError: A sample's image is broken; names it.
            MdlpBenchError: A worker died.
        """
        if not workers:
            yield from self._ahead(first, stop, size, rank, world, pin)
            return
        with tempfile.TemporaryDirectory(prefix="mdlp-bench-") as folder:
            # Workers map one file: the samples lie in memory once, however many workers there are.
            shared = _Mapped(self, Path(folder) / "samples.arrow")
            loader: DataLoader[PixelBatch | MdlpBenchError] = DataLoader(
                _Steps(shared, first, stop, size, rank, world),
                batch_size=None,
                num_workers=workers,
                prefetch_factor=_PREFETCHED,
                pin_memory=pin,
                # OpenCV's threads do not survive a fork.
                multiprocessing_context="spawn",
                worker_init_fn=_set_up_worker,
            )
            for batch in _until_one_dies(loader):
                if isinstance(batch, MdlpBenchError):
                    raise batch
                yield batch

    def _ahead(
        self, first: int, stop: int, size: int, rank: int, world: int, pin: bool
    ) -> Iterator[PixelBatch]:
        def prepare(step: int) -> PixelBatch:
            batch = self.batch(step, size, rank, world)
            return batch.pin_memory() if pin else batch

        with ThreadPoolExecutor(1) as pool:
            ahead: Future[PixelBatch] | None = None
            for step in range(first, stop):
                batch = ahead.result() if ahead else prepare(step)
                ahead = pool.submit(prepare, step + 1) if step + 1 < stop else None
                yield batch

    def _visit(self, place: int) -> tuple[npt.NDArray[np.uint8], ImageU8, str | None]:
        """Frames [N, 112, 224, 3], ground truth and text of the sample at a place of the order."""
        epoch, offset = divmod(place, len(self))
        (row,) = self.table.slice(int(_order(self.seed, epoch, len(self))[offset]), 1).to_batches()
        (sample,) = samples_of(row)
        gt = sample.decode_gt()
        if gt is None:
            raise DataError(f"sample {sample.sample_id} has no ground truth")
        rng = np.random.default_rng(seed_for("training", self.seed, place))
        chosen = choose(sample.decode_frames(), self.frames, rng)
        if self.single and rng.random() < self.single:
            chosen = (chosen[int(rng.integers(self.frames))],) * self.frames
        *frames, gt = augment((*chosen, gt), rng, self.augment, self.exposure)
        return np.stack(frames), gt, sample.text

    def _check(self, name: str) -> None:
        counts = self.table.column("frames").combine_chunks().value_lengths().to_numpy(zero_copy_only=False)
        for wrong, what in (
            (np.nonzero(~(counts > 0))[0], "frames; degrade its ground truth first"),
            (
                np.nonzero(self.table.column("gt").is_null().to_numpy())[0],
                "ground truth; leave it out of the training split",
            ),
        ):
            if len(wrong):
                raise DataError(
                    f"{name}: sample {self.table.column('sample_id')[int(wrong[0])]} has no {what}"
                )


@lru_cache(maxsize=2)
def _order(seed: int, epoch: int, count: int) -> np.ndarray:
    return np.random.default_rng(seed_for("order", seed, epoch)).permutation(count)


def choose(frames: Sequence[ImageU8], count: int, rng: np.random.Generator) -> tuple[ImageU8, ...]:
    """`count` frames drawn at random, oldest first; too few repeat the last one."""
    if len(frames) < count:
        return (*frames, *[frames[-1]] * (count - len(frames)))
    return tuple(frames[int(i)] for i in sorted(rng.choice(len(frames), count, replace=False)))


def augment(
    pictures: Sequence[ImageU8], rng: np.random.Generator, strength: float, exposure: float = 1.0
) -> list[ImageU8]:
    """Frames and then their ground truth, brought to the working size and changed alike.

    The crop is shifted and scaled by up to 3 % and turned by up to 1.5 degrees. The exposure changes by a
    gain and an offset per channel. In one sample of twenty a frame is lost and its predecessor replaces it.

    Args:
        pictures: uint8 RGB [h, w, 3] each, the ground truth last.
        rng: Source of the changes.
        strength: 0 (none) to 1.
        exposure: Strength of the changes of exposure, times `strength`.
    """
    images = [to_working_size(picture) for picture in pictures]
    if strength > 0:
        matrix, table = _crop(rng, strength), _exposure(rng, strength * exposure)
        images = [np.asarray(cv2.LUT(_warp(image, matrix), table), np.uint8) for image in images]
        if len(images) > 2 and rng.random() < 0.05 * strength:
            lost = int(rng.integers(1, len(images) - 1))
            images[lost] = images[lost - 1]
    return images


def _warp(image: ImageU8, matrix: np.ndarray) -> np.ndarray:
    size = WORKING_SIZE[::-1]
    return cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _crop(rng: np.random.Generator, strength: float) -> np.ndarray:
    height, width = WORKING_SIZE
    angle, scale = rng.uniform(-1.5, 1.5) * strength, 1 + rng.uniform(-0.03, 0.03) * strength
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, scale)
    shift = rng.uniform(-0.03, 0.03, 2) * strength * (width, height)
    return np.asarray(matrix + np.stack([np.zeros(2), np.zeros(2), shift], axis=1))


def _exposure(rng: np.random.Generator, strength: float) -> np.ndarray:
    gain = np.exp(rng.normal(0, 0.1) + rng.normal(0, 0.03, 3)) ** strength
    offset = rng.normal(0, 0.03) * strength
    table = np.linspace(0, 1, 256)[:, None] * gain + offset
    return np.clip(table * 255 + 0.5, 0, 255).astype(np.uint8)[None]


class _Mapped:
    """Training data whose samples lie in a file that every process maps."""

    def __init__(self, data: TrainingData, path: Path) -> None:
        self.path = path
        with pa.OSFile(str(path), "wb") as stream, pa.ipc.new_file(stream, data.table.schema) as writer:
            writer.write_table(data.table)
        self._data: TrainingData | None = None
        self._rules = {name: value for name, value in vars(data).items() if name != "table"}

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_data": None}

    @property
    def data(self) -> TrainingData:
        """The data, opened once per process."""
        if self._data is None:
            self._data = TrainingData.__new__(TrainingData)
            vars(self._data).update(self._rules)
            self._data.table = pa.ipc.open_file(pa.memory_map(str(self.path))).read_all()
        return self._data


class _Steps(Dataset[PixelBatch | MdlpBenchError]):
    """The batches of steps as a map-style data set, or what is wrong with one."""

    def __init__(self, shared: _Mapped, first: int, stop: int, size: int, rank: int, world: int) -> None:
        self._shared, self._steps = shared, range(first, stop)
        self._how = (size, rank, world)

    def __len__(self) -> int:
        return len(self._steps)

    def __getitem__(self, index: int) -> PixelBatch | MdlpBenchError:
        try:
            return self._shared.data.batch(self._steps[index], *self._how)
        except MdlpBenchError as error:
            return error


def _until_one_dies(loader: Iterable[Item]) -> Iterator[Item]:
    """The items of a loader; a clear error where one of its workers died."""
    items = iter(loader)
    while True:
        try:
            item = next(items)
        except StopIteration:
            return
        except RuntimeError as error:
            if "exited unexpectedly" not in str(error):
                raise
            raise MdlpBenchError(DIED) from error
        yield item


def _set_up_worker(_: int) -> None:
    # Workers fill the cores by themselves; torch keeps to one thread in them.
    cv2.setNumThreads(1)
