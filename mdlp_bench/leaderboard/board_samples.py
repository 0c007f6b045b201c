"""Samples under the name of a board, with the texts and plates that its store keeps."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from mdlp_bench.data.manifest import digest_of, fingerprint
from mdlp_bench.data.samples import Samples, WrappedSamples
from mdlp_bench.schema import Sample


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
        self.changes = ("text", "text_origin", "plate_id", "layout") if known else ()
        self._fingerprint: str | None = None

    @property
    def fingerprint(self) -> str:
        """See `Samples`."""
        if self._fingerprint is None:
            own = self._base.fingerprint if not self._known else fingerprint(map(digest_of, self))
            self._fingerprint = own
        return self._fingerprint

    def select(self, *, split: str | None = None, sample_ids: Collection[str] | None = None) -> BoardSamples:
        """See `Samples`."""
        chosen = self._base.select(split=split, sample_ids=sample_ids)
        return BoardSamples(chosen, self.name, self._known)

    def changed(self, sample: Sample) -> Sample:
        """See `WrappedSamples`."""
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
