"""ResDiff trained on plates: its two networks one after the other, trainable and method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from baselines.resdiff.chain import Power, ResDiffChain
from baselines.resdiff.cnn import SimpleCnn, cnn_loss
from baselines.resdiff.unet import PLATE, ResDiffUNet, ResDiffUNetConfig
from baselines.single_image import TrainedMethod, shrink
from baselines.trainables import NetworkOptions, NetworkTrainable, one_frame
from mdlp_bench.errors import MethodError, checked
from mdlp_bench.methods.network import Restore
from mdlp_bench.training.trainable import TrainingBatch

_INPUT_SIZE = (28, 56)
STEPS = 1
"""Sampling steps; with the bundled weights more of them cost text and fidelity."""


class ResDiffOptions(NetworkOptions):
    """The options of `mdlp-bench train resdiff`.

    Attributes:
        config: `plate` is a U-Net that trains on a CPU.
        phase: `cnn` trains the CNN; `diffusion` the U-Net on the finished CNN's output (`--start`).
        power: 1 for L1, as released; 2 for the mean squared error (see `ResDiffChain.loss`).
        last: Share of samples at the last noise level, where sampling starts.
        steps: Sampling steps of the pictures made while training.
    """

    config: Literal["plate"] = "plate"
    phase: Literal["cnn", "diffusion"] = "diffusion"
    power: Power = 1
    last: float = Field(default=0.0, ge=0, le=1)
    steps: int = Field(default=STEPS, ge=1)


class ResDiff(nn.Module):
    """CNN and U-Net as one network.

    Args:
        config: The U-Net's shape.

    Attributes:
        chain: The diffusion process of its configuration.
    """

    def __init__(self, config: ResDiffUNetConfig) -> None:
        super().__init__()
        self.cnn = SimpleCnn()
        self.unet = ResDiffUNet(config)
        self.chain = ResDiffChain(config.schedule, config.prediction)

    def forward(self, frame: Tensor, seeds: Sequence[int] | None = None, steps: int = STEPS) -> Tensor:
        """Restore plates, without gradients through the U-Net.

        Args:
            frame: [B, 3, 112, 224] in [-1, 1].
            seeds: One per sample; default 0 ... B - 1.
            steps: U-Net evaluations per sample.

        Returns:
            [B, 3, 112, 224], about -1..1.

        Raises:
            MethodError: Not one seed per sample, or `steps` out of range.
        """
        given = range(len(frame)) if seeds is None else seeds
        return self.chain.sample(self.unet, self.predict(frame), given, steps=steps)

    def predict(self, frame: Tensor) -> Tensor:
        """The CNN's prediction from a frame; [B, 3, 112, 224] in [-1, 1] to the same."""
        predicted: Tensor = self.cnn(shrink(frame, _INPUT_SIZE))
        return predicted


class ResDiffTrainable(NetworkTrainable):
    """One phase of ResDiff's training (see `ResDiffOptions`)."""

    model: ResDiff

    def __init__(self, options: ResDiffOptions, config: ResDiffUNetConfig) -> None:
        network = ResDiff(config)
        super().__init__(network, config, "resdiff", options)
        self._options = options
        network.cnn.requires_grad_(options.phase == "cnn")
        network.unet.requires_grad_(options.phase == "diffusion")

    def training_step(
        self, batch: TrainingBatch, generator: torch.Generator, player: str
    ) -> dict[str, Tensor]:
        """The phase's losses on one random frame of each sample."""
        network = self.model
        predicted = network.predict(one_frame(batch.frames, generator))
        if self._options.phase == "cnn":
            return {"cnn": cnn_loss(predicted, batch.gt), **self.reading(predicted, batch, generator)}
        level = network.chain.draw_levels(len(batch), generator, self._options.last).to(batch.gt)
        noise = torch.randn(batch.gt.shape, generator=generator).to(batch.gt)
        power = self._options.power
        loss, restored = network.chain.loss(network.unet, predicted, batch.gt, level, noise, power)
        return {"noise": loss, **self.reading(restored, batch, generator)}

    def restore(self, network: nn.Module, frames: Tensor, seeds: Sequence[int]) -> Tensor:
        """Restore from the last frame; the CNN alone in its own phase."""
        assert isinstance(network, ResDiff)  # noqa: S101 - the first player's kind
        if self._options.phase == "cnn":
            return network.predict(frames[:, -1])
        return network(frames[:, -1], seeds, self._options.steps)  # type: ignore[no-any-return]


def trainable(options: Mapping[str, Any]) -> ResDiffTrainable:
    """Build the trainable from options.

    Raises:
        MethodError: An option is wrong.
    """
    parsed = checked(ResDiffOptions, options, "resdiff", MethodError)
    return ResDiffTrainable(parsed, parsed.changed(PLATE, "resdiff"))


def _sampling(network: ResDiff, steps: int = STEPS) -> Restore:
    """Restore by the CNN and then so many sampling steps."""
    return lambda given, images, seeds: given(images, seeds, steps)


resdiff = TrainedMethod(
    key="resdiff",
    title="ResDiff",
    config=ResDiffUNetConfig,
    build=ResDiff,
    restore=_sampling,
    paper_parameters=98_900_000,
    citation="Shang et al.: ResDiff: Combining CNN and Diffusion Model for Super-Resolution, AAAI 2024",
    deterministic=False,
)
resdiff_reader = resdiff.taught()
