"""Frame statistics: what they are on images of known properties."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from skimage import data

from mdlp_bench.errors import DataError
from mdlp_bench.images import decode
from mdlp_bench.quality.statistics import (
    STATISTIC_NAMES,
    blockiness,
    effective_resolution,
    luminance,
    noise_sigma,
    sharpness,
    spectrum_slope,
)
from mdlp_bench.synth.degrade import frame_statistics, load_recipe, statistics_table
from mdlp_bench.synth.degrade.compare import compare_recipes


@pytest.fixture(scope="module")
def photo():
    return np.ascontiguousarray(data.astronaut()[40:152, 130:354])


@pytest.mark.parametrize("sigma", [1.0, 5.0, 20.0])
def test_noise_of_known_strength(sigma):
    x = np.linspace(0, 200, 300)[None, :] + np.zeros((200, 1))
    luma = (x + np.random.default_rng(0).normal(0, sigma, x.shape)).astype(np.float32)
    assert noise_sigma(luma) == pytest.approx(sigma, rel=0.03)


def test_sharpness_of_a_ramp_is_its_slope():
    ramp = (np.arange(50)[None, :] * 3 + np.arange(40)[:, None] * 4).astype(np.float32)
    assert sharpness(ramp[:, :])  # borders reflect, so compare the inside
    inner = np.pad(ramp, 0)
    gx, gy = ndimage.sobel(inner, axis=1) / 8, ndimage.sobel(inner, axis=0) / 8
    assert np.hypot(gx, gy)[1:-1, 1:-1].mean() == pytest.approx(5)
    assert sharpness(ramp) == pytest.approx(5, rel=0.06)


def test_more_blur_lowers_sharpness_and_resolution(photo):
    luma = luminance(photo)
    blurred = [ndimage.gaussian_filter(luma, s) for s in (0, 0.7, 1.5, 3, 6)]
    for statistic in (sharpness, effective_resolution):
        values = [statistic(image) for image in blurred]
        assert values == sorted(values, reverse=True)
    slopes = [spectrum_slope(image) for image in blurred[:4]]
    assert slopes == sorted(slopes, reverse=True)


def test_slope_of_power_law_noise():
    rng = np.random.default_rng(0)
    radius = np.hypot(np.fft.fftfreq(128)[:, None], np.fft.rfftfreq(256)[None])
    radius[0, 0] = 1
    for exponent in (0.0, -2.0, -3.0):
        spectrum = np.fft.rfft2(rng.standard_normal((128, 256))) * radius ** (exponent / 2)
        image = np.fft.irfft2(spectrum, s=(128, 256)).astype(np.float32)
        assert spectrum_slope(image) == pytest.approx(exponent, abs=0.2)


def test_effective_resolution_of_a_wave_and_of_enlarged_noise():
    x = np.arange(128)
    wave = np.tile(100 + 50 * np.sin(2 * np.pi * x * 16 / 128), (32, 1)).astype(np.float32)
    assert effective_resolution(wave) == pytest.approx(32, abs=3)
    small = Image.fromarray(np.random.default_rng(0).random((32, 64), np.float32) * 255)
    enlarged = np.asarray(small.resize((128, 32), Image.Resampling.BICUBIC))
    assert 40 < effective_resolution(enlarged) < 80


def test_blockiness_rises_with_jpeg_compression(photo):
    import io

    values = []
    for quality in (95, 40, 10):
        buffer = io.BytesIO()
        Image.fromarray(photo).save(buffer, "JPEG", quality=quality)
        values.append(frame_statistics(decode(buffer.getvalue(), "jpeg")).blockiness)
    assert values == sorted(values)
    assert values[-1] > 1.3
    assert values[0] == pytest.approx(1, abs=0.15)
    assert blockiness(np.full((20, 40), 7, np.float32)) == 1.0
    assert blockiness(np.random.default_rng(0).random((7, 7), np.float32)) == 1.0


def test_flat_and_tiny_images():
    flat = frame_statistics(np.full((19, 41, 3), 128, np.uint8))
    assert (flat.sharpness, flat.contrast, flat.spectrum_slope, flat.effective_resolution) == (0, 0, 0, 0)
    assert (flat.width, flat.height) == (41, 19)
    with pytest.raises(DataError, match="5 x 19 px are too few"):
        frame_statistics(np.zeros((19, 5, 3), np.uint8))
    with pytest.raises(DataError, match="expected a uint8"):
        frame_statistics(np.zeros((19, 41), np.uint8))


def test_table(photo):
    table = statistics_table([photo, photo[:50]])
    assert tuple(table) == STATISTIC_NAMES
    assert table["height"].tolist() == [112, 50]


def test_surveillance_is_the_closest_recipe_to_real_frames(shared_dir):
    """On most statistics, the comparison the documentation shows."""
    root = shared_dir / "real/mdlp_figures/val"
    groups = sorted(path.name for path in (root / "inputs").iterdir())[::3]

    def load(folder):
        return [decode(path.read_bytes(), path.name) for path in sorted(folder.iterdir())]

    real = [load(root / "inputs" / group) for group in groups]
    clean = [load(root / "gt" / group)[0] for group in groups]
    recipes = [
        load_recipe(name)
        for name in ("bicubic", "gaussian", "motion", "realesrgan", "bsrgan", "surveillance")
    ]
    result = compare_recipes(real, clean, recipes)
    wins = result.wins()
    assert sum(wins.values()) == len(STATISTIC_NAMES)
    assert wins["surveillance"] >= 6
    table = result.markdown()
    assert table.count("\n") == len(STATISTIC_NAMES) + 2
    assert "**" in table


def test_comparison_with_a_reader_and_its_errors(photo):
    recipe = load_recipe("bicubic")
    result = compare_recipes(
        [[photo], [photo]],
        [photo, photo],
        [recipe],
        texts=["a", "b"],
        repeats=2,
        legibility=lambda i, t: [0.5] * len(i),
    )
    assert result.recipes["bicubic"]["reader_ned"].tolist() == [0.5] * 4
    assert result.distance("bicubic", "reader_ned") == 0
    with pytest.raises(DataError, match="needs real frames"):
        compare_recipes([], [photo], [recipe])
    with pytest.raises(DataError, match="1 texts for 1 real samples and 2 ground truths"):
        compare_recipes([[photo]], [photo, photo], [recipe], texts=["a"], legibility=lambda i, t: [0.0])
