"""A compact Real-ESRGAN trained on plates with the official losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from baselines.real_esrgan.discriminator import UNetDiscriminator
from baselines.real_esrgan.losses import (
    SQUEEZENET_WEIGHTS,
    LossWeights,
    PerceptualLoss,
    discriminator_loss,
    generator_loss,
    squeezenet_features,
)
from baselines.real_esrgan.method import INPUT_SIZE
from baselines.real_esrgan.networks import PLATE, CompactConfig, build_compact
from baselines.trainables import NetworkTrainable, TeacherOptions, one_frame, parse_options, shrink
from mdlp_bench.training.trainable import TrainingBatch


class RealEsrganOptions(TeacherOptions):
    """The options of `mdlp-bench train real-esrgan`.

    Attributes:
        config: `plate` is the official compact network, 28 x 56 to 112 x 224.
        network: Fields of `CompactConfig` to set differently.
        phase: `l1` is the first stage, `gan` the second with perceptual and adversarial loss.
        discriminator_features: Channels of the discriminator's first layer (64 in the official one).
    """

    config: Literal["plate"] = "plate"
    network: dict[str, Any] = Field(default_factory=dict)
    phase: Literal["l1", "gan"] = "gan"
    discriminator_features: int = Field(default=16, ge=1)


class RealEsrganTrainable(NetworkTrainable):
    """The generator, and in the second phase its discriminator."""

    def __init__(self, options: RealEsrganOptions, config: CompactConfig) -> None:
        super().__init__(build_compact(config), config, "real-esrgan", options)
        self.perceptual: PerceptualLoss | None = None
        self.discriminator: UNetDiscriminator | None = None
        if options.phase == "gan":
            self.players = ("model", "discriminator")
            self.discriminator = UNetDiscriminator(num_feat=options.discriminator_features)
            self.features = squeezenet_features()
            self.perceptual = PerceptualLoss(self.features, SQUEEZENET_WEIGHTS)

    def training_step(
        self, batch: TrainingBatch, generator: torch.Generator, player: str
    ) -> dict[str, Tensor]:
        """The generator's terms on one random frame of each sample, or the discriminator's loss."""
        target = batch.gt / 2 + 0.5
        frame = one_frame(batch.frames, generator)
        if self.discriminator is not None and player == "discriminator":
            with torch.no_grad():
                restored = self._restored(self.model, frame)
            return {"discriminator": discriminator_loss(self.discriminator, restored, target)}
        restored = self._restored(self.model, frame)
        terms = generator_loss(
            restored,
            target,
            perceptual=self.perceptual,
            discriminator=self.discriminator,
            weights=LossWeights(),
        )
        return {**terms, **self.reading(restored * 2 - 1, batch, generator)}

    def restore(self, network: nn.Module, frames: Tensor, seeds: Sequence[int]) -> Tensor:
        """Restore from the last frame; [B, N, 3, 112, 224] to [B, 3, 112, 224]."""
        return self._restored(network, frames[:, -1]) * 2 - 1

    def _restored(self, network: nn.Module, frame: Tensor) -> Tensor:
        restored: Tensor = network(shrink(frame, INPUT_SIZE) / 2 + 0.5)
        return restored


def trainable(options: Mapping[str, Any]) -> RealEsrganTrainable:
    """Build the trainable from options.

    Raises:
        MethodError: An option is wrong.
        MissingWeightsError: The second phase's SqueezeNet weights are not at hand.
    """
    parsed = parse_options(RealEsrganOptions, options, "real-esrgan")
    config = parse_options(CompactConfig, PLATE.model_dump() | parsed.network, "real-esrgan network")
    return RealEsrganTrainable(parsed, config)
