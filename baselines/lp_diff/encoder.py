"""Encoder and decoder of the conditioning network (Gong et al., CVPR 2025, figure 2)."""

from __future__ import annotations

from math import gcd

from torch import Tensor, nn

from baselines.lp_diff.dfm import fusion
from baselines.sr3 import Activate

Widths = tuple[int, int, int, int]


def _conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution, group norm (8 groups where they divide) and SiLU."""
    padding = (kernel - 1) // 2
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
    return nn.Sequential(convolution, nn.GroupNorm(gcd(8, outputs), outputs), Activate())


def _down(inputs: int, outputs: int) -> nn.Sequential:
    """Half the size by non-overlapping 2 x 2 patches."""
    return _conv(inputs, outputs, kernel=2, stride=2)


def _up(inputs: int, outputs: int, kernel: int = 1) -> nn.Sequential:
    """Twice the size by sub-pixel convolution."""
    return nn.Sequential(nn.Conv2d(inputs, 4 * outputs, kernel, padding=kernel // 2), nn.PixelShuffle(2))


class _Refine(nn.Module):
    """A residual convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = _conv(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        refined: Tensor = x + self.conv(x)
        return refined


class Encoder(nn.Module):
    """Four (convolution, down) stages with a fused side branch.

        x_i = Stage_i(x_{i-1}),   x_4 = Stage_4(x_3 + Down(DFM(Down(x_1), x_2)))

    A stage's convolution carries the stride 2 itself, as in the release; a residual convolution refines the
    result of all but the first, whose maps are the largest. The side branch hands the fine first stage past
    the third one.

    Args:
        widths: Channels after each stage.
        dfm: Fuse the side branch by DFM (else by the mean: ablation exp4).
    """

    def __init__(self, widths: Widths, *, dfm: bool) -> None:
        super().__init__()
        inputs = (3, *widths[:3])
        self.stages = nn.ModuleList(_conv(a, b, stride=2) for a, b in zip(inputs, widths, strict=True))
        self.refine = nn.ModuleList([nn.Identity(), *(_Refine(width) for width in widths[1:])])
        self.side_in = _down(widths[0], widths[1])
        self.side_fuse = fusion(widths[1], 2, dfm=dfm)
        self.side_out = _down(widths[1], widths[2])

    def forward(self, frames: Tensor) -> Tensor:
        """Frames [B, 3, H, W] in [-1, 1] to features [B, widths[3], H / 16, W / 16]."""
        first = self._stage(0, frames)
        second = self._stage(1, first)
        side = self.side_fuse((self.side_in(first), second))
        third = self._stage(2, second)
        return self._stage(3, third + self.side_out(side))

    def _stage(self, index: int, x: Tensor) -> Tensor:
        refined: Tensor = self.refine[index](self.stages[index](x))
        return refined


class Decoder(nn.Module):
    """The encoder's mirror image: four (convolution, up) stages with a fused side branch.

    y_i = Stage_i(y_{i-1}),   psi = Stage_4(y_3 + Up(DFM(Up(y_1), y_2)))
    """

    def __init__(self, widths: Widths, *, dfm: bool) -> None:
        super().__init__()
        inputs = widths[::-1]
        outputs = (*widths[2::-1], 3)
        self.refine = nn.ModuleList([*(_Refine(width) for width in inputs[:3]), nn.Identity()])
        kernels = (1, 1, 1, 3)
        self.stages = nn.ModuleList(_up(a, b, k) for a, b, k in zip(inputs, outputs, kernels, strict=True))
        self.side_in = _up(outputs[0], outputs[1])
        self.side_fuse = fusion(outputs[1], 2, dfm=dfm)
        self.side_out = _up(outputs[1], outputs[2])

    def forward(self, features: Tensor) -> Tensor:
        """Features [B, widths[3], H / 16, W / 16] to psi [B, 3, H, W], unbounded."""
        first = self._stage(0, features)
        second = self._stage(1, first)
        side = self.side_fuse((self.side_in(first), second))
        third = self._stage(2, second)
        return self._stage(3, third + self.side_out(side))

    def _stage(self, index: int, x: Tensor) -> Tensor:
        stage: Tensor = self.stages[index](self.refine[index](x))
        return stage
