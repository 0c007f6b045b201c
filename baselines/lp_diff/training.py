"""The training of LP-Diff: losses on psi, on the noise stage, and on the look and text of the image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from baselines.lp_diff.checkpoint import METHOD, load
from baselines.lp_diff.config import LPDiffConfig, Size
from baselines.lp_diff.network import LPDiff
from baselines.real_esrgan.losses import SQUEEZENET_WEIGHTS, PerceptualLoss, squeezenet_features
from baselines.trainables import NetworkOptions, NetworkTrainable
from mdlp_bench.errors import MethodError, checked
from mdlp_bench.training.trainable import TrainingBatch


class LPDiffOptions(NetworkOptions):
    """The options of `mdlp-bench train lp-diff` beside the common configuration.

    Attributes:
        config: Size of the network.
        phase: `psi` trains the conditioning network alone; `joint` both networks, so that psi also learns
            from the residual's loss; `diffusion` the U-Net alone on a finished psi.
        terminal: Share of samples at the last noise level, where sampling starts. A sampler of few steps does
            most of its work there, while uniform times are mostly levels at which x_t shows the answer.
        psi: Weight of L1 between psi and the ground truth in the joint phase. The released code has none,
            and its psi drifts away from the plate.
        perceptual: Weight of the distance in SqueezeNet features on the restored image (psi + predicted
            residual), on which the reader loss is too; 0 for none.
        steps: Sampling steps of the pictures made while training.
    """

    config: Size = "small"
    phase: Literal["psi", "joint", "diffusion"] = "joint"
    terminal: float = Field(default=0.0, ge=0, le=1)
    psi: float = Field(default=0.5, ge=0)
    perceptual: float = Field(default=0.0, ge=0)
    steps: int = Field(default=4, ge=1)


class LPDiffTrainable(NetworkTrainable):
    """LP-Diff (see `LPDiffOptions`)."""

    model: LPDiff

    def __init__(self, options: LPDiffOptions, network: LPDiff) -> None:
        super().__init__(network, network.config, METHOD, options)
        self.options = options
        network.MTA.requires_grad_(options.phase != "diffusion")
        self.features = squeezenet_features() if options.perceptual else None

    def training_step(
        self, batch: TrainingBatch, generator: torch.Generator, player: str
    ) -> dict[str, Tensor]:
        """L1 on psi, in the joint phase also on the U-Net's target at one random level per sample.

        In the joint phase the losses on the image compare psi + the predicted residual, at every noise level:
        at the highest ones that is the image a single sampling step gives.
        """
        options, gt = self.options, batch.gt
        if options.phase == "psi":
            estimate = self.model.condition(batch.frames)
            found = {"psi": (estimate - gt).abs().mean()}
        else:
            losses = self.model.training_losses(batch.frames, gt, generator, options.terminal)
            estimate = losses.estimate
            found = {"noise": losses.noise.mean()}
            if options.phase == "joint":
                found["psi"] = options.psi * losses.psi.mean()
        found |= self.reading(estimate, batch, generator)
        if self.features is not None:
            distance = PerceptualLoss(self.features, SQUEEZENET_WEIGHTS)
            found["perceptual"] = options.perceptual * distance(estimate / 2 + 0.5, gt / 2 + 0.5)
        return found

    def restore(self, network: nn.Module, frames: Tensor, seeds: Sequence[int]) -> Tensor:
        """Sample; in the psi phase psi itself. [B, N, 3, H, W] to [B, 3, H, W]."""
        assert isinstance(network, LPDiff)  # noqa: S101 - the first player's kind
        if self.options.phase == "psi":
            return network.condition(frames)
        return network.sample(frames, seeds, steps=self.options.steps)

    def load(self, path: Path) -> None:
        """Start from stored weights of the same configuration; the end of the noise schedule may differ.

        Raises:
            MissingWeightsError: The file does not exist.
            MethodError: It is of another configuration, or not an LP-Diff weight file.
        """
        stored = load(path)
        schedule = {"zero_terminal": self.model.config.zero_terminal}
        if stored.config.model_copy(update=schedule) != self.model.config:
            raise MethodError(f"{path}: holds another configuration of lp-diff; give that one's options")
        self.model.load_state_dict(stored.state_dict())


def lp_diff(options: Mapping[str, Any]) -> LPDiffTrainable:
    """Build the trainable from options.

    Raises:
        MethodError: An option is unknown or wrong; names it.
    """
    parsed = checked(LPDiffOptions, options, "lp-diff", MethodError)
    return LPDiffTrainable(parsed, LPDiff(LPDiffConfig.preset(parsed.config, **parsed.network)))
