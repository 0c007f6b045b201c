"""Haar wavelet transform of image batches.

With a, b, c, d the four pixels of a 2 x 2 block (a b over c d), orthonormal Haar gives the mean
(a + b + c + d) / 2 and three detail bands: (a + b - c - d) / 2, (a - b + c - d) / 2 and (a - b - c + d) / 2
(Mallat, "A Theory for Multiresolution Signal Decomposition", TPAMI 1989).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def haar_details(image: Tensor, levels: int) -> list[Tensor]:
    """Detail bands of a multi-level Haar transform, finest first.

    Args:
        image: [B, C, H, W]; an odd side is continued by repeating its last row or column.
        levels: How often the mean band is split again.

    Returns:
        One tensor per level, [B, C, 3, H / 2^level, W / 2^level], sides rounded up.
    """
    details = []
    for _ in range(levels):
        height, width = image.shape[-2:]
        if height % 2 or width % 2:
            image = F.pad(image, (0, width % 2, 0, height % 2), mode="replicate")
        a, b = image[..., 0::2, 0::2], image[..., 0::2, 1::2]
        c, d = image[..., 1::2, 0::2], image[..., 1::2, 1::2]
        details.append(torch.stack((a + b - c - d, a - b + c - d, a - b - c + d), dim=2) / 2)
        image = (a + b + c + d) / 2
    return details
