"""Progress of long work on standard error: a bar on a terminal, elsewhere a line now and then.

Work that takes long opens a `progress_bar`; a study with several steps also calls `say` before each. Both are
silent unless the caller wants to see them, as the commands do:

    with progress.shown():
        bench(methods, samples, out, plan)
"""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, TypeVar

from tqdm import tqdm

T = TypeVar("T")

_SECONDS: Final = 10.0
"""Between two lines, whatever they are about."""
_EARLY: Final = 2.0
_FEWEST: Final = 5
"""Items from which the pace is known; the first ones come late, when workers have started."""

_is_shown: ContextVar[bool] = ContextVar("progress is shown", default=False)


@contextmanager
def shown(wanted: bool = True) -> Iterator[None]:
    """Show the progress of everything that runs inside, or hide it."""
    token = _is_shown.set(wanted)
    try:
        yield
    finally:
        _is_shown.reset(token)


def say(message: str) -> None:
    """Show one line about what is being done."""
    if _is_shown.get():
        tqdm.write(message, file=sys.stderr)


class Progress(ABC):
    """What moves on with the work."""

    @abstractmethod
    def update(self, n: int = 1) -> None:
        """Count `n` more items as done."""

    def over(self, items: Iterable[T]) -> Iterator[T]:
        """The items; each counts as done when the next one is asked for."""
        for item in items:
            yield item
            self.update()


@contextmanager
def progress_bar(total: int | None, title: str, unit: str = "sample", *, done: int = 0) -> Iterator[Progress]:
    """Show how far work has come. Bars that parts of this work open stay hidden.

    Args:
        total: Items in all; None when that is not known.
        title: What is going on.
        unit: What an item is, singular.
        done: Items that an earlier call has done.
    """
    is_shown = _is_shown.get()
    bar = (
        _Lines(total, title, unit, done)
        if is_shown and not sys.stderr.isatty()
        else _Bar(total, title, unit, is_shown, done)
    )
    is_finished = False
    try:
        with shown(False):
            yield bar
        is_finished = True
    finally:
        bar.close(is_finished)


class _Bar(Progress):
    """A bar of tqdm, or nothing."""

    def __init__(self, total: int | None, title: str, unit: str, is_shown: bool, done: int) -> None:
        self._bar = tqdm(total=total, initial=done, desc=title, unit=unit, disable=not is_shown, leave=False)

    def update(self, n: int = 1) -> None:
        self._bar.update(n)

    def close(self, is_finished: bool) -> None:
        self._bar.close()


class _Lines(Progress):
    """A line when ten seconds have passed since the last one of any work."""

    _last = time.monotonic()

    def __init__(self, total: int | None, title: str, unit: str, done: int) -> None:
        self.total, self.title, self.unit = total, title, unit
        self.before = self.done = done
        self.begun = time.monotonic()

    def update(self, n: int = 1) -> None:
        self.done += n
        now = time.monotonic()
        # Too early to say how long this work takes.
        if now - _Lines._last >= _SECONDS and now - self.begun >= _EARLY:
            self._write()

    def close(self, is_finished: bool) -> None:
        if is_finished and time.monotonic() - _Lines._last >= _SECONDS:
            self._write()

    def _write(self) -> None:
        _Lines._last = time.monotonic()
        passed = _Lines._last - self.begun
        of = "" if self.total is None else f" of {self.total:,}"
        line = f"{self.title}: {self.done:,}{of} {self.unit}s after {_duration(passed)}"
        new = self.done - self.before
        if self.total is not None and new >= _FEWEST and self.done < self.total:
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
