"""The faults of a submission, collected instead of raised one by one, each with its remedy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from mdlp_bench.errors import SubmissionError

_SUMMED: Final = 5
"""Equal faults beyond this number are summed up in one line."""

_KINDS: Final = 20
_PLACES: Final = 30
_MAX_LENGTH: Final = 120

_SINGLE: Final = frozenset(("yaml", "scores", "recomputed"))
"""Kinds of fault of which each says something else, so that none is summed up with others."""


@dataclass(slots=True)
class Fault:
    """One thing that is wrong, at one place or at many.

    Attributes:
        code: Kind of fault, e.g. `png-size`.
        problem: What is wrong.
        remedy: What to do about it.
        places: Files or fields at fault; the first thirty.
        count: Number of places.
    """

    code: str
    problem: str
    remedy: str
    places: list[str] = field(default_factory=list)
    count: int = 0

    def lines(self) -> Iterator[str]:
        """One line per place, or one line for more than five places."""
        if self.count <= _SUMMED:
            yield from (f"{printable(place)}: {self.problem}; {self.remedy}" for place in self.places)
        else:
            # The fields of a form fit into one line; thousands of files do not.
            shown = listed(self.places, _PLACES if self.code == "yaml" else 3, total=self.count)
            yield f"{self.count:,} times {self.problem}: {shown}; {self.remedy}"


@dataclass
class Faults:
    """A collector of faults. Equal ones are counted, and the number that is kept is bounded."""

    _kept: dict[str, dict[tuple[str, str], Fault]] = field(default_factory=dict)
    _counts: dict[str, int] = field(default_factory=dict)

    def add(self, code: str, where: str, problem: str, remedy: str) -> None:
        """Note a fault."""
        self._counts[code] = self._counts.get(code, 0) + 1
        of_code = self._kept.setdefault(code, {})
        if (problem, remedy) not in of_code and len(of_code) == _KINDS:
            return
        fault = of_code.setdefault((problem, remedy), Fault(code, problem, remedy))
        fault.count += 1
        if len(fault.places) < _PLACES:
            fault.places.append(where)

    def add_error(self, code: str, where: str, error: Exception) -> None:
        """Note a fault that was raised as `where: problem; remedy`."""
        problem, _, remedy = str(error).removeprefix(f"{where}: ").rpartition("; ")
        self.add(code, where, problem, remedy)

    def __len__(self) -> int:
        return sum(self._counts.values())

    def lines(self) -> Iterator[str]:
        """One line per fault; more than five equal ones, and what goes beyond a limit, are summed up."""
        for code, of_code in self._kept.items():
            for remedy, alike in groupby(sorted(of_code.values(), key=_remedy), _remedy):
                yield from _lines(list(alike), remedy)
            more = self._counts[code] - sum(fault.count for fault in of_code.values())
            if more:
                yield f"... and {more:,} more of this kind ({code})"

    def error(self, name: str) -> SubmissionError:
        """The faults as one error of one line."""
        lines = [line.removeprefix(f"{name}: ") for line in self.lines()]
        more = f" (and {len(lines) - 1:,} more; `mdlp-bench leaderboard validate` lists all)"
        return SubmissionError(f"{name}: {lines[0]}{more if len(lines) > 1 else ''}")


def _remedy(fault: Fault) -> str:
    return fault.remedy


def _lines(alike: Sequence[Fault], remedy: str) -> Iterator[str]:
    """The lines of faults of one kind and remedy; summed up where more than five differ in detail only."""
    total = sum(fault.count for fault in alike)
    if len(alike) <= _SUMMED or alike[0].code in _SINGLE:
        for fault in alike:
            yield from fault.lines()
    else:
        shown = "; ".join(f"{printable(fault.places[0])}: {fault.problem}" for fault in alike[:3])
        yield f"{total:,} faults of one kind: {shown}; and {total - 3:,} more; {remedy}"


def printable(text: str) -> str:
    """Text from a stranger's file, safe to show: control and look-alike characters escaped, shortened."""
    shown = "".join(c if c.isprintable() and not _is_deceptive(c) else f"<U+{ord(c):04X}>" for c in text)
    return shown if len(shown) <= _MAX_LENGTH else f"{shown[:_MAX_LENGTH]}..."


def listed(names: Iterable[str], limit: int = 5, total: int | None = None) -> str:
    """The first few names, printable, and how many more there are (of `total`, default those given)."""
    found = list(names)
    rest = (len(found) if total is None else total) - min(limit, len(found))
    return ", ".join(printable(name) for name in found[:limit]) + (f" and {rest:,} more" if rest else "")


def is_plain_letter(character: str) -> bool:
    """Whether a letter is Latin (basic or accented) or a Chinese glyph, and in its normal form."""
    code = ord(character)
    return code < 0x250 or 0x4E00 <= code <= 0x9FFF or 0x3400 <= code <= 0x4DBF


def _is_deceptive(character: str) -> bool:
    """Whether a printable character may pass for another: letters that are neither Latin nor Chinese."""
    return character.isalpha() and not is_plain_letter(character)
