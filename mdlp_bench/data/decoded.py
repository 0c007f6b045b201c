"""Samples at the working size and uncompressed: decoded and enlarged once, for what reads them many times."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

import cv2
import pyarrow as pa

from mdlp_bench.data.manifest import fingerprint, index_row
from mdlp_bench.data.samples import Problem, Samples
from mdlp_bench.errors import DataError
from mdlp_bench.images import decode
from mdlp_bench.metrics.protocol import to_working_size
from mdlp_bench.schema import SAMPLE_SCHEMA, record_batch


class DecodedSamples(Samples):
    """The same samples with every image at the working size, stored as BMP.

    `decode_batch` gives the same arrays as from the samples themselves, without the work. They are for
    training: methods that use frames at their captured size see other pixels, and the fingerprint is another.

    Args:
        base: The samples.
    """

    def __init__(self, base: Samples) -> None:
        self.name = f"{base.name}-decoded"
        self._base = base

    @property
    def fingerprint(self) -> str:
        """See `Samples`."""
        return fingerprint(index_row(row)["digest"] for row in self.rows())

    @property
    def sample_ids(self) -> Sequence[str]:
        """See `Samples`."""
        return self._base.sample_ids

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

    def load(self, sample_ids: Collection[str]) -> Iterator[dict[str, Any] | Problem]:
        """See `Samples`."""
        for row in self._base.load(sample_ids):
            if isinstance(row, Problem):
                yield row
                continue
            try:
                yield _decoded(row)
            except DataError as error:
                yield Problem("broken-image", str(error), row["sample_id"], row["split"])

    def batches(self, size: int = 128, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """See `Samples`."""
        wanted = list(SAMPLE_SCHEMA.names if columns is None else columns)
        if {"frames", "gt"}.isdisjoint(wanted):
            yield from self._base.batches(size, wanted)
            return
        for batch in self._base.batches(size):
            yield record_batch([_decoded(row) for row in batch.to_pylist()]).select(wanted)

    def select(
        self, *, split: str | None = None, sample_ids: Collection[str] | None = None
    ) -> DecodedSamples:
        """See `Samples`."""
        return DecodedSamples(self._base.select(split=split, sample_ids=sample_ids))


def _decoded(row: Mapping[str, Any]) -> dict[str, Any]:
    name = f"sample {row['sample_id']}"
    frames = [_bitmap(image, f"{name}, frame {number}") for number, image in enumerate(row["frames"])]
    gt = None if row["gt"] is None else _bitmap(row["gt"], f"{name}, ground truth")
    return {**row, "frames": frames, "gt": gt}


def _bitmap(image: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The `Image` struct at the working size, as a BMP: lossless, and as quick to read as copying it."""
    pixels = to_working_size(decode(image["bytes"], name))
    content = cv2.imencode(".bmp", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))[1].tobytes()
    return {"bytes": content, "path": f"{PurePath(image['path'] or 'image').stem}.bmp"}
