"""A restored image averaged with the frames it was made from.

A network that draws plates is sharp and sometimes wrong; the frames are blurred and never invented. Their
errors have little in common, so the average can have a smaller squared error than either: a point between
perception and distortion (Blau and Michaeli, CVPR 2018), reached without another training, as by the
interpolation of images in ESRGAN (Wang et al., ECCVW 2018, section 3.4).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from baselines.classical import frame_mean
from baselines.lp_diff.method import lp_diff_long
from mdlp_bench.errors import MethodError
from mdlp_bench.methods import MOST_FRAMES, FrameBatch, Method


class Blend(Method):
    """`(1 - share) * restored + share * mean of the first five frames`, rounded.

    Args:
        restorer: Restores.
        share: Of the frames, from 0 to 1.
        name: Its name in runs; default the restorer's with `-blend`.

    Raises:
        MethodError: The share is out of range.
    """

    def __init__(self, restorer: Method, share: float = 0.5, name: str | None = None) -> None:
        if not 0 <= share <= 1:
            raise MethodError(f"share {share:g}: must lie between 0 and 1")
        self._restorer, self._share = restorer, share
        self._mean = frame_mean()
        restored, percent = restorer.descriptor, f"{100 * share:.3g} %"
        self.descriptor = restored.model_copy(
            update={
                "name": name or f"{restored.name}-blend",
                "frames_used": max(restored.frames_used, MOST_FRAMES),
                "title": f"{restored.title}, {percent} frames",
                "frame_policy": f"{restored.frame_policy}; {percent} are the mean of the first five",
            }
        )

    def restore_batch(self, batch: FrameBatch) -> npt.NDArray[np.uint8]:
        """Restore and average; uint8 [B, 112, 224, 3]."""
        restored = self._restorer.restore_batch(batch).astype(np.float32)
        mean = self._mean.restore_batch(batch).astype(np.float32)
        blended = (1 - self._share) * restored + self._share * mean
        return np.asarray(np.round(blended), np.uint8)


def lp_diff_long_blend() -> Blend:
    """LP-Diff long with as much of the frames: on 128 validation plates the share with the highest PSNR.

    Raises:
        MissingWeightsError: The weights are not bundled.
    """
    return Blend(lp_diff_long())
