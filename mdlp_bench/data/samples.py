"""Samples: a data set read lazily, in a fixed order, whatever it is stored in."""

from __future__ import annotations

import operator
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, SupportsIndex, overload

import pyarrow as pa

from mdlp_bench.data.manifest import Manifest, index_row
from mdlp_bench.data.problem import Problem
from mdlp_bench.errors import DataError
from mdlp_bench.schema import PLAIN_COLUMNS, SAMPLE_SCHEMA, Sample, check_columns, record_batch, samples_of

if TYPE_CHECKING:
    import datasets
    import pandas as pd

    from mdlp_bench.data.torch_samples import TorchSample, TorchSamples


def check_known(name: str, wanted: Collection[str], known: Collection[str | None]) -> None:
    """Test that a data set knows all of these sample ids.

    Raises:
        DataError: It does not; names the first of those that it lacks.
    """
    if missing := sorted(set(wanted).difference(known)):
        raise DataError(f"{name}: no sample {missing[0]!r} ({len(missing)} of the ids are not there)")


def name_of_first(name: str, n: int) -> str:
    """The name of the first `n` samples of a data set."""
    return f"{name}/first-{n}"


def whole_of(name: str) -> str | None:
    """The data set of which a name says that it is the first samples or a slice; None of other names."""
    found = re.fullmatch(r"(.+)/(?:first-[0-9]+|[0-9]+:[0-9]+(?::[0-9]+)?)", name)
    return found[1] if found else None


