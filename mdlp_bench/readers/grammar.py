"""The plate grammar as a prefix automaton, for decoders that may only spell plates."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from mdlp_bench.plate import DIGITS, LETTERS, PROVINCES

_SERIAL: Final = LETTERS + DIGITS
_ENERGY: Final = "ABCDEFGHJK"
# The union over layouts, position by position. `black` allows any five serial characters, so the demand of
# two digits (blue, yellow) does not narrow the union.
TEMPLATES: Final[tuple[tuple[str, ...], ...]] = (
    (PROVINCES, LETTERS, *[_SERIAL] * 5),
    (PROVINCES, LETTERS, *[_SERIAL] * 4, "警学挂港澳领"),
    (PROVINCES, LETTERS, _ENERGY, _SERIAL, *[DIGITS] * 4),
    (PROVINCES, LETTERS, *[DIGITS] * 5, _ENERGY),
    ("使", *[DIGITS] * 6),
)


@lru_cache(maxsize=65536)
def viable(prefix: str) -> bool:
    """Whether some plate of the grammar starts with `prefix`."""
    return any(
        len(prefix) <= len(template)
        and all(c in allowed for c, allowed in zip(prefix, template, strict=False))
        for template in TEMPLATES
    )


def complete(text: str) -> bool:
    """Whether `text` is a plate of the grammar (the same verdict as `mdlp_bench.plate.is_valid`)."""
    return any(
        len(text) == len(template) and all(c in allowed for c, allowed in zip(text, template, strict=True))
        for template in TEMPLATES
    )
