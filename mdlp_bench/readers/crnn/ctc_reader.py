"""What the project's own readers share: how class probabilities per column become texts."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Generic, Literal, Self, TypeVar, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from mdlp_bench.files import sha256_file
from mdlp_bench.images import ImageU8
from mdlp_bench.plate import grammars
from mdlp_bench.plate.grammar import Grammar
from mdlp_bench.readers.base import Reader, ReaderDescriptor, Reading
from mdlp_bench.readers.crnn.network import CrnnConfig, standardise
from mdlp_bench.readers.ctc import align, greedy, prefix_beam

Decoding = Literal["greedy", "beam", "grammar"]
"""`greedy`: best path. `beam`: prefix beam search. `grammar`: prefix beam search among valid plates only."""

DECODINGS: Final[tuple[Decoding, ...]] = get_args(Decoding)

BATCH: Final = 64
"""Crops that go through a network at once."""

N = TypeVar("N", bound=nn.Module)

_BEAM: Final = 16
# Classes this improbable at a column never decide a beam of 16.
_BEAM_FLOOR: Final = 1e-6


class CtcReader(Reader, Generic[N]):
    """A reader whose networks give class probabilities per column: decoding, confidences and descriptor.

    `grammar` answers with a valid plate or with nothing. Benchmarks use `greedy`: a reader that may only say
    valid plates would lend its knowledge to the method that it judges.
    """

    def __init__(
        self, network: N, config: CrnnConfig, decoding: Decoding, path: Path, *, name: str, title: str
    ) -> None:
        """Describe the reader.

        Args:
            network: What it computes with.
            config: Of the CRNN whose columns are decoded.
            decoding: How class probabilities become text.
            path: The weight file.
            name: Its name in runs; another decoding than `greedy` is added to it.
            title: Its name in tables, likewise.
        """
        self.network = network.to(memory_format=torch.channels_last)
        self.config = config
        self.decoding = decoding
        self._device = torch.device("cpu")
        self.descriptor = ReaderDescriptor(
            name=name if decoding == "greedy" else f"{name}-{decoding}",
            title=title if decoding == "greedy" else f"{title} ({decoding})",
            version=config.version,
            weights_sha256=sha256_file(path),
            licence="Apache-2.0",
            grammars=config.grammars,
            citation="Shi, Bai, Yao: An end-to-end trainable neural network for image-based sequence "
            "recognition and its application to scene text recognition, TPAMI 2017",
            believed_from=config.believed_from.get(decoding),
        )

    def to(self, device: str) -> Self:
        """Compute on this device from now on."""
        self.network.to(device)
        self._device = torch.device(device)
        return self

    @abstractmethod
    def _see(self, images: Sequence[ImageU8]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]]:
        """Calibrated class probabilities [B, T, C] and features [B, D]."""

    def read(self, images: Sequence[ImageU8]) -> list[Reading]:
        """Read plate crops; uint8 RGB [H, W, 3] of any sizes (see `Reader.read`)."""
        return [self._decode(row) for row in self.probabilities(images)]

    def probabilities(self, images: Sequence[ImageU8]) -> npt.NDArray[np.float64]:
        """Calibrated class probabilities [B, T, C] of B crops; class 0 is the blank, then the alphabet."""
        return self._see(images)[0]

    def features(self, images: Sequence[ImageU8]) -> npt.NDArray[np.float32]:
        """What the classifier sees of each crop, averaged over columns: float32 [B, D].

        The space of the reader distance (FRD, KRD): images that read alike lie close together.
        """
        return self._see(images)[1]

    def read_with_features(
        self, images: Sequence[ImageU8]
    ) -> tuple[list[Reading], npt.NDArray[np.float32] | None]:
        """Readings and features of one pass (see `Reader.read_with_features`)."""
        probabilities, features = self._see(images)
        return [self._decode(row) for row in probabilities], features

    def _batch(self, images: Sequence[ImageU8]) -> Tensor:
        """Images of one size as a network takes them, on its device."""
        return standardise(torch.from_numpy(np.stack(images)).to(self._device))

    def _decode(self, probabilities: npt.NDArray[np.float64]) -> Reading:
        if self.decoding == "greedy":
            classes, confidences = greedy(probabilities)
        else:
            constrained = self.decoding == "grammar"
            found = prefix_beam(
                probabilities,
                beam=_BEAM,
                floor=_BEAM_FLOOR,
                viable=self._viable if constrained else None,
                complete=self._complete if constrained else None,
            )
            classes = list(found[0]) if found else []
            confidences = align(probabilities, tuple(classes))
        return Reading(self._spell(classes), tuple(confidences))

    @property
    def _grammars(self) -> list[Grammar]:
        return [grammars()[name] for name in self.config.grammars]

    def _viable(self, prefix: Sequence[int]) -> bool:
        text = self._spell(prefix)
        return any(grammar.viable(text) for grammar in self._grammars)

    def _complete(self, classes: Sequence[int]) -> bool:
        text = self._spell(classes)
        return any(grammar.layouts_of(text) for grammar in self._grammars)

    def _spell(self, classes: Sequence[int]) -> str:
        return "".join(self.config.alphabet[index - 1] for index in classes)
