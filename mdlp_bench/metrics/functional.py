"""Scores of images and texts, one per sample, for numpy arrays and torch tensors alike.

Images are [B, H, W, 3] or [B, 3, H, W], RGB, at least 11 pixels on each side; the axis of size 3 says which.
They are uint8, or floating point with `data_range`: black and white, `(0, 1)` or `(-1, 1)`, or white alone,
`1.0` or `255`, when black is 0. The protocol scores stored 8-bit images, so floating-point images are limited
to the range and rounded to 8 bits first: the numbers are those of the harness, but they have no gradient.
Networks overshoot: values up to half the range below black or above white are clipped. Values further out are
refused, because the images then have another range than the one stated. The protocol also brings images to
112 x 224 first (`to_working_size`).

Scores come back as float64 [B], in an array or in a tensor on the device of the restored images.
"""

from __future__ import annotations

import math
from functools import lru_cache
from numbers import Real
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from mdlp_bench.device import Compute
from mdlp_bench.errors import DataError
from mdlp_bench.metrics import fidelity, registered
from mdlp_bench.metrics.protocol import CURRENT, LpipsNet, checked_net
from mdlp_bench.metrics.text import accuracy, cer, ned, within

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from mdlp_bench.metrics.perceptual import Lpips

__all__ = [
    "accuracy",
    "cer",
    "lpips",
    "ned",
    "psnr",
    "psnr_aligned",
    "ssim",
    "ssim_aligned",
    "to_uint8",
    "within",
]

Range = float | tuple[float, float]
"""The values of black and white; a single number is white, and black is 0."""

_OVERSHOOT: Final = 0.5
"""How far beyond black and white values are clipped, as a share of the range; further ones are refused."""

Images = TypeVar("Images", npt.NDArray[Any], "Tensor")


def psnr(preds: Images, target: Images, *, data_range: Range | None = None) -> Images:
    """Peak signal-to-noise ratio in dB: see `fidelity.psnr`. Higher is better, [0, 100].

    Args:
        preds: Restored images (see the module).
        target: Ground truth of the same shape.
        data_range: Black and white of floating-point images, e.g. `(0, 1)`, or white alone, e.g. `1.0`.

    Raises:
        DataError: Wrong type, shape or range, or values that are not finite or far outside the range.

    Example:
        >>> import numpy as np, mdlp_bench as mb
        >>> gt = np.zeros((2, 112, 224, 3), np.uint8)
        >>> mb.metrics.psnr(gt + np.uint8(1), gt).round(2)
        array([48.13, 48.13])
    """
    return _like(preds, fidelity.psnr(to_uint8(preds, data_range), to_uint8(target, data_range)))


def ssim(preds: Images, target: Images, *, data_range: Range | None = None) -> Images:
    """Structural similarity: see `fidelity.ssim`. Higher is better, [-1, 1]. Arguments and errors as `psnr`.

    Example:
        >>> import torch, mdlp_bench as mb
        >>> gt = torch.rand(1, 3, 112, 224, generator=torch.Generator().manual_seed(0))
        >>> mb.metrics.ssim(gt, gt, data_range=(0, 1))
        tensor([1.], dtype=torch.float64)
    """
    return _like(preds, fidelity.ssim(to_uint8(preds, data_range), to_uint8(target, data_range)))


def psnr_aligned(preds: Images, target: Images, *, data_range: Range | None = None) -> Images:
    """PSNR after registration: see `registered.aligned_scores`. Images of 112 x 224; otherwise as `psnr`."""
    found = registered.aligned_scores(to_uint8(preds, data_range), to_uint8(target, data_range))
    return _like(preds, found.psnr)


def ssim_aligned(preds: Images, target: Images, *, data_range: Range | None = None) -> Images:
    """SSIM after registration: see `registered.aligned_scores`. Images of 112 x 224; otherwise as `psnr`."""
    found = registered.aligned_scores(to_uint8(preds, data_range), to_uint8(target, data_range))
    return _like(preds, found.ssim)


