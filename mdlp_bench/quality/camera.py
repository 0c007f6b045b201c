"""Statistics of single frames and of pairs of consecutive frames beside `mdlp_bench.quality.statistics`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from mdlp_bench.images import LUMA, ImageU8
from mdlp_bench.quality.dct import dct_matrix
from mdlp_bench.quality.statistics import FloatPlane, gradients, hann_window, luminance

# Frames of a track differ in size; they are laid over one another at this one (height, width).
_COMMON: Final = (32, 64)
_INNER: Final = (slice(3, -3), slice(3, -3))

# Low frequencies of the luminance table of the JPEG standard (ITU-T T.81, K.1); encoders scale it by quality.
_LUMA_STEPS: Final = ((16, 11, 10, 16), (12, 12, 14, 19), (14, 13, 16, 24), (14, 17, 22, 29))
_LOW: Final = len(_LUMA_STEPS)
_BLOCK: Final = 8
# Standard deviation of a decoded coefficient about its multiple of the step: rounding to 8 bits, three times.
_ROUNDING: Final = 0.6
_OUTLIERS: Final = 0.02
_FEWEST_COEFFICIENTS: Final = 20
_NOT_JPEG: Final = 100
_QUALITIES: Final = tuple(range(5, 96))


@dataclass(frozen=True, slots=True)
class ColourStatistics:
    """Means over an image.

    Attributes:
        brightness: Luma (BT.601) / 255.
        colourfulness: Largest minus smallest channel, / 255.
        warmth: Red minus blue, / 255.
    """

    brightness: float
    colourfulness: float
    warmth: float


@dataclass(frozen=True, slots=True)
class TemporalStatistics:
    """Means over pairs of consecutive frames, brought to one size.

    Attributes:
        growth: Width of the later frame / width of the earlier one.
        shift: Displacement between them by phase correlation, in plate widths.
        change: 1 - normalised correlation of their luminances after that displacement is undone, 0-2.
        flicker: What of their difference neither an affine motion nor a change of light explains, / sqrt(2),
            grey levels: noise, told from the plate's own fine structure because that stays.
    """

    growth: float
    shift: float
    change: float
    flicker: float


COLOUR_NAMES: Final = tuple(field.name for field in fields(ColourStatistics))
TEMPORAL_NAMES: Final = tuple(field.name for field in fields(TemporalStatistics))


def colour_statistics(image: ImageU8) -> ColourStatistics:
    """Colour of uint8 RGB [H, W, 3]."""
    values = image.reshape(-1, 3).astype(np.float32) / 255
    means = values.mean(axis=0)
    return ColourStatistics(
        brightness=float(means @ LUMA),
        colourfulness=float((values.max(axis=1) - values.min(axis=1)).mean()),
        warmth=float(means[0] - means[2]),
    )


def detail_direction(luma: FloatPlane) -> tuple[float, float]:
    """The direction of blur, as a double-angle vector (cos 2a, sin 2a) times its strength.

    From the structure tensor J summed over the image (Bigün and Granlund 1987): ((Jyy - Jxx) / trace,
    -2 Jxy / trace), each in [-1, 1]. Blur removes the gradients along its direction: horizontal blur raises
    the first number, blur along the falling diagonal (down to the right) the second. A plate's own strokes
    give both an offset, so compare images of the same kind. (0, 0) for a flat image.
    """
    dx, dy = gradients(luma)
    jxx, jyy, jxy = (float((a * b).mean()) for a, b in ((dx, dx), (dy, dy), (dx, dy)))
    trace = jxx + jyy
    return ((jyy - jxx) / trace, -2 * jxy / trace) if trace > 1e-9 else (0.0, 0.0)


def detail_along(luma: FloatPlane) -> tuple[float, float]:
    """Shares of the power of luma [H, W] at 0.1 to 0.25 cycles per pixel along x and along y, each in [0, 1].

    The mean is removed and a Hann window applied in both directions; power of all frequencies across counts.
    At plates 40 pixels wide that is where strokes are: a frame smeared along y keeps the first share and
    loses the second. (0, 0) for a flat image.
    """
    height, width = luma.shape
    power = np.abs(np.fft.fft2((luma - luma.mean()) * hann_window(height, width))) ** 2
    total = float(power.sum())
    if total < 1e-9:
        return (0.0, 0.0)
    along_x, along_y = (
        float(power.sum(axis=1 - axis)[(np.abs(frequency) >= 0.1) & (np.abs(frequency) <= 0.25)].sum())
        for axis, frequency in ((1, np.fft.fftfreq(width)), (0, np.fft.fftfreq(height)))
    )
    return (along_x / total, along_y / total)


def noise_correlation(image: ImageU8) -> tuple[float, float]:
    """Correlation of noise between neighbouring pixels and between colour channels, each in [-1, 1].

    On the diagonal Haar detail (a - b - c + d) / 2 of 2 x 2 blocks, where least of the content is: the
    correlation of horizontally and vertically adjacent coefficients of the luma (0 for white noise, other
    values where it was resampled, compressed or denoised), and the mean correlation of the channels (0 for
    independent channels, 1 for grey noise). 0 where there is no such detail.
    """
    luma = _diagonal_detail(luminance(image))
    across = [(luma[:, :-1], luma[:, 1:]), (luma[:-1], luma[1:])]
    channels = [_diagonal_detail(image[..., k].astype(np.float32)) for k in range(3)]
    between = [(channels[i], channels[j]) for i, j in ((0, 1), (1, 2), (0, 2))]
    joined = [np.concatenate([pair[side].ravel() for pair in across]) for side in (0, 1)]
    return _cosine(joined[0], joined[1]), float(np.mean([_cosine(a, b) for a, b in between]))


def jpeg_quality(image: ImageU8) -> float | None:
    """The quality (5-95) of the JPEG whose steps the DCT coefficients of an image's 8 x 8 blocks sit on.

    The blocks start at the top left, as those of the last JPEG do. Luma's coefficients are multiples of their
    steps but for rounding: for each quality, the likelihood of those well away from 0 under a normal
    distribution about the nearest multiple (and some outliers) over that of a uniform one (after Fan and de
    Queiroz, "Identification of Bitmap Compression History", 2003). Blocks in which a colour is clipped are
    left out, for clipping moves luma off its steps.

    Returns:
        The quality; 100 where none explains the coefficients better than chance, as in images never
        compressed or resampled since; None where too few coefficients are left to tell.
    """
    rows, columns = image.shape[0] // _BLOCK, image.shape[1] // _BLOCK
    kept = image[: rows * _BLOCK, : columns * _BLOCK]
    blocks = _blocks(luminance(kept))
    is_clipped = _blocks(np.any((kept == 0) | (kept == 255), axis=2)).any(axis=(1, 2))
    basis = dct_matrix(_BLOCK)
    spectrum = basis @ blocks[~is_clipped] @ basis.T
    low = spectrum[:, :_LOW, :_LOW].reshape(-1, _LOW**2)[:, 1:]
    is_away = np.abs(low) > 4 * _ROUNDING
    values, steps = low[is_away], _steps()[:, np.nonzero(is_away)[1]]
    if len(values) < _FEWEST_COEFFICIENTS:
        return None
    off = (values - steps * np.rint(values / steps)) / np.float32(_ROUNDING)
    bell = np.exp(-0.5 * off * off) / np.float32(_ROUNDING * math.sqrt(2 * math.pi))
    evidence = np.log((1 - _OUTLIERS) * steps * bell + _OUTLIERS).sum(axis=1)
    best = int(evidence.argmax())
    return float(_QUALITIES[best]) if evidence[best] > 0 else float(_NOT_JPEG)


def _blocks(plane: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """[H, W] to its 8 x 8 blocks, [n, 8, 8]."""
    rows, columns = plane.shape[0] // _BLOCK, plane.shape[1] // _BLOCK
    return plane.reshape(rows, _BLOCK, columns, _BLOCK).transpose(0, 2, 1, 3).reshape(-1, _BLOCK, _BLOCK)


@lru_cache(maxsize=1)
def _steps() -> npt.NDArray[np.float32]:
    """Quantiser steps of `_QUALITIES` for the low frequencies, [Q, 15]: the table scaled as libjpeg does."""
    quality = np.array(_QUALITIES)[:, None]
    scale = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    table = np.array(_LUMA_STEPS).reshape(1, -1)[:, 1:]
    return np.asarray(np.clip((table * scale + 50) // 100, 1, 255), np.float32)


def temporal_statistics(frames: Sequence[ImageU8]) -> TemporalStatistics | None:
    """Consistency of consecutive frames, uint8 RGB [h, w, 3] each; None for fewer than two."""
    if len(frames) < 2:
        return None
    height, width = _COMMON
    planes = [_resized(luminance(frame)) for frame in frames]
    window = cv2.createHanningWindow((width, height), cv2.CV_32F)
    shifts, changes, flickers = [], [], []
    for before, after in pairwise(planes):
        # OpenCV multiplies its arguments by the window in place.
        (dx, dy), _ = cv2.phaseCorrelate(before.copy(), after.copy(), window)
        undone = cv2.warpAffine(
            after,
            np.array([[1, 0, dx], [0, 1, dy]], np.float32),
            (width, height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        shifts.append(math.hypot(dx / width, dy / width))
        moved = np.asarray(undone, np.float32)
        changes.append(1 - _cosine(_centred(before[_INNER]), _centred(moved[_INNER])))
        # Phase correlation misleads where little moves.
        flickers.append(min(_flicker(before, after), _flicker(before, moved)))
    growth = [b.shape[1] / a.shape[1] for a, b in pairwise(frames)]
    return TemporalStatistics(*(float(np.mean(values)) for values in (growth, shifts, changes, flickers)))


def _flicker(before: FloatPlane, after: FloatPlane) -> float:
    """Residual of the difference after a least-squares fit of small affine motion, gain and offset."""
    middle = np.asarray((before + after) / 2, np.float32)
    dx, dy = gradients(middle)
    y, x = (np.linspace(-1, 1, length, dtype=np.float32) for length in _COMMON)
    terms = [dx, dy, x * dx, x * dy, y[:, None] * dx, y[:, None] * dy, middle, np.ones_like(middle)]
    design = np.stack([np.asarray(term[_INNER], np.float64).ravel() for term in terms], axis=1)
    wanted = np.asarray((after - before)[_INNER], np.float64).ravel()
    weights = np.linalg.lstsq(design, wanted)[0]
    return float((wanted - design @ weights).std() / math.sqrt(2))


def _diagonal_detail(plane: FloatPlane) -> FloatPlane:
    even = plane[: plane.shape[0] // 2 * 2, : plane.shape[1] // 2 * 2]
    detail = even[::2, ::2] - even[::2, 1::2] - even[1::2, ::2] + even[1::2, 1::2]
    return np.asarray(detail / 2, np.float32)


def _resized(plane: FloatPlane) -> FloatPlane:
    shrinks = plane.shape[0] > _COMMON[0]
    kind = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(plane, _COMMON[::-1], interpolation=kind), np.float32)


def _centred(plane: FloatPlane) -> FloatPlane:
    return np.asarray(plane - plane.mean(), np.float32)


def _cosine(a: FloatPlane, b: FloatPlane) -> float:
    """Cosine of two arrays as vectors; 0 where one has no length."""
    lengths = float(np.sqrt(np.square(a).sum() * np.square(b).sum()))
    return float((a * b).sum()) / lengths if lengths > 1e-6 else 0.0
