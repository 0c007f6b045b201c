"""SRCNN: three convolutions on the bicubically enlarged frame.

Dong, Loy, He, Tang: "Image Super-Resolution Using Deep Convolutional Networks", TPAMI 38(2), 2016
(arXiv 1501.00092), equations 1-3: F1 = max(0, W1 * Y + B1), F2 = max(0, W2 * F1 + B2), F = W3 * F2 + B3.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from mdlp_bench.errors import MethodError
from mdlp_bench.frozen import Frozen


class SrcnnConfig(Frozen):
    """Shape of the network.

    Attributes:
        middle_kernel: Kernel of the second layer: 5 gives the 9-5-5 network, 1 the 9-1-5 one.
        num_channels: Colour channels in and out.
    """

    middle_kernel: Literal[1, 3, 5] = 5
    num_channels: int = Field(default=3, ge=1)


SRCNN_955 = SrcnnConfig(middle_kernel=5)
SRCNN_915 = SrcnnConfig(middle_kernel=1)


class Srcnn(nn.Module):
    """The network; weights start as the paper's (Gaussian, standard deviation 0.001, zero biases).

    It keeps the size: zero padding, so the input is the frame already enlarged to the output size.
    """

    def __init__(self, config: SrcnnConfig = SRCNN_955) -> None:
        super().__init__()
        self.config = config
        channels, middle = config.num_channels, config.middle_kernel
        self.conv1 = nn.Conv2d(channels, 64, 9, padding=4)
        self.conv2 = nn.Conv2d(64, 32, middle, padding=middle // 2)
        self.conv3 = nn.Conv2d(32, channels, 5, padding=2)
        for name, parameter in self.named_parameters():
            if name.endswith("weight"):
                nn.init.normal_(parameter, std=1e-3)
            else:
                nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """Restore `x` [B, C, H, W], values about 0..1; returns the same shape, unclipped.

        Raises:
            MethodError: The input is not [B, C, H, W] with the configured number of channels.
        """
        if x.ndim != 4 or x.shape[1] != self.config.num_channels:
            raise MethodError(f"SRCNN: input {list(x.shape)}, needs [B, {self.config.num_channels}, H, W]")
        result: Tensor = self.conv3(F.relu(self.conv2(F.relu(self.conv1(x)))))
        return result
