"""PSNR and SSIM after registration of the output to the ground truth, for pairs that are not aligned.

Real pairs are cut from different frames, so an output can show the right plate a few pixels off. The plain
metrics punish that harder than a wrong character; these measure what is left once it is undone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from mdlp_bench.errors import DataError
from mdlp_bench.metrics.fidelity import Images, Scores, check_pair, psnr, psnr_of_mse, ssim, ssim_maps
from mdlp_bench.metrics.protocol import CURRENT, WORKING_SIZE, RegistrationRules

Floats = NDArray[np.float32]

MAX_DISPLACEMENT: Final = 12
"""Pixels by which a corner may move: less than half the pitch of characters at the working size (about 28
pixels), so that no character can be laid over its neighbour."""

_SMOOTHING: Final = 5
_ITERATIONS: Final = 50
_PRECISION: Final = 1e-4


@dataclass(frozen=True, slots=True)
class AlignedScores:
    """Scores after registration.

    Attributes:
        psnr: dB, float64 [B].
        ssim: float64 [B].
        registered: Whether the sample could be registered, bool [B]; where not, it has its plain scores.
        displacement: How far the registration moves the farthest corner, pixels, float64 [B]; NaN where it
            failed.
    """

    psnr: Scores
    ssim: Scores
    registered: NDArray[np.bool_]
    displacement: Scores


def aligned_scores(
    preds: Images, target: Images, rules: RegistrationRules | None = CURRENT.registration
) -> AlignedScores:
    """Register each output to its ground truth, then PSNR and SSIM over the pixels both show.

    The best whole-pixel shift within `MAX_DISPLACEMENT` (normalised correlation) starts a translation, and
    that an affine map, both by maximising the enhanced correlation coefficient of the smoothed luminances
    (Evangelidis and Psarakis, IEEE TPAMI 30(10), 2008). Rules say that this is done at half resolution, and
    that the affine map found there is refined at full resolution. The affine map is used when it converges
    and moves no corner farther than the bound, else the translation under the same conditions; when neither
    holds, or the map correlates worse than leaving the output where it is, the sample is not registered and
    gets its plain scores. The output is resampled bicubically; pixels (for SSIM: windows) that leave it are
    not counted.

    Args:
        preds: Restored images of the working size, uint8 [B, 112, 224, 3].
        target: Ground truth of the same shape.
        rules: Of a protocol; default the current one's. None registers at full resolution alone.

    Raises:
        DataError: Wrong type, shape or size.
    """
    check_pair(preds, target)
    _check_size(target.shape)
    psnrs, ssims = np.empty(len(preds)), np.empty(len(preds))
    displacements = np.full(len(preds), np.nan)
    for index, (pred, gt) in enumerate(zip(preds, target, strict=True)):
        warp = register(pred, gt, rules)
        if warp is None:
            psnrs[index], ssims[index] = psnr(pred[None], gt[None])[0], ssim(pred[None], gt[None])[0]
        else:
            psnrs[index], ssims[index] = _scores_after(warp, pred, gt)
            displacements[index] = _displacement(warp)
    return AlignedScores(psnrs, ssims, ~np.isnan(displacements), displacements)


def register(
    pred: Images, target: Images, rules: RegistrationRules | None = CURRENT.registration
) -> Floats | None:
    """The affine map from ground truth to output coordinates, [2, 3]; None when registration fails.

    Args:
        pred: Restored image of the working size, uint8 [112, 224, 3].
        target: Ground truth of the same shape.
        rules: As for `aligned_scores`.
    """
    moving, fixed = _luminance(pred), _luminance(target)
    if np.ptp(moving) == 0.0 or np.ptp(fixed) == 0.0:
        return None
    for warp in _at_full_resolution(moving, fixed) if rules is None else _from_half(moving, fixed, rules):
        if _displacement(warp) <= MAX_DISPLACEMENT and _improves(warp, moving, fixed):
            return warp
    return None


def _at_full_resolution(moving: Floats, fixed: Floats) -> list[Floats]:
    """The affine map and the translation, best first; empty when neither converges."""
    start = _best_shift(moving, fixed, MAX_DISPLACEMENT)
    translation = _refined(moving, fixed, start, cv2.MOTION_TRANSLATION, _ITERATIONS)
    start = start if translation is None else translation
    affine = _refined(moving, fixed, start, cv2.MOTION_AFFINE, _ITERATIONS)
    return [warp for warp in (affine, translation) if warp is not None]


def _from_half(moving: Floats, fixed: Floats, rules: RegistrationRules) -> list[Floats]:
    """The same maps, both found at half resolution; the affine one is refined at full resolution."""
    small, small_fixed = _halved(moving), _halved(fixed)
    start = _best_shift(small, small_fixed, MAX_DISPLACEMENT // 2)
    translation = _refined(small, small_fixed, start, cv2.MOTION_TRANSLATION, rules.translation)
    start = start if translation is None else translation
    coarse = _refined(small, small_fixed, start, cv2.MOTION_AFFINE, rules.affine)
    start = _doubled(start if coarse is None else coarse)
    affine = _refined(moving, fixed, start, cv2.MOTION_AFFINE, rules.affine)
    found = (affine, None if translation is None else _doubled(translation))
    return [warp for warp in found if warp is not None]


def _best_shift(moving: Floats, fixed: Floats, margin: int) -> Floats:
    """The whole-pixel shift of at most `margin` pixels that correlates best, as an affine map."""
    inner = moving[margin:-margin, margin:-margin]
    response = cv2.matchTemplate(fixed, inner, cv2.TM_CCOEFF_NORMED)
    row, column = np.unravel_index(int(np.argmax(response)), response.shape)
    return np.array([[1, 0, margin - column], [0, 1, margin - row]], np.float32)


def _refined(moving: Floats, fixed: Floats, warp: Floats, motion: int, iterations: int) -> Floats | None:
    """A map that maximises the correlation, from a first one; None when the iterations do not converge."""
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, iterations, _PRECISION)
    try:
        # Already smoothed, hence the filter size of 1.
        _, found = cv2.findTransformECC(fixed, moving, warp.copy(), motion, criteria, np.array([]), 1)
    except cv2.error:  # OpenCV's way to say that the iterations do not converge
        return None
    return np.asarray(found, np.float32)


def _halved(image: Floats) -> Floats:
    height, width = WORKING_SIZE
    return np.asarray(cv2.resize(image, (width // 2, height // 2), interpolation=cv2.INTER_AREA), np.float32)


def _doubled(warp: Floats) -> Floats:
    """A map between images of half the size as one between whole images; pixel centres are whole numbers."""
    linear = warp[:, :2].astype(np.float64)
    centre = np.array([0.5, 0.5])
    return np.column_stack([linear, 2 * warp[:, 2] + centre - linear @ centre]).astype(np.float32)


def _improves(warp: Floats, moving: Floats, fixed: Floats) -> bool:
    inside = _inside(warp)
    return _correlation(_apply(warp, moving)[inside], fixed[inside]) >= _correlation(
        moving[inside], fixed[inside]
    )


def _correlation(a: Floats, b: Floats) -> float:
    x, y = a - a.mean(), b - b.mean()
    return float(x @ y / (np.linalg.norm(x) * np.linalg.norm(y) + 1e-12))


def _scores_after(warp: Floats, pred: Images, target: Images) -> tuple[float, float]:
    moved = np.asarray(_apply(warp, pred), np.uint8)
    inside = _inside(warp)
    errors = moved[inside].astype(np.float64) - target[inside]
    window = np.ones((CURRENT.ssim.window, CURRENT.ssim.window), np.uint8)
    whole = cv2.erode(inside.astype(np.uint8), window, borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0
    similarity = ssim_maps(moved[None], target[None])[0][:, whole]
    return float(psnr_of_mse(np.array([np.mean(errors**2)]))[0]), float(similarity.mean())


def _apply(warp: Floats, image: NDArray[Any]) -> NDArray[Any]:
    height, width = WORKING_SIZE
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpAffine(image, warp, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    )


def _inside(warp: Floats) -> NDArray[np.bool_]:
    """The pixels of the ground truth that the output shows after registration, [H, W]."""
    rows, columns = np.indices(WORKING_SIZE)
    x = warp[0, 0] * columns + warp[0, 1] * rows + warp[0, 2]
    y = warp[1, 0] * columns + warp[1, 1] * rows + warp[1, 2]
    height, width = WORKING_SIZE
    slack = 0.01  # sub-pixel estimates of "no shift at all" must not cost a border row
    return np.asarray((x >= -slack) & (x <= width - 1 + slack) & (y >= -slack) & (y <= height - 1 + slack))


def _displacement(warp: Floats) -> float:
    height, width = WORKING_SIZE
    corners = np.array([[0, 0, 1], [width - 1, 0, 1], [0, height - 1, 1], [width - 1, height - 1, 1]], float)
    return float(np.abs(corners @ warp.T - corners[:, :2]).max())


def _luminance(image: Images) -> Floats:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(grey, (_SMOOTHING, _SMOOTHING), 0))


def _check_size(shape: tuple[int, ...]) -> None:
    if shape[1:3] != WORKING_SIZE:
        raise DataError(
            f"images of {shape[1]} x {shape[2]} cannot be registered; bring them to the working size"
        )
