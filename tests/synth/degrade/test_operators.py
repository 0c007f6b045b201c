"""Operators against independent implementations, and the properties they promise."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError
from scipy import fft, integrate, ndimage, special, stats
from skimage import data, filters, metrics

from mdlp_bench.synth.degrade.operators import (
    OPERATORS,
    blur,
    compression,
    enhance,
    kernels,
    light,
    sampling,
    sensor,
    weather,
)
from mdlp_bench.synth.degrade.operators.base import Sizes, to_float, to_uint8

RNG = np.random.default_rng


@pytest.fixture(scope="module")
def photo():
    return to_float(np.ascontiguousarray(data.astronaut()[40:152, 130:354]))


def noise_image(seed=0, shape=(40, 56, 3)):
    return RNG(seed).random(shape, np.float32)


SIZES = st.sampled_from([7, 9, 13, 21])
SIGMAS = st.floats(0.0, 4.0)


@given(SIZES, SIGMAS, SIGMAS, st.floats(-np.pi, np.pi), st.floats(0.5, 4.0))
@settings(max_examples=60, deadline=None)
def test_kernels_keep_energy_and_are_symmetric(size, sx, sy, angle, beta):
    for kernel in (
        kernels.gaussian_kernel(size, sx, sy, angle),
        kernels.generalized_gaussian_kernel(size, sx, sy, angle, beta),
        kernels.plateau_kernel(size, sx, sy, angle, beta),
    ):
        assert kernel.shape == (size, size)
        assert kernel.sum() == pytest.approx(1, abs=1e-5)
        assert kernel.min() >= 0
        np.testing.assert_allclose(kernel, kernel[::-1, ::-1], atol=1e-6)


@given(st.floats(0, 25), st.floats(-np.pi, np.pi))
@settings(max_examples=60, deadline=None)
def test_motion_and_disk_kernels(length, angle):
    motion = kernels.motion_kernel(length, angle)
    assert motion.sum() == pytest.approx(1, abs=1e-5)
    half = motion.shape[0] // 2
    axis = np.arange(motion.shape[0]) - half
    x, y = np.meshgrid(axis, axis)
    assert abs((motion * x).sum()) < 1e-3
    assert abs((motion * y).sum()) < 1e-3
    # A uniform segment has variance length^2 / 12; bilinear splatting adds at most 1/4 a direction.
    spread = float((motion * (x**2 + y**2)).sum())
    assert length**2 / 12 - 1e-3 <= spread <= length**2 / 12 + 0.51
    assert kernels.disk_kernel(length / 4).sum() == pytest.approx(1, abs=1e-5)


def test_motion_kernel_points_along_its_angle():
    for angle in (0.0, 0.5, np.pi / 2, 2.5):
        kernel = kernels.motion_kernel(15, angle)
        axis = np.arange(kernel.shape[0]) - kernel.shape[0] // 2
        x, y = np.meshgrid(axis, axis)
        moments = [
            [(kernel * x * x).sum(), (kernel * x * y).sum()],
            [(kernel * x * y).sum(), (kernel * y * y).sum()],
        ]
        main = np.linalg.eigh(np.array(moments))[1][:, -1]
        assert abs(main @ [np.cos(angle), np.sin(angle)]) > 0.999


def test_gaussian_kernel_has_its_covariance():
    kernel = kernels.gaussian_kernel(41, 4.0, 2.0, 0.6)
    axis = np.arange(41) - 20
    x, y = np.meshgrid(axis, axis)
    turn = np.array([[np.cos(0.6), -np.sin(0.6)], [np.sin(0.6), np.cos(0.6)]])
    want = turn @ np.diag([16.0, 4.0]) @ turn.T
    got = [[(kernel * x * x).sum(), (kernel * x * y).sum()], [(kernel * x * y).sum(), (kernel * y * y).sum()]]
    np.testing.assert_allclose(got, want, rtol=0.01, atol=0.02)


def test_generalized_gaussian_of_beta_one_is_the_gaussian():
    np.testing.assert_allclose(
        kernels.generalized_gaussian_kernel(15, 2, 1, 0.3, 1.0),
        kernels.gaussian_kernel(15, 2, 1, 0.3),
        atol=1e-6,
    )


@pytest.mark.parametrize("cutoff", [np.pi / 5, np.pi / 3, 2.5])
def test_sinc_kernel_is_the_inverse_transform_of_a_disk(cutoff):
    """The kernel at radius r is the integral of J0(w r) w / 2 pi over w in [0, cutoff]."""

    def density(w, radius):
        return special.j0(w * radius) * w / (2 * np.pi)

    kernel = kernels.sinc_kernel(13, cutoff)
    raw = np.array(
        [
            [integrate.quad(density, 0, cutoff, args=(float(np.hypot(i, j)),))[0] for i in range(-6, 7)]
            for j in range(-6, 7)
        ]
    )
    np.testing.assert_allclose(kernel, raw / raw.sum(), atol=1e-6)
    assert kernel.min() < 0  # it rings


def test_disk_kernel_against_supersampling():
    radius, fine = 3.3, 21
    half = 4
    axis = (np.arange((2 * half + 1) * fine) + 0.5) / fine - half - 0.5
    inside = (axis[None] ** 2 + axis[:, None] ** 2 <= radius**2).astype(float)
    want = inside.reshape(2 * half + 1, fine, 2 * half + 1, fine).mean(axis=(1, 3))
    np.testing.assert_allclose(kernels.disk_kernel(radius), want / want.sum(), atol=0.004)


def test_gaussian_blur_matches_scipy_and_skimage(photo):
    got = blur.gaussian_blur(photo, blur.GaussianBlurParams(sigma_x=1.7, size=25), RNG(0))
    scipy_result = ndimage.gaussian_filter(photo, (1.7, 1.7, 0), mode="mirror", truncate=12 / 1.7)
    np.testing.assert_allclose(got, scipy_result, atol=5e-4)
    skimage_result = filters.gaussian(photo, 1.7, mode="mirror", channel_axis=-1, truncate=12 / 1.7)
    np.testing.assert_allclose(got, skimage_result, atol=5e-4)


@pytest.mark.parametrize(
    ("name", "params", "kernel"),
    [
        (
            "gaussian_blur",
            {"sigma_x": 3.0, "sigma_y": 1.0, "angle": 0.7, "size": 21},
            kernels.gaussian_kernel(21, 3, 1, 0.7),
        ),
        ("plateau_blur", {"sigma_x": 2.0, "size": 15, "beta": 1.5}, kernels.plateau_kernel(15, 2, 2, 0, 1.5)),
        (
            "generalized_gaussian_blur",
            {"sigma_x": 2.0, "size": 15, "beta": 0.6},
            kernels.generalized_gaussian_kernel(15, 2, 2, 0, 0.6),
        ),
        ("sinc_blur", {"size": 13, "cutoff": 1.4}, kernels.sinc_kernel(13, 1.4)),
        ("defocus_blur", {"radius": 2.6}, kernels.disk_kernel(2.6)),
        ("motion_blur", {"length": 9.5, "angle": 0.4}, kernels.motion_kernel(9.5, 0.4)),
    ],
)
def test_blurs_convolve_with_their_kernel(photo, name, params, kernel):
    operator = OPERATORS[name]
    got = operator.apply(photo, operator.params(**params), RNG(0))
    want = np.stack([ndimage.convolve(photo[..., c], kernel, mode="mirror") for c in range(3)], axis=-1)
    np.testing.assert_allclose(got, want, atol=2e-3)


def gradient(image):
    return float(np.abs(np.diff(image, axis=1)).mean() + np.abs(np.diff(image, axis=0)).mean())


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("gaussian_blur", [{"sigma_x": s} for s in (0.3, 0.8, 1.6, 3.0, 5.0)]),
        ("defocus_blur", [{"radius": r} for r in (0.2, 1.0, 2.5, 4.0)]),
        ("motion_blur", [{"length": v, "angle": 0.3} for v in (0.5, 3, 8, 20)]),
        ("sinc_blur", [{"size": 21, "cutoff": c} for c in (3.0, 1.5, 0.7)]),
        ("denoise", [{"range_sigma": s, "space_sigma": 2.0} for s in (0.01, 0.05, 0.2, 1.0)]),
    ],
)
def test_more_blur_is_less_sharp(photo, name, params):
    operator = OPERATORS[name]
    values = [gradient(operator.apply(photo, operator.params(**p), RNG(0))) for p in params]
    assert values == sorted(values, reverse=True)
    assert values[-1] < 0.8 * values[0]


def test_antialiased_bicubic_matches_keys_formula(photo):
    """The definition written out: Keys' cubic with a = -0.5, stretched by the shrinking factor."""

    def weights(source, target):
        scale = source / target
        centre = (np.arange(target) + 0.5) * scale
        x = np.abs(np.arange(source) + 0.5 - centre[:, None]) / scale
        w = np.where(
            x < 1, 1.5 * x**3 - 2.5 * x**2 + 1, np.where(x < 2, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2, 0)
        )
        return w / w.sum(axis=1, keepdims=True)

    got = sampling.resize(
        photo, sampling.ResizeParams(height=28, width=56, interpolation="antialiased_bicubic"), RNG(0)
    )
    want = np.einsum("yh,xw,hwc->yxc", weights(112, 28), weights(224, 56), photo)
    np.testing.assert_allclose(got, np.clip(want, 0, 1), atol=1e-5)


