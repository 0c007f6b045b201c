"""The rectifying reader: corners, then the text of the rectified plate, then a second look at its region."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
import torch

from mdlp_bench.device import whole_fp32
from mdlp_bench.images import ImageU8, stretched
from mdlp_bench.readers.crnn.ctc_reader import BATCH, CtcReader, Decoding
from mdlp_bench.readers.ctc import softmax
from mdlp_bench.readers.rectifying.geometry import Points, mapped, rectified
from mdlp_bench.readers.rectifying.networks import (
    CORNER_SIZE,
    REGION_PATCH,
    REGION_SIZE,
    RectifyingConfig,
    RectifyingNetwork,
)
from mdlp_bench.readers.rectifying.weights import load_rectifying

# Corners are rounded to a part of the crop this small: what a batch or a processor adds to them in the last
# bit would otherwise move whole grey levels of the rectified plate.
_PARTS: Final = 1024
# Shares below this are rounding errors of the softmax.
_LEAST: Final = 1e-6
_ON_PLATE: Final = np.array(REGION_PATCH, np.float32)


class RectifyingReader(CtcReader[RectifyingNetwork]):
    """Reads plate crops of any size: finds the sheet's corners and reads what lies between them.

    What each column gives to region signs is shared among them by the geometric mean of two opinions: the
    CRNN's and that of a network that looks at the sign alone.
    """

    def __init__(
        self,
        weights: Path,
        decoding: Decoding = "greedy",
        *,
        name: str = "crnn-3",
        title: str = "CRNN 3",
    ) -> None:
        """Load the networks.

        Args:
            weights: Their file.
            decoding: How class probabilities become text.
            name: Its name in runs.
            title: Its name in tables.

        Raises:
            MissingWeightsError: The file is not there.
            ReaderError: The file does not hold a rectifying reader.
        """
        network = load_rectifying(weights)
        line = network.config.line
        super().__init__(network, line, decoding, weights, name=name, title=title)
        self._regions = np.array([line.alphabet.index(sign) + 1 for sign in network.config.regions])

    @torch.inference_mode()
    @whole_fp32()
    def corners(self, images: Sequence[ImageU8]) -> npt.NDArray[np.float32]:
        """The sheet's corners in crops, float32 [B, 4, 2], (x, y) in shares of the crop.

        Top left, top right, bottom right, bottom left; meaningless where there is no plate.
        """
        found = [np.empty((0, 4, 2), np.float32)]
        for start in range(0, len(images), BATCH):
            seen = [corner_view(image) for image in images[start : start + BATCH]]
            found.append(self.network.corners(self._batch(seen)).cpu().numpy())
        return (np.round(np.concatenate(found) * _PARTS) / _PARTS).astype(np.float32)

    @torch.inference_mode()
    @whole_fp32()
    def _see(self, images: Sequence[ImageU8]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]]:
        settings, line = self.network.config, self.config
        probabilities = np.zeros((len(images), line.width // 4, len(line.alphabet) + 1))
        features = np.zeros((len(images), line.feature_size), np.float32)
        corners = self.corners(images)
        for start in range(0, len(images), BATCH):
            chosen = slice(start, start + BATCH)
            found = list(zip(images[chosen], corners[chosen], strict=True))
            views = [line_view(image, four, settings) for image, four in found]
            columns = self.network.line.encode(self._batch(views))
            seen = softmax(self.network.line.classes(columns).cpu().numpy(), line.temperature)
            features[chosen] = columns.mean(1).cpu().numpy()
            patches = [region_view(image, four) for image, four in found]
            logits = self.network.region(self._batch(patches)).cpu().numpy()
            regions = softmax(logits[:, 1:], settings.region_temperature)
            probabilities[chosen] = self._with_regions(seen, regions)
        return probabilities, features

    def _with_regions(
        self, probabilities: npt.NDArray[np.float64], regions: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        """Share the mass that each column gives to regions as both networks see it.

        Args:
            probabilities: [B, T, C].
            regions: [B, R]; for every crop the shares of the regions.

        Returns:
            [B, T, C]; the mass of all regions together and of every other class stays.
        """
        own = probabilities[..., self._regions]
        mass = own.sum(-1, keepdims=True)
        both = np.sqrt(
            np.maximum(own / np.maximum(mass, _LEAST), _LEAST) * np.maximum(regions, _LEAST)[:, None]
        )
        shared = probabilities.copy()
        shared[..., self._regions] = mass * both / both.sum(-1, keepdims=True)
        return shared


def corner_view(image: ImageU8) -> ImageU8:
    """A crop, uint8 RGB [H, W, 3], as its corners are looked for: uint8 RGB [40, 128, 3]."""
    return stretched(image, CORNER_SIZE, cv2.INTER_LINEAR)


def line_view(image: ImageU8, corners: Points, config: RectifyingConfig) -> ImageU8:
    """A plate with these corners as it is read: uint8 RGB, in the size and with the inset of `config`."""
    return rectified(image, corners, (config.line.height, config.line.width), config.inset)


def region_view(image: ImageU8, corners: Points) -> ImageU8:
    """Where the region's sign stands on a plate with these corners: uint8 RGB [48, 48, 3]."""
    return rectified(image, mapped(corners, _ON_PLATE), REGION_SIZE, (0.0, 0.0))
