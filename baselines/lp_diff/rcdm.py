"""RCDM: the residual-conditioned diffusion model (Gong et al., CVPR 2025) and its target.

It diffuses the residual between the ground truth and the conditioning network's estimate, x_0 = HR - psi. The
U-Net sees psi. With the noise level a = sqrt(alpha_bar) and sigma = sqrt(1 - a^2):

    x_t = a x_0 + sigma eps,      v = a eps - sigma x_0      (v: Salimans and Ho, 2022)

At a = 0 (a schedule with zero terminal SNR) x_t is noise that says nothing of the residual. There the U-Net
sees zeros instead: its estimate is a function of the frames alone, and one step of sampling does not depend
on the seed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from baselines.lp_diff.schedule import sigma

if TYPE_CHECKING:
    from torch import Tensor

    from baselines.lp_diff.config import Prediction


def diffuse(x0: Tensor, noise: Tensor, level: Tensor) -> Tensor:
    """x_t of residuals and noise [B, C, H, W] at levels [B]."""
    level = level.view(-1, 1, 1, 1)
    return level * x0 + sigma(level) * noise


def visible(noisy: Tensor, level: Tensor) -> Tensor:
    """What the U-Net sees of x_t [B, C, H, W] at levels [B]: zeros at a level of 0."""
    return noisy * (level > 0).to(noisy.dtype).view(-1, 1, 1, 1)


def target(prediction: Prediction, x0: Tensor, noise: Tensor, level: Tensor) -> Tensor:
    """The target of the U-Net's output."""
    if prediction == "eps":
        return noise
    if prediction == "x0":
        return x0
    level = level.view(-1, 1, 1, 1)
    return level * noise - sigma(level) * x0


def to_x0(prediction: Prediction, output: Tensor, noisy: Tensor, level: Tensor) -> Tensor:
    """The residual that a U-Net output [B, C, H, W] for x_t at levels [B] stands for."""
    if prediction == "x0":
        return output
    level = level.view(-1, 1, 1, 1)
    if prediction == "eps":
        return (noisy - sigma(level) * output) / level
    return level * noisy - sigma(level) * output
