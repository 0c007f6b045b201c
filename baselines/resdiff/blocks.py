"""What ResDiff's U-Net has beside SR3's blocks: its noise-level encoding and its guided attention.

Guided attention: ResDiff (arXiv 2303.08714). Attribute names are the released ones.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from baselines.sr3 import attend

# The release norms the guided attention over 32 groups whatever `norm_groups` says.
_GUIDED_GROUPS = 32


class NoiseLevelEncoding(nn.Module):
    """Sines and cosines of the noise level l: sin(l 10000^(-i / n)), cos(...), i = 0 .. n - 1."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, level: Tensor) -> Tensor:
        """Encode levels [B, 1] as [B, channels]."""
        count = self.channels // 2
        steps = torch.arange(count, dtype=level.dtype, device=level.device) / count
        angles = level * torch.exp(-math.log(1e4) * steps)
        return torch.cat([angles.sin(), angles.cos()], dim=1)


class GuidedAttention(nn.Module):
    """Cross-attention queried by an image of high frequencies: x + W softmax(Q(hf) K(x)^T / sqrt(C)) V(x)."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        guided_groups = _GUIDED_GROUPS if channels % _GUIDED_GROUPS == 0 else groups
        self.norm = nn.GroupNorm(guided_groups, channels)
        self.q = nn.Conv2d(3, channels, 1, bias=False)
        self.kv = nn.Conv2d(channels, 2 * channels, 1, bias=False)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor, high_frequencies: Tensor) -> Tensor:
        """Features [B, C, H, W] and image [B, 3, H, W] to [B, C, H, W]."""
        key, value = self.kv(self.norm(x)).chunk(2, dim=1)
        result: Tensor = x + self.out(attend(self.q(high_frequencies), key, value))
        return result
