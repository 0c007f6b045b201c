"""Samples: sample rows read lazily, in a fixed order, whatever they are stored in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa

ProblemCode = Literal[
    "broken-image",
    "missing-gt",
    "several-gt",
    "no-frames",
    "frame-order",
    "order-unclear",
    "duplicate-id",
    "duplicate-scene",
    "file-name",
    "no-plate",
    "text-grammar",
    "text-missing",
    "label",
    "annotation",
    "row",
    "ignored-file",
    "quarantined",
]

NOTES: frozenset[ProblemCode] = frozenset(
    {"quarantined", "duplicate-scene", "no-plate", "text-missing", "order-unclear"}
)
"""Codes that report a decision or a gap and no defect: they do not make an inspection fail."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong with the data.

    Attributes:
        code: What kind of thing it is.
        message: One line that names the file and the remedy.
        sample_id: The sample concerned, when there is one.
        split: Its split, when it is known.
        rejected: The sample is left out because of it (otherwise it is kept and this is a note).
    """

    code: ProblemCode
    message: str
    sample_id: str | None = None
    split: str | None = None
    rejected: bool = True

    @property
    def is_defect(self) -> bool:
        """Whether somebody should fix something (see `NOTES`)."""
        return self.code not in NOTES


class Samples(ABC):
    """A data set (or one split of it) as a stream of record batches of `SAMPLE_SCHEMA`.

    The order is fixed and the same on every pass, so a position identifies a sample and long jobs can resume.
    Memory stays flat: nothing but the batch at hand is held.

    Attributes:
        name: Short name for tables and runs, e.g. `mdlp_figures/val`.
        fingerprint: SHA-256 over the ids, texts and image hashes of the rows: equal data, equal fingerprint,
            whatever the storage and the order.
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

    @property
    def problems(self) -> Sequence[Problem]:
        """What was found wrong and which samples were left out because of it."""
        return ()

    def listing_problems(self) -> Sequence[Problem]:
        """The part of `problems` that is known before any image has been read."""
        return self.problems

    @property
    def splits(self) -> Mapping[str, int]:
        """Number of samples by split, in order of first appearance."""
        counts: Counter[str] = Counter()
        for batch in self.batches(4096, ["split"]):
            counts.update(batch.column("split").to_pylist())
        return dict(counts)

    def candidates(self) -> Mapping[str, Sequence[str]]:
        """By split, the ids that `load` can be asked for: known before any image has been read."""
        found: dict[str, list[str]] = {}
        for batch in self.batches(4096, ["sample_id", "split"]):
            for sample_id, split in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                found.setdefault(split, []).append(sample_id)
        return found

    def load(self, sample_ids: Collection[str]) -> Iterator[dict[str, Any] | Problem]:
        """Yield, in order, the verified row of each of these candidates, or the reason there is none.

        Unlike `batches` this needs no earlier pass over the data, so a conversion reads everything once.
        """
        yield from self.select(sample_ids=sample_ids).rows()

    def __len__(self) -> int:
        return len(self.sample_ids)

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
        """Yield the rows as mappings of Python values."""
        for batch in self.batches(columns=columns):
            yield from batch.to_pylist()
