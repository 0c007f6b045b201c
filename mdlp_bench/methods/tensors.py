"""Conversion between the project's images and the tensors of networks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


def to_tensor(images: npt.NDArray[np.uint8] | Tensor, device: torch.device | str = "cpu") -> Tensor:
    """uint8 RGB [..., H, W, 3] to float32 [..., 3, H, W] in [-1, 1], converted on the device."""
    return (
        torch.as_tensor(images)
        .to(device, non_blocking=True)
        .movedim(-1, -3)
        .to(torch.float32)
        .div_(127.5)
        .sub_(1)
    )


def to_images(tensor: Tensor) -> npt.NDArray[np.uint8]:
    """Float [..., 3, H, W] in [-1, 1] (values beyond are clipped) to uint8 RGB [..., H, W, 3]."""
    scaled = tensor.detach().float().add(1).mul(127.5).round().clamp(0, 255)
    return scaled.to(torch.uint8).movedim(-3, -1).cpu().contiguous().numpy()