class Samples(ABC):
    """A data set, or a part of it, as a sequence of `Sample`.

    The order is fixed and the same on every pass, so a position identifies a sample and long jobs can resume.
    Memory stays flat: only one batch is held.

    Example:
        >>> import mdlp_bench as mb
        >>> samples = mb.open("DATA", split="test")
        >>> samples[0].sample_id == samples.sample_ids[0]
        True
        >>> sum(frame.shape[2] for frame in samples[-1].decode_frames())
        9
        >>> len(samples[:2]), sum(1 for sample in samples) == len(samples)
        (2, True)
        >>> samples[samples.sample_ids[1]] == samples[1]
        True

    Attributes:
        name: Short name for tables and runs, e.g. `mdlp_figures/val`; that of a slice says which samples it
            has, `mdlp_figures/val/2:5`.
        fingerprint: SHA-256 over the ids, texts and image hashes of the rows: equal data, equal fingerprint,
            whatever the storage and the order.
        manifest: The manifest of a Parquet folder that has one, else None.
    """

    name: str
    manifest: Manifest | None = None

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
        """Number of samples of each split, in order of first appearance."""
        return dict(Counter(self.column("split")))

    def candidates(self) -> Mapping[str, Sequence[str]]:
        """By split, the ids that `load` can be asked for: known before any image has been read."""
        found: dict[str, list[str]] = {}
        for batch in self.batches(4096, ["sample_id", "split"]):
            for sample_id, split in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                found.setdefault(split, []).append(sample_id)
        return found

    def load(self, sample_ids: Collection[str]) -> Iterator[Sample | Problem]:
        """Yield, in order, each of these candidates after verifying it, or the reason why it is left out.

        Unlike `batches` this needs no earlier pass over the data, so a conversion reads everything once.
        """
        yield from self.select(sample_ids=sample_ids)

    @abstractmethod
    def sample_at(self, position: int) -> Sample:
        """The sample at a position from 0 to `len` - 1; reads little more than it (`samples[i]` checks `i`).

        Raises:
            DataError: It cannot be read; names the file.
        """

    def origin(self, sample_ids: Collection[str]) -> str | None:
        """A digest that changes whenever `load` of these candidates may give something else.

        It is taken without reading an image, from names, sizes and times of files; None where only reading
        can tell. Unfinished work on these candidates continues only if it is unchanged.
        """
        return None

    def index(self) -> Iterator[dict[str, Any]]:
        """Yield the row of `mdlp_bench.data.manifest.INDEX_SCHEMA` of every sample."""
        return map(index_row, self)

    def check_shards(self) -> Iterator[Problem]:
        """Yield a problem for each file whose bytes are not those that a manifest names.

        Raises:
            DataError: A file cannot be read.
        """
        return iter(())

    def __len__(self) -> int:
        return len(self.sample_ids)

    def __iter__(self) -> Iterator[Sample]:
        for batch in self.batches():
            yield from samples_of(batch)

    @overload
    def __getitem__(self, index: SupportsIndex | str) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> Samples: ...
    def __getitem__(self, index: SupportsIndex | str | slice) -> Sample | Samples:
        """A sample by its position or id, or the samples of a slice.

        Raises:
            DataError: There is no such id, the step of a slice is negative, or the sample cannot be read.
            IndexError: There is no such position.
            TypeError: The index is something else.
        """
        if isinstance(index, slice):
            return self._slice(index)
        if isinstance(index, str):
            chosen = self.select(sample_ids=[index])
            if not len(chosen):
                raise DataError(f"{self.name}: sample {index!r} is left out; `problems` says why")
            return chosen.sample_at(0)
        try:
            position, count = operator.index(index), len(self)
        except TypeError as error:
            raise TypeError(
                f"{self.name}: samples are chosen by a position, an id or a slice, not by a "
                f"{type(index).__name__}; select(sample_ids=[...]) takes several ids"
            ) from error
        if not -count <= position < count:
            raise IndexError(f"{self.name}: no sample at {position}; there are {count}")
        return self.sample_at(position % count)

    def _slice(self, part: slice) -> Samples:
        try:
            start, stop, step = part.indices(len(self))
        except (TypeError, ValueError) as error:
            raise TypeError(f"{self.name}: a slice takes whole numbers ({error})") from error
        if step < 0:
            raise DataError(f"{self.name}: samples keep their order; use a slice with a positive step")
        ids = self.sample_ids[part]
        chosen = self.select(sample_ids=ids)
        # Records name the samples that they are of.
        if len(ids) < len(self):
            chosen.name = f"{self.name}/{start}:{max(start, stop)}" + (f":{step}" if step > 1 else "")
        return chosen

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
        """Yield the named columns (default all) of each sample as a mapping of Python values."""
        for batch in self.batches(columns=columns):
            yield from batch.to_pylist()

    def column(self, name: str) -> list[Any]:
        """The values of one column that holds no images, one per sample."""
        return [value for batch in self.batches(4096, [name]) for value in batch.column(0).to_pylist()]

    def torch(
        self, transform: Callable[[TorchSample], Any] | None = None, *, frames: int = 3
    ) -> TorchSamples:
        """A map-style data set for a PyTorch `DataLoader`: see `mdlp_bench.data.torch_samples`.

        Args:
            transform: Called with each item; what it returns is collated. It must be picklable where workers
                are spawned.
            frames: The lowest-numbered frames to take; a sample with fewer repeats its last one. 0 leaves
                frames out, for samples that have none.

        Raises:
            DataError: `frames` is not a whole number from 0.

        Example:
            >>> import mdlp_bench as mb, torch
            >>> items = mb.open("DATA", split="train").torch(frames=3)
            >>> batch = next(iter(torch.utils.data.DataLoader(items, batch_size=2)))
            >>> batch["frames"].shape, batch["gt"].shape, batch["gt"].dtype
            (torch.Size([2, 3, 3, 112, 224]), torch.Size([2, 3, 112, 224]), torch.uint8)
            >>> len(batch["text"]), batch["has_gt"].tolist()
            (2, [True, True])
        """
        from mdlp_bench.data.torch_samples import TorchSamples

        return TorchSamples(self, transform, frames)

    def to_datasets(self) -> datasets.Dataset:
        """The samples as a Hugging Face `Dataset` in memory, with images that decode on access.

        A Parquet folder too large for memory is opened by `datasets.load_dataset("parquet", ...)` as it is.

        Example:
            >>> import mdlp_bench as mb
            >>> loaded = mb.open("DATA", split="test").to_datasets()
            >>> first = loaded[0]
            >>> first["gt"].size
            (224, 112)
        """
        import datasets

        return datasets.Dataset(pa.Table.from_batches(self.batches(), SAMPLE_SCHEMA))

    def to_pandas(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """The samples as a table with one row per sample.

        Args:
            columns: Columns of the schema; default all but the images (`frames`, `gt`).

        Raises:
            DataError: There is no such column.

        Example:
            >>> import mdlp_bench as mb
            >>> mb.open("DATA").to_pandas(["split", "text"])["split"].nunique()
            3
        """
        names = PLAIN_COLUMNS if columns is None else columns
        check_columns(names)
        schema = pa.schema([SAMPLE_SCHEMA.field(n) for n in names])
        table: pd.DataFrame = pa.Table.from_batches(self.batches(4096, names), schema).to_pandas()
        return table


class WrappedSamples(Samples):
    """Samples that are each made of one of other samples, with the same ids, in the same order.

    Args:
        base: The original samples.
        name: The name of the derived samples.

    Attributes:
        changes: The columns that `changed` may alter.
    """

    changes: Collection[str] = SAMPLE_SCHEMA.names

    def __init__(self, base: Samples, name: str) -> None:
        self.name = name
        self.manifest = base.manifest
        self._base = base

    @abstractmethod
    def changed(self, sample: Sample) -> Sample:
        """The derived sample.

        Raises:
            DataError: It cannot be made; names the sample.
        """

    def load(self, sample_ids: Collection[str]) -> Iterator[Sample | Problem]:
        """See `Samples`."""
        for item in self._base.load(sample_ids):
            if isinstance(item, Problem):
                yield item
                continue
            try:
                yield self.changed(item)
            except DataError as error:
                yield Problem("broken-image", str(error), item.sample_id, item.split)

    def __iter__(self) -> Iterator[Sample]:
        yield from map(self.changed, self._base)

    def sample_at(self, position: int) -> Sample:
        """See `Samples`."""
        return self.changed(self._base.sample_at(position))

    def batches(self, size: int = 128, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """See `Samples`."""
        wanted = list(SAMPLE_SCHEMA.names if columns is None else columns)
        if set(wanted).isdisjoint(self.changes):
            yield from self._base.batches(size, wanted)
            return
        for batch in self._base.batches(size):
            yield record_batch(list(map(self.changed, samples_of(batch)))).select(wanted)

    def check_shards(self) -> Iterator[Problem]:
        """See `Samples`."""
        return self._base.check_shards()

    @property
    def sample_ids(self) -> Sequence[str]:
        """See `Samples`."""
        return self._base.sample_ids

    @property
    def splits(self) -> Mapping[str, int]:
        """See `Samples`."""
        return self._base.splits

    @property
    def problems(self) -> Sequence[Problem]:
        """See `Samples`."""
        return self._base.problems

    def listing_problems(self) -> Sequence[Problem]:
        """See `Samples`."""
        return self._base.listing_problems()

    def candidates(self) -> Mapping[str, Sequence[str]]:
        """See `Samples`."""
        return self._base.candidates()

    def origin(self, sample_ids: Collection[str]) -> str | None:
        """See `Samples`."""
        return self._base.origin(sample_ids)
