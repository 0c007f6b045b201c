"""Powers, exponentials and matrix products in float32 that are the same on every processor.

Those of NumPy and its BLAS depend on the vector instructions at hand. In float64 they do too, but only in the
last of 53 bits, which rounding to float32 removes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def power(base: npt.NDArray[Any], exponent: float) -> npt.NDArray[np.float32]:
    """Non-negative values to the power of `exponent`, itself rounded to float32."""
    return np.power(base, np.float64(np.float32(exponent)), dtype=np.float64).astype(np.float32)


def exp(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """e to the power of each value."""
    return np.exp(values, dtype=np.float64).astype(np.float32)


def product(left: npt.NDArray[Any], right: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """The matrix product, summed in float64."""
    return (left.astype(np.float64) @ right.astype(np.float64)).astype(np.float32)
