"""A compact Real-ESRGAN trained on plates with the official losses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from baselines.real_esrgan.discriminator import UNetDiscriminator
from baselines.real_esrgan.losses import (
    SQUEEZENET_WEIGHTS,
    PerceptualLoss,
    discriminator_loss,
    generator_loss,
    squeezenet_features,
)
from baselines.real_esrgan.method import INPUT_SIZE
from baselines.real_esrgan.networks import PLATE, CompactConfig, build_compact
from baselines.trainables import FrameTrainable, NetworkOptions, one_frame
from mdlp_bench.errors import MethodError, checked
from mdlp_bench.training.trainable import TrainingBatch


class RealEsrganOptions(NetworkOptions):
    """The options of `mdlp-bench train real-esrgan`.

    Attributes:
        config: `plate` is the official compact network, 28 x 56 to 112 x 224.
        phase: `l1` is the first stage, `gan` the second with perceptual and adversarial loss.
        discriminator_features: Channels of the discriminator's first layer (64 in the official one).
    """

    config: Literal["plate"] = "plate"
    phase: Literal["l1", "gan"] = "gan"
    discriminator_features: int = Field(default=16, ge=1)


class RealEsrganTrainable(FrameTrainable):
    """The generator, and in the second phase its discriminator."""

    def __init__(self, options: RealEsrganOptions, config: CompactConfig) -> None:
        super().__init__(build_compact(config), config, "real-esrgan", size=INPUT_SIZE, options=options)
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
        gt = batch.gt / 2 + 0.5
        frame = one_frame(batch.frames, generator)
        if self.discriminator is not None and player == "discriminator":
            with torch.no_grad():
                restored = self.restored(frame)
            return {"discriminator": discriminator_loss(self.discriminator, restored, gt)}
        restored = self.restored(frame)
        terms = generator_loss(restored, gt, perceptual=self.perceptual, discriminator=self.discriminator)
        return {**terms, **self.reading(restored * 2 - 1, batch, generator)}


def trainable(options: Mapping[str, Any]) -> RealEsrganTrainable:
    """Build the trainable from options.

    Raises:
        MethodError: An option is wrong.
        MissingWeightsError: The second phase's SqueezeNet weights are not at hand.
    """
    parsed = checked(RealEsrganOptions, options, "real-esrgan", MethodError)
    return RealEsrganTrainable(parsed, parsed.changed(PLATE, "real-esrgan"))
