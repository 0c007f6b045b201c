"""The errors users see: one line that names what is at fault and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class MdlpBenchError(Exception):
    """Base of every error raised on purpose; the command line prints it as one line, exit code 2."""


class DataError(MdlpBenchError):
    """A file, folder or table is not what the data format asks for."""


class PlateError(DataError):
    """A text is not a plate of the grammar."""


class MethodError(MdlpBenchError):
    """A restoration method cannot be found or loaded, or returned something that is not its contract."""


class ReaderError(MdlpBenchError):
    """A text reader cannot be found, loaded or run."""


class MissingDependencyError(MdlpBenchError):
    """An optional package is not installed; the message says how to install it."""


class MissingWeightsError(MdlpBenchError):
    """A weight file is not at hand; the message says which file goes where."""


class ProtocolError(MdlpBenchError):
    """Scores of different protocols, readers or data sets were about to be mixed."""


class RunError(MdlpBenchError):
    """A run or prediction folder is incomplete, damaged or of another schema version."""


class SubmissionError(MdlpBenchError):
    """A leaderboard submission breaks the rules of its format."""


def reason(error: BaseException) -> str:
    """The first line of what another library's error says, or its kind when it says nothing."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """What to add to "no such ...": ` (did you mean 'bicubic'?)` where a known name is close, else nothing.

    Example:
        >>> did_you_mean("bicubik", ["bicubic", "lanczos"])
        " (did you mean 'bicubic'?)"
    """
    by_lower = {one.lower(): one for one in known}
    close = get_close_matches(name.lower(), by_lower, n=1, cutoff=0.7)
    return f" (did you mean {by_lower[close[0]]!r}?)" if close else ""


def first_fault(error: ValidationError, whole: str = "") -> str:
    """What is wrong with checked fields, as `field.part: message`: the first of all faults.

    Args:
        error: What pydantic raised.
        whole: The name of what was checked, for a fault of no single field; left out when empty.
    """
    first = error.errors(include_url=False)[0]
    where = ".".join(map(str, first["loc"])) or whole
    message = first["msg"].removeprefix("Value error, ")
    return f"{where}: {message}" if where else message
