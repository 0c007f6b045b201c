"""Building blocks of ResShift's U-Net: residual blocks told the time step, and resampling.

They are those of Dhariwal and Nichol, "Diffusion Models Beat GANs on Image Synthesis", NeurIPS 2021 (arXiv
2105.05233), with the official checkpoints' attribute names.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.resshift.swin import NORM_GROUPS


def encode_steps(step: Tensor, channels: int) -> Tensor:
    """Cosines and sines of steps [B]: cos(t 10000^(-i / n)), sin(...), i = 0 .. n - 1; [B, channels]."""
    half = channels // 2
    frequencies = torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float32) / half)
    angles = step[:, None].float() * frequencies.to(step.device)
    encoded = torch.cat([angles.cos(), angles.sin()], dim=1)
    return F.pad(encoded, (0, channels % 2))


class Upsample(nn.Module):
    """Double height and width by nearest neighbour, then convolve where asked for."""

    def __init__(self, channels: int, *, convolve: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1) if convolve else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] to [B, C, 2 H, 2 W]."""
        result: Tensor = self.conv(F.interpolate(x, scale_factor=2, mode="nearest"))
        return result


class Downsample(nn.Module):
    """Halve height and width by a strided convolution, or by averaging."""

    def __init__(self, channels: int, *, convolve: bool, channels_out: int | None = None) -> None:
        super().__init__()
        self.op: nn.Module = (
            nn.Conv2d(channels, channels_out or channels, 3, stride=2, padding=1)
            if convolve
            else nn.AvgPool2d(2)
        )

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] to [B, C_out, H / 2, W / 2]."""
        result: Tensor = self.op(x)
        return result


class ResidualBlock(nn.Module):
    """Norm-activation-convolution twice with the step's embedding between, plus a skip.

    Args:
        channels: In.
        embedding: Channels of the step's embedding.
        dropout: Before the second convolution.
        channels_out: Out; as in by default.
        scale_shift: The embedding scales and shifts the second norm instead of being added before it.
        resample: `up` or `down` also doubles or halves height and width.
    """

    def __init__(
        self,
        channels: int,
        embedding: int,
        dropout: float,
        channels_out: int | None = None,
        *,
        scale_shift: bool,
        resample: str | None = None,
    ) -> None:
        super().__init__()
        channels_out = channels_out or channels
        self.scale_shift = scale_shift
        self.in_layers = nn.Sequential(
            nn.GroupNorm(NORM_GROUPS, channels), nn.SiLU(), nn.Conv2d(channels, channels_out, 3, padding=1)
        )
        if resample == "up":
            self.resample: nn.Module = Upsample(channels, convolve=False)
        elif resample == "down":
            self.resample = Downsample(channels, convolve=False)
        else:
            self.resample = nn.Identity()
        self.emb_layers = nn.Sequential(
            nn.SiLU(), nn.Linear(embedding, 2 * channels_out if scale_shift else channels_out)
        )
        self.out_layers = nn.Sequential(
            nn.GroupNorm(NORM_GROUPS, channels_out),
            nn.SiLU(),
            nn.Dropout(dropout),
            nn.Conv2d(channels_out, channels_out, 3, padding=1),
        )
        # A block starts as its skip connection.
        for parameter in self.out_layers[3].parameters():
            nn.init.zeros_(parameter)
        same = channels_out == channels
        self.skip_connection = nn.Identity() if same else nn.Conv2d(channels, channels_out, 1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """[B, C, H, W] and [B, E] to [B, C_out, H', W']."""
        norm, activation, convolution = self.in_layers
        h = convolution(self.resample(activation(norm(x))))
        shift = self.emb_layers(embedding)[:, :, None, None]
        norm, activation, dropout, convolution = self.out_layers
        if self.scale_shift:
            scale, shift = shift.chunk(2, dim=1)
            h = norm(h) * (1 + scale) + shift
        else:
            h = norm(h + shift)
        h = convolution(dropout(activation(h)))
        result: Tensor = self.skip_connection(self.resample(x)) + h
        return result
