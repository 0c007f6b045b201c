"""Samples under the name of a board, with the texts and plates that its store keeps."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

import pyarrow as pa

from mdlp_bench.data.manifest import digest_of, fingerprint
from mdlp_bench.data.samples import Problem, Samples, WrappedSamples
from mdlp_bench.schema import SAMPLE_SCHEMA, Sample, record_batch, samples_of


class BoardSamples(WrappedSamples):
    """The same samples with another name, and what is known of their plates.

    Args:
        base: The samples.
        name: Their name.
        known: By sample id, `text` (None for a plate without), `plate_id` and `layout`; samples that it lacks
            keep theirs.
    """

    def __init__(
        self, base: Samples, name: str, known: Mapping[str, Mapping[str, str | None]] | None = None
    ) -> None:
        super().__init__(base, name)
        self._known = dict(known or {})
        self._fingerprint: str | None = None

    @property
    def fingerprint(self) -> str:
        """See `Samples`."""
        if self._fingerprint is None:
            own = self._base.fingerprint if not self._known else fingerprint(map(digest_of, self))
            self._fingerprint = own
        return self._fingerprint

    def load(self, sample_ids: Collection[str]) -> Iterator[Sample | Problem]:
        """See `Samples`."""
        for found in self._base.load(sample_ids):
            yield found if isinstance(found, Problem) else self._labelled(found)

    def sample_at(self, position: int) -> Sample:
        """See `Samples`."""
        return self._labelled(self._base[position])

    def batches(self, size: int = 128, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """See `Samples`."""
        wanted = list(SAMPLE_SCHEMA.names if columns is None else columns)
        if not self._known:
            yield from self._base.batches(size, wanted)
            return
        for batch in self._base.batches(size):
            yield record_batch(list(map(self._labelled, samples_of(batch)))).select(wanted)

    def select(self, *, split: str | None = None, sample_ids: Collection[str] | None = None) -> BoardSamples:
        """See `Samples`."""
        chosen = self._base.select(split=split, sample_ids=sample_ids)
        return BoardSamples(chosen, self.name, self._known)

    def _labelled(self, sample: Sample) -> Sample:
        known = self._known.get(sample.sample_id)
        if known is None:
            return sample
        text = known["text"]
        return replace(
            sample,
            text=text,
            text_origin=None if text is None else sample.text_origin or "label",
            plate_id=known["plate_id"] or sample.plate_id,
            layout=known["layout"],
        )
