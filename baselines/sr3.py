"""Blocks of SR3's U-Net, on which LP-Diff and ResDiff build; attribute names are the released checkpoints'.

Saharia et al., "Image Super-Resolution via Iterative Refinement", TPAMI 2022 (arXiv 2104.07636).
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class Activate(nn.Module):
    """SiLU, in place where no gradient needs its input."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape; same shape."""
        return F.silu(x, inplace=not x.requires_grad)


class NormActConv(nn.Module):
    """Group norm, SiLU, dropout and a 3 x 3 convolution."""

    def __init__(self, channels_in: int, channels_out: int, groups: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.GroupNorm(groups, channels_in),
            Activate(),
            nn.Dropout(dropout),
            nn.Conv2d(channels_in, channels_out, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """[B, C_in, H, W] to [B, C_out, H, W]."""
        result: Tensor = self.block(x)
        return result


class ResidualBlock(nn.Module):
    """Two `NormActConv` with the noise level's features added between them, plus a skip."""

    def __init__(
        self, channels_in: int, channels_out: int, embedding: int, groups: int, dropout: float
    ) -> None:
        super().__init__()
        # The releases nest the linear layer: noise_func.noise_func.0.
        self.noise_func = nn.ModuleDict({"noise_func": nn.Sequential(nn.Linear(embedding, channels_out))})
        self.block1 = NormActConv(channels_in, channels_out, groups)
        self.block2 = NormActConv(channels_out, channels_out, groups, dropout)
        same = channels_in == channels_out
        self.res_conv = nn.Identity() if same else nn.Conv2d(channels_in, channels_out, 1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """[B, C_in, H, W] and [B, E] to [B, C_out, H, W]."""
        h = self.block1(x) + self.noise_func["noise_func"](embedding)[:, :, None, None]
        result: Tensor = self.block2(h) + self.res_conv(x)
        return result


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Single-head attention over all positions of maps [B, C, H, W]: softmax(Q K^T / sqrt(C)) V."""
    q, k, v = (part.flatten(2).transpose(1, 2).contiguous() for part in (query, key, value))
    attended = F.scaled_dot_product_attention(q, k, v)
    return attended.transpose(1, 2).reshape(value.shape)


class SelfAttention(nn.Module):
    """Attention over all positions, with a skip: x + W softmax(Q K^T / sqrt(C)) V.

    Args:
        channels: C.
        groups: Groups of the norm.
        contiguous: Copy Q, K and V first. PyTorch chooses its kernel by strides, and the last bits depend on
            the kernel.
    """

    def __init__(self, channels: int, groups: int, *, contiguous: bool = False) -> None:
        super().__init__()
        self.contiguous = contiguous
        self.norm = nn.GroupNorm(groups, channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1, bias=False)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] to the same shape."""
        parts = self.qkv(self.norm(x)).flatten(2).transpose(1, 2).chunk(3, -1)
        query, key, value = (part.contiguous() for part in parts) if self.contiguous else parts
        attended = F.scaled_dot_product_attention(query, key, value)
        result: Tensor = x + self.out(attended.transpose(1, 2).view_as(x))
        return result


class ResidualAttentionBlock(nn.Module):
    """A residual block, followed by self-attention where asked for (`contiguous`: see `SelfAttention`)."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        embedding: int,
        groups: int,
        dropout: float,
        *,
        attention: bool,
        contiguous: bool = False,
    ) -> None:
        super().__init__()
        self.res_block = ResidualBlock(channels_in, channels_out, embedding, groups, dropout)
        self.attn = SelfAttention(channels_out, groups, contiguous=contiguous) if attention else None

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """[B, C_in, H, W] and [B, E] to [B, C_out, H, W]."""
        x = self.res_block(x, embedding)
        return x if self.attn is None else self.attn(x)


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
