"""What is wrong with a submission: collected, not raised one by one, each with its remedy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from mdlp_bench.errors import SubmissionError

_SHOWN: Final = 40
_MAX_LENGTH: Final = 120


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        code: Kind of fault, e.g. `png-size`; equal kinds are summed up when there are many.
        where: File or field at fault.
        problem: What is wrong.
        remedy: What to do about it.
    """

    code: str
    where: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{printable(self.where)}: {self.problem}; {self.remedy}"


@dataclass
class Faults:
    """A collector of faults; keeps the first of each kind and counts the rest, so memory stays bounded."""

    kept: dict[str, list[Fault]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, code: str, where: str, problem: str, remedy: str) -> None:
        """Note a fault."""
        self.counts[code] = self.counts.get(code, 0) + 1
        of_kind = self.kept.setdefault(code, [])
        if len(of_kind) < _SHOWN:
            of_kind.append(Fault(code, where, problem, remedy))

    def __len__(self) -> int:
        return sum(self.counts.values())

    def __iter__(self) -> Iterator[Fault]:
        for of_kind in self.kept.values():
            yield from of_kind

    def lines(self) -> Iterator[str]:
        """One line a fault; what goes beyond forty of a kind is summed up."""
        for code, of_kind in self.kept.items():
            yield from map(str, of_kind)
            more = self.counts[code] - len(of_kind)
            if more:
                yield f"... and {more:,} more of this kind ({code})"

    def error(self, name: str) -> SubmissionError:
        """The faults as one error of one line."""
        first = next(iter(self))
        rest = len(self) - 1
        more = f" (and {rest:,} more; `mdlp-bench leaderboard validate` lists all)" if rest else ""
        return SubmissionError(f"{name}: {first}{more}")


def printable(text: str) -> str:
    """Text from a stranger's file, safe to show: control and look-alike characters escaped, shortened."""
    shown = "".join(c if c.isprintable() and not _is_deceptive(c) else f"<U+{ord(c):04X}>" for c in text)
    return shown if len(shown) <= _MAX_LENGTH else f"{shown[:_MAX_LENGTH]}..."


def listed(names: Iterable[str], limit: int = 5) -> str:
    """The first few names, printable."""
    found = list(names)
    more = f" and {len(found) - limit:,} more" if len(found) > limit else ""
    return ", ".join(printable(name) for name in found[:limit]) + more


def _is_deceptive(character: str) -> bool:
    """Whether a printable character may pass for another: letters that are neither Latin nor Chinese."""
    return character.isalpha() and not is_plain_letter(character)


def is_plain_letter(character: str) -> bool:
    """Whether a letter is Latin (basic or accented) or a Chinese glyph, and in its normal form."""
    code = ord(character)
    return code < 0x250 or 0x4E00 <= code <= 0x9FFF or 0x3400 <= code <= 0x4DBF