def test_area_resize_is_the_block_mean(photo):
    got = sampling.resize(photo, sampling.ResizeParams(height=28, width=56, interpolation="area"), RNG(0))
    np.testing.assert_allclose(got, photo.reshape(28, 4, 56, 4, 3).mean(axis=(1, 3)), atol=1e-5)


def test_shifted_nearest_samples_block_centres():
    """A linear ramp keeps its values at the block centres, whatever the blur."""
    ramp = np.repeat(np.linspace(0, 1, 96, dtype=np.float32)[None, :, None], 64, axis=0).repeat(3, axis=2)
    got = sampling.shifted_nearest(ramp, sampling.ShiftedNearestParams(factor=4, sigma=1.6), RNG(0))
    assert got.shape == (16, 24, 3)
    want = ramp.reshape(64, 24, 4, 3).mean(axis=2)[0]
    np.testing.assert_allclose(got[8, 4:-4], want[4:-4], atol=1e-3)


def test_view_without_motion_is_the_image_and_shifts_whole_pixels(photo):
    same = sampling.view(photo, sampling.ViewParams(height=112, width=224), RNG(0))
    np.testing.assert_array_equal(same, photo)
    moved = sampling.view(
        photo, sampling.ViewParams(height=112, width=224, shift_x=10 / 224, shift_y=-5 / 112), RNG(0)
    )
    np.testing.assert_allclose(moved[:-5, 10:], photo[5:, :-10], atol=1e-4)


