"""Which texts a reader can know at all: a reading of any other says nothing about a method."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from mdlp_bench.plate import grammar_of, grammars, normalise
from mdlp_bench.plate.grammar import Template
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
        "crnn-3": _CHINESE,
        "crnn-3-beam": _CHINESE,
        "crnn-3-grammar": _CHINESE,
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


AUTO_CHOICES: Final = ("crnn-3", "crnn-latin")
"""What `--reader auto` chooses from; of two that can read as many texts, the first."""


ONLY_PLATES: Final = frozenset({"crnn-grammar", "crnn-2-grammar", "crnn-3-grammar", "crnn-latin-grammar"})
"""Readers that say a valid plate of their grammars or nothing."""


def is_plate(text: str, names: Sequence[str]) -> bool:
    """Whether a text is a whole plate of one of the named grammars."""
    plain = normalise(text)
    return any(grammars()[name].layouts_of(plain) for name in names if name in grammars())


def in_reach(text: str, names: Sequence[str], *, only_plates: bool = False) -> bool:
    """Whether a reader of the named grammars can read a text.

    It reads their plates. Anything else it writes, unless it says `only_plates`, is in their characters, and
    where their plates have a region sign it expects one: without, a text must be a part of such a plate and
    no plate of another grammar.
    """
    if is_plate(text, names):
        return True
    if only_plates:
        return False
    plain = normalise(text)
    for grammar in (grammars()[name] for name in names if name in grammars()):
        if set(plain) <= grammar.characters:
            if not grammar.region or set(plain) & set(grammar.region):
                return True
            if grammar_of(text) is None and any(_is_part(plain, template) for template in grammar.templates):
                return True
    return False


def _is_part(text: str, template: Template) -> bool:
    return any(
        all(c in allowed for c, allowed in zip(text, template.places[first:], strict=False))
        for first in range(len(template.places) - len(text) + 1)
    )


def beyond_reach(descriptor: ReaderDescriptor, texts: Iterable[str | None]) -> str | None:
    """One line on the texts that a reader cannot know; None where it can know all of them.

    Nothing is said of a reader that names no grammar, such as a function of a user's.
    """
    if not descriptor.grammars:
        return None
    known = [text for text in texts if text]
    only_plates = descriptor.name in ONLY_PLATES
    beyond = [text for text in known if not in_reach(text, descriptor.grammars, only_plates=only_plates)]
    if not beyond:
        return None
    share = "all" if len(beyond) == len(known) else f"{len(beyond):,} of {len(known):,}"
    best, count = auto_choice(known)
    remedy = f"; --reader {best} can read {count:,}" if count > len(known) - len(beyond) else ""
    reads = " and ".join(grammars()[name].title for name in descriptor.grammars if name in grammars())
    return (
        f"{descriptor.name} reads plates of {reads or 'no known grammar'}: {share} texts are none of these "
        f"(the first: {beyond[0]}), and its text scores of them mean nothing{remedy}"
    )


def auto_choice(texts: Iterable[str | None]) -> tuple[str, int]:
    """The reader of `AUTO_CHOICES` that can read most of the texts, and how many."""
    counts = texts_read(texts)
    best = max(AUTO_CHOICES, key=lambda name: counts[name])
    return best, counts[best]


def texts_read(texts: Iterable[str | None]) -> dict[str, int]:
    """By named reader, how many of the texts it can know."""
    known = [text for text in texts if text]
    kinds = {name: (read, name in ONLY_PLATES) for name, read in GRAMMARS_READ.items()}
    counts = {
        (read, only): sum(in_reach(text, read, only_plates=only) for text in known)
        for read, only in set(kinds.values())
    }
    return {name: counts[kind] for name, kind in kinds.items()}
