"""A reader that finds the plate's corners, rectifies it and reads it from the front."""

from mdlp_bench.readers.crnn.reader import Decoding
from mdlp_bench.readers.rectifying.reader import RectifyingReader

__all__ = ["RectifyingReader", "load_bundled"]


def load_bundled(decoding: Decoding = "greedy") -> RectifyingReader:
    """The bundled reader `crnn-3`; `decoding` as for `mdlp_bench.readers.crnn.load_bundled`."""
    return RectifyingReader(None, decoding)
