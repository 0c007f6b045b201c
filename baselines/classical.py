"""Methods that learn nothing: interpolation, frame selection, fusion by averaging, and the two oracles."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from mdlp_bench.errors import DataError
from mdlp_bench.images import ImageU8
from mdlp_bench.methods import MOST_FRAMES, FrameBatch, Method, MethodDescriptor
from mdlp_bench.methods.base import Provenance
from mdlp_bench.metrics.protocol import WORKING_SIZE, to_working_size

HEIGHT, WIDTH = WORKING_SIZE


class FrameMethod(Method):
    """A method that turns the frames of one sample, at their captured size, into one image."""

    def __init__(
        self, descriptor: MethodDescriptor, function: Callable[[tuple[ImageU8, ...]], ImageU8]
    ) -> None:
        self.descriptor = descriptor
        self._function = function

    def restore_batch(self, batch: FrameBatch) -> npt.NDArray[np.uint8]:
        """Restore from the frames as captured; uint8 [B, 112, 224, 3]."""
        return np.stack([self._function(frames[:MOST_FRAMES]) for frames in batch.native])


def sharpness(image: ImageU8) -> float:
    """Tenengrad: the mean squared Sobel gradient of the luminance at the working size (higher is sharper).

    Krotkov, "Focusing", IJCV 1987. Measured at one size, so that frames of several sizes compare.
    """
    grey = cv2.cvtColor(to_working_size(image), cv2.COLOR_RGB2GRAY).astype(np.float32)
    x, y = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    return float(np.mean(x * x + y * y))


def align(image: ImageU8, reference: ImageU8) -> ImageU8:
    """Shift `image` onto `reference` (same size) by phase correlation of the luminance.

    Shifts beyond an eighth of a side count as failures of the correlation and are not applied.
    """
    grey = [cv2.cvtColor(i, cv2.COLOR_RGB2GRAY).astype(np.float64) for i in (reference, image)]
    window = cv2.createHanningWindow((image.shape[1], image.shape[0]), cv2.CV_64F)
    (dx, dy), _ = cv2.phaseCorrelate(grey[0], grey[1], window)
    if abs(dx) > image.shape[1] / 8 or abs(dy) > image.shape[0] / 8:
        return image
    matrix = np.array([[1, 0, -dx], [0, 1, -dy]], np.float64)
    size = (image.shape[1], image.shape[0])
    moved = cv2.warpAffine(image, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.uint8)


def bicubic() -> Method:
    """The last of the first five frames (of an approaching plate: the largest), enlarged bicubically."""
    return _method(
        "bicubic",
        "Bicubic",
        "the last of the first five",
        lambda frames: _resize(frames[-1], cv2.INTER_CUBIC),
        1,
    )


def lanczos() -> Method:
    """The last of the first five frames, enlarged with the Lanczos kernel over 8 x 8 pixels."""
    return _method(
        "lanczos",
        "Lanczos",
        "the last of the first five",
        lambda frames: _resize(frames[-1], cv2.INTER_LANCZOS4),
        1,
    )


def best_frame() -> Method:
    """The sharpest of the first five frames (Tenengrad), enlarged bicubically."""
    return _method(
        "best-frame",
        "Best frame",
        "the sharpest of the first five",
        lambda frames: to_working_size(max(frames, key=sharpness)),
        MOST_FRAMES,
    )


def frame_mean() -> Method:
    """The mean of the first five frames, each enlarged bicubically."""
    return _method("frame-mean", "Frame mean", "the mean of the first five", _mean, MOST_FRAMES)


def aligned_mean() -> Method:
    """The median of the first five frames, each enlarged and registered to the last by phase correlation."""
    return _method(
        "aligned-mean",
        "Aligned mean",
        "the registered median of the first five",
        _aligned_median,
        MOST_FRAMES,
    )


class GroundTruth(Method):
    """The ground truth itself: the ceiling of every metric, and the reader's own error on text."""

    descriptor = MethodDescriptor(
        name="ground-truth", title="Ground truth", frames_used=0, frame_policy="none", provenance="oracle"
    )

    def restore_batch(self, batch: FrameBatch) -> npt.NDArray[np.uint8]:
        """The ground truths at the working size; uint8 [B, 112, 224, 3]."""
        images = [image for image in batch.ground_truth or () if image is not None]
        if len(images) != len(batch):
            raise DataError(f"sample {batch.sample_ids[0]}: it has no ground truth to show")
        return np.stack([to_working_size(image) for image in images])


def degraded_input() -> Method:
    """The first frame as captured, brought to the working size: the floor of every table."""
    return _method("input", "Degraded input", "first", lambda frames: to_working_size(frames[0]), 1, "oracle")


def _method(
    name: str,
    title: str,
    policy: str,
    function: Callable[[tuple[ImageU8, ...]], ImageU8],
    frames: int,
    provenance: Provenance = "baseline",
) -> Method:
    descriptor = MethodDescriptor(
        name=name, title=title, frames_used=frames, frame_policy=policy, provenance=provenance
    )
    return FrameMethod(descriptor, function)


def _resize(image: ImageU8, interpolation: int) -> ImageU8:
    return np.asarray(cv2.resize(image, (WIDTH, HEIGHT), interpolation=interpolation), np.uint8)


def _mean(frames: tuple[ImageU8, ...]) -> ImageU8:
    stack = np.stack([to_working_size(frame) for frame in frames]).astype(np.float32)
    return np.asarray(np.rint(stack.mean(axis=0)), np.uint8)


def _aligned_median(frames: tuple[ImageU8, ...]) -> ImageU8:
    *others, reference = (to_working_size(frame) for frame in frames)
    registered = [align(frame, reference) for frame in others]
    return np.asarray(np.rint(np.median(np.stack([*registered, reference]), axis=0)), np.uint8)
