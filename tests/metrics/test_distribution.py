from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mdlp_bench.errors import DataError
from mdlp_bench.metrics.distribution import Gaussian, frechet_distance, kernel_distance


def features(seed: int, count: int, size: int, shift: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(shift, 1.0, (count, size)) @ rng.normal(0, 1, (size, size)) + shift


def scipy_frechet(a: np.ndarray, b: np.ndarray) -> float:
    first, second = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    shift = a.mean(axis=0) - b.mean(axis=0)
    root = scipy.linalg.sqrtm(first @ second)
    return float(shift @ shift + np.trace(first + second - 2 * root.real))


@pytest.mark.parametrize("size", [2, 16, 96])
def test_frechet_agrees_with_scipy(size: int) -> None:
    a, b = features(0, 300, size), features(1, 250, size, 0.5)
    assert frechet_distance(a, b) == pytest.approx(scipy_frechet(a, b), rel=1e-8)


def test_frechet_of_known_gaussians() -> None:
    a = Gaussian(np.zeros(3), np.diag([1.0, 2.0, 3.0]))
    b = Gaussian(np.array([1.0, 2.0, 2.0]), np.diag([2.0, 1.0, 3.0]))
    assert frechet_distance(a, b) == pytest.approx(9.0 + 1.0 + 1.0 + 0.0)


@pytest.mark.parametrize("count", [5, 300])
def test_the_fitted_factor_is_one_of_the_sample_covariance(count: int) -> None:
    fitted = Gaussian.of(a := features(0, count, 16))
    assert fitted.factor.shape == (min(count, 16), 16)
    np.testing.assert_allclose(fitted.factor.T @ fitted.factor, np.cov(a, rowvar=False), rtol=1e-9, atol=1e-9)


def test_frechet_is_safe_with_fewer_samples_than_dimensions() -> None:
    a, b = features(0, 12, 64), features(1, 9, 64)
    assert frechet_distance(a, a) == pytest.approx(0.0, abs=1e-8 * np.trace(np.cov(a.T)))
    exact = frechet_distance(a, b)
    # In the span of the samples the covariances are small full matrices: same distance, easy square root.
    basis = np.linalg.qr(np.vstack([a, b]).T)[0]
    assert exact == pytest.approx(frechet_distance(a @ basis, b @ basis), rel=1e-9)
    assert exact == pytest.approx(frechet_distance(b, a), rel=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(-3, 3), st.floats(0.1, 5))
def test_frechet_moves_with_shift_and_scale(seed: int, shift: float, scale: float) -> None:
    a = features(seed, 40, 6)
    assert frechet_distance(a, a + shift) == pytest.approx(6 * shift**2, abs=1e-7)
    b = features(seed + 1, 40, 6)
    assert frechet_distance(scale * a, scale * b) == pytest.approx(
        scale**2 * frechet_distance(a, b), rel=1e-7
    )


def naive_mmd(x: np.ndarray, y: np.ndarray) -> float:
    size = x.shape[1]
    kernel = lambda p, q: (p @ q / size + 1) ** 3  # noqa: E731
    n, m = len(x), len(y)
    xx = sum(kernel(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    yy = sum(kernel(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return float(xx + yy - 2 * sum(kernel(p, q) for p in x for q in y) / (n * m))


def test_kernel_distance_agrees_with_its_definition_and_a_plain_jackknife() -> None:
    x, y = features(0, 9, 4), features(1, 7, 4, 0.3)
    found = kernel_distance(x, y)
    assert found.value == pytest.approx(naive_mmd(x, y), rel=1e-10)
    no_x = [naive_mmd(np.delete(x, i, axis=0), y) for i in range(9)]
    no_y = [naive_mmd(x, np.delete(y, i, axis=0)) for i in range(7)]
    variance = 8 * np.var(no_x) + 6 * np.var(no_y)
    assert found.standard_error == pytest.approx(np.sqrt(variance), rel=1e-9)


def test_kernel_distance_agrees_with_torchmetrics() -> None:
    from torchmetrics.image.kid import poly_mmd

    x, y = features(0, 60, 8) / 4, features(1, 60, 8) / 4
    k_xx, k_xy, k_yy = ((a @ b.T / 8 + 1.0) ** 3 for a, b in ((x, x), (x, y), (y, y)))
    from torchmetrics.image.kid import maximum_mean_discrepancy

    expected = maximum_mean_discrepancy(torch.tensor(k_xx), torch.tensor(k_xy), torch.tensor(k_yy))
    assert kernel_distance(x, y).value == pytest.approx(float(expected), rel=1e-9)
    expected = poly_mmd(torch.tensor(x), torch.tensor(y))
    assert kernel_distance(x, y).value == pytest.approx(float(expected), rel=1e-9)


def test_kernel_distance_is_unbiased_and_its_standard_error_is_honest() -> None:
    rng = np.random.default_rng(0)
    for shift in (0.0, 0.6):
        runs = [kernel_distance(rng.normal(0, 1, (40, 5)), rng.normal(shift, 1, (30, 5))) for _ in range(400)]
        values = np.array([run.value for run in runs])
        errors = np.array([run.standard_error for run in runs])
        if shift == 0.0:
            assert abs(values.mean()) < 4 * values.std() / np.sqrt(len(values))
        else:
            # With equal distributions the U-statistic is degenerate and the jackknife errs on the safe side.
            assert np.sqrt(np.mean(errors**2)) == pytest.approx(values.std(), rel=0.2)
        assert np.sqrt(np.mean(errors**2)) > 0.8 * values.std()


def test_blocks_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = features(0, 50, 8), features(1, 33, 8)
    whole = kernel_distance(x, y)
    monkeypatch.setattr("mdlp_bench.metrics.distribution._BLOCK_ROWS", 7)
    blocked = kernel_distance(x, y)
    assert blocked.value == pytest.approx(whole.value, rel=1e-10)
    assert blocked.standard_error == pytest.approx(whole.standard_error, rel=1e-10)


def test_bad_features_are_refused() -> None:
    good = features(0, 10, 4)
    with pytest.raises(DataError, match="4 and 3 dimensions"):
        frechet_distance(good, features(0, 10, 3))
    with pytest.raises(DataError, match="4 and 3 dimensions"):
        kernel_distance(good, features(0, 10, 3))
    with pytest.raises(DataError, match="not finite"):
        frechet_distance(good, good * np.nan)
    with pytest.raises(DataError, match="at least 2"):
        frechet_distance(good[:1], good)
    with pytest.raises(DataError, match="at least 3"):
        kernel_distance(good[:2], good)
