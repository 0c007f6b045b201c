"""Samples as a sequence, and the forms that other libraries take."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from torch.utils.data import DataLoader

import mdlp_bench as mb
from mdlp_bench.curate.splitting.config import SplitRule
from mdlp_bench.curate.splitting.resplit import ResplitSamples
from mdlp_bench.data import DecodedSamples, Samples, open_samples, write_parquet
from mdlp_bench.data.torch_samples import TorchSample
from mdlp_bench.errors import DataError
from mdlp_bench.metrics.protocol import to_working_size


def sources(mdlp: Path, tmp_path: Path) -> list[Samples]:
    """The same samples in every kind of storage, Parquet in several shards and row groups."""
    folder = open_samples(mdlp)
    write_parquet(folder, tmp_path / "pq", shard_rows=2)
    table = pq.ParquetDataset(tmp_path / "pq" / "data").read()
    pq.write_table(table, tmp_path / "single.parquet", row_group_size=2)
    moved = dict(zip(folder.sample_ids, ["b", "a", "b", "a"], strict=True))
    return [
        folder,
        open_samples(tmp_path / "pq"),
        open_samples(tmp_path / "single.parquet"),
        DecodedSamples(folder),
        ResplitSamples(folder, moved, SplitRule(ratios={"a": 0.5, "b": 0.5})),
    ]


def test_a_position_is_the_sample_of_the_stream(mdlp: Path, tmp_path: Path) -> None:
    for samples in sources(mdlp, tmp_path):
        stream = list(samples)
        assert [s.sample_id for s in stream] == list(samples.sample_ids) and len(stream) == len(samples) == 4
        assert [samples[i] for i in range(4)] == stream
        assert [samples[-i - 1] for i in range(4)] == stream[::-1]
        assert samples[np.int64(2)] == stream[2]
        assert [sample.to_row() for sample in stream] == list(samples.rows())
        for position in (4, -5):
            with pytest.raises(IndexError, match="there are 4"):
                samples[position]


def test_a_slice_is_samples_in_their_order(mdlp: Path, tmp_path: Path) -> None:
    for samples in sources(mdlp, tmp_path):
        stream = list(samples)
        for part in (slice(1, 3), slice(None, None, 2), slice(-2, None), slice(3, 1)):
            chosen = samples[part]
            assert list(chosen) == stream[part] and [chosen[i] for i in range(len(chosen))] == stream[part]
        with pytest.raises(DataError, match="positive step"):
            samples[::-1]
        for part, name in SLICES:
            assert samples[part].name == f"{samples.name}{name}"
        assert samples.select(sample_ids=samples.sample_ids).name == samples.name


SLICES = [
    (slice(1, 3), "/1:3"),
    (slice(None, 2), "/0:2"),
    (slice(-2, None), "/2:4"),
    (slice(0, None, 2), "/0:4:2"),
    (slice(3, 1), "/3:3"),
    (slice(None), ""),
    (slice(0, 99), ""),
]


def test_an_id_selects_and_other_indices_are_told(mdlp: Path, tmp_path: Path) -> None:
    for samples in sources(mdlp, tmp_path):
        assert [samples[name] for name in samples.sample_ids] == list(samples)
        with pytest.raises(DataError, match="no sample 'val-0001'"):
            samples["val-0001"]
        for wrong in ([0, 1], 1.0, None, (0, 1), np.array([0, 1])):
            with pytest.raises(TypeError, match=r"by a position, an id or a slice, not by a \w+; select"):
                samples[wrong]  # type: ignore[index]
        with pytest.raises(TypeError, match="a slice takes whole numbers"):
            samples[1.5:3]


def test_a_run_on_a_slice_has_its_name(make_samples: Callable[..., Samples], tmp_path: Path) -> None:
    samples = make_samples(4, name="DATA")
    record = mb.predict("bicubic", samples[1:3], tmp_path / "preds").record
    assert (record.dataset.name, record.dataset.n_samples) == ("DATA/1:3", 2)


def test_torch_data_sets_are_sliced_and_check_their_frames(mdlp: Path, tmp_path: Path) -> None:
    samples = open_samples(mdlp)
    items = samples.torch(transform=halved, frames=np.int64(2))
    part = items[1:3]
    assert len(part) == 2 and [item["text"] for item in (part[0], part[1])] == [
        items[1]["text"],
        items[2]["text"],
    ]
    assert torch.equal(part[-1]["gt"], items[2]["gt"])
    assert samples.torch()["train-b"]["sample_id"] == "train-b"
    for wrong, says in (
        (-1, "give a number from 0"),
        (2.5, "whole number"),
        ("3", "whole number"),
        (None, "whole"),
    ):
        with pytest.raises(DataError, match=says):
            samples.torch(frames=wrong)  # type: ignore[arg-type]
    for index in (4, -5):
        with pytest.raises(IndexError, match="there are 4"):
            items[index]


def test_random_access_reads_one_row_group_and_keeps_it(
    make_samples: Callable[..., Samples], monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = make_samples(300)
    read: list[int] = []
    whole = pq.ParquetFile.read_row_group

    def counted(self: pq.ParquetFile, group: int, **options: Any) -> Any:
        read.append(group)
        return whole(self, group, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", counted)
    last = samples.sample_ids[-1]
    assert samples[-1].sample_id == last and samples[-2].sample_id < last
    assert len(read) == 1 and read[0] > 0
    assert samples.select(sample_ids=[last])[0].sample_id == last


def test_items_for_a_data_loader(mdlp: Path, tmp_path: Path) -> None:
    for samples in sources(mdlp, tmp_path)[:3]:
        items = samples.torch(frames=3)
        by_id = {item["sample_id"]: item for item in (items[i] for i in range(len(items)))}
        single = by_id["train-b"]
        assert single["frames"].shape == (3, 3, 112, 224) and single["frames"].dtype == torch.uint8
        assert torch.equal(single["frames"][0], single["frames"][2])
        assert (single["text"], single["has_gt"]) == ("沪AD12345", True)
        without = by_id["val-a"]
        assert (without["text"], without["has_gt"]) == ("", False) and not without["gt"].any()
        captured = next(s for s in samples if s.sample_id == "train-a").decode_gt()
        assert captured is not None
        assert np.array_equal(by_id["train-a"]["gt"].permute(1, 2, 0).numpy(), to_working_size(captured))
        assert samples.torch(frames=0)[0]["frames"].shape == (0, 3, 112, 224)


def halved(item: TorchSample) -> dict[str, Any]:
    return {"gt": item["gt"].float() / 510, "text": item["text"]}


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_workers_give_what_one_process_gives(mdlp: Path, tmp_path: Path, context: str) -> None:
    for samples in sources(mdlp, tmp_path)[1:2]:
        items = samples.torch(transform=halved)
        alone = list(DataLoader(items, batch_size=3))
        shared = list(DataLoader(items, batch_size=3, num_workers=2, multiprocessing_context=context))
        assert [b["text"] for b in shared] == [b["text"] for b in alone]
        assert all(torch.equal(a["gt"], b["gt"]) for a, b in zip(alone, shared, strict=True))
        samples[0]
        assert len(pickle.dumps(items)) < 20_000, "row groups travel to workers"


def test_an_item_without_frames_names_its_sample(make_samples: Callable[..., Samples]) -> None:
    rows = [sample.to_row() | {"frames": [], "frame_indices": []} for sample in make_samples(2, name="a")]
    samples = make_samples(rows=rows, name="b")
    with pytest.raises(DataError, match=f"{samples[0].sample_id}: has no frames"):
        samples.torch()[0]


def test_tables_of_other_libraries(mdlp: Path, tmp_path: Path) -> None:
    for samples in sources(mdlp, tmp_path)[:3]:
        loaded = samples.to_datasets()
        assert loaded["sample_id"][:] == list(samples.sample_ids)
        assert [frame.size for frame in loaded[0]["frames"]] == [(40, 18)] * 3 and loaded[3]["gt"] is None
        table = samples.to_pandas()
        assert "gt" not in table and list(table["text"][:3]) == [s.text for s in samples[:3]]
        assert table["text"].isna().tolist() == [False, False, False, True]
        assert list(samples.to_pandas(["split"]).columns) == ["split"]
        with pytest.raises(DataError, match="no column 'colour'"):
            samples.to_pandas(["colour"])
