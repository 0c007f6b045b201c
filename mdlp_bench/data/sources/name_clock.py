"""A clock time in the names of files: hours, minutes, seconds and a fraction, perhaps after a date."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any, Final

from mdlp_bench.data.sources.name_numbers import NumberTable, Value, value_of
from mdlp_bench.data.sources.names import printable

_CLOCK_MARKS: Final = re.compile(r"[-_.:：, ]|[hms]|min|[时時点點分秒]", re.IGNORECASE)
_FRACTION_MARKS: Final = re.compile(r"[-_.,: ]|s|秒", re.IGNORECASE)
_HALF: Final = re.compile(r"[\s_.-]?([ap])\.?m", re.IGNORECASE)
_DAY: Final = 24 * 3600
_PASSES: Final = {
    _DAY: "midnight",
    _DAY // 2: "one o'clock",
    3600: "the full hour",
    60: "the full minute",
}
"""Where a clock begins again, by its period in seconds."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The order of names by a clock time.

    Attributes:
        keys: By name.
        order: The names in order.
        numbers: Positions of the numbers that the time and its date are made of.
        dated: Whether a date stands before it.
        loose: Whether its first field may be a number of its own.
        note: What it passes, and how to choose otherwise; None where it passes nothing.
    """

    keys: tuple[Any, ...]
    order: tuple[str, ...]
    numbers: range
    dated: bool
    loose: bool
    note: str | None


@dataclass(frozen=True, slots=True)
class _ClockFields:
    """A clock time in the names.

    Attributes:
        seconds: Of each name.
        fraction: Digits of the fraction of a second that follows.
        stop: Position of the number that follows.
        period: The seconds after which it begins again.
        by_minutes: Two fields, which may be hours and minutes as well as minutes and seconds.
        marked: Whether something separates its fields.
        loose: Whether its first field may be a number of its own.
    """

    seconds: Sequence[int]
    fraction: Sequence[str]
    stop: int
    period: int
    by_minutes: bool = False
    marked: bool = True
    loose: bool = False


def find_clock(table: NumberTable) -> Clock | None:
    """The clock time that all names have, or None."""
    if table.bare is not None:
        return None
    found = [clock for first in range(table.shared) if (clock := _clock_at(table, first)) is not None]
    # A time after a date comes first: in 2024-01-31_23-59-58 the numbers 01-31-23 look like a time too.
    return min(found, key=lambda clock: (not clock.dated, clock.loose), default=None)


def _clock_at(table: NumberTable, first: int) -> Clock | None:
    """The clock that starts at a number, unrolled where it passes zero."""
    fields = _clock_fields(table, first)
    if fields is None or all(len(set(table.values(p))) == 1 for p in range(first, fields.stop)):
        return None
    seconds, period, stop = list(fields.seconds), fields.period, fields.stop
    if period == _DAY and all(halves := _halves(table, stop)):
        seconds = [s % (_DAY // 2) + (h == "p") * _DAY // 2 for s, h in zip(seconds, halves, strict=True)]
    front = _date(table, first)
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
    behind = [tuple(value_of(match.group()) for match in table.matches[i][stop:]) for i in table.rows()]
    keys = tuple(zip(front or [()] * len(times), times, behind, strict=True))
    order = table.sorted_by(keys)
    note = None
    if start is not None or period == _DAY // 2:
        note = (
            f"the clock in the names passes {_PASSES[period]}, so {printable(order[0])} is first and "
            f"{printable(order[-1])} last; --order name takes the names as they are"
        )
    numbers = range(first if front is None else 0, stop)
    return Clock(keys, order, numbers, front is not None, fields.loose, note)


def _clock_fields(table: NumberTable, first: int) -> _ClockFields | None:
    """The clock time that each name has at a number, or None."""
    digits = table.digits(first)
    hours, sixty = "(?:[01][0-9]|2[0-3])", "[0-5][0-9]"
    if all(re.fullmatch(f"{hours}{sixty}(?:{sixty}(?:[0-9]{{3}})?)?", d) for d in digits):
        if len(set(map(len, digits))) > 1:
            return None
        seconds = [int(d[:2]) * 3600 + int(d[2:4]) * 60 + int(d[4:6] or 0) for d in digits]
        fraction, stop = _fraction(table, [d[6:] for d in digits], first + 1)
        short = len(digits[0]) == 4
        if short and (table.is_counter(first) or _start_of_day(seconds, _DAY, 24) is None):
            return None
        return _ClockFields(seconds, fraction, stop, _DAY, by_minutes=short, marked=False)
    parts: list[list[int]] = []
    marks: list[str] = []
    tail = [""] * len(digits)
    stop, short_hour, long_hour = first, False, False
    while stop < table.shared and len(parts) < 3:
        digits = table.digits(stop)
        if parts:
            mark = table.between(stop, _CLOCK_MARKS)
            if mark is None:
                break
            marks.append(mark)
        wholes = [d.split(".")[0] for d in digits]
        if any(len(w) > 3 if not parts else len(w) != 2 or int(w) > 59 for w in wholes):
            break
        if not parts:
            short_hour = any(len(w) == 1 for w in wholes)
            long_hour = any(len(w) > 2 or int(w) > 59 for w in wholes)
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
    fraction, stop = (tail, stop) if any(tail) else _fraction(table, tail, stop)
    if len(parts) < 2 and not (parts and any(fraction)):
        return None
    seconds = [sum(v * 60**e for e, v in enumerate(reversed(row))) for row in zip(*parts, strict=True)]
    # A number that is the same in all names and set off by another mark is not an hour: cam10_23-59-58.
    alike = len({mark if not mark.isalpha() else "" for mark in marks}) <= 1
    loose = len(parts) == 3 and not alike and len(set(parts[0])) == 1
    period = 60 ** len(parts) if len(parts) < 3 else _DAY
    by_minutes = len(parts) == 2 and not any(fraction)
    return _ClockFields(seconds, fraction, stop, period, by_minutes=by_minutes, loose=loose)


def _fraction(table: NumberTable, given: list[str], position: int) -> tuple[list[str], int]:
    """The fraction of a second after a clock: digits of one width, or milliseconds without zeros."""
    if any(given) or position >= table.shared or table.between(position, _FRACTION_MARKS) is None:
        return given, position
    digits = table.digits(position)
    if any("." in d or len(d) > 9 for d in digits):
        return given, position
    widths = set(map(len, digits))
    if len(widths) == 1:
        return (digits, position + 1) if widths & {3, 6, 9} else (given, position)
    if max(widths) == 3 and not any(d.startswith("0") and len(d) > 1 for d in digits):
        return [d.zfill(3) for d in digits], position + 1
    return given, position


def _date(table: NumberTable, first: int) -> list[tuple[Value, ...]] | None:
    """The numbers before a clock where a date ends there, the date as one number of days.

    Where it can be read in several ways, the one counts in which the frames lie closest together.
    """
    found: list[tuple[int, int, list[int]]] = []
    for start in (first - 3, first - 1):
        columns = [table.digits(p) for p in range(max(start, 0), first)] if start >= 0 else []
        ways = [_ways_of_a_date(numbers) for numbers in zip(*columns, strict=True)]
        for fields in zip(*ways, strict=False):
            days = [_days(*one) for one in fields]
            known = [day for day in days if day is not None]
            if len(known) == len(days):
                found.append((max(known) - min(known), start, known))
    if not found:
        return None
    _, start, known = min(found, key=lambda way: way[0])
    before = table.rowwise(range(start))
    return [(*numbers, (day, "")) for numbers, day in zip(before, known, strict=True)]


def _halves(table: NumberTable, stop: int) -> list[str]:
    """The `a` of `am` or the `p` of `pm` after a clock, by name; empty where neither follows."""
    found = (_HALF.match(table.stems[i], table.matches[i][stop - 1].end()) for i in table.rows())
    return ["" if match is None else match[1].lower() for match in found]


def _start_of_day(seconds: Sequence[int], period: int, share: int = 4) -> int | None:
    """The time at which frames that pass zero start: they then take less than 1/share of the period."""
    ordered = sorted(set(seconds))
    gaps = [(later - earlier, later) for earlier, later in pairwise(ordered)]
    widest, start = max(gaps, default=(0, 0))
    return start if widest * share > period * (share - 1) else None


def _on_twelve_hours(seconds: Sequence[int]) -> list[int] | None:
    """Times from 12:59:59 to 01:00:00 as seconds of half a day; None for other times."""
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
    """The number of a day; None where the fields are not a date of this or the last century."""
    if len(year) not in (2, 4) or (len(year) == 4 and year[:2] not in ("19", "20")) or len(month + day) > 4:
        return None
    try:
        return date(int(year) + 2000 * (len(year) == 2), int(month), int(day)).toordinal()
    except ValueError:
        return None
