"""LP-Diff as released: the parts in which the public code departs from the paper.

Attributes carry the names of the released checkpoints (`I<iter>_E<epoch>_gen.pth`), and each class names its
quirks. The U-Net is the one of `unet`, with `ReleasedEmbedding`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.lp_diff.config import RELEASED_WIDTHS, LPDiffConfig
from baselines.lp_diff.icam import tokens
from baselines.lp_diff.tem import DX, DXX, DXY, curvature_of, magnitude_of, responses
from mdlp_bench.errors import MethodError

if TYPE_CHECKING:
    from pathlib import Path

    from baselines.lp_diff.schedule import Schedule

_SIDE = 128
# The second derivatives have half the Sobel gain and the mixed one the wrong sign.
_KERNELS = torch.stack([DX, DX.T, DXX / 2, DXX.T / 2, -DXY / 2]).unsqueeze(1)


class ReleasedEncoder(nn.Module):
    """Encoder as released: three strided convolutions and one without stride, no side branch."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for outputs, stride in zip(RELEASED_WIDTHS, (2, 2, 2, 1), strict=True):
            layers += [
                nn.Conv2d(inputs, outputs, 3, stride, 1),
                nn.BatchNorm2d(outputs),
                nn.ReLU(inplace=True),
            ]
            inputs = outputs
        self.encoder = nn.Sequential(*layers)

    def forward(self, frame: Tensor) -> Tensor:
        """A frame [B, 3, H, W] to features [B, 64, H / 8, W / 8]."""
        features: Tensor = self.encoder(frame)
        return features


class ReleasedDecoder(nn.Module):
    """Decoder as released: transposed convolutions, no side branch."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = RELEASED_WIDTHS[-1]
        for outputs, stride in zip((*RELEASED_WIDTHS[2::-1], 3), (1, 2, 2, 2), strict=True):
            layers += [
                nn.ConvTranspose2d(inputs, outputs, 3, stride, 1, output_padding=stride - 1),
                nn.BatchNorm2d(outputs),
                nn.ReLU(inplace=True),
            ]
            inputs = outputs
        self.decoder = nn.Sequential(*layers[:-2])

    def forward(self, features: Tensor) -> Tensor:
        """Features [B, 64, H / 8, W / 8] to psi [B, 3, H, W], unbounded."""
        psi: Tensor = self.decoder(features)
        return psi


class ReleasedCrossAttention(nn.Module):
    """ICAM as released: an ordinary 8-head attention layer with post-norm and a feed-forward part.

    Departs from the description: no DFM on Q and K, the same layer serves both pairs, and the caller adds the
    query frame as the skip.
    """

    heads = 8

    def __init__(self, channels: int = 64, hidden: int = 256) -> None:
        super().__init__()
        self.q_linear = nn.Linear(channels, channels)
        self.k_linear = nn.Linear(channels, channels)
        self.v_linear = nn.Linear(channels, channels)
        self.out_linear = nn.Linear(channels, channels)
        self.norm1 = nn.LayerNorm(channels)
        self.norm2 = nn.LayerNorm(channels)
        self.fc1 = nn.Linear(channels, hidden)
        self.fc2 = nn.Linear(hidden, channels)

    def forward(self, earlier: Tensor, later: Tensor) -> Tensor:
        """Attend from `later` to `earlier`, both [B, C, H, W]; same shape."""
        source = tokens(earlier)
        query = self.q_linear(tokens(later))
        parts = [
            part.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for part in (query, self.k_linear(source), self.v_linear(source))
        ]
        # Written out, because the fused CPU kernel deviates twenty times more from the released numbers.
        scores = (parts[0] @ parts[1].transpose(2, 3) / math.sqrt(parts[0].shape[-1])).softmax(-1)
        attended = (scores @ parts[2]).transpose(1, 2).flatten(2)
        hidden = self.norm1(self.out_linear(attended) + query)
        hidden = self.norm2(self.fc2(F.relu(self.fc1(hidden))) + hidden)
        result: Tensor = hidden.transpose(1, 2).view_as(later)
        return result


class ReleasedTEM(nn.Module):
    """TEM as released: softmax over channels, wrong sign of Ixy, half the curvature, zero padding.

    A straight edge at 45 degrees gets a curvature of up to -0.32 instead of 0.
    """

    eps = 1e-6

    def forward(self, features: Tensor) -> Tensor:
        """Gate [B, C, H, W]; same shape."""
        found = responses(features, _KERNELS.to(features), "constant")
        gate = (magnitude_of(found, self.eps) + curvature_of(found, self.eps)).softmax(1)
        return features * (1 + gate)


class _ChannelAttention(nn.Module):
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


class _SpatialAttention(nn.Module):
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


class _UnusedFusion(nn.Module):
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
        self.channel_attention = _ChannelAttention()
        self.spatial_attention = _SpatialAttention()
        self.feature_fusion = _UnusedFusion()

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Fuse two streams [B, C, H, W]."""
        weights = self.channel_attention(first, second) + self.spatial_attention(first, second) + 1
        fused: Tensor = weights[0] * first + weights[1] * second
        return fused


