"""The sample: the type that modules exchange, and the Arrow schema in which samples are stored.

A sample (triplet) is the degraded frames, the ground truth and the text of one plate. Images are the ORIGINAL
encoded bytes, never re-encoded; in Arrow they are the struct that Hugging Face `datasets` calls an Image.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Self, get_args

import pyarrow as pa

from mdlp_bench.errors import DataError, one_of
from mdlp_bench.images import ImageU8, decode

SCHEMA_VERSION: Final = 1

Domain = Literal["real", "synthetic"]
TextOrigin = Literal["label", "filename", "rendered", "reader", "person"]

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

_SUFFIXES: Final = {b"\xff\xd8\xff": ".jpg", b"\x89PNG": ".png", b"BM": ".bmp", b"RIFF": ".webp"}

# Predictions are exchanged as <sample_id>.png; \w has the province glyphs.
_FILE_SAFE: Final = re.compile(r"[\w-][\w.-]*")

REQUIRED: Final = frozenset(
    {"sample_id", "plate_id", "track_id", "split", "domain", "source", "frames", "frame_indices"}
)
"""Columns without nulls; the Arrow schema has nullable ones: `datasets` reads others as plain structs."""


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

IMAGE_COLUMNS: Final = frozenset({"frames", "gt"})
PLAIN_COLUMNS: Final = tuple(name for name in SAMPLE_SCHEMA.names if name not in IMAGE_COLUMNS)
"""The columns without images."""


def check_columns(names: Iterable[str]) -> None:
    """Test that all names are columns of the schema.

    Raises:
        DataError: One is not; names it and the columns there are.
    """
    for name in names:
        one_of("column", name, SAMPLE_SCHEMA.names, DataError)


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """An image as it was captured.

    Attributes:
        content: The encoded bytes of a JPEG, PNG, BMP or WebP file.
        name: The base name of the file that it came from, when it is known.
    """

    content: bytes
    name: str | None = None

    @property
    def suffix(self) -> str:
        """The file ending that the bytes ask for: `.jpg`, `.png`, `.bmp`, `.webp`, else `.bin`."""
        return next((suffix for start, suffix in _SUFFIXES.items() if self.content.startswith(start)), ".bin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One sample.

    Attributes:
        sample_id: Unique in its data set; usable as a file name.
        plate_id: The plate: the unit of splits and of the bootstrap.
        track_id: The track that the frames come from.
        split: The split.
        domain: `real` or `synthetic`.
        source: Where the sample comes from, e.g. `mdlp`.
        frames: The degraded frames, lowest index first; there may be none.
        frame_indices: The number of each frame in its track.
        gt: The ground truth, when there is one.
        text: The text of the plate, when it is known.
        text_origin: How the text is known; None without a text.
        layout: The visual layout of the plate, e.g. `blue`.
        recipe: The degradation recipe of synthetic frames.
        degradation: JSON: version and seed of the recipe and every parameter that was sampled.
    """

    sample_id: str
    plate_id: str
    track_id: str
    split: str
    domain: Domain
    source: str
    frames: tuple[EncodedImage, ...] = ()
    frame_indices: tuple[int, ...] = ()
    gt: EncodedImage | None = None
    text: str | None = None
    text_origin: TextOrigin | None = None
    layout: str | None = None
    recipe: str | None = None
    degradation: str | None = None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """The sample of a mapping with the schema's column names; nullable columns may be missing.

        Raises:
            DataError: A column is unknown, or a required one is missing; names the sample.
        """
        name = row.get("sample_id", "<no sample_id>")
        if unknown := row.keys() - set(SAMPLE_SCHEMA.names):
            raise DataError(f"sample {name}: unknown columns {sorted(unknown)}")
        if missing := sorted(column for column in REQUIRED if row.get(column) is None):
            raise DataError(f"sample {name}: columns {missing} are required")
        images = {
            "frames": tuple(_encoded(image) for image in row["frames"]),
            "gt": None if row.get("gt") is None else _encoded(row["gt"]),
            "frame_indices": tuple(row["frame_indices"]),
        }
        return cls(**{**row, **images})

    def to_row(self) -> dict[str, Any]:
        """The sample as a mapping with every column of the schema: the inverse of `from_row`."""
        return {name: _plain(getattr(self, name)) for name in SAMPLE_SCHEMA.names}

    def check(self) -> None:
        """Test what the types cannot say.

        Raises:
            DataError: The id is not usable as a file name, the domain or the origin of the text is unknown,
                or frames and frame indices differ in number; names the sample.
        """
        name = self.sample_id
        if not _FILE_SAFE.fullmatch(name) or len(name.encode()) > 200:
            raise DataError(
                f"sample {name!r}: a sample_id must be usable as a file name (letters, digits, '_', '-', "
                "'.'; no leading '.'; at most 200 bytes)"
            )
        if self.domain not in DOMAINS:
            raise DataError(f"sample {name}: domain is {self.domain!r}, not one of {list(DOMAINS)}")
        if self.text_origin is not None and self.text_origin not in TEXT_ORIGINS:
            raise DataError(
                f"sample {name}: text_origin is {self.text_origin!r}, not one of {list(TEXT_ORIGINS)}"
            )
        if len(self.frames) != len(self.frame_indices):
            raise DataError(
                f"sample {name}: {len(self.frames)} frames but {len(self.frame_indices)} frame_indices"
            )

    def named_images(self) -> Iterator[tuple[str, EncodedImage]]:
        """The frames and then the ground truth, each with what to call it in a message."""
        for number, frame in enumerate(self.frames):
            yield f"sample {self.sample_id}, frame {number}", frame
        if self.gt is not None:
            yield f"sample {self.sample_id}, ground truth", self.gt

    def decode_frames(self, count: int | None = None) -> tuple[ImageU8, ...]:
        """The first `count` frames (default all) at the size of their capture, uint8 RGB [h, w, 3] each.

        Raises:
            DataError: There are no frames, or one is broken; names the sample.
        """
        if not self.frames:
            raise DataError(f"sample {self.sample_id}: has no frames; degrade its ground truth first")
        return tuple(
            decode(frame.content, f"sample {self.sample_id}, frame {number}")
            for number, frame in enumerate(self.frames[:count])
        )

    def decode_gt(self) -> ImageU8 | None:
        """The ground truth at its own size, uint8 RGB [h, w, 3]; None when there is none.

        Raises:
            DataError: It is broken; names the sample.
        """
        if self.gt is None:
            return None
        return decode(self.gt.content, f"sample {self.sample_id}, ground truth")


def record_batch(samples: Sequence[Sample]) -> pa.RecordBatch:
    """Build a record batch of `SAMPLE_SCHEMA`.

    Raises:
        DataError: As in `Sample.check`, or a value does not have the type of its column; names the sample.
    """
    for sample in samples:
        sample.check()
    try:
        return pa.RecordBatch.from_pylist([sample.to_row() for sample in samples], SAMPLE_SCHEMA)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise DataError(f"rows starting at sample {samples[0].sample_id}: {error}") from error


def samples_of(batch: pa.RecordBatch) -> Iterator[Sample]:
    """The samples of a record batch with all columns of the schema."""
    yield from map(Sample.from_row, batch.to_pylist())


def _encoded(image: Mapping[str, Any]) -> EncodedImage:
    return EncodedImage(image["bytes"], image.get("path"))


def _plain(value: Any) -> Any:
    if isinstance(value, EncodedImage):
        return {"bytes": value.content, "path": value.name}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
