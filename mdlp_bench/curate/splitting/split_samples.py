"""Split a data set by plate, report the balance of the strata, write the result."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pyarrow as pa

from mdlp_bench.curate.splitting.assign import assign
from mdlp_bench.curate.splitting.balance import best_seed, describe
from mdlp_bench.curate.splitting.config import SplitReport, SplitRule
from mdlp_bench.curate.splitting.resplit import ResplitSamples
from mdlp_bench.curate.splitting.strata import gather_facts, group_samples
from mdlp_bench.data.build import write_parquet
from mdlp_bench.data.plate_split import check_ratios
from mdlp_bench.data.samples import Samples
from mdlp_bench.engine import SERIAL, Engine
from mdlp_bench.errors import DataError, one_of
from mdlp_bench.files import write_json
from mdlp_bench.schema import SAMPLE_SCHEMA

REPORT: Final = "split.json"

BY_COLUMNS: Final = tuple(f.name for f in SAMPLE_SCHEMA if pa.types.is_string(f.type))
"""Columns that `SplitRule.by` can name."""


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

    Raises:
        DataError: The ratios are not shares of a whole, a column cannot be split by, or as in
            `write_parquet`.
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
    report = describe(name or samples.name, facts, groups, assigned, rule, repaired, left_out)
    write_parquet(
        resplit,
        out,
        name=name,
        version=version,
        supersedes=supersedes,
        made_by={"split": rule.model_dump(mode="json"), "search": search},
        engine=engine,
        beside=lambda _: write_json(out / REPORT, report.model_dump(mode="json")),
    )
    return report


def _check(rule: SplitRule) -> None:
    check_ratios(rule.ratios)
    if not rule.by:
        raise DataError("name at least one column to split by")
    for column in rule.by:
        one_of("column to split by", column, BY_COLUMNS, DataError)
