"""The grammar of mainland Chinese licence plates (GA 36-2018): alphabet, layouts, parsing.

A plate reads: one province glyph, one letter of the issuing authority, a serial number. The letters I and O
are never used. New-energy plates carry one character more: small vehicles a letter in front of the digits
(`沪AD12345`), large vehicles a letter behind them (`沪A12345D`).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final, Literal, get_args

from mdlp_bench.errors import PlateError

PROVINCES: Final = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
"""The 31 province-level glyphs of civil plates."""

SPECIAL_GLYPHS: Final = "警学挂港澳使领"
"""Glyphs that stand last (police, training, trailer, Hong Kong, Macao, consulate) or first (embassy)."""

LETTERS: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Latin letters in use: without I and O."""

ENERGY_LETTERS: Final = "ABCDEFGHJK"
"""Letters that mark a new-energy plate."""

DIGITS: Final = "0123456789"

ALPHABET: Final = PROVINCES + SPECIAL_GLYPHS + DIGITS + LETTERS
"""Every character that a plate of this grammar can carry, in the order readers index it (72 characters)."""

Layout = Literal[
    "blue", "green_small", "green_large", "yellow", "white_police", "black", "training", "trailer"
]
"""Visual layouts. `green_small` has the white-to-green gradient, `green_large` the yellow-green two-tone."""

LAYOUTS: Final[tuple[Layout, ...]] = get_args(Layout)

_L, _S = f"[{LETTERS}]", f"[{LETTERS}{DIGITS}]"
_HEAD = f"[{PROVINCES}]{_L}"
# The serial number of an ordinary plate has at least two digits (GA 36-2018).
_SERIAL = f"(?=(?:{_S}*?[{DIGITS}]){{2}}){_S}{{5}}"
_PATTERNS: Final[dict[Layout, re.Pattern[str]]] = {
    "blue": re.compile(_HEAD + _SERIAL),
    "green_small": re.compile(f"{_HEAD}[{ENERGY_LETTERS}]{_S}[{DIGITS}]{{4}}"),
    "green_large": re.compile(f"{_HEAD}[{DIGITS}]{{5}}[{ENERGY_LETTERS}]"),
    "yellow": re.compile(_HEAD + _SERIAL),
    "white_police": re.compile(f"{_HEAD}{_S}{{4}}警"),
    "black": re.compile(f"使[{DIGITS}]{{6}}|{_HEAD}(?:{_S}{{4}}[港澳领]|{_SERIAL})"),
    "training": re.compile(f"{_HEAD}{_S}{{4}}学"),
    "trailer": re.compile(f"{_HEAD}{_S}{{4}}挂"),
}
# Separators people write between the authority letter and the serial number.
_SEPARATORS: Final = str.maketrans("", "", " \t·•・.-")


@dataclass(frozen=True, slots=True)
class Plate:
    """A parsed plate.

    Attributes:
        text: The normalised text, e.g. `京P20S75`.
        layouts: Every layout whose grammar the text fits (blue and yellow share theirs: colour decides).
    """

    text: str
    layouts: tuple[Layout, ...]


def normalise(text: str) -> str:
    """Return `text` in the form the project compares: NFKC, upper case, without separators and blanks.

    Full-width letters and digits become ASCII; nothing is guessed (an `O` stays an `O` and will not parse).
    """
    return unicodedata.normalize("NFKC", text).strip().upper().translate(_SEPARATORS)


def parse(text: str, layout: Layout | None = None) -> Plate:
    """Parse a plate's text.

    Args:
        text: The text; see `normalise` for what is forgiven.
        layout: Demand this layout.

    Raises:
        PlateError: The text is no plate (of that layout); the message says which character is at fault.
    """
    plain = normalise(text)
    layouts = tuple(name for name in ((layout,) if layout else LAYOUTS) if _PATTERNS[name].fullmatch(plain))
    if not layouts:
        raise PlateError(f"{text!r} is not a {layout or 'known'} plate: {_complaint(plain)}")
    return Plate(plain, layouts)


def is_valid(text: str, layout: Layout | None = None) -> bool:
    """Whether `text` is a plate of the grammar (of that layout, when given)."""
    plain = normalise(text)
    return any(_PATTERNS[name].fullmatch(plain) for name in ((layout,) if layout else LAYOUTS))


def _complaint(plain: str) -> str:
    for position, character in enumerate(plain, start=1):
        if character not in ALPHABET:
            hint = " (plates do not use I and O)" if character in "IO" else ""
            return f"character {position}, {character!r}, is not in the alphabet{hint}"
    if len(plain) not in (7, 8):
        return f"it has {len(plain)} characters, plates have 7 or 8"
    if plain[0] not in PROVINCES + "使":
        return f"it starts with {plain[0]!r}, not with a province"
    return "its letters and digits stand in no order that a layout allows"
