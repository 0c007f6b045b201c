"""The loop that trains the networks of readers: steps, moving average, checkpoints, log."""

from __future__ import annotations

import io
import json
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from pydantic import Field
from torch import Tensor, nn

from mdlp_bench.errors import DataError
from mdlp_bench.files import seed_for, write_bytes
from mdlp_bench.frozen import Frozen

N = TypeVar("N", bound=nn.Module)
Report = Callable[[dict[str, Any]], None]


class Schedule(Frozen):
    """How long a network learns, and how fast.

    Attributes:
        steps: Batches.
        batch: Crops in a batch.
        learning_rate: Constant after a linear warm-up, until it falls linearly to zero in the last steps.
        warmup: Steps of the warm-up.
        decay: Steps of the fall.
        weight_decay: Weight decay of AdamW.
        average: Decay of the weights' exponential moving average, which is what is saved.
        checkpoint_every: Steps between checkpoints, each with a line of figures in the log.
    """

    steps: int = Field(default=16_000, gt=0)
    batch: int = Field(default=32, gt=1)
    learning_rate: float = Field(default=2e-3, gt=0)
    warmup: int = Field(default=100, ge=0)
    decay: int = Field(default=4_000, gt=0)
    weight_decay: float = Field(default=1e-4, ge=0)
    average: float = Field(default=0.998, ge=0, lt=1)
    checkpoint_every: int = Field(default=250, gt=0)


class Trial(ABC, Generic[N]):
    """The state of a run between two checkpoints; batch `step` follows from the seed and the step alone."""

    def __init__(self, make: Callable[[], N], schedule: Schedule, seed: int, name: str, device: str) -> None:
        """Draw the initial weights.

        Args:
            make: Makes the network, with random weights or given ones.
            schedule: How it is trained.
            seed: With `name`, the seed of the initial weights; alone, that of dropout.
            name: What is trained.
            device: Where it is trained.
        """
        torch.manual_seed(seed_for(name, seed))
        self.schedule, self.seed = schedule, seed
        self.device = torch.device(device)
        self.network, self.averaged = (make().to(self.device) for _ in range(2))
        # Channels-last convolutions are a third faster on CPUs.
        self.network.to(memory_format=torch.channels_last)
        self.averaged.load_state_dict(self.network.state_dict())
        self.averaged.eval()
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=schedule.learning_rate, weight_decay=schedule.weight_decay
        )
        self.step, self.loss, self.seconds = 0, math.nan, 0.0
        self.log: list[dict[str, Any]] = []

    @abstractmethod
    def batch_loss(self) -> Tensor:
        """The loss of batch number `step`, a scalar."""

    def advance(self, steps: int) -> None:
        """Take `steps` optimiser steps; `loss` becomes their mean."""
        self.network.train()
        began, total = time.monotonic(), 0.0
        # Dropout is the only draw from torch's generator; seeding it here makes a resumed run the same run.
        torch.manual_seed(seed_for("dropout", self.seed, self.step))
        for _ in range(steps):
            for group in self.optimiser.param_groups:
                group["lr"] = self._learning_rate()
            loss = self.batch_loss()
            self.optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(self.network.parameters(), 2.0)
            self.optimiser.step()
            self.step += 1
            self._average()
            total += float(loss.detach())
        self.loss = total / steps
        self.seconds += time.monotonic() - began

    def run(self, folder: Path, measure: Callable[[], dict[str, float]], report: Report | None) -> None:
        """Train to the end, from the last checkpoint in `folder` if there is one; the log is written there.

        Args:
            folder: Gets `checkpoint.pt` and `log.jsonl`.
            measure: Called at every checkpoint; gives the figures of its line in the log.
            report: Called with every line.

        Raises:
            DataError: A checkpoint is damaged.
        """
        checkpoint = folder / "checkpoint.pt"
        if checkpoint.is_file():
            self.restore(checkpoint)
        while self.step < self.schedule.steps:
            self.advance(min(self.schedule.checkpoint_every, self.schedule.steps - self.step))
            figures = measure()
            spent = {"loss": round(self.loss, 5), "seconds": round(self.seconds)}
            line = {"step": self.step, **spent, **figures}
            self.log.append(line)
            write_bytes(
                folder / "log.jsonl", "".join(json.dumps(entry) + "\n" for entry in self.log).encode()
            )
            self.store(checkpoint)
            if report:
                report(line)

    def store(self, path: Path) -> None:
        """Write everything `restore` needs, atomically."""
        buffer = io.BytesIO()
        torch.save(
            {
                "network": self.network.state_dict(),
                "averaged": self.averaged.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "step": self.step,
                "seconds": self.seconds,
                "log": self.log,
            },
            buffer,
        )
        write_bytes(path, buffer.getvalue())

    def restore(self, path: Path) -> None:
        """Continue from a checkpoint.

        Raises:
            DataError: The file is damaged.
        """
        try:
            stored = torch.load(path, map_location="cpu", weights_only=True)
            self.network.load_state_dict(stored["network"])
            self.averaged.load_state_dict(stored["averaged"])
            self.optimiser.load_state_dict(stored["optimiser"])
            self.step, self.seconds, self.log = stored["step"], stored["seconds"], stored["log"]
        except Exception as error:  # torch.load raises many kinds
            raise DataError(f"{path}: damaged checkpoint ({type(error).__name__}); delete it") from error

    def _learning_rate(self) -> float:
        schedule = self.schedule
        rising = (self.step + 1) / max(1, schedule.warmup)
        falling = (schedule.steps - self.step) / schedule.decay
        return schedule.learning_rate * min(1.0, rising, falling)

    def _average(self) -> None:
        # A moving average is of no use before there is something worth averaging.
        decay = min(self.schedule.average, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for mean, value in zip(
                self.averaged.state_dict().values(), self.network.state_dict().values(), strict=True
            ):
                if mean.is_floating_point():
                    mean.lerp_(value, 1 - decay)
