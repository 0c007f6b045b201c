"""Split a data set by plate, report the balance of the strata, write the result."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from mdlp_bench import images
from mdlp_bench.data.build import Progress, write_parquet
from mdlp_bench.data.samples import Problem, Samples
from mdlp_bench.data.split import DEFAULT_RATIOS, check_ratios, splits_of, unit_hash
from mdlp_bench.engine import SERIAL, Engine
from mdlp_bench.errors import DataError
from mdlp_bench.files import write_json
from mdlp_bench.schema import SAMPLE_SCHEMA

REPORT: Final = "split.json"
ERROR_RATE: Final = 0.01
"""Chance that a report of a sound split flags any stratum at all (shared out over its cells)."""

LEVELS: Final[tuple[tuple[str, float], ...]] = (
    ("below 9 px", 9.0),
    ("9-12 px", 12.0),
    ("12-16 px", 16.0),
    ("16-24 px", 24.0),
    ("24 px and more", float("inf")),
)
"""Degradation levels: mean height of a sample's frames below each bound."""

BY_COLUMNS: Final = tuple(f.name for f in SAMPLE_SCHEMA if pa.types.is_string(f.type))
"""Columns that `SplitRule.by` can name."""


class SplitRule(BaseModel):
    """How samples are shared out; written beside the data, so that the next version can use the same.

    Attributes:
        ratios: Share of each split, in order (not used with `keep`).
        seed: See `split_of`.
        by: Columns whose values must not be torn apart. With several, samples that share a value in any of
            them stay together; only new data that link two such groups can then move one of them.
        keep: Keep the splits that the samples have, and move only what leaks: a group that occurs in several
            splits goes whole into the largest of these (ties: the first by name). That is the training split
            as a rule, so the splits that results are reported on lose samples but never gain any, and models
            trained on the official training split stay comparable.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ratios: dict[str, float] = Field(default_factory=lambda: dict(DEFAULT_RATIOS))
    seed: int = 0
    by: tuple[str, ...] = ("plate_id",)
    keep: bool = False


class SplitShare(BaseModel):
    """One split: its share of the groups against the target; `None` without a target (kept splits)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    samples: int
    groups: int
    share: float
    target: float | None
    within_tolerance: bool | None


class StratumShare(BaseModel):
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

    model_config = ConfigDict(frozen=True, extra="forbid")

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


