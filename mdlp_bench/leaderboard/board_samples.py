"""Samples under the name of a board, with the ids, texts and plates that its store keeps."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from mdlp_bench.data.manifest import digest_of, fingerprint
from mdlp_bench.data.problem import Problem
from mdlp_bench.data.samples import Samples, WrappedSamples
from mdlp_bench.schema import Sample


class BoardSamples(WrappedSamples):
    """The same samples with another name, and what is known of their plates.

    Args:
        base: The samples.
        name: Their name.
        known: By sample id, `text` (None for a plate without), `plate_id` and `layout`; samples that it lacks
            keep theirs.
        ids: By sample id, the one that the board has for it; samples that it lacks keep theirs.
    """

    def __init__(
        self,
        base: Samples,
        name: str,
        known: Mapping[str, Mapping[str, str | None]] | None = None,
        ids: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(base, name)
        self._known = dict(known or {})
        self._ids = dict(ids or {})
        self._own_ids = {there: own for own, there in self._ids.items()}
        told = ("text", "text_origin", "plate_id", "layout") if known else ()
        self.changes = (*told, *(("sample_id",) if ids else ()))
        self._fingerprint: str | None = None

    @property
    def fingerprint(self) -> str:
        """See `Samples`."""
        if self._fingerprint is None:
            own = self._base.fingerprint if not self.changes else fingerprint(map(digest_of, self))
            self._fingerprint = own
        return self._fingerprint

    @property
    def sample_ids(self) -> Sequence[str]:
        """See `Samples`."""
        return self._boards(self._base.sample_ids)

    def select(self, *, split: str | None = None, sample_ids: Collection[str] | None = None) -> BoardSamples:
        """See `Samples`."""
        chosen = self._base.select(split=split, sample_ids=sample_ids and self._own(sample_ids))
        return BoardSamples(chosen, self.name, self._known, self._ids)

    def load(self, sample_ids: Collection[str]) -> Iterator[Sample | Problem]:
        """See `Samples`."""
        return super().load(self._own(sample_ids))

    def candidates(self) -> Mapping[str, Sequence[str]]:
        """See `Samples`."""
        return {split: self._boards(own) for split, own in self._base.candidates().items()}

    def origin(self, sample_ids: Collection[str]) -> str | None:
        """See `Samples`."""
        return self._base.origin(self._own(sample_ids))

    def _boards(self, own: Sequence[str]) -> list[str]:
        return [self._ids.get(one, one) for one in own]

    def _own(self, sample_ids: Collection[str]) -> list[str]:
        return [self._own_ids.get(there, there) for there in sample_ids]

    def changed(self, sample: Sample) -> Sample:
        """See `WrappedSamples`."""
        sample_id = self._ids.get(sample.sample_id, sample.sample_id)
        known = self._known.get(sample_id)
        if known is None:
            return replace(sample, sample_id=sample_id)
        text = known["text"]
        return replace(
            sample,
            sample_id=sample_id,
            text=text,
            text_origin=None if text is None else sample.text_origin or "label",
            plate_id=known["plate_id"] or sample.plate_id,
            layout=known["layout"],
        )
