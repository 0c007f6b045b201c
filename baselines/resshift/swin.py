"""Swin attention as ResShift uses it: windows, shifted every second block, on convolutional feature maps.

Liu et al., "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows", ICCV 2021 (arXiv
2103.14030). Norms are group norms over 32 groups; attribute names are the official checkpoints'.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

NORM_GROUPS = 32
APART = -100.0
"""Added to the attention between tokens that a cyclic shift brought together; exp(-100) is 0 in float32."""
DERIVED_BUFFERS = ("attn_mask", "relative_position_index")
"""Endings of the buffers that Swin networks compute from their configuration."""


@functools.lru_cache(maxsize=32)
def shift_mask(height: int, width: int, window: int, shift: int) -> Tensor:
    """What is added to attention after a cyclic shift: 0 within a region, -100 across regions.

    Swin separates the rows and the columns that the shift brought together. The official network, whose
    weights were trained that way, does less: only the windows of the bottom row have regions, and those lie
    side by side (split at column `window` - `shift`) instead of one above the other. Kept as it is.

    Args:
        height: Height of the feature map, a multiple of `window`.
        width: Likewise.
        window: Side of a window.
        shift: Pixels the map was rolled up and left, 1 .. window - 1.

    Returns:
        [windows, window^2, window^2].
    """
    rows, columns = height // window, width // window
    # On the CPU whatever the default device is, since the result is kept.
    wrapped = (torch.arange(window, device="cpu") >= window - shift).repeat(window)
    mask = torch.zeros(rows, columns, window * window, window * window, device="cpu")
    mask[-1] = torch.where(wrapped[:, None] == wrapped[None, :], 0.0, APART)
    return mask.flatten(0, 1)


def _to_windows(x: Tensor, window: int) -> Tensor:
    """[B, C, H, W] to [B * windows, window^2, C]."""
    batch, channels, height, width = x.shape
    x = x.view(batch, channels, height // window, window, width // window, window)
    return x.permute(0, 2, 4, 3, 5, 1).reshape(-1, window * window, channels)


def _from_windows(windows: Tensor, window: int, height: int, width: int) -> Tensor:
    """[B * windows, window^2, C] to [B, C, H, W]."""
    channels = windows.shape[-1]
    x = windows.view(-1, height // window, width // window, window, window, channels)
    return x.permute(0, 5, 1, 3, 2, 4).reshape(-1, channels, height, width)


def _relative_positions(window: int) -> Tensor:
    """Index of each pixel pair's offset in a table of (2 window - 1)^2 offsets, [window^2, window^2]."""
    rows, columns = torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")
    rows, columns = rows.flatten(), columns.flatten()
    down = rows[:, None] - rows[None, :] + window - 1
    right = columns[:, None] - columns[None, :] + window - 1
    return down * (2 * window - 1) + right


