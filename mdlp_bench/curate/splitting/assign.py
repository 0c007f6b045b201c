"""Which split each group goes to."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from mdlp_bench.curate.splitting.config import Repair, SplitRule
from mdlp_bench.curate.splitting.strata import SampleFacts
from mdlp_bench.data.plate_split import splits_of


def assign(
    facts: Sequence[SampleFacts], groups: Sequence[str], rule: SplitRule
) -> tuple[list[str], tuple[Repair, ...]]:
    """The split of each sample, and which groups had to be repaired (see `SplitRule.keep`)."""
    distinct = sorted(set(groups))
    if not rule.keep:
        places = dict(zip(distinct, splits_of(distinct, rule.ratios, rule.seed), strict=True))
        return [places[group] for group in groups], ()
    sizes = Counter(fact.split for fact in facts)
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for fact, group in zip(facts, groups, strict=True):
        found[group][fact.split] += 1
    target = {group: min(found[group], key=lambda split: (-sizes[split], split)) for group in distinct}
    repaired = tuple(
        Repair(group=group, samples=dict(sorted(found[group].items())), split=target[group])
        for group in distinct
        if len(found[group]) > 1
    )
    return [target[group] for group in groups], repaired
