"""What the harness runs: a Method restores a sample's image, a TextMethod gives its text alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from mdlp_bench.device import EXACT, Compute
from mdlp_bench.errors import MethodError
from mdlp_bench.files import seed_for
from mdlp_bench.frozen import Frozen
from mdlp_bench.images import ImageU8
from mdlp_bench.metrics.protocol import WORKING_SIZE, to_working_size
from mdlp_bench.readers.base import Reading

Provenance = Literal["official", "reimplemented", "baseline", "oracle", "user"]
Output = Literal["image", "text"]

MOST_FRAMES: Final = 5
"""The first frames that a method looks at where no network fixes their number: a whole track of LRLPR."""


class MethodDescriptor(Frozen):
    """What a run says about the method that made its predictions.

    Attributes:
        name: Unique, lower case with dashes: the name on the command line.
        title: The name in tables.
        frames_used: Frames the method looks at.
        frame_policy: How they are chosen from the sample's frames, in words.
        parameters: Trainable parameters.
        paper_parameters: Parameters of the paper's network, if it has another size.
        weights_sha256: SHA-256 of the weight file, when there is one.
        licence: SPDX identifier or a short text.
        citation: Paper or repository.
        provenance: `official` code or weights, our `reimplemented` one, a classical `baseline`, an `oracle`
            that sees the ground truth or nothing (ceilings and floors, never ranked) or a `user`'s.
        trained_on: Data sets the weights have seen.
        teacher: The reader whose loss was added to the method's own losses in training.
        deterministic: False when the output depends on the seed.
        output: `image`, or `text` for a `TextMethod`: it has no image scores, and tables say so.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=80)
    title: str
    frames_used: int = Field(default=3, ge=0)
    frame_policy: str = "lowest-numbered, the last one repeated"
    parameters: int = Field(default=0, ge=0)
    paper_parameters: int | None = Field(default=None, ge=0)
    weights_sha256: str | None = None
    licence: str = "Apache-2.0"
    citation: str | None = None
    provenance: Provenance = "user"
    trained_on: tuple[str, ...] = ()
    teacher: str | None = None
    deterministic: bool = True
    output: Output = "image"


@dataclass(frozen=True)
class FrameBatch:
    """The samples a method restores in one call.

    Attributes:
        sample_ids: One id per sample.
        native: The decoded frames of each sample at the size they were captured, lowest index first;
            uint8 RGB [h, w, 3], at least one per sample.
        seed: The run's seed; see `seeds`.
        ground_truth: The decoded ground truth of each sample (None where it has none); for oracles only.
        compute: Where and how the user wants networks to compute; a method that has none ignores it.
    """

    sample_ids: tuple[str, ...]
    native: tuple[tuple[ImageU8, ...], ...]
    seed: int = 0
    ground_truth: tuple[ImageU8 | None, ...] | None = None
    compute: Compute = EXACT

    def __len__(self) -> int:
        return len(self.sample_ids)

    @property
    def device(self) -> str:
        """The device that the user wants: `cpu`, `mps`, `cuda` or `cuda:N`."""
        return self.compute.device

    @property
    def seeds(self) -> tuple[int, ...]:
        """One seed per sample, derived from the run's seed and the sample id: independent of the batch."""
        return tuple(seed_for(self.seed, "restore", sample_id) for sample_id in self.sample_ids)

    def single(self, index: int) -> FrameBatch:
        """The batch of one that holds the sample at `index`."""
        gt = None if self.ground_truth is None else (self.ground_truth[index],)
        return replace(
            self, sample_ids=(self.sample_ids[index],), native=(self.native[index],), ground_truth=gt
        )

    def frames(self, count: int) -> npt.NDArray[np.uint8]:
        """The `count` lowest-numbered frames of every sample at the protocol's working size.

        A sample with fewer frames repeats its last one: one frame gives (0, 0, 0), two give (0, 1, 1), as the
        official LP-Diff loader does.

        Returns:
            uint8 [B, count, 112, 224, 3].
        """
        picked = [[frames[min(i, len(frames) - 1)] for i in range(count)] for frames in self.native]
        return np.stack([np.stack([to_working_size(frame) for frame in frames]) for frames in picked])


class Method(ABC):
    """A restoration method.

    Example:
        >>> import mdlp_bench as mb
        >>> from mdlp_bench.methods import MethodDescriptor
        >>> class LastFrame(mb.Method):
        ...     descriptor = MethodDescriptor(name="last-frame", title="Last frame")
        ...
        ...     def restore_batch(self, batch):
        ...         return batch.frames(3)[:, -1]
        >>> mb.predict(LastFrame(), mb.open("DATA", split="test"), "preds/last-frame").record.n_failed
        0
    """

    descriptor: MethodDescriptor

    @abstractmethod
    def restore_batch(self, batch: FrameBatch) -> npt.NDArray[np.uint8]:
        """Restore a batch of samples.

        Args:
            batch: The frames as captured, and `batch.frames(n)` at the working size; the seeds of a
                stochastic method; the device of its networks.

        Returns:
            uint8 RGB [B, 112, 224, 3].
        """


class TextMethod(ABC):
    """A method that reads a sample without restoring an image, e.g. by fusing what it reads in each frame.

    Its texts are scored as they are; readers have nothing to read. The descriptor's `output` is `text`.
    """

    descriptor: MethodDescriptor

    @abstractmethod
    def read_batch(self, batch: FrameBatch) -> list[Reading]:
        """Read a batch of samples; one reading per sample, in order."""


AnyMethod = Method | TextMethod


def run_on(method: AnyMethod, batch: FrameBatch) -> object:
    """The unchecked output of a method of either kind for a batch."""
    return method.read_batch(batch) if isinstance(method, TextMethod) else method.restore_batch(batch)


def check_readings(found: object, n_samples: int, name: str) -> list[Reading]:
    """Return the output of a text method if it is one reading per sample.

    Raises:
        MethodError: It is something else; names the method and what it gave.
    """
    if not isinstance(found, Sequence) or not all(isinstance(item, Reading) for item in found):
        raise MethodError(f"method {name}: returned {type(found).__name__}, must return a list of Reading")
    if len(found) != n_samples:
        raise MethodError(f"method {name}: returned {len(found)} readings for {n_samples} samples")
    return list(found)


def check_restored(restored: object, n_samples: int, name: str) -> npt.NDArray[np.uint8]:
    """Return the output of a method if it is uint8 RGB [B, 112, 224, 3].

    Raises:
        MethodError: It is something else; names the method and both shapes.
    """
    expected = (n_samples, *WORKING_SIZE, 3)
    if not isinstance(restored, np.ndarray) or restored.dtype != np.uint8 or restored.shape != expected:
        got = (
            f"{restored.dtype} {list(restored.shape)}"
            if isinstance(restored, np.ndarray)
            else type(restored).__name__
        )
        raise MethodError(f"method {name}: returned {got}, must return uint8 {list(expected)}")
    return restored
