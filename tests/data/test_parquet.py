"""The Parquet folder: same bytes back, resumable, independent of workers, damage is seen."""

from __future__ import annotations

import errno
import io
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mdlp_bench.data import (
    DecodedSamples,
    LazySamples,
    ParquetSamples,
    build,
    decode_batch,
    open_samples,
    shards,
    write_parquet,
)
from mdlp_bench.data.bitmap_samples import pixels_of_bitmap
from mdlp_bench.data.inspect import inspect
from mdlp_bench.data.manifest import fingerprint, index_row, read_manifest
from mdlp_bench.data.parquet import _Places
from mdlp_bench.data.sources.base import FileSamples
from mdlp_bench.engine import Engine
from mdlp_bench.errors import DataError, MdlpBenchError
from mdlp_bench.files import sha256_bytes, write_json
from mdlp_bench.images import decode, encode
from mdlp_bench.metrics.protocol import to_working_size
from mdlp_bench.output_folder import unfinished
from mdlp_bench.schema import SAMPLE_SCHEMA, EncodedImage, Sample


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_same_rows_and_fingerprint_back(mdlp: Path, tmp_path: Path) -> None:
    samples = open_samples(mdlp)
    manifest = write_parquet(samples, tmp_path / "pq", name="tiny", version="2.0.0", supersedes="1.0.0")
    back = open_samples(tmp_path / "pq")
    assert list(back.rows()) == list(samples.rows())
    assert back.fingerprint == samples.fingerprint == manifest.fingerprint
    assert back.name == "tiny" and back.splits == {"train": 3, "val": 1} == manifest.splits
    assert (manifest.version, manifest.supersedes, manifest.samples, manifest.plates) == (
        "2.0.0",
        "1.0.0",
        4,
        4,
    )
    assert [p.code for p in back.problems] == ["missing-gt"]


def test_storage_layout(mdlp: Path, tmp_path: Path) -> None:
    write_parquet(open_samples(mdlp), tmp_path / "pq")
    file = pq.ParquetFile(tmp_path / "pq/data/train-00000.parquet")
    group = file.metadata.row_group(0)
    columns = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
    assert columns["frames.list.element.bytes"].compression == "UNCOMPRESSED"
    assert columns["gt.bytes"].compression == "UNCOMPRESSED"
    assert columns["text"].compression == "ZSTD" and columns["text"].has_column_index
    assert file.schema_arrow.equals(SAMPLE_SCHEMA)


def test_row_groups_end_early_at_many_bytes(
    mdlp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "ROW_GROUP_BYTES", 1)
    write_parquet(open_samples(mdlp), tmp_path / "pq")
    assert pq.ParquetFile(tmp_path / "pq/data/train-00000.parquet").num_row_groups == 3
    assert list(open_samples(tmp_path / "pq").rows()) == list(open_samples(mdlp).rows())


def test_manifest_hashes_every_image(mdlp: Path, tmp_path: Path) -> None:
    write_parquet(open_samples(mdlp), tmp_path / "pq")
    index = {row["sample_id"]: row for row in pq.read_table(tmp_path / "pq/manifest.parquet").to_pylist()}
    for row in open_samples(mdlp).rows():
        assert index[row["sample_id"]]["frames_sha256"] == [sha256_bytes(f["bytes"]) for f in row["frames"]]
        expected = None if row["gt"] is None else sha256_bytes(row["gt"]["bytes"])
        assert index[row["sample_id"]]["gt_sha256"] == expected
    manifest = read_manifest(tmp_path / "pq")
    for shard in manifest.shards:
        assert sha256_bytes((tmp_path / "pq" / shard.path).read_bytes()) == shard.sha256


def test_rows_and_samples_give_the_same_files(mdlp: Path, tmp_path: Path) -> None:
    (mdlp / "val/gt").rmdir()
    samples = open_samples(mdlp)
    write_parquet(samples, tmp_path / "a", name="x", shard_rows=2)
    write_parquet(list(samples.rows()), tmp_path / "b", name="x", shard_rows=2)
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


