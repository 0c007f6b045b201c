"""What single-image networks see of a sample's frames, and how those trained here become methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from baselines.classical import sharpness
from baselines.weights import described_weights
from mdlp_bench.images import ImageU8
from mdlp_bench.methods import FrameBatch, MethodDescriptor
from mdlp_bench.methods.network import NetworkMethod, Restore, View
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


def single_image(frames: Sequence[ImageU8], policy: FramePolicy) -> ImageU8:
    """The image a single-image method sees of frames uint8 [H, W, 3]; at the working size for `mean`."""
    if policy == "last":
        return frames[-1]
    if policy == "best":
        return max(frames, key=sharpness)
    mean = np.mean([to_working_size(frame) for frame in frames], axis=0, dtype=np.float32)
    return np.asarray(np.round(mean), np.uint8)


def single_image_view(policy: FramePolicy, size: tuple[int, int]) -> View:
    """What a single-image network sees: one image per sample, at a height and width."""

    def view(batch: FrameBatch) -> npt.NDArray[np.uint8]:
        return np.stack([resize(single_image(frames[:3], policy), size) for frames in batch.native])

    return view


def in_unit_range(size: tuple[int, int]) -> Restore:
    """How a network on values 0..1 restores images that are first averaged down to a height and width."""
    from baselines.trainables import shrink

    def restore(network: nn.Module, images: Tensor, seeds: Sequence[int]) -> Tensor:
        restored: Tensor = network(shrink(images, size) / 2 + 0.5)
        return restored * 2 - 1

    return restore


def trained_single_image(
    network: nn.Module,
    weights: Path,
    restore: Restore,
    *,
    name: str,
    title: str,
    paper_parameters: int,
    frame: FramePolicy,
    citation: str,
    is_bundled: bool,
    deterministic: bool = True,
) -> NetworkMethod:
    """A network trained here on one frame at the working size, as a method.

    Args:
        network: What was trained.
        weights: Its file.
        restore: As for `NetworkMethod`; it is given images at the working size, where training saw them.
        name: Its name in runs.
        title: Its name in tables, without size and data.
        paper_parameters: Parameters of the paper's network.
        frame: Which image it sees.
        citation: Its paper.
        is_bundled: Whether the file is the package's own, whose training data are known.
        deterministic: False when the output depends on the seed.
    """
    descriptor = MethodDescriptor(
        name=name,
        frames_used=1 if frame == "last" else 3,
        frame_policy=POLICY_WORDS[frame],
        paper_parameters=paper_parameters,
        citation=citation,
        deterministic=deterministic,
        **described_weights(weights, title, count_parameters(network), is_bundled=is_bundled),
    )
    return NetworkMethod(descriptor, network, restore, view=single_image_view(frame, WORKING_SIZE))


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
