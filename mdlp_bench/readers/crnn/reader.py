"""The project's own reader: a CRNN trained on rendered plates."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Generic, Literal, Self, TypeVar, get_args

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from mdlp_bench.device import whole_fp32
from mdlp_bench.files import sha256_file
from mdlp_bench.images import ImageU8, stretched
from mdlp_bench.plate import grammars
from mdlp_bench.plate.grammar import Grammar
from mdlp_bench.readers.base import Reader, ReaderDescriptor, Reading
from mdlp_bench.readers.crnn.network import CRNN, INPUT_HEIGHT, CrnnConfig, standardise
from mdlp_bench.readers.crnn.weights import bundled_weights, load_crnn
from mdlp_bench.readers.ctc import align, greedy, prefix_beam, softmax

Decoding = Literal["greedy", "beam", "grammar"]
"""`greedy`: best path. `beam`: prefix beam search. `grammar`: prefix beam search among valid plates only."""

DECODINGS: Final[tuple[Decoding, ...]] = get_args(Decoding)

N = TypeVar("N", bound=nn.Module)

_BATCH: Final = 64
_SHEARS: Final = ((0.07, -0.12), (-0.07, 0.12))
"""Lean and climb of the views of a reader that also looks askew, beside the upright one."""
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
        for start in range(0, len(images), _BATCH):
            crops = [
                prepare(image, self.config.width, self.config.height)
                for image in images[start : start + _BATCH]
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
