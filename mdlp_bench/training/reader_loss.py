"""How alike a frozen reader finds two images: a loss that pulls on what makes a plate legible."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mdlp_bench.readers.crnn.network import INPUT_HEIGHT, standardise
from mdlp_bench.readers.crnn.weights import bundled_weights, load_crnn
from mdlp_bench.training.teacher import (
    TEACHER_SIZE,
    Teacher,
    is_teacher,
    load_teacher,
    position_labels,
    position_loss,
)


class ReaderLoss(nn.Module):
    """Difference between what a frozen reader sees of a restored image and of its ground truth.

    With a CRNN, phi are the column features (convolutional and recurrent) of `CRNN.encode`:

        L(a, b) = mean over columns and features of |phi(a) - phi(b)|

    With a `Teacher`, phi are the features of its eight positions and p its class probabilities; the
    cross-entropy of `position_loss` is added:

        L(a, b) = mean over positions and features of |phi(a) - phi(b)| + CE(p(b), p(a))

    Texts, where they are given, take the place of p(b). Whoever trains with a reader should not be judged by
    it; the teacher is not the CRNN that scores.

    A reader that makes out the faintest strokes asks for no stronger ones: the teacher reads ground truths at
    15 % of their contrast as well as at all of it. With `noise` it sees both images through the same Gaussian
    noise, in which faint strokes drown.

    Args:
        weights: A CRNN's or a teacher's weight file; default the bundled CRNN.
        noise: Standard deviation of the noise at the reader's input size, on a range of [-1, 1].

    Raises:
        MissingWeightsError: The file is not there.
        ReaderError: It is neither a CRNN nor a teacher.
    """

    def __init__(self, weights: Path | None = None, noise: float = 0.0) -> None:
        super().__init__()
        self.noise = noise
        path = weights or bundled_weights()
        network = load_teacher(path) if is_teacher(path) else load_crnn(path)
        self.network = network.requires_grad_(False)

    def train(self, mode: bool = True) -> ReaderLoss:
        """Stay in evaluation mode: the reader is frozen."""
        return super().train(False)

    def forward(
        self,
        restored: Tensor,
        gt: Tensor,
        texts: Sequence[str | None] | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Loss per sample, [B].

        Args:
            restored: float [B, 3, H, W] in [-1, 1]; gradients pass through it.
            gt: The ground truths, of the same shape.
            texts: Their B texts, for a teacher only; where one is unknown, all are the teacher's own reading
                of `gt`.
            generator: CPU generator of the noise.

        Raises:
            ReaderError: A text is outside the teacher's alphabet.
        """
        network = self.network
        seen, wanted_image = self._shrunk(restored), self._shrunk(gt)
        if self.noise:
            noise = self.noise * torch.randn(seen.shape, generator=generator).to(seen)
            seen, wanted_image = seen + noise, wanted_image + noise
        if not isinstance(network, Teacher):
            with torch.no_grad():
                wanted = network.encode(_standardised(wanted_image))
            return (network.encode(_standardised(seen)) - wanted).abs().mean((1, 2))
        with torch.no_grad():
            wanted = network.encode(_standardised(wanted_image))
            labels = network.classify(wanted).softmax(-1)
        known = [text for text in texts or () if text is not None]
        if len(known) == len(gt):
            labels = position_labels(known).to(gt.device)
        features = network.encode(_standardised(seen))
        difference = (features - wanted).abs().mean((1, 2))
        return difference + position_loss(network.classify(features), labels)

    def _shrunk(self, images: Tensor) -> Tensor:
        network = self.network
        size = TEACHER_SIZE if isinstance(network, Teacher) else (INPUT_HEIGHT, network.config.width)
        return F.adaptive_avg_pool2d(images.float(), size)


def _standardised(images: Tensor) -> Tensor:
    return standardise(images.add(1).mul(127.5).permute(0, 2, 3, 1))
