"""How a data set is split, and the report of the result."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mdlp_bench.data.plate_split import DEFAULT_RATIOS
from mdlp_bench.frozen import Frozen


class SplitRule(Frozen):
    """How samples are divided; written beside the data, so that the next version can use the same rule.

    Attributes:
        ratios: Share of each split, in order (not used with `keep`).
        seed: See `split_of`.
        by: Columns whose values must stay in one split. With several, samples that share a value in any of
            them stay together; only new data that link two such groups can then move one of them.
        keep: Keep the splits that the samples have, and move only what leaks: a group that occurs in several
            splits goes whole into the largest of these (ties: the first by name). That is usually the
            training split, so the splits that results are reported on lose samples but never gain any, and
            models trained on the official training split stay comparable.
    """

    ratios: dict[str, float] = Field(default_factory=lambda: dict(DEFAULT_RATIOS))
    seed: int = 0
    by: tuple[str, ...] = ("plate_id",)
    keep: bool = False


class SplitShare(Frozen):
    """One split: its share of the groups against the target; `None` without a target (kept splits)."""

    samples: int
    groups: int
    share: float
    target: float | None
    within_tolerance: bool | None


class StratumShare(Frozen):
    """One stratum's share in one split, counted in groups.

    Attributes:
        variable: layout, province or degradation.
        value: The stratum.
        split: The split.
        groups: Groups of the stratum in the split.
        share: Of the stratum's groups.
        target: The split's ratio (with kept splits: its share of all groups).
        deviation: share - target.
        low: Fewest groups within the binomial tolerance.
        high: Most groups within it.
        within_tolerance: low <= groups <= high.
    """

    variable: str
    value: str
    split: str
    groups: int
    share: float
    target: float
    deviation: float
    low: int
    high: int
    within_tolerance: bool


class Repair(Frozen):
    """A group that was in several splits: its samples by split, and the split that has all of it now."""

    group: str
    samples: dict[str, int]
    split: str


class SplitReport(Frozen):
    """The result of `split_dataset`.

    Attributes:
        name: Name of the data set.
        rule: What was done.
        samples: Rows.
        groups: Number of groups that stay whole: plates, or the values of `by`.
        left_out: Samples that could not be read.
        splits: Shares.
        strata: Shares of each stratum in each split.
        repaired: Groups that leaked (with `keep`).
    """

    schema_version: Literal[1] = 1
    name: str
    rule: SplitRule
    samples: int
    groups: int
    left_out: int
    splits: dict[str, SplitShare]
    strata: tuple[StratumShare, ...]
    repaired: tuple[Repair, ...]
