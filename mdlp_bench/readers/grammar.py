"""The plate grammar as a prefix automaton, for decoders that may only spell plates."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from mdlp_bench.plate import DIGITS, ENERGY_LETTERS, LETTERS, PROVINCES

_SERIAL: Final = LETTERS + DIGITS
# The union over layouts: the characters allowed at each position, and how many digits there must be in all.
_TEMPLATES: Final[tuple[tuple[tuple[str, ...], int], ...]] = (
    ((PROVINCES, LETTERS, *[_SERIAL] * 5), 2),
    ((PROVINCES, LETTERS, *[_SERIAL] * 4, "警学挂港澳领"), 0),
    ((PROVINCES, LETTERS, ENERGY_LETTERS, _SERIAL, *[DIGITS] * 4), 0),
    ((PROVINCES, LETTERS, *[DIGITS] * 5, ENERGY_LETTERS), 0),
    (("使", *[DIGITS] * 6), 0),
)


@lru_cache(maxsize=65536)
def viable(prefix: str) -> bool:
    """Whether some plate of the grammar starts with `prefix`."""
    digits = sum(character in DIGITS for character in prefix)
    return any(
        len(prefix) <= len(template)
        and all(character in allowed for character, allowed in zip(prefix, template, strict=False))
        and digits + len(template) - len(prefix) >= demanded
        for template, demanded in _TEMPLATES
    )


def complete(text: str) -> bool:
    """Whether `text` is a plate of the grammar (the same verdict as `mdlp_bench.plate.is_valid`)."""
    digits = sum(character in DIGITS for character in text)
    return any(
        len(text) == len(template)
        and all(character in allowed for character, allowed in zip(text, template, strict=True))
        and digits >= demanded
        for template, demanded in _TEMPLATES
    )
