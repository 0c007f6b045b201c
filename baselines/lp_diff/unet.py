"""The denoising U-Net: SR3's (Saharia et al., 2021) with attributes named as in the released checkpoints.

Both variants use it. `released` runs it at the images' own size on cat(psi, x_t); `described` may fold space
into channels first, so that a small network sees the whole plate at a quarter of the resolution.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.lp_diff.released import ReleasedEmbedding
from baselines.lp_diff.schedule import log_snr
from baselines.sr3 import Downsample, NormActConv, ResidualAttentionBlock, Upsample

if TYPE_CHECKING:
    from baselines.lp_diff.config import LPDiffConfig


class LogSnrEmbedding(nn.Module):
    """Sinusoids of the log-SNR, with periods from 1.6 to 100 over its range of about -5 to 14.

    Levels below a log-SNR of -8, 0 among them, share one embedding.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.count = channels // 2

    def forward(self, level: Tensor) -> Tensor:
        """Levels [B] in [0, 1) to features [B, channels]."""
        octaves = torch.linspace(math.log(1 / 16), math.log(4), self.count, device=level.device)
        phase = log_snr(level).clamp_min(-8)[:, None] * octaves.exp()
        return torch.cat([phase.sin(), phase.cos()], -1)


def attention_levels(config: LPDiffConfig) -> tuple[list[bool], list[bool]]:
    """Which levels have self attention on the way down and on the way up, first (finest) level first.

    The nominal side halves, rounding down, on the way down and doubles on the way up, so the two differ for
    sides that do not halve evenly; the released network does the same.
    """
    side = config.image_size
    down = []
    for _ in config.channel_mults:
        down.append(side in config.attention_resolutions)
        side //= 2
    side = config.image_size >> (len(down) - 1)
    up = []
    for _ in config.channel_mults:
        up.append(side in config.attention_resolutions)
        side *= 2
    return down, up[::-1]


class UNet(nn.Module):
    """Residual U-Net over (condition, x_t) with the noise level added in every block.

    Args:
        config: Uses inner_channels, channel_mults, res_blocks, norm_groups, attention_resolutions,
            image_size, dropout, unshuffle, condition_channels and variant (the noise level's embedding).
    """

    def __init__(self, config: LPDiffConfig) -> None:
        super().__init__()
        inner, groups, fold = config.inner_channels, config.norm_groups, config.unshuffle
        embedding = ReleasedEmbedding(inner) if config.variant == "released" else LogSnrEmbedding(inner)
        self.noise_level_mlp = nn.Sequential(
            embedding, nn.Linear(inner, 4 * inner), nn.SiLU(), nn.Linear(4 * inner, inner)
        )

        def stage(inputs: int, outputs: int, attention: bool) -> ResidualAttentionBlock:
            return ResidualAttentionBlock(inputs, outputs, inner, groups, config.dropout, attention=attention)

        down_attention, up_attention = attention_levels(config)
        levels = [inner * mult for mult in config.channel_mults]
        inputs = config.condition_channels + 3
        # A strided convolution is space-to-depth and a pointwise convolution in one pass.
        first = nn.Conv2d(inputs, inner, fold, fold) if fold > 1 else nn.Conv2d(inputs, inner, 3, padding=1)
        downs: list[nn.Module] = [first]
        skips, channels = [inner], inner
        for index, width in enumerate(levels):
            for _ in range(config.res_blocks):
                downs.append(stage(channels, width, down_attention[index]))
                channels = width
                skips.append(channels)
            if index < len(levels) - 1:
                downs.append(Downsample(channels))
                skips.append(channels)
        self.downs = nn.ModuleList(downs)
        self.mid = nn.ModuleList([stage(channels, channels, False)])
        ups: list[nn.Module] = []
        for index, width in reversed(list(enumerate(levels))):
            for _ in range(config.res_blocks + 1):
                ups.append(stage(channels + skips.pop(), width, up_attention[index]))
                channels = width
            if index > 0:
                ups.append(Upsample(channels))
        self.ups = nn.ModuleList(ups)
        self.final_conv = NormActConv(channels, 3 * fold**2, groups)
        self.fold = fold

    def forward(self, condition: Tensor, noisy: Tensor, level: Tensor) -> Tensor:
        """The network's raw output.

        Args:
            condition: psi, followed by the frames where the network sees them: [B, condition_channels, H, W].
            noisy: x_t [B, 3, H, W].
            level: Noise levels [B].

        Returns:
            [B, 3, H, W]; `LPDiffConfig.prediction` says what it stands for.
        """
        embedded = self.noise_level_mlp(level)
        x = torch.cat([condition, noisy], 1)
        skips = []
        for layer in self.downs:
            x = layer(x, embedded) if isinstance(layer, ResidualAttentionBlock) else layer(x)
            skips.append(x)
        for layer in self.mid:
            x = layer(x, embedded)
        for layer in self.ups:
            if isinstance(layer, ResidualAttentionBlock):
                x = layer(torch.cat([x, skips.pop()], 1), embedded)
            else:
                x = layer(x)
        x = self.final_conv(x)
        return F.pixel_shuffle(x, self.fold) if self.fold > 1 else x
