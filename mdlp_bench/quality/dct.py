"""The discrete cosine transform that JPEG blocks are coded with."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt


@lru_cache(maxsize=4)
def dct_matrix(size: int) -> npt.NDArray[np.float32]:
    """The orthonormal DCT-II matrix [size, size]."""
    k, n = np.arange(size)[:, None], np.arange(size)[None, :]
    matrix = np.sqrt(2 / size) * np.cos(np.pi * (2 * n + 1) * k / (2 * size))
    matrix[0] /= np.sqrt(2)
    result = np.asarray(matrix, np.float32)
    result.setflags(write=False)
    return result
