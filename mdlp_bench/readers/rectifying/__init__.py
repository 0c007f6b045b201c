"""A reader that finds the plate's corners, rectifies it and reads it from the front."""

from mdlp_bench.readers.crnn.ctc_reader import Decoding
from mdlp_bench.readers.rectifying.reader import RectifyingReader
from mdlp_bench.readers.rectifying.weights import bundled_weights

__all__ = ["RectifyingReader", "load_bundled"]


def load_bundled(decoding: Decoding = "greedy") -> RectifyingReader:
    """The reader `crnn-3`, trained on rendered plates.

    Args:
        decoding: `greedy` for the best path, `beam` for a prefix beam search, `grammar` for one among valid
            plates.
    """
    return RectifyingReader(bundled_weights(), decoding)
