from __future__ import annotations

import cv2
import numpy as np
import pytest
from scipy import ndimage

from mdlp_bench.errors import DataError
from mdlp_bench.quality.measures import laplacian_variance, measure_frame, tenengrad


def test_sharpness_agrees_with_scipy() -> None:
    luma = np.random.default_rng(0).uniform(0, 255, (40, 60)).astype(np.float32)
    dx, dy = (ndimage.sobel(luma, axis, mode="mirror") / 8 for axis in (1, 0))
    assert tenengrad(luma) == pytest.approx(float((dx**2 + dy**2).mean()), rel=1e-4)
    assert laplacian_variance(luma) == pytest.approx(
        float(ndimage.laplace(luma, mode="mirror").var()), rel=1e-4
    )


def test_a_nearer_plate_is_sharper_and_a_blurred_one_is_not() -> None:
    plate = np.full((120, 300, 3), (25, 60, 165), np.uint8)
    cv2.putText(plate, "A12345", (12, 82), cv2.FONT_HERSHEY_SIMPLEX, 2.1, (240, 240, 240), 7, cv2.LINE_AA)
    sizes = [(35, 14), (58, 23), (240, 96)]
    crops = [np.asarray(cv2.resize(plate, size, interpolation=cv2.INTER_AREA), np.uint8) for size in sizes]
    found = [measure_frame(crop) for crop in crops]
    assert found[0].tenengrad < found[1].tenengrad < found[2].tenengrad
    assert found[0].laplacian < found[1].laplacian < found[2].laplacian
    assert (found[2].width, found[2].height) == (240, 96)
    blurred = np.asarray(cv2.GaussianBlur(crops[2], (0, 0), 4), np.uint8)
    assert measure_frame(blurred).tenengrad < 0.5 * found[2].tenengrad


def test_exposure_and_clipping() -> None:
    half = np.zeros((20, 40, 3), np.uint8)
    half[:, 20:] = 255
    found = measure_frame(half)
    assert found.exposure == pytest.approx(0.5)
    assert found.contrast == pytest.approx(0.5)
    assert found.clipped == 1.0


@pytest.mark.parametrize("shape", [(5, 40, 3), (40, 5, 3), (20, 40)])
def test_what_cannot_be_measured_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError):
        measure_frame(np.zeros(shape, np.uint8))