def test_view_rotates_clockwise_about_the_middle():
    image = np.zeros((101, 101, 3), np.float32)
    image[48:53, 88:93] = 1
    turned = sampling.view(image, sampling.ViewParams(height=101, width=101, roll=90), RNG(0))
    y, x = ndimage.center_of_mass(turned[..., 0])
    assert (round(x), round(y)) == (50, 90)


@pytest.mark.parametrize("shape", [(54, 133), (300, 700), (28, 94)])
def test_view_brings_any_size_onto_the_canvas(shape):
    image = np.full((*shape, 3), 0.25, np.float32)
    got = sampling.view(image, sampling.ViewParams(height=112, width=224, zoom=0.9), RNG(0))
    assert got.shape == (112, 224, 3)
    np.testing.assert_allclose(got, 0.25, atol=0.5 / 255)


def test_resize_resolves_against_the_three_sizes():
    sizes = Sizes(current=(60, 100), frame=(19, 41), canvas=(112, 224))
    want = {"current": (30, 50), "frame": (10, 20), "canvas": (56, 112)}
    for of, (height, width) in want.items():
        got = sampling.resolve_resize({"of": of, "scale": 0.5, "interpolation": "area"}, sizes)
        assert (got["height"], got["width"]) == (height, width)


@pytest.mark.parametrize("channels", ["colour", "gray", "correlated"])
def test_gaussian_noise_has_its_strength(channels):
    flat = np.full((200, 300, 3), 0.5, np.float32)
    params = sensor.GaussianNoiseParams(sigma=12, channels=channels)
    noisy = [sensor.gaussian_noise(flat, params, RNG(s)) - flat for s in range(30)]
    if channels == "correlated":
        # The covariance is random; a channel's variance has the mean of a uniform number, or a little more.
        variance = np.mean([n.reshape(-1, 3).var(axis=0).mean() for n in noisy]) * 255**2
        assert 0.4 * 144 < variance < 0.7 * 144
    else:
        assert np.std(noisy[0]) * 255 == pytest.approx(12, rel=0.02)
    difference = np.abs(noisy[0][..., 0] - noisy[0][..., 1]).max()
    assert (difference < 1e-6) == (channels == "gray")


