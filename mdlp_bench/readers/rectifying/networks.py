"""The networks of the rectifying reader: where the plate is, what is written on it, which region it names."""

from __future__ import annotations

from typing import Annotated, Final, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from mdlp_bench.frozen import Frozen
from mdlp_bench.plate import PROVINCES
from mdlp_bench.readers.crnn.network import CRNN, CrnnConfig, convolution
from mdlp_bench.readers.rectifying.geometry import SQUARE

CORNER_SIZE: Final = (40, 128)
"""Height and width of the crop that the corners are looked for in."""

REGION_SIZE: Final = (48, 48)
REGION_PATCH: Final = ((-0.03, -0.06), (0.17, -0.06), (0.17, 1.06), (-0.03, 1.06))
"""Where the region's sign stands, with some room: corners of the patch in shares of the plate."""


Inset = Annotated[float, Field(ge=0, lt=0.5)]


class RectifyingConfig(Frozen):
    """Shape of a rectifying reader; stored inside its weight file.

    Attributes:
        line: The CRNN that reads the rectified plate; its grammars, thresholds and version are the reader's.
        inset: The margins in which the rectified plate is seen (see `rectified`).
        regions: The signs that the second look at the region tells apart.
        region_temperature: Divides its logits, fitted so that its shares are calibrated.
    """

    line: CrnnConfig = CrnnConfig(
        height=48, width=160, channels=(24, 48, 88, 128, 160), hidden=96, version="3"
    )
    inset: tuple[Inset, Inset] = (0.02, 0.06)
    regions: str = Field(default=PROVINCES, min_length=1)
    region_temperature: float = Field(default=1.0, gt=0)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if unknown := sorted(set(self.regions) - set(self.line.alphabet)):
            raise ValueError(f"regions: {unknown[0]!r} is not in the alphabet of line")
        if self.line.askew:
            raise ValueError("line: a rectified plate is not looked at askew")
        return self


class CornerNetwork(nn.Module):
    """Convolutions, then two layers that see the whole crop and move the corners away from the crop's own."""

    base: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            *convolution(3, 16, kernel=(5, 5), padding=(2, 2), stride=2),
            *convolution(16, 32), nn.MaxPool2d(2),
            *convolution(32, 48), *convolution(48, 48), nn.MaxPool2d(2),
            *convolution(48, 64), *convolution(64, 64, stride=2),
        )  # fmt: skip
        last = nn.Linear(128, 8)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.offsets = nn.Sequential(nn.Flatten(), nn.Linear(64 * 3 * 8, 128), nn.ReLU(inplace=True), last)
        self.register_buffer("base", torch.from_numpy(SQUARE), persistent=False)

    def forward(self, crops: Tensor) -> Tensor:
        """Standardised crops, float [B, 3, 40, 128], to corners [B, 4, 2] in shares of the crop."""
        offsets: Tensor = self.offsets(self.convolutions(crops))
        return self.base + offsets.view(-1, 4, 2)


class RegionNetwork(nn.Module):
    """A plain classifier of the first sign: the rest of the text has no say."""

    def __init__(self, regions: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            *convolution(3, 32), *convolution(32, 32), nn.MaxPool2d(2),
            *convolution(32, 64), *convolution(64, 64), nn.MaxPool2d(2),
            *convolution(64, 96), *convolution(96, 96), nn.MaxPool2d(2),
            *convolution(96, 128),
        )  # fmt: skip
        self.classes = nn.Sequential(nn.Flatten(), nn.Dropout(0.3), nn.Linear(128 * 6 * 6, 1 + regions))

    def forward(self, patches: Tensor) -> Tensor:
        """Standardised patches, float [B, 3, 48, 48], to logits [B, 1 + regions]; class 0 is no plate."""
        logits: Tensor = self.classes(self.convolutions(patches))
        return logits


class RectifyingNetwork(nn.Module):
    """The three networks, each trained by itself."""

    def __init__(self, config: RectifyingConfig) -> None:
        super().__init__()
        self.config = config
        self.corners = CornerNetwork()
        self.line = CRNN(config.line)
        self.region = RegionNetwork(len(config.regions))
