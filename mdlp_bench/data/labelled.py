"""Samples whose texts come from a label list beside them, whatever they are stored in."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from mdlp_bench.data.manifest import fingerprint, row_digest
from mdlp_bench.data.parquet import ParquetSamples
from mdlp_bench.data.problem import Problem
from mdlp_bench.data.samples import Samples, WrappedSamples
from mdlp_bench.data.sources.labels import LabelKeys, LabelRow, check_text, origin_of, read_labels
from mdlp_bench.data.sources.names import sample_id_of
from mdlp_bench.errors import DataError
from mdlp_bench.files import sha256_bytes
from mdlp_bench.schema import SAMPLE_SCHEMA, Sample, TextOrigin

_CHANGED: Final = ("text", "text_origin", "layout", "plate_id")
_ORDINARY: Final = r"^(\p{Han}[A-Z][0-9A-Z]{5,6}|[A-Z]{3}[0-9][0-9A-Z][0-9]{2})$"


@dataclass(frozen=True, slots=True)
class GivenText:
    """The text that a list gives a sample; None where it says that the plate cannot be read."""

    text: str | None
    origin: TextOrigin | None
    layout: str | None


class LabelledSamples(WrappedSamples):
    """Samples with the texts of a list; samples that it does not name keep their own.

    Args:
        samples: Any samples.
        texts: By sample id.
        notes: What is odd about the list.
    """

    def __init__(
        self, samples: Samples, texts: Mapping[str, GivenText], notes: Sequence[Problem] = ()
    ) -> None:
        super().__init__(samples, samples.name)
        self._texts, self._notes = texts, tuple(notes)
        self._fingerprint: str | None = None

    @property
    def fingerprint(self) -> str:
        """See `Samples`."""
        if self._fingerprint is None:
            self._fingerprint = fingerprint(str(row["digest"]) for row in self.index())
        return self._fingerprint

    def index(self) -> Iterator[dict[str, Any]]:
        """See `Samples`; images are read only where the samples beneath need to."""
        for row in self._base.index():
            text, _, _, plate_id = self._values(row["sample_id"], row["text"], None, None, row["plate_id"])
            digest = row_digest(row["sample_id"], text, row["frames_sha256"], row["gt_sha256"])
            yield row | {"text": text, "plate_id": plate_id, "digest": digest}

    @property
    def problems(self) -> Sequence[Problem]:
        """See `Samples`."""
        return (*self._own(self._base.problems), *self._notes)

    def listing_problems(self) -> Sequence[Problem]:
        """See `Samples`."""
        return (*self._own(self._base.listing_problems()), *self._notes)

    def origin(self, sample_ids: Collection[str]) -> str | None:
        """See `Samples`."""
        inner = self._base.origin(sample_ids)
        texts = [self._texts.get(sample_id) for sample_id in sample_ids]
        return None if inner is None else sha256_bytes(repr((inner, texts)).encode())

    def batches(self, size: int = 128, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """See `Samples`; images are read only where they are asked for."""
        wanted = SAMPLE_SCHEMA.names if columns is None else list(columns)
        if set(wanted).isdisjoint(_CHANGED):
            yield from self._base.batches(size, wanted)
            return
        names = ("sample_id", *_CHANGED)
        for batch in self._base.batches(size, list(dict.fromkeys((*wanted, *names)))):
            rows = zip(*(batch.column(name).to_pylist() for name in names), strict=True)
            values = [self._values(*row) for row in rows]
            changed = batch
            for place, name in enumerate(_CHANGED):
                column = pa.array((row[place] for row in values), pa.string())
                field = SAMPLE_SCHEMA.field(name)
                changed = changed.set_column(changed.schema.get_field_index(name), field, column)
            yield changed.select(wanted)

    def select(self, *, split: str | None = None, sample_ids: Collection[str] | None = None) -> Samples:
        """See `Samples`."""
        chosen = self._base.select(split=split, sample_ids=sample_ids)
        kept = {sample_id for ids in chosen.candidates().values() for sample_id in ids}
        notes = [note for note in self._notes if note.sample_id is None or note.sample_id in kept]
        return LabelledSamples(chosen, self._texts, notes)

    def _own(self, problems: Sequence[Problem]) -> list[Problem]:
        """The problems without those of texts that the list replaces."""
        replaced = ("text-missing", "text-unreadable", "text-grammar")
        return [p for p in problems if p.code not in replaced or p.sample_id not in self._texts]

    def changed(self, sample: Sample) -> Sample:
        """See `WrappedSamples`."""
        found = self._values(sample.sample_id, *(getattr(sample, name) for name in _CHANGED))
        values: dict[str, Any] = dict(zip(_CHANGED, found, strict=True))
        return replace(sample, **values)

    def _values(
        self, sample_id: str, text: str | None, origin: str | None, layout: str | None, plate_id: str
    ) -> tuple[str | None, str | None, str | None, str]:
        """Text, its origin, layout and plate id of a sample, from what they were before."""
        given = self._texts.get(sample_id)
        if given is None:
            return text, origin, layout, plate_id
        # A plate that was known by its text alone is known by the new one.
        known = plate_id not in (text, sample_id)
        return (
            given.text, given.origin, given.layout or layout, plate_id if known else given.text or sample_id,
        )  # fmt: skip


def match_labels(samples: Samples, path: Path) -> tuple[dict[str, LabelRow], list[Problem]]:
    """The lines of a label list by the sample that they mean, and notes about those that mean none.

    Keys are sample ids, names of groups or files, or paths; see `LabelKeys`.

    Raises:
        DataError: The list cannot be read.
    """
    rows, notes = read_labels(path)
    candidates = samples.candidates()
    keys = LabelKeys[str]([(row, None) for row in rows], candidates)
    for split, ids in candidates.items():
        for sample_id in ids:
            keys.add(sample_id, sample_id, sample_id.removeprefix(f"{sample_id_of(split)}-"), split=split)
    found, faults = keys.match("sample")
    return found, notes + faults


def with_labels(samples: Samples, path: Path) -> LabelledSamples:
    """Give samples the texts of a label list.

    Lines without a text change nothing; `#` and its like say that a plate cannot be read.

    Raises:
        DataError: The list cannot be read, or none of its lines fits a sample.
    """
    found, notes = match_labels(samples, path)
    if not found:
        more = f"; {notes[0].message}" if notes else ""
        raise DataError(f"{path}: none of its lines names a sample; the key is the sample_id{more}")
    texts: dict[str, GivenText] = {}
    for sample_id, row in found.items():
        if row.text:
            text, layout, odd = check_text(row.text, sample_id, None, row.where)
            notes += odd
            texts[sample_id] = GivenText(text, origin_of(row) if text else None, layout)
    return LabelledSamples(samples, texts, notes)


def without_unreadable(samples: ParquetSamples) -> Samples:
    """Leave out texts such as `#####`, which earlier versions wrote into Parquet; each is a note."""
    table = samples.texts()
    # Ordinary plates, most of a set, need no second look.
    ordinary = pc.match_substring_regex(table.column("text"), _ORDINARY)
    four = pc.match_substring(table.column("text"), "XXXX")
    odd = table.filter(pc.fill_null(pc.or_(pc.invert(ordinary), four), False))
    texts: dict[str, GivenText] = {}
    notes: list[Problem] = []
    for row in odd.to_pylist():
        text, _, found = check_text(row["text"], row["sample_id"], row["split"])
        if text is None and found:
            texts[row["sample_id"]] = GivenText(None, None, None)
            notes += found
    return LabelledSamples(samples, texts, notes) if texts else samples
