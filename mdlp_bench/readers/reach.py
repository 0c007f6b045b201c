"""Which texts a reader can know at all: a reading of any other says nothing about a method."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from mdlp_bench.plate import grammar_of, grammars, normalise
from mdlp_bench.readers.base import ReaderDescriptor

_CHINESE: Final = ("chinese",)
_LATIN: Final = ("brazilian", "mercosur")

GRAMMARS_READ: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "crnn": _CHINESE,
        "crnn-beam": _CHINESE,
        "crnn-grammar": _CHINESE,
        "crnn-2": _CHINESE,
        "crnn-2-beam": _CHINESE,
        "crnn-2-grammar": _CHINESE,
        "crnn-latin": _LATIN,
        "crnn-latin-grammar": _LATIN,
        "fast-plate-ocr": _LATIN,
        "ppocrv4": _CHINESE,
        "ppocrv5": _CHINESE,
        "ppocrv6": _CHINESE,
        "clpr": _CHINESE,
    }
)
"""The grammars that each named reader reads, as their descriptors say; known without loading them."""


def in_reach(text: str, names: Sequence[str]) -> bool:
    """Whether a reader of the named grammars can read a text.

    A plate of a known grammar has to be one of them. Any other text must at least be written in their
    characters.
    """
    grammar = grammar_of(text)
    if grammar is not None:
        return grammar.name in names
    known = {c for name in names for t in _templates(name) for place in t for c in place}
    return set(normalise(text)) <= known


def beyond_reach(descriptor: ReaderDescriptor, texts: Iterable[str | None]) -> str | None:
    """One line on the texts that a reader cannot know; None where it can know all of them."""
    known = [text for text in texts if text]
    beyond = [text for text in known if not in_reach(text, descriptor.grammars)]
    if not beyond:
        return None
    share = "all" if len(beyond) == len(known) else f"{len(beyond):,} of {len(known):,}"
    reads = " and ".join(grammars()[name].title for name in descriptor.grammars if name in grammars())
    return (
        f"{descriptor.name} reads plates of {reads or 'no known grammar'}: {share} texts are none of these "
        f"(the first: {beyond[0]}), and its text scores of them mean nothing; --reader auto takes the reader "
        "that knows most of them"
    )


def texts_read(texts: Iterable[str | None]) -> dict[str, int]:
    """By named reader, how many of the texts it can know."""
    known = [text for text in texts if text]
    counts = {read: sum(in_reach(text, read) for text in known) for read in set(GRAMMARS_READ.values())}
    return {name: counts[read] for name, read in GRAMMARS_READ.items()}


def _templates(name: str) -> list[tuple[str, ...]]:
    found = grammars().get(name)
    if found is None:
        return []
    return [template.places for templates in found.layouts.values() for template in templates]
