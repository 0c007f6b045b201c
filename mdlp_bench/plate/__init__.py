"""Plate texts: the grammar of mainland Chinese plates (GA 36-2018), and parsing by every known grammar.

A Chinese plate reads: one province glyph, one letter of the issuing authority, a serial number. The letters
I and O are never used. New-energy plates carry one character more: small vehicles a letter before the
digits (`沪AD12345`), large vehicles a letter after them (`沪A12345D`). Other countries' grammars are data:
see `mdlp_bench.plate.grammar`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Final, Literal, get_args

from mdlp_bench.errors import PlateError
from mdlp_bench.plate.grammar import Grammar, Template, data_grammars

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
"""Every character that a Chinese plate can carry, in the order readers index it (72 characters)."""

ChineseLayout = Literal[
    "blue", "green_small", "green_large", "yellow", "white_police", "black", "training", "trailer"
]
"""Visual layouts. `green_small` has the white-to-green gradient, `green_large` the yellow-green two-tone."""

LatinLayout = Literal["brazilian", "mercosur"]
"""Brazil's grey plates (1990 to 2018) and its white ones in the Mercosur form (since 2018)."""

Layout = ChineseLayout | LatinLayout
"""Layouts that the renderer draws."""

LATIN_LAYOUTS: Final[tuple[LatinLayout, ...]] = get_args(LatinLayout)

LAYOUTS: Final[tuple[Layout, ...]] = (*get_args(ChineseLayout), *LATIN_LAYOUTS)

_S: Final = LETTERS + DIGITS
# The serial number of an ordinary plate has at least two digits (GA 36-2018).
_ORDINARY: Final = Template((PROVINCES, LETTERS, *[_S] * 5), min_digits=2)


def _marked(glyphs: str) -> Template:
    return Template((PROVINCES, LETTERS, *[_S] * 4, glyphs))


CHINESE: Final = Grammar(
    "chinese",
    "Mainland China",
    MappingProxyType(
        {
            "blue": (_ORDINARY,),
            "green_small": (Template((PROVINCES, LETTERS, ENERGY_LETTERS, _S, *[DIGITS] * 4)),),
            "green_large": (Template((PROVINCES, LETTERS, *[DIGITS] * 5, ENERGY_LETTERS)),),
            "yellow": (_ORDINARY,),
            "white_police": (_marked("警"),),
            "black": (Template(("使", *[DIGITS] * 6)), _marked("港澳领"), _ORDINARY),
            "training": (_marked("学"),),
            "trailer": (_marked("挂"),),
        }
    ),
    region=PROVINCES + SPECIAL_GLYPHS,
)
"""The grammar of GA 36-2018."""

UNREADABLE_MARKS: Final = "#?*□■▢◻◼×✕✗�"
"""Characters that people write for an unreadable one; they are kept, so that the text is not a plate."""

_LETTERS_AS_DOTS: Final = "\u119e\ua78f\u4e36\u30fc\u1160\u115f"
"""Characters of a letter category that stand for a dot or a dash, or are invisible (in NFKC)."""

# What people write instead of an unreadable text, normalised.
_UNREADABLE: Final = re.compile(
    "(无|没有?|未上|未挂|无号|无车)牌照?车?|未识别|(无法|不可|不能|难以)(识别|辨认|辨识|辨别|看清|读取)|识别失败|"
    "(看|读)?不清(楚|晰)?|(看|读)不(见|到|出)|不可(见|读)|模糊(不清)?|(被)?遮挡|(号牌)?(污损|破损|缺失)|不详|未知|空|无|"
    "未标注|待标注|(无|没有)标签|待定|"
    "UNKNOWN|UNK|UNREADABLE|ILLEGIBLE|UNRECOGNI[SZ](ED|ABLE)|UNCLEAR|NONE|NULL|NIL|NAN|NA|EMPTY|BLANK|INVALID|"
    "(NO|MISSING)(PLATE|LABEL|TEXT|LP|CHAR(ACTER)?S?)|(NOT|CANT|CANNOT|COULDNT|COULDNOT)(BE)?(READABLE|LEGIBLE|"
    "VISIBLE|READ|SEEN|RECOGNI[SZ]ED)|INVISIBLE|MISSING|HIDDEN|OCCLUDED|OBSCURED|COVERED|BLUR|BLURRED|BLURRY|DIRTY|"
    "DAMAGED|UNLABELL?ED|NOTLABELL?ED|TODO|TBD|DONTCARE|IGNORED?"
)


@cache
def grammars() -> Mapping[str, Grammar]:
    """Every known grammar by name: the Chinese one, then those of the data files.

    Raises:
        PlateError: See `mdlp_bench.plate.grammar.data_grammars`.
    """
    return MappingProxyType({CHINESE.name: CHINESE, **data_grammars({CHINESE.name, *CHINESE.layouts})})


