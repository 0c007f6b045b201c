"""What lets a million rows fit into memory: rows kept in a temporary file, strings kept as hashes."""

from __future__ import annotations

import tempfile
import weakref
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa

_BLOCKS_KEPT: Final = 4
_AT_ONCE: Final = 1 << 16


def hash_strings(values: pa.Array) -> npt.NDArray[np.uint64]:
    """64 bits of each string; that any two of a million strings agree has a chance of one in 37 million.

    Args:
        values: string [N]; nulls give an arbitrary number.
    """
    import pandas as pd

    parts = [
        pd.util.hash_array(values[at : at + _AT_ONCE].to_numpy(zero_copy_only=False), categorize=False)
        for at in range(0, len(values), _AT_ONCE)
    ]
    return np.concatenate([np.zeros(0, np.uint64), *parts])


class Strings(Sequence[str]):
    """An Arrow array of strings without nulls as a sequence; a list would take five times the memory."""

    def __init__(self, values: pa.Array) -> None:
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> list[str]: ...

    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return self._values[place].to_pylist()  # type: ignore[no-any-return]
        return self._values[place].as_py()  # type: ignore[no-any-return]

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), _AT_ONCE):
            yield from self._values[start : start + _AT_ONCE].to_pylist()


class Spill:
    """Arrow rows of one schema in a temporary file, read again by position.

    Rows are read in the blocks in which they were appended, of which the last few stay in memory: reading in
    about the order of appending reads everything once.

    Args:
        schema: The schema of every block.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        # The directory that TMPDIR names.
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by the finalizer
        weakref.finalize(self, self._file.close)
        self._rows, self._offsets = [0], [0]
        self._block = lru_cache(_BLOCKS_KEPT)(self._read)

    def __len__(self) -> int:
        return self._rows[-1]

    def append(self, block: pa.RecordBatch) -> None:
        """Add rows at the end; some thousand at a time."""
        content = block.serialize()
        self._file.seek(self._offsets[-1])
        self._file.write(content)
        self._offsets.append(self._offsets[-1] + content.size)
        self._rows.append(self._rows[-1] + block.num_rows)

    def blocks(self) -> Iterator[pa.RecordBatch]:
        """All rows, in the blocks in which they were appended."""
        yield from map(self._read, range(len(self._rows) - 1))

    def take(self, positions: npt.NDArray[np.int64]) -> pa.RecordBatch:
        """The rows at these positions, in this order."""
        order = np.argsort(positions, kind="stable")
        ascending = positions[order]
        parts = []
        start = 0
        while start < len(ascending):
            number = bisect_right(self._rows, int(ascending[start])) - 1
            stop = int(np.searchsorted(ascending, self._rows[number + 1]))
            parts.append(self._block(number).take(pa.array(ascending[start:stop] - self._rows[number])))
            start = stop
        if not parts:
            return pa.RecordBatch.from_pylist([], self._schema)
        places = np.empty_like(order)
        places[order] = np.arange(len(order))
        return pa.concat_batches(parts).take(pa.array(places))

    def _read(self, number: int) -> pa.RecordBatch:
        start, stop = self._offsets[number : number + 2]
        self._file.seek(start)
        return pa.ipc.read_record_batch(pa.py_buffer(self._file.read(stop - start)), self._schema)
