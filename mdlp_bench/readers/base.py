"""The Reader interface: a text recogniser on plate crops."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field

from mdlp_bench.errors import ReaderError
from mdlp_bench.frozen import Frozen
from mdlp_bench.images import ImageU8
from mdlp_bench.plate import CHINESE

_ROUNDING: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reader saw in one image.

    Attributes:
        text: The characters, possibly none.
        char_confidences: One probability in [0, 1] per character of `text`; none where the recogniser gives
            none. Metrics of confidence are then not computed; where readings vote, it votes with `weights`.

    Raises:
        ReaderError: A confidence is missing or not within 0 and 1.
    """

    text: str
    char_confidences: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.char_confidences and len(self.text) != len(self.char_confidences):
            raise ReaderError(
                f"{len(self.char_confidences)} confidences for the {len(self.text)} characters {self.text!r}"
            )
        # Sums of float32 may exceed 1 by a rounding; the comparison also refuses what is not a number.
        for confidence in self.char_confidences:
            if not 0 <= confidence <= 1 + _ROUNDING:
                raise ReaderError(
                    f"confidence {confidence} in the reading {self.text!r} is not within 0 and 1"
                )

    @property
    def has_confidences(self) -> bool:
        """Whether it is known how sure the reading is; an empty one is as unsure as can be."""
        return bool(self.char_confidences) or not self.text

    @property
    def weights(self) -> tuple[float, ...]:
        """One weight in [0, 1] per character of `text`: its confidence, 1 where none is given."""
        return self.char_confidences or (1.0,) * len(self.text)

    @property
    def confidence(self) -> float:
        """Product of the `weights`; 0 for an empty reading."""
        return math.prod(self.weights) if self.text else 0.0

    @property
    def lowest_confidence(self) -> float:
        """The least of the `weights`; 0 for an empty reading."""
        return min(self.weights, default=0.0)

    @property
    def mean_confidence(self) -> float:
        """Mean of the `weights`; 0 for an empty reading."""
        return sum(self.weights) / len(self.text) if self.text else 0.0


class ReaderDescriptor(Frozen):
    """What a run says about the reader that scored it.

    Attributes:
        name: Its name in metric names and on the command line.
        title: Its name in tables.
        version: Version of its weights or code.
        weights_sha256: SHA-256 of its weight file, or None.
        licence: Licence of the weights.
        grammars: Names of the plate grammars whose texts it reads (see `mdlp_bench.plate.grammars`); empty
            where that is not known.
        citation: Its source, or None.
        believed_from: Confidence of a whole text from which at most 1 % of its readings are wrong, as
            `mdlp-bench calibrate` measures it; None when that is not known. It belongs to the reader and not
            to a data set, so that shares of hallucinations compare across sets.
    """

    name: str
    title: str
    version: str
    weights_sha256: str | None
    licence: str
    grammars: tuple[str, ...] = (CHINESE.name,)
    citation: str | None = None
    believed_from: float | None = Field(default=None, ge=0, le=1)


class Reader(ABC):
    """A text recogniser; stateless between calls, deterministic."""

    descriptor: ReaderDescriptor

    def to(self, device: str) -> Self:
        """Compute on a device of PyTorch from now on; a reader that has no network there stays as it is."""
        return self

    @abstractmethod
    def read(self, images: Sequence[ImageU8]) -> list[Reading]:
        """Read plate crops.

        Args:
            images: uint8 RGB [H, W, 3], sizes may differ; each shows one whole plate.

        Returns:
            One reading per image, in order.
        """

    def features(self, images: Sequence[ImageU8]) -> npt.NDArray[np.float32] | None:
        """What the recogniser sees in each crop, for distances between sets of images (FRD, KRD).

        Args:
            images: As for `read`.

        Returns:
            float32 [B, D], or None for a reader that gives only texts.
        """
        return None

    def read_with_features(
        self, images: Sequence[ImageU8]
    ) -> tuple[list[Reading], npt.NDArray[np.float32] | None]:
        """`read` and `features` of the same crops; readers whose network gives both at once override it."""
        return self.read(images), self.features(images)
