"""The project's own reader, a CRNN trained on rendered plates, with its weights."""

from mdlp_bench.readers.crnn.reader import CrnnReader, Decoding
from mdlp_bench.readers.crnn.weights import bundled_weights

__all__ = [
    "CrnnReader",
    "Decoding",
    "load_beam",
    "load_grammar",
    "load_greedy",
    "load_latin",
    "load_latin_grammar",
    "load_second",
    "load_second_beam",
    "load_second_grammar",
]


def load_greedy() -> CrnnReader:
    """The bundled CRNN, best-path decoding."""
    return CrnnReader()


def load_beam() -> CrnnReader:
    """The bundled CRNN, prefix beam search."""
    return CrnnReader(decoding="beam")


def load_grammar() -> CrnnReader:
    """The bundled CRNN, prefix beam search among valid plates."""
    return CrnnReader(decoding="grammar")


def load_second(decoding: Decoding = "greedy") -> CrnnReader:
    """The second bundled CRNN, which reads crops without a plate as empty; best-path decoding."""
    return CrnnReader(bundled_weights("crnn-2"), decoding, name="crnn-2", title="CRNN 2")


def load_second_beam() -> CrnnReader:
    """The second bundled CRNN, prefix beam search."""
    return load_second("beam")


def load_second_grammar() -> CrnnReader:
    """The second bundled CRNN, prefix beam search among valid plates."""
    return load_second("grammar")


def load_latin() -> CrnnReader:
    """The bundled CRNN for Brazil's plates, best-path decoding."""
    return CrnnReader(bundled_weights("crnn-latin"), name="crnn-latin", title="CRNN Latin")


def load_latin_grammar() -> CrnnReader:
    """The bundled CRNN for Brazil's plates, prefix beam search among valid plates."""
    return CrnnReader(bundled_weights("crnn-latin"), "grammar", name="crnn-latin", title="CRNN Latin")
