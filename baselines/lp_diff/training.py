"""What LP-Diff learns: psi, the residual's noise stage, and how the restored image looks and reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor, nn

from baselines.lp_diff import checkpoint
from baselines.lp_diff.config import LPDiffConfig, Size
from baselines.lp_diff.model import LPDiff
from mdlp_bench.errors import MethodError
from mdlp_bench.training.trainable import Trainable, TrainingBatch

if TYPE_CHECKING:
    from collections.abc import Callable


class LPDiffOptions(BaseModel):
    """What `mdlp-bench train lp-diff` can be told beside the common configuration.

    Attributes:
        config: Size of the network.
        network: Fields of `LPDiffConfig` to set differently.
        phase: `psi` trains the conditioning network alone; `joint` both networks, so that psi also learns
            from the residual's loss.
        psi: Weight of L1 between psi and the clear plate in the joint phase. The released code has none,
            and its psi drifts away from the plate.
        steps: Sampling steps of the pictures made while training.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: Size = "small"
    network: dict[str, Any] = {}
    phase: Literal["psi", "joint"] = "joint"
    psi: float = Field(default=0.5, ge=0)
    steps: int = Field(default=4, ge=1)


class LPDiffTrainable(Trainable):
    """LP-Diff (see `LPDiffOptions`)."""

    def __init__(self, options: LPDiffOptions, network: LPDiff) -> None:
        super().__init__()
        self.options = options
        self.model = network.to(memory_format=torch.channels_last)

    players = ("model",)

    def training_step(
        self, batch: TrainingBatch, generator: torch.Generator, player: str
    ) -> dict[str, Tensor]:
        """L1 on psi; in the joint phase also L1 on the U-Net's target at one random level a sample."""
        network = self.model
        if self.options.phase == "psi":
            return {"psi": (network.condition(batch.frames) - batch.gt).abs().mean()}
        losses = network.training_losses(batch.frames, batch.gt, generator)
        return {"noise": losses.noise.mean(), "psi": self.options.psi * losses.psi.mean()}

    def restore(self, network: nn.Module, frames: Tensor, seeds: Sequence[int]) -> Tensor:
        """Sample; in the psi phase psi itself. [B, N, 3, H, W] to [B, 3, H, W]."""
        assert isinstance(network, LPDiff)  # noqa: S101 - the first player's kind
        if self.options.phase == "psi":
            return network.condition(frames)
        return network.sample(frames, seeds, steps=self.options.steps)

    def save(self, network: nn.Module, path: Path, notes: Mapping[str, str]) -> None:
        """Write half-precision safetensors."""
        assert isinstance(network, LPDiff)  # noqa: S101 - the first player's kind
        checkpoint.save(network, path, notes, torch.float16)

    def load(self, path: Path) -> None:
        """Start from stored weights of the same configuration.

        Raises:
            MissingWeightsError: The file does not exist.
            MethodError: It is of another configuration, or no LP-Diff weight file.
        """
        stored, _ = checkpoint.load(path)
        if stored.config != self.model.config:
            raise MethodError(f"{path}: holds another configuration of lp-diff; give that one's options")
        self.model.load_state_dict(stored.state_dict())


def lp_diff(options: Mapping[str, Any]) -> LPDiffTrainable:
    """Build the trainable from options.

    Raises:
        MethodError: An option is unknown or wrong; names it.
    """
    try:
        parsed = LPDiffOptions.model_validate(options)
    except ValidationError as error:
        first = error.errors()[0]
        raise MethodError(f"lp-diff: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    return LPDiffTrainable(parsed, LPDiff(LPDiffConfig.preset(parsed.config, **parsed.network)))
