"""ResShift in pixel space, trained on plates: trainable and method."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.learning import NetworkTrainable, one_frame, parse_options
from baselines.resshift.chain import PLATE_4, ResShiftChain
from baselines.resshift.unet import PLATE, PLATE_UNSHUFFLED, ResShiftUNet, ResShiftUNetConfig
from baselines.restoring import FramePolicy, SingleImageMethod, trained_single_image
from baselines.weights import bundled, load_network
from mdlp_bench.training.trainable import TrainingBatch

_NETWORKS = {"plate": PLATE, "plate-unshuffled": PLATE_UNSHUFFLED}


class ResShiftOptions(BaseModel):
    """What `mdlp-bench train resshift` can be told.

    Attributes:
        config: `plate` works at 112 x 224; `plate-unshuffled` on 4 x 4 blocks, at a quarter of the cost.
        network: Fields of `ResShiftUNetConfig` to set differently.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: Literal["plate", "plate-unshuffled"] = "plate-unshuffled"
    network: dict[str, Any] = {}


class _PixelChain:
    """The four-step chain on images, folded as the network's configuration wants them."""

    def __init__(self, config: ResShiftUNetConfig) -> None:
        self.chain = ResShiftChain(PLATE_4)
        # A block of n x n pixels becomes n^2 times the channels.
        self.fold = math.isqrt(config.in_channels // 3)

    def loss(self, network: ResShiftUNet, frame: Tensor, clear: Tensor, generator: torch.Generator) -> Tensor:
        degraded, clear = F.pixel_unshuffle(frame, self.fold), F.pixel_unshuffle(clear, self.fold)
        step = self.chain.draw_steps(len(frame), generator).to(frame.device)
        noise = torch.randn(clear.shape, generator=generator).to(clear)
        return self.chain.loss(network, clear=clear, degraded=degraded, low=frame, step=step, noise=noise)

    def sample(self, network: ResShiftUNet, frame: Tensor, seeds: Sequence[int]) -> Tensor:
        folded = self.chain.sample(network, F.pixel_unshuffle(frame, self.fold), frame, seeds)
        return F.pixel_shuffle(folded, self.fold)


class ResShiftTrainable(NetworkTrainable):
    """ResShift's U-Net with its mean squared error on the clear image."""

    def __init__(self, config: ResShiftUNetConfig) -> None:
        super().__init__(ResShiftUNet(config), config, "resshift")
        self._chain = _PixelChain(config)

    def training_step(
        self, batch: TrainingBatch, generator: torch.Generator, player: str
    ) -> dict[str, Tensor]:
        """The loss on one random frame of each sample, at one random step each."""
        frame = one_frame(batch.frames, generator)
        return {"loss": self._chain.loss(self.get_submodule("model"), frame, batch.gt, generator)}  # type: ignore[arg-type]

    def restore(self, network: nn.Module, frames: Tensor, seeds: Sequence[int]) -> Tensor:
        """Sample from the last frame; [B, N, 3, 112, 224] to [B, 3, 112, 224]."""
        return self._chain.sample(network, frames[:, -1], seeds)  # type: ignore[arg-type]


def trainable(options: Mapping[str, Any]) -> ResShiftTrainable:
    """Build the trainable from options.

    Raises:
        MethodError: An option is wrong.
    """
    parsed = parse_options(ResShiftOptions, options, "resshift")
    fields = _NETWORKS[parsed.config].model_dump() | parsed.network
    return ResShiftTrainable(parse_options(ResShiftUNetConfig, fields, "resshift network"))


def resshift(
    weights: Path | None = None, frame: FramePolicy = "last", name: str = "resshift"
) -> SingleImageMethod:
    """ResShift with four steps, on one frame.

    Args:
        weights: A weight file of `mdlp-bench train resshift`; default the bundled one.
        frame: Which of the first three frames, or their mean.
        name: Its name in runs.

    Raises:
        MissingWeightsError: The file is not there.
        MethodError: It is no such weight file.
    """
    path = weights or bundled("resshift")
    network = load_network(path, "resshift", ResShiftUNetConfig, ResShiftUNet)
    chain = _PixelChain(network.config)
    return trained_single_image(
        network,
        path,
        lambda image, seed: chain.sample(network, image, [seed]),
        name=name,
        title="ResShift",
        frame=frame,
        citation="Yue, Wang, Loy: ResShift, NeurIPS 2023",
        is_bundled=weights is None,
        deterministic=False,
    )
