"""ResDiff's noise predictor: a U-Net shown split frequencies and guided by wavelet details.

Shang et al., "ResDiff: Combining CNN and Diffusion Model for Image Super-Resolution", AAAI 2024 (arXiv
2303.08714). Key names and numbers are the released network's on a square image; unlike it, any size works
whose sides are multiples of 2^(levels - 1), and a sample does not depend on its batch neighbours.
"""

from __future__ import annotations

from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.resdiff.blocks import GuidedAttention, NoiseLevelEncoding
from baselines.resdiff.chain import Prediction, ResDiffSchedule
from baselines.resdiff.splitter import FrequencySplitter
from baselines.resdiff.wavelet import haar_details
from baselines.sr3 import Downsample, NormActConv, ResidualAttentionBlock, Upsample
from mdlp_bench.errors import MethodError
from mdlp_bench.frozen import Frozen


class ResDiffUNetConfig(Frozen):
    """The released constructor's arguments, by their names; defaults are its released configuration (98.9 M).

    Attributes:
        in_channel: What the splitter makes of the six input channels.
        out_channel: Channels of the predicted noise.
        inner_channel: Channels of the first level.
        norm_groups: Groups of the group norms; must divide every width.
        channel_mults: Width of each level over `inner_channel`.
        attn_res: Widths in pixels, counted down from `image_size`, at which levels attend to themselves.
        res_blocks: Residual blocks per level.
        dropout: In the second half of residual blocks.
        image_size: Width of the images.
        guided_levels: Guided attentions that exist; the release always has four, used or not.
        unshuffle: Blocks of so many pixels each way become channels before the first level; the release
            works on pixels.
        orthonormal: See `FrequencySplitter`.
        prediction: What the output stands for: the noise, as released, or the residual, whose errors a
            sampler of few steps does not multiply.
        schedule: Schedule of the noise; see `ResDiffChain`.
        scale_noisy: Show the noisy residual times its level, so that little is seen of what is nearly all
            noise. As released it is seen as it is, and the U-Net has to learn not to draw the noise.
    """

    in_channel: Literal[15] = 15
    out_channel: int = Field(default=3, ge=1)
    inner_channel: int = Field(default=64, ge=2, multiple_of=2)
    norm_groups: int = Field(default=32, ge=1)
    channel_mults: tuple[int, ...] = Field(default=(1, 2, 4, 8, 8), min_length=1)
    attn_res: tuple[int, ...] = (16,)
    res_blocks: int = Field(default=2, ge=1)
    dropout: float = Field(default=0.2, ge=0, lt=1)
    image_size: int = Field(default=128, ge=11)
    guided_levels: int = Field(default=4, ge=0)
    unshuffle: Literal[1, 2, 4] = 1
    orthonormal: bool = False
    prediction: Prediction = "noise"
    schedule: ResDiffSchedule = ResDiffSchedule()
    scale_noisy: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if any((self.inner_channel * mult) % self.norm_groups for mult in self.channel_mults):
            raise ValueError("norm_groups must divide inner_channel times every channel_mults")
        if len(self.channel_mults) - 1 > self.guided_levels:
            raise ValueError("guided_levels must be at least the number of halvings, len(channel_mults) - 1")
        return self


# For training on the CPU at 112 x 224, in blocks of 4 x 4 pixels.
PLATE = ResDiffUNetConfig(
    inner_channel=24,
    norm_groups=8,
    channel_mults=(1, 2, 5),
    attn_res=(),
    res_blocks=1,
    dropout=0.0,
    image_size=224,
    guided_levels=2,
    unshuffle=4,
    orthonormal=True,
    prediction="residual",
    schedule=ResDiffSchedule(beta_end=2e-2),
    scale_noisy=True,
)