def test_poisson_noise_variance_is_proportional_to_light():
    spread = []
    for level in (51, 102, 204):
        # Two values give 2 used levels; a full ramp at the side gives the 256 that photographs have.
        image = np.full((256, 256, 3), level / 255, np.float32)
        image[:, 0] = to_float(np.arange(256, dtype=np.uint8))[:, None]
        noise = sensor.poisson_noise(image, sensor.PoissonNoiseParams(scale=1.0), RNG(1)) - image
        spread.append(float(noise[:, 1:].var()))
        assert spread[-1] == pytest.approx(level / 255 / 256, rel=0.05)
    assert spread == sorted(spread)


@pytest.mark.parametrize("peak", [2, 64, 256])
def test_poisson_table_against_scipy(peak):
    table = sensor._poisson_quantiles(peak).astype(np.float64)
    for level in (0, 1, 30, 128, 255):
        mean = level / 255 * peak
        assert table[level].mean() == pytest.approx(mean, rel=2e-3, abs=2e-3)
        assert table[level].var() == pytest.approx(mean, rel=0.01, abs=2e-3)
        middles = (np.arange(0, 4096, 64) + 0.5) / 4096
        np.testing.assert_array_equal(table[level][::64], stats.poisson.ppf(middles, mean))


def test_bayer_mosaic_and_demosaicing_agree_with_opencv():
    raw = RNG(0).integers(0, 256, (40, 60)).astype(np.uint8)
    for px, py, code in [
        (0, 0, cv2.COLOR_BayerBG2RGB),
        (1, 0, cv2.COLOR_BayerGB2RGB),
        (0, 1, cv2.COLOR_BayerGR2RGB),
        (1, 1, cv2.COLOR_BayerRG2RGB),
    ]:
        masks = sensor.bayer_masks(40, 60, px, py)
        assert sum(mask.sum() for mask in masks) == raw.size
        got = sensor.demosaic(raw.astype(np.float32), *masks)
        want = cv2.cvtColor(raw, code)
        inner = (slice(2, -2), slice(2, -2))
        np.testing.assert_allclose(got[inner], want[inner].astype(np.float32), atol=1.01)


