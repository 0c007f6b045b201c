"""Progress of long work on standard error: a bar on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Final, Protocol, Self

from tqdm import tqdm

_SECONDS: Final = 10.0
"""Between two lines, whatever they are about."""
_EARLY: Final = 2.0


class Progress(Protocol):
    """What moves on with the work; a context manager."""

    def update(self, n: int) -> None:
        """Count `n` more items as done."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def progress_bar(
    total: int | None, title: str, unit: str = "sample", *, shown: bool, done: int = 0
) -> Progress:
    """Show how far work has come.

    Args:
        total: Items in all; None when that is not known.
        title: What is going on.
        unit: What an item is, singular.
        shown: Show anything.
        done: Items that an earlier call has done.
    """
    if shown and not sys.stderr.isatty():
        return _Lines(total, title, unit, done)
    return _Bar(total, title, unit, shown, done)


class _Bar:
    """A bar of tqdm, or nothing."""

    def __init__(self, total: int | None, title: str, unit: str, shown: bool, done: int) -> None:
        self._bar = tqdm(total=total, initial=done, desc=title, unit=unit, disable=not shown, leave=False)

    def update(self, n: int) -> None:
        """See `Progress`."""
        self._bar.update(n)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()


class _Lines:
    """A line when ten seconds have passed since the last one of any work."""

    _last = time.monotonic()

    def __init__(self, total: int | None, title: str, unit: str, done: int) -> None:
        self.total, self.title, self.unit = total, title, unit
        self.before = self.done = done
        self.begun = time.monotonic()

    def update(self, n: int) -> None:
        """See `Progress`."""
        self.done += n
        now = time.monotonic()
        # Too early to say how long this work takes.
        if now - _Lines._last >= _SECONDS and now - self.begun >= _EARLY:
            self._tell()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None and time.monotonic() - _Lines._last >= _SECONDS:
            self._tell()

    def _tell(self) -> None:
        _Lines._last = time.monotonic()
        passed = _Lines._last - self.begun
        of = "" if self.total is None else f" of {self.total:,}"
        line = f"{self.title}: {self.done:,}{of} {self.unit}s after {_duration(passed)}"
        new = self.done - self.before
        if self.total is not None and new > 0 and self.done < self.total:
            line += f", about {_duration(passed / new * (self.total - self.done))} left"
        sys.stderr.write(line + "\n")
        sys.stderr.flush()


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return (
        f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"
    )