class ReleasedConditioner(nn.Module):
    """The conditioning network as released ("MTA"); attributes carry the released checkpoints' names."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = ReleasedEncoder()
        self.decoder = ReleasedDecoder()
        self.tem = ReleasedTEM()
        self.IntraframeAtt = ReleasedDFM()
        self.crossatt = ReleasedCrossAttention()

    def forward(self, frames: Tensor) -> Tensor:
        """Three frames [B, 3, 3, H, W] in [-1, 1] to psi [B, 3, H, W], unbounded."""
        first, second, third = (self.encoder(frame) for frame in frames.unbind(1))
        early = self.tem(self.crossatt(first, second) + second)
        late = self.tem(self.crossatt(second, third) + third)
        psi: Tensor = self.decoder(self.IntraframeAtt(early, late))
        return psi


class ReleasedEmbedding(nn.Module):
    """Sinusoids of the noise level itself, as released.

    The level lies in [0, 1] and no frequency exceeds 1, so most of the features barely change with it.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.count = channels // 2

    def forward(self, level: Tensor) -> Tensor:
        """Levels [B] to features [B, channels]."""
        frequencies = torch.exp(-math.log(1e4) / self.count * torch.arange(self.count, device=level.device))
        phase = level[:, None] * frequencies
        return torch.cat([phase.sin(), phase.cos()], -1)


def released_buffers(schedule: Schedule) -> dict[str, Tensor]:
    """The twelve tables the released checkpoints carry beside the weights, float32 [T] each."""
    betas = schedule.betas
    bar = np.cumprod(1 - betas)
    before = np.append(1.0, bar[:-1])
    variance = betas * (1 - before) / (1 - bar)
    tables = {
        "betas": betas,
        "alphas_cumprod": bar,
        "alphas_cumprod_prev": before,
        "sqrt_alphas_cumprod": np.sqrt(bar),
        "sqrt_one_minus_alphas_cumprod": np.sqrt(1 - bar),
        "log_one_minus_alphas_cumprod": np.log(1 - bar),
        "sqrt_recip_alphas_cumprod": np.sqrt(1 / bar),
        "sqrt_recipm1_alphas_cumprod": np.sqrt(1 / bar - 1),
        "posterior_variance": variance,
        "posterior_log_variance_clipped": np.log(np.maximum(variance, 1e-20)),
        "posterior_mean_coef1": betas * np.sqrt(before) / (1 - bar),
        "posterior_mean_coef2": (1 - before) * np.sqrt(1 - betas) / (1 - bar),
    }
    return {name: torch.from_numpy(table).float() for name, table in tables.items()}


def released_config(state: dict[str, Tensor], norm_groups: int, path: Path) -> LPDiffConfig:
    """The configuration of a released state dict, from its tensors.

    Args:
        state: Parameter name to tensor.
        norm_groups: Groups of the U-Net's group norms, which leave no trace.
        path: What to call the file in errors.

    Raises:
        MethodError: It is not a generator's state dict, or its noise schedule is not linear.
    """
    wanted = ("betas", "denoise_fn.downs.0.weight", "MTA.encoder.encoder.0.weight")
    absent = [name for name in wanted if name not in state]
    if absent:
        raise MethodError(f"{path}: not an LP-Diff generator checkpoint (no tensor {absent[0]!r})")
    betas, first = state["betas"].double(), state["denoise_fn.downs.0.weight"]
    if betas.ndim != 1 or len(betas) < 2 or first.ndim != 4:
        raise MethodError(
            f"{path}: not an LP-Diff generator checkpoint (odd shapes of betas or the first layer)"
        )
    inner = len(first)
    widths: list[list[int]] = [[]]
    attention: list[bool] = [False]
    index = 1
    while True:
        prefix = f"denoise_fn.downs.{index}"
        block = state.get(f"{prefix}.res_block.block1.block.3.weight")
        if block is not None:
            widths[-1].append(len(block))
            attention[-1] |= f"{prefix}.attn.qkv.weight" in state
        elif f"{prefix}.conv.weight" in state:
            widths.append([])
            attention.append(False)
        else:
            break
        index += 1
    counts = {len(level) for level in widths}
    if (
        counts == {0}
        or len(counts) != 1
        or not inner
        or any(width % inner for level in widths for width in level)
    ):
        raise MethodError(f"{path}: not an LP-Diff generator checkpoint (the U-Net's levels do not line up)")
    fields: dict[str, Any] = {
        "inner_channels": inner,
        "channel_mults": tuple(level[0] // inner for level in widths),
        "res_blocks": counts.pop(),
        "norm_groups": norm_groups,
        "image_size": _SIDE << len(widths),
        "attention_resolutions": tuple(
            (_SIDE << len(widths)) >> level for level, has in enumerate(attention) if has
        ),
        "diffusion_steps": len(betas),
        # The tables are float32; the nearest round figure is what the release's config said.
        "beta_start": float(f"{betas[0].item():.6g}"),
        "beta_end": float(f"{betas[-1].item():.6g}"),
    }
    try:
        config = LPDiffConfig.preset("paper", "released", **fields)
    except MethodError as error:
        hint = "; pass norm_groups as in the release's config" if inner % norm_groups else ""
        raise MethodError(f"{path}: {error}{hint}") from error
    expected = torch.linspace(config.beta_start, config.beta_end, len(betas), dtype=torch.float64)
    if not torch.allclose(betas, expected, rtol=1e-4, atol=1e-9):
        raise MethodError(
            f"{path}: its noise schedule is not linear; only the release's linear schedule is known"
        )
    return config
