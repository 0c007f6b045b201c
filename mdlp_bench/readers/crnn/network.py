"""The CRNN of Shi, Bai and Yao (TPAMI 2017): convolutions, bidirectional LSTM, CTC."""

from __future__ import annotations

from typing import Final

import torch
from pydantic import Field
from torch import Tensor, nn

from mdlp_bench.frozen import Frozen
from mdlp_bench.plate import ALPHABET, CHINESE

INPUT_HEIGHT: Final = 32


class CrnnConfig(Frozen):
    """Shape of a CRNN; stored inside its weight file.

    Attributes:
        alphabet: Class i + 1 is character i; class 0 is the blank.
        height: Input height.
        width: Input width; the network looks at `width / 4` columns.
        channels: Channels of the five convolution stages.
        hidden: Width of each direction of the LSTM.
        temperature: Divides the logits before the softmax, fitted so that confidences are calibrated.
        believed_from: For each decoding its `ReaderDescriptor.believed_from`.
        grammars: Names of the plate grammars whose texts it was trained on (see `mdlp_bench.plate.grammars`).
        askew: Also read every crop a little askew to both sides, and average the results.
        version: Version of the weights.
    """

    alphabet: str = ALPHABET
    height: int = Field(default=INPUT_HEIGHT, gt=0, multiple_of=16)
    width: int = Field(default=112, gt=0, multiple_of=4)
    channels: tuple[int, int, int, int, int] = (24, 40, 72, 112, 144)
    hidden: int = Field(default=96, gt=0)
    temperature: float = Field(default=1.0, gt=0)
    believed_from: dict[str, float | None] = Field(default_factory=dict)
    grammars: tuple[str, ...] = (CHINESE.name,)
    askew: bool = False
    version: str = "0"

    @property
    def feature_size(self) -> int:
        """Length of a column's features: convolutional and recurrent ones."""
        return self.channels[-1] + 2 * self.hidden


class CRNN(nn.Module):
    """Convolutions that turn an image into a row of columns, a bidirectional LSTM over them, class scores.

    The stages follow the paper: halving both axes twice, then the height twice, then a convolution that
    closes the height. It differs where that saves time. The first halving is a strided convolution. There are
    fewer channels and one recurrent layer, because plates have 72 characters in a handful of typefaces and
    hardly a language. The classifier also sees the columns themselves, which makes training start several
    times sooner.
    """

    def __init__(self, config: CrnnConfig) -> None:
        super().__init__()
        self.config = config
        c1, c2, c3, c4, c5 = config.channels
        self.convolutions = nn.Sequential(
            *convolution(3, c1, kernel=(5, 5), padding=(2, 2), stride=2),
            *convolution(c1, c2), nn.MaxPool2d(2),
            *convolution(c2, c3), *convolution(c3, c3), nn.MaxPool2d((2, 1)),
            *convolution(c3, c4), *convolution(c4, c4), nn.MaxPool2d((2, 1)),
            *convolution(c4, c5, kernel=(config.height // 16, 3), padding=(0, 1)),
        )  # fmt: skip
        self.dropout = nn.Dropout(0.1)
        self.recurrent = nn.LSTM(c5, config.hidden, bidirectional=True, batch_first=True)
        self.classes = nn.Linear(c5 + 2 * config.hidden, len(config.alphabet) + 1)

    def encode(self, images: Tensor) -> Tensor:
        """Standardised images, float [B, 3, H, W], to column features [B, W / 4, D], D = `feature_size`.

        Convolutional features (not negative) first, then the recurrent ones (-1 to 1).
        """
        columns = self.dropout(self.convolutions(images).squeeze(2).transpose(1, 2))
        return torch.cat([columns, self.recurrent(columns)[0]], dim=2)

    def forward(self, images: Tensor) -> Tensor:
        """Standardised images, float [B, 3, H, W], to logits [B, W / 4, len(alphabet) + 1]."""
        logits: Tensor = self.classes(self.encode(images))
        return logits


def standardise(images: Tensor) -> Tensor:
    """uint8 [B, H, W, 3] to float32 [B, 3, H, W] with zero mean and about unit variance per image.

    This takes away exposure and veil, which carry no text; colour differences within the image stay.
    """
    values = images.permute(0, 3, 1, 2).to(torch.float32)
    mean = values.mean(dim=(1, 2, 3), keepdim=True)
    deviation = values.std(dim=(1, 2, 3), keepdim=True, correction=0)
    return (values - mean) / (deviation + 4.0)


def convolution(
    inputs: int,
    outputs: int,
    kernel: tuple[int, int] = (3, 3),
    padding: tuple[int, int] = (1, 1),
    stride: int = 1,
) -> list[nn.Module]:
    """A convolution with batch norm and ReLU; the norm's shift takes the place of its bias."""
    return [
        nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=padding, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    ]