class _Kept(dict[int, int | None]):
    """For `str.translate`: letters, digits and marks of unreadable characters stay, separators go.

    People separate the groups of a plate by dots, bullets, dashes, blanks and invisible characters of every
    kind, so the Unicode category decides and no list.
    """

    def __missing__(self, code: int) -> int | None:
        character = chr(code)
        category = unicodedata.category(character)
        known = character in UNREADABLE_MARKS or any(character in g.region for g in grammars().values())
        separates = category[0] in "PSZ" or category in ("Cf", "Cc", "Mn") or character in _LETTERS_AS_DOTS
        self[code] = code if known or not separates else None
        return self[code]


@cache
def _kept() -> _Kept:
    written = "".join(grammar.separators for grammar in grammars().values())
    return _Kept(dict.fromkeys(map(ord, written)))


@dataclass(frozen=True, slots=True)
class Plate:
    """A parsed plate.

    Attributes:
        text: The normalised text, e.g. `京P20S75`.
        layouts: Every layout whose grammar the text fits (blue and yellow share theirs: colour decides).
    """

    text: str
    layouts: tuple[str, ...]


def normalise(text: str) -> str:
    """Return `text` in the form the project compares: NFKC, upper case, without separators and blanks.

    Full-width letters and digits become ASCII, and punctuation, symbols and invisible characters are
    separators (except `UNREADABLE_MARKS`). Nothing is guessed (an `O` stays an `O` and will not parse).
    """
    return unicodedata.normalize("NFKC", text).upper().translate(_kept())


def is_unreadable(text: str) -> bool:
    """Whether a label says that the plate, or a character of it, cannot be read: `#####`, `京A12*45`, `无牌`.

    Four `X` in a row say so too where the text is not a plate. An empty text says nothing, so it is not
    unreadable.
    """
    plain = normalise(text)
    if not plain:
        return bool(text.strip())
    if any(mark in plain for mark in UNREADABLE_MARKS) or _UNREADABLE.fullmatch(plain) is not None:
        return True
    return "XXXX" in plain and not is_valid(plain)


def grammar_of(text: str) -> Grammar | None:
    """The first known grammar that `text` is a plate of; see `normalise` for what is forgiven."""
    plain = normalise(text)
    return next((grammar for grammar in grammars().values() if grammar.layouts_of(plain)), None)


def parse(text: str, layout: str | None = None) -> Plate:
    """Parse a plate's text by every known grammar.

    Args:
        text: The text; see `normalise` for what is forgiven.
        layout: Demand this layout.

    Raises:
        PlateError: The text is not a plate (of that layout); the message says which character is at fault.
    """
    plain = normalise(text)
    layouts = _layouts_of(plain)
    if layout is not None:
        layouts = (layout,) if layout in layouts else ()
    if not layouts:
        raise PlateError(f"{text!r} is not a {layout or 'known'} plate: {_complaint(plain, layout)}")
    return Plate(plain, layouts)


def is_valid(text: str, layout: str | None = None) -> bool:
    """Whether `text` is a plate of a known grammar (of that layout, when given)."""
    layouts = _layouts_of(normalise(text))
    return layout in layouts if layout is not None else bool(layouts)


def _layouts_of(plain: str) -> tuple[str, ...]:
    return tuple(name for grammar in grammars().values() for name in grammar.layouts_of(plain))


def _complaint(plain: str, layout: str | None) -> str:
    named = next((g for g in grammars().values() if layout in g.layouts), CHINESE)
    if named is not CHINESE:
        return f"it does not follow {named.title}"
    for position, character in enumerate(plain, start=1):
        if character not in ALPHABET:
            hint = " (plates do not use I and O)" if character in "IO" else ""
            return f"character {position}, {character!r}, is not in the alphabet{hint}"
    if len(plain) not in CHINESE.lengths:
        return f"it has {len(plain)} characters, plates have 7 or 8"
    if plain[0] not in PROVINCES + "使":
        return f"it starts with {plain[0]!r}, not with a province"
    return "its letters and digits stand in no order that a layout allows"


def region_sign(text: str | None) -> str | None:
    """The province, or another grammar's sign of a region, with which a text begins; None of other texts.

    Example:
        >>> region_sign("京P20S75"), region_sign("BRA2E19")
        ('京', None)
    """
    first = normalise(text or "")[:1]
    return first if first and any(first in grammar.region for grammar in grammars().values()) else None


def region_or_none(text: str | None) -> str:
    """The region sign of a text as reports name it; `none` of a text without one, `unknown` without text."""
    return (region_sign(text) or "none") if text else "unknown"


def layout_or_length(layout: str | None, text: str | None) -> str:
    """The layout as reports name it; if it is unknown, the length of the text, or `unknown`.

    Example:
        >>> layout_or_length(None, "京P20S75"), layout_or_length("blue", None)
        ('7 characters', 'blue')
    """
    return layout or (f"{len(text)} characters" if text else "unknown")