def test_bayer_sensor_noise_model():
    flat = np.full((240, 240, 3), 0.6, np.float32)
    params = sensor.BayerSensorParams(shot=0.002, read=0.01)
    masks = sensor.bayer_masks(240, 240, 0, 0)
    seen = np.power(sensor.bayer_sensor(flat, params, RNG(0)), 2.2)
    x = 0.6**2.2
    # At its own photosites a channel is the raw value.
    assert seen[..., 0][masks[0] > 0].std() == pytest.approx(np.sqrt(0.002 * x + 0.01**2), rel=0.03)
    clean = sensor.bayer_sensor(flat, sensor.BayerSensorParams(shot=0, read=0), RNG(0))
    np.testing.assert_allclose(clean, flat, atol=1e-4)


@pytest.mark.parametrize("quality", [30, 55, 95])
def test_jpeg_uses_the_standard_tables_as_pillow_does(photo, quality):
    params = compression.JpegParams(quality=quality)
    mine = Image.open(io.BytesIO(compression.encode_jpeg(photo, params)))
    buffer = io.BytesIO()
    Image.fromarray(to_uint8(photo)).save(buffer, "JPEG", quality=quality, subsampling="4:2:0")
    other = Image.open(buffer)
    assert mine.quantization == other.quantization
    decoded = to_uint8(compression.jpeg(photo, params, RNG(0)))
    assert metrics.mean_squared_error(np.asarray(other), decoded) < 10


def test_jpeg_quality_and_double_jpeg(photo):
    def loss(*qualities):
        image = photo
        for quality in qualities:
            image = compression.jpeg(image, compression.JpegParams(quality=quality), RNG(0))
        return float(((image - photo) ** 2).mean())

    assert loss(10) > loss(30) > loss(60) > loss(95)
    assert loss(60, 35) > loss(60)


def test_block_transform_is_scipys_dct():
    for size in (4, 8, 16):
        np.testing.assert_allclose(
            compression.dct_matrix(size), fft.dct(np.eye(size), axis=0, norm="ortho"), atol=1e-6
        )


def test_block_codec_follows_its_quantiser(photo):
    def coded(qp, **more):
        return compression.block_codec(
            photo, compression.BlockCodecParams(qp=qp, chroma_qp=qp, **more), RNG(0)
        )

    losses = [float(((coded(qp) - photo) ** 2).mean()) for qp in (10, 22, 34, 46)]
    assert losses == sorted(losses)
    flat = np.full((40, 60, 3), 0.5, np.float32)
    params = compression.BlockCodecParams(qp=30, chroma_qp=30, grid_x=3, grid_y=5)
    step = 0.625 * 2 ** (30 / 6)
    assert np.abs(compression.block_codec(flat, params, RNG(0)) - flat).max() * 255 <= step / 8 + 0.01


@pytest.mark.parametrize(("grid_x", "first"), [(0, 8), (3, 5), (7, 1)])
def test_block_edges_lie_on_the_grid_and_deblocking_softens_them(photo, grid_x, first):
    grey = np.repeat(photo.mean(axis=2, keepdims=True), 3, axis=2)

    def edges(deblocking):
        params = compression.BlockCodecParams(qp=38, chroma_qp=20, grid_x=grid_x, deblocking=deblocking)
        step = np.abs(np.diff(compression.block_codec(grey, params, RNG(0))[..., 1], axis=1)).mean(axis=0)
        at = np.arange(1, step.size + 1) % 8 == first % 8
        return step[at].mean() / step[~at].mean()

    assert edges(0.0) > 1.8
    assert edges(1.0) < edges(0.0)


def test_chroma_subsampling_keeps_luma_and_means(photo):
    got = compression.chroma_subsampling(
        photo * 0.5 + 0.25, compression.ChromaSubsamplingParams(factor=4), RNG(0)
    )
    before, after = (
        cv2.cvtColor(i.astype(np.float32), cv2.COLOR_RGB2YCrCb) for i in (photo * 0.5 + 0.25, got)
    )
    np.testing.assert_allclose(after[..., 0], before[..., 0], atol=0.03)
    assert after[..., 1].std() < before[..., 1].std()
    np.testing.assert_allclose(after.mean(axis=(0, 1)), before.mean(axis=(0, 1)), atol=2e-3)


