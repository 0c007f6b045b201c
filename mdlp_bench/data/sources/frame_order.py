"""The order of the frames of a folder, from their names: one rule for every source.

A name holds numbers (`frame_012_conf87` holds 12 and 87; 58.125 is one number). Numbers that are the same in
every name say nothing. Of the others the one that counts is, in this order: the one that a word names as a
counter (`frame`, `img`), a clock time, the one whose values form a run (1, 2, 3), the one with leading zeros,
one with even steps (10, 20, 30), the first. A number that a word names as something else (`conf`, `x`) never
counts. Where another number or reading gives another order, the result carries a note; `--order` chooses.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Any, Final

from mdlp_bench.data.sources.names import natural_key, plain_digits, printable
from mdlp_bench.data.sources.text_table import path_parts, read_list
from mdlp_bench.errors import DataError

# 58.125 is one number; 10.00.58 is three.
_NUMBER: Final = re.compile(r"(?<![0-9.])[0-9]+\.[0-9]+(?!\.?[0-9])|[0-9]+")
_ONE_NUMBER: Final = re.compile(r"([^0-9]*)([0-9]+)([^0-9]*)")
_WORD_BEFORE: Final = re.compile(r"([^\W\d_]+)[^\w]*_*$")
_WORD_AFTER: Final = re.compile(r"^[^\W\d_]+|^%")
_COUNTERS: Final = re.compile(
    "frames?|frm|fr|f|img|images?|im|pic|picture|photo|idx|index|no|num|number|n|seq|帧|第"
)
_MEASURES: Final = re.compile(
    "conf|confidence|score|prob|probability|p|acc|iou|q|quality|x|y|w|h|width|height|size|area|scale|id|cam|"
    "camera|lane|ch|channel|blur|sharp|sharpness|psnr|ssim|dist|pct|percent|%|置信度"
)
_CLOCK_MARKS: Final = re.compile(r"[-_.:：, ]|[hms]|min|[时点分秒]", re.IGNORECASE)
_FRACTION_MARKS: Final = re.compile(r"[-_.,: ]|s|秒", re.IGNORECASE)
_HALF: Final = re.compile(r"[\s_.-]?([ap])\.?m", re.IGNORECASE)
_BARE_GAP: Final = re.compile(r"[\s_\-.(（#]*[0-9]+")
_DAY: Final = 24 * 3600
_INT32_MAX: Final = 2**31 - 1

Value = tuple[int, str]
"""A number in a name: its whole part and the digits behind the point."""


@dataclass(frozen=True, slots=True)
class Ordered:
    """Frames in order.

    Attributes:
        names: File names.
        indices: Their numbers, ascending; 0, 1, 2, ... where the order does not come from one whole number.
        note: What else the names could mean and how to choose, or None when they can mean only this.
    """

    names: tuple[str, ...]
    indices: tuple[int, ...]
    note: str | None = None


@dataclass(frozen=True, slots=True)
class OrderRule:
    """How the names of frames are read.

    Attributes:
        kind: `auto` (see the module), `name` (natural order of the names), `number` (one number of the
            names), `time` (a clock time in the names) or `listed` (the order in a file).
        number: Which number of a name counts: 1 is the first, -1 the last.
        places: Place of each path in the file, by its last one and two components.
        source: Name of the file.
    """

    kind: str = "auto"
    number: int = 0
    places: dict[str, int] | None = None
    source: str = ""

    @classmethod
    def parse(cls, text: str) -> OrderRule:
        """Read what `--order` says: `name`, `number:K`, `time`, or the path of a list of frames.

        Raises:
            DataError: It is none of these; or the list cannot be read or names a frame twice.
        """
        if text in ("auto", "name", "time"):
            return cls(text)
        if match := re.fullmatch(r"number:(-?[1-9][0-9]?)", text):
            return cls("number", int(match[1]))
        path = Path(text)
        if not path.is_file():
            raise DataError(
                f"--order {printable(text)}: write name, number:K (the K-th number of a name; -1 is the "
                "last), time, or a file that lists the frames in order"
            )
        return cls("listed", places=_places(path), source=printable(text))


AUTO: Final = OrderRule()


def order_frames(names: Sequence[str], rule: OrderRule = AUTO, folder: str = "") -> Ordered:
    """Put the frame files of one folder in order.

    Args:
        names: File names, without folders.
        rule: How to read them.
        folder: Name of the folder, for a list that names frames as `<folder>/<frame>`.

    Raises:
        DataError: Two names carry the same number, or the rule does not fit the names.
    """
    if rule.kind == "listed":
        return _listed(names, rule, folder)
    if rule.kind == "auto" and (found := _plain(names)) is not None:
        return found
    columns = _Columns(sorted(names, key=natural_key))
    if rule.kind == "name":
        return columns.by_name()
    if rule.kind == "number":
        return columns.by_number(rule.number)
    if rule.kind == "time":
        return columns.by_time()
    return columns.by_themselves()


def _plain(names: Sequence[str]) -> Ordered | None:
    """The order of names that differ in one number alone, which nearly all do: a hundred times faster."""
    matches = [_ONE_NUMBER.fullmatch(name.rpartition(".")[0]) for name in names]
    found = [match.groups() for match in matches if match is not None]
    if len(found) < len(names) or len({(before, behind) for before, _, behind in found}) != 1:
        return None
    numbers = {int(digits): name for (_, digits, _), name in zip(found, names, strict=True)}
    # Six and nine digits may be clock times, which pass midnight; equal numbers are refused elsewhere.
    if len(numbers) < len(names) or any(len(digits) in (6, 9) or len(digits) > 9 for _, digits, _ in found):
        return None
    indices = sorted(numbers)
    # So may four, in an hour around midnight.
    if indices[0] < 100 and 2300 <= indices[-1] < 2400 and {len(digits) for _, digits, _ in found} == {4}:
        return None
    return Ordered(tuple(numbers[index] for index in indices), tuple(indices))


@dataclass(frozen=True, slots=True)
class _Reading:
    """One possible order: the key of each name, and the option that asks for it."""

    option: str
    title: str
    keys: tuple[Any, ...]
    order: tuple[str, ...]
    note: str | None = None


@dataclass(frozen=True, slots=True)
class _ClockFields:
    """A clock time in the names.

    Attributes:
        seconds: Of each name.
        fraction: Digits of a second behind it.
        stop: The number behind it.
        period: After how many seconds it begins again.
        by_minutes: Two fields, which may be hours and minutes as well as minutes and seconds.
        marked: There is something between its fields.
        loose: Its first field may be a number of its own.
    """

    seconds: Sequence[int]
    fraction: Sequence[str]
    stop: int
    period: int
    by_minutes: bool = False
    marked: bool = True
    loose: bool = False


@dataclass(frozen=True, slots=True)
class _Clock:
    """The order by a clock time, the numbers of it and its date, whether it has a date; `loose` as above."""

    reading: _Reading
    numbers: range
    dated: bool
    loose: bool


class _Columns:
    """The numbers of the names as a table: a row per name, in natural order."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(names)
        stems = [plain_digits(Path(name).stem) for name in names]
        self.bare = _bare_first(stems)
        """Position of the one name without a number of its own, as in `car`, `car2`, `car3`."""
        matches = [list(_NUMBER.finditer(stem)) for stem in stems]
        self.stems, self.matches = stems, matches
        rows = [found for i, found in enumerate(matches) if i != self.bare]
        counts = {len(found) for found in rows}
        self.count = counts.pop() if len(counts) == 1 else None
        self.least = min(map(len, rows), default=0)
        self.shared = self.least if self.count is None else self.count
        """How many numbers every name has."""

    # The options -----------------------------------------------------------------------------------------

    def by_name(self) -> Ordered:
        return Ordered(tuple(self.names), tuple(range(len(self.names))))

    def by_number(self, number: int) -> Ordered:
        for i in self._rows():
            if (found := len(self.matches[i])) < abs(number):
                raise DataError(
                    f"frame {printable(self.names[i])} has {found} numbers in its name, so --order "
                    f"number:{number} does not fit"
                )
        position = number - 1 if number > 0 else number
        return self._result(self._reading(f"number:{number}", position))

    def by_time(self) -> Ordered:
        clock, _ = self._clock()
        if clock is None:
            raise DataError(
                f"frame {printable(self.names[0])} has no clock time in its name that all frames share, so "
                "--order time does not fit"
            )
        return self._result(clock, indexed=False)

    def by_themselves(self) -> Ordered:
        if len(self.names) < 2:
            return self._single()
        if self.least == 0:
            return self._without_numbers()
        if self.bare is not None and len(self.names) == 2:
            return self._result(self._reading("number:-1", -1))
        readings = self._readings()
        if not readings:
            return self._same_numbers()
        best = readings[0]
        other = next((reading for reading in readings[1:] if reading.order != best.order), None)
        notes = [best.note] if best.note else []
        if other is not None:
            notes.append(
                f"frames are taken in the order of {best.title} ({printable(best.order[0])} first); "
                f"{other.title} would give another order ({printable(other.order[0])} first), "
                f"--order {other.option} takes that"
            )
        ordered = self._result(best, indexed=best.option.startswith("number"))
        return Ordered(ordered.names, ordered.indices, "; ".join(notes) or None)

    # What the numbers can mean ---------------------------------------------------------------------------

    def _readings(self) -> list[_Reading]:
        """Every order that the names allow without a tie, the most likely one first."""
        varying = self._varying()
        named = [p for p in varying if not self._is_measure(p)] or varying
        clock, timed = self._clock()
        # The last number of a name may be of its clock where names have more numbers than others.
        free = [p for p in named if p not in timed and (p >= 0 or clock is None)]
        distinct = [p for p in free if len(set(self._values(p))) == len(self._rows())]
        distinct.sort(
            key=lambda p: (
                not self._is_counter(p), _step(self._values(p)) != 1, not self._padded(p),
                _step(self._values(p)) == 0 or len(self.names) < 4,
            )
        )  # fmt: skip
        numbers = [self._reading(f"number:{p + 1 if p >= 0 else p}", p) for p in distinct]
        dotted = self._dotted(distinct[:1] or named)
        words = {_NUMBER.sub("0", self.stems[i]).casefold() for i in self._rows()}
        if dotted is not None or (numbers and len(words) > 1):
            by_name = _Reading("name", "their names", tuple(range(len(self.names))), tuple(self.names))
            numbers = [by_name, *numbers] if dotted else [*numbers, by_name]
        if clock is not None and len(set(clock.keys)) == len(clock.keys):
            counted = bool(distinct) and self._is_counter(distinct[0])
            return [numbers[0], clock, *numbers[1:]] if counted else [clock, *numbers]
        joint = self._joint(named)
        if joint is None or dotted:
            return numbers
        if distinct and (
            self._is_counter(distinct[0]) or _step(self._values(distinct[0])) or self._padded(distinct[0])
        ):
            # What a word names as the counter needs no second opinion from unnamed numbers.
            return [numbers[0], joint] if self._is_counter(distinct[0]) else [*numbers, joint]
        return [joint, *numbers] if not numbers or numbers[0].order != joint.order else [*numbers, joint]

    def _dotted(self, positions: Sequence[int]) -> bool | None:
        """Whether numbers with a point are two numbers (1.9, 1.10); None where that makes no difference."""
        tails = {p: {d.partition(".")[2] for d in self._digits(p)} for p in positions}
        unequal = [found for found in tails.values() if len(set(map(len, found))) > 1]
        # Who writes 1.10 as a decimal also writes 1.90.
        return any(tail.endswith("0") for found in unequal for tail in found) if unequal else None

    def _rows(self) -> list[int]:
        return [i for i in range(len(self.names)) if i != self.bare]

    def _varying(self) -> list[int]:
        """Positions of the numbers that differ; with unequal counts the first and the last of each name."""
        positions = range(self.count) if self.count is not None else (0, -1)
        return [p for p in positions if len(set(self._values(p))) > 1]

    def _values(self, position: int) -> list[Value]:
        return [_value(self.matches[i][position].group()) for i in self._rows()]

    def _digits(self, position: int) -> list[str]:
        return [self.matches[i][position].group() for i in self._rows()]

    def _is_counter(self, position: int) -> bool:
        return any(map(_COUNTERS.fullmatch, self._words(position, after=False)))

    def _is_measure(self, position: int) -> bool:
        return any(map(_MEASURES.fullmatch, self._words(position) | self._words(position, after=False)))

    def _words(self, position: int, *, after: bool = True) -> set[str]:
        """The words right behind (else: right before) a number, lower case, in any of the names."""
        words: set[str] = set()
        for i in self._rows():
            match, stem = self.matches[i][position], self.stems[i]
            if after and (found := _WORD_AFTER.search(stem[match.end() :])):
                words.add(found[0].lower())
            elif not after and (found := _WORD_BEFORE.search(stem[: match.start()])):
                words.add(found[1].lower())
        return words

    def _padded(self, position: int) -> bool:
        digits = self._digits(position)
        return len(set(map(len, digits))) == 1 and any(d.startswith("0") and len(d) > 1 for d in digits)

    def _reading(self, option: str, position: int) -> _Reading:
        values = {i: _value(self.matches[i][position].group()) for i in self._rows()}
        if self.bare is not None:
            lowest = min(values.values())[0]
            values[self.bare] = (lowest - 1, "")
        keys = tuple(values[i] for i in range(len(self.names)))
        title = f"number {position + 1} of their names" if position >= 0 else "the last number of their names"
        return _Reading(option, title, keys, self._sorted(keys))

    def _joint(self, positions: Sequence[int]) -> _Reading | None:
        """All differing numbers, the first one counting most; None where two names tie."""
        if self.count is None:
            keys: tuple[Any, ...] = tuple(natural_key(stem) for stem in self.stems)
        else:
            found = {i: tuple(_value(self.matches[i][p].group()) for p in positions) for i in self._rows()}
            keys = tuple(found.get(i, ()) for i in range(len(self.names)))
        if len(set(keys)) < len(keys):
            return None
        return _Reading("name", "their names", keys, self._sorted(keys))

    def _clock(self) -> tuple[_Reading | None, range]:
        """A clock time in the names (hours, minutes, seconds, fraction), and the numbers it is made of."""
        if self.bare is not None:
            return None, range(0)
        found = [clock for first in range(self.shared) if (clock := self._clock_at(first)) is not None]
        # Behind a date first: in 2024-01-31_23-59-58 the numbers 01-31-23 look like a time too.
        best = min(found, key=lambda clock: (not clock.dated, clock.loose), default=None)
        return (None, range(0)) if best is None else (best.reading, best.numbers)

    def _clock_at(self, first: int) -> _Clock | None:
        """The clock that starts at a number, unrolled where it passes zero."""
        fields = self._clock_fields(first)
        if fields is None or all(len(set(self._values(p))) == 1 for p in range(first, fields.stop)):
            return None
        seconds, period, stop = list(fields.seconds), fields.period, fields.stop
        if period == _DAY and all(halves := self._halves(stop)):
            seconds = [s % (_DAY // 2) + (h == "p") * _DAY // 2 for s, h in zip(seconds, halves, strict=True)]
        front = self._date(first)
        start = _start_of_day(seconds, period) if front is None else None
        if fields.by_minutes and front is None and (start is None or period < _DAY):
            # 23-59 may be a time of day as well: when the frames then lie within an hour of midnight.
            minutes = [60 * s for s in seconds] if period < _DAY else seconds
            if max(minutes) < _DAY and (late := _start_of_day(minutes, _DAY, 24)) is not None:
                seconds, period, start = minutes, _DAY, late
        if not fields.marked and front is None and start is None:
            # Digits that stay within a day may as well count frames, and give the same order.
            return None
        if start is not None:
            seconds = [(s - start) % period for s in seconds]
        elif period == _DAY and (twelve := _on_twelve_hours(seconds)) is not None:
            seconds, period = twelve, _DAY // 2
        times = list(zip(seconds, fields.fraction, strict=True))
        behind = [tuple(_value(match.group()) for match in self.matches[i][stop:]) for i in self._rows()]
        keys = tuple(zip(front or [()] * len(times), times, behind, strict=True))
        order = self._sorted(keys)
        passes = {_DAY: "midnight", _DAY // 2: "one o'clock", 3600: "the full hour", 60: "the full minute"}[
            period
        ]
        note = None
        if start is not None or period == _DAY // 2:
            note = (
                f"the clock in the names passes {passes}, so {printable(order[0])} is first and "
                f"{printable(order[-1])} last; --order name takes the names as they are"
            )
        reading = _Reading("time", "the clock time in their names", keys, order, note)
        numbers = range(first if front is None else 0, stop)
        return _Clock(reading, numbers, front is not None, fields.loose)

    def _clock_fields(self, first: int) -> _ClockFields | None:
        """The clock time that each name has at a number, or None."""
        digits = self._digits(first)
        hours, sixty = "(?:[01][0-9]|2[0-3])", "[0-5][0-9]"
        if all(re.fullmatch(f"{hours}{sixty}(?:{sixty}(?:[0-9]{{3}})?)?", d) for d in digits):
            if len(set(map(len, digits))) > 1:
                return None
            seconds = [int(d[:2]) * 3600 + int(d[2:4]) * 60 + int(d[4:6] or 0) for d in digits]
            fraction, stop = self._fraction([d[6:] for d in digits], first + 1)
            short = len(digits[0]) == 4
            if short and (self._is_counter(first) or _start_of_day(seconds, _DAY, 24) is None):
                return None
            return _ClockFields(seconds, fraction, stop, _DAY, by_minutes=short, marked=False)
        parts: list[list[int]] = []
        marks: list[str] = []
        tail = [""] * len(digits)
        stop, short_hour, long_hour = first, False, False
        while stop < self.shared and len(parts) < 3:
            digits = self._digits(stop)
            if parts:
                mark = self._between(stop, _CLOCK_MARKS)
                if mark is None:
                    break
                marks.append(mark)
            wholes = [d.split(".")[0] for d in digits]
            if any(len(w) > 3 if not parts else len(w) != 2 or int(w) > 59 for w in wholes):
                break
            if not parts:
                short_hour, long_hour = (any(map(odd, wholes)) for odd in (_is_short, _is_long))
            parts.append([int(w) for w in wholes])
            stop += 1
            if any("." in d for d in digits):
                tail = [d.partition(".")[2] for d in digits]
                break
        lettered = bool(marks) and all(map(str.isalpha, marks))  # 1h05m09s, 75m00s
        if not lettered and (
            long_hour
            or (short_hour and (len(parts) < 3 or min(map(min, parts[1:])) > 9 or len(set(marks)) > 1))
            or (len(parts) == 3 and max(parts[0]) > 23)
        ):
            return None
        fraction, stop = (tail, stop) if any(tail) else self._fraction(tail, stop)
        if len(parts) < 2 and not (parts and any(fraction)):
            return None
        seconds = [sum(v * 60**e for e, v in enumerate(reversed(row))) for row in zip(*parts, strict=True)]
        # A number that is the same in all names and set off by another mark is no hour: cam10_23-59-58.
        alike = len({mark if not mark.isalpha() else "" for mark in marks}) <= 1
        loose = len(parts) == 3 and not alike and len(set(parts[0])) == 1
        period = 60 ** len(parts) if len(parts) < 3 else _DAY
        by_minutes = len(parts) == 2 and not any(fraction)
        return _ClockFields(seconds, fraction, stop, period, by_minutes=by_minutes, loose=loose)

    def _fraction(self, given: list[str], position: int) -> tuple[list[str], int]:
        """The fraction of a second behind a clock: digits of one width, or milliseconds without zeros."""
        if any(given) or position >= self.shared or self._between(position, _FRACTION_MARKS) is None:
            return given, position
        digits = self._digits(position)
        if any("." in d or len(d) > 9 for d in digits):
            return given, position
        widths = set(map(len, digits))
        if len(widths) == 1:
            return (digits, position + 1) if widths & {3, 6, 9} else (given, position)
        if max(widths) == 3 and not any(d.startswith("0") and len(d) > 1 for d in digits):
            return [d.zfill(3) for d in digits], position + 1
        return given, position

    def _between(self, position: int, marks: re.Pattern[str]) -> str | None:
        """The text in front of a number where it is one such mark, the same in all names."""
        texts = {
            self.stems[i][self.matches[i][position - 1].end() : self.matches[i][position].start()]
            for i in self._rows()
        }
        text = texts.pop()
        return text if not texts and marks.fullmatch(text) else None

    def _date(self, first: int) -> list[tuple[Value, ...]] | None:
        """The numbers before a clock where a date ends there, the date as one number of days.

        Where it can be read in several ways, the one counts in which the frames lie closest together.
        """
        found: list[tuple[int, int, list[int]]] = []
        for start in (first - 3, first - 1):
            columns = [self._digits(p) for p in range(max(start, 0), first)] if start >= 0 else []
            ways = [_ways_of_a_date(numbers) for numbers in zip(*columns, strict=True)]
            for fields in zip(*ways, strict=False):
                days = [_days(*one) for one in fields]
                known = [day for day in days if day is not None]
                if len(known) == len(days):
                    found.append((max(known) - min(known), start, known))
        if not found:
            return None
        _, start, known = min(found, key=lambda way: way[0])
        before = self._rowwise(range(start))
        return [(*numbers, (day, "")) for numbers, day in zip(before, known, strict=True)]

    def _rowwise(self, positions: Sequence[int]) -> list[tuple[Value, ...]]:
        """The numbers at these positions, by name."""
        columns = [self._values(position) for position in positions]
        return list(zip(*columns, strict=True)) if columns else [()] * len(self._rows())

    def _halves(self, stop: int) -> list[str]:
        """`am` or `pm` behind a clock, by name; empty where neither stands there."""
        found = (_HALF.match(self.stems[i], self.matches[i][stop - 1].end()) for i in self._rows())
        return ["" if match is None else match[1].lower() for match in found]

    # Results ---------------------------------------------------------------------------------------------

    def _sorted(self, keys: Sequence[Any]) -> tuple[str, ...]:
        places = sorted(range(len(self.names)), key=lambda i: keys[i])
        return tuple(self.names[i] for i in places)

    def _result(self, reading: _Reading, *, indexed: bool = True) -> Ordered:
        keys = sorted(reading.keys)
        for (earlier, later), (left, right) in zip(pairwise(keys), pairwise(reading.order), strict=True):
            if earlier == later:
                raise DataError(
                    f"frames {printable(left)} and {printable(right)} carry the same number; rename or "
                    "remove one, or choose the order with --order"
                )
        whole = indexed and all(not tail and 0 <= value <= _INT32_MAX for value, tail in keys)
        indices = tuple(value for value, _ in keys) if whole else tuple(range(len(keys)))
        return Ordered(reading.order, indices, reading.note)

    def _single(self) -> Ordered:
        found = self.matches[0] if self.names else []
        value, tail = _value(found[-1].group()) if found else (0, "")
        index = value if not tail and value <= _INT32_MAX else 0
        return Ordered(tuple(self.names), (index,) if self.names else ())

    def _without_numbers(self) -> Ordered:
        named = next(n for n, found in zip(self.names, self.matches, strict=True) if not found)
        note = f"frame {printable(named)} has no number in its name, so the names give the order"
        return Ordered(tuple(self.names), tuple(range(len(self.names))), f"{note}; --order FILE takes a list")

    def _same_numbers(self) -> Ordered:
        """No number tells the names apart: an error where they are equal, else the order of the names."""
        if self.count is not None:
            seen: dict[tuple[Value, ...], str] = {}
            for i in self._rows():
                values = tuple(_value(match.group()) for match in self.matches[i])
                if (other := seen.setdefault(values, self.names[i])) != self.names[i]:
                    raise DataError(
                        f"frames {printable(other)} and {printable(self.names[i])} carry the same number; "
                        "rename or remove one, or choose the order with --order"
                    )
        note = "the numbers in the names of the frames repeat, so they are in the order of their names"
        return Ordered(tuple(self.names), tuple(range(len(self.names))), f"{note}; --order FILE takes a list")


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
        if behind and _NUMBER.sub("0", rest[number.end() :]) != _NUMBER.sub("0", behind):
            return None
    return place


def _is_short(field: str) -> bool:
    return len(field) == 1


def _is_long(field: str) -> bool:
    return len(field) > 2 or int(field) > 59


def _value(digits: str) -> Value:
    whole, _, tail = digits.partition(".")
    return int(whole), tail.rstrip("0")


def _step(values: Sequence[Value]) -> int:
    """The step between sorted whole numbers where it is always the same, else 0."""
    if any(tail for _, tail in values):
        return 0
    ordered = sorted(value for value, _ in values)
    steps = {later - earlier for earlier, later in pairwise(ordered)}
    return steps.pop() if len(steps) == 1 else 0


def _start_of_day(seconds: Sequence[int], period: int, share: int = 4) -> int | None:
    """The time at which frames that pass zero start: they then take less than 1/share of the period."""
    ordered = sorted(set(seconds))
    gaps = [(later - earlier, later) for earlier, later in pairwise(ordered)]
    widest, start = max(gaps, default=(0, 0))
    return start if widest * share > period * (share - 1) else None


def _on_twelve_hours(seconds: Sequence[int]) -> list[int] | None:
    """Times from 12:59:59 to 01:00:00 as seconds of half a day; None where they are no such times."""
    folded = [s % (_DAY // 2) for s in seconds]
    first, last = min(seconds), max(seconds)
    passes = first >= 3600 and last < 13 * 3600 and last - first > 10 * 3600
    return folded if passes and max(folded) - min(folded) < 2 * 3600 else None


def _ways_of_a_date(numbers: Sequence[str]) -> tuple[tuple[str, str, str], ...]:
    """Year, month and day as they may stand in one number or in three: year, day or month first."""
    if len(numbers) == 3:
        first, second, third = numbers
        return (first, second, third), (third, second, first), (third, first, second)
    one = numbers[0]
    if len(one) not in (6, 8):
        return ()
    year = len(one) - 4
    return (
        (one[:year], one[year : year + 2], one[year + 2 :]),
        (one[4:], one[2:4], one[:2]),
        (one[4:], one[:2], one[2:4]),
    )


def _days(year: str, month: str, day: str) -> int | None:
    """The number of a day; None where the fields are no date of this or the last century."""
    if len(year) not in (2, 4) or (len(year) == 4 and year[:2] not in ("19", "20")) or len(month + day) > 4:
        return None
    try:
        return date(int(year) + 2000 * (len(year) == 2), int(month), int(day)).toordinal()
    except ValueError:
        return None


def _places(path: Path) -> dict[str, int]:
    """The line of each frame, by the last two components of its path."""
    places: dict[str, int] = {}
    for number, written in read_list(path):
        key = "/".join(path_parts(written)[-2:])
        if key in places:
            raise DataError(f"{printable(str(path))}:{number}: {key} stands at line {places[key]} already")
        places[key] = number
    return places


def _listed(names: Sequence[str], rule: OrderRule, folder: str) -> Ordered:
    places = rule.places or {}
    found: dict[str, int] = {}
    for name in names:
        keys = (f"{folder}/{name}", name, f"{folder}/{Path(name).stem}", Path(name).stem)
        place = next((places[key] for key in keys if key in places), None)
        if place is None:
            raise DataError(f"frame {printable(name)} is not in {rule.source}; add a line for it")
        found[name] = place
    ordered = sorted(names, key=found.__getitem__)
    return Ordered(tuple(ordered), tuple(range(len(ordered))))
