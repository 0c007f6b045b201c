"""Croissant 1.1 metadata (JSON-LD) of a Parquet data set: https://docs.mlcommons.org/croissant."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from mdlp_bench.data.export.card import COLUMN_DESCRIPTIONS, CardFields
from mdlp_bench.data.manifest import MANIFEST, Manifest
from mdlp_bench.files import sha256_file
from mdlp_bench.schema import IMAGE_TYPE, SAMPLE_SCHEMA

CROISSANT_VERSION: Final = "http://mlcommons.org/croissant/1.1"

_CONTEXT: Final[dict[str, Any]] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    **{
        name: f"cr:{name}"
        for name in (
            "arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract", "field",
            "fileObject", "fileProperty", "fileSet", "format", "includes", "isArray", "isLiveDataset",
            "jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex",
            "repeated", "replace", "samplingRate", "separator", "source", "subField", "transform",
        )
    },
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
}  # fmt: skip


def croissant(folder: Path, manifest: Manifest, card: CardFields) -> dict[str, Any]:
    """The Croissant description of a Parquet data set.

    Args:
        folder: The data set, as `write_parquet` left it.
        manifest: Its manifest.
        card: What no file can say: description, licence, citation.

    Returns:
        The JSON-LD document; `mlcroissant` validates it and loads the record set `samples` from it.
    """
    document: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CROISSANT_VERSION,
        "name": manifest.name,
        "description": card.description or f"Licence plate restoration samples ({manifest.name}).",
        "version": manifest.version,
        "keywords": ["licence plate", "image restoration", "super-resolution"],
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": "manifest",
                "name": MANIFEST,
                "description": "Version, counts, shards with their SHA-256, fingerprint.",
                "contentUrl": MANIFEST,
                "encodingFormat": "application/json",
                "sha256": sha256_file(folder / MANIFEST),
            },
            {
                "@type": "cr:FileSet",
                "@id": "shards",
                "name": "shards",
                "description": "Parquet shards with one sample per row.",
                "encodingFormat": "application/x-parquet",
                "includes": "data/*.parquet",
            },
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "samples",
                "name": "samples",
                "description": "One licence plate sample per record.",
                "key": {"@id": "samples/sample_id"},
                "field": [_field(field) for field in SAMPLE_SCHEMA],
            }
        ],
    }
    optional = {
        "license": card.licence,
        "citeAs": card.citation,
        "url": card.homepage,
        "datePublished": card.published,
    }
    return document | {name: value for name, value in optional.items() if value}


def _field(field: pa.Field) -> dict[str, Any]:
    kind = field.type.value_type if pa.types.is_list(field.type) else field.type
    source: dict[str, Any] = {"fileSet": {"@id": "shards"}, "extract": {"column": field.name}}
    if kind == IMAGE_TYPE:
        data_type = "sc:ImageObject"
        source["transform"] = {"jsonPath": "bytes"}
    else:
        data_type = "cr:Int32" if pa.types.is_integer(kind) else "sc:Text"
    described: dict[str, Any] = {
        "@type": "cr:Field",
        "@id": f"samples/{field.name}",
        "name": field.name,
        "description": COLUMN_DESCRIPTIONS[field.name],
        "dataType": data_type,
        "source": source,
    }
    if pa.types.is_list(field.type):
        # `repeated` is the word of 1.0; readers that know only it still see a list of images.
        described |= {"isArray": True, "arrayShape": "-1", "repeated": True}
    return described