def test_sharpening_overshoots_at_an_edge_by_the_formula():
    step = np.zeros((20, 40, 3), np.float32) + 0.4
    step[:, 20:] = 0.6
    got = enhance.sharpen(step, enhance.SharpenParams(amount=1.5, sigma=2.0), RNG(0))
    smooth = ndimage.gaussian_filter(step[..., 0], 2.0, mode="mirror", truncate=8)
    np.testing.assert_allclose(got[..., 0], step[..., 0] + 1.5 * (step[..., 0] - smooth), atol=2e-3)
    assert got.max() > 0.62
    assert got.min() < 0.38


def test_light_operators_follow_their_formulas(photo):
    got = light.exposure(photo, light.ExposureParams(gain=0.5), RNG(0))
    np.testing.assert_allclose(got, (photo**2.2 * 0.5) ** (1 / 2.2), atol=1e-4)
    np.testing.assert_allclose(
        light.gamma(photo, light.GammaParams(gamma=1.8), RNG(0)), photo**1.8, atol=1e-4
    )
    toned = light.tone(photo, light.ToneParams(contrast=0.5, veil=0.2, veil_level=0.5), RNG(0))
    assert toned.std() < 0.45 * photo.std()
    grey = light.saturation(photo, light.SaturationParams(factor=0.0), RNG(0))
    want = np.asarray(Image.fromarray(to_uint8(photo)).convert("L"), np.float32) / 255
    np.testing.assert_allclose(grey, np.repeat(want[..., None], 3, axis=2), atol=0.005)
    cast = light.colour_cast(photo * 0.5, light.ColourCastParams(red_gain=1.2, blue_gain=0.8), RNG(0))
    np.testing.assert_allclose(cast[..., 1], photo[..., 1] * 0.5, atol=1e-4)
    assert cast[..., 0].mean() > 0.5 * photo[..., 0].mean()
    assert cast[..., 2].mean() < 0.5 * photo[..., 2].mean()


def test_night_glare_and_shadow_put_light_where_they_say():
    grey = np.full((112, 224, 3), 0.5, np.float32)
    dark = light.night(grey, light.NightParams(level=0.05, colour_loss=0.5, lamp=0.8, lamp_x=0.25), RNG(0))
    assert dark[56, 56].mean() > dark[56, 210].mean()
    assert dark.mean() < grey.mean()
    lit = light.glare(grey, light.GlareParams(strength=1.0, x=0.8, y=0.5, radius=0.1), RNG(0))
    assert np.unravel_index(lit[..., 0].argmax(), lit.shape[:2])[1] > 150
    np.testing.assert_allclose(lit[:, :60], 0.5, atol=1e-3)
    shade = light.shadow(grey, light.ShadowParams(x=0.5, y=0.5, angle=0.0, level=0.25), RNG(0))
    np.testing.assert_allclose(shade[:, :90], 0.5, atol=1e-3)
    np.testing.assert_allclose(shade[:, 140:], 0.5 * 0.25 ** (1 / 2.2), atol=1e-3)


def test_rain_and_fog():
    grey = np.full((112, 224, 3), 0.3, np.float32)
    dry = weather.rain(grey, weather.RainParams(drops=0, length=0.2, slant=0, brightness=1.0), RNG(0))
    assert np.abs(dry - grey).max() < 0.01
    wet = weather.rain(grey, weather.RainParams(drops=20, length=0.2, slant=3, brightness=1.0), RNG(0))
    assert (wet > 0.4).mean() > 0.005
    thin, thick = (weather.fog(grey, weather.FogParams(density=d), RNG(0)) for d in (0.1, 0.8))
    assert thick.mean() > thin.mean() > grey.mean() - 0.01


