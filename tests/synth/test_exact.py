"""The exact forms of filters and warps, against integer arithmetic, SciPy and OpenCV."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from mdlp_bench.synth import exact


@given(
    st.integers(0, 10**6),
    st.sampled_from([(1, 1), (3, 3), (5, 9), (1, 63), (21, 21), (33, 33), (63, 63)]),
    st.booleans(),
)
@settings(max_examples=25, deadline=None)
def test_sums_are_those_of_integers(seed: int, shape: tuple[int, int], negative: bool) -> None:
    """No sum is rounded, so the result is a sum of integers, and near the one that rounds nothing."""
    rng = np.random.default_rng(seed)
    image = np.asarray(rng.uniform(-0.2, 1.4, (40, 70, 3)), np.float32)
    kernel = rng.random(shape) * (rng.random(shape) < 0.7) - (0.2 if negative else 0)
    kernel = kernel / kernel.sum() if abs(kernel.sum()) > 0.05 * np.abs(kernel).sum() else kernel
    got = exact.correlate(image, kernel)
    steps = np.rint(image.astype(np.float64) * 2048).astype(np.int64)
    bits = int(np.ceil(np.log2(max(np.abs(steps).max(), 1))))
    weights, scale = exact._integer_weights(kernel.tobytes(), kernel.shape, bits)
    assert np.abs(weights).sum() * np.abs(steps).max() <= 2**24
    assert weights.sum() == np.rint(kernel.sum() * scale)
    whole = np.stack([_sums(steps[..., c], weights.astype(np.int64)) for c in range(3)], axis=-1)
    np.testing.assert_array_equal(got, (whole / (2048 * scale)).astype(np.float32))
    if not negative and kernel.sum():
        want = np.stack(
            [ndimage.correlate(image[..., c].astype(float), kernel, mode="mirror") for c in range(3)], -1
        )
        np.testing.assert_allclose(got, want, atol=6 / 255)


def _sums(plane: npt.NDArray[np.int64], weights: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    up, left = weights.shape[0] // 2, weights.shape[1] // 2
    padded = np.pad(plane, ((up, up), (left, left)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, weights.shape)
    return np.asarray(np.tensordot(windows, weights, axes=2), np.int64)


@pytest.mark.parametrize("sigma", [0.4, 1.3, 4.0])
def test_gaussian_is_scipys(sigma: float) -> None:
    image = np.asarray(ndimage.uniform_filter(np.random.default_rng(0).random((60, 90)), 3), np.float32)
    want = ndimage.gaussian_filter(image.astype(float), sigma, mode="mirror", truncate=4)
    np.testing.assert_allclose(exact.gaussian(image, sigma), want, atol=0.2 / 255)


@pytest.mark.parametrize("interpolation", [cv2.INTER_LINEAR, cv2.INTER_CUBIC])
def test_warps_are_opencvs_to_a_fraction_of_a_pixel(interpolation: int) -> None:
    image = ndimage.gaussian_filter(np.random.default_rng(0).random((80, 120, 3)), (3, 3, 0))
    picture = np.asarray(255 * (image - image.min()) / np.ptp(image), np.uint8)
    affine = np.array([[0.9, 0.1, 3.3], [-0.05, 1.1, 2.0]])
    flags = interpolation | cv2.WARP_INVERSE_MAP
    for matrix in (affine, np.vstack([affine, [1e-3, 2e-3, 1]])):
        warp = cv2.warpAffine if len(matrix) == 2 else cv2.warpPerspective
        for border, surround in ((cv2.BORDER_REPLICATE, None), (cv2.BORDER_CONSTANT, 102)):
            level = (102.0, 102.0, 102.0)
            want = warp(picture, matrix, (100, 70), flags=flags, borderMode=border, borderValue=level)
            got = exact.warped(
                picture.astype(np.float32), matrix.tolist(), (100, 70), interpolation, surround
            )
            # Where the border begins, 1/64 pixel is up to a sixty-fourth of the contrast.
            assert np.abs(np.clip(got, 0, 255) - want).max() <= (1 if surround is None else 4)


@pytest.mark.parametrize("interpolation", [cv2.INTER_LINEAR, cv2.INTER_CUBIC])
@pytest.mark.parametrize("surround", [None, 300])
def test_warps_are_rounded_as_exact_sums_are(interpolation: int, surround: int | None) -> None:
    """Noise has many sums near a half; each is the integer that rational arithmetic gives."""
    levels = np.random.default_rng(0).integers(0, 1021, (90, 160, 3)).astype(np.float32)
    matrix = [[0.93, 0.02, 1.5], [-0.03, 1.04, -2.25]]
    got = exact.warped(levels, matrix, (150, 80), interpolation, surround)
    y, x = np.mgrid[:80, :150].astype(np.float64)
    maps = [
        np.asarray(row[0] * x, np.float32) + np.asarray(row[1] * y + row[2], np.float32) for row in matrix
    ]
    steps = np.rint(np.stack(maps, axis=-1).astype(np.float64) * 32).astype(np.int64)
    fill = [{"mode": "edge"}, {"mode": "constant", "constant_values": surround}][surround is not None]
    edge = 16
    padded = np.pad(levels.astype(np.int64), ((edge, edge), (edge, edge), (0, 0)), **fill)  # type: ignore[call-overload]
    taps = (0, 1) if interpolation == cv2.INTER_LINEAR else (-1, 0, 1, 2)
    total = np.zeros((80, 150, 3), np.int64)
    for dy in taps:
        for dx in taps:
            weight = _weight(steps[..., 0] % 32 - 32 * dx, len(taps)) * _weight(
                steps[..., 1] % 32 - 32 * dy, len(taps)
            )
            pixels = padded[steps[..., 1] // 32 + dy + edge, steps[..., 0] // 32 + dx + edge]
            total += weight[..., None] * pixels
    one = int(_weight(np.array(0), len(taps))) ** 2
    down, rest = np.divmod(total, one)
    want = down + ((2 * rest > one) | ((2 * rest == one) & (down % 2 == 1)))
    np.testing.assert_array_equal(got, want)


def _weight(offset: npt.NDArray[np.int64], taps: int) -> npt.NDArray[np.int64]:
    """The interpolation kernel at an offset in 1/32 pixel, times 32 (linear) or 4 * 32^3 (cubic)."""
    d = np.abs(offset)
    if taps == 2:
        return np.asarray(32 - d)
    inner = (5 * d - 9 * 32) * d * d + 4 * 32**3
    outer = ((-3 * d + 15 * 32) * d - 24 * 32**2) * d + 12 * 32**3
    return np.asarray(np.where(d <= 32, inner, outer))


def test_ipp_is_off_within_the_block_alone() -> None:
    used = cv2.ipp.useIPP()
    with pytest.raises(ZeroDivisionError), exact.without_ipp():
        assert not cv2.ipp.useIPP()
        raise ZeroDivisionError
    assert cv2.ipp.useIPP() == used
