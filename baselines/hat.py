"""HAT: window attention with channel attention and overlapping cross-attention.

Chen, Wang, Zhou, Qiao, Dong: "Activating More Pixels in Image Super-Resolution Transformer", CVPR 2023
(arXiv 2205.04437). The layers are spandrel's (MIT); official checkpoints (Apache-2.0) load with their own
keys. Inputs are padded by reflection to a multiple of the window and cropped after enlargement: 28 x 56 runs
as 32 x 64 with the official window of 16.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from baselines.spandrel_models import LoadedNetwork, load_with_spandrel
from mdlp_bench.frozen import Frozen
from mdlp_bench.methods.weights import read_state_dict

if TYPE_CHECKING:
    from torch import nn


class HatConfig(Frozen):
    """The released constructor's arguments, by their names; defaults are those of the base model (20.8 M).

    Attributes:
        img_size: Size the relative positions are laid out for; any input size runs.
        in_chans: Colour channels.
        embed_dim: Channels of the body.
        depths: Attention blocks of each group.
        num_heads: Heads of each group's blocks.
        window_size: Side of an attention window; even, so that the overlapping windows have a centre.
        compress_ratio: Channel reduction of the convolution branch.
        squeeze_factor: Channel reduction of its channel attention.
        conv_scale: Weight of the convolution branch.
        overlap_ratio: How far the overlapping windows reach beyond a window, as a share of its side.
        mlp_ratio: Width of the feed-forward layers over `embed_dim`.
        upscale: Enlargement.
        img_range: Value range of the images.
        upsampler: How the last layers enlarge.
        resi_connection: What joins a group's skip connection.
        drop_path_rate: Stochastic depth while training.
        num_feat: Channels of the enlarging layers; 64 in every released model.
    """

    img_size: int = Field(default=64, ge=1)
    in_chans: Literal[3] = 3
    embed_dim: int = Field(default=180, ge=1)
    depths: tuple[int, ...] = (6, 6, 6, 6, 6, 6)
    num_heads: tuple[int, ...] = (6, 6, 6, 6, 6, 6)
    window_size: int = Field(default=16, ge=2, multiple_of=2)
    compress_ratio: int = Field(default=3, ge=1)
    squeeze_factor: int = Field(default=30, ge=1)
    conv_scale: float = 0.01
    overlap_ratio: float = Field(default=0.5, ge=0, le=1)
    mlp_ratio: float = Field(default=2.0, gt=0)
    upscale: Literal[2, 3, 4, 8] = 4
    img_range: float = 1.0
    upsampler: Literal["pixelshuffle"] = "pixelshuffle"
    resi_connection: Literal["1conv", "identity"] = "1conv"
    drop_path_rate: float = Field(default=0.1, ge=0, lt=1)
    num_feat: int = Field(default=64, ge=1)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(self.depths) != len(self.num_heads):
            raise ValueError("depths and num_heads must name the same groups")
        if any(self.embed_dim % heads for heads in self.num_heads):
            raise ValueError("embed_dim must be a multiple of every num_heads")
        return self


HAT_SMALL = HatConfig(embed_dim=144, compress_ratio=24, squeeze_factor=24)
HAT_BASE = HatConfig()
HAT_LARGE = HatConfig(depths=(6,) * 12, num_heads=(6,) * 12)

# For training on the CPU with frames of 28 x 56 enlarged four times; the window of 8 pads them to 32 x 56.
PLATE = HatConfig(
    img_size=56,
    embed_dim=48,
    depths=(4, 4),
    num_heads=(4, 4),
    window_size=8,
    squeeze_factor=12,
    drop_path_rate=0.0,
    num_feat=32,
)


def build_hat(config: HatConfig = PLATE) -> nn.Module:
    """A network of this shape with fresh weights, in training mode; [B, 3, h, w] to the enlarged image."""
    from spandrel.architectures.HAT import HAT

    with _without_its_warning():
        network: nn.Module = HAT(**config.model_dump())
        return network


# The factor of x in the difference of HAT's leaky ReLU at x and at -x.
_LEAKY_GAIN = 1.01


@torch.no_grad()
def start_as_enlargement(network: nn.Module) -> None:
    """Set weights of a network of `build_hat`, enlarging 4 times, so that it starts by enlarging its input.

    The colours pass through the first convolution and the skip over the body, and every enlarging layer
    doubles them bilinearly; all else is random and unused, so training begins with what the body adds. With
    the usual random weights a network needs thousands of samples to learn even the colours.
    """
    colours = 3
    names = (
        "conv_first",
        "conv_after_body",
        "conv_before_upsample.0",
        "upsample.0",
        "upsample.2",
        "conv_last",
    )
    first, after_body, before, *doubling, last = (network.get_parameter(f"{name}.weight") for name in names)
    for name in names:
        network.get_parameter(f"{name}.bias").zero_()
    for colour in range(colours):
        after_body[colour] = 0
        _pass(first, colour, colour)
        # A colour and its negative: together they pass the activation that follows.
        for sign, channel in ((1, colour), (-1, colours + colour)):
            _pass(before, channel, colour, sign)
            for layer in doubling:
                for phase in range(4):
                    layer[4 * channel + phase] = 0
                    layer[4 * channel + phase, channel] = _bilinear(phase)
    last.zero_()
    for colour in range(colours):
        for sign, channel in ((1, colour), (-1, colours + colour)):
            last[colour, channel, 1, 1] = sign / _LEAKY_GAIN


def _pass(weight: Tensor, out: int, into: int, sign: int = 1) -> None:
    """Make channel `out` of a 3 x 3 convolution its input channel `into`, times a sign."""
    weight[out] = 0
    weight[out, into, 1, 1] = sign


def _bilinear(phase: int) -> Tensor:
    """The kernel [3, 3] that gives pixel `phase` (row by row) of a 2 x 2 block of a bilinear doubling."""
    sides = torch.tensor([[0.25, 0.75, 0.0], [0.0, 0.75, 0.25]])
    return sides[phase // 2][:, None] * sides[phase % 2]


def load_hat(path: Path) -> LoadedNetwork:
    """Load an official HAT checkpoint (`params_ema` preferred), or one trained here.

    The shape follows from the weights. Two numbers are not in them and take the values of every official
    model: `conv_scale` 0.01 and `img_range` 1.

    Raises:
        MissingWeightsError: There is no such file.
        MethodError: It is not a HAT checkpoint.
    """
    from spandrel.architectures.HAT import HATArch

    with _without_its_warning():
        return load_with_spandrel(read_state_dict(path), str(path), [HATArch()])


@contextmanager
def _without_its_warning() -> Iterator[None]:
    with warnings.catch_warnings():
        # spandrel's HAT calls torch.meshgrid without `indexing`, which users cannot change.
        warnings.filterwarnings("ignore", "torch.meshgrid", UserWarning)
        yield
