"""ResShift in pixel space, trained on plates: trainable and method."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.resshift.chain import PLATE_4, ResShiftChain, X0Predictor
from baselines.resshift.unet import PLATE, PLATE_UNSHUFFLED, ResShiftUNet, ResShiftUNetConfig
from baselines.single_image import TrainedMethod, shrink
from baselines.trainables import NetworkOptions, NetworkTrainable, one_frame
from mdlp_bench.errors import MethodError, checked
from mdlp_bench.methods.network import Restore
from mdlp_bench.metrics.protocol import WORKING_SIZE
from mdlp_bench.training.trainable import TrainingBatch

_NETWORKS = {"plate": PLATE, "plate-unshuffled": PLATE_UNSHUFFLED}
STEPS = 1
"""Sampling steps; with the bundled weights more of them cost text and fidelity."""
CITATION = (
    "Yue, Wang, Loy: ResShift: Efficient Diffusion Model for Image Super-resolution by Residual Shifting, "
    "NeurIPS 2023"
)


class ResShiftOptions(NetworkOptions):
    """The options of `mdlp-bench train resshift`.

    Attributes:
        config: `plate` works at 112 x 224; `plate-unshuffled` on 4 x 4 blocks, at a small part of the cost.
        last: Share of samples at the chain's last step, where sampling starts.
        steps: Sampling steps of the pictures made while training.
    """

    config: Literal["plate", "plate-unshuffled"] = "plate-unshuffled"
    last: float = Field(default=0.0, ge=0, le=1)
    steps: int = Field(default=STEPS, ge=1)


class _PixelChain:
    """The four-step chain on images, folded as the network's configuration wants them."""

    def __init__(self, config: ResShiftUNetConfig) -> None:
        self.chain = ResShiftChain(PLATE_4)
        self.predict_shift = config.predict_shift
        # A block of n x n pixels becomes n^2 times the channels.
        self.fold = math.isqrt(config.in_channels // 3)
        height, width = WORKING_SIZE
        ratio = config.lq_size // config.image_size
        self.low_size = (height // self.fold * ratio, width // self.fold * ratio)

    def estimate(
        self,
        network: ResShiftUNet,
        frame: Tensor,
        gt: Tensor,
        generator: torch.Generator,
        last: float = 0.0,
    ) -> Tensor:
        """The ground truth as the network sees it through the noise of one random step per sample."""
        degraded, gt = F.pixel_unshuffle(frame, self.fold), F.pixel_unshuffle(gt, self.fold)
        step = self.chain.draw_steps(len(frame), generator, last).to(frame.device)
        noise = torch.randn(gt.shape, generator=generator).to(gt)
        low = shrink(frame, self.low_size)
        predictor = self._x0_predictor(network, degraded)
        found = self.chain.predict(predictor, x0=gt, degraded=degraded, low=low, step=step, noise=noise)
        return F.pixel_shuffle(found, self.fold)

    def sample(self, network: ResShiftUNet, frame: Tensor, seeds: Sequence[int], steps: int) -> Tensor:
        low, degraded = shrink(frame, self.low_size), F.pixel_unshuffle(frame, self.fold)
        folded = self.chain.sample(self._x0_predictor(network, degraded), degraded, low, seeds, steps)
        return F.pixel_shuffle(folded, self.fold)

    def _x0_predictor(self, network: ResShiftUNet, degraded: Tensor) -> X0Predictor:
        if not self.predict_shift:
            return network
        return lambda x, step, low: degraded + network(x, step, low)


class ResShiftTrainable(NetworkTrainable):
    """ResShift's U-Net with its mean squared error on the ground truth."""

    model: ResShiftUNet

    def __init__(self, options: ResShiftOptions, config: ResShiftUNetConfig) -> None:
        super().__init__(ResShiftUNet(config), config, "resshift", options)
        self._options = options
        self._chain = _PixelChain(config)

    def training_step(
        self, batch: TrainingBatch, generator: torch.Generator, player: str
    ) -> dict[str, Tensor]:
        """The mean squared error (equation 8) on one random frame of each sample, at one random step each."""
        frame = one_frame(batch.frames, generator)
        restored = self._chain.estimate(self.model, frame, batch.gt, generator, self._options.last)
        return {"loss": F.mse_loss(restored, batch.gt), **self.reading(restored, batch, generator)}

    def restore(self, network: nn.Module, frames: Tensor, seeds: Sequence[int]) -> Tensor:
        """Sample from the last frame; [B, N, 3, 112, 224] to [B, 3, 112, 224]."""
        return self._chain.sample(network, frames[:, -1], seeds, self._options.steps)  # type: ignore[arg-type]


def trainable(options: Mapping[str, Any]) -> ResShiftTrainable:
    """Build the trainable from options.

    Raises:
        MethodError: An option is wrong.
    """
    parsed = checked(ResShiftOptions, options, "resshift", MethodError)
    return ResShiftTrainable(parsed, parsed.changed(_NETWORKS[parsed.config], "resshift"))


def _sampling(network: ResShiftUNet, steps: int = STEPS) -> Restore:
    """Restore by so many sampling steps, up to the chain's four."""
    chain = _PixelChain(network.config)
    return lambda given, images, seeds: chain.sample(given, images, seeds, steps)  # type: ignore[arg-type]


resshift = TrainedMethod(
    key="resshift",
    title="ResShift",
    config=ResShiftUNetConfig,
    build=ResShiftUNet,
    restore=_sampling,
    paper_parameters=118_600_000,
    citation=CITATION,
    deterministic=False,
)
resshift_reader = resshift.taught()
