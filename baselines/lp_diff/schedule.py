"""The noise schedule: how much signal is left at each diffusion time.

Everywhere in this package a noise level is a = sqrt(alpha_bar) in (0, 1]: x_t = a x_0 + sigma eps with
sigma = sqrt(1 - a^2). The network is trained on the continuum of levels (Chen et al., WaveGrad, 2021), so a
sampler may stop at any of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from mdlp_bench.errors import MethodError

if TYPE_CHECKING:
    from torch import Tensor

# Noise below one grey level of 255 (on a half range of 1) is invisible: the log-SNR grid ends there.
_FINISHED_LOG_SNR = 2 * math.log(255.0)
# Where the log-SNR grid goes on after a level of 0: about the last level of the released schedule.
_FAINT_LOG_SNR = -5.0


def sigma(level: Tensor) -> Tensor:
    """Standard deviation of the noise, sqrt(1 - a^2), for levels in (0, 1]."""
    return (1 - level.square()).clamp_min(0).sqrt()


def log_snr(level: Tensor) -> Tensor:
    """Log signal-to-noise ratio, ln(a^2 / (1 - a^2)), for levels in (0, 1)."""
    return 2 * level.log() - torch.log1p(-level.square())


@dataclass(frozen=True)
class Schedule:
    """Linear beta schedule of DDPM (Ho et al., 2020).

    Attributes:
        steps: Number of discrete times T. The released code uses 1000; shortening T with the same betas
            leaves signal at time T (a_T = 0.08 at 1000, 0.78 at 100): take fewer sampling steps instead.
        beta_start: beta_1.
        beta_end: beta_T.
        zero_terminal: Shift and scale the levels so that a_T = 0 and a_1 stays (Lin et al., "Common Diffusion
            Noise Schedules and Sample Steps are Flawed", WACV 2024, algorithm 1). Otherwise x_T still shows
            the network a little of the residual, which sampling from pure noise cannot give it.
    """

    steps: int = 1000
    beta_start: float = 1e-6
    beta_end: float = 1e-2
    zero_terminal: bool = False

    @property
    def betas(self) -> np.ndarray:
        """beta_1 ... beta_T, float64 [T]."""
        return np.linspace(self.beta_start, self.beta_end, self.steps)

    @property
    def levels(self) -> np.ndarray:
        """a_0 = 1, a_1, ..., a_T, float64 [T + 1]; a_t^2 = prod_{s <= t} (1 - beta_s)."""
        levels: np.ndarray = np.sqrt(np.concatenate([[1.0], np.cumprod(1 - self.betas)]))
        if self.zero_terminal:
            levels[1:] = (levels[1:] - levels[-1]) * levels[1] / (levels[1] - levels[-1])
        return levels

    def sample(self, batch: int, generator: torch.Generator | None = None, terminal: float = 0.0) -> Tensor:
        """Draw one noise level per sample: uniform time, uniform level between its two neighbours.

        Args:
            batch: How many.
            generator: CPU generator.
            terminal: Chance of the last level a_T instead: where sampling starts, and where nothing but the
                condition tells what to restore.

        Returns:
            float32 [batch] in [a_T, a_1]. (The released code draws one time for a whole batch.)
        """
        time = torch.rand(batch, dtype=torch.float64, generator=generator).numpy() * self.steps
        if terminal:
            time[torch.rand(batch, generator=generator).numpy() < terminal] = self.steps
        # Below time 1 a level would round to 1, whose log-SNR is infinite.
        levels = np.interp(time.clip(min=1), np.arange(self.steps + 1), self.levels)
        return torch.from_numpy(levels).float()

    def time_levels(self, steps: int) -> list[float]:
        """Levels from a_T to 1 at `steps` times evenly spaced over 1 ... T, then 1 (steps + 1 values).

        Raises:
            MethodError: More steps than the schedule has times, or fewer than one.
        """
        self._check(steps)
        if steps > self.steps:
            raise MethodError(f"the schedule has {self.steps} times; {steps} ancestral steps are too many")
        times = np.linspace(self.steps, 1, steps).round().astype(int)
        return [*self.levels[times].tolist(), 1.0]

    def log_snr_levels(self, steps: int) -> list[float]:
        """Levels evenly spaced in log-SNR from a_T towards the noise-free image, then 1 (steps + 1 values).

        A level of 0 has no log-SNR: after it the grid goes on at a log-SNR of -5.

        Raises:
            MethodError: Fewer than one step.
        """
        self._check(steps)
        first, last = log_snr(torch.from_numpy(self.levels[[-1, 1]])).tolist()
        end = min(last, _FINISHED_LOG_SNR)
        if self.zero_terminal:
            return [0.0, *_evenly(_FAINT_LOG_SNR, end, steps - 1), 1.0]
        return [*_evenly(first, end, steps), 1.0]

    @staticmethod
    def _check(steps: int) -> None:
        if steps < 1:
            raise MethodError(f"sampling needs at least one step, not {steps}")


def _evenly(first: float, last: float, count: int) -> list[float]:
    """`count` levels evenly spaced in log-SNR in [first, last)."""
    grid = np.linspace(first, last, count + 1)[:-1]
    found: list[float] = np.sqrt(1 / (1 + np.exp(-grid))).tolist()
    return found
