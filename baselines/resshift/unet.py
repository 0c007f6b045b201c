"""ResShift's network: a U-Net with Swin attention that predicts the ground truth (or its latent code).

Yue, Wang, Loy: "ResShift", NeurIPS 2023 (arXiv 2307.12348). Key names and numbers are the official network's,
so that official checkpoints (S-Lab licence, non-commercial; not distributed here) load when a user has them.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from baselines.resshift.blocks import Downsample, ResidualBlock, Upsample, encode_steps
from baselines.resshift.swin import DERIVED_BUFFERS, NORM_GROUPS, SwinLayer
from mdlp_bench.errors import MethodError
from mdlp_bench.frozen import Frozen
from mdlp_bench.methods.weights import load_exactly, read_state_dict


class ResShiftUNetConfig(Frozen):
    """The official constructor's arguments, by their names.

    Attributes:
        image_size: Side of the (square) images the network is laid out for; other sizes run too.
        in_channels: Channels of x_t, without the condition's.
        model_channels: Channels of the first level.
        out_channels: Channels of the prediction.
        num_res_blocks: Residual blocks of each level, or one number for all.
        attention_resolutions: Sides, counted down from `image_size`, of the levels with Swin attention.
        dropout: In residual and Swin blocks.
        channel_mult: Width of each level over `model_channels`.
        conv_resample: Resample with convolutions.
        dims: Images have two dimensions.
        use_fp16: Half precision is not offered on the CPU.
        num_heads: Heads, unless `num_head_channels` says otherwise.
        num_head_channels: Channels of a head; -1 leaves it to `num_heads`.
        use_scale_shift_norm: The step scales and shifts norms.
        resblock_updown: Resample within residual blocks.
        swin_depth: Swin blocks of a level.
        swin_embed_dim: Channels within Swin blocks.
        window_size: Side of an attention window.
        mlp_ratio: Feed-forward width of Swin blocks over their channels.
        patch_norm: Norm after the projections into and out of Swin blocks.
        cond_lq: The low-quality image is always a condition, as in every released model.
        cond_mask: Whether the condition has a mask as fourth channel (inpainting).
        lq_size: Side of the low-quality image; larger than `image_size` when that is of latent codes.
        predict_shift: The output is x0 - y instead of x0, and starts as zero; not in official models.
    """

    image_size: int = Field(ge=1)
    in_channels: int = Field(default=3, ge=1)
    model_channels: int = Field(ge=1)
    out_channels: int = Field(default=3, ge=1)
    num_res_blocks: int | tuple[int, ...] = 2
    attention_resolutions: tuple[int, ...]
    dropout: float = Field(default=0.0, ge=0, lt=1)
    channel_mult: tuple[float, ...] = Field(default=(1, 2, 4, 8), min_length=1)
    conv_resample: bool = True
    dims: Literal[2] = 2
    use_fp16: Literal[False] = False
    num_heads: int = Field(default=1, ge=-1)
    num_head_channels: int = Field(default=-1, ge=-1)
    use_scale_shift_norm: bool = False
    resblock_updown: bool = False
    swin_depth: int = Field(default=2, ge=1)
    swin_embed_dim: int = Field(default=96, multiple_of=NORM_GROUPS)
    window_size: int = Field(default=8, ge=2)
    mlp_ratio: float = Field(default=2.0, gt=0)
    patch_norm: bool = False
    cond_lq: Literal[True] = True
    cond_mask: bool = False
    lq_size: int = Field(default=256, ge=1)
    predict_shift: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(self.blocks_per_level) != len(self.channel_mult):
            raise ValueError("num_res_blocks must name as many levels as channel_mult")
        if any(int(mult * self.model_channels) % NORM_GROUPS for mult in self.channel_mult):
            raise ValueError(f"every level's width must be a multiple of {NORM_GROUPS}")
        if self.heads < 1 or self.swin_embed_dim % self.heads:
            raise ValueError("the heads must divide swin_embed_dim")
        ratio, rest = divmod(self.lq_size, self.image_size)
        if rest or ratio.bit_count() != 1:
            raise ValueError("lq_size must be image_size times a power of two")
        return self

    @property
    def blocks_per_level(self) -> tuple[int, ...]:
        """Residual blocks of each level."""
        if isinstance(self.num_res_blocks, int):
            return (self.num_res_blocks,) * len(self.channel_mult)
        return self.num_res_blocks

    @property
    def heads(self) -> int:
        """Attention heads of a Swin block."""
        return (
            self.num_heads if self.num_head_channels == -1 else self.swin_embed_dim // self.num_head_channels
        )


# The released real-world x4 model (118.6 M), on latent codes of a 256 x 256 image.
REALSR_X4 = ResShiftUNetConfig(
    image_size=64,
    model_channels=160,
    attention_resolutions=(64, 32, 16, 8),
    channel_mult=(1, 2, 2, 4),
    num_head_channels=32,
    use_scale_shift_norm=True,
    swin_embed_dim=192,
    mlp_ratio=4,
    lq_size=64,
)
# In pixel space at 112 x 224, for training on the CPU (3.8 M).
PLATE = ResShiftUNetConfig(
    image_size=112,
    model_channels=32,
    num_res_blocks=1,
    attention_resolutions=(56, 28, 14),
    channel_mult=(1, 2, 2, 4),
    num_head_channels=32,
    use_scale_shift_norm=True,
    swin_embed_dim=64,
    window_size=7,
    mlp_ratio=4,
    lq_size=112,
)
# The same plates in blocks of 4 x 4 pixels (48 x 28 x 56), conditioned on the frame at that size, which holds
# all that frames of 9 to 16 pixels' height do: a small part of the cost.
PLATE_UNSHUFFLED = PLATE.model_copy(
    update={
        "image_size": 28,
        "in_channels": 48,
        "out_channels": 48,
        "attention_resolutions": (7,),
        "channel_mult": (1, 2, 4),
        "lq_size": 28,
        "predict_shift": True,
    }
)


class _Stage(nn.Sequential):
    """Layers in a row, of which the residual blocks are told the step."""

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:  # type: ignore[override]
        for layer in self:
            x = layer(x, embedding) if isinstance(layer, ResidualBlock) else layer(x)
        return x


class ResShiftUNet(nn.Module):
    """The U-Net; see the module's docstring.

    Args:
        config: Its shape.
    """

    def __init__(self, config: ResShiftUNetConfig = PLATE) -> None:
        super().__init__()
        self.config = config
        base = config.model_channels
        self.time_embed = nn.Sequential(nn.Linear(base, 4 * base), nn.SiLU(), nn.Linear(4 * base, 4 * base))
        self.feature_extractor, condition = self._condition_layers()

        widths = [int(mult * base) for mult in config.channel_mult]
        sides = [config.image_size >> level for level in range(len(widths))]
        channels = widths[0]
        self.input_blocks = nn.ModuleList(
            [_Stage(nn.Conv2d(config.in_channels + condition, channels, 3, padding=1))]
        )
        skips = [channels]
        for level, width in enumerate(widths):
            for index in range(config.blocks_per_level[level]):
                layers: list[nn.Module] = [self._residual(channels, width)]
                if index == 0 and sides[level] in config.attention_resolutions:
                    layers.append(self._swin(width, sides[level]))
                self.input_blocks.append(_Stage(*layers))
                skips.append(width)
                channels = width
            if level < len(widths) - 1:
                self.input_blocks.append(_Stage(self._resampling(channels, "down")))
                skips.append(channels)
        self.middle_block = _Stage(
            self._residual(channels), self._swin(channels, sides[-1]), self._residual(channels)
        )
        self.output_blocks = nn.ModuleList()
        for level, width in reversed(list(enumerate(widths))):
            for index in range(config.blocks_per_level[level] + 1):
                layers = [self._residual(channels + skips.pop(), width)]
                if index == 0 and sides[level] in config.attention_resolutions:
                    layers.append(self._swin(width, sides[level]))
                if level > 0 and index == config.blocks_per_level[level]:
                    layers.append(self._resampling(width, "up"))
                self.output_blocks.append(_Stage(*layers))
                channels = width
        self.out = nn.Sequential(
            nn.GroupNorm(NORM_GROUPS, channels),
            nn.SiLU(),
            nn.Conv2d(channels, config.out_channels, 3, padding=1),
        )
        if config.predict_shift:
            for parameter in self.out[-1].parameters():
                nn.init.zeros_(parameter)

    def _condition_layers(self) -> tuple[nn.Module, int]:
        """Layers that bring the condition to `image_size`, and the channels they give."""
        config = self.config
        channels = 4 if config.cond_mask else 3
        if config.lq_size == config.image_size:
            return nn.Identity(), channels
        layers: list[nn.Module] = []
        width = 16
        for _ in range((config.lq_size // config.image_size).bit_length() - 1):
            halving = Downsample(width, convolve=True, channels_out=2 * width)
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.SiLU(), halving]
            channels = width = 2 * width
        return nn.Sequential(*layers), width

    def _residual(
        self, channels: int, channels_out: int | None = None, resample: str | None = None
    ) -> ResidualBlock:
        config = self.config
        return ResidualBlock(
            channels,
            4 * config.model_channels,
            config.dropout,
            channels_out,
            scale_shift=config.use_scale_shift_norm,
            resample=resample,
        )

    def _resampling(self, channels: int, direction: Literal["up", "down"]) -> nn.Module:
        if self.config.resblock_updown:
            return self._residual(channels, resample=direction)
        kind = Upsample if direction == "up" else Downsample
        return kind(channels, convolve=self.config.conv_resample)

    def _swin(self, channels: int, side: int) -> SwinLayer:
        config = self.config
        return SwinLayer(
            channels,
            side,
            embed_dim=config.swin_embed_dim,
            heads=config.heads,
            window=config.window_size,
            depth=config.swin_depth,
            mlp_ratio=config.mlp_ratio,
            dropout=config.dropout,
            patch_norm=config.patch_norm,
        )

    @property
    def size_multiple(self) -> int:
        """Height and width must be multiples of this, so that windows fit at every level that has them."""
        levels = len(self.config.channel_mult)
        needed = 2 ** (levels - 1)
        for level in range(levels):
            side = self.config.image_size >> level
            if side in self.config.attention_resolutions or level == levels - 1:
                needed = math.lcm(needed, min(side, self.config.window_size) << level)
        multiple: int = needed
        return multiple

    def forward(self, x: Tensor, step: Tensor, low: Tensor) -> Tensor:
        """Predict the ground truth.

        Args:
            x: Scaled x_t [B, in_channels, H, W].
            step: Step of each sample, counted from 0, [B].
            low: Low-quality image [B, 3 (4 with mask), H, W], larger by `lq_size` / `image_size`.

        Returns:
            [B, out_channels, H, W].

        Raises:
            MethodError: Wrong channels or steps, sides that are not multiples of `size_multiple`, or a
                condition of another size.
        """
        config, multiple = self.config, self.size_multiple
        if x.ndim != 4 or x.shape[1] != config.in_channels or x.shape[2] % multiple or x.shape[3] % multiple:
            raise MethodError(
                f"ResShift: input {list(x.shape)}, needs [B, {config.in_channels}, H, W] "
                f"with H and W multiples of {multiple}"
            )
        if step.shape != (len(x),):
            raise MethodError(f"ResShift: step {list(step.shape)}, needs [{len(x)}]")
        ratio = config.lq_size // config.image_size
        wanted = (len(x), 4 if config.cond_mask else 3, x.shape[2] * ratio, x.shape[3] * ratio)
        if low.shape != wanted:
            raise MethodError(f"ResShift: condition {list(low.shape)}, needs {list(wanted)}")
        condition = self.feature_extractor(low)
        embedding = self.time_embed(encode_steps(step, config.model_channels))
        h = torch.cat([x, condition], dim=1)
        skips: list[Tensor] = []
        for stage in self.input_blocks:
            h = stage(h, embedding)
            skips.append(h)
        h = self.middle_block(h, embedding)
        for stage in self.output_blocks:
            h = stage(torch.cat([h, skips.pop()], dim=1), embedding)
        result: Tensor = self.out(h)
        return result


def load_unet(path: Path, config: ResShiftUNetConfig = REALSR_X4) -> ResShiftUNet:
    """Load an official ResShift checkpoint, or one trained here, in evaluation mode.

    Args:
        path: `.pth` or `.safetensors`; attention masks and position indices may be left out.
        config: Shape of the network; the released real-world x4 model by default.

    Raises:
        MissingWeightsError: There is no such file.
        MethodError: The weights are not of this configuration.
    """
    network = ResShiftUNet(config)
    load_exactly(network, read_state_dict(path), str(path), DERIVED_BUFFERS)
    return network.eval()
