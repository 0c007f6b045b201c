"""DFM: dual-pathway fusion of streams (Gong et al., CVPR 2025, section on the dual-pathway fusion module)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


def _median(x: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """`x.median(dim)`: the lower median and its index."""
    if x.device.type != "cpu" or x.dtype != torch.float32:
        found = x.median(dim)
        return found.values, found.indices
    # NumPy selects with vector instructions, six times faster than torch.
    moved = x.detach().movedim(dim, -1).contiguous()
    middle = (moved.shape[-1] - 1) // 2
    values = torch.from_numpy(np.partition(moved.numpy(), middle, axis=-1)[..., middle].copy())
    return values, (moved == values.unsqueeze(-1)).byte().argmax(-1)


class _Pool(torch.autograd.Function):
    """The three statistics; written out because autograd would add a full-size gradient for each of them."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, dim: int) -> Tensor:
        largest, largest_at = x.max(dim)
        middle, middle_at = _median(x, dim)
        ctx.save_for_backward(largest_at, middle_at)
        ctx.dim, ctx.shape = dim, x.shape
        return torch.stack([x.mean(dim), largest, middle])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        dim, (by_mean, *others) = ctx.dim, grads[0].unbind(0)
        grad = (by_mean / ctx.shape[dim]).unsqueeze(dim).expand(ctx.shape).clone()
        for at, part in zip(ctx.saved_tensors, others, strict=True):
            grad.scatter_add_(dim, at.unsqueeze(dim), part.unsqueeze(dim))
        return grad, None


def pool(x: Tensor, dim: int) -> Tensor:
    """Average, maximum and median along a dimension.

    Args:
        x: [B, C, P].
        dim: 1 or 2.

    Returns:
        [3, B, P] or [3, B, C]. Of an even count, the median is the lower of the two middle values.
    """
    pooled: Tensor = _Pool.apply(x, dim)
    return pooled


class DFM(nn.Module):
    """Fuse M streams of equal shape by weights that depend on all of them.

    Two paths see the average, maximum and median of every stream. The channel path pools over space and mixes
    the 3 M C statistics with a linear layer; the spatial path pools over channels and mixes the 3 M maps with
    a 3 x 3 convolution. Each gives one logit per stream, and a softmax across the streams follows:

        w = (softmax_M(Linear(pool_space)) + softmax_M(Conv(pool_channels))) / 2,   fused = sum_m w_m x_m

    The half makes the sum of the two paths a convex weight: w is in (0, 1) and sums to one over the streams.
    The paper fuses two streams; the same equation serves any number.

    Args:
        channels: C.
        streams: M, at least two.
    """

    def __init__(self, channels: int, streams: int = 2) -> None:
        super().__init__()
        self.channels = channels
        self.streams = streams
        self.channel = nn.Linear(3 * streams * channels, streams * channels)
        self.spatial = nn.Conv2d(3 * streams, streams, 3, padding=1)

    def weights(self, streams: Sequence[Tensor]) -> list[Tensor]:
        """Weights in (0, 1) of M streams [B, C, H, W], same shapes; they sum to one over the streams."""
        batch, _, height, width = streams[0].shape
        flat = [stream.flatten(2) for stream in streams]
        over_space = torch.cat([pool(x, 2) for x in flat]).transpose(0, 1).reshape(batch, -1)
        over_channels = (
            torch.cat([pool(x, 1) for x in flat]).transpose(0, 1).reshape(batch, -1, height, width)
        )
        by_channel = self.channel(over_space).view(batch, self.streams, self.channels, 1, 1).softmax(1) / 2
        by_place = self.spatial(over_channels).unsqueeze(2).softmax(1) / 2
        return [a + b for a, b in zip(by_channel.unbind(1), by_place.unbind(1), strict=True)]

    def forward(self, streams: Sequence[Tensor]) -> Tensor:
        """Fuse M streams [B, C, H, W] into one."""
        weighted = [w * x for w, x in zip(self.weights(streams), streams, strict=True)]
        return torch.stack(weighted).sum(0)


class MeanFusion(nn.Module):
    """Replaces DFM where it is switched off (ablation exp4): every stream has the weight 1 / M."""

    def forward(self, streams: Sequence[Tensor]) -> Tensor:
        """Fuse M streams [B, C, H, W] into one."""
        return torch.stack(tuple(streams)).mean(0)


def fusion(channels: int, streams: int, *, dfm: bool) -> DFM | MeanFusion:
    """The fusion of a configuration: `DFM`, or `MeanFusion` without it."""
    return DFM(channels, streams) if dfm else MeanFusion()
