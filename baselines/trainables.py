"""What the trainables of single-image methods share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor, nn
from torch.nn import functional as F

from mdlp_bench.errors import MethodError, first_fault
from mdlp_bench.methods.weights import load_exactly, read_state_dict, save_network
from mdlp_bench.training.reader_loss import ReaderLoss
from mdlp_bench.training.trainable import Trainable, TrainingBatch

OptionsT = TypeVar("OptionsT", bound=BaseModel)


def parse_options(kind: type[OptionsT], options: Mapping[str, Any], method: str) -> OptionsT:
    """A method's own training options.

    Raises:
        MethodError: One is unknown or wrong; names it.
    """
    try:
        return kind.model_validate(options)
    except ValidationError as error:
        raise MethodError(f"{method}: {first_fault(error)}") from error


class TeacherOptions(BaseModel):
    """Training options that every single-image method has.

    Attributes:
        reader: Weight of the reader loss on the restored image; 0, as published, for none.
        reader_weights: The teacher's weight file; default the bundled CRNN.
        reader_noise: Noise through which the teacher looks (see `ReaderLoss`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

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


def one_frame(frames: Tensor, generator: torch.Generator) -> Tensor:
    """One random frame of each sample: [B, N, 3, H, W] to [B, 3, H, W]."""
    chosen = torch.randint(frames.shape[1], (len(frames),), generator=generator)
    return frames[torch.arange(len(frames)), chosen.to(frames.device)]


def shrink(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Average images [B, 3, H, W] over areas to a size that divides theirs."""
    return images if images.shape[-2:] == size else F.interpolate(images, size, mode="area")


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
        load_exactly(self.model, read_state_dict(path), str(path))


class RegressionTrainable(NetworkTrainable):
    """A network that maps one frame to the ground truth, trained by a loss between the two.

    Args:
        network: Maps [B, 3, *size] to [B, 3, 112, 224], values 0..1.
        config: Its configuration.
        method: The method's name.
        size: Height and width of its input.
        loss: Of the restored image and the ground truth, values 0..1; a scalar.
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
        super().__init__(network, config, method, options)
        self._size = size
        self._loss = loss

    def training_step(
        self, batch: TrainingBatch, generator: torch.Generator, player: str
    ) -> dict[str, Tensor]:
        """The losses on one random frame of each sample."""
        restored = self._restored(self.model, one_frame(batch.frames, generator))
        return {
            "loss": self._loss(restored, batch.gt / 2 + 0.5),
            **self.reading(restored * 2 - 1, batch, generator),
        }

    def restore(self, network: nn.Module, frames: Tensor, seeds: Sequence[int]) -> Tensor:
        """Restore from the last frame; [B, N, 3, 112, 224] to [B, 3, 112, 224]."""
        return self._restored(network, frames[:, -1]) * 2 - 1

    def _restored(self, network: nn.Module, frame: Tensor) -> Tensor:
        restored: Tensor = network(shrink(frame, self._size) / 2 + 0.5)
        return restored
