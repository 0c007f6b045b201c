"""Samples in other splits."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from hashlib import sha256

import pyarrow as pa

from mdlp_bench.curate.splitting.config import SplitRule
from mdlp_bench.data.problem import Problem
from mdlp_bench.data.samples import Samples, check_known
from mdlp_bench.errors import DataError, no_such
from mdlp_bench.schema import SAMPLE_SCHEMA, Sample


class ResplitSamples(Samples):
    """Samples with other values in the `split` column; ids and images stay as they are.

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
        """See `Samples`; the split is not part of it."""
        return self._chosen.fingerprint

    @property
    def sample_ids(self) -> Sequence[str]:
        """See `Samples`; in the order of the base."""
        return self._chosen.sample_ids

    def candidates(self) -> Mapping[str, Sequence[str]]:
        """See `Samples`; the splits in the order of the rule, the samples in that of the base."""
        order = sorted(set(self._places.values())) if self._rule.keep else list(self._rule.ratios)
        found: dict[str, list[str]] = {name: [] for name in order}
        for sample_id, split in self._places.items():
            found[split].append(sample_id)
        return {split: ids for split, ids in found.items() if ids}

    def load(self, sample_ids: Collection[str]) -> Iterator[Sample | Problem]:
        """See `Samples`."""
        for item in self._base.load(sample_ids):
            yield item if isinstance(item, Problem) else self._moved(item)

    def __iter__(self) -> Iterator[Sample]:
        yield from map(self._moved, self._chosen)

    def sample_at(self, position: int) -> Sample:
        """See `Samples`."""
        return self._moved(self._chosen[position])

    def _moved(self, sample: Sample) -> Sample:
        return replace(sample, split=self._places[sample.sample_id])

    @cached_property
    def _chosen(self) -> Samples:
        return self._base.select(sample_ids=self._places.keys())

    def listing_problems(self) -> Sequence[Problem]:
        """See `Samples`."""
        return self._base.listing_problems()

    def origin(self, sample_ids: Collection[str]) -> str | None:
        """See `Samples`."""
        base = self._base.origin(sample_ids)
        places = [self._places[sample_id] for sample_id in sample_ids]
        return None if base is None else sha256(repr((base, places)).encode()).hexdigest()

    def batches(self, size: int = 128, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """See `Samples`; in the order of the base."""
        names = SAMPLE_SCHEMA.names if columns is None else list(columns)
        needed = list(dict.fromkeys([*names, "sample_id"]))
        for batch in self._chosen.batches(size, needed):
            ids = batch.column("sample_id").to_pylist()
            splits = pa.array([self._places[sample_id] for sample_id in ids], pa.string())
            arrays = [splits if name == "split" else batch.column(name) for name in names]
            yield pa.RecordBatch.from_arrays(
                arrays, schema=pa.schema([SAMPLE_SCHEMA.field(n) for n in names])
            )

    def select(self, *, split: str | None = None, sample_ids: Collection[str] | None = None) -> Samples:
        """See `Samples`."""
        if split is not None and split not in self._places.values():
            raise no_such("split", split, self.candidates(), DataError, where=self.name)
        wanted = self._places.keys() if sample_ids is None else set(sample_ids)
        check_known(self.name, wanted, self._places.keys())
        places = {i: place for i, place in self._places.items() if i in wanted and split in (None, place)}
        return ResplitSamples(self._base, places, self._rule)