class Repair(BaseModel):
    """A group that was in several splits: its samples by split, and where it is whole now."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    group: str
    samples: dict[str, int]
    split: str


class SplitReport(BaseModel):
    """The result of `split_dataset`.

    Attributes:
        name: Name of the data set.
        rule: What was done.
        samples: Rows.
        groups: What is not torn apart: plates, or what `by` names.
        left_out: Samples that could not be read.
        splits: Shares.
        strata: Shares of each stratum in each split.
        repaired: Groups that leaked (with `keep`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    name: str
    rule: SplitRule
    samples: int
    groups: int
    left_out: int
    splits: dict[str, SplitShare]
    strata: tuple[StratumShare, ...]
    repaired: tuple[Repair, ...]


@dataclass(frozen=True, slots=True)
class SampleFacts:
    """What splitting needs to know of a sample; `keys` are the values of the rule's columns."""

    sample_id: str
    split: str
    keys: tuple[str, ...]
    layout: str
    province: str
    level: str


def split_dataset(
    samples: Samples,
    out: Path,
    rule: SplitRule | None = None,
    *,
    search: int = 0,
    name: str | None = None,
    version: str = "1.0.0",
    supersedes: str | None = None,
    engine: Engine = SERIAL,
    progress: Progress | None = None,
) -> SplitReport:
    """Write a data set with new splits, and `split.json` (the report) beside its manifest.

    Args:
        samples: Any samples.
        out: Folder to write (see `write_parquet`).
        rule: How.
        search: Try the seeds 0 to `search` - 1 and take the one with the best balanced strata, instead of the
            rule's seed.
        name: Name of the data set.
        version: Version of the data set.
        supersedes: The version it replaces.
        engine: Where shards are written; the bytes do not depend on it.
        progress: Called as rows are written.

    Raises:
        DataError: The ratios are no shares, a column cannot be split by, or as in `write_parquet`.
        MdlpBenchError: The folder cannot be written.
    """
    rule = rule or SplitRule()
    _check(rule)
    facts, left_out = gather_facts(samples, rule.by)
    if not facts:
        raise DataError(f"{samples.name}: there is no sound sample to split")
    groups = group_samples(facts)
    if search:
        rule = rule.model_copy(update={"seed": best_seed(facts, groups, rule.ratios, range(search))})
    assigned, repaired = assign(facts, groups, rule)
    resplit = ResplitSamples(samples, dict(zip((f.sample_id for f in facts), assigned, strict=True)), rule)
    manifest = write_parquet(
        resplit, out, name=name, version=version, supersedes=supersedes, engine=engine, progress=progress
    )
    report = describe(manifest.name, facts, groups, assigned, rule, repaired, left_out)
    write_json(out / REPORT, report.model_dump(mode="json"))
    return report


def gather_facts(samples: Samples, by: Sequence[str]) -> tuple[list[SampleFacts], int]:
    """What splitting needs to know of every sound sample, and the number of others; reads images once."""
    facts: list[SampleFacts] = []
    left_out = 0
    for ids in samples.candidates().values():
        for row in samples.load(ids):
            if isinstance(row, Problem):
                left_out += 1
                continue
            text = row.get("text")
            facts.append(
                SampleFacts(
                    row["sample_id"],
                    row["split"],
                    tuple(str(row.get(c) or row["sample_id"]) for c in by),
                    row.get("layout") or "unknown",
                    text[0] if text else "unknown",
                    degradation_level(row),
                )
            )
    return facts, left_out


def degradation_level(row: Mapping[str, Any]) -> str:
    """The level of `LEVELS` of a sample row, or `no frames`.

    Raises:
        DataError: A frame is broken.
    """
    heights = [images.decode(f["bytes"], f"sample {row['sample_id']}").shape[0] for f in row["frames"]]
    if not heights:
        return "no frames"
    return next(level for level, bound in LEVELS if np.mean(heights) < bound)


def group_samples(facts: Sequence[SampleFacts]) -> list[str]:
    """For each sample the name of its group: samples that share a value in any column are in one group.

    With one column that is the value. With several it is, of the values of the first column in the group, the
    one of the smallest hash.
    """
    if not facts or len(facts[0].keys) == 1:
        return [fact.keys[0] for fact in facts]
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    codes: dict[tuple[int, str], int] = {}
    links = [codes.setdefault(item, len(codes)) for fact in facts for item in enumerate(fact.keys)]
    columns = len(facts[0].keys)
    edges = np.asarray(links).reshape(-1, columns)
    left, right = np.repeat(edges[:, 0], columns), edges.ravel()
    graph = coo_array((np.ones(len(left), np.int8), (left, right)), shape=(len(codes), len(codes)))
    component = connected_components(graph, directed=False)[1]
    names: dict[int, str] = {}
    of_sample = [int(component[link]) for link in edges[:, 0]]
    for fact, number in zip(facts, of_sample, strict=True):
        best = names.setdefault(number, fact.keys[0])
        names[number] = min(best, fact.keys[0], key=lambda value: (unit_hash(value, 0), value))
    return [names[number] for number in of_sample]


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


class ResplitSamples(Samples):
    """Samples whose `split` column is another; ids and images stay as they are.

    Args:
        base: The samples.
        places: New split by sample id; samples without one are left out.
        rule: Gives the order of the splits.
    """

    def __init__(self, base: Samples, places: Mapping[str, str], rule: SplitRule) -> None:
        self.name = base.name
        self._base, self._places, self._rule = base, places, rule

    @property
    def fingerprint(self) -> str:
        """See `Samples`; the split is no part of it."""
        return self._base.select(sample_ids=set(self._places)).fingerprint

    @property
    def sample_ids(self) -> Sequence[str]:
        """See `Samples`."""
        return [i for ids in self.candidates().values() for i in ids]

    def candidates(self) -> Mapping[str, Sequence[str]]:
        """See `Samples`; the splits in the order of the rule, the samples in that of the base."""
        order = sorted(set(self._places.values())) if self._rule.keep else list(self._rule.ratios)
        found: dict[str, list[str]] = {name: [] for name in order}
        for sample_id, split in self._places.items():
            found[split].append(sample_id)
        return {split: ids for split, ids in found.items() if ids}

    def load(self, sample_ids: Collection[str]) -> Iterator[dict[str, Any] | Problem]:
        """See `Samples`."""
        for row in self._base.load(sample_ids):
            yield row if isinstance(row, Problem) else row | {"split": self._places[row["sample_id"]]}

    def listing_problems(self) -> Sequence[Problem]:
        """See `Samples`."""
        return self._base.listing_problems()

    def batches(self, size: int = 128, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """See `Samples`; in the order of the base."""
        names = SAMPLE_SCHEMA.names if columns is None else list(columns)
        needed = list(dict.fromkeys([*names, "sample_id"]))
        base = self._base.select(sample_ids=set(self._places))
        for batch in base.batches(size, needed):
            ids = batch.column("sample_id").to_pylist()
            splits = pa.array([self._places[sample_id] for sample_id in ids], pa.string())
            arrays = [splits if name == "split" else batch.column(name) for name in names]
            yield pa.RecordBatch.from_arrays(
                arrays, schema=pa.schema([SAMPLE_SCHEMA.field(n) for n in names])
            )

    def select(self, *, split: str | None = None, sample_ids: Collection[str] | None = None) -> Samples:
        """See `Samples`."""
        if split is not None and split not in self._places.values():
            known = ", ".join(self.candidates())
            raise DataError(f"{self.name}: no split {split!r}; there are: {known}")
        if sample_ids is not None and (missing := sorted(set(sample_ids) - self._places.keys())):
            raise DataError(f"{self.name}: no sample {missing[0]!r}")
        wanted = None if sample_ids is None else set(sample_ids)
        places = {
            sample_id: place
            for sample_id, place in self._places.items()
            if split in (None, place) and (wanted is None or sample_id in wanted)
        }
        return ResplitSamples(self._base, places, self._rule)


def _check(rule: SplitRule) -> None:
    check_ratios(rule.ratios)
    if not rule.by:
        raise DataError("name at least one column to split by")
    if unknown := [column for column in rule.by if column not in BY_COLUMNS]:
        raise DataError(f"cannot split by {unknown[0]!r}; there are: {', '.join(BY_COLUMNS)}")


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
