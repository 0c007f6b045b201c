"""How far every stratum of a split is from its target, and the seed with the smallest distance."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from mdlp_bench.curate.splitting.config import Repair, SplitReport, SplitRule, SplitShare, StratumShare
from mdlp_bench.curate.splitting.strata import SampleFacts
from mdlp_bench.data.plate_split import splits_of

ERROR_RATE: Final = 0.01
"""Chance that a report of a sound split flags any stratum at all (shared out over its cells)."""


def best_seed(
    facts: Sequence[SampleFacts], groups: Sequence[str], ratios: Mapping[str, float], seeds: Iterable[int]
) -> int:
    """The seed whose split is nearest to its ratios, in all and in each stratum.

    The distance is the mean over strata and splits of (groups - n p)^2 / (n p), n: groups of the stratum,
    p: ratio; taken for each variable and for the whole, and summed, so that a variable of many strata does
    not outvote the others. The lower seed wins among equals.
    """
    strata = _strata(facts, groups) | {"all": dict.fromkeys(groups, "all")}
    distinct = sorted(set(groups))
    shares = {name: share for name, share in ratios.items() if share > 0}
    p = np.array(list(shares.values()))
    index = {name: number for number, name in enumerate(shares)}
    coded = []
    for values in strata.values():
        codes, sizes = np.unique([values[g] for g in distinct], return_inverse=True, return_counts=True)[1:]
        coded.append((codes, sizes[:, None] * p))

    def distance(seed: int) -> float:
        places = np.array([index[split] for split in splits_of(distinct, ratios, seed)])
        return sum(
            float(((_crosstab(codes, places, expected.shape) - expected) ** 2 / expected).mean())
            for codes, expected in coded
        )

    return min(seeds, key=lambda seed: (distance(seed), seed))


def describe(
    name: str,
    facts: Sequence[SampleFacts],
    groups: Sequence[str],
    assigned: Sequence[str],
    rule: SplitRule,
    repaired: tuple[Repair, ...] = (),
    left_out: int = 0,
) -> SplitReport:
    """Count, and compare every share with its target and the binomial tolerance.

    The tolerance of a count out of n with probability p is the central binomial interval that holds
    1 - `ERROR_RATE` / (number of cells); exact, not the normal approximation.
    """
    place = dict(zip(groups, assigned, strict=True))
    sample_counts, group_counts = Counter(assigned), Counter(place.values())
    names = sorted(group_counts) if rule.keep else list(rule.ratios)
    total = len(place)
    target = {n: group_counts[n] / total if rule.keep else rule.ratios[n] for n in names}
    strata = _strata(facts, groups)
    counts = {
        variable: Counter((value, place[group]) for group, value in values.items())
        for variable, values in strata.items()
    }
    sizes = {variable: Counter(values.values()) for variable, values in strata.items()}
    cells = len(names) * (1 + sum(map(len, sizes.values())))
    splits = {}
    for split in names:
        low, high = _tolerance(total, target[split], cells)
        splits[split] = SplitShare(
            samples=sample_counts[split],
            groups=group_counts[split],
            share=group_counts[split] / total,
            target=None if rule.keep else target[split],
            within_tolerance=None if rule.keep else low <= group_counts[split] <= high,
        )
    shares = []
    for variable, by_value in sizes.items():
        for value, n in sorted(by_value.items(), key=lambda item: (-item[1], item[0])):
            for split in names:
                low, high = _tolerance(n, target[split], cells)
                k = counts[variable][value, split]
                shares.append(
                    StratumShare(
                        variable=variable,
                        value=value,
                        split=split,
                        groups=k,
                        share=k / n,
                        target=target[split],
                        deviation=k / n - target[split],
                        low=low,
                        high=high,
                        within_tolerance=low <= k <= high,
                    )
                )
    return SplitReport(
        name=name,
        rule=rule,
        samples=len(facts),
        groups=total,
        left_out=left_out,
        splits=splits,
        strata=tuple(shares),
        repaired=repaired,
    )


def _strata(facts: Sequence[SampleFacts], groups: Sequence[str]) -> dict[str, dict[str, str]]:
    """For each variable the stratum of each group: the most frequent among its samples (ties: by name)."""
    strata: dict[str, dict[str, str]] = {}
    for variable, attribute in (("layout", "layout"), ("province", "province"), ("degradation", "level")):
        found: dict[str, Counter[str]] = defaultdict(Counter)
        for fact, group in zip(facts, groups, strict=True):
            found[group][getattr(fact, attribute)] += 1
        strata[variable] = {
            group: min(counts, key=lambda value, counts=counts: (-counts[value], value))  # type: ignore[misc]
            for group, counts in found.items()
        }
    return strata


def _crosstab(
    rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64], shape: tuple[int, ...]
) -> npt.NDArray[np.int64]:
    flat = np.bincount(rows * shape[1] + columns, minlength=shape[0] * shape[1])
    return flat.reshape(shape)


def _tolerance(n: int, p: float, cells: int) -> tuple[int, int]:
    from scipy.stats import binom

    tail = ERROR_RATE / cells / 2
    return int(binom.ppf(tail, n, p)), int(binom.ppf(1 - tail, n, p))
