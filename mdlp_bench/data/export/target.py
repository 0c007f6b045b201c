"""What all exports share: the identity of their unfinished work, and how they write files."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import mdlp_bench
from mdlp_bench.data.samples import Samples
from mdlp_bench.files import write_bytes
from mdlp_bench.schema import SAMPLE_SCHEMA

_SUFFIXES: Final = {b"\xff\xd8\xff": ".jpg", b"\x89PNG": ".png", b"BM": ".bmp", b"RIFF": ".webp"}


def export_identity(layout: str, samples: Samples, **options: Any) -> dict[str, Any]:
    """What the bytes of an export depend on: every column of every sample, the layout and its options."""
    columns = sha256()
    for batch in samples.batches(
        4096, [name for name in SAMPLE_SCHEMA.names if name not in ("frames", "gt")]
    ):
        for row in batch.to_pylist():
            columns.update(json.dumps(row, sort_keys=True, default=str).encode() + b"\n")
    return {
        "layout": layout,
        "samples": samples.name,
        "fingerprint": samples.fingerprint,
        "columns": columns.hexdigest(),
        "options": options,
        "software": {"mdlp-bench": mdlp_bench.__version__},
    }


def write_once(path: Path, content: bytes) -> None:
    """Write a file atomically unless an earlier, interrupted export has finished it."""
    if not (path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content):
        write_bytes(path, content)


def suffix_of(image: dict[str, Any]) -> str:
    """The file ending that an image's bytes ask for."""
    content: bytes = image["bytes"]
    return next((suffix for start, suffix in _SUFFIXES.items() if content.startswith(start)), ".bin")
