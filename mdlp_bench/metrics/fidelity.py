"""PSNR and SSIM of uint8 images, per sample, with the statistics of the ground truth computed once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from mdlp_bench.errors import DataError
from mdlp_bench.metrics.protocol import CURRENT

Images = NDArray[np.uint8]
Scores = NDArray[np.float64]
Floats = NDArray[np.float32]

_PEAK: Final = 255.0
_C1: Final = (CURRENT.ssim.k1 * _PEAK) ** 2
_C2: Final = (CURRENT.ssim.k2 * _PEAK) ** 2
_RADIUS: Final = CURRENT.ssim.window // 2
_OFFSETS: Final = np.arange(-_RADIUS, _RADIUS + 1)
_WEIGHTS: Final = np.exp(-0.5 * (_OFFSETS / CURRENT.ssim.sigma) ** 2)
_TAPS: Final = (_WEIGHTS / _WEIGHTS.sum()).astype(np.float32)
_BUFFERS: Final = 5
VALID: Final = (slice(_RADIUS, -_RADIUS), slice(_RADIUS, -_RADIUS))
"""The pixels whose SSIM window lies wholly inside the image."""


@dataclass(frozen=True, slots=True)
class SsimTarget:
    """The statistics of the ground truth for SSIM, computed once and reused for every method.

    It takes about 1 MB per sample at the working size: build one per batch of ground truths and score all
    methods against it, rather than one for a whole data set.

    Attributes:
        planes: The channels of the ground truth, uint8 [B, 3, H, W].
        centre: Their mean values, float32 [B, 3]; variances do not depend on them, but float32 sums keep
            more digits without them.
        centred: The channels less their mean values, float32 [B, 3, H, W].
        mean: Local means of the channels, float32 [B, 3, H, W].
        spread: Twice their local variances plus the constant C2, float32 [B, 3, H, W].
    """

    planes: Images
    centre: Floats
    centred: Floats
    mean: Floats
    spread: Floats

    @classmethod
    def of(cls, images: Images) -> SsimTarget:
        """Precompute the statistics of ground truths, uint8 [B, H, W, 3].

        Raises:
            DataError: Not a uint8 batch of RGB images at least as large as the SSIM window.
        """
        check_images(images, "the ground truth")
        planes = _planes(images)
        centre = planes.mean(axis=(2, 3)).astype(np.float32)
        centred, mean, spread = (np.empty(planes.shape, np.float32) for _ in range(3))
        squares = np.empty(planes.shape[2:], np.float32)
        for place in np.ndindex(planes.shape[:2]):
            np.subtract(planes[place], centre[place], out=centred[place])
            _blur(centred[place], mean[place])
            np.multiply(centred[place], centred[place], out=squares)
            _blur(squares, spread[place])
            np.multiply(mean[place], mean[place], out=squares)
            spread[place] -= squares
            spread[place] *= 2.0
            spread[place] += _C2
            mean[place] += centre[place]
        return cls(planes, centre, centred, mean, spread)


def psnr(preds: Images, target: Images) -> Scores:
    """Peak signal-to-noise ratio of each sample in dB, higher is better, range [0, cap].

    `10 log10(255^2 / MSE)` with the mean squared error over all pixels and channels of one image, computed
    in integers. Identical images get the protocol's cap.

    Args:
        preds: Restored images, uint8 [B, H, W, 3].
        target: Ground truth of the same shape.

    Returns:
        float64 [B].

    Raises:
        DataError: Wrong type or shape.
    """
    check_pair(preds, target)
    squares = [cv2.norm(a, b, cv2.NORM_L2SQR) for a, b in zip(preds, target, strict=True)]
    # OpenCV sums integers, but what it returns can be off by the last bit of a float64.
    return psnr_of_mse(np.rint(np.array(squares, np.float64)) / np.prod(target.shape[1:]))


def psnr_of_mse(mse: Scores) -> Scores:
    """PSNR in dB of mean squared errors of 8-bit values, capped as the protocol says."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.minimum(10.0 * np.log10(_PEAK**2 / mse), CURRENT.psnr_cap_db))


def ssim(preds: Images, target: Images | SsimTarget) -> Scores:
    """Structural similarity of each sample, higher is better, range [-1, 1].

    Wang et al., "Image quality assessment: from error visibility to structural similarity", IEEE TIP 13(4),
    2004, eq. 13, with a Gaussian window (11 x 11, sigma 1.5), population covariances, K1 = 0.01, K2 = 0.03,
    L = 255, averaged over the pixels whose window lies inside the image and over the three channels.
    Filtered in float32 as two one-dimensional filters: on photographs and their degradations within 1e-7 of
    the same in double precision, on flat drawings, where variances are differences of equal numbers, 2e-5.

    Args:
        preds: Restored images, uint8 [B, H, W, 3].
        target: Ground truth of the same shape, or its `SsimTarget` to save two fifths of the filtering.

    Returns:
        float64 [B].

    Raises:
        DataError: Wrong type or shape.
    """
    prepared = target if isinstance(target, SsimTarget) else SsimTarget.of(target)
    planes = _checked_planes(preds, prepared)
    workspace = np.empty((_BUFFERS, *planes.shape[2:]), np.float32)
    scores = np.empty(planes.shape[:2])
    for place in np.ndindex(planes.shape[:2]):
        scores[place] = _plane_map(planes[place], prepared, place, workspace)[VALID].mean(dtype=np.float64)
    return np.asarray(scores.mean(axis=1))


