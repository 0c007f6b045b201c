"""LPDGAN's generator (Gong et al., arXiv 2404.13677): a Swin U-Net on three scales of one blurred plate.

Each scale has a Swin encoder that ends at 7 x 7 tokens. Neighbouring scales are fused: the coarser one,
through two convolutional branches, scales and shifts the finer one. One decoder gives the image at four
scales, and two heads read the plate's text from its maps. Attribute names are the released checkpoints'.

Oddities of the release, kept where weights depend on them:

- The U-Net's own encoder, the patch embeddings of the image heads and the skip connections are never used
  (`LpdganConfig.unused`), nor is the fourth input, 14 x 28.
- Four fifths of all parameters are the linear layers of the text heads.
- The text heads end in argmax, so that their L1 loss has no gradient; `text_logits` here are taken before it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.resshift.swin import APART, DERIVED_BUFFERS, WindowAttention
from mdlp_bench.frozen import Frozen
from mdlp_bench.methods.weights import load_exactly, read_state_dict
from mdlp_bench.metrics.protocol import WORKING_SIZE
from mdlp_bench.plate import ALPHABET
from mdlp_bench.training.teacher import POSITIONS

PATCH: Final = (2, 4)
"""Height and width of a patch: 112 x 224 pixels become 56 x 56 tokens."""
WINDOW: Final = 7
_SIDE: Final = WORKING_SIZE[0] // PATCH[0]
_STAGES: Final = 4


class LpdganConfig(Frozen):
    """Shape of the generator; the released one by default.

    Attributes:
        embed_dim: Channels of the finest tokens; each coarser stage has twice as many.
        encoder_depth: Blocks per stage of the three encoders.
        decoder_depths: Blocks of the decoder's stages with 14 x 14, 28 x 28 and 56 x 56 tokens.
        heads: Attention heads of the stages, finest first.
        output_heads: Attention heads of the heads that give images.
        text_channels: Channels of the two convolutions of a text head.
        positions: Characters that a text head gives.
        classes: Classes of each.
        text_columns: Whether a text head averages each column of tokens first, which is where a plate's
            characters stand; the released one gives every token a weight for every class and position.
        residual: Whether the images are added to the input at their scale; the released one gives them whole.
        unused: Whether the released modules that nothing uses exist.
    """

    embed_dim: int = Field(default=48, gt=0)
    encoder_depth: int = Field(default=2, gt=0)
    decoder_depths: tuple[int, int, int] = (6, 2, 2)
    heads: tuple[int, int, int, int] = (3, 6, 12, 24)
    output_heads: int = Field(default=3, gt=0)
    text_channels: tuple[int, int] = (128, 64)
    positions: int = Field(default=21, gt=0)
    classes: int = Field(default=78, gt=1)
    text_columns: bool = False
    residual: bool = False
    unused: bool = True


RELEASED: Final = LpdganConfig()
"""The released generator: 128.9 million parameters."""

PLATE: Final = LpdganConfig(
    embed_dim=12,
    decoder_depths=(2, 2, 2),
    text_channels=(32, 16),
    positions=POSITIONS,
    classes=len(ALPHABET) + 1,
    text_columns=True,
    residual=True,
    unused=False,
)
"""Trains on a CPU: a quarter of the width, heads that read columns, images added to the input."""


class LpdganOutput(NamedTuple):
    """The outputs of the generator.

    Attributes:
        images: The restored image [B, 3, 112, 224] in about [-1, 1], then its halves, quarters and eighths.
        text_logits: [B, positions, classes] of the 28 x 28 and of the 14 x 14 map.
    """

    images: tuple[Tensor, Tensor, Tensor, Tensor]
    text_logits: tuple[Tensor, Tensor]


class Mlp(nn.Module):
    """Two linear layers with GELU between them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, 4 * channels)
        self.fc2 = nn.Linear(4 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """[..., C] to the same shape."""
        result: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return result


class SwinBlock(nn.Module):
    """Window attention and a feed-forward layer, each normed and with a skip (Liu et al., ICCV 2021).

    Args:
        channels: Channels of the tokens.
        side: Side of the square token map; one of `WINDOW` is a single window, unshifted.
        heads: Attention heads.
        shifted: Whether windows are shifted by half their side.
    """

    attn_mask: Tensor | None

    def __init__(self, channels: int, side: int, heads: int, *, shifted: bool) -> None:
        super().__init__()
        self.shift = WINDOW // 2 if shifted and side > WINDOW else 0
        self.norm1 = nn.LayerNorm(channels)
        self.attn = WindowAttention(channels, WINDOW, heads)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = Mlp(channels)
        self.register_buffer("attn_mask", _shift_mask(side, self.shift) if self.shift else None)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens [B, side, side, C] to the same shape."""
        batch, side, _, channels = x.shape
        rows = side // WINDOW
        h = torch.roll(self.norm1(x), (-self.shift, -self.shift), dims=(1, 2))
        h = h.view(batch, rows, WINDOW, rows, WINDOW, channels).transpose(2, 3)
        h = self.attn(h.reshape(-1, WINDOW * WINDOW, channels), self.attn_mask)
        h = h.view(batch, rows, rows, WINDOW, WINDOW, channels).transpose(2, 3).reshape(x.shape)
        x = x + torch.roll(h, (self.shift, self.shift), dims=(1, 2))
        result: Tensor = x + self.mlp(self.norm2(x))
        return result


def _shift_mask(side: int, shift: int) -> Tensor:
    """The mask added to attention after a cyclic shift: 0 within a region, -100 across; [windows, 49, 49]."""
    place = torch.arange(side)
    region = (place >= side - WINDOW).long() + (place >= side - shift).long()
    regions = (3 * region[:, None] + region).view(side // WINDOW, WINDOW, side // WINDOW, WINDOW)
    windows = regions.transpose(1, 2).reshape(-1, WINDOW * WINDOW)
    return torch.where(windows[:, :, None] == windows[:, None, :], 0.0, APART)


class PatchMerging(nn.Module):
    """Halve the token map: 2 x 2 tokens become one of twice the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduction = nn.Linear(4 * channels, 2 * channels, bias=False)
        self.norm = nn.LayerNorm(4 * channels)

    def forward(self, x: Tensor) -> Tensor:
        """[B, 2s, 2s, C] to [B, s, s, 2C]."""
        # The release takes the four tokens column by column.
        four = [x[:, down::2, right::2] for right in (0, 1) for down in (0, 1)]
        result: Tensor = self.reduction(self.norm(torch.cat(four, -1)))
        return result


class PatchExpand(nn.Module):
    """Enlarge the token map: each token becomes rows x columns tokens.

    Args:
        channels: Channels of the tokens.
        wanted: Channels of the new ones.
        size: Rows and columns.
    """

    def __init__(self, channels: int, wanted: int, size: tuple[int, int] = (2, 2)) -> None:
        super().__init__()
        self.size = size
        self.expand = nn.Linear(channels, size[0] * size[1] * wanted, bias=False)
        self.norm = nn.LayerNorm(wanted)

    def forward(self, x: Tensor) -> Tensor:
        """[B, H, W, C] to [B, rows * H, columns * W, wanted]."""
        batch, height, width, _ = x.shape
        rows, columns = self.size
        h = self.expand(x).view(batch, height, width, rows, columns, -1).transpose(2, 3)
        result: Tensor = self.norm(h.reshape(batch, rows * height, columns * width, -1))
        return result


class PatchEmbed(nn.Module):
    """Patches of 2 x 4 pixels as tokens."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, channels, PATCH, stride=PATCH)
        self.norm = nn.LayerNorm(channels)

    def forward(self, images: Tensor) -> Tensor:
        """[B, 3, H, W] to [B, H / 2, W / 4, C]."""
        result: Tensor = self.norm(self.proj(images).permute(0, 2, 3, 1))
        return result


class Stage(nn.Module):
    """Blocks, every second one shifted, and the change of resolution after them, if any.

    Args:
        channels: Channels of the tokens.
        side: Side of the token map.
        depth: Blocks.
        heads: Attention heads.
        change: `downsample`, `upsample` or None.
    """

    def __init__(self, channels: int, side: int, depth: int, heads: int, change: str | None = None) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            SwinBlock(channels, side, heads, shifted=index % 2 == 1) for index in range(depth)
        )
        self.downsample = PatchMerging(channels) if change == "downsample" else None
        self.upsample = PatchExpand(channels, channels // 2) if change == "upsample" else None

    def forward(self, x: Tensor) -> Tensor:
        """Tokens [B, side, side, C] to those of the next stage."""
        for block in self.blocks:
            x = block(x)
        if self.downsample is not None:
            x = self.downsample(x)
        return x if self.upsample is None else self.upsample(x)


class InputEncoder(nn.Module):
    """A Swin encoder of one scale: four stages, of which those with more than 7 x 7 tokens halve them.

    Args:
        config: Widths and depths.
        side: Side of its finest token map: 56, 28 or 14.

    Attributes:
        channels: Channels of the 7 x 7 tokens it ends with.
    """

    def __init__(self, config: LpdganConfig, side: int) -> None:
        super().__init__()
        self.channels = config.embed_dim
        self.patch_embed = PatchEmbed(self.channels)
        self.layers = nn.ModuleList()
        for heads in config.heads:
            change = "downsample" if side > WINDOW else None
            self.layers.append(Stage(self.channels, side, config.encoder_depth, heads, change))
            if change:
                side, self.channels = side // 2, 2 * self.channels
        self.norm = nn.LayerNorm(self.channels)

    def forward(self, images: Tensor) -> Tensor:
        """[B, 3, 2 side, 4 side] to tokens [B, 7, 7, channels]."""
        x = self.patch_embed(images)
        for stage in self.layers:
            x = stage(x)
        result: Tensor = self.norm(x)
        return result


class ImageHead(nn.Module):
    """Two blocks and an enlargement that give the image of one scale of the decoder."""

    def __init__(self, config: LpdganConfig, channels: int, side: int) -> None:
        super().__init__()
        if config.unused:
            self.patch_embed = PatchEmbed(channels)
            self.norm_up = nn.LayerNorm(channels)
        self.layers = nn.ModuleList([Stage(channels, side, 2, config.output_heads)])
        self.norm = nn.LayerNorm(channels)
        self.up = PatchExpand(channels, channels, PATCH)
        self.output = nn.Conv2d(channels, 3, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens [B, side, side, C] to an image [B, 3, 2 side, 4 side]."""
        x = self.norm(self.layers[0](x))
        result: Tensor = self.output(self.up(x).permute(0, 3, 1, 2))
        return result


class TokenConvolutions(nn.Module):
    """Two convolutions of width 3 along the row of all tokens, with batch norms."""

    def __init__(self, channels: int, hidden: int, wanted: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(channels, hidden, 3, padding=1)
        self.norm1 = nn.BatchNorm1d(hidden)
        self.conv2 = nn.Conv1d(hidden, wanted, 3, padding=1)
        self.norm2 = nn.BatchNorm1d(wanted)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, L] to [B, wanted, L]."""
        x = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(x)))


class TextHead(TokenConvolutions):
    """Reads the text from a token map.

    Args:
        config: Its size.
        channels: Channels of the tokens.
        side: Side of the token map.
    """

    def __init__(self, config: LpdganConfig, channels: int, side: int) -> None:
        hidden, wanted = config.text_channels
        super().__init__(channels, hidden, wanted)
        self.columns = config.text_columns
        self.shape = (config.positions, config.classes)
        tokens = side if self.columns else side * side
        self.fc = nn.Linear(wanted * tokens, config.positions * config.classes)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens [B, side, side, C] to logits [B, positions, classes]."""
        row = x.mean(1) if self.columns else x.flatten(1, 2)
        logits: Tensor = self.fc(super().forward(row.transpose(1, 2)).flatten(1))
        return logits.view(-1, *self.shape)


class SwinUnet(nn.Module):
    """The network under the name that checkpoints give it; see `Lpdgan`."""

    def __init__(self, config: LpdganConfig) -> None:
        super().__init__()
        widths = [config.embed_dim * 2**stage for stage in range(_STAGES)]
        sides = [_SIDE // 2**stage for stage in range(_STAGES)]
        deepest = widths[-1]
        if config.unused:
            self.patch_embed = PatchEmbed(widths[0])
            depths = (*reversed(config.decoder_depths), config.encoder_depth)
            changes = (*["downsample"] * (_STAGES - 1), None)
            self.layers = nn.ModuleList(
                Stage(*stage) for stage in zip(widths, sides, depths, config.heads, changes, strict=True)
            )
            self.concat_back_dim = nn.ModuleList(
                [nn.Identity(), *(nn.Linear(2 * width, width) for width in widths[-2::-1])]
            )
        self.MBO1, self.MBO2, self.MBO3 = (
            ImageHead(config, width, side) for width, side in zip(widths[1:], sides[1:], strict=True)
        )
        self.CNN_block1 = TextHead(config, widths[1], sides[1])
        self.CNN_block2 = TextHead(config, widths[2], sides[2])
        self.IE0, self.IE1, self.IE2 = (InputEncoder(config, side) for side in sides[:3])
        self.Linear = nn.Linear(2 * (self.IE0.channels + self.IE1.channels), deepest)
        for index, (fine, coarse) in enumerate(((self.IE0, self.IE1), (self.IE1, self.IE2)), start=1):
            half = coarse.channels // 2
            for branch in (1, 2):
                convolutions = TokenConvolutions(half, (half + fine.channels) // 2, fine.channels)
                self.add_module(f"Fusion{index}CNN{branch}", convolutions)
        self.layers_up = nn.ModuleList([PatchExpand(deepest, widths[2])])
        for stage, depth in zip((2, 1, 0), config.decoder_depths, strict=True):
            change = "upsample" if stage else None
            self.layers_up.append(Stage(widths[stage], sides[stage], depth, config.heads[stage], change))
        self.norm = nn.LayerNorm(deepest)
        self.norm_up = nn.LayerNorm(widths[0])
        self.up = PatchExpand(widths[0], widths[0], PATCH)
        self.output = nn.Conv2d(widths[0], 3, 1, bias=False)

    def forward(self, full: Tensor, half: Tensor, quarter: Tensor) -> LpdganOutput:
        """The three scales of the blurred image to everything the generator gives."""
        fine, middle, coarse = self.IE0(full), self.IE1(half), self.IE2(quarter)
        fused = torch.cat([self._fused(1, fine, middle), self._fused(2, middle, coarse)], -1)
        x = self.norm(self.Linear(fused))
        eighths = self.MBO3(x)
        x = self.layers_up[0](x)
        coarse_text, quarters = self.CNN_block2(x), self.MBO2(x)
        x = self.layers_up[1](x)
        fine_text, halves = self.CNN_block1(x), self.MBO1(x)
        x = self.layers_up[3](self.layers_up[2](x))
        image = self.output(self.up(self.norm_up(x)).permute(0, 3, 1, 2))
        return LpdganOutput((image, halves, quarters, eighths), (fine_text, coarse_text))

    def _fused(self, index: int, fine: Tensor, coarse: Tensor) -> Tensor:
        """The finer tokens scaled and shifted by two branches of the coarser ones, beside themselves."""
        factor, offset = (
            self.get_submodule(f"Fusion{index}CNN{branch}")(half.flatten(1, 2).transpose(1, 2))
            .transpose(1, 2)
            .view_as(fine)
            for branch, half in enumerate(coarse.chunk(2, -1), start=1)
        )
        return torch.cat([factor * fine + offset, fine], -1)


class Lpdgan(nn.Module):
    """LPDGAN's generator (see the module)."""

    def __init__(self, config: LpdganConfig) -> None:
        super().__init__()
        self.config = config
        self.swin_unet = SwinUnet(config)

    def outputs(
        self, image: Tensor, half: Tensor | None = None, quarter: Tensor | None = None
    ) -> LpdganOutput:
        """Everything the generator gives.

        Args:
            image: Blurred plates [B, 3, 112, 224] in [-1, 1].
            half: At half the size; by default bilinear, as released.
            quarter: At a quarter of the size, likewise.
        """
        half = smaller(image, 2) if half is None else half
        quarter = smaller(image, 4) if quarter is None else quarter
        result: LpdganOutput = self.swin_unet(image, half, quarter)
        if not self.config.residual:
            return result
        inputs = (image, half, quarter, smaller(quarter, 2))
        one, two, four, eight = (a + b for a, b in zip(result.images, inputs, strict=True))
        return LpdganOutput((one, two, four, eight), result.text_logits)

    def forward(self, image: Tensor) -> Tensor:
        """Blurred plates [B, 3, 112, 224] in [-1, 1] to restored ones of the same shape."""
        return self.outputs(image).images[0]


def smaller(images: Tensor, factor: int) -> Tensor:
    """Images [B, 3, H, W] at 1 / `factor` of their size, by bilinear interpolation as the release does it."""
    return F.interpolate(images, scale_factor=1 / factor, mode="bilinear")


def load_generator(path: Path) -> Lpdgan:
    """A released generator (`<epoch>_net_G.pth`), in evaluation mode.

    Raises:
        MissingWeightsError: There is no such file.
        MethodError: It is not a checkpoint of the released generator; names the first key at fault.
    """
    network = Lpdgan(RELEASED)
    load_exactly(network, read_state_dict(path), str(path), DERIVED_BUFFERS)
    return network.eval()
