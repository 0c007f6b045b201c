from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from mdlp_bench.data import open_samples
from mdlp_bench.errors import DataError
from mdlp_bench.metrics.fidelity import psnr, ssim
from mdlp_bench.metrics.protocol import MDLP_V1, MDLP_V2, RegistrationRules, to_working_size
from mdlp_bench.metrics.registered import (
    MAX_DISPLACEMENT,
    aligned_scores,
    register,
)


@pytest.fixture(scope="module")
def plates(shared_dir: Path) -> np.ndarray:
    files = sorted((shared_dir / "real" / "mdlp_figures" / "val" / "gt").glob("*/*"))[:6]
    return np.stack([to_working_size(cv2.imread(str(path))[..., ::-1].copy()) for path in files])


@pytest.fixture(params=[MDLP_V1, MDLP_V2], ids=lambda protocol: protocol.id)
def rules(request: pytest.FixtureRequest) -> RegistrationRules | None:
    found: RegistrationRules | None = request.param.registration
    return found


def shifted(images: np.ndarray, dx: int, dy: int) -> np.ndarray:
    edge = 20
    padded = [cv2.copyMakeBorder(image, edge, edge, edge, edge, cv2.BORDER_REFLECT_101) for image in images]
    rows, columns = slice(edge - dy, edge - dy + 112), slice(edge - dx, edge - dx + 224)
    return np.ascontiguousarray(np.stack(padded)[:, rows, columns])


@pytest.mark.parametrize(("dx", "dy"), [(2, 0), (0, -2), (2, 2)])
def test_two_pixels_cost_the_plain_scores_much_and_the_aligned_ones_almost_nothing(
    plates: np.ndarray, rules: RegistrationRules | None, dx: int, dy: int
) -> None:
    # A method's output: the plate, softened and noisy, at its place and beside it.
    rng = np.random.default_rng(0)
    output = np.stack([cv2.GaussianBlur(plate, (0, 0), 1.0) for plate in plates])
    output = np.clip(output + rng.normal(0, 3, output.shape), 0, 255).astype(np.uint8)
    moved = shifted(output, dx, dy)
    assert np.all(psnr(output, plates) - psnr(moved, plates) > 3.0)
    found = aligned_scores(moved, plates, rules)
    unmoved = aligned_scores(output, plates, rules)
    assert found.registered.all()
    assert np.abs(found.psnr - unmoved.psnr).max() < 0.35
    assert np.abs(found.ssim - unmoved.ssim).max() < 0.01
    assert found.displacement == pytest.approx(np.full(len(plates), 2.0), abs=0.3)


def test_small_affine_distortion_is_undone(plates: np.ndarray, rules: RegistrationRules | None) -> None:
    warp = np.array([[1.02, 0.01, -3.0], [-0.01, 0.98, 2.0]], np.float32)
    moved = np.stack([cv2.warpAffine(p, warp, (224, 112), borderMode=cv2.BORDER_REFLECT_101) for p in plates])
    found = aligned_scores(moved, plates, rules)
    assert found.registered.all()
    assert np.all(found.psnr > psnr(moved, plates) + 5.0)
    assert np.all(found.ssim > 0.9)
    recovered = register(moved[0], plates[0], rules)
    assert recovered is not None
    np.testing.assert_allclose(recovered, warp, atol=0.3)


def test_registered_outputs_score_what_they_score_plainly(
    plates: np.ndarray, rules: RegistrationRules | None
) -> None:
    found = aligned_scores(plates, plates, rules)
    assert found.registered.all()
    np.testing.assert_array_equal(found.psnr, 100.0)
    np.testing.assert_allclose(found.ssim, 1.0, atol=1e-9)


def test_what_cannot_be_registered_keeps_its_plain_score_and_says_so(
    plates: np.ndarray, rules: RegistrationRules | None
) -> None:
    flat = np.full_like(plates, 90)
    found = aligned_scores(flat, plates, rules)
    assert not found.registered.any()
    assert np.isnan(found.displacement).all()
    np.testing.assert_array_equal(found.psnr, psnr(flat, plates))
    np.testing.assert_array_equal(found.ssim, ssim(flat, plates))


def test_no_registration_leaves_the_bound(plates: np.ndarray, rules: RegistrationRules | None) -> None:
    far = shifted(plates, MAX_DISPLACEMENT + 7, 0)
    noise = np.random.default_rng(0).integers(0, 256, plates.shape, dtype=np.uint8)
    for preds in (far, noise, plates[::-1].copy()):
        found = aligned_scores(preds, plates, rules)
        assert np.all(found.displacement[found.registered] <= MAX_DISPLACEMENT)
        np.testing.assert_array_equal(found.psnr[~found.registered], psnr(preds, plates)[~found.registered])


def test_other_sizes_are_refused() -> None:
    with pytest.raises(DataError, match="working size"):
        aligned_scores(np.zeros((1, 64, 64, 3), np.uint8), np.zeros((1, 64, 64, 3), np.uint8))


def test_the_start_at_half_resolution_aligns_real_outputs_as_well(shared_dir: Path) -> None:
    samples = open_samples(shared_dir / "real" / "mdlp_figures")
    gt = np.stack([to_working_size(image) for s in samples if (image := s.decode_gt()) is not None])
    last = np.stack([to_working_size(sample.decode_frames(3)[-1]) for sample in samples])
    first, second = (aligned_scores(last, gt, one.registration) for one in (MDLP_V1, MDLP_V2))
    plain = psnr(last, gt).mean()
    assert first.psnr.mean() > plain + 0.3
    assert second.psnr.mean() > first.psnr.mean() - 0.02 and second.ssim.mean() > first.ssim.mean() - 0.002
