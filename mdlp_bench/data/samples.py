"""Samples: sample rows read lazily, in a fixed order, whatever they are stored in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mdlp_bench.schema import SAMPLE_SCHEMA, features

if TYPE_CHECKING:
    import datasets


class Samples(ABC):
    """A data set (or one split of it) as a stream of record batches of `SAMPLE_SCHEMA`.

    The order is fixed and the same on every pass, so a position identifies a sample and long jobs can resume.
    Memory stays flat: nothing but the batch at hand is held.

    Attributes:
        name: Short name for tables and runs, e.g. `mdlp_figures/val`.
        fingerprint: SHA-256 over the ids, texts and image hashes of the rows: equal data, equal fingerprint,
            whatever the storage.
    """

    name: str

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """See the class."""

    @property
    @abstractmethod
    def sample_ids(self) -> Sequence[str]:
        """The ids in order."""

    @abstractmethod
    def batches(self, size: int = 128, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield record batches of at most `size` rows with the named columns (default all).

        Raises:
            DataError: A row cannot be read; names the file.
        """

    @abstractmethod
    def select(self, *, split: str | None = None, sample_ids: Collection[str] | None = None) -> Samples:
        """The samples of one split and/or with the given ids, in their order here.

        Raises:
            DataError: There is no such split or no such id; names it and what there is.
        """

    def __len__(self) -> int:
        return len(self.sample_ids)

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
        """Yield the rows as mappings of Python values."""
        for batch in self.batches(columns=columns):
            yield from batch.to_pylist()

    def to_dataset(self) -> datasets.Dataset:
        """The samples as a `datasets.Dataset` in memory, image columns decoded on access."""
        import datasets

        table = pa.Table.from_batches(self.batches(), SAMPLE_SCHEMA)
        return datasets.Dataset(table).cast(features())
