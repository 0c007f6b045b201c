"""The project's own reader, a CRNN trained on rendered plates, with its weights."""

from mdlp_bench.readers.crnn.reader import CrnnReader, Decoding

__all__ = ["CrnnReader", "Decoding", "load_beam", "load_grammar", "load_greedy"]


def load_greedy() -> CrnnReader:
    """The bundled CRNN, best-path decoding."""
    return CrnnReader()


def load_beam() -> CrnnReader:
    """The bundled CRNN, prefix beam search."""
    return CrnnReader(decoding="beam")


def load_grammar() -> CrnnReader:
    """The bundled CRNN, prefix beam search among valid plates."""
    return CrnnReader(decoding="grammar")
