"""Random plate texts that obey the grammar of `mdlp_bench.plate`."""

from __future__ import annotations

from typing import Final, Literal, get_args

import numpy as np

from mdlp_bench.errors import PlateError, one_of
from mdlp_bench.plate import DIGITS, ENERGY_LETTERS, LATIN_LAYOUTS, LETTERS, PROVINCES, Layout, grammars

Provinces = Literal["uniform", "ccpd"]
"""`uniform`: every province is equally likely. `ccpd`: as in CCPD, from Hefei: nearly all 皖, mostly 皖A."""

_CCPD_HOME: Final = "皖"
_CCPD_HOME_SHARE: Final = 0.88
_CCPD_CAPITAL_SHARE: Final = 0.9
# Neighbours and populous provinces are the visitors.
_CCPD_VISITORS: Final = {
    "苏": 12,
    "浙": 8,
    "沪": 6,
    "豫": 6,
    "京": 4,
    "鄂": 4,
    "鲁": 4,
    "粤": 3,
    "赣": 3,
    "闽": 3,
}
_SERIAL_LETTERS: Final = (0.25, 0.40, 0.30, 0.05)  # chance of 0, 1, 2, 3 letters among the serial's five


def sample_text(rng: np.random.Generator, layout: Layout, provinces: Provinces = "uniform") -> str:
    """Draw a valid plate text.

    Args:
        rng: Source of every draw.
        layout: Whose grammar to follow.
        provinces: Distribution of the province (and of the authority letter) of Chinese plates.

    Raises:
        PlateError: `provinces` names no distribution.
    """
    one_of("distribution of provinces", provinces, get_args(Provinces), PlateError)
    if layout in LATIN_LAYOUTS:
        (template,) = grammars()[layout].layouts[layout]
        return "".join(_pick(rng, allowed) for allowed in template.places)
    if layout == "black" and rng.random() < 0.3:
        return "使" + _digits(rng, 6)
    head = _head(rng, provinces)
    match layout:
        case "blue" | "yellow":
            return head + _serial(rng, 5)
        case "green_small":
            second = _pick(rng, DIGITS + LETTERS if rng.random() < 0.2 else DIGITS)
            return head + _energy(rng) + second + _digits(rng, 4)
        case "green_large":
            return head + _digits(rng, 5) + _energy(rng)
        case "white_police":
            return head + _serial(rng, 4) + "警"
        case "training":
            return head + _serial(rng, 4) + "学"
        case "trailer":
            return head + _serial(rng, 4) + "挂"
        case "black":
            return (
                head + _serial(rng, 4) + _pick(rng, "港澳领")
                if rng.random() < 0.8
                else head + _serial(rng, 5)
            )
    raise PlateError(f"{layout!r} is not a layout")


def _pick(rng: np.random.Generator, characters: str) -> str:
    return characters[rng.integers(len(characters))]


def _digits(rng: np.random.Generator, count: int) -> str:
    return "".join(DIGITS[index] for index in rng.integers(10, size=count))


def _energy(rng: np.random.Generator) -> str:
    """The new-energy letter: D (electric) and F (hybrid) came first and are the most frequent."""
    return _pick(rng, "DF" if rng.random() < 0.6 else ENERGY_LETTERS)


def _head(rng: np.random.Generator, provinces: Provinces) -> str:
    if provinces == "uniform":
        return _pick(rng, PROVINCES) + _pick(rng, LETTERS)
    if rng.random() < _CCPD_HOME_SHARE:
        return _CCPD_HOME + ("A" if rng.random() < _CCPD_CAPITAL_SHARE else _pick(rng, LETTERS))
    names = tuple(_CCPD_VISITORS)
    weights = np.fromiter(_CCPD_VISITORS.values(), float)
    return names[rng.choice(len(names), p=weights / weights.sum())] + _pick(rng, LETTERS)


def _serial(rng: np.random.Generator, length: int) -> str:
    """Digits with some letters at random places; at least two digits remain, as GA 36 demands."""
    letters = min(int(rng.choice(4, p=_SERIAL_LETTERS)), length - 2)
    characters = list(_digits(rng, length))
    for place in rng.permutation(length)[:letters]:
        characters[place] = _pick(rng, LETTERS)
    return "".join(characters)
