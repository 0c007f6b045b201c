"""The project's own reader, a CRNN trained on rendered plates, with its weights."""

from typing import Final

from mdlp_bench.readers.crnn.ctc_reader import Decoding
from mdlp_bench.readers.crnn.reader import CrnnReader
from mdlp_bench.readers.crnn.weights import bundled_weights

__all__ = ["CrnnReader", "load_bundled"]

_TITLES: Final = {"crnn": "CRNN", "crnn-2": "CRNN 2", "crnn-latin": "CRNN Latin"}


def load_bundled(weights: str = "crnn", decoding: Decoding = "greedy") -> CrnnReader:
    """A bundled CRNN: `crnn`, `crnn-2`, which reads crops without a plate as empty, or `crnn-latin`.

    Args:
        weights: The name of its weights.
        decoding: `greedy` for the best path, `beam` for a prefix beam search, `grammar` for one among valid
            plates.
    """
    return CrnnReader(bundled_weights(weights), decoding, name=weights, title=_TITLES[weights])