class ResDiffUNet(nn.Module):
    """The U-Net; see the module's docstring."""

    def __init__(self, config: ResDiffUNetConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or ResDiffUNetConfig()
        inner = config.inner_channel
        self.noise_level_mlp = nn.Sequential(
            NoiseLevelEncoding(inner), nn.Linear(inner, 4 * inner), nn.SiLU(), nn.Linear(4 * inner, inner)
        )
        self.fd_spliter = FrequencySplitter(inner, config.image_size, orthonormal=config.orthonormal)
        widths = [inner * mult for mult in config.channel_mults]
        # A guided attention runs on the width of the level it leaves; those beyond the last halving only
        # keep the released key names.
        guided = [*widths[:-1], *(inner * 2**level for level in range(len(widths) - 1, config.guided_levels))]
        self.hf_ca_list = nn.ModuleList(GuidedAttention(width, config.norm_groups) for width in guided)

        attends = [
            config.image_size // config.unshuffle >> level in config.attn_res for level in range(len(widths))
        ]
        skips = [inner]
        self.downs = nn.ModuleList([nn.Conv2d(config.in_channel * config.unshuffle**2, inner, 3, padding=1)])
        channels = inner
        for level, width in enumerate(widths):
            for _ in range(config.res_blocks):
                self.downs.append(self._block(channels, width, attention=attends[level]))
                skips.append(width)
                channels = width
            if level < len(widths) - 1:
                self.downs.append(Downsample(width))
                skips.append(width)
        self.mid = nn.ModuleList(
            [
                self._block(channels, channels, attention=True),
                self._block(channels, channels, attention=False),
            ]
        )
        self.ups = nn.ModuleList()
        for level, width in reversed(list(enumerate(widths))):
            for _ in range(config.res_blocks + 1):
                self.ups.append(self._block(channels + skips.pop(), width, attention=attends[level]))
                channels = width
            if level > 0:
                self.ups.append(Upsample(width))
        channels_out = config.out_channel * config.unshuffle**2
        self.final_conv = NormActConv(channels, channels_out, config.norm_groups)
        if config.prediction == "residual":
            # Untrained it changes nothing of the CNN's prediction.
            for parameter in self.final_conv.block[-1].parameters():
                nn.init.zeros_(parameter)

    def _block(self, channels_in: int, channels_out: int, *, attention: bool) -> ResidualAttentionBlock:
        inner, groups, dropout = self.config.inner_channel, self.config.norm_groups, self.config.dropout
        return ResidualAttentionBlock(
            channels_in, channels_out, inner, groups, dropout, attention=attention, contiguous=True
        )

    @property
    def size_multiple(self) -> int:
        """Height and width must be multiples of this."""
        return self.config.unshuffle << (len(self.config.channel_mults) - 1)

    def forward(self, x: Tensor, noise_level: Tensor) -> Tensor:
        """Predict the noise, or what `config.prediction` says.

        Args:
            x: [B, 6, H, W]: the CNN's prediction, then the noisy residual, values about -1..1.
            noise_level: sqrt(alpha_bar) of each sample, [B, 1].

        Returns:
            [B, out_channel, H, W].

        Raises:
            MethodError: Wrong channels, or sides that are not multiples of `size_multiple`.
        """
        self._check(x, noise_level)
        prediction, noisy = x.chunk(2, dim=1)
        if self.config.scale_noisy:
            noisy = noisy * noise_level[:, :, None, None]
        levels = len(self.config.channel_mults) - 1
        folded = self.config.unshuffle.bit_length() - 1
        guides = [bands.sum(dim=2) for bands in haar_details(prediction, folded + levels)[folded:]]
        embedding = self.noise_level_mlp(noise_level)

        h = F.pixel_unshuffle(self.fd_spliter(prediction, noisy, embedding), self.config.unshuffle)
        skips: list[Tensor] = []
        halvings = 0
        for layer in self.downs:
            h = layer(h, embedding) if isinstance(layer, ResidualAttentionBlock) else layer(h)
            if isinstance(layer, Downsample):
                skips.append(self.hf_ca_list[halvings](h, guides[halvings]))
                halvings += 1
            else:
                skips.append(h)
        for layer in self.mid:
            h = layer(h, embedding)
        for layer in self.ups:
            if isinstance(layer, ResidualAttentionBlock):
                h = layer(torch.cat([h, skips.pop()], dim=1), embedding)
            else:
                h = layer(h)
        return F.pixel_shuffle(self.final_conv(h), self.config.unshuffle)

    def _check(self, x: Tensor, noise_level: Tensor) -> None:
        multiple = self.size_multiple
        if x.ndim != 4 or x.shape[1] != 6 or x.shape[2] % multiple or x.shape[3] % multiple:
            raise MethodError(
                f"ResDiff: input {list(x.shape)}, needs [B, 6, H, W] with H and W multiples of {multiple}"
            )
        if noise_level.shape != (len(x), 1):
            raise MethodError(f"ResDiff: noise level {list(noise_level.shape)}, needs [{len(x)}, 1]")
