"""LRLPR and UFPR tracks, LPBlur, named crops, tables, the hub, sniffing; names and labels under fuzzing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdlp_bench import images
from mdlp_bench.data import open_samples, write_parquet
from mdlp_bench.data.sources.labels import read_labels
from mdlp_bench.data.sources.names import natural_key, printable, sample_id_of
from mdlp_bench.data.sources.registry import SOURCES, sniff
from mdlp_bench.errors import DataError

Draw = Callable[..., bytes]


def test_lrlpr(lrlpr: Path) -> None:
    samples = open_samples(lrlpr)
    rows = {row["sample_id"]: row for row in samples.rows()}
    assert list(rows) == ["test-track_00002", "train-Scenario-A-Brazilian-track_00001"]
    train = rows["train-Scenario-A-Brazilian-track_00001"]
    assert (train["text"], train["layout"], train["frame_indices"]) == (
        "AVL5215",
        "brazilian",
        [1, 2, 3, 4, 5],
    )
    largest = lrlpr / "train/Scenario-A/Brazilian/track_00001/hr-005.png"
    assert train["gt"]["bytes"] == largest.read_bytes()
    assert rows["test-track_00002"]["gt"] is None and not samples.problems
    inside = open_samples(lrlpr / "train")
    assert inside.sample_ids == ["train-Scenario-A-Brazilian-track_00001"]


def test_equally_large_truths_give_the_later_one(lrlpr: Path, draw: Draw) -> None:
    track = lrlpr / "train/Scenario-A/Brazilian/track_00001"
    for n in range(1, 6):
        (track / f"hr-{n:03d}.png").write_bytes(draw(50 + n, 100, 40, "png"))
    row = next(open_samples(lrlpr, split="train").rows())
    assert row["gt"]["bytes"] == (track / "hr-005.png").read_bytes()


def test_lrlpr_cut_out_through_corners(lrlpr: Path) -> None:
    samples = open_samples(lrlpr, source="lrlpr-rectified")
    assert [p.code for p in samples.problems] == ["annotation"], "the test track has no corners"
    row = next(samples.rows())
    assert images.decode(row["frames"][0]["bytes"], "f").shape[:2] == (12, 42)


@pytest.mark.parametrize(
    ("content", "codes"),
    [
        ("{", ["annotation", "text-missing"]),
        ("[]", ["annotation", "text-missing"]),
        ('{"plate_text": "皖"}', ["text-grammar"]),
        ("[" * 9999, ["annotation", "text-missing"]),
    ],
)
def test_lrlpr_annotations_that_are_wrong(lrlpr: Path, content: str, codes: list[str]) -> None:
    (lrlpr / "train/Scenario-A/Brazilian/track_00001/annotations.json").write_text(content, "utf-8")
    samples = open_samples(lrlpr, split="train")
    assert len(samples) == 1 and [p.code for p in samples.problems] == codes


@pytest.mark.parametrize(
    "corners", [[], None, 7, {"lr-001.png": []}, {"lr-001.png": None}, {"lr-001.png": {"top-left": "x"}}]
)
def test_corners_that_cannot_be_used_leave_text_and_layout(lrlpr: Path, corners: Any) -> None:
    content = {"plate_layout": "Brazilian", "plate_text": "ABC1234", "corners": corners}
    path = lrlpr / "train/Scenario-A/Brazilian/track_00001/annotations.json"
    path.write_text(json.dumps(content))
    samples = open_samples(lrlpr, split="train")
    row = next(samples.rows())
    assert (row["text"], row["layout"]) == ("ABC1234", "brazilian")
    (note,) = samples.problems
    assert note.code == "annotation" and not note.rejected and "annotations.json" in note.message


@pytest.mark.parametrize("points", [[[2, 2], [45, 15]], [[45, 15], [2, 2]], [2, 2, 45, 2, 45, 15, 2, 15]])
def test_corners_as_a_box_or_in_one_row(lrlpr: Path, points: list[Any]) -> None:
    names = [f"{kind}-{n:03d}.png" for kind in ("lr", "hr") for n in range(1, 6)]
    content = {"plate_text": "ABC1234", "corners": dict.fromkeys(names, points)}
    path = lrlpr / "train/Scenario-A/Brazilian/track_00001/annotations.json"
    path.write_text(json.dumps(content))
    row = next(open_samples(lrlpr, split="train", source="lrlpr-rectified").rows())
    assert images.decode(row["frames"][0]["bytes"], "f").shape[:2] == (13, 43)


def ufpr_track(folder: Path, draw: Draw, shape: dict[str, Any]) -> Path:
    """A track of five LR and five HR images with the same LabelMe shape."""
    folder.mkdir(parents=True)
    for kind, size in (("lr", (48, 17)), ("hr", (100, 40))):
        for n in range(1, 6):
            (folder / f"{kind}-{n:03d}.png").write_bytes(draw(n, *size, "png"))
            (folder / f"{kind}-{n:03d}.json").write_text(json.dumps({"shapes": [shape]}))
    (folder / "plate-000001_ABC1234.txt").write_text("ABC1234")
    return folder


def test_a_labelme_rectangle_of_two_points_is_a_box(tmp_path: Path, draw: Draw) -> None:
    shape = {"label": "plate", "shape_type": "rectangle", "points": [[44, 15], [2, 3]]}
    ufpr_track(tmp_path / "d/train/plate-000001", draw, shape)
    samples = open_samples(tmp_path / "d", source="ufpr-rectified")
    row = next(samples.rows())
    assert not samples.problems and images.decode(row["frames"][0]["bytes"], "f").shape[:2] == (12, 42)


@pytest.mark.parametrize(
    "shape",
    [{}, {"points": None}, {"points": [[1, 1]]}, {"points": [[1, 1], [2, 2], [3, 3]]}, {"points": "x"}],
)
def test_labelme_shapes_that_are_no_plate_leave_the_text(tmp_path: Path, draw: Draw, shape: Any) -> None:
    ufpr_track(tmp_path / "d/train/plate-000001", draw, shape)
    samples = open_samples(tmp_path / "d")
    assert next(samples.rows())["text"] == "ABC1234"
    assert {p.code for p in samples.problems} == {"annotation"} and len(samples.problems) == 10


def test_a_text_file_that_contradicts_its_name_is_told(tmp_path: Path, draw: Draw) -> None:
    track = ufpr_track(tmp_path / "d/plate-000001", draw, {"points": [[2, 3], [44, 15]]})
    (track / "plate-000001_ABC1234.txt").write_text("A8C1234")
    samples = open_samples(tmp_path / "d")
    assert next(samples.rows())["text"] == "ABC1234"
    (conflict,) = samples.problems
    assert "plate-000001_ABC1234.txt says ABC1234, " in conflict.message
    assert "plate-000001_ABC1234.txt says A8C1234; the first is taken" in conflict.message
    (track / "plate-000001_ABC1234.txt").write_bytes("京A12345".encode("gbk"))
    (track / "plate-000001_ABC1234.txt").rename(track / "plate-000001_TEXT.txt")
    assert open_samples(tmp_path / "d")[0].text == "京A12345"
    (track / "plate-000001_京A12346.txt").write_bytes("京A12346".encode("utf-16"))
    found = [p.message for p in open_samples(tmp_path / "d").problems]
    assert len(found) == 1 and "says 京A12346" in found[0] and "says 京A12345" in found[0]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("Annotations.JSON", '{"plate_layout": "Brazilian", "plate_text": "ABC1234"}'),
        ("annotation.json", '{"Layout": "Brazilian", "PlateText": "ABC1234", "corners": null}'),
        ("annotations.json", '\ufeff{"Plate_Layout": "brazilian", "license_plate": "ABC-1234"}'),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "gbk"])
def test_annotations_as_people_write_them(lrlpr: Path, name: str, content: str, encoding: str) -> None:
    track = lrlpr / "train/Scenario-A/Brazilian/track_00001"
    (track / "annotations.json").unlink()
    (track / name).write_bytes(content.encode(encoding, "ignore"))
    sample = open_samples(lrlpr, split="train")[0]
    assert (sample.text, sample.layout) == ("ABC1234", "brazilian")


def test_a_text_in_the_name_of_a_track(lrlpr: Path) -> None:
    track = lrlpr / "train/Scenario-A/Brazilian/track_00001"
    track = track.rename(track.with_name("track_00001_ABC1234"))
    (said,) = open_samples(lrlpr, split="train").problems
    assert "the folder's name says ABC1234, the annotation AVL5215, which is taken" in said.message
    (track / "annotations.json").unlink()
    samples = open_samples(lrlpr, split="train")
    assert (samples[0].text, samples[0].text_origin) == ("ABC1234", "filename") and not samples.problems
    track.rename(track.with_name("track_00001_copy"))
    assert "track_00001" not in "".join(open_samples(lrlpr).candidates().get("train", ()))


@pytest.mark.parametrize(
    ("kind", "points", "good"),
    [
        ("polygon", [[2, 3], [44, 3], [44, 15], [2, 15], [2, 3]], True),
        ("polygon", [[2, 3], [20, 3], [44, 3], [44, 15], [20, 15.2], [2, 15]], True),
        ("polygon", [[2, 3], [20, 1], [44, 3], [44, 15], [2, 15]], False),
        ("circle", [[20, 8], [24, 8]], False),
        ("line", [[2, 3], [44, 15]], False),
    ],
)
def test_polygons_with_more_points_and_shapes_that_are_no_box(
    tmp_path: Path, draw: Draw, kind: str, points: list[list[float]], good: bool
) -> None:
    ufpr_track(tmp_path / "d/t/plate-000001", draw, {"shape_type": kind, "points": points})
    samples = open_samples(tmp_path / "d", source="ufpr-rectified")
    assert len(samples) == good and bool(samples.problems) is not good
    if good:
        assert images.decode(samples[0].frames[0].content, "f").shape[:2] == (12, 42)


def test_captured_tracks_are_not_taken_for_a_layout(tmp_path: Path, draw: Draw) -> None:
    for name in ("track_0001", "track_0002"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "frame_1.png").write_bytes(draw(1, 40, 12, "png"))
    with pytest.raises(DataError, match="`mdlp-bench data pair` makes samples"):
        open_samples(tmp_path)


def test_the_conflict_of_the_public_sample(shared_dir: Path) -> None:
    samples = open_samples(shared_dir / "real/ufpr_sr")
    texts = {row["sample_id"]: row["text"] for row in samples.rows(["sample_id", "text"])}
    assert texts["mercosur-plate-002511"] == "TAL7G47"
    (conflict,) = samples.problems
    assert conflict.sample_id == "mercosur-plate-002511" and "TIL7G47" in conflict.message


def test_ufpr(tmp_path: Path, draw: Draw) -> None:
    track = tmp_path / "ufpr/train/plate-000001"
    track.mkdir(parents=True)
    points = [[5, 4], [40, 4], [40, 14], [5, 14]]
    for n in range(1, 4):
        for kind, width in (("lr", 48), ("hr", 120)):
            (track / f"{kind}-{n:03d}.png").write_bytes(draw(n, width, width // 3, "png"))
            content = {"shapes": [{"label": "plate", "points": points}], "imageHeight": 1}
            (track / f"{kind}-{n:03d}.json").write_text(json.dumps(content))
    (track / "000001_ABC1D23.txt").write_text("")
    row = next(open_samples(tmp_path / "ufpr").rows())
    assert (row["sample_id"], row["text"], row["layout"]) == ("train-plate-000001", "ABC1D23", "mercosur")
    cut = next(open_samples(tmp_path / "ufpr", source="ufpr-rectified").rows())
    assert images.decode(cut["frames"][0]["bytes"], "f").shape[:2] == (10, 35)
    (track / "000001_ABC1D23.txt").rename(track / "000001_TEXT.txt")
    (track / "000001_TEXT.txt").write_text("XYZ9876\n")
    assert next(open_samples(tmp_path / "ufpr").rows(["text"]))["text"] == "XYZ9876"
    (track / "lr-001.json").write_text("no json")
    assert [p.code for p in open_samples(tmp_path / "ufpr").problems] == ["annotation"]


def test_lpblur(tmp_path: Path, draw: Draw) -> None:
    root = tmp_path / "lpblur"
    for kind in ("blur", "sharp"):
        (root / "train" / kind).mkdir(parents=True)
        for n in range(3):
            (root / "train" / kind / f"grab{n}.jpg").write_bytes(draw(n, 224, 112))
    (root / "train/sharp/grab2.jpg").unlink()
    (root / "train/sharp/extra.jpg").write_bytes(draw(9))
    (root / "plate_info.txt").write_text("grab0.jpg,苏UZ502G\ngrab1.jpg,苏A12345\n", "utf-8")
    samples = open_samples(root)
    rows = list(samples.rows())
    assert [row["text"] for row in rows] == ["苏UZ502G", "苏A12345", None]
    assert rows[0]["gt"]["bytes"] == (root / "train/sharp/grab0.jpg").read_bytes() and rows[2]["gt"] is None
    assert sorted(p.code for p in samples.problems) == ["missing-gt", "no-frames", "text-missing"]
    # Modes within the two kinds instead of kinds within the modes: nothing is read, and that is said.
    for kind in ("blur", "sharp"):
        shutil.copytree(root / "train" / kind, tmp_path / "turned" / kind / "train")
    turned = open_samples(tmp_path / "turned")
    assert len(turned) == 0 and [p.code for p in turned.problems] == ["ignored-file"] * 2


def test_named_crops(shared_dir: Path, tmp_path: Path, draw: Draw) -> None:
    samples = open_samples(shared_dir / "real/plate_crops")
    assert len(samples) == 483 and not any(p.is_defect and p.rejected for p in samples.problems)
    assert {row["text_origin"] for row in samples.rows(["text_origin"])} == {"filename"}
    for n, name in enumerate(["皖A12345_1.jpg", "皖A12345_2.jpg", "catalogue.jpg"]):
        (tmp_path / name).write_bytes(draw(n))
    found = open_samples(tmp_path)
    assert [row["plate_id"] for row in found.rows(["plate_id"])] == ["CATALOGUE", "皖A12345", "皖A12345"]
    assert [p.code for p in found.problems] == ["text-grammar"]
    for n, name in enumerate(["京P20S75 (1).jpg", "京P20S75-2.PNG", "渝A·12345 copy.jpg", "._皖A12345.jpg"]):
        (tmp_path / name).write_bytes(draw(n, 40, 12, "png" if name.endswith("G") else "jpg"))
    assert sorted(open_samples(tmp_path).column("text"))[1:4] == ["京P20S75", "京P20S75", "渝A12345"]


def test_tables(tmp_path: Path, draw: Draw) -> None:
    for n in range(4):
        (tmp_path / f"{n}.jpg").write_bytes(draw(n))
    table = tmp_path / "t.csv"
    table.write_text(
        "id,frame_1,frame_2,gt,text,split,track_id\n"
        "x,0.jpg,1.jpg,2.jpg,京P20S75,val,t7\n"
        "y,1.jpg,,3.jpg,,val,\n"
        "z,missing.jpg,,,,val,\n"
        "w,,,,,val,\n",
        "utf-8",
    )
    samples = open_samples(table)
    rows = list(samples.rows())
    assert [row["sample_id"] for row in rows] == ["x", "y"]
    assert (rows[0]["track_id"], rows[0]["text"], rows[0]["split"]) == ("t7", "京P20S75", "val")
    assert len(rows[1]["frames"]) == 1 and rows[1]["track_id"] == "y"
    assert [(p.code, p.sample_id) for p in samples.problems] == [("broken-image", "z"), ("row", "w")]
    tsv = tmp_path / "t.tsv"
    tsv.write_text("frames\tgt\n0.jpg|1.jpg|2.jpg\t3.jpg\n", "utf-8")
    row = next(open_samples(tsv).rows())
    assert row["sample_id"] == "all-000001" and row["frame_indices"] == [0, 1, 2]


def test_parquet_tables_of_paths_and_of_bytes(tmp_path: Path, draw: Draw) -> None:
    (tmp_path / "0.jpg").write_bytes(draw(0))
    pq.write_table(pa.table({"lr": [["0.jpg", "0.jpg"]], "hr": ["0.jpg"]}), tmp_path / "paths.parquet")
    assert len(next(open_samples(tmp_path / "paths.parquet").rows())["frames"]) == 2
    image = {"bytes": draw(1), "path": "a/b.jpg"}
    pq.write_table(
        pa.table({"image": [image, image], "label": ["京P20S75", None]}),
        tmp_path / "bytes.parquet",
        row_group_size=1,
    )
    rows = list(open_samples(tmp_path / "bytes.parquet").rows())
    assert rows[0]["gt"] == {"bytes": image["bytes"], "path": "b.jpg"} and rows[1]["text"] is None


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("t.csv", b"", "the table is empty"),
        ("t.csv", b"a,b\n1,2\n", "no column of images"),
        ("t.csv", b"frames,\xff\xff\n", "not UTF-8"),
        ("t.parquet", b"\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00\x8c", "not a readable Parquet file"),
        ("t.csv", b'frames,gt\n"' + b"x" * 200_000 + b'",y\n', "field larger than field limit"),
    ],
)
def test_tables_that_cannot_be_read(tmp_path: Path, name: str, content: bytes, complaint: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=complaint) as error:
        open_samples(tmp_path / name)
    assert "\n" not in str(error.value)


def test_table_values_that_are_not_of_the_schema(tmp_path: Path, draw: Draw) -> None:
    (tmp_path / "0.jpg").write_bytes(draw(0))
    (tmp_path / "t.csv").write_text(
        "gt,domain,text_origin,frame_indices,frames\n"
        "0.jpg,martian,,,\n0.jpg,,guessed,,\n0.jpg,,,one,0.jpg\n0.jpg,,,1|2,0.jpg\n0.jpg,real,label,7,0.jpg\n"
    )
    samples = open_samples(tmp_path / "t.csv")
    assert len(samples) == 1 and next(samples.rows())["frame_indices"] == [7]
    assert len([p for p in samples.problems if p.rejected]) == 4


def test_hub_reads_what_datasets_reads(mdlp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    write_parquet(open_samples(mdlp), tmp_path / "pq")
    samples = open_samples(str(tmp_path / "pq"), source="hub")
    assert samples.fingerprint == open_samples(mdlp).fingerprint
    assert set(samples.splits.values()) == {3, 1}

    def offline(*_: object, **__: object) -> None:
        raise ConnectionError("no route to the hub\nsecond line")

    monkeypatch.setattr(datasets, "load_dataset", offline)
    with pytest.raises(DataError, match=r"hf://a/b: cannot be loaded from the hub \(no route to the hub\)"):
        open_samples("hf://a/b")


def test_sniffing(mdlp: Path, lrlpr: Path, tmp_path: Path, shared_dir: Path) -> None:
    write_parquet(open_samples(mdlp), tmp_path / "pq")
    expected = {
        mdlp: "mdlp",
        mdlp / "train": "mdlp",
        lrlpr: "lrlpr",
        tmp_path / "pq": "parquet",
        tmp_path / "pq/data/train-00000.parquet": "parquet",
        shared_dir / "real/ccpd_scenes": "ccpd",
        shared_dir / "real/plate_crops": "crops",
    }
    assert {path: sniff(path).name for path in expected} == expected
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no known layout"):
        open_samples(tmp_path / "empty")
    with pytest.raises(DataError, match="no such file or folder"):
        open_samples(tmp_path / "nowhere")
    with pytest.raises(DataError, match="no source 'x'; there are: parquet, mdlp"):
        open_samples(mdlp, source="x")
    shutil.copytree(lrlpr / "train", mdlp / "more")
    with pytest.raises(DataError, match=r"the folder itself .mdlp or lrlpr., more .lrlpr., train .mdlp."):
        open_samples(mdlp)
    assert len(open_samples(mdlp, source="mdlp")) == 4


def test_every_source_says_what_it_reads() -> None:
    assert all(source.title and source.layout for source in SOURCES.values())


@given(st.lists(st.text(max_size=12), max_size=8), st.randoms())
def test_natural_order_is_total(names: list[str], random: Any) -> None:
    shuffled = list(names)
    random.shuffle(shuffled)
    assert sorted(names, key=natural_key) == sorted(shuffled, key=natural_key)


@given(st.lists(st.integers(0, 10**30), unique=True, max_size=8))
def test_natural_order_is_numeric(numbers: list[int]) -> None:
    names = [f"img_{number}.jpg" for number in numbers]
    assert sorted(names, key=natural_key) == [f"img_{number}.jpg" for number in sorted(numbers)]


@given(st.text(max_size=300), st.text(max_size=300))
def test_sample_ids_are_file_names(left: str, right: str) -> None:
    left, right = printable(left), printable(right)
    assert left.isprintable() and left == left.encode().decode()
    name = sample_id_of(left, right)
    assert name and len(name.encode()) <= 200 and name == sample_id_of(left, right)
    assert not set(name) & set('/\\:*?"<>| \n\0') and name[0] != "."


@given(st.binary(max_size=200))
def test_any_bytes_as_a_label_list(content: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "labels.csv")
        path.write_bytes(content)
        try:
            rows, problems = read_labels(path)
        except DataError as error:
            assert "\n" not in str(error)
        else:
            assert all(row.key for row in rows) and all("\n" not in p.message for p in problems)


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("plate-000001.txt", "ABC1234\n", "ABC1234"),
        ("plate-000001.txt", "type: car\nPlate: ABC-1234\n", "ABC1234"),
        ("ABC1234.txt", "", "ABC1234"),
        ("plate-000001_ABC1234.txt", "type: car\nplate: ABC1234\n", "ABC1234"),
        ("plate-000001_TEXT.txt", "ABC1234", "ABC1234"),
        ("notes.txt", "two\nlines\n", None),
        ("plate-000001_#######.txt", "#######", None),
    ],
)
def test_where_the_text_of_a_ufpr_track_may_stand(
    tmp_path: Path, draw: Draw, name: str, content: str, text: str | None
) -> None:
    track = ufpr_track(tmp_path / "d/plate-000001", draw, {"points": [[2, 3], [44, 15]]})
    (track / "plate-000001_ABC1234.txt").unlink()
    (track / name).write_text(content, "utf-8")
    samples = open_samples(tmp_path / "d")
    assert samples[0].text == text and not [p for p in samples.problems if p.code == "annotation"]
