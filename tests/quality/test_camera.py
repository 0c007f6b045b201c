from __future__ import annotations

import cv2
import numpy as np
import pytest

from mdlp_bench.gap.measure import NAMES, statistics_of
from mdlp_bench.quality import camera
from mdlp_bench.quality.statistics import luminance
from mdlp_bench.synth.degrade.operators import kernels


def texture(seed: int = 0, size: tuple[int, int] = (64, 128)) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (*size, 3), dtype=np.uint8)


@pytest.mark.parametrize(("degrees", "expected"), [(0, (1, 0)), (45, (0, 1)), (90, (-1, 0)), (135, (0, -1))])
def test_the_direction_of_a_motion_blur_is_found(degrees: int, expected: tuple[int, int]) -> None:
    kernel = kernels.motion_kernel(9, np.deg2rad(degrees))
    blurred = cv2.filter2D(luminance(texture()), -1, kernel)
    found = np.array(camera.detail_direction(blurred))
    assert found @ np.array(expected) > 0.3
    assert abs(found @ np.array(expected[::-1])) < 0.1
    assert np.abs(camera.detail_direction(luminance(texture()))).max() < 0.05


def test_noise_correlation_tells_white_grey_and_resampled_noise_apart() -> None:
    white = texture(1)
    grey = np.repeat(white[..., :1], 3, axis=2)
    coarse = cv2.resize(texture(2), (180, 90), interpolation=cv2.INTER_CUBIC)
    assert np.abs(camera.noise_correlation(white)).max() < 0.08
    assert camera.noise_correlation(grey)[1] == pytest.approx(1)
    assert abs(camera.noise_correlation(coarse)[0]) > 0.2
    assert camera.noise_correlation(np.full((20, 40, 3), 7, np.uint8)) == (0, 0)


def test_colours_of_a_plain_image() -> None:
    image = np.full((10, 20, 3), (255, 51, 0), np.uint8)
    found = camera.colour_statistics(image)
    assert found.colourfulness == pytest.approx(1) and found.warmth == pytest.approx(1)
    assert found.brightness == pytest.approx(0.299 + 0.587 * 0.2, abs=1e-5)


def test_a_planted_displacement_and_growth_are_found() -> None:
    scene = cv2.GaussianBlur(texture(3, (80, 160)), (0, 0), 3)
    scene = cv2.normalize(scene, None, 0, 255, cv2.NORM_MINMAX)
    before, after = scene[8:72, 16:144], scene[8:72, 12:140]  # 4 of 128 pixels
    found = camera.temporal_statistics([before, after])
    assert found is not None
    assert found.shift == pytest.approx(4 / 128, rel=0.15) and found.change < 0.03 and found.growth == 1
    still = camera.temporal_statistics([before] * 3)
    assert still is not None and max(still.shift, still.change, still.flicker) < 1e-3
    grown = camera.temporal_statistics([before, cv2.resize(before, (160, 80))])
    assert grown is not None and grown.growth == pytest.approx(1.25) and grown.change < 0.01
    other = camera.temporal_statistics([before, cv2.GaussianBlur(texture(9), (0, 0), 3)])
    assert other is not None and other.change > 0.5
    assert camera.temporal_statistics([before]) is None


def test_a_sample_has_every_statistic_but_the_readers() -> None:
    frames = [cv2.GaussianBlur(texture(seed), (0, 0), 2) for seed in range(3)]
    assert set(statistics_of(frames)) == set(NAMES) - {"reader_ned"}
    assert set(statistics_of(frames[:1])) == set(NAMES) - {"reader_ned", *camera.TEMPORAL_NAMES}
