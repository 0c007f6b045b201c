"""Samplers over the continuous noise level.

Each walks a list of levels from noise to the noise-free residual and asks for x_0 at every level but the
last, so it serves noise, x_0 and v prediction alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from baselines.lp_diff.schedule import Schedule
    from baselines.noise import SampleNoise

Solver = Literal["ddpm", "ddim", "dpm++"]
Denoise = Callable[["Tensor", float], "Tensor"]
"""x_t [B, C, H, W] and its level to the estimated x_0 of the same shape."""


def solve(
    denoise: Denoise,
    start: Tensor,
    schedule: Schedule,
    noise: SampleNoise,
    *,
    solver: Solver,
    steps: int,
) -> Tensor:
    """Turn noise into a sample of x_0.

    Args:
        denoise: Estimates x_0; called `steps` times.
        start: Where to start, standard normal [B, C, H, W].
        schedule: Says which levels exist.
        noise: The fresh noise of `ddpm`; the other solvers draw none.
        solver: `ddpm` is ancestral sampling at evenly spaced times (with all 1000 the released code's);
            `ddim` the deterministic first-order solver and `dpm++` the second-order one, both at levels
            evenly spaced in log-SNR.
        steps: Evaluations of `denoise`.

    Raises:
        MethodError: No steps, or more ancestral steps than the schedule has times.
    """
    if solver == "ddpm":
        return ancestral(denoise, start, schedule.time_levels(steps), noise)
    return deterministic(denoise, start, schedule.log_snr_levels(steps), second_order=solver == "dpm++")


def ancestral(denoise: Denoise, x: Tensor, levels: Sequence[float], noise: SampleNoise) -> Tensor:
    """Ancestral sampling (Ho et al., 2020) between any two levels a (noisier) and b.

    x_b = (a / b) (1 - b^2) / (1 - a^2) x_a + b beta / (1 - a^2) x_0 + sqrt(beta (1 - b^2) / (1 - a^2)) z,
    beta = 1 - (a / b)^2
    """
    for noisier, cleaner in pairwise(levels):
        estimate = denoise(x, noisier)
        ratio = noisier / cleaner
        beta, before, after = 1 - ratio**2, 1 - noisier**2, 1 - cleaner**2
        x = ratio * after / before * x + cleaner * beta / before * estimate
        if after > 0:
            x += math.sqrt(beta * after / before) * noise.like(x)
    return x


def deterministic(denoise: Denoise, x: Tensor, levels: Sequence[float], *, second_order: bool) -> Tensor:
    """Solve the probability flow: DDIM (Song et al., 2021) or DPM-Solver++(2M) (Lu et al., 2022).

        x_b = (sigma_b / sigma_a) x_a + (b - a sigma_b / sigma_a) D

    First order takes D = x_0(x_a). Second order extrapolates from the step before, with h the widths of both
    in half log-SNR: D = x_0 + h / (2 h_before) (x_0 - x_0_before); its first step, one that leaves a level of
    0 and the last one, which jumps to the noise-free residual, stay of first order.
    """
    previous: Tensor | None = None
    width_before = math.nan
    for noisier, cleaner in pairwise(levels):
        estimate = denoise(x, noisier)
        direction = estimate
        shrink = math.sqrt((1 - cleaner**2) / (1 - noisier**2))
        if second_order and noisier > 0 and cleaner < 1:
            width = -math.log(shrink * noisier / cleaner)
            if previous is not None:
                direction = torch.lerp(previous, estimate, 1 + width / (2 * width_before))
            previous, width_before = estimate, width
        x = shrink * x + (cleaner - noisier * shrink) * direction
    return x
