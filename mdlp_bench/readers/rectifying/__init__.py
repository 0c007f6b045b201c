"""A reader that finds the plate's corners, rectifies it and reads it from the front."""

from mdlp_bench.readers.rectifying.reader import RectifyingReader

__all__ = ["RectifyingReader"]
