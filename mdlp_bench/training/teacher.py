"""The teacher of the reader loss: a convolutional reader with one classifier per character position.

It shares neither architecture, nor alphabet head, nor training stream with the CRNN that judges, so that a
method trained with it is not trained on its judge.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn import functional as F

from mdlp_bench.errors import ReaderError
from mdlp_bench.plate import ALPHABET
from mdlp_bench.readers.weights import fill_recogniser, read_recogniser, save_recogniser

TEACHER_SIZE: Final = (28, 112)
"""Input height and width: 112 x 224 averaged over whole 4 x 2 blocks."""
POSITIONS: Final = 8
"""Plates have 7 or 8 characters; a position beyond the text has class 0."""
_KEY: Final = "mdlp-bench-teacher-1"


class Teacher(nn.Module):
    """Dilated residual convolutions, one learnt attention map and one linear classifier per position.

    Position k attends to the 7 x 28 grid of features F with softmax(q_k . (F + P)), P a learnt code of place,
    and classifies the weighted mean of F. (Attention with fixed queries, as in parallel decoders of scene
    text recognition; no recurrence, no CTC.)
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            *_convolution(3, 24, 5, stride=2), *_convolution(24, 40, 3), *_convolution(40, width, 3, stride=2)
        )
        self.blocks = nn.ModuleList(_Residual(width, dilation) for dilation in (1, 2, 4))
        rows, columns = TEACHER_SIZE[0] // 4, TEACHER_SIZE[1] // 4
        self.place = nn.Parameter(torch.randn(width, rows, columns) * 0.1)
        self.queries = nn.Conv2d(width, POSITIONS, 1)
        self.heads = nn.Parameter(torch.randn(POSITIONS, width, len(ALPHABET) + 1) * width**-0.5)
        self.bias = nn.Parameter(torch.zeros(POSITIONS, len(ALPHABET) + 1))

    def encode(self, images: Tensor) -> Tensor:
        """Standardised images, float [B, 3, 28, 112], to one feature vector per position, [B, 8, D]."""
        features = self.stem(images)
        for block in self.blocks:
            features = block(features)
        weights = self.queries(features + self.place).flatten(2).softmax(-1)
        return torch.einsum("bkn,bdn->bkd", weights, features.flatten(2))

    def forward(self, images: Tensor) -> Tensor:
        """Standardised images, float [B, 3, 28, 112], to logits [B, 8, 73]; class 0 is none."""
        return self.classify(self.encode(images))

    def classify(self, features: Tensor) -> Tensor:
        """Feature vectors of positions, [B, 8, D], to logits [B, 8, 73]."""
        return torch.einsum("bkd,kdc->bkc", features, self.heads) + self.bias


class _Residual(nn.Module):
    """Two 3 x 3 convolutions, the second dilated along the text, added to their input."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            *_convolution(width, width, 3),
            nn.Conv2d(width, width, 3, padding=(1, dilation), dilation=(1, dilation), bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, features: Tensor) -> Tensor:
        """[B, D, H, W] to the same shape."""
        return F.relu(features + self.inner(features))


def _convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    ]


def position_labels(texts: Sequence[str]) -> Tensor:
    """Classes of texts, int64 [B, 8]: character i of `ALPHABET` is class i + 1, 0 follows the text's end.

    Raises:
        ReaderError: A text is longer than eight characters or has one outside the alphabet.
    """
    labels = torch.zeros(len(texts), POSITIONS, dtype=torch.long)
    for row, text in enumerate(texts):
        if len(text) > POSITIONS or any(character not in ALPHABET for character in text):
            raise ReaderError(f"text {text!r}: the teacher knows up to {POSITIONS} characters of {ALPHABET}")
        for place, character in enumerate(text):
            labels[row, place] = ALPHABET.index(character) + 1
    return labels


def position_texts(logits: Tensor) -> list[str]:
    """Most probable texts of logits [B, 8, 73]."""
    return ["".join(ALPHABET[i - 1] for i in row if i) for row in logits.argmax(-1).tolist()]


def position_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy per sample, averaged over its eight positions.

    Args:
        logits: float [B, 8, 73].
        labels: int64 [B, 8] of `position_labels`, or probabilities, float [B, 8, 73].

    Returns:
        float [B], not negative.
    """
    wanted = labels.transpose(1, 2) if labels.is_floating_point() else labels
    return F.cross_entropy(logits.transpose(1, 2), wanted, reduction="none").mean(1)


def save_teacher(network: Teacher, path: Path, version: str) -> None:
    """Write `network` as float16 safetensors, atomically."""
    save_recogniser(network, path, _KEY, version)


def is_teacher(path: Path) -> bool:
    """Whether `path` is a safetensors file with a teacher's metadata."""
    try:
        with safe_open(str(path), framework="pt") as stored:
            return _KEY in (stored.metadata() or {})
    except (SafetensorError, OSError):
        return False


def load_teacher(path: Path) -> Teacher:
    """Read a teacher in evaluation mode, float32.

    Raises:
        MissingWeightsError: The file is not there.
        ReaderError: It is not a weight file of a teacher, or its tensors do not fit.
    """
    _, tensors = read_recogniser(path, _KEY, "a teacher", "train it: mdlp-bench train reader --help")
    network = Teacher()
    fill_recogniser(network, tensors, path)
    return network
