"""The search by least squares; every candidate is logged, so that a stopped search continues."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from scipy.optimize import least_squares

from mdlp_bench.errors import DataError
from mdlp_bench.files import write_text
from mdlp_bench.harness.statistics.clusters import FloatArray
from mdlp_bench.progress import say

PRIOR: Final = 0.05
"""The price of moving one number by a factor of e, in root mean squares, added to the distance."""

_PROBE: Final = 0.15
"""The step, in logarithms, for finite differences; larger than the steps of whole numbers."""

_FINISHED: Final = 0.01
_DECIMALS: Final = 6

Numbers = Mapping[str, float]
Residuals = Callable[[Sequence[Numbers]], Sequence[FloatArray]]


@dataclass(frozen=True, slots=True)
class Trial:
    """A candidate and its residuals.

    Attributes:
        numbers: The candidate's.
        residuals: What is to become 0.
    """

    numbers: dict[str, float]
    residuals: tuple[float, ...]

    @property
    def distance(self) -> float:
        """Root of the sum of the squared residuals."""
        return math.sqrt(sum(value * value for value in self.residuals))

    @property
    def cost(self) -> float:
        """The minimised value: the squared distance plus the price of the moved numbers."""
        return self.distance**2 + PRIOR**2 * sum(math.log(value) ** 2 for value in self.numbers.values())


def search(
    ranges: Mapping[str, tuple[float, float]],
    residuals: Residuals,
    log: Path,
    identity: Mapping[str, Any],
    *,
    trials: int,
) -> list[Trial]:
    """Minimise a sum of squares over positive numbers, in their logarithms, from 1 in each.

    Trust-region steps on slopes by finite differences (scipy's `least_squares`): residuals with size and sign
    need fewer candidates than a single number per candidate would. A weak price on every moved number
    (`PRIOR`) keeps numbers that the residuals do not determine.

    Args:
        ranges: Lower and upper limit of each number.
        residuals: Residuals of several candidates at once.
        log: JSON lines, one per trial after a first one with `identity`; trials in it are not made again.
        identity: What the residuals depend on.
        trials: How many at most; fewer if nothing is left to gain.

    Returns:
        All trials in order; the first is 1 in each number.

    Raises:
        DataError: The log is of another search.
    """
    names = tuple(ranges)
    low, high = (np.log([ranges[name][side] for name in names]) for side in (0, 1))
    made = _Trials(names, residuals, log, identity, trials)

    def with_price(point: FloatArray, found: FloatArray) -> FloatArray:
        return np.concatenate([found, PRIOR * point])

    def at(point: FloatArray) -> FloatArray:
        return with_price(point, made.of([point])[0])

    def slopes(point: FloatArray) -> FloatArray:
        steps = np.where(point + _PROBE <= high, _PROBE, -_PROBE)
        probes = [point + step * axis for step, axis in zip(steps, np.eye(len(names)), strict=True)]
        here, *there = made.of([point, *probes])
        columns = [(one - here) / step for one, step in zip(there, steps, strict=True)]
        return np.concatenate([np.stack(columns, axis=1), PRIOR * np.eye(len(names))])

    start = np.clip(np.zeros(len(names)), low, high)
    try:
        made.of([start])
        # The form of trust region that walks along the limits, where the start may be.
        least_squares(at, start, slopes, (low, high), "dogbox", xtol=_FINISHED, ftol=_FINISHED, gtol=None)
    except _SpentError:
        pass
    return made.found


class _SpentError(Exception):
    """All trials are made."""


class _Trials:
    """Candidates in the order in which they were asked for, each made once."""

    def __init__(
        self,
        names: Sequence[str],
        residuals: Residuals,
        log: Path,
        identity: Mapping[str, Any],
        most: int,
    ) -> None:
        self._names, self._residuals, self._log, self._identity = names, residuals, log, identity
        self._most = most
        self._known = _read(log, identity)
        self._places: dict[tuple[float, ...], int] = {}
        self.found: list[Trial] = []

    def of(self, points: Sequence[FloatArray]) -> list[FloatArray]:
        """The residuals at points (logarithms); raises `_SpentError` where not all can be had."""
        # Rounded before use, so that a resumed search sees the same values.
        keys = [tuple(float(f"{value:.6g}") for value in np.exp(point)) for point in points]
        missing = [key for key in dict.fromkeys(keys) if key not in self._places]
        allowed = missing[: self._most - len(self.found)]
        if allowed:
            self._make([dict(zip(self._names, key, strict=True)) for key in allowed])
            self._places |= {key: len(self._places) + k for k, key in enumerate(allowed)}
        if len(allowed) < len(missing):
            raise _SpentError
        return [np.array(self.found[self._places[key]].residuals) for key in keys]

    def _make(self, numbers: Sequence[dict[str, float]]) -> None:
        logged = self._known[len(self.found) : len(self.found) + len(numbers)]
        if [one.numbers for one in logged] != list(numbers[: len(logged)]):
            raise DataError(f"{self._log}: of another version of the search; delete it")
        missing = numbers[len(logged) :]
        made = self._residuals(missing) if missing else []
        self.found += logged
        self.found += [
            Trial(one, tuple(np.round(values, _DECIMALS).tolist()))
            for one, values in zip(missing, made, strict=True)
        ]
        if missing:
            _write(self._log, self._identity, self.found)
        best = min(self.found, key=lambda one: one.cost)
        say(f"{len(self.found)} of {self._most}: distance {best.distance:.4f}")


def _read(log: Path, identity: Mapping[str, Any]) -> list[Trial]:
    if not log.is_file():
        return []
    try:
        first, *lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        trials = [Trial(dict(one["numbers"]), tuple(map(float, one["residuals"]))) for one in lines]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{log}: not the log of a search ({error}); delete it") from error
    if first != identity:
        raise DataError(f"{log}: the log of another search; choose another --out or delete it")
    return trials


def _write(log: Path, identity: Mapping[str, Any], trials: Sequence[Trial]) -> None:
    lines = [identity, *({"numbers": one.numbers, "residuals": one.residuals} for one in trials)]
    write_text(log, "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines))
