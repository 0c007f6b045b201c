"""ResDiff's first stage: a CNN that restores the low frequencies, and its frequency-domain loss.

Shang, Shan, Liu, Wang, Wang, Zhang, Zhang: "ResDiff: Combining CNN and Diffusion Model for Image
Super-Resolution", AAAI 2024 (arXiv 2303.08714), section "CNN pre-training".
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.resdiff.wavelet import haar_details
from mdlp_bench.errors import MethodError


class SimpleCnn(nn.Module):
    """Three convolutions and a pixel shuffle on top of bicubic enlargement; released key names.

    Args:
        scale_factor: Enlargement.
    """

    def __init__(self, scale_factor: int = 4) -> None:
        super().__init__()
        self.scale_factor = scale_factor
        self.conv1 = nn.Conv2d(3, 64, 3, padding=1)
        self.conv2 = nn.Conv2d(64, 32, 3, padding=1)
        self.conv3 = nn.Conv2d(32, 3 * scale_factor**2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Enlarge `x` [B, 3, h, w] to [B, 3, scale h, scale w], same value range, unclipped.

        Raises:
            MethodError: The input is not [B, 3, h, w].
        """
        if x.ndim != 4 or x.shape[1] != 3:
            raise MethodError(f"ResDiff CNN: input {list(x.shape)}, needs [B, 3, h, w]")
        scale = self.scale_factor
        h = self.conv3(F.relu(self.conv2(F.relu(self.conv1(x)))))
        enlarged = F.interpolate(x, scale_factor=scale, mode="bicubic", align_corners=False)
        return F.pixel_shuffle(h, scale) + enlarged


def fft_loss(restored: Tensor, gt: Tensor) -> Tensor:
    """Mean squared error of the orthonormal 2-D spectra [B, C, H, W], real plus imaginary part; a scalar."""
    difference = torch.fft.fft2(restored - gt, norm="ortho")
    result: Tensor = difference.real.square().mean() + difference.imag.square().mean()
    return result


def haar_loss(restored: Tensor, gt: Tensor, levels: int = 4) -> Tensor:
    """Mean squared error of every Haar detail band [B, C, H, W], summed over bands and levels; a scalar."""
    differences = haar_details(restored - gt, levels)
    terms = [band.square().mean() for level in differences for band in level.unbind(dim=2)]
    return torch.stack(terms).sum()


def cnn_loss(restored: Tensor, gt: Tensor, fft_weight: float = 0.2, haar_weight: float = 0.1) -> Tensor:
    """What the CNN minimises: `fft_weight` FFT loss + `haar_weight` Haar loss; a scalar."""
    return fft_weight * fft_loss(restored, gt) + haar_weight * haar_loss(restored, gt)