def ssim_maps(preds: Images, target: Images | SsimTarget) -> Floats:
    """SSIM of each pixel and channel, float32 [B, 3, H, W]; `ssim` is its mean on `VALID` (same errors)."""
    prepared = target if isinstance(target, SsimTarget) else SsimTarget.of(target)
    planes = _checked_planes(preds, prepared)
    workspace = np.empty((_BUFFERS, *planes.shape[2:]), np.float32)
    maps = np.empty(planes.shape, np.float32)
    for place in np.ndindex(planes.shape[:2]):
        maps[place] = _plane_map(planes[place], prepared, place, workspace)
    return maps


def _plane_map(pred: Images, target: SsimTarget, place: tuple[int, ...], workspace: Floats) -> Floats:
    """SSIM of one channel, float32 [H, W], in a buffer of `workspace` that the next call overwrites."""
    # Written in the difference d = x - y instead of in x, with m for local means, v for variances and c for
    # covariances:
    #   luminance              = 1 - m(d)^2 / (m(x)^2 + m(y)^2 + C1)
    #   contrast and structure = 1 - v(d) / (2 v(y) + 2 c(y, d) + v(d) + C2)
    # It is the same formula without the cancellation that costs float32 its digits where images agree.
    y, mean_y = target.centred[place], target.mean[place]
    d, mean_d, var_d, cov, scratch = workspace
    np.subtract(pred, target.planes[place], out=d, dtype=np.float32)
    offset = d.mean(dtype=np.float64).astype(np.float32)
    d -= offset
    _blur(d, mean_d)
    np.multiply(d, y, out=scratch)
    _blur(scratch, cov)
    d *= d
    _blur(d, var_d)

    np.multiply(mean_d, mean_d, out=scratch)
    var_d -= scratch
    np.subtract(mean_y, target.centre[place], out=scratch)
    scratch *= mean_d
    cov -= scratch
    cov *= 2.0
    cov += target.spread[place]
    cov += var_d
    var_d /= cov

    mean_d += offset
    np.add(mean_y, mean_d, out=d)
    d *= d
    np.multiply(mean_y, mean_y, out=scratch)
    d += scratch
    d += _C1
    mean_d *= mean_d
    mean_d /= d

    # (1 - a)(1 - b) with a in mean_d and b in var_d.
    np.subtract(1.0, mean_d, out=mean_d)
    var_d *= mean_d
    mean_d -= var_d
    return np.asarray(mean_d)


def _blur(channel: Floats, out: Floats) -> None:
    # The values that the filter invents beyond the border stay outside `VALID`.
    cv2.sepFilter2D(channel, cv2.CV_32F, _TAPS, _TAPS, out)


def _planes(images: Images) -> Images:
    return np.ascontiguousarray(np.moveaxis(images, 3, 1))


def _checked_planes(preds: Images, target: SsimTarget) -> Images:
    check_images(preds, "the restored images")
    planes = _planes(preds)
    _check_shapes(preds.shape, target.planes.transpose(0, 2, 3, 1).shape)
    return planes


def check_images(images: Images, what: str) -> None:
    """Raise `DataError` unless `images` is uint8 [B, H, W, 3] and at least as large as the SSIM window."""
    if (
        not isinstance(images, np.ndarray)
        or images.dtype != np.uint8
        or images.ndim != 4
        or images.shape[3] != 3
    ):
        found = (
            f"{images.dtype} {list(images.shape)}"
            if isinstance(images, np.ndarray)
            else type(images).__name__
        )
        raise DataError(f"{what}: images must be uint8 [B, H, W, 3], found {found}")
    if min(images.shape[1:3]) < CURRENT.ssim.window:
        raise DataError(
            f"{what}: images of {images.shape[1]} x {images.shape[2]} are smaller than the SSIM window of "
            f"{CURRENT.ssim.window} pixels; bring them to the working size first"
        )


def check_pair(preds: Images, target: Images) -> None:
    """Raise `DataError` unless both are uint8 [B, H, W, 3] batches of one shape."""
    check_images(preds, "the restored images")
    check_images(target, "the ground truth")
    _check_shapes(preds.shape, target.shape)


def _check_shapes(preds: tuple[Any, ...], target: tuple[Any, ...]) -> None:
    if preds != target:
        raise DataError(
            f"restored images {list(preds)} and ground truth {list(target)} differ in shape; "
            "bring both to the working size first"
        )
