"""How alike a reader finds two images: a loss that pulls on what makes a plate legible."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mdlp_bench.readers.crnn.network import INPUT_HEIGHT, standardise
from mdlp_bench.readers.crnn.weights import bundled_weights, load_crnn


class ReaderLoss(nn.Module):
    """Mean absolute difference between what a frozen CRNN's classifier sees of two images.

        L(a, b) = mean over columns and features of |phi(a) - phi(b)|

    phi are the column features (convolutional and recurrent) of `CRNN.encode`. Texts are not needed: the
    clear plate's own features are the target. Whoever trains with a reader should not be judged by the same
    one alone; the model card names it.

    Args:
        weights: The CRNN; default the bundled one.

    Raises:
        MissingWeightsError: The file is not there.
        ReaderError: It is no CRNN.
    """

    def __init__(self, weights: Path | None = None) -> None:
        super().__init__()
        self.network = load_crnn(weights or bundled_weights()).requires_grad_(False)

    def train(self, mode: bool = True) -> ReaderLoss:
        """Stay in evaluation mode: the reader is a yardstick."""
        return super().train(False)

    def forward(self, restored: Tensor, target: Tensor) -> Tensor:
        """Loss a sample, [B], of images [B, 3, H, W] in [-1, 1]."""
        with torch.no_grad():
            wanted = self._features(target)
        return (self._features(restored) - wanted).abs().mean((1, 2))

    def _features(self, images: Tensor) -> Tensor:
        size = (INPUT_HEIGHT, self.network.config.width)
        shrunk = F.adaptive_avg_pool2d(images.float(), size)
        return self.network.encode(standardise(shrunk.add(1).mul(127.5).permute(0, 2, 3, 1)))
