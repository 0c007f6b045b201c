"""A small LPDGAN trained on plates, as a trainable and as a method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.lpdgan.network import PLATE, Lpdgan, LpdganConfig, LpdganOutput, smaller
from baselines.single_image import TrainedMethod
from baselines.trainables import NetworkOptions, NetworkTrainable, one_frame
from mdlp_bench.errors import MethodError, checked
from mdlp_bench.training.teacher import position_labels, position_loss
from mdlp_bench.training.trainable import TrainingBatch

CITATION: Final = (
    "Gong, Feng, Zhang, Hou, Liu, Jiang, Liu: A Dataset and Model for Realistic License Plate Deblurring, "
    "IJCAI 2024"
)
_SCALES: Final = (1, 2, 4, 8)


class LpdganOptions(NetworkOptions):
    """The options of `mdlp-bench train lpdgan`.

    Attributes:
        config: `plate` is a network that trains on a CPU.
        text: Weight of the text heads' loss, against 1 for L1.
        gan: Weight of the adversarial loss; 0 trains no discriminators.
        discriminator_features: Channels of the discriminators' first layer (64 in the released ones).
    """

    config: Literal["plate"] = "plate"
    text: float = Field(default=0.05, ge=0)
    gan: float = Field(default=0.0, ge=0)
    discriminator_features: int = Field(default=16, ge=1)


class PatchDiscriminators(nn.Module):
    """A patch discriminator for pairs of input and output at each of the three largest scales.

    The release steps the one at full scale only; here the loss of all three is minimised.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.scales = nn.ModuleList(_patches(features) for _ in _SCALES[:3])

    def forward(self, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> list[Tensor]:
        """Logits [B, 1, h, w] of pairs of images [B, 3, H, W], for each scale."""
        pairs = zip(self.scales, inputs, outputs, strict=False)
        return [judge(torch.cat([given, made], 1)) for judge, given, made in pairs]


def _patches(features: int) -> nn.Sequential:
    """Three strided convolutions, then one logit per patch."""
    channels = (6, features, 2 * features, 4 * features)
    layers: list[nn.Module] = []
    for index in range(3):
        layers.append(nn.Conv2d(channels[index], channels[index + 1], 4, stride=2, padding=1))
        if index:
            layers.append(nn.BatchNorm2d(channels[index + 1]))
        layers.append(nn.LeakyReLU(0.2, inplace=True))
    return nn.Sequential(*layers, nn.Conv2d(channels[-1], 1, 3, padding=1))


class LpdganTrainable(NetworkTrainable):
    """The generator with L1 at four scales, cross-entropy of its text heads, and its discriminators."""

    def __init__(self, options: LpdganOptions, config: LpdganConfig) -> None:
        super().__init__(Lpdgan(config), config, "lpdgan", options)
        self._text, self._gan = options.text, options.gan
        if options.gan:
            self.players = ("model", "discriminators")
            self.discriminators = PatchDiscriminators(options.discriminator_features)

    def training_step(
        self, batch: TrainingBatch, generator: torch.Generator, player: str
    ) -> dict[str, Tensor]:
        """The generator's terms on one random frame of each sample, or the discriminators' loss."""
        inputs = _pyramid(one_frame(batch.frames, generator))
        wanted = _pyramid(batch.gt)
        if player == "discriminators":
            with torch.no_grad():
                made = self._outputs(inputs[0]).images
            real, fake = self.discriminators(inputs, wanted), self.discriminators(inputs, made)
            return {"discriminators": (_adversarial(real, 1.0) + _adversarial(fake, 0.0)) / 2}
        output = self._outputs(inputs[0])
        pixels = torch.stack([F.l1_loss(a, b) for a, b in zip(output.images, wanted, strict=True)])
        terms = {"l1": pixels.mean(), **self._reading_heads(output, batch)}
        if self._gan:
            terms["gan"] = self._gan * _adversarial(self.discriminators(inputs, output.images), 1.0)
        return {**terms, **self.reading(output.images[0], batch, generator)}

    def _reading_heads(self, output: LpdganOutput, batch: TrainingBatch) -> dict[str, Tensor]:
        """The text heads' cross-entropy on samples whose text is known."""
        texts = [text for text in batch.texts if text is not None]
        if not texts or not self._text:
            return {}
        known = torch.tensor([text is not None for text in batch.texts])
        labels = position_labels(texts).to(batch.gt.device)
        losses = [position_loss(logits[known], labels).mean() for logits in output.text_logits]
        return {"text": self._text * torch.stack(losses).mean()}

    def restore(self, network: nn.Module, frames: Tensor, seeds: Sequence[int]) -> Tensor:
        """Restore from the last frame; [B, N, 3, 112, 224] to [B, 3, 112, 224]."""
        restored: Tensor = network(frames[:, -1])
        return restored

    def _outputs(self, frame: Tensor) -> LpdganOutput:
        network = self.model
        assert isinstance(network, Lpdgan)  # noqa: S101 - for the type checker
        return network.outputs(frame)


def _pyramid(images: Tensor) -> list[Tensor]:
    return [images if factor == 1 else smaller(images, factor) for factor in _SCALES]


def _adversarial(logits: Sequence[Tensor], wanted: float) -> Tensor:
    """Binary cross-entropy of logits that all should say `wanted`, averaged over scales."""
    losses = [F.binary_cross_entropy_with_logits(found, torch.full_like(found, wanted)) for found in logits]
    return torch.stack(losses).mean()


def trainable(options: Mapping[str, Any]) -> LpdganTrainable:
    """Build the trainable from options; its images start as the input.

    Raises:
        MethodError: An option is wrong.
    """
    parsed = checked(LpdganOptions, options, "lpdgan", MethodError)
    config = parsed.changed(PLATE, "lpdgan")
    made = LpdganTrainable(parsed, config)
    if config.residual:
        unet = made.model.get_submodule("swin_unet")
        for head in ("output", "MBO1.output", "MBO2.output", "MBO3.output"):
            nn.init.zeros_(unet.get_submodule(head).get_parameter("weight"))
    return made


lpdgan = TrainedMethod(
    key="lpdgan",
    title="LPDGAN",
    config=LpdganConfig,
    build=Lpdgan,
    restore=lambda _: None,
    paper_parameters=128_890_368,
    citation=CITATION,
)
