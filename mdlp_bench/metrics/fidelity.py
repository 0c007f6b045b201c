"""PSNR and SSIM of uint8 images, per sample, with the statistics of the ground truth computed once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from mdlp_bench.errors import DataError
from mdlp_bench.metrics.protocol import MDLP_V1

Images = NDArray[np.uint8]
Scores = NDArray[np.float64]

_PEAK: Final = 255.0
_C1: Final = (MDLP_V1.ssim.k1 * _PEAK) ** 2
_C2: Final = (MDLP_V1.ssim.k2 * _PEAK) ** 2
_RADIUS: Final = MDLP_V1.ssim.window // 2
VALID: Final = (slice(_RADIUS, -_RADIUS), slice(_RADIUS, -_RADIUS))
"""The pixels whose SSIM window lies wholly inside the image."""


def _gaussian_taps() -> NDArray[np.float64]:
    offsets = np.arange(-_RADIUS, _RADIUS + 1)
    taps = np.exp(-0.5 * (offsets / MDLP_V1.ssim.sigma) ** 2)
    return np.asarray(taps / taps.sum())


_TAPS: Final = _gaussian_taps()
_TAPS32: Final = _TAPS.astype(np.float32)


@dataclass(frozen=True, slots=True)
class SsimTarget:
    """What SSIM needs to know of the ground truth, computed once and reused for every method.

    It takes about 1 MB a sample at the working size: build one per batch of ground truths and score all
    methods against it, rather than one for a whole data set.

    Attributes:
        images: The ground truth itself, uint8 [B, H, W, 3].
        centre: Mean colour of each sample, float32 [B, 3]; variances do not depend on it, but float32 sums
            keep two digits more when it is taken off first.
        mean: Local means of `images`, float32 [B, H, W, 3].
        spread: Twice the local variances plus the constant C2, float32 [B, H, W, 3].
    """

    images: Images
    centre: NDArray[np.float32]
    mean: NDArray[np.float32]
    spread: NDArray[np.float32]

    @classmethod
    def of(cls, images: Images) -> SsimTarget:
        """Precompute the statistics of ground truths, uint8 [B, H, W, 3].

        Raises:
            DataError: Not a uint8 batch of RGB images at least as large as the SSIM window.
        """
        check_images(images, "the ground truth")
        centre = np.empty((len(images), 3), np.float32)
        mean = np.empty(images.shape, np.float32)
        spread = np.empty(images.shape, np.float32)
        for index, image in enumerate(images):
            exact = image.astype(np.float64)
            offset = exact.mean(axis=(0, 1))
            exact -= offset
            local = _blur64(exact)
            centre[index] = offset
            mean[index] = local + offset
            spread[index] = 2.0 * (_blur64(exact * exact) - local * local) + _C2
        return cls(images, centre, mean, spread)


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
    squares = np.array([cv2.norm(a, b, cv2.NORM_L2SQR) for a, b in zip(preds, target, strict=True)], np.float64)
    return psnr_of_mse(squares / np.prod(target.shape[1:]))


def psnr_of_mse(mse: Scores) -> Scores:
    """PSNR in dB of mean squared errors of 8-bit values, capped as the protocol says."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.minimum(10.0 * np.log10(_PEAK**2 / mse), MDLP_V1.psnr_cap_db))


def ssim(preds: Images, target: Images | SsimTarget) -> Scores:
    """Structural similarity of each sample, higher is better, range [-1, 1].

    Wang et al., "Image quality assessment: from error visibility to structural similarity", IEEE TIP 13(4),
    2004, eq. 13, with a Gaussian window (11 x 11, sigma 1.5), population covariances, K1 = 0.01, K2 = 0.03,
    L = 255, averaged over the pixels whose window lies inside the image and over the three channels.

    Args:
        preds: Restored images, uint8 [B, H, W, 3].
        target: Ground truth of the same shape, or its `SsimTarget` to save two fifths of the filtering.

    Returns:
        float64 [B].

    Raises:
        DataError: Wrong type or shape.
    """
    prepared = target if isinstance(target, SsimTarget) else SsimTarget.of(target)
    check_pair(preds, prepared.images)
    workspace = np.empty((8, *preds.shape[1:]), np.float32)
    return np.array(
        [float(_ssim_map(preds[i], prepared, i, workspace)[VALID].mean(dtype=np.float64)) for i in range(len(preds))],
        np.float64,
    )


