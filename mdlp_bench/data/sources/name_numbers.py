"""The numbers in the names of files, as a table with a row per name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Any, Final

from mdlp_bench.data.sources.names import plain_digits

# 58.125 is one number; 10.00.58 is three.
NUMBER: Final = re.compile(r"(?<![0-9.])[0-9]+\.[0-9]+(?!\.?[0-9])|[0-9]+")
_WORD_BEFORE: Final = re.compile(r"([^\W\d_]+)[^\w]*_*$")
_WORD_AFTER: Final = re.compile(r"^[^\W\d_]+|^%")
_COUNTERS: Final = re.compile(
    "frames?|frm|fr|f|img|images?|im|pic|picture|photo|idx|index|no|num|number|n|seq|帧|第"
)
_MEASURES: Final = re.compile(
    "conf|confidence|score|prob|probability|p|acc|iou|q|quality|x|y|w|h|width|height|size|area|scale|id|cam|"
    "camera|lane|ch|channel|blur|sharp|sharpness|psnr|ssim|dist|pct|percent|%|置信度"
)
_BARE_GAP: Final = re.compile(r"[\s_\-.(（#]*[0-9]+")

Value = tuple[int, str]
"""A number in a name: its whole part and the digits after the point."""


class NumberTable:
    """The numbers of names as a table.

    Args:
        names: File names in natural order.

    Attributes:
        names: As given.
        stems: Without their suffixes, digits of every width as ASCII.
        matches: The numbers in each stem.
        bare: Position of the one name without a number of its own, as in `car`, `car2`, `car3`.
        count: How many numbers the other names have, None where they differ.
        least: The fewest that one of these has.
        shared: How many numbers all of these have.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(names)
        stems = [plain_digits(Path(name).stem) for name in names]
        self.bare = _bare_first(stems)
        matches = [list(NUMBER.finditer(stem)) for stem in stems]
        self.stems, self.matches = stems, matches
        rows = [found for i, found in enumerate(matches) if i != self.bare]
        counts = {len(found) for found in rows}
        self.count = counts.pop() if len(counts) == 1 else None
        self.least = min(map(len, rows), default=0)
        self.shared = self.least if self.count is None else self.count

    def rows(self) -> list[int]:
        """Positions of the names that have numbers of their own."""
        return [i for i in range(len(self.names)) if i != self.bare]

    def values(self, position: int) -> list[Value]:
        """The numbers at a position, by row; -1 is the last of each name."""
        return [value_of(self.matches[i][position].group()) for i in self.rows()]

    def digits(self, position: int) -> list[str]:
        """The same as they are written."""
        return [self.matches[i][position].group() for i in self.rows()]

    def is_counter(self, position: int) -> bool:
        """Whether a word names a number as the one that counts frames."""
        return any(map(_COUNTERS.fullmatch, self.words(position, after=False)))

    def is_measure(self, position: int) -> bool:
        """Whether a word names a number as something else."""
        return any(map(_MEASURES.fullmatch, self.words(position) | self.words(position, after=False)))

    def words(self, position: int, *, after: bool = True) -> set[str]:
        """The words right after (else: right before) a number, lower case, in any of the names."""
        words: set[str] = set()
        for i in self.rows():
            match, stem = self.matches[i][position], self.stems[i]
            if after and (found := _WORD_AFTER.search(stem[match.end() :])):
                words.add(found[0].lower())
            elif not after and (found := _WORD_BEFORE.search(stem[: match.start()])):
                words.add(found[1].lower())
        return words

    def is_padded(self, position: int) -> bool:
        """Whether a number is written with leading zeros, as wide in every name."""
        digits = self.digits(position)
        return len(set(map(len, digits))) == 1 and any(d.startswith("0") and len(d) > 1 for d in digits)

    def rowwise(self, positions: Sequence[int]) -> list[tuple[Value, ...]]:
        """The numbers at these positions, by name."""
        columns = [self.values(position) for position in positions]
        return list(zip(*columns, strict=True)) if columns else [()] * len(self.rows())

    def between(self, position: int, marks: re.Pattern[str]) -> str | None:
        """The text in front of a number where it is one such mark, the same in all names."""
        texts = {
            self.stems[i][self.matches[i][position - 1].end() : self.matches[i][position].start()]
            for i in self.rows()
        }
        text = texts.pop()
        return text if not texts and marks.fullmatch(text) else None

    def sorted_by(self, keys: Sequence[Any]) -> tuple[str, ...]:
        """The names in the order of keys, one for each name."""
        places = sorted(range(len(self.names)), key=lambda i: keys[i])
        return tuple(self.names[i] for i in places)


def _bare_first(stems: Sequence[str]) -> int | None:
    """The one stem that all others are with a number in it (`car`, `car2`, `car (3)`; `a_x4`, `a2_x4`)."""
    if len(stems) < 2:
        return None
    place = min(range(len(stems)), key=lambda i: len(stems[i]))
    bare = stems[place].lower()
    columns = zip(*(stem.lower() for stem in stems), strict=False)
    front = bare[: sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))]
    if front != bare:
        front = front.rstrip(" _-.(")
    behind = bare[len(front) :]
    if behind[:1].isdigit():
        return None
    for i, stem in enumerate(stems):
        if i == place:
            continue
        number = _BARE_GAP.match(rest := stem.lower()[len(front) :])
        if number is None or (front[-1:].isdigit() and rest[0].isdigit()):
            return None
        if behind and NUMBER.sub("0", rest[number.end() :]) != NUMBER.sub("0", behind):
            return None
    return place


def value_of(digits: str) -> Value:
    """The number that digits write, with or without a point."""
    whole, _, tail = digits.partition(".")
    return int(whole), tail.rstrip("0")


def step_of(values: Sequence[Value]) -> int:
    """The step between sorted whole numbers where it is always the same, else 0."""
    if any(tail for _, tail in values):
        return 0
    ordered = sorted(value for value, _ in values)
    steps = {later - earlier for earlier, later in pairwise(ordered)}
    return steps.pop() if len(steps) == 1 else 0
