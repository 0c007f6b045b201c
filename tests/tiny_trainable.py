"""A trainable of two players for tests of the training loop; also run under several processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mdlp_bench.training.trainable import Trainable, TrainingBatch


class TinyTrainable(Trainable):
    """One gain and bias a channel on the last frame, and a critic that guesses the mean brightness."""

    players = ("model", "critic")

    def __init__(self, seed: int, noise: float = 0.1) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.model = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))
        self.critic = nn.Linear(3, 1)
        self.noise = noise

    def training_step(
        self, batch: TrainingBatch, generator: torch.Generator, player: str
    ) -> dict[str, Tensor]:
        last = batch.frames[:, -1]
        restored = self.model[0](last + self.noise * torch.randn(last.shape, generator=generator))
        if player == "model":
            return {"l1": (restored - batch.gt).abs().mean()}
        guess = self.critic(restored.detach().mean((2, 3)))[:, 0]
        return {"critic": (guess - batch.gt.mean((1, 2, 3))).square().mean()}

    def restore(self, network: nn.Module, frames: Tensor, seeds: Sequence[int]) -> Tensor:
        return network[0](frames[:, -1])  # type: ignore[index]

    def save(self, network: nn.Module, path: Path, notes: Mapping[str, str]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(network.state_dict(), path, dict(notes))

    def load(self, path: Path) -> None:
        self.model.load_state_dict(load_file(path))
