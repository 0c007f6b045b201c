from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from mdlp_bench.errors import DataError
from mdlp_bench.images import encode
from mdlp_bench.schema import REQUIRED, SAMPLE_SCHEMA, Sample, record_batch, samples_of

IMAGE = {"bytes": encode(np.full((4, 6, 3), 77, np.uint8)), "path": "a.png"}


def row(**changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "sample_id": "s1", "plate_id": "京P20S75", "track_id": "t1", "split": "test", "domain": "real",
        "source": "mdlp", "frames": [IMAGE, IMAGE], "frame_indices": [1, 2], "gt": IMAGE, "text": "京P20S75",
        "text_origin": "label",
    }  # fmt: skip
    return base | changes


def batch_of(*rows: dict[str, Any]) -> pa.RecordBatch:
    return record_batch([Sample.from_row(one) for one in rows])


def test_the_schema_is_the_one_that_datasets_derives_from_it() -> None:
    import datasets

    found = datasets.Features.from_arrow_schema(SAMPLE_SCHEMA)
    assert found.arrow_schema.equals(SAMPLE_SCHEMA.remove_metadata())
    assert found["gt"].decode and found["frames"].feature.decode


def test_parquet_is_opened_by_datasets_with_decoded_images(tmp_path: Path) -> None:
    import datasets

    pq.write_table(
        pa.Table.from_batches([batch_of(row(), row(sample_id="s2", gt=None))]), tmp_path / "x.parquet"
    )
    loaded = datasets.load_dataset(
        "parquet", data_files=str(tmp_path / "x.parquet"), cache_dir=str(tmp_path / "c")
    )["train"]
    assert isinstance(loaded[0]["gt"], Image.Image)
    assert np.array_equal(
        np.asarray(loaded[0]["frames"][1]), np.asarray(Image.open(io.BytesIO(IMAGE["bytes"])))
    )
    assert loaded[1]["gt"] is None


@pytest.mark.parametrize("column", sorted(REQUIRED))
def test_required_columns_are_required(column: str) -> None:
    with pytest.raises(DataError, match=column):
        batch_of(row(**{column: None}))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"colour": "red"}, "unknown columns"),
        ({"domain": "dream"}, "domain is 'dream'"),
        ({"text_origin": "guess"}, "text_origin is 'guess'"),
        ({"frame_indices": [1]}, "2 frames but 1 frame_indices"),
        ({"frame_indices": ["a", "b"]}, "s1"),
        ({"sample_id": "a/b"}, "sample_id"),
        ({"sample_id": ".hidden"}, "sample_id"),
        ({"sample_id": "x" * 201}, "sample_id"),
        ({"sample_id": "a\nb"}, "sample_id"),
    ],
)
def test_a_wrong_row_is_refused_by_name(change: dict[str, Any], says: str) -> None:
    with pytest.raises(DataError, match=says):
        batch_of(row(**change))


def test_a_sample_is_what_its_row_says_and_comes_back_from_arrow() -> None:
    sample = Sample.from_row(row(gt=None))
    assert (sample.sample_id, sample.layout, sample.gt) == ("s1", None, None)
    assert [frame.name for frame in sample.frames] == ["a.png", "a.png"]
    assert sample.frames[0].suffix == ".png" and sample.decode_frames(1)[0].shape == (4, 6, 3)
    assert sample.to_row() == {name: row(gt=None).get(name) for name in SAMPLE_SCHEMA.names}
    assert list(samples_of(record_batch([sample, Sample.from_row(row())]))) == [
        sample,
        Sample.from_row(row()),
    ]


def test_a_sample_without_frames_or_with_a_broken_image_says_so_by_name() -> None:
    with pytest.raises(DataError, match="s1: has no frames"):
        Sample.from_row(row(frames=[], frame_indices=[])).decode_frames()
    broken = Sample.from_row(row(gt={"bytes": b"nothing", "path": None}))
    assert broken.gt is not None and broken.gt.suffix == ".bin"
    with pytest.raises(DataError, match="s1, ground truth"):
        broken.decode_gt()
