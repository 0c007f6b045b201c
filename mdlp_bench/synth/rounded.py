"""Powers, exponentials and matrix products in float32 that are the same on every processor.

Those of NumPy and its BLAS depend on the vector instructions at hand. In float64 they do too, but only in the
last of 53 bits, which rounding to float32 removes. What remains are OpenCV's filters, warps and colour
conversions in float32: they differ in the last bit where there is no fused multiply-add (`rendered_under`).
"""

from __future__ import annotations

import platform
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt


def rendered_under() -> str:
    """What the last bit of a picture may depend on: versions and instructions, for the manifest."""
    # `*` marks what is chosen at run time, `?` what is not there or switched off.
    instructions = {name.lstrip("*") for name in cv2.getCPUFeaturesLine().split()}
    fused = not instructions.isdisjoint({"AVX2", "FMA3", "NEON"})
    kind = f"{platform.machine()} {'with' if fused else 'without'} fused multiply-add"
    return f"opencv {cv2.__version__}, numpy {np.__version__}, {kind}"


def power(base: npt.NDArray[Any], exponent: float) -> npt.NDArray[np.float32]:
    """Non-negative values to the power of `exponent`, itself rounded to float32."""
    return np.asarray(np.power(base, np.float64(np.float32(exponent)), dtype=np.float64), np.float32)


def exp(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """e to the power of each value."""
    return np.asarray(np.exp(values, dtype=np.float64), np.float32)


def product(left: npt.NDArray[Any], right: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """The matrix product, summed in float64."""
    return np.asarray(left.astype(np.float64) @ right.astype(np.float64), np.float32)