def test_workers_do_not_change_a_byte(mdlp: Path, tmp_path: Path, parallel: Engine) -> None:
    write_parquet(open_samples(mdlp), tmp_path / "a", shard_rows=1)
    write_parquet(open_samples(mdlp), tmp_path / "b", shard_rows=1, engine=parallel)
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


@pytest.mark.parametrize("survive", [0, 1, 2, 3])
def test_killed_and_resumed_gives_the_same_bytes(
    mdlp: Path, tmp_path: Path, survive: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_parquet(open_samples(mdlp), tmp_path / "whole", name="x", shard_rows=1)
    real, calls = build.build_shard, 0

    def dies(samples: Any, task: Any, out: Path) -> int:
        nonlocal calls
        if calls == survive:
            raise KeyboardInterrupt
        calls += 1
        return real(samples, task, out)

    monkeypatch.setattr(build, "build_shard", dies)
    with pytest.raises(KeyboardInterrupt):
        write_parquet(open_samples(mdlp), tmp_path / "cut", name="x", shard_rows=1)
    written = {p: p.stat().st_mtime_ns for p in (tmp_path / "cut").rglob("data/*.parquet")}
    assert len(written) == survive
    monkeypatch.setattr(build, "build_shard", real)
    if survive:
        (tmp_path / "cut/data/.part-0123.parquet").write_bytes(b"PAR1 cut off by the kill")
    write_parquet(open_samples(mdlp), tmp_path / "cut", name="x", shard_rows=1)
    assert tree(tmp_path / "cut") == tree(tmp_path / "whole")
    assert not (tmp_path / "cut/.build").exists()
    assert all(p.stat().st_mtime_ns == time for p, time in written.items()), (
        "a finished shard was written again"
    )


def test_an_unfinished_build_of_other_samples_is_refused(
    mdlp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = list(open_samples(mdlp))
    for number, samples in enumerate((rows, open_samples(mdlp))):
        out = tmp_path / str(number)
        with pytest.raises(KeyboardInterrupt), unfinished(out, {}):
            with shards.ShardWriter(out, "train", 0) as shard:
                shard.add(rows[0])
                shard.finish(("other",))
            raise KeyboardInterrupt
        with pytest.raises(DataError, match="unfinished build of other samples"):
            write_parquet(samples, out)


def _interrupted(samples: Any, out: Path, **options: Any) -> None:
    """Build until the first shard is done."""

    def finish(self: Any, *arguments: Any) -> None:
        finished(self, *arguments)
        raise KeyboardInterrupt

    finished = shards.ShardWriter.finish
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(shards.ShardWriter, "finish", finish)
        write_parquet(samples, out, shard_rows=1, **options)


class _ReadToTell(FileSamples):
    """Samples that only reading tells apart."""

    def files_of(self, entry: Any) -> None:
        return None


def _changed(mdlp: Path) -> None:
    path = mdlp / "train/inputs/a/img_1.jpg"
    pixels = 255 - decode(path.read_bytes(), "x")
    path.write_bytes(encode(pixels, "jpg", quality=95))


@pytest.mark.parametrize("kind", ["files", "read", "rows", "parquet"])
def test_changed_pixels_under_the_same_ids_are_refused(mdlp: Path, tmp_path: Path, kind: str) -> None:
    def opened() -> Any:
        samples = open_samples(mdlp)
        if kind == "rows":
            return list(samples.rows())
        if kind == "parquet":
            shutil.rmtree(tmp_path / "source", ignore_errors=True)
            write_parquet(samples, tmp_path / "source", name="s")
            return open_samples(tmp_path / "source")
        if kind == "read":
            samples.__class__ = _ReadToTell
        return samples

    _interrupted(opened(), tmp_path / "cut", name="x")
    _changed(mdlp)
    with pytest.raises(DataError, match=r"unfinished build of (other files|sample train-a with other)"):
        write_parquet(opened(), tmp_path / "cut", shard_rows=1, name="x")
    assert (tmp_path / "cut/.unfinished.json").is_file(), "a refusal takes nothing away"


def test_a_column_that_changed_is_refused(mdlp: Path, tmp_path: Path) -> None:
    rows = list(open_samples(mdlp).rows())
    _interrupted(rows, tmp_path / "cut")
    with pytest.raises(DataError, match="unfinished build of other rows"):
        write_parquet([row | {"layout": "green_small"} for row in rows], tmp_path / "cut", shard_rows=1)


def test_arguments_that_changed_are_refused_with_both_values(mdlp: Path, tmp_path: Path) -> None:
    _interrupted(open_samples(mdlp), tmp_path / "cut", made_by={"frames": 3})
    for options, told in (
        ({"made_by": {"frames": 5}}, "made by.frames was 3 and is now 5"),
        ({"made_by": {"frames": 3}, "version": "2.0.0"}, 'data.version was "1.0.0" and is now "2.0.0"'),
    ):
        with pytest.raises(DataError, match=re.escape(told)):
            write_parquet(open_samples(mdlp), tmp_path / "cut", shard_rows=1, **options)


@pytest.mark.parametrize("survive", range(5))
def test_rows_that_break_off_and_come_again_give_the_same_bytes(
    mdlp: Path, tmp_path: Path, survive: int
) -> None:
    rows = list(open_samples(mdlp).rows())
    write_parquet(rows, tmp_path / "whole", name="x", shard_rows=2)

    def breaking() -> Iterator[dict[str, Any]]:
        yield from rows[:survive]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_parquet(breaking(), tmp_path / "cut", name="x", shard_rows=2)
    assert not list((tmp_path / "cut").rglob(".*.parquet")), "a half-written shard stays"
    written = {p: p.stat().st_mtime_ns for p in (tmp_path / "cut").rglob("data/*.parquet")}
    write_parquet(rows, tmp_path / "cut", name="x", shard_rows=2)
    assert tree(tmp_path / "cut") == tree(tmp_path / "whole")
    assert all(p.stat().st_mtime_ns == time for p, time in written.items())


@pytest.mark.parametrize("place", [1, 2, 3])
def test_an_id_that_comes_again_is_found_in_any_shard(mdlp: Path, tmp_path: Path, place: int) -> None:
    rows = list(open_samples(mdlp).rows())
    rows[place] = rows[place] | {"sample_id": rows[0]["sample_id"]}
    with pytest.raises(DataError, match="sample train-a: two rows have this id"):
        write_parquet(rows, tmp_path / "pq", shard_rows=2)


def test_targets_that_are_taken(mdlp: Path, tmp_path: Path) -> None:
    samples = open_samples(mdlp)
    write_parquet(samples, tmp_path / "pq")
    with pytest.raises(DataError, match="not empty"):
        write_parquet(samples, tmp_path / "pq")
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="is a file"):
        write_parquet(samples, tmp_path / "file")


def test_rows_that_cannot_be_written(mdlp: Path, tmp_path: Path) -> None:
    row = next(open_samples(mdlp).rows())
    with pytest.raises(DataError, match="two rows have this id"):
        write_parquet([row, row], tmp_path / "a")
    with pytest.raises(DataError, match=r"'sample_id'.* are required"):
        write_parquet([{"split": "train"}], tmp_path / "b")
    with pytest.raises(DataError, match="no sound sample"):
        write_parquet([], tmp_path / "c")
    with pytest.raises(DataError, match="need the same file names"):
        write_parquet([row | {"sample_id": "x", "split": "a b"}, row | {"split": "a_b"}], tmp_path / "d")


def test_broken_samples_are_left_out_and_recorded(mdlp: Path, tmp_path: Path) -> None:
    (mdlp / "train/inputs/b/img_7.JPG").write_bytes(b"")
    manifest = write_parquet(open_samples(mdlp), tmp_path / "pq")
    assert manifest.samples == 3
    assert [(p.code, p.sample_id, p.rejected) for p in manifest.problems if p.rejected] == [
        ("broken-image", "train-b", True)
    ]
    assert "frame 0 (img_7.JPG): the file is empty" in next(
        p.message for p in manifest.problems if p.rejected
    )
    with pytest.raises(DataError, match=r"no sound sample to write; the first problem: sample train-b"):
        write_parquet(open_samples(mdlp).select(sample_ids=["train-b"]), tmp_path / "none")


def test_full_disk_is_one_line_and_leaves_nothing(
    mdlp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(pq.ParquetWriter, "write_batch", full)
        with pytest.raises(
            MdlpBenchError, match=r"train-00000.parquet: cannot be written \(No space left"
        ) as error:
            write_parquet(open_samples(mdlp), tmp_path / "pq")
    assert "\n" not in str(error.value)
    assert not list((tmp_path / "pq").rglob("*.parquet"))
    write_parquet(open_samples(mdlp), tmp_path / "pq")
    assert len(open_samples(tmp_path / "pq")) == 4


def test_selection_batches_and_quarantine(mdlp: Path, tmp_path: Path) -> None:
    write_parquet(open_samples(mdlp), tmp_path / "pq", shard_rows=2)
    samples = open_samples(tmp_path / "pq")
    assert [b.num_rows for b in samples.batches(3)] == [3, 1]
    assert [b.schema.names for b in samples.batches(9, ["text", "sample_id"])] == [["text", "sample_id"]]
    some = samples.select(sample_ids=["val-a", "train-a"])
    assert some.sample_ids == ["train-a", "val-a"] and len(list(some.rows())) == 2
    assert some.fingerprint == open_samples(mdlp).select(sample_ids=["val-a", "train-a"]).fingerprint
    assert open_samples(tmp_path / "pq", split="val").name.endswith("/val")
    with pytest.raises(DataError, match="no split 'x'; there are: train, val"):
        open_samples(tmp_path / "pq", split="x")
    with pytest.raises(DataError, match="no sample 'x'"):
        samples.select(sample_ids=["x"])
    with pytest.raises(DataError, match="no column 'x'"):
        next(samples.batches(columns=["x"]))
    write_json(tmp_path / "pq/quarantine.json", {"train-a": "leak"})
    left = open_samples(tmp_path / "pq")
    assert left.sample_ids == ["train-b", "train-c", "val-a"] and left.splits == {"train": 2, "val": 1}
    assert any(p.code == "quarantined" and "leak" in p.message for p in left.problems)
    assert left.fingerprint == samples.select(sample_ids=left.sample_ids).fingerprint


@given(st.lists(st.sampled_from("abcdefgh"), max_size=12), st.sets(st.sampled_from("abcdefghxyz")))
def test_ids_are_looked_up_as_a_scan_would(ids: list[str], wanted: set[str]) -> None:
    places = _Places(pa.array(ids, pa.string()))
    expected = [n for n, sample_id in enumerate(ids) if sample_id in wanted]
    assert places.of(wanted).tolist() == expected == places.of(sorted(wanted)).tolist()


def test_plain_parquet_without_manifest(mdlp: Path, tmp_path: Path) -> None:
    table = pa.Table.from_batches(open_samples(mdlp).batches())
    (tmp_path / "plain").mkdir()
    pq.write_table(table.drop(["recipe", "degradation"]), tmp_path / "plain/train.parquet", row_group_size=1)
    samples = open_samples(tmp_path / "plain")
    assert samples.fingerprint == open_samples(mdlp).fingerprint
    assert list(samples.rows()) == list(open_samples(mdlp).rows())
    one = ParquetSamples(tmp_path / "plain/train.parquet")
    assert one.sample_ids == samples.sample_ids
    twice = pa.concat_tables([table, table.slice(1, 1)])
    pq.write_table(twice, tmp_path / "plain/train.parquet")
    doubled = open_samples(tmp_path / "plain")
    assert len(doubled) == 4 and [p.code for p in doubled.problems] == ["duplicate-id"]


def test_damaged_or_foreign_parquet(mdlp: Path, tmp_path: Path) -> None:
    write_parquet(open_samples(mdlp), tmp_path / "pq", shard_rows=2)
    victim = tmp_path / "pq/data/train-00001.parquet"
    content = victim.read_bytes()
    for bad in (b"", b"PAR1", content[: len(content) // 2], b"\x80\x04\x95pickle"):
        victim.write_bytes(bad)
        with pytest.raises(DataError, match=r"train-00001\.parquet: not a readable Parquet file"):
            open_samples(tmp_path / "pq")
    flipped = bytearray(content)
    flipped[content.index(b"\xff\xd8\xff") + 40] ^= 0xFF
    victim.write_bytes(flipped)
    samples = open_samples(tmp_path / "pq")
    assert isinstance(samples, ParquetSamples) and [p.code for p in samples.check_shards()] == ["row"]
    with pytest.raises(DataError, match=r"train-00001\.parquet: not a readable"):
        list(samples.rows())
    victim.unlink()
    with pytest.raises(DataError, match=r"train-00001\.parquet: missing"):
        open_samples(tmp_path / "pq")
    victim.write_bytes(content)
    (tmp_path / "pq/manifest.json").write_text("{}")
    with pytest.raises(DataError, match=r"manifest\.json: not a data set manifest"):
        open_samples(tmp_path / "pq")


def test_columns_of_other_types(mdlp: Path, tmp_path: Path) -> None:
    table = pa.Table.from_batches(open_samples(mdlp).batches())
    where = tmp_path / "x.parquet"
    pq.write_table(table.set_column(0, "sample_id", pa.array([None, "a", "b", "c"])), where)
    with pytest.raises(DataError, match="'sample_id' has rows without a value"):
        ParquetSamples(where)
    position = table.schema.get_field_index("gt")
    pq.write_table(table.set_column(position, "gt", pa.array([1, 2, 3, 4])), where)
    with pytest.raises(DataError, match="column 'gt' is int64, must be struct"):
        list(ParquetSamples(where).rows())
    paths = [{"bytes": None, "path": "elsewhere.jpg"}] * 4
    pq.write_table(table.set_column(position, "gt", pa.array(paths, SAMPLE_SCHEMA.field("gt").type)), where)
    with pytest.raises(DataError, match="images without bytes"):
        list(ParquetSamples(where).rows())
    pq.write_table(table.drop(["frames"]), where)
    with pytest.raises(DataError, match="no column 'frames'"):
        ParquetSamples(where)


def test_decoded_batches(mdlp: Path, tmp_path: Path) -> None:
    write_parquet(open_samples(mdlp), tmp_path / "pq")
    samples = open_samples(tmp_path / "pq")
    decoded = decode_batch(next(samples.batches()), 3)
    assert decoded.frames.shape == (4, 3, 112, 224, 3) and decoded.gt.shape == (4, 112, 224, 3)
    assert decoded.has_gt.tolist() == [True, True, True, False] and not decoded.gt[3].any()
    for position, row in enumerate(samples.rows()):
        pictures = [to_working_size(decode(f["bytes"], "f")) for f in row["frames"]]
        for number in range(3):
            expected = pictures[min(number, len(pictures) - 1)]
            np.testing.assert_array_equal(decoded.frames[position, number], expected)
    write_parquet([row | {"frames": [], "frame_indices": []} for row in samples.rows()], tmp_path / "no")
    with pytest.raises(DataError, match="sample train-a: has no frames; degrade"):
        decode_batch(next(open_samples(tmp_path / "no").batches()))


class _Numbers(LazySamples["_Number"]):
    def read(self, entry: _Number, *, with_images: bool) -> Sample:
        raise AssertionError("not read")


class _Number:
    def __init__(self, sample_id: str, split: str) -> None:
        self.sample_id, self.split = sample_id, split


def test_samples_stored_at_the_working_size_decode_to_the_same_arrays(mdlp: Path, tmp_path: Path) -> None:
    captured = open_samples(mdlp, split="train")
    decoded = DecodedSamples(captured)
    manifest = write_parquet(decoded, tmp_path / "decoded")
    back = open_samples(tmp_path / "decoded")
    assert back.name == manifest.name == "set/train-decoded"
    assert back.fingerprint == decoded.fingerprint != captured.fingerprint
    columns = ["sample_id", "frames", "gt", "text"]
    expected, *found = (
        decode_batch(next(samples.batches(columns=columns))) for samples in (captured, decoded, back)
    )
    for batch in found:
        assert (batch.sample_ids, batch.texts) == (expected.sample_ids, expected.texts)
        np.testing.assert_array_equal(batch.frames, expected.frames)
        np.testing.assert_array_equal(batch.gt, expected.gt)
    for image in (i for row in back.rows() for i in (*row["frames"], row["gt"])):
        pixels = pixels_of_bitmap(memoryview(image["bytes"]))
        assert pixels is not None and pixels.shape == (112, 224, 3)
        with Image.open(io.BytesIO(image["bytes"])) as opened:
            np.testing.assert_array_equal(pixels[..., ::-1], np.asarray(opened.convert("RGB")))
        np.testing.assert_array_equal(pixels[..., ::-1], decode(image["bytes"], "x"))
        assert pixels_of_bitmap(memoryview(image["bytes"])[:-1]) is None
    part = decode_batch(next(back.batches()).slice(1))
    assert part.sample_ids == expected.sample_ids[1:]
    np.testing.assert_array_equal(part.frames, expected.frames[1:])
    np.testing.assert_array_equal(part.gt, expected.gt[1:])
    assert decoded.select(sample_ids=["train-c"]).sample_ids == ["train-c"]
    broken = list(captured.rows())
    broken[1]["gt"] = {"bytes": b"no picture", "path": "gt.jpg"}
    write_parquet(broken, tmp_path / "broken")
    rest = write_parquet(DecodedSamples(open_samples(tmp_path / "broken")), tmp_path / "rest")
    assert rest.samples == 2 and [p.code for p in rest.problems] == ["broken-image"]


def test_shards_are_planned_without_reading(mdlp: Path) -> None:
    samples = _Numbers("n", [_Number(f"{i}", "b" if i % 3 else "a") for i in range(10)])
    tasks = list(build.plan_shards(samples, 4))
    assert [(t.split, t.number, len(t.candidates)) for t in tasks] == [("a", 0, 4), ("b", 0, 4), ("b", 1, 2)]


@given(st.lists(st.text("0123456789abcdef", min_size=64, max_size=64), unique=True), st.randoms())
def test_fingerprint_ignores_order(digests: list[str], random: Any) -> None:
    shuffled = list(digests)
    random.shuffle(shuffled)
    whole = "".join(sorted(digests))
    assert fingerprint(digests) == fingerprint(shuffled) == sha256_bytes(whole.encode())
    if digests:
        assert fingerprint(digests) != fingerprint(digests[1:])


def test_records_of_another_version_are_damage(mdlp: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), unfinished(tmp_path / "pq", {}):
        write_json(tmp_path / "pq/.build/train-00000.json", {"number": 0})
        raise KeyboardInterrupt
    with pytest.raises(DataError, match="damaged; delete the folder"):
        write_parquet(open_samples(mdlp), tmp_path / "pq")
    shutil.rmtree(tmp_path / "pq")


@pytest.mark.parametrize("with_manifest", [True, False])
def test_unreadable_texts_of_earlier_versions_are_left_out(
    mdlp: Path, tmp_path: Path, with_manifest: bool
) -> None:
    texts = {
        "train-a": "#####",
        "train-b": "京AXXXXX",
        "val-c": "京P20S75",
        "val-d": "XXX1234",
        "val-e": None,
    }
    gt = EncodedImage(encode(np.zeros((4, 8, 3), np.uint8)))
    rows = [
        Sample(sample_id=i, plate_id=t or i, track_id=i, split=i.split("-")[0], domain="real", source="mdlp",
               gt=gt, text=t, text_origin="label" if t else None)
        for i, t in texts.items()
    ]  # fmt: skip
    write_parquet(rows, tmp_path / "old")
    if not with_manifest:
        for name in ("manifest.json", "manifest.parquet"):
            (tmp_path / "old" / name).unlink()
    samples = open_samples(tmp_path / "old")
    assert [s.text for s in samples] == [None, None, "京P20S75", "XXX1234", None]
    assert [s.plate_id for s in samples][:3] == ["train-a", "train-b", "京P20S75"]
    assert [(p.code, p.sample_id) for p in samples.problems] == [
        ("text-unreadable", "train-a"), ("text-unreadable", "train-b"),
    ]  # fmt: skip
    assert samples.fingerprint == fingerprint(row["digest"] for row in map(index_row, samples))
    assert list(samples.index()) == list(map(index_row, samples))
    assert not samples.select(split="val").problems and samples.select(split="val").splits == {"val": 3}
    found = inspect(samples)
    assert found.splits["train"].with_text == 0 and found.problems == {"text-unreadable": 2} and found.sound
