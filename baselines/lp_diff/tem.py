"""TEM: texture enhancement by edge strength and curvature (Gong et al., CVPR 2025, figure 2)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Correlation kernels (not flipped); x grows to the right, y downwards. All carry the Sobel gain of 8, so that
# curvature comes out in 1 / pixel.
DX = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
DXX = 2 * torch.tensor([[1.0, -2.0, 1.0], [2.0, -4.0, 2.0], [1.0, -2.0, 1.0]])
DXY = 2 * torch.tensor([[1.0, 0.0, -1.0], [0.0, 0.0, 0.0], [-1.0, 0.0, 1.0]])
_KERNELS = torch.stack([DX, DX.T, DXX, DXX.T, DXY]).unsqueeze(1)


def responses(x: Tensor, kernels: Tensor, padding: str) -> tuple[Tensor, ...]:
    """Gx, Gy, Ixx, Iyy, Ixy of every channel of [B, C, H, W], each of that shape."""
    batch, channels, height, width = x.shape
    planes = F.pad(x.reshape(batch * channels, 1, height, width), (1, 1, 1, 1), mode=padding)
    return F.conv2d(planes, kernels).view(batch, channels, 5, height, width).unbind(2)


def curvature_of(found: tuple[Tensor, ...], eps: float) -> Tensor:
    """Curvature of the level lines from `responses`, unlimited."""
    gx, gy, ixx, iyy, ixy = found
    numerator = gx.square() * iyy - 2 * gx * gy * ixy + gy.square() * ixx
    return numerator / (gx.square() + gy.square() + eps) ** 1.5


def magnitude_of(found: tuple[Tensor, ...], eps: float) -> Tensor:
    """Gradient magnitude from `responses`."""
    gx, gy = found[:2]
    return (gx.square() + gy.square() + eps).sqrt()


def curvature(x: Tensor, eps: float = 1e-4) -> Tensor:
    """Curvature of the level lines of every channel, in 1 / pixel.

        Cur = (Gx^2 Iyy - 2 Gx Gy Ixy + Gy^2 Ixx) / (Gx^2 + Gy^2 + eps)^1.5

    Positive where the line bends around the darker side: +1/r on a dark disc of radius r, -1/r on a bright
    one, 0 on a straight edge of any direction. Limited to [-1, 1]: a bend tighter than a pixel is noise.

    Args:
        x: Maps [B, C, H, W].
        eps: Keeps flat places at zero, in squared Sobel units (8 times the slope per pixel).
    """
    return curvature_of(responses(x, _KERNELS.to(x), "replicate"), eps).clamp(-1, 1)


class TEM(nn.Module):
    """Gate features by where their edges are strong and bent.

        GM = sqrt(Gx^2 + Gy^2 + eps),   out = F * (1 + softmax_{H W}(GM + Cur))

    The softmax runs over the places of each channel. No parameters.
    """

    eps = 1e-4

    def forward(self, features: Tensor) -> Tensor:
        """Gate [B, C, H, W]; same shape."""
        found = responses(features, _KERNELS.to(features), "replicate")
        bend = curvature_of(found, self.eps).clamp(-1, 1)
        strength = magnitude_of(found, self.eps)
        gate = (strength + bend).flatten(2).softmax(-1).view_as(features)
        return features * (1 + gate)
