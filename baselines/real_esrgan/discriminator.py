"""Real-ESRGAN's discriminator: a U-Net that judges every pixel, with spectral normalisation.

Wang et al., "Real-ESRGAN", 2021 (arXiv 2107.10833), section 3.3; spectral normalisation: Miyato et al.,
ICLR 2018 (arXiv 1802.05957): W / sigma(W), sigma the largest singular value, tracked by power iteration.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import spectral_norm

from mdlp_bench.errors import MethodError


class UNetDiscriminator(nn.Module):
    """Three halvings, three doublings with skip connections, one logit per pixel; official key names.

    Args:
        num_in_ch: Colour channels.
        num_feat: Channels of the first layer; 64 gives the official 4,376,897 parameters.
    """

    def __init__(self, num_in_ch: int = 3, num_feat: int = 64) -> None:
        super().__init__()
        widths = (num_feat, 2 * num_feat, 4 * num_feat, 8 * num_feat)
        self.conv0 = nn.Conv2d(num_in_ch, num_feat, 3, padding=1)
        self.conv1 = _normalised(widths[0], widths[1], halve=True)
        self.conv2 = _normalised(widths[1], widths[2], halve=True)
        self.conv3 = _normalised(widths[2], widths[3], halve=True)
        self.conv4 = _normalised(widths[3], widths[2])
        self.conv5 = _normalised(widths[2], widths[1])
        self.conv6 = _normalised(widths[1], widths[0])
        self.conv7 = _normalised(widths[0], widths[0])
        self.conv8 = _normalised(widths[0], widths[0])
        self.conv9 = nn.Conv2d(num_feat, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Judge images [B, C, H, W] in 0..1; returns logits [B, 1, H, W], positive for real.

        Raises:
            MethodError: Height or width is not a multiple of 8.
        """
        if x.ndim != 4 or x.shape[2] % 8 or x.shape[3] % 8:
            raise MethodError(
                f"discriminator: input {list(x.shape)}, height and width must be multiples of 8"
            )
        skips = [_activate(self.conv0(x))]
        for halving in (self.conv1, self.conv2, self.conv3):
            skips.append(_activate(halving(skips[-1])))
        h = skips.pop()
        for doubling in (self.conv4, self.conv5, self.conv6):
            h = F.interpolate(h, scale_factor=2, mode="bilinear", align_corners=False)
            h = _activate(doubling(h)) + skips.pop()
        result: Tensor = self.conv9(_activate(self.conv8(_activate(self.conv7(h)))))
        return result


def _activate(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.2)


def _normalised(channels_in: int, channels_out: int, *, halve: bool = False) -> nn.Module:
    if halve:
        return spectral_norm(nn.Conv2d(channels_in, channels_out, 4, stride=2, padding=1, bias=False))
    return spectral_norm(nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False))