EXAMPLES = {
    "bayer_sensor": {"shot": 0.001, "read": 0.01},
    "block_codec": {"qp": 30, "chroma_qp": 30, "grid_x": 3},
    "chroma_subsampling": {},
    "colour_cast": {"red_gain": 1.2, "blue_gain": 0.9},
    "defocus_blur": {"radius": 1.5},
    "denoise": {"range_sigma": 0.1, "space_sigma": 1.0},
    "exposure": {"gain": 2.0},
    "fog": {"density": 0.4},
    "gamma": {"gamma": 1.4},
    "gaussian_blur": {"sigma_x": 1.2},
    "gaussian_noise": {"sigma": 10},
    "generalized_gaussian_blur": {"size": 9, "sigma_x": 1.0, "beta": 0.7},
    "glare": {"strength": 0.5, "x": 0.2, "y": 0.2, "radius": 0.3},
    "jpeg": {"quality": 40},
    "motion_blur": {"length": 6, "angle": 0.3},
    "night": {"level": 0.2, "colour_loss": 0.5},
    "plateau_blur": {"size": 9, "sigma_x": 1.0, "beta": 1.5},
    "poisson_noise": {"scale": 1.0},
    "rain": {"drops": 10, "length": 0.2, "slant": 2},
    "resize": {"height": 19, "width": 41, "interpolation": "area"},
    "saturation": {"factor": 0.5},
    "shadow": {"x": 0.5, "y": 0.5, "angle": 0.4, "level": 0.5},
    "sharpen": {"amount": 1.0},
    "shifted_nearest": {"factor": 2, "sigma": 1.0},
    "sinc_blur": {"size": 9, "cutoff": 1.5},
    "tone": {"contrast": 0.7},
    "view": {"height": 60, "width": 120, "roll": 2.0},
}


def test_every_operator_has_an_example():
    assert set(EXAMPLES) == set(OPERATORS)


@pytest.mark.parametrize("name", sorted(OPERATORS))
def test_every_operator_is_pure_and_keeps_the_range(name):
    operator = OPERATORS[name]
    image = noise_image()
    before = image.copy()
    params = operator.params(**EXAMPLES[name])
    first, again = (operator.apply(image, params, RNG(7)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(image, before)
    assert first.dtype == np.float32
    assert first.ndim == 3
    assert np.isfinite(first).all()
    if name != "sinc_blur":  # ringing may overshoot; storing clips
        assert first.min() >= -1e-5
        assert first.max() <= 1 + 1e-5
    if operator.size_after is not None:
        assert first.shape[:2] == operator.size_after(params, image.shape[:2])
    other = operator.apply(image, params, RNG(8))
    assert np.array_equal(first, other) == (operator.noise == "none")
    assert operator.params.model_validate(params.model_dump()) == params


def test_parameters_out_of_range_are_refused():
    for name, bad in [
        ("jpeg", {"quality": 0}),
        ("gaussian_blur", {"sigma_x": -1}),
        ("sinc_blur", {"size": 8, "cutoff": 1}),
        ("exposure", {"gain": float("nan")}),
        ("jpeg", {"quality": 50, "colour": 3}),
    ]:
        with pytest.raises(ValidationError):
            OPERATORS[name].params(**bad)


def test_a_view_stretches_the_height_and_shows_what_is_around():
    image = np.full((60, 120, 3), 0.8, np.float32)
    params = sampling.ViewParams(height=60, width=120, stretch=0.5, surround=0.1)
    seen = sampling.view(image, params, np.random.default_rng(0))
    half = 0.501 / 255  # views are rounded
    assert seen[30, 60] == pytest.approx(0.8, abs=1e-5) and seen[30, 2] == pytest.approx(0.8, abs=1e-3)
    assert seen[5, 60] == pytest.approx(0.1, abs=half) and seen[55, 60] == pytest.approx(0.1, abs=half)
    plain = sampling.view(
        image, sampling.ViewParams(height=60, width=120, zoom=0.8), np.random.default_rng(0)
    )
    assert plain == pytest.approx(0.8, abs=1e-5)  # without a surround the edge is repeated
