"""Distances between sets of feature vectors, whatever made the features.

With the features of Inception (`inception.py`) they are called FID and KID, with those of the benchmark's own
text reader FRD and KRD (reader distance). The two pairs are on different scales and never share a name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mdlp_bench.errors import DataError

Features = NDArray[np.floating[Any]]

FEWEST_SAMPLES: Final = 8
"""Samples of each set below which no distance is reported."""

_BLOCK_ROWS: Final = 1024


@dataclass(frozen=True, slots=True)
class Gaussian:
    """The Gaussian fitted to a feature set, computed once for the ground truth and reused.

    Attributes:
        mean: float64 [D].
        factor: float64 [R, D] whose product `factor^T factor` is the sample covariance (N - 1); R is the
            smaller of N and D.
    """

    mean: NDArray[np.float64]
    factor: NDArray[np.float64]

    @classmethod
    def of(cls, features: Features) -> Gaussian:
        """Fit features [N, D].

        Raises:
            DataError: Fewer than two rows, or values that are not finite.
        """
        values = _checked(features)
        mean = values.mean(axis=0)
        factor = (values - mean) / np.sqrt(len(values) - 1)
        if len(values) > values.shape[1]:
            factor = np.linalg.qr(factor, mode="r")
        return cls(mean, factor)


@dataclass(frozen=True, slots=True)
class KernelDistance:
    """A kernel distance with its uncertainty.

    Attributes:
        value: Unbiased squared maximum mean discrepancy; may be slightly negative for equal distributions.
        standard_error: Its standard error by the two-sample jackknife (Arvesen 1969).
    """

    value: float
    standard_error: float


def frechet_distance(a: Features | Gaussian, b: Features | Gaussian) -> float:
    """Squared Fréchet distance of the Gaussians fitted to two feature sets, lower is better, range [0, inf).

    `|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2))` (Dowson and Landau 1982; Heusel et al., NeurIPS 2017). With
    S1 = A^T A and S2 = B^T B the trace of the square root is the sum of the singular values of `A B^T`: no
    matrix root is taken, so there are no complex numbers and no failure for sets with fewer samples than
    dimensions. The bias of the estimate grows as sets shrink; for small ones prefer `kernel_distance`.

    Args:
        a: Features, [N, D], or their `Gaussian`.
        b: Features, [M, D], or their `Gaussian`.

    Raises:
        DataError: The dimensions differ, or as in `Gaussian.of`.
    """
    first = a if isinstance(a, Gaussian) else Gaussian.of(a)
    second = b if isinstance(b, Gaussian) else Gaussian.of(b)
    if first.mean.shape != second.mean.shape:
        raise DataError(f"features of {len(first.mean)} and {len(second.mean)} dimensions cannot be compared")
    cross = np.linalg.svd(first.factor @ second.factor.T, compute_uv=False).sum()
    shift = first.mean - second.mean
    spread = np.square(first.factor).sum() + np.square(second.factor).sum() - 2.0 * cross
    return float(max(0.0, shift @ shift + spread))


def kernel_distance(a: Features, b: Features) -> KernelDistance:
    """Unbiased squared MMD with the cubic polynomial kernel, lower is better.

    Binkowski et al., "Demystifying MMD GANs", ICLR 2018: kernel `(x . y / D + 1)^3`, the U-statistic over all
    pairs of the whole sets rather than over random subsets, which has the same mean and less variance. The
    expected value does not depend on the sizes of the sets.

    Args:
        a: Features, [N, D].
        b: Features, [M, D].

    Raises:
        DataError: The dimensions differ, fewer than three rows, or values that are not finite.
    """
    x, y = _checked(a), _checked(b)
    if x.shape[1] != y.shape[1]:
        raise DataError(f"features of {x.shape[1]} and {y.shape[1]} dimensions cannot be compared")
    n, m = len(x), len(y)
    if min(n, m) < 3:
        raise DataError(f"kernel distance needs at least 3 samples in each set, found {n} and {m}")
    # The sum of each row is all that the estimate and its jackknife need.
    within_x, within_y = _sums(x, x)[0] - _diagonal(x), _sums(y, y)[0] - _diagonal(y)
    x_to_y, y_to_x = _sums(x, y)
    pairs_x, pairs_y, across = within_x.sum(), within_y.sum(), x_to_y.sum()
    value = pairs_x / (n * (n - 1)) + pairs_y / (m * (m - 1)) - 2.0 * across / (n * m)
    without_x = (
        (pairs_x - 2.0 * within_x) / ((n - 1) * (n - 2))
        + pairs_y / (m * (m - 1))
        - 2.0 * (across - x_to_y) / ((n - 1) * m)
    )
    without_y = (
        pairs_x / (n * (n - 1))
        + (pairs_y - 2.0 * within_y) / ((m - 1) * (m - 2))
        - 2.0 * (across - y_to_x) / (n * (m - 1))
    )
    variance = (n - 1) * without_x.var() + (m - 1) * without_y.var()
    return KernelDistance(float(value), float(np.sqrt(variance)))


def _sums(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums of the rows and of the columns of the kernel matrix, block by block."""
    rows, columns = np.empty(len(x)), np.zeros(len(y))
    for start in range(0, len(x), _BLOCK_ROWS):
        base = x[start : start + _BLOCK_ROWS] @ y.T
        base /= x.shape[1]
        base += 1.0
        kernel = base * base
        kernel *= base
        rows[start : start + _BLOCK_ROWS] = kernel.sum(axis=1)
        columns += kernel.sum(axis=0)
    return rows, columns


def _diagonal(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((np.square(x).sum(axis=1) / x.shape[1] + 1.0) ** 3)


def _checked(features: Features) -> NDArray[np.float64]:
    values = np.asarray(features, np.float64)
    if values.ndim != 2 or len(values) < 2 or values.shape[1] == 0:
        raise DataError(f"features must be [N, D] with at least 2 samples, found {list(values.shape)}")
    if not np.isfinite(values).all():
        raise DataError("features contain values that are not finite")
    return values
