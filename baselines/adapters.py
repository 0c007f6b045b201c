"""What the wrappers of learnt methods share: images to tensors, one sample at a time, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from baselines.classical import sharpness
from baselines.weights import TRAINED_ON
from mdlp_bench.files import sha256_file
from mdlp_bench.images import ImageU8
from mdlp_bench.methods import FrameBatch, Method, MethodDescriptor
from mdlp_bench.methods.tensors import to_images, to_tensor
from mdlp_bench.metrics.cost import count_parameters
from mdlp_bench.metrics.protocol import WORKING_SIZE, to_working_size

FramePolicy = Literal["last", "best", "mean"]
"""What a single-image method sees: the last of the first three frames, the sharpest one, or their mean."""

POLICY_WORDS: Final[Mapping[FramePolicy, str]] = MappingProxyType(
    {
        "last": "the last of the first three",
        "best": "the sharpest of the first three",
        "mean": "the mean of the first three",
    }
)


class SampleMethod(Method):
    """A method that restores one sample at a time, so that a batch changes nothing to the last bit.

    Args:
        descriptor: Its descriptor.
        function: Maps the frames of one sample, float32 [1, N, 3, 112, 224] in [-1, 1], and its seed to the
            restored image [1, 3, 112, 224] in [-1, 1]; values beyond are clipped.
    """

    def __init__(self, descriptor: MethodDescriptor, function: Callable[[Tensor, int], Tensor]) -> None:
        self.descriptor = descriptor
        self._function = function

    def restore(self, frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Restore with seed 0; uint8 [B, N, 112, 224, 3] to uint8 [B, 112, 224, 3]."""
        return self._restore(frames, [0] * len(frames))

    def restore_batch(self, batch: FrameBatch) -> npt.NDArray[np.uint8]:
        """Restore with each sample's own seed; uint8 [B, 112, 224, 3]."""
        return self._restore(batch.frames(self.descriptor.frames_used), batch.seeds)

    @torch.inference_mode()
    def _restore(self, frames: npt.NDArray[np.uint8], seeds: Sequence[int]) -> npt.NDArray[np.uint8]:
        restored = [
            to_images(self._function(to_tensor(sample[None]), seed))
            for sample, seed in zip(frames, seeds, strict=True)
        ]
        return np.concatenate(restored)


def single_image(frames: Sequence[ImageU8], policy: FramePolicy) -> ImageU8:
    """The image a single-image method sees of frames uint8 [H, W, 3]; at the working size for `mean`."""
    if policy == "last":
        return frames[-1]
    if policy == "best":
        return max(frames, key=sharpness)
    mean = np.mean([to_working_size(frame) for frame in frames], axis=0, dtype=np.float32)
    return np.asarray(np.round(mean), np.uint8)


class SingleImageMethod(Method):
    """A super-resolution network on one image made from a sample's frames.

    Args:
        descriptor: Its descriptor.
        function: Maps an image, float32 [1, 3, *size] in [-1, 1], and the sample's seed to the restored
            image, same range.
        size: Height and width it takes; frames are brought there area-averaged or bicubically.
        policy: Which image it sees.
    """

    def __init__(
        self,
        descriptor: MethodDescriptor,
        function: Callable[[Tensor, int], Tensor],
        *,
        size: tuple[int, int],
        policy: FramePolicy = "last",
    ) -> None:
        self.descriptor = descriptor
        self._function = function
        self._size = size
        self._policy = policy

    def restore(self, frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Restore with seed 0 from frames of one size; uint8 [B, N, H, W, 3] to uint8 [B, 112, 224, 3]."""
        return np.stack([self._one(tuple(sample), 0) for sample in frames])

    def restore_batch(self, batch: FrameBatch) -> npt.NDArray[np.uint8]:
        """Restore from the frames as captured; uint8 [B, 112, 224, 3]."""
        restored = [self._one(f[:3], seed) for f, seed in zip(batch.native, batch.seeds, strict=True)]
        return np.stack(restored)

    @torch.inference_mode()
    def _one(self, frames: Sequence[ImageU8], seed: int) -> ImageU8:
        image = resize(single_image(frames, self._policy), self._size)
        return to_working_size(to_images(self._function(to_tensor(image[None]), seed))[0])


def trained_single_image(
    network: nn.Module,
    weights: Path,
    function: Callable[[Tensor, int], Tensor],
    *,
    name: str,
    title: str,
    frame: FramePolicy,
    citation: str,
    is_bundled: bool,
    deterministic: bool = True,
) -> SingleImageMethod:
    """A network trained here on one frame at the working size, as a method.

    Args:
        network: What was trained.
        weights: Its file.
        function: As for `SingleImageMethod`, at the working size, where training saw the frames.
        name: Its name in runs.
        title: Its name in tables.
        frame: Which image it sees.
        citation: Its paper.
        is_bundled: Whether the file is the package's own, whose training data are known.
        deterministic: False when the output depends on the seed.
    """
    descriptor = MethodDescriptor(
        name=name,
        title=title,
        frames_used=1 if frame == "last" else 3,
        frame_policy=POLICY_WORDS[frame],
        parameters=count_parameters(network),
        weights_sha256=sha256_file(weights),
        citation=citation,
        provenance="reimplemented",
        trained_on=TRAINED_ON if is_bundled else (),
        deterministic=deterministic,
    )
    return SingleImageMethod(descriptor, function, size=WORKING_SIZE, policy=frame)


def resize(image: ImageU8, size: tuple[int, int]) -> ImageU8:
    """Bring an image uint8 [H, W, 3] to a size by the protocol's rule: shrink by areas, grow bicubically."""
    import cv2

    height, width = size
    smaller = (min(image.shape[1], width), min(image.shape[0], height))
    if smaller != (image.shape[1], image.shape[0]):
        image = np.asarray(cv2.resize(image, smaller, interpolation=cv2.INTER_AREA), np.uint8)
    if smaller != (width, height):
        image = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
    return image
