from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from mdlp_bench.errors import DataError
from mdlp_bench.metrics.fidelity import SsimTarget, psnr, ssim, ssim_maps
from mdlp_bench.metrics.protocol import to_working_size


def oracle(pred: np.ndarray, target: np.ndarray) -> float:
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    return float(structural_similarity(target, pred, channel_axis=2, data_range=255, **options))


def batch(seed: int, count: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 112, 224, 3), dtype=np.uint8)


def drawings(seed: int) -> np.ndarray:
    """Flat rectangles: local variances are 0 nearly everywhere, the hard case for rounding."""
    rng = np.random.default_rng(seed)
    image = np.empty((1, 112, 224, 3), np.uint8)
    image[:] = rng.integers(0, 256, 3)
    for _ in range(6):
        top, left = rng.integers(0, 100), rng.integers(0, 200)
        image[0, top : top + rng.integers(5, 60), left : left + rng.integers(5, 90)] = rng.integers(0, 256, 3)
    return image


def real_pairs(shared_dir: Path) -> tuple[np.ndarray, np.ndarray]:
    root = shared_dir / "real" / "mdlp_figures" / "val"
    groups = sorted(p.name for p in (root / "gt").iterdir())[:8]
    load = lambda path: to_working_size(cv2.imread(str(path))[..., ::-1].copy())  # noqa: E731
    frames = [load(max((root / "inputs" / group).iterdir())) for group in groups]
    return np.stack(frames), np.stack([load(next((root / "gt" / group).iterdir())) for group in groups])


def test_psnr_agrees_with_scikit_image() -> None:
    target = batch(0, 3)
    preds = np.clip(
        target + np.random.default_rng(1).normal(0, [[[[1]]], [[[15]]], [[[90]]]], target.shape), 0, 255
    )
    preds = preds.astype(np.uint8)
    expected = [peak_signal_noise_ratio(t, p, data_range=255) for t, p in zip(target, preds, strict=True)]
    np.testing.assert_allclose(psnr(preds, target), expected, rtol=1e-12)


def test_psnr_of_identical_images_is_the_cap_and_of_opposites_zero() -> None:
    same = batch(0)
    assert psnr(same, same).tolist() == [100.0]
    black = np.zeros((1, 112, 224, 3), np.uint8)
    assert psnr(black, 255 - black).tolist() == [0.0]
    almost = same.copy()
    almost[0, 0, 0, 0] ^= 1
    assert 96.0 < psnr(almost, same)[0] < 97.0


@pytest.mark.parametrize("noise", [0.5, 5.0, 40.0, 200.0])
def test_ssim_agrees_with_scikit_image_on_noise(noise: float) -> None:
    smooth = cv2.resize(batch(3)[0, :14, :28], (224, 112), interpolation=cv2.INTER_CUBIC)
    noisy = np.clip(smooth + np.random.default_rng(4).normal(0, noise, smooth.shape), 0, 255).astype(np.uint8)
    assert ssim(noisy[None], smooth[None])[0] == pytest.approx(oracle(noisy, smooth), abs=1e-7)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 1000))
def test_ssim_agrees_with_scikit_image_on_drawings(first: int, second: int) -> None:
    pred, target = drawings(first), drawings(second)
    assert ssim(pred, target)[0] == pytest.approx(oracle(pred[0], target[0]), abs=2e-5)


def test_ssim_and_psnr_agree_with_scikit_image_on_real_pairs(shared_dir: Path) -> None:
    preds, target = real_pairs(shared_dir)
    expected = [oracle(p, t) for p, t in zip(preds, target, strict=True)]
    np.testing.assert_allclose(ssim(preds, target), expected, rtol=0, atol=1e-7)
    expected = [peak_signal_noise_ratio(t, p, data_range=255) for p, t in zip(preds, target, strict=True)]
    np.testing.assert_allclose(psnr(preds, target), expected, rtol=1e-12)


def test_prepared_target_serves_several_methods() -> None:
    target, first, second = batch(0, 3), batch(1, 3), batch(2, 3)
    prepared = SsimTarget.of(target)
    for preds in (first, second, target):
        np.testing.assert_array_equal(ssim(preds, prepared), ssim(preds, target))
    np.testing.assert_allclose(ssim(target, prepared), 1.0, atol=1e-12)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 1000))
def test_symmetric_and_in_range(first: int, second: int) -> None:
    a, b = drawings(first), drawings(second)
    np.testing.assert_allclose(ssim(a, b), ssim(b, a), atol=2e-5)
    np.testing.assert_array_equal(psnr(a, b), psnr(b, a))
    assert -1.0 <= ssim(a, b)[0] <= 1.0
    assert 0.0 <= psnr(a, b)[0] <= 100.0


def test_scores_do_not_depend_on_the_batch() -> None:
    target, preds = batch(0, 4), batch(1, 4)
    for metric in (psnr, ssim):
        single = [metric(preds[i : i + 1], target[i : i + 1])[0] for i in range(4)]
        np.testing.assert_array_equal(metric(preds, target), single)


def test_map_averages_to_the_score() -> None:
    target, preds = batch(0, 2), batch(1, 2)
    inner = ssim_maps(preds, target)[:, :, 5:-5, 5:-5]
    np.testing.assert_allclose(inner.mean(axis=(1, 2, 3)), ssim(preds, target), rtol=1e-6)


def test_empty_batch() -> None:
    assert psnr(batch(0, 0), batch(0, 0)).shape == (0,)
    assert ssim(batch(0, 0), batch(0, 0)).shape == (0,)


def test_wrong_arrays_are_refused_with_their_shapes() -> None:
    target = batch(0, 2)
    with pytest.raises(DataError, match=r"float32 \[2, 112, 224, 3\]"):
        psnr(target.astype(np.float32), target)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="differ in shape"):
        ssim(target[:1], target)
    with pytest.raises(DataError, match="differ in shape"):
        ssim(target[:, :100], SsimTarget.of(target))
    with pytest.raises(DataError, match="smaller than the SSIM window"):
        ssim(target[:, :8], target[:, :8])
    with pytest.raises(DataError, match="ground truth"):
        SsimTarget.of(target[0])
