"""DFM: dual-pathway fusion of streams (Gong et al., CVPR 2025, section on the dual-pathway fusion module)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def median(x: Tensor, dim: int) -> Tensor:
    """The true median along `dim` (mean of the two middle values of an even count), differentiable."""
    count = x.shape[dim]
    lower = x.median(dim).values
    return lower if count % 2 else (lower + x.neg().median(dim).values.neg()) / 2


def _pool(streams: Tensor, dim: int) -> Tensor:
    """Average, maximum and median of [B, M, C, P] along `dim`: [3, B, M, rest]."""
    return torch.stack([streams.mean(dim), streams.amax(dim), median(streams, dim)])


class DFM(nn.Module):
    """Fuse M streams of equal shape by weights that depend on all of them.

    Two paths see the average, maximum and median of every stream. The channel path pools over space and mixes
    the 3 M C statistics with a linear layer; the spatial path pools over channels and mixes the 3 M maps with a
    3 x 3 convolution. Each gives one logit a stream, and a softmax across the streams follows:

        w = (softmax_M(Linear(pool_space)) + softmax_M(Conv(pool_channels))) / 2,   fused = sum_m w_m x_m

    The half keeps the sum of the two paths a convex weight: w is in (0, 1) and sums to one over the streams. The
    paper fuses two streams; the same equation serves any number.

    Args:
        channels: C.
        streams: M, at least one (of one stream the weight is one).
    """

    def __init__(self, channels: int, streams: int = 2) -> None:
        super().__init__()
        self.channels = channels
        self.streams = streams
        self.channel = nn.Linear(3 * streams * channels, streams * channels)
        self.spatial = nn.Conv2d(3 * streams, streams, 3, padding=1)

    def weights(self, streams: Tensor) -> Tensor:
        """Weights [B, M, C, H, W] in (0, 1) of streams [B, M, C, H, W]; they sum to one over M."""
        batch, count, channels, height, width = streams.shape
        flat = streams.flatten(3)
        over_space = _pool(flat, 3).movedim(0, 1).reshape(batch, -1)
        over_channels = _pool(flat, 2).movedim(0, 1).reshape(batch, 3 * count, height, width)
        by_channel = self.channel(over_space).view(batch, count, channels, 1, 1).softmax(1)
        by_place = self.spatial(over_channels).unsqueeze(2).softmax(1)
        weights: Tensor = (by_channel + by_place) / 2
        return weights

    def forward(self, streams: Tensor) -> Tensor:
        """Fuse [B, M, C, H, W] into [B, C, H, W]."""
        if streams.shape[1] == 1:
            return streams[:, 0]
        return (self.weights(streams) * streams).sum(1)


class MeanFusion(nn.Module):
    """Stands in for DFM where it is switched off (ablation exp4): every stream has the weight 1 / M."""

    def forward(self, streams: Tensor) -> Tensor:
        """Fuse [B, M, C, H, W] into [B, C, H, W]."""
        return streams.mean(1)


def fusion(channels: int, streams: int, *, dfm: bool) -> DFM | MeanFusion:
    """The fusion of a configuration: `DFM`, or `MeanFusion` without it."""
    return DFM(channels, streams) if dfm else MeanFusion()


class _ReleasedChannelAttention(nn.Module):
    """Channel path of the released DFM: its third statistic, called the median, is a second maximum.

    It is built for 3 channels and run on 64, hence the kernel size 1 (the rule would give 3 for 64).
    """

    def __init__(self) -> None:
        super().__init__()
        self.channel_conv1 = nn.Conv1d(6, 1, 1)
        self.channel_conv2 = nn.Conv1d(6, 1, 1)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        pools: list[Tensor] = []
        for stream in (first, second):
            largest = stream.amax((2, 3))
            pools += [stream.mean((2, 3)), largest, largest]
        pooled = torch.stack(pools, 1)
        logits = torch.stack([self.channel_conv1(pooled), self.channel_conv2(pooled)])
        return logits.softmax(0).transpose(2, 3).unsqueeze(-1)


class _ReleasedSpatialAttention(nn.Module):
    """Spatial path of the released DFM: its median takes the lower of the two middle channels."""

    def __init__(self) -> None:
        super().__init__()
        self.spatial_conv1 = nn.Conv2d(6, 1, 3, padding=1)
        self.spatial_conv2 = nn.Conv2d(6, 1, 3, padding=1)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        pools: list[Tensor] = []
        for stream in (first, second):
            pools += [stream.mean(1), stream.amax(1), stream.median(1).values]
        pooled = torch.stack(pools, 1)
        return torch.stack([self.spatial_conv1(pooled), self.spatial_conv2(pooled)]).softmax(0)


class _ReleasedUnusedFusion(nn.Module):
    """Layers the released checkpoints hold and its forward pass never calls (252 parameters)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(6, 3, 3, padding=1)
        self.conv2 = nn.Conv2d(3, 3, 3, padding=1)
        self.batchnorm = nn.BatchNorm2d(3)


class ReleasedDFM(nn.Module):
    """DFM as released: two streams, one added to the weights, so that they sum to 4 rather than to 1."""

    def __init__(self) -> None:
        super().__init__()
        self.channel_attention = _ReleasedChannelAttention()
        self.spatial_attention = _ReleasedSpatialAttention()
        self.feature_fusion = _ReleasedUnusedFusion()

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Fuse two streams [B, C, H, W]."""
        weights = self.channel_attention(first, second) + self.spatial_attention(first, second) + 1
        fused: Tensor = weights[0] * first + weights[1] * second
        return fused
