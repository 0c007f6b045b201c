"""The input of single-image networks, and how networks trained here become methods."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Generic, Literal, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel
from torch import Tensor, nn
from torch.nn import functional as F

from baselines import authors_files
from baselines.classical import sharpness
from baselines.weights import bundled, described_weights
from mdlp_bench.images import ImageU8, stretched
from mdlp_bench.methods import MOST_FRAMES, FrameBatch, MethodDescriptor
from mdlp_bench.methods.network import NetworkMethod, Restore, View
from mdlp_bench.methods.weights import load_network
from mdlp_bench.metrics.cost import count_parameters
from mdlp_bench.metrics.protocol import WORKING_SIZE, to_working_size

NetworkT = TypeVar("NetworkT", bound=nn.Module)

FramePolicy = Literal["last", "best", "mean"]
"""The input of a single-image method: the last of the first five frames, the sharpest one, or their mean."""

POLICY_WORDS: Final[Mapping[FramePolicy, str]] = MappingProxyType(
    {
        "last": "the last of the first five",
        "best": "the sharpest of the first five",
        "mean": "the mean of the first five",
    }
)


def single_image(frames: Sequence[ImageU8], policy: FramePolicy) -> ImageU8:
    """The input image from frames uint8 [H, W, 3]; at the working size for `mean`."""
    if policy == "last":
        return frames[-1]
    if policy == "best":
        return max(frames, key=sharpness)
    mean = np.mean([to_working_size(frame) for frame in frames], axis=0, dtype=np.float32)
    return np.asarray(np.round(mean), np.uint8)


def single_image_view(policy: FramePolicy, size: tuple[int, int]) -> View:
    """The input of a single-image network: one image per sample, at a height and width."""

    def view(batch: FrameBatch) -> npt.NDArray[np.uint8]:
        images = [single_image(frames[:MOST_FRAMES], policy) for frames in batch.native]
        return np.stack([stretched(image, size) for image in images])

    return view


def shrink(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Average images [B, 3, H, W] over areas to a size that divides theirs."""
    return images if images.shape[-2:] == size else F.interpolate(images, size, mode="area")


def run_in_unit_range(network: nn.Module, images: Tensor, size: tuple[int, int]) -> Tensor:
    """The output in 0..1 of a network on values 0..1, for images in [-1, 1] averaged down to a size."""
    restored: Tensor = network(shrink(images, size) / 2 + 0.5)
    return restored


def in_unit_range(size: tuple[int, int]) -> Restore:
    """How a network on values 0..1 restores images that are first averaged down to a height and width."""
    return lambda network, images, _: run_in_unit_range(network, images, size) * 2 - 1


@dataclass(frozen=True)
class TrainedMethod(Generic[NetworkT]):
    """A network that was trained here on one frame at the working size; calling it loads the method.

    Attributes:
        key: Its name among trainables and in weight files.
        title: Its name in tables, without size and data.
        config: What a weight file holds of the network's shape.
        build: Builds the network from it.
        restore: Says how a loaded network restores images of the working size; it is called with the network
            and the options of the call. None where the network maps images to images.
        paper_parameters: Parameters of the paper's network.
        citation: Its paper.
        deterministic: False when the output depends on the seed.
        name: Of its bundled weights, and in runs unless a call gives another; `key` by default.
    """

    key: str
    title: str
    config: type[BaseModel]
    build: Callable[[Any], NetworkT]
    restore: Callable[..., Restore | None]
    paper_parameters: int
    citation: str
    deterministic: bool = True
    name: str = ""

    def taught(self) -> TrainedMethod[NetworkT]:
        """The same network, which a reader's loss has also taught."""
        return replace(self, title=f"{self.title} + reader loss", name=f"{self.key}-reader")

    def __call__(
        self,
        weights: Path | None = None,
        frame: FramePolicy = "last",
        name: str | None = None,
        **options: Any,
    ) -> NetworkMethod:
        """Load the method.

        Args:
            weights: A file that `mdlp-bench train` wrote; default the bundled one.
            frame: Which of the first five frames the network sees, or their mean.
            name: Its name in runs.
            options: For `restore`, e.g. `steps` of a diffusion method.

        Raises:
            MissingWeightsError: The file is not there.
            MethodError: It holds no weights of this network.
        """
        own = self.name or self.key
        path = weights or bundled(own)
        with authors_files.loading(self.key, path):
            network = load_network(path, self.key, self.config, self.build)
        parameters = count_parameters(network)
        descriptor = MethodDescriptor(
            name=name or own,
            frames_used=1 if frame == "last" else MOST_FRAMES,
            frame_policy=POLICY_WORDS[frame],
            paper_parameters=self.paper_parameters,
            citation=self.citation,
            deterministic=self.deterministic,
            **described_weights(path, self.title, parameters, is_bundled=weights is None),
        )
        restore = self.restore(network, **options)
        return NetworkMethod(descriptor, network, restore, view=single_image_view(frame, WORKING_SIZE))
