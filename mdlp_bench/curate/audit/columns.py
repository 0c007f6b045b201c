"""Collect examined samples as columns, so that a million of them fit into memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import IO, Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mdlp_bench.curate.audit.compare import Classes, Columns
from mdlp_bench.curate.audit.examine import Examined
from mdlp_bench.curate.audit.near import SIGNATURE_SHAPE, Signatures
from mdlp_bench.data.temp_table import Spill, hash_strings
from mdlp_bench.plate import layout_or_length, region_or_none

_STRINGS: Final = pa.schema(
    [(name, pa.string()) for name in ("sample_id", "split", "plate_id", "track_id", "text")]
)
_SIGNATURE_BYTES: Final = SIGNATURE_SHAPE[0] * SIGNATURE_SHAPE[1]


class _Coded:
    """Builds `Classes` block by block."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}
        self._blocks: list[npt.NDArray[np.int32]] = []

    def add(self, values: Iterable[str]) -> None:
        """Add the values of some samples."""
        codes = [self._known.setdefault(value, len(self._known)) for value in values]
        self._blocks.append(np.array(codes, np.int32))

    def classes(self) -> Classes:
        """Everything so far."""
        return Classes(tuple(self._known), np.concatenate([np.zeros(0, np.int32), *self._blocks]))


class Gathered:
    """Collects examined samples as columns, a block at a time; strings and signatures go to files."""

    def __init__(self, signatures: IO[bytes]) -> None:
        self._file = signatures
        self._rows = Spill(_STRINGS)
        self._classes = {name: _Coded() for name in ("splits", "provinces", "layouts")}
        self._numbers: dict[str, list[np.ndarray[Any, np.dtype[Any]]]] = defaultdict(list)

    def add(self, items: Sequence[Examined]) -> None:
        """Add some samples."""
        block = pa.RecordBatch.from_pylist(
            [{name: getattr(item, name) for name in _STRINGS.names} for item in items], _STRINGS
        )
        self._classes["splits"].add(item.split for item in items)
        self._classes["provinces"].add(region_or_none(item.text) for item in items)
        self._classes["layouts"].add(layout_or_length(item.layout, item.text) for item in items)
        described = [n for n, item in enumerate(items) if item.hashes is not None]
        for name, values in {
            "plates": hash_strings(block.column("plate_id")),
            "tracks": hash_strings(block.column("track_id")),
            "texts": hash_strings(block.column("text")),
            "has_text": np.asarray(block.column("text").is_valid()),
            "n_frames": np.array([item.n_frames for item in items], np.int32),
            "has_gt": np.array([item.has_gt for item in items], np.bool_),
            "digests": np.concatenate([np.zeros(0, np.uint64), *(item.digests for item in items)]),
            "hashes": np.array([items[n].hashes for n in described], np.uint64).reshape(-1, 2, 2),
            "hashed": len(self._rows) + np.array(described, np.int64),
        }.items():
            self._numbers[name].append(values)
        for item in items:
            if item.signature is not None:
                self._file.write(item.signature.tobytes())
        self._rows.append(block)

    def columns(self) -> Columns:
        """Everything collected so far; valid as long as the file is open."""
        numbers: dict[str, Any] = {
            name: np.concatenate(self._numbers.pop(name)) for name in tuple(self._numbers)
        }
        classes: dict[str, Any] = {name: coded.classes() for name, coded in self._classes.items()}
        return Columns(rows=self._rows, signatures=self._signatures, **classes, **numbers)

    def _signatures(self, places: npt.NDArray[np.int64]) -> Signatures:
        # Not a memory map: its pages would count as this process's memory, a gigabyte for a million samples.
        found = np.empty((len(places), *SIGNATURE_SHAPE), np.uint8)
        for number, place in enumerate(places.tolist()):
            self._file.seek(place * _SIGNATURE_BYTES)
            found[number] = np.frombuffer(self._file.read(_SIGNATURE_BYTES), np.uint8).reshape(
                SIGNATURE_SHAPE
            )
        return found