def ssim_map(pred: Images, target: Images) -> NDArray[np.float32]:
    """SSIM of every pixel and channel of one pair of images, float32 [H, W, 3]; `ssim` is its mean on `VALID`."""
    prepared = SsimTarget.of(target[None])
    check_pair(pred[None], prepared.images)
    return _ssim_map(pred, prepared, 0, np.empty((8, *pred.shape), np.float32))


def _ssim_map(pred: Images, target: SsimTarget, index: int, workspace: NDArray[np.float32]) -> NDArray[np.float32]:
    # Written in the difference d = x - y instead of in x: with m for local means, v for variances, c for covariance,
    #   luminance           = 1 - m(d)^2 / (m(x)^2 + m(y)^2 + C1)
    #   contrast-structure  = 1 - v(d) / (2 v(y) + 2 c(y, d) + v(d) + C2)
    # which is the same formula without the cancellation that costs float32 its digits where images agree.
    y, mean_y = target.images[index], target.mean[index]
    d, dd, yd, mean_d, var_d, cov, luminance, scratch = workspace
    cv2.subtract(pred, y, d, dtype=cv2.CV_32F)
    offset = cv2.mean(d)[:3]
    cv2.subtract(d, (*offset, 0.0), d)
    cv2.subtract(y, (*map(float, target.centre[index]), 0.0), yd, dtype=cv2.CV_32F)
    cv2.multiply(yd, d, yd)
    cv2.multiply(d, d, dd)
    _blur32(d, mean_d)
    _blur32(dd, var_d)
    _blur32(yd, cov)
    cv2.subtract(mean_y, (*map(float, target.centre[index]), 0.0), scratch)
    cv2.multiply(scratch, mean_d, scratch)
    cv2.subtract(cov, scratch, cov)
    cv2.multiply(mean_d, mean_d, scratch)
    cv2.subtract(var_d, scratch, var_d)
    cv2.scaleAdd(cov, 2.0, target.spread[index], cov)
    cv2.add(cov, var_d, cov)
    cv2.divide(var_d, cov, var_d)

    cv2.add(mean_d, (*offset, 0.0), mean_d)
    cv2.add(mean_y, mean_d, luminance)
    cv2.multiply(luminance, luminance, luminance)
    cv2.multiply(mean_y, mean_y, scratch)
    cv2.add(luminance, scratch, luminance)
    cv2.add(luminance, (_C1, _C1, _C1, 0.0), luminance)
    cv2.multiply(mean_d, mean_d, mean_d)
    cv2.divide(mean_d, luminance, mean_d)

    np.subtract(1.0, mean_d, out=mean_d)
    np.subtract(1.0, var_d, out=var_d)
    np.multiply(mean_d, var_d, out=scratch)
    return scratch


def _blur32(image: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    cv2.sepFilter2D(image, cv2.CV_32F, _TAPS32, _TAPS32, out)


def _blur64(image: NDArray[np.float64]) -> NDArray[Any]:
    return np.asarray(cv2.sepFilter2D(image, cv2.CV_64F, _TAPS, _TAPS))


def check_images(images: Images, what: str) -> None:
    """Raise `DataError` unless `images` is uint8 [B, H, W, 3] and at least as large as the SSIM window."""
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
        found = f"{images.dtype} {list(images.shape)}" if isinstance(images, np.ndarray) else type(images).__name__
        raise DataError(f"{what}: images must be uint8 [B, H, W, 3], found {found}")
    if min(images.shape[1:3]) < MDLP_V1.ssim.window:
        raise DataError(
            f"{what}: images of {images.shape[1]} x {images.shape[2]} are smaller than the SSIM window of "
            f"{MDLP_V1.ssim.window} pixels; bring them to the working size first"
        )


def check_pair(preds: Images, target: Images) -> None:
    """Raise `DataError` unless both are uint8 [B, H, W, 3] batches of one shape."""
    check_images(preds, "the restored images")
    check_images(target, "the ground truth")
    if preds.shape != target.shape:
        raise DataError(
            f"restored images {list(preds.shape)} and ground truth {list(target.shape)} differ in shape; "
            "bring both to the working size first"
        )
