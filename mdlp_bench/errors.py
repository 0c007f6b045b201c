"""The errors users see: one line that names what is at fault and what to do about it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from traceback import extract_tb
from typing import TYPE_CHECKING, Any, Final, TypeGuard, TypeVar

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

ModelT = TypeVar("ModelT", bound="BaseModel")
NameT = TypeVar("NameT", bound=str)
ErrorT = TypeVar("ErrorT", bound=Exception)

DEBUG_VARIABLE: Final = "MDLP_BENCH_DEBUG"

_INSTALLED: Final = re.compile(
    r"[/\\](site-packages|dist-packages|lib[/\\]python3[.\d]*)[/\\]|^<frozen", re.IGNORECASE
)


class MdlpBenchError(Exception):
    """Base of every error raised on purpose; the command line prints it as one line, exit code 2.

    Example:
        >>> import mdlp_bench as mb
        >>> try:
        ...     mb.load_method("bicubik")
        ... except mb.MdlpBenchError as error:
        ...     print("did you mean 'bicubic'?" in str(error))
        True
    """


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


def raised(error: BaseException) -> str:
    """What somebody's code raised and where, on one line: `ValueError: too small (my_method.py, line 8)`.

    The place is the innermost one that is neither an installed package's nor the standard library's. Errors
    of this project name the fault themselves and get no place.
    """
    wording = first_fault(error) if _is_validation_error(error) else error
    said = f"{type(error).__name__}: {wording}".splitlines()[0].removesuffix(": ")[:500]
    if isinstance(error, MdlpBenchError):
        return said
    calls = [call for call in extract_tb(error.__traceback__) if not _INSTALLED.search(call.filename)]
    return f"{said} ({Path(calls[-1].filename).name}, line {calls[-1].lineno})" if calls else said


def _is_validation_error(error: BaseException) -> TypeGuard[ValidationError]:
    # What raised it has imported pydantic.
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and isinstance(error, pydantic.ValidationError)


def debugging() -> bool:
    """Whether tracebacks are wanted: `--debug`, or `MDLP_BENCH_DEBUG` in the environment, workers' too."""
    return bool(os.environ.get(DEBUG_VARIABLE))


def debug_hint() -> str:
    """What to add to a message that a traceback would explain; nothing where tracebacks are shown."""
    return "" if debugging() else " (--debug shows the traceback)"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """What to add to "no such ...": ` (did you mean 'bicubic'?)` where a known name is close, else nothing.

    Example:
        >>> did_you_mean("bicubik", ["bicubic", "lanczos"])
        " (did you mean 'bicubic'?)"
    """
    by_lower = {one.lower(): one for one in known}
    # A name given from Python may be None or a number.
    close = get_close_matches(str(name).lower(), by_lower, n=1, cutoff=0.7)
    return f" (did you mean {by_lower[close[0]]!r}?)" if close else ""


def no_such(
    kind: str,
    name: str,
    known: Iterable[str],
    error: type[ErrorT],
    *,
    where: str = "",
    hint: str = "",
) -> ErrorT:
    """The error to raise for a name that is not known: it says which names there are and which one is close.

    Args:
        kind: What has the name, e.g. `method`.
        name: The name as given.
        known: The names there are.
        error: The type of the error.
        where: What lacks the name, e.g. a data set or a file.
        hint: What else can be given, appended to the known names.

    Example:
        >>> str(no_such("method", "bicubik", ["bicubic", "lanczos"], MethodError))
        "no method 'bicubik' (did you mean 'bicubic'?); there are: bicubic, lanczos"
    """
    names = list(dict.fromkeys(known))
    place = f"{where}: " if where else ""
    listed = ", ".join(names) or "none"
    return error(f"{place}no {kind} {name!r}{did_you_mean(name, names)}; there are: {listed}{hint}")


def one_of(kind: str, name: str, known: Iterable[NameT], error: type[Exception], *, hint: str = "") -> NameT:
    """The one of the known names that `name` is; arguments as for `no_such`.

    Raises:
        Exception: Of type `error`: it is none of them.
    """
    names = list(known)
    for one in names:
        if one == name:
            return one
    raise no_such(kind, name, names, error, hint=hint)


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


def checked(
    model: type[ModelT],
    values: Any,
    what: str,
    error: type[MdlpBenchError] = DataError,
    *,
    whole: str = "",
) -> ModelT:
    """The values as a model, e.g. thresholds that a user gave.

    Args:
        model: The model.
        values: Its fields, or JSON text.
        what: Where they come from, for the error.
        error: The type of the error.
        whole: As for `first_fault`.

    Raises:
        MdlpBenchError: Of type `error`: a value is not allowed; the message names it after `what`.
    """
    from pydantic import ValidationError

    try:
        return model.model_validate_json(values) if isinstance(values, str) else model.model_validate(values)
    except ValidationError as fault:
        raise error(f"{what}: {first_fault(fault, whole)}") from fault