def lpips(
    preds: Images,
    target: Images,
    *,
    net: LpipsNet = CURRENT.lpips_net,
    data_range: Range | None = None,
    device: str | torch.device = "cpu",
) -> Images:
    """Learned perceptual image patch similarity: see `perceptual.Lpips`. Lower is better, from 0.

    Args:
        preds: Restored images (see the module).
        target: Ground truth of the same shape.
        net: `alex` (the protocol's), `squeeze` or `vgg`.
        data_range: As for `psnr`.
        device: Where the network computes: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`; it is loaded once per
            device.

    Raises:
        DataError: As for `psnr`, or the images are too small for the network (below 31 pixels for `alex`).
        ProtocolError: There is no such net.
        MdlpBenchError: The device is not there.
        MissingWeightsError: The network's weights are not in torch hub's cache and cannot be downloaded.
    """
    network = _network(checked_net(net), Compute.for_scoring(device).device)
    return _like(preds, network.score(to_uint8(preds, data_range), to_uint8(target, data_range)))


def to_uint8(images: npt.NDArray[Any] | Tensor, data_range: Range | None = None) -> npt.NDArray[np.uint8]:
    """Images of any accepted form as uint8 [B, H, W, 3].

    Args:
        images: See the module.
        data_range: Black and white of floating-point images, or white alone.

    Raises:
        DataError: Another type or shape, a range that is missing or no range, or values that are not finite
            or far outside the range.
    """
    limits = None if data_range is None else black_and_white(data_range)
    values = images if isinstance(images, np.ndarray) else _from_tensor(images)
    shape = list(values.shape)
    if values.ndim != 4 or (shape[1] == 3) == (shape[3] == 3):
        raise DataError(f"images are {shape}; give a batch, [B, H, W, 3] or [B, 3, H, W]")
    if values.dtype != np.uint8:
        values = _quantised(values, limits)
    return np.ascontiguousarray(values if shape[3] == 3 else np.moveaxis(values, 1, 3))


def black_and_white(data_range: Range) -> tuple[float, float]:
    """The values of black and white that a range stands for.

    Raises:
        DataError: It is neither a positive finite number nor two finite numbers, the smaller one first.
    """
    limits = (0, data_range) if isinstance(data_range, Real) else data_range
    if (
        isinstance(limits, tuple | list)
        and len(limits) == 2
        and all(isinstance(one, Real) and not isinstance(one, bool) and math.isfinite(one) for one in limits)
        and limits[0] < limits[1]
    ):
        return float(limits[0]), float(limits[1])
    raise DataError(
        f"data_range is {data_range!r}; give black and white, e.g. (0, 1), or white alone, e.g. 255"
    )


def _quantised(values: npt.NDArray[Any], limits: tuple[float, float] | None) -> npt.NDArray[np.uint8]:
    if not np.issubdtype(values.dtype, np.floating):
        raise DataError(f"images are {values.dtype}; give uint8, or floating point with data_range")
    if limits is None:
        raise DataError("floating-point images: say what black and white are, data_range=(0, 1) or (-1, 1)")
    if not np.isfinite(values).all():
        raise DataError("images have values that are not finite")
    black, white = limits
    spare = _OVERSHOOT * (white - black)
    low, high = (float(values.min()), float(values.max())) if values.size else limits
    if low < black - spare or high > white + spare:
        raise DataError(
            f"images have values from {low:.4g} to {high:.4g}, far outside data_range ({black:g}, {white:g});"
            " state their range, or clip them first"
        )
    levels = (values.astype(np.float64) - black) * (255.0 / (white - black))
    return np.asarray(np.clip(np.rint(levels), 0, 255), np.uint8)


def _from_tensor(images: Tensor) -> npt.NDArray[Any]:
    if not hasattr(images, "detach"):
        raise DataError(f"images are {type(images).__name__}; give a numpy array or a torch tensor")
    values = images.detach().cpu()
    # numpy has no bfloat16.
    return np.asarray(values.float() if values.is_floating_point() else values)


def _like(preds: Images, scores: npt.NDArray[np.float64]) -> Images:
    if isinstance(preds, np.ndarray):
        return scores
    import torch

    # Apple's GPUs have no float64.
    dtype = torch.float32 if preds.device.type == "mps" else torch.float64
    return torch.as_tensor(scores, dtype=dtype, device=preds.device)


@lru_cache(maxsize=4)
def _network(net: LpipsNet, device: str) -> Lpips:
    from mdlp_bench.metrics.perceptual import Lpips

    return Lpips(net, device)
