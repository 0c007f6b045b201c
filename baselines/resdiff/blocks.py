"""Building blocks of ResDiff's U-Net: residual blocks with the noise level, self- and guided attention.

The blocks are SR3's (Saharia et al., "Image Super-Resolution via Iterative Refinement", TPAMI 2022, arXiv
2104.07636), the guided attention is ResDiff's (arXiv 2303.08714). Attribute names are the released ones.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

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


def norm_act_conv(channels_in: int, channels_out: int, groups: int, dropout: float = 0.0) -> nn.ModuleDict:
    """Group norm, Swish, dropout and a 3 x 3 convolution, under the released name `block`."""
    layers = nn.Sequential(
        nn.GroupNorm(groups, channels_in),
        nn.SiLU(),
        nn.Dropout(dropout) if dropout else nn.Identity(),
        nn.Conv2d(channels_in, channels_out, 3, padding=1),
    )
    return nn.ModuleDict({"block": layers})


class ResidualBlock(nn.Module):
    """Two norm-activation-convolutions with the noise level added between them, plus a skip."""

    def __init__(
        self, channels_in: int, channels_out: int, embedding: int, groups: int, dropout: float
    ) -> None:
        super().__init__()
        # The release nests the linear layer: noise_func.noise_func.0.
        self.noise_func = nn.ModuleDict({"noise_func": nn.Sequential(nn.Linear(embedding, channels_out))})
        self.block1 = norm_act_conv(channels_in, channels_out, groups)
        self.block2 = norm_act_conv(channels_out, channels_out, groups, dropout)
        same = channels_in == channels_out
        self.res_conv = nn.Identity() if same else nn.Conv2d(channels_in, channels_out, 1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """[B, C_in, H, W] and [B, E] to [B, C_out, H, W]."""
        h = self.block1["block"](x) + self.noise_func["noise_func"](embedding)[:, :, None, None]
        result: Tensor = self.block2["block"](h) + self.res_conv(x)
        return result


def _attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Single-head attention over all positions of maps [B, C, H, W]."""
    q, k, v = (part.flatten(2).transpose(1, 2).contiguous() for part in (query, key, value))
    attended = F.scaled_dot_product_attention(q, k, v)
    return attended.transpose(1, 2).reshape(value.shape)


class SelfAttention(nn.Module):
    """Attention over all positions: x + W softmax(Q K^T / sqrt(C)) V."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1, bias=False)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] to the same shape."""
        query, key, value = self.qkv(self.norm(x)).chunk(3, dim=1)
        result: Tensor = x + self.out(_attend(query, key, value))
        return result


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
        result: Tensor = x + self.out(_attend(self.q(high_frequencies), key, value))
        return result


class ResidualAttentionBlock(nn.Module):
    """A residual block, followed by self-attention where asked for."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        embedding: int,
        groups: int,
        dropout: float,
        *,
        attention: bool,
    ) -> None:
        super().__init__()
        self.res_block = ResidualBlock(channels_in, channels_out, embedding, groups, dropout)
        if attention:
            self.attn = SelfAttention(channels_out, groups)
        self.attention = attention

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """[B, C_in, H, W] and [B, E] to [B, C_out, H, W]."""
        x = self.res_block(x, embedding)
        return self.attn(x) if self.attention else x


class Downsample(nn.Module):
    """Halve height and width with a strided convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] to [B, C, H / 2, W / 2]."""
        result: Tensor = self.conv(x)
        return result


class Upsample(nn.Module):
    """Double height and width: nearest neighbour, then a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] to [B, C, 2 H, 2 W]."""
        result: Tensor = self.conv(F.interpolate(x, scale_factor=2, mode="nearest"))
        return result
