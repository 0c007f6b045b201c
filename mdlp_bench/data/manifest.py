"""What identifies a data set: image hashes, row digests, the fingerprint, version, quarantine.

A data set folder carries `manifest.json` (name, version, counts, shards, fingerprint; small) and beside it
`manifest.parquet` (one row per sample with the SHA-256 of each image), so that a million samples can be
listed, compared and identified without reading a picture.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field, ValidationError

from mdlp_bench.data.problem import Problem
from mdlp_bench.errors import DataError, first_fault
from mdlp_bench.files import read_json, sha256_bytes
from mdlp_bench.frozen import Frozen
from mdlp_bench.output_folder import MARK
from mdlp_bench.schema import Sample

MANIFEST: Final = "manifest.json"
INDEX: Final = "manifest.parquet"
QUARANTINE: Final = "quarantine.json"
MANIFEST_VERSION: Final = 1

_HASHED_AT_ONCE: Final = 1 << 16

INDEX_SCHEMA: Final = pa.schema(
    [
        pa.field("sample_id", pa.string()),
        pa.field("split", pa.string()),
        pa.field("plate_id", pa.string()),
        pa.field("text", pa.string()),
        pa.field("frames_sha256", pa.list_(pa.string())),
        pa.field("gt_sha256", pa.string()),
        pa.field("digest", pa.string()),
    ]
)
"""One row per sample, in the order of the shards; `digest` is `row_digest` of the row."""


class Shard(Frozen):
    """One Parquet file of a data set."""

    path: str
    split: str
    rows: int = Field(ge=0)
    size: int = Field(ge=0)
    sha256: str


class Manifest(Frozen):
    """`manifest.json`.

    Attributes:
        name: Name of the data set.
        version: Version of the data set, e.g. `1.2.0`.
        supersedes: The version (or name and version) this one replaces.
        fingerprint: See `fingerprint`; the identity that runs carry.
        samples: Number of rows.
        plates: Number of distinct plate ids.
        splits: Rows by split.
        shards: The Parquet files in reading order.
        index_sha256: SHA-256 of `manifest.parquet`.
        problems: What the build met; rejected samples are in no shard.
        rendered_under: Of rendered pictures, the versions and the architecture that their bytes depend on;
            elsewhere the same recipe may give a few other bytes, and then another fingerprint.
    """

    schema_version: Literal[1] = MANIFEST_VERSION
    name: str
    version: str
    supersedes: str | None = None
    fingerprint: str
    samples: int
    plates: int
    splits: dict[str, int]
    shards: tuple[Shard, ...]
    index_sha256: str
    problems: tuple[Problem, ...] = ()
    rendered_under: str | None = None


def is_written(folder: Path) -> bool:
    """Whether a folder holds a data set that was written to its end."""
    return (folder / MANIFEST).is_file() and not (folder / MARK).is_file()


def read_manifest(folder: Path) -> Manifest:
    """Read `manifest.json` of a data set folder.

    Raises:
        DataError: It is missing, damaged or of another schema version.
    """
    path = folder / MANIFEST
    content = read_json(path)
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        raise DataError(
            f"{path}: not a data set manifest ({first_fault(error, 'the whole file')})"
        ) from error


def read_quarantine(folder: Path) -> dict[str, str]:
    """Read the quarantine list of a data set folder: sample id to reason; empty when there is no list.

    Raises:
        DataError: The list is damaged.
    """
    path = folder / QUARANTINE
    if not path.is_file():
        return {}
    content = read_json(path)
    if not isinstance(content, dict) or not all(isinstance(reason, str) for reason in content.values()):
        raise DataError(f"{path}: must be one JSON object of sample_id: reason; fix or delete the file")
    return content


def row_digest(sample_id: str, text: str | None, frames_sha256: Sequence[str], gt_sha256: str | None) -> str:
    """SHA-256 that identifies the content of a row: id, text and image hashes."""
    fields = [sample_id, text, list(frames_sha256), gt_sha256]
    return sha256(json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


def index_row(sample: Sample) -> dict[str, Any]:
    """The `INDEX_SCHEMA` row of a sample."""
    frames = [sha256_bytes(image.content) for image in sample.frames]
    gt = None if sample.gt is None else sha256_bytes(sample.gt.content)
    return {
        "sample_id": sample.sample_id,
        "split": sample.split,
        "plate_id": sample.plate_id,
        "text": sample.text,
        "frames_sha256": frames,
        "gt_sha256": gt,
        "digest": row_digest(sample.sample_id, sample.text, frames, gt),
    }


def digest_of(sample: Sample) -> str:
    """The digest of a sample: see `row_digest`."""
    return str(index_row(sample)["digest"])


def fingerprint(digests: Iterable[str]) -> str:
    """SHA-256 over row digests in sorted order: neither storage nor order changes it."""
    total = sha256()
    # Thirty-two bytes per row instead of a string; both sort in the same order.
    ordered = np.sort(np.fromiter((bytes.fromhex(digest) for digest in digests), "S32"))
    for start in range(0, len(ordered), _HASHED_AT_ONCE):
        total.update(ordered[start : start + _HASHED_AT_ONCE].tobytes().hex().encode())
    return total.hexdigest()
