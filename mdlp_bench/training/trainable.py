"""The interface between the training loop and what it trains."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Callable

    TrainableFactory = Callable[[Mapping[str, Any]], "Trainable"]
    """What an entry point of the group `mdlp_bench.trainables` names: options to a trainable."""


@dataclass(frozen=True)
class TrainingBatch:
    """What one training step sees.

    Attributes:
        frames: float32 [B, N, 3, 112, 224] in [-1, 1], oldest first.
        gt: float32 [B, 3, 112, 224] in [-1, 1].
        texts: The plates' texts, None where unknown.
    """

    frames: Tensor
    gt: Tensor
    texts: tuple[str | None, ...]

    def __len__(self) -> int:
        return len(self.gt)

    def parts(self, count: int) -> list[TrainingBatch]:
        """The batch in `count` equal parts, which must divide its length."""
        size = len(self) // count
        places = [slice(start, start + size) for start in range(0, len(self), size)]
        return [TrainingBatch(self.frames[p], self.gt[p], self.texts[p]) for p in places]


class Trainable(nn.Module):
    """A network together with its losses.

    Everything with parameters is a submodule. `players` names the submodules that are optimised, each by its
    own optimiser, in the order of their turns within a step; the first one is the restoration network: its
    weights are averaged and stored.
    """

    players: tuple[str, ...] = ("network",)

    @property
    def network(self) -> nn.Module:
        """The restoration network: the first player."""
        return self.get_submodule(self.players[0])

    @abstractmethod
    def training_step(
        self, batch: TrainingBatch, generator: torch.Generator, player: str
    ) -> dict[str, Tensor]:
        """The losses of one player on one batch, as weighted scalars; their sum is minimised.

        Args:
            batch: The samples.
            generator: CPU generator of every random draw in it.
            player: Whose turn it is; gradients that reach other players are thrown away.
        """

    @abstractmethod
    def restore(self, network: nn.Module, frames: Tensor, seeds: Sequence[int]) -> Tensor:
        """Restore with a network of the first player's kind; [B, N, 3, 112, 224] to [B, 3, 112, 224]."""

    @abstractmethod
    def save(self, network: nn.Module, path: Path, notes: Mapping[str, str]) -> None:
        """Write the weights of a network of the first player's kind, atomically, as the method reads them."""

    @abstractmethod
    def load(self, path: Path) -> None:
        """Start from stored weights.

        Raises:
            MdlpBenchError: The file is missing or does not fit.
        """

    def forward(self, batch: TrainingBatch, generator: torch.Generator, player: str) -> dict[str, Tensor]:
        """`training_step`, under the name that wrappers for several processes call."""
        return self.training_step(batch, generator, player)
