"""The order of the frames of a folder, from their names: one rule for every source.

A name holds numbers (`frame_012_conf87` holds 12 and 87; 58.125 is one number). Numbers that are the same in
every name say nothing. Among the others, the first of these decides: the number that a word names as a
counter (`frame`, `img`), a clock time, the number whose values form a run (1, 2, 3), the number with leading
zeros, a number with even steps (10, 20, 30), the first number. A number that a word names as something else
(`conf`, `x`) never decides. Where another number gives another order, the result carries a note; `--order`
chooses.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from mdlp_bench.data.sources.name_clock import Clock, find_clock
from mdlp_bench.data.sources.name_numbers import NUMBER, NumberTable, Value, step_of, value_of
from mdlp_bench.data.sources.names import natural_key, printable
from mdlp_bench.data.sources.text_table import path_parts, read_list
from mdlp_bench.errors import DataError

_ONE_NUMBER: Final = re.compile(r"([^0-9]*)([0-9]+)([^0-9]*)")
_INT32_MAX: Final = 2**31 - 1


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
    # So may four digits, within an hour of midnight.
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


def _by_clock(clock: Clock) -> _Reading:
    return _Reading("time", "the clock time in their names", clock.keys, clock.order, clock.note)


class _Columns(NumberTable):
    """The orders that the numbers of names can mean."""

    # The options -----------------------------------------------------------------------------------------

    def by_name(self, note: str | None = None) -> Ordered:
        return Ordered(tuple(self.names), tuple(range(len(self.names))), note)

    def by_number(self, number: int) -> Ordered:
        for i in self.rows():
            if (found := len(self.matches[i])) < abs(number):
                raise DataError(
                    f"frame {printable(self.names[i])} has {found} numbers in its name, so --order "
                    f"number:{number} does not fit"
                )
        position = number - 1 if number > 0 else number
        return self._result(self._reading(f"number:{number}", position))

    def by_time(self) -> Ordered:
        clock = find_clock(self)
        if clock is None:
            raise DataError(
                f"frame {printable(self.names[0])} has no clock time in its name that all frames share, so "
                "--order time does not fit"
            )
        return self._result(_by_clock(clock), indexed=False)

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
        named = [p for p in varying if not self.is_measure(p)] or varying
        clock = find_clock(self)
        timed = range(0) if clock is None else clock.numbers
        # The last number of a name may be of its clock where names have more numbers than others.
        free = [p for p in named if p not in timed and (p >= 0 or clock is None)]
        distinct = [p for p in free if len(set(self.values(p))) == len(self.rows())]
        distinct.sort(
            key=lambda p: (
                not self.is_counter(p), step_of(self.values(p)) != 1, not self.is_padded(p),
                step_of(self.values(p)) == 0 or len(self.names) < 4,
            )
        )  # fmt: skip
        numbers = [self._reading(f"number:{p + 1 if p >= 0 else p}", p) for p in distinct]
        dotted = self._dotted(distinct[:1] or named)
        words = {NUMBER.sub("0", self.stems[i]).casefold() for i in self.rows()}
        if dotted is not None or (numbers and len(words) > 1):
            by_name = _Reading("name", "their names", tuple(range(len(self.names))), tuple(self.names))
            numbers = [by_name, *numbers] if dotted else [*numbers, by_name]
        if clock is not None and len(set(clock.keys)) == len(clock.keys):
            counted = bool(distinct) and self.is_counter(distinct[0])
            timely = _by_clock(clock)
            return [numbers[0], timely, *numbers[1:]] if counted else [timely, *numbers]
        joint = self._joint(named)
        if joint is None or dotted:
            return numbers
        if distinct and (
            self.is_counter(distinct[0]) or step_of(self.values(distinct[0])) or self.is_padded(distinct[0])
        ):
            # What a word names as the counter needs no second opinion from unnamed numbers.
            return [numbers[0], joint] if self.is_counter(distinct[0]) else [*numbers, joint]
        return [joint, *numbers] if not numbers or numbers[0].order != joint.order else [*numbers, joint]

    def _dotted(self, positions: Sequence[int]) -> bool | None:
        """Whether numbers with a point are two numbers (1.9, 1.10); None where that makes no difference."""
        tails = {p: {d.partition(".")[2] for d in self.digits(p)} for p in positions}
        unequal = [found for found in tails.values() if len(set(map(len, found))) > 1]
        # Whoever writes 1.10 as a decimal also writes 1.90.
        return any(tail.endswith("0") for found in unequal for tail in found) if unequal else None

    def _varying(self) -> list[int]:
        """Positions of the numbers that differ; with unequal counts the first and the last of each name."""
        positions = range(self.count) if self.count is not None else (0, -1)
        return [p for p in positions if len(set(self.values(p))) > 1]

    def _reading(self, option: str, position: int) -> _Reading:
        values = {i: value_of(self.matches[i][position].group()) for i in self.rows()}
        if self.bare is not None:
            lowest = min(values.values())[0]
            values[self.bare] = (lowest - 1, "")
        keys = tuple(values[i] for i in range(len(self.names)))
        title = f"number {position + 1} of their names" if position >= 0 else "the last number of their names"
        return _Reading(option, title, keys, self.sorted_by(keys))

    def _joint(self, positions: Sequence[int]) -> _Reading | None:
        """All differing numbers, the first one counting most; None where two names tie."""
        if self.count is None:
            keys: tuple[Any, ...] = tuple(natural_key(stem) for stem in self.stems)
        else:
            found = {i: tuple(value_of(self.matches[i][p].group()) for p in positions) for i in self.rows()}
            keys = tuple(found.get(i, ()) for i in range(len(self.names)))
        if len(set(keys)) < len(keys):
            return None
        return _Reading("name", "their names", keys, self.sorted_by(keys))

    # Results ---------------------------------------------------------------------------------------------

    def _result(self, reading: _Reading, *, indexed: bool = True) -> Ordered:
        keys = sorted(reading.keys)
        for (earlier, later), (left, right) in zip(pairwise(keys), pairwise(reading.order), strict=True):
            if earlier == later:
                raise _same_number(left, right)
        whole = indexed and all(not tail and 0 <= value <= _INT32_MAX for value, tail in keys)
        indices = tuple(value for value, _ in keys) if whole else tuple(range(len(keys)))
        return Ordered(reading.order, indices, reading.note)

    def _single(self) -> Ordered:
        found = self.matches[0] if self.names else []
        value, tail = value_of(found[-1].group()) if found else (0, "")
        index = value if not tail and value <= _INT32_MAX else 0
        return Ordered(tuple(self.names), (index,) if self.names else ())

    def _without_numbers(self) -> Ordered:
        named = next(n for n, found in zip(self.names, self.matches, strict=True) if not found)
        note = f"frame {printable(named)} has no number in its name, so the names give the order"
        return self.by_name(f"{note}; --order FILE takes a list")

    def _same_numbers(self) -> Ordered:
        """No number tells the names apart: an error where they are equal, else the order of the names."""
        if self.count is not None:
            seen: dict[tuple[Value, ...], str] = {}
            for i in self.rows():
                values = tuple(value_of(match.group()) for match in self.matches[i])
                if (other := seen.setdefault(values, self.names[i])) != self.names[i]:
                    raise _same_number(other, self.names[i])
        note = "the numbers in the names of the frames repeat, so they are in the order of their names"
        return self.by_name(f"{note}; --order FILE takes a list")


def _same_number(first: str, second: str) -> DataError:
    return DataError(
        f"frames {printable(first)} and {printable(second)} carry the same number; rename or remove one, or "
        "choose the order with --order"
    )


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
