"""The search: CMA-ES, a generation at a time, logged so that a stopped search goes on as if it had not."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mdlp_bench.errors import DataError
from mdlp_bench.files import write_text

Numbers = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Trial:
    """A candidate and its distance."""

    numbers: dict[str, float]
    distance: float


def search(
    ranges: Mapping[str, tuple[float, float]],
    distances: Callable[[Sequence[Numbers]], Sequence[float]],
    log: Path,
    identity: Mapping[str, Any],
    *,
    trials: int,
    seed: int,
    say: Callable[[str], None] = lambda _: None,
) -> list[Trial]:
    """Minimise a distance over positive numbers, in their logarithms, from the middle of their ranges.

    Args:
        ranges: Lower and upper limit of each number.
        distances: Of several candidates at once.
        log: JSON lines, one a trial after a first one with `identity`; trials in it are not made again.
        identity: What the distance depends on.
        trials: How many; the first is 1 in each number, then come whole generations, so up to one
            generation more.
        seed: Of the search.
        say: Told after every generation.

    Returns:
        All trials in order.

    Raises:
        DataError: The log is of another search.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    population = 4 + int(3 * math.log(len(ranges)))
    start = {name: min(max(1.0, low), high) for name, (low, high) in ranges.items()}
    sampler = optuna.samplers.CmaEsSampler(seed=seed, popsize=population)
    study = optuna.create_study(sampler=sampler)
    study.enqueue_trial(start)
    space: dict[str, optuna.distributions.BaseDistribution] = {
        name: optuna.distributions.FloatDistribution(low, high, log=True)
        for name, (low, high) in ranges.items()
    }
    known = _read(log, identity)
    found: list[Trial] = []
    while len(found) < trials:
        # The first trial alone: the sampler starts from it.
        asked = [study.ask(space) for _ in range(population if found else 1)]
        numbers = [{name: float(one.params[name]) for name in ranges} for one in asked]
        logged = known[len(found) : len(found) + len(asked)]
        if [one.numbers for one in logged] != numbers[: len(logged)]:
            raise DataError(f"{log}: of another version of the search; delete it")
        missing = numbers[len(logged) :]
        values = [one.distance for one in logged] + (list(distances(missing)) if missing else [])
        for one, given, value in zip(asked, numbers, values, strict=True):
            study.tell(one, value)
            found.append(Trial(given, value))
        if missing:
            _write(log, identity, found)
        say(f"{len(found)} of {trials}: distance {min(one.distance for one in found):.4f}")
    return found


def _read(log: Path, identity: Mapping[str, Any]) -> list[Trial]:
    if not log.is_file():
        return []
    try:
        first, *lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        trials = [Trial(dict(line["numbers"]), float(line["distance"])) for line in lines]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{log}: not the log of a search ({error}); delete it") from error
    if first != identity:
        raise DataError(f"{log}: the log of another search; choose another --out or delete it")
    return trials


def _write(log: Path, identity: Mapping[str, Any], trials: Sequence[Trial]) -> None:
    lines = [identity, *({"numbers": one.numbers, "distance": one.distance} for one in trials)]
    write_text(log, "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines))
