"""The sample row: the one Arrow schema that every reader, exporter, method and metric of this project uses.

One row is one sample (triplet): the degraded frames, the ground truth and the text. Images are the ORIGINAL
encoded bytes, never re-encoded, in the struct that Hugging Face `datasets` calls an Image.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, get_args

import pyarrow as pa

from mdlp_bench.errors import DataError

SCHEMA_VERSION: Final = 1

Domain = Literal["real", "synthetic"]
TextOrigin = Literal["label", "filename", "rendered", "reader"]

DOMAINS: Final[tuple[Domain, ...]] = get_args(Domain)
TEXT_ORIGINS: Final[tuple[TextOrigin, ...]] = get_args(TextOrigin)

IMAGE_TYPE: Final = pa.struct({"bytes": pa.binary(), "path": pa.string()})

_FIELDS: Final = (
    pa.field("sample_id", pa.string()),
    pa.field("plate_id", pa.string()),
    pa.field("track_id", pa.string()),
    pa.field("split", pa.string()),
    pa.field("domain", pa.string()),
    pa.field("source", pa.string()),
    pa.field("frames", pa.list_(IMAGE_TYPE)),
    pa.field("frame_indices", pa.list_(pa.int32())),
    pa.field("gt", IMAGE_TYPE),
    pa.field("text", pa.string()),
    pa.field("text_origin", pa.string()),
    pa.field("layout", pa.string()),
    pa.field("recipe", pa.string()),
    pa.field("degradation", pa.string()),
)

# Predictions are exchanged as <sample_id>.png; \w has the province glyphs.
_FILE_SAFE: Final = re.compile(r"[\w-][\w.-]*")

REQUIRED: Final = frozenset(
    {"sample_id", "plate_id", "track_id", "split", "domain", "source", "frames", "frame_indices"}
)
"""Columns without nulls (not said in the Arrow schema: `datasets` reads non-null fields as plain structs)."""


def _hf_feature(data_type: pa.DataType) -> dict[str, Any]:
    """The `datasets` feature of an Arrow type, in the JSON form that Parquet metadata carries."""
    if data_type == IMAGE_TYPE:
        return {"_type": "Image"}
    if pa.types.is_list(data_type):
        return {"feature": _hf_feature(data_type.value_type), "_type": "List"}
    return {"dtype": str(data_type), "_type": "Value"}


SAMPLE_SCHEMA: Final = pa.schema(
    _FIELDS,
    metadata={
        "huggingface": json.dumps({"info": {"features": {f.name: _hf_feature(f.type) for f in _FIELDS}}}),
        "mdlp_bench": json.dumps({"schema_version": SCHEMA_VERSION}),
    },
)
"""The schema, with the metadata that lets `datasets.load_dataset` decode the images of a Parquet file."""


def record_batch(rows: Sequence[Mapping[str, Any]]) -> pa.RecordBatch:
    """Build a record batch from row mappings.

    Args:
        rows: Mappings with the schema's column names; nullable columns may be missing.

    Raises:
        DataError: A column is unknown, required and missing, or of the wrong type; names the sample.
    """
    known = set(SAMPLE_SCHEMA.names)
    for row in rows:
        name = row.get("sample_id", "<no sample_id>")
        if unknown := set(row) - known:
            raise DataError(f"sample {name}: unknown columns {sorted(unknown)}")
        missing = sorted(column for column in REQUIRED if row.get(column) is None)
        if missing:
            raise DataError(f"sample {name}: columns {missing} are required")
        if not _FILE_SAFE.fullmatch(name) or len(name.encode()) > 200:
            raise DataError(
                f"sample {name!r}: a sample_id must do as a file name (letters, digits, '_', '-', '.'; "
                "no leading '.'; at most 200 bytes)"
            )
        if row["domain"] not in DOMAINS:
            raise DataError(f"sample {name}: domain is {row['domain']!r}, not one of {list(DOMAINS)}")
        if row.get("text_origin") is not None and row["text_origin"] not in TEXT_ORIGINS:
            raise DataError(
                f"sample {name}: text_origin is {row['text_origin']!r}, not one of {list(TEXT_ORIGINS)}"
            )
        if len(row["frames"]) != len(row["frame_indices"]):
            raise DataError(
                f"sample {name}: {len(row['frames'])} frames but {len(row['frame_indices'])} frame_indices"
            )
    try:
        return pa.RecordBatch.from_pylist(
            [{n: row.get(n) for n in SAMPLE_SCHEMA.names} for row in rows], SAMPLE_SCHEMA
        )
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        first = rows[0].get("sample_id") if rows else None
        raise DataError(f"rows starting at sample {first}: {error}") from error