class WindowAttention(nn.Module):
    """Multi-head attention in windows: softmax(Q K^T / sqrt(d) + B + mask) V, B learnt for each offset."""

    relative_position_index: Tensor

    def __init__(self, channels: int, window: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.relative_position_bias_table = nn.Parameter(torch.empty((2 * window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.register_buffer("relative_position_index", _relative_positions(window))
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Windows [B * windows, N, C] and mask [windows, N, N] to [B * windows, N, C]."""
        count, pixels, channels = x.shape
        qkv = self.qkv(x).view(count, pixels, 3, self.heads, channels // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        bias = self.relative_position_bias_table[self.relative_position_index].permute(2, 0, 1)[None]
        if mask is not None:
            bias = (bias + mask[:, None]).repeat(count // len(mask), 1, 1, 1)
        x = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        result: Tensor = self.proj(x.transpose(1, 2).reshape(count, pixels, channels))
        return result


class Mlp(nn.Module):
    """Two 1 x 1 convolutions with GELU between them."""

    def __init__(self, channels: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, hidden, 1)
        self.fc2 = nn.Conv2d(hidden, channels, 1)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] to the same shape."""
        result: Tensor = self.drop(self.fc2(self.drop(F.gelu(self.fc1(x)))))
        return result


class SwinBlock(nn.Module):
    """Window attention and a feed-forward layer, each normed and with a skip.

    Args:
        channels: Channels of the feature map; a multiple of 32.
        resolution: Side of the (square) map the block is laid out for; a map no larger than the window is one
            window, unshifted.
        heads: Attention heads.
        window: Side of a window.
        shifted: Whether windows are shifted by half their side.
        mlp_ratio: Feed-forward width over `channels`.
        dropout: After the projections.
    """

    attn_mask: Tensor | None

    def __init__(
        self,
        channels: int,
        resolution: int,
        heads: int,
        window: int,
        *,
        shifted: bool,
        mlp_ratio: float,
        dropout: float,
    ) -> None:
        super().__init__()
        whole = resolution <= window
        self.window = resolution if whole else window
        self.shift = window // 2 if shifted and not whole else 0
        self.norm1 = nn.GroupNorm(NORM_GROUPS, channels)
        self.attn = WindowAttention(channels, self.window, heads)
        self.drop = nn.Dropout(dropout)
        self.norm2 = nn.GroupNorm(NORM_GROUPS, channels)
        self.mlp = Mlp(channels, int(channels * mlp_ratio), dropout)
        # Official checkpoints carry the mask of the training resolution; other sizes compute their own.
        mask = shift_mask(resolution, resolution, self.window, self.shift) if self.shift else None
        self.register_buffer("attn_mask", None if mask is None else mask.clone())

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W], sides multiples of the window, to the same shape."""
        height, width = x.shape[-2:]
        h, mask = self.norm1(x), None
        if self.shift:
            h = torch.roll(h, (-self.shift, -self.shift), dims=(2, 3))
            mask = shift_mask(height, width, self.window, self.shift).to(x)
        attended = self.drop(self.attn(_to_windows(h, self.window), mask))
        h = _from_windows(attended, self.window, height, width)
        if self.shift:
            h = torch.roll(h, (self.shift, self.shift), dims=(2, 3))
        x = x + h
        result: Tensor = x + self.mlp(self.norm2(x))
        return result


class _Projection(nn.Module):
    """A 1 x 1 convolution, normed where asked for."""

    def __init__(self, channels_in: int, channels_out: int, *, norm: bool) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels_in, channels_out, 1)
        self.norm = nn.GroupNorm(NORM_GROUPS, channels_out) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.norm(self.proj(x))
        return result


class SwinLayer(nn.Module):
    """A stack of Swin blocks between two 1 x 1 projections; every second block is shifted.

    Args:
        channels: Channels of the feature map.
        resolution: Side of the (square) map the layer is laid out for.
        embed_dim: Channels within the blocks.
        heads: Attention heads.
        window: Side of a window.
        depth: Number of blocks.
        mlp_ratio: Feed-forward width over `embed_dim`.
        dropout: In the blocks.
        patch_norm: Norm after the projections.
    """

    def __init__(
        self,
        channels: int,
        resolution: int,
        *,
        embed_dim: int,
        heads: int,
        window: int,
        depth: int,
        mlp_ratio: float,
        dropout: float,
        patch_norm: bool,
    ) -> None:
        super().__init__()
        self.patch_embed = _Projection(channels, embed_dim, norm=patch_norm)
        self.patch_unembed = _Projection(embed_dim, channels, norm=patch_norm)
        self.blocks = nn.ModuleList(
            SwinBlock(
                embed_dim,
                resolution,
                heads,
                window,
                shifted=index % 2 == 1,
                mlp_ratio=mlp_ratio,
                dropout=dropout,
            )
            for index in range(depth)
        )

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W], sides multiples of the window, to the same shape."""
        x = self.patch_embed(x)
        for block in self.blocks:
            x = block(x)
        result: Tensor = self.patch_unembed(x)
        return result
