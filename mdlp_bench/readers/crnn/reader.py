"""The project's own reader: a CRNN trained on rendered plates."""

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
from mdlp_bench.readers.crnn.network import CRNN, INPUT_HEIGHT
from mdlp_bench.readers.crnn.weights import bundled_weights, load_crnn
from mdlp_bench.readers.ctc import softmax

_SHEARS: Final = ((0.07, -0.12), (-0.07, 0.12))
"""Lean and climb of the views of a reader that also looks askew, beside the upright one."""


class CrnnReader(CtcReader[CRNN]):
    """Reads plate crops of any size, stretched to the network's input."""

    def __init__(
        self,
        weights: Path | None = None,
        decoding: Decoding = "greedy",
        *,
        name: str = "crnn",
        title: str = "CRNN",
    ) -> None:
        """Load the network.

        Args:
            weights: A weight file; default the bundled one.
            decoding: How class probabilities become text.
            name: Its name in runs.
            title: Its name in tables.

        Raises:
            MissingWeightsError: The file is not there.
            ReaderError: The file does not hold a CRNN.
        """
        path = weights or bundled_weights()
        network = load_crnn(path)
        super().__init__(network, network.config, decoding, path, name=name, title=title)

    @torch.inference_mode()
    @whole_fp32()
    def _see(self, images: Sequence[ImageU8]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]]:
        shears = _SHEARS if self.config.askew else ()
        classes = len(self.config.alphabet) + 1
        probabilities = np.zeros((len(images), self.config.width // 4, classes))
        features = np.zeros((len(images), self.config.feature_size), np.float32)
        for start in range(0, len(images), BATCH):
            crops = [
                prepare(image, self.config.width, self.config.height)
                for image in images[start : start + BATCH]
            ]
            views = [*crops, *(askew(crop, *shear) for shear in shears for crop in crops)]
            columns = self.network.encode(self._batch(views))
            seen = softmax(self.network.classes(columns).cpu().numpy(), self.config.temperature)
            chosen = slice(start, start + len(crops))
            probabilities[chosen] = seen.reshape(-1, len(crops), *seen.shape[1:]).mean(axis=0)
            features[chosen] = columns[: len(crops)].mean(1).cpu().numpy()
        return probabilities, features


def prepare(image: ImageU8, width: int, rows: int = INPUT_HEIGHT) -> ImageU8:
    """Stretch a crop, uint8 RGB [H, W, 3], to the network's input, uint8 RGB [rows, width, 3].

    Each axis that shrinks is averaged over areas, each that grows is interpolated linearly.
    """
    return stretched(image, (rows, width), cv2.INTER_LINEAR)


def askew(image: ImageU8, lean: float, climb: float) -> ImageU8:
    """A crop, uint8 RGB [H, W, 3], sheared about its centre; the size stays.

    From edge to edge it leans by a share of its width and climbs by a share of its height. Columns keep their
    places, so what is seen in them can be averaged with what is seen of the upright crop.
    """
    height, width = image.shape[:2]
    across, down = lean * width / height, climb * height / width
    middle, centre = (width - 1) / 2, (height - 1) / 2
    matrix = np.array([[1, across, -across * centre], [down, 1, -down * middle]])
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    seen = cv2.warpAffine(image, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(seen, np.uint8)
