"""What the trainables of single-image methods share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from pydantic import BaseModel, Field
from torch import Tensor, nn

from baselines import authors_files
from baselines.single_image import run_in_unit_range
from mdlp_bench.errors import MethodError, checked
from mdlp_bench.frozen import Frozen
from mdlp_bench.methods.weights import load_exactly, read_state_dict, save_network
from mdlp_bench.training.reader_loss import ReaderLoss
from mdlp_bench.training.trainable import Trainable, TrainingBatch

ModelT = TypeVar("ModelT", bound=BaseModel)


class TeacherOptions(Frozen):
    """Training options that every single-image method has.

    Attributes:
        reader: Weight of the reader loss on the restored image; 0, as published, for none.
        reader_weights: The teacher's weight file; default the bundled CRNN.
        reader_noise: Noise through which the teacher looks (see `ReaderLoss`).
    """

    reader: float = Field(default=0.0, ge=0)
    reader_weights: Path | None = None
    reader_noise: float = Field(default=0.0, ge=0)

    def reader_loss(self) -> ReaderLoss | None:
        """The loss, or None without one.

        Raises:
            MissingWeightsError: The teacher's weight file is not there.
            ReaderError: It holds no teacher.
        """
        return ReaderLoss(self.reader_weights, self.reader_noise) if self.reader else None


class NetworkOptions(TeacherOptions):
    """Training options of a method whose network can have another shape.

    Attributes:
        network: Fields of the network's configuration to set differently.
    """

    network: dict[str, Any] = Field(default_factory=dict)

    def changed(self, config: ModelT, method: str) -> ModelT:
        """The configuration with the fields of `network`.

        Raises:
            MethodError: One is unknown or wrong; names it.
        """
        fields = config.model_dump() | self.network
        return checked(type(config), fields, f"{method} network", MethodError)


def one_frame(frames: Tensor, generator: torch.Generator) -> Tensor:
    """One random frame of each sample: [B, N, 3, H, W] to [B, 3, H, W]."""
    chosen = torch.randint(frames.shape[1], (len(frames),), generator=generator)
    return frames[torch.arange(len(frames)), chosen.to(frames.device)]


class NetworkTrainable(Trainable):
    """A trainable whose first player is one network with a configuration.

    Args:
        network: What is trained.
        config: Its configuration, stored with the weights.
        method: The method's name, stored with the weights.
        options: Whether a reader teaches beside the method's own losses.

    Raises:
        MissingWeightsError: The teacher's weight file is not there.
        ReaderError: It holds no teacher.
    """

    players: tuple[str, ...] = ("model",)

    def __init__(self, network: nn.Module, config: BaseModel, method: str, options: TeacherOptions) -> None:
        super().__init__()
        self.model = network.to(memory_format=torch.channels_last)
        self.reader_loss = options.reader_loss()
        self._reader_weight = options.reader
        self._config = config
        self._method = method

    def reading(
        self, restored: Tensor, batch: TrainingBatch, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """The weighted reader loss of restored images [B, 3, H, W] in [-1, 1]; nothing without a teacher."""
        if self.reader_loss is None:
            return {}
        losses = self.reader_loss(restored, batch.gt, batch.texts, generator)
        return {"reader": self._reader_weight * losses.mean()}

    def save(self, network: nn.Module, path: Path, notes: Mapping[str, str]) -> None:
        """Write half-precision safetensors (see `save_network`)."""
        save_network(network, self._config, self._method, path, notes)

    def load(self, path: Path) -> None:
        """Start from stored weights of the same configuration.

        Raises:
            MissingWeightsError: The file does not exist.
            MethodError: It does not fit.
        """
        with authors_files.loading(self._method, path):
            load_exactly(self.model, read_state_dict(path), str(path))


class FrameTrainable(NetworkTrainable):
    """A trainable that restores from one frame, by a network on values 0..1.

    Args:
        network: Maps [B, 3, *size] to [B, 3, 112, 224], values 0..1.
        config: Its configuration.
        method: The method's name.
        size: Height and width of its input.
        options: Whether a reader teaches beside the method's own losses.
    """

    def __init__(
        self,
        network: nn.Module,
        config: BaseModel,
        method: str,
        *,
        size: tuple[int, int],
        options: TeacherOptions,
    ) -> None:
        super().__init__(network, config, method, options)
        self._size = size

    def restored(self, frame: Tensor) -> Tensor:
        """What the trained network makes of a frame [B, 3, 112, 224] in [-1, 1]; values 0..1."""
        return run_in_unit_range(self.model, frame, self._size)

    def restore(self, network: nn.Module, frames: Tensor, seeds: Sequence[int]) -> Tensor:
        """Restore from the last frame; [B, N, 3, 112, 224] to [B, 3, 112, 224]."""
        return run_in_unit_range(network, frames[:, -1], self._size) * 2 - 1


class RegressionTrainable(FrameTrainable):
    """A network that maps one frame to the ground truth, trained by a loss between the two.

    Args:
        network: Maps [B, 3, *size] to [B, 3, 112, 224], values 0..1.
        config: Its configuration.
        method: The method's name.
        size: Height and width of its input.
        loss: Loss of the restored image and the ground truth, values 0..1; a scalar.
        options: Whether a reader teaches beside it.
    """

    def __init__(
        self,
        network: nn.Module,
        config: BaseModel,
        method: str,
        *,
        size: tuple[int, int],
        loss: Callable[[Tensor, Tensor], Tensor],
        options: TeacherOptions,
    ) -> None:
        super().__init__(network, config, method, size=size, options=options)
        self._loss = loss

    def training_step(
        self, batch: TrainingBatch, generator: torch.Generator, player: str
    ) -> dict[str, Tensor]:
        """The losses on one random frame of each sample."""
        restored = self.restored(one_frame(batch.frames, generator))
        return {
            "loss": self._loss(restored, batch.gt / 2 + 0.5),
            **self.reading(restored * 2 - 1, batch, generator),
        }
