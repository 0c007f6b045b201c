"""How a network is trained: one frozen, serialisable description, the same fields for every method."""

from __future__ import annotations

import math
from typing import Any, Literal

from pydantic import Field

from mdlp_bench.frozen import Frozen

Precision = Literal["auto", "fp32", "bf16"]


class TrainingConfig(Frozen):
    """The part of a training that has nothing to do with the method.

    Steps are optimiser steps, and samples are counted over all processes.
    """

    steps: int = Field(default=4000, ge=1)
    batch: int = Field(default=8, ge=1, description="samples per step, over all processes")
    accumulate: int = Field(
        default=1, ge=1, description="equal parts of a batch whose gradients are summed: less memory per step"
    )
    seed: int = Field(default=0, description="of order, augmentation, noise and first weights")
    frames: int = Field(default=3, ge=1, description="frames drawn of each sample, oldest first")
    augment: float = Field(default=1.0, ge=0, le=1, description="strength of the augmentation; 0 for none")
    exposure: float = Field(
        default=1.0, ge=0, description="strength of the changes of exposure and colour, times that of augment"
    )
    single: float = Field(default=0.0, ge=0, le=1, description="share of samples with one frame for all")

    learning_rate: float = Field(default=1e-3, gt=0)
    final_share: float = Field(default=0.02, ge=0, le=1, description="of the learning rate at the last step")
    warm_up: int = Field(default=50, ge=0, description="steps from 0 to the learning rate")
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = Field(default=0.0, ge=0)
    clip: float = Field(default=1.0, gt=0, description="largest norm of the gradient")
    ema: float = Field(default=0.995, ge=0, lt=1, description="decay of the averaged weights per step")
    precision: Precision = Field(default="auto", description="auto: bf16 where the device multiplies in it")

    log_every: int = Field(default=25, ge=1)
    checkpoint_every: int = Field(default=250, ge=1)
    validate_every: int = Field(default=500, ge=1)
    validation_samples: int = Field(default=64, ge=1)

    def identity(self) -> dict[str, Any]:
        """What identifies a training, strict JSON; fields that older trainings lack have their default."""
        found = self.model_dump(mode="json")
        for name in ("accumulate", "exposure", "single"):
            if found[name] == type(self).model_fields[name].default:
                del found[name]
        return found

    def learning_rate_at(self, step: int) -> float:
        """The learning rate of step 0, 1, ...: a linear warm-up, then half a cosine to its final share."""
        if step < self.warm_up:
            return self.learning_rate * (step + 1) / self.warm_up
        done = (step - self.warm_up) / max(1, self.steps - self.warm_up)
        wave = 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
        return self.learning_rate * (self.final_share + (1 - self.final_share) * wave)

    def ema_at(self, step: int) -> float:
        """The decay at a step; smaller at first, while early weights are not worth averaging."""
        return min(self.ema, (1 + step) / (10 + step))
