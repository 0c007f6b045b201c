"""Tables and labels as people write them: encodings, delimiters, headers, paths; labels that are no texts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from mdlp_bench import images, plate
from mdlp_bench.cli.main import app
from mdlp_bench.curate.tracks import BadTrack, open_tracks
from mdlp_bench.data import open_samples, write_parquet
from mdlp_bench.data.sources.labels import check_text, read_labels
from mdlp_bench.data.sources.text_table import cell_text, read_lines
from mdlp_bench.errors import DataError
from mdlp_bench.harness.text_columns import GtReadings, text_columns
from mdlp_bench.metrics.protocol import MDLP_V1

TEXTS = ("皖A12345", "京P20S75", "苏UZ502G")


def picture(path: Path, width: int = 40, height: int = 12) -> Path:
    """A noise picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(width).integers(0, 255, (height, width, 3)).astype(np.uint8)
    path.write_bytes(images.encode(pixels))
    return path


@pytest.fixture
def mdlp(tmp_path: Path) -> Path:
    """Three groups of one split."""
    for group in "abc":
        picture(tmp_path / f"d/test/inputs/{group}/img_1.png")
        picture(tmp_path / f"d/test/gt/{group}/gt.png", 90, 30)
    return tmp_path / "d"


def texts_of(folder: Path, **options: str) -> list[str | None]:
    return [row["text"] for row in open_samples(folder, **options).rows(["text"])]


Writer = Callable[[str], bytes]
ENCODINGS: dict[str, Writer] = {
    "utf-8": lambda text: text.encode(),
    "utf-8 with mark": lambda text: text.encode("utf-8-sig"),
    "gbk": lambda text: text.encode("gbk"),
    "gb18030": lambda text: text.encode("gb18030"),
    "utf-16": lambda text: text.encode("utf-16"),
    "utf-16 big endian with mark": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "utf-16 without mark": lambda text: text.encode("utf-16-le"),
    "utf-16 big endian": lambda text: text.encode("utf-16-be"),
}
HEADS = [
    "",
    "group,text\n",
    "Group,Text\n",
    "FILENAME,Plate_Text\n",
    "Image Path,License-Plate\n",
    "文件名,车牌号\n",
]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("delimiter", [",", "\t", ";", "，"])
@pytest.mark.parametrize("head", HEADS)
def test_label_lists_of_every_dialect(mdlp: Path, encoding: str, delimiter: str, head: str) -> None:
    lines = head + "\n".join(f"{group},{text}" for group, text in zip("abc", TEXTS, strict=True)) + "\n"
    content = ENCODINGS[encoding](lines.replace(",", delimiter).replace("\n", "\r\n"))
    (mdlp / "labels.csv").write_bytes(content)
    samples = open_samples(mdlp)
    assert texts_of(mdlp) == list(TEXTS) and not samples.problems


@pytest.mark.parametrize(
    "key",
    [
        "test/{}",
        "test\\{}",
        "test/gt/{}/gt.png",
        "D:\\MDLP\\test\\gt\\{}\\gt.png",
        "./{}/",
        "/data/test/{}/gt.png",
    ],
)
def test_keys_are_paths_from_any_machine(mdlp: Path, key: str) -> None:
    lines = [f"{key.format(group)},{text}" for group, text in zip("abc", TEXTS, strict=True)]
    (mdlp / "labels.txt").write_text("\n".join(lines), "utf-8")
    assert texts_of(mdlp) == list(TEXTS) and not open_samples(mdlp).problems


def test_lists_with_blanks_a_sep_line_or_trailing_cells(mdlp: Path) -> None:
    labels = mdlp / "labels.txt"
    for content in (
        "a  皖A12345\nb 京P20S75\nc\u3000苏UZ502G\n",
        "sep=;\ngroup;text\na;皖A12345\nb;京P20S75\nc;苏UZ502G\n",
        "a,皖A12345,,\nb,京P20S75,\nc,苏UZ502G\n",
        "# by hand\ngroup,text\na,皖A12345\nb,京P20S75\nc,苏UZ502G\n",
        "a=皖A12345\nb=京P20S75\nc=苏UZ502G\n",
        "A：皖A12345\nB：京P20S75\nC：苏UZ502G\n",
        "a,皖A12345\na,皖 A·12345\nb,京P20S75\nc,苏UZ502G\n",
        "A,皖A12345\nB,京P20S75\nC,苏UZ502G\n",
        "a/gt.png 皖 A12345\nb/gt.png 京P20S75\nc/gt.png 苏UZ502G\n",
        'group,text,note\na,皖A12345,"x, y"\nb,京P20S75,\n\nc,苏UZ502G,z\n',
        "'a','皖A12345'\n'b','京P20S75'\n'c','苏UZ502G'\n",
        "a\t\t皖A12345\nb\t京P20S75\nc\t\t苏UZ502G\n",
        "皖A12345,a\n京P20S75,b\n苏UZ502G,c\n",
        "a,\na,皖A12345\nb,京P20S75\nc,苏UZ502G\nb,\n",
        "ImagePath,LicensePlateNumber\na/gt.png,皖A12345\nb/gt.png,京P20S75\nc/gt.png,苏UZ502G\n",
        "Folder,Ground Truth\na,皖A12345\nb,京P20S75\nc,苏UZ502G\n",
        "label,plate_number,group\n0,皖A12345,a\n1,京P20S75,b\n2,苏UZ502G,c\n",
    ):
        labels.write_text(content, "utf-8")
        assert texts_of(mdlp) == list(TEXTS), content


@pytest.mark.parametrize("name", ["Labels.CSV", "label.txt", "LABEL.csv", "Plate_Info.txt"])
def test_names_of_label_lists_in_any_case(mdlp: Path, name: str) -> None:
    (mdlp / name).write_text("a,皖A12345\nb,京P20S75\nc,苏UZ502G\n", "utf-8")
    assert texts_of(mdlp) == list(TEXTS) and not open_samples(mdlp).problems


@pytest.mark.parametrize("name", ["annotations.csv", "gt.txt", "labels.xlsx", "labels.json"])
def test_a_list_under_another_name_is_named(mdlp: Path, name: str) -> None:
    (mdlp / name).write_text("a,皖A12345\n", "utf-8")
    (mdlp / "README.txt").write_text("about", "utf-8")
    (note,) = open_samples(mdlp).problems
    assert f"{name}: not read; a label list is called labels.csv" in note.message and not note.rejected
    if name.endswith(("csv", "txt")):
        assert texts_of(mdlp, labels=str(mdlp / name)) == [TEXTS[0], None, None]


def test_excel_takes_zeros_away(mdlp: Path) -> None:
    for kind in ("inputs", "gt"):
        for number, group in enumerate("abc"):
            (mdlp / "test" / kind / group).rename(mdlp / "test" / kind / f"{number:04d}")
    for content in ("0,皖A12345\n1,京P20S75\n2,苏UZ502G\n", "0.0,皖A12345\n1.0,京P20S75\n2.0,苏UZ502G\n"):
        (mdlp / "labels.csv").write_text(content, "utf-8")
        assert texts_of(mdlp) == list(TEXTS) and not open_samples(mdlp).problems
    (mdlp / "test/inputs/0001").rename(mdlp / "test/inputs/2")
    (mdlp / "labels.csv").write_text("02,京P20S75\n2,苏UZ502G\n", "utf-8")
    samples = open_samples(mdlp)
    said = [p.message for p in samples.problems if p.code == "label"]
    assert len(said) == 1 and "means several groups (test/2, test/0002)" in said[0]
    assert {s.sample_id: s.text for s in samples}["test-2"] == TEXTS[2]


@pytest.mark.parametrize(
    "key",
    [
        "{}",
        "test/{}",
        "test-{}",
        "D:\\x\\test\\inputs\\{}\\img_1.png",
        "{}.png",
        "/data/MDLP/test/gt/{}/gt.png",
    ],
)
def test_given_lists_have_the_keys_of_those_in_place(mdlp: Path, tmp_path: Path, key: str) -> None:
    given = tmp_path / "given.csv"
    given.write_text("".join(f"{key.format(g)},{t}\n" for g, t in zip("abc", TEXTS, strict=True)), "utf-8")
    assert texts_of(mdlp, labels=str(given)) == list(TEXTS)


def test_files_that_are_no_tables_are_called_by_their_names(mdlp: Path) -> None:
    for content, said in (
        (b"PK\x03\x04" + bytes(60), "a zip archive or an Excel workbook"),
        (b"\xd0\xcf\x11\xe0" + bytes(60), "save the sheet as CSV"),
        (b'{"a": "b"}', "JSON; write the table as CSV"),
    ):
        (mdlp / "labels.csv").write_bytes(content)
        with pytest.raises(DataError, match=said):
            open_samples(mdlp)


def test_lists_of_a_mode_and_of_the_whole_may_contradict(tmp_path: Path) -> None:
    for folder in ("Blur", "SHARP"):
        for name in "xy":
            picture(tmp_path / f"lp/test/{folder}/{name}.png")
    (tmp_path / "lp/labels.csv").write_text("x.png,皖A12345\ny,京P20S75\n", "utf-8")
    (tmp_path / "lp/test/plate_info.txt").write_text("x.png,皖A12346\n", "utf-8")
    samples = open_samples(tmp_path / "lp")
    assert texts_of(tmp_path / "lp") == [None, "京P20S75"]
    assert "'皖A12346' here but '皖A12345'" in next(p.message for p in samples.problems if p.code == "label")


def test_indices_in_cells_of_their_own_are_one_vector(mdlp: Path) -> None:
    (mdlp / "labels.csv").write_text("a,[1, 2, 3, 4, 5, 6, 7]\nb,1,2,3,4,5,6,7\nc,苏UZ502G\n", "utf-8")
    samples = open_samples(mdlp)
    assert texts_of(mdlp) == [None, None, TEXTS[2]]
    assert [p.code for p in samples.problems] == ["text-unreadable"] * 2
    assert "vector of indices" in samples.problems[0].message


def test_a_table_without_header_is_pictures_and_texts(tmp_path: Path) -> None:
    picture(tmp_path / "imgs/1.png")
    (tmp_path / "t.csv").write_text("imgs/1.png,皖A12345\nimgs\\1.png,京P20S75\n", "utf-8")
    assert texts_of(tmp_path / "t.csv") == ["皖A12345", "京P20S75"]


def test_undecodable_lists_name_the_byte(mdlp: Path) -> None:
    (mdlp / "labels.csv").write_bytes(b"a,\xff\xfe\xfdx\n")
    with pytest.raises(DataError, match=r"labels\.csv: not UTF-8 \(byte 2\)"):
        open_samples(mdlp)


def test_lines_that_match_nothing_are_named(mdlp: Path, tmp_path: Path) -> None:
    (mdlp / "labels.csv").write_text("a,皖A12345\nzz,京P20S75\na,b,c\n", "utf-8")
    messages = [p.message for p in open_samples(mdlp).problems if p.code == "label"]
    assert any("labels.csv:2: 'zz' labels no group" in m for m in messages) and any(
        ":3:" in m for m in messages
    )
    for folder in ("blur", "sharp"):
        picture(tmp_path / f"lp/test/{folder}/x.png")
    (tmp_path / "lp/test/plate_info.txt").write_text("x.png,皖A12345\ny.png,京P20S75\n", "utf-8")
    samples = open_samples(tmp_path / "lp")
    assert ["plate_info.txt:2: 'y.png' labels no sample" in p.message for p in samples.problems] == [True]


def test_a_name_of_several_groups_asks_for_the_group(mdlp: Path) -> None:
    labels = mdlp / "labels.txt"
    labels.write_text("img_1.png,皖A12345\n", "utf-8")
    message = next(p.message for p in open_samples(mdlp).problems if p.code == "label")
    assert "'img_1.png' means several groups (test/a, test/b, test/c)" in message
    labels.write_text("gt.png,皖A12345\n", "utf-8")
    message = next(p.message for p in open_samples(mdlp).problems if p.code == "label")
    assert "several groups (test/a, test/b, test/c); write one of these instead" in message
    labels.write_text("test/a,皖A12345\n", "utf-8")
    assert texts_of(mdlp)[0] == "皖A12345"


@pytest.mark.parametrize(
    "mark", list("·•・.- _‧∙⋅●○○\u200b\u200d\ufeff\u00a0\u3000:：/|~—–'`()ㆍ丶ꞏｰ\ufe0f\u034f\u3164")
)
def test_separators_are_no_part_of_a_text(mark: str) -> None:
    assert plate.normalise(f"京A{mark}12345{mark}") == "京A12345"


@pytest.mark.parametrize(
    "label",
    [
        *("#####", "???", "京A12*45", "京A1??45", "＃＃＃", "京A12\ufffd45", "·"),
        *("无牌", "未识别", "无法识别", "看不清", "unknown", "N/A", "none"),
        *(
            "can't read",
            "not legible",
            "missing",
            "无法辨别",
            "号牌污损",
            "XXXXXXX",
            "京AXXXXX",
            "tensor([1,2,3,4,5,6,7])",
        ),
        *("[0, 3, 12, 20, 31, 32, 33]", "0_0_22_27_27_33_16", "0 0 22 27 27 33 16"),
    ],
)
def test_labels_that_are_no_texts_are_named_and_left_out(mdlp: Path, label: str) -> None:
    (mdlp / "labels.tsv").write_text(f"group\ttext\na\t皖A12345\nb\t{label}\nc\t京P20S75\n", "utf-8")
    samples = open_samples(mdlp)
    assert texts_of(mdlp) == ["皖A12345", None, "京P20S75"]
    (note,) = [p for p in samples.problems if p.code == "text-unreadable"]
    assert "labels.tsv:3" in note.message and note.sample_id == "test-b" and not note.is_defect


def test_numbers_of_classes_are_told(mdlp: Path) -> None:
    (mdlp / "labels.csv").write_text("a,0\nb,1\nc,2\n", "utf-8")
    assert texts_of(mdlp) == ["0", "1", "2"]
    assert all("where it counts classes, write their names" in p.message for p in open_samples(mdlp).problems)


def test_text_scores_leave_unreadable_texts_of_older_files_out() -> None:
    gt = GtReadings(["皖A12345", "#####", None, "皖", ""], ["皖A12345"] * 5)
    columns = text_columns(["皖A12345"] * 5, gt, MDLP_V1.text)
    assert [np.isnan(value) for value in columns["acc"]] == [False, True, True, True, True]
    assert gt.scores(MDLP_V1.text)["acc"] == 1


def test_zero_is_a_value(tmp_path: Path) -> None:
    picture(tmp_path / "p.png")
    table = tmp_path / "t.csv"
    table.write_text("id,image,text,split\n0,p.png,0,0\n1,p.png,皖A12345,1\n", "utf-8")
    rows = list(open_samples(table).rows(["sample_id", "text", "split"]))
    assert rows == [
        {"sample_id": "0", "text": "0", "split": "0"},
        {"sample_id": "1", "text": "皖A12345", "split": "1"},
    ]
    columns = {"id": [0, 1], "image": ["p.png", "p.png"], "text": [0.0, float("nan")], "split": [0, 1]}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    rows = list(open_samples(tmp_path / "t.parquet").rows(["sample_id", "text", "split"]))
    assert [tuple(row.values()) for row in rows] == [("0", "0", "0"), ("1", None, "1")]
    assert cell_text(0) == "0" and cell_text("") is cell_text(float("nan")) is cell_text(None) is None


def test_class_labels_are_their_names(tmp_path: Path) -> None:
    for text in TEXTS:
        picture(tmp_path / f"ds/train/{text}/a.png")
    rows = list(open_samples(tmp_path / "ds", source="hub").rows(["text"]))
    assert sorted(row["text"] for row in rows) == sorted(TEXTS)
    kinds = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=list(TEXTS))})
    files = [str(tmp_path / f"ds/train/{text}/a.png") for text in TEXTS]
    stored = datasets.Dataset.from_dict({"image": files, "label": [2, 0, -1]}, features=kinds)
    stored.to_parquet(tmp_path / "stored.parquet")
    assert texts_of(tmp_path / "stored.parquet") == [TEXTS[2], TEXTS[0], None]


def test_lists_of_class_labels_are_the_names_in_a_row(tmp_path: Path) -> None:
    image = str(picture(tmp_path / "p.png"))
    names = sorted(set("".join(TEXTS)))
    indices = [[names.index(character) for character in text] for text in TEXTS]
    for kind in (datasets.List, datasets.Sequence):
        features = {"image": datasets.Image(), "label": kind(datasets.ClassLabel(names=names))}
        stored = datasets.Dataset.from_dict(
            {"image": [image] * 3, "label": indices}, features=datasets.Features(features)
        )
        (tmp_path / "hub").mkdir(exist_ok=True)
        stored.to_parquet(tmp_path / "hub/train.parquet")
        assert texts_of(tmp_path / "hub/train.parquet") == list(TEXTS)
    assert texts_of(tmp_path / "hub", source="hub") == list(TEXTS)


SAMPLE_TABLES = [
    "sample_id,frames,gt,text\ns{0},imgs/lr/{0}.png,imgs/hr/{0}.png,{1}",
    "Sample_ID;Frames;GT;Text\ns{0};imgs\\lr\\{0}.png;imgs\\hr\\{0}.png;{1}",
    "sample id\tlr\thr\tPLATE\ns{0}\timgs/lr/{0}.png\t.\\imgs\\hr\\{0}.png\t{1}",
    "lr_1,image_path,plate_text\nimgs/lr/{0}.png,imgs/hr/{0}.png,{1}",
    "frames,FileName,label\n['imgs/lr/{0}.png'],imgs/hr/{0}.png,{1}",
    "lrPath,hrPath,plateText\nimgs/lr/{0}.png,imgs/hr/{0}.png,{1}",
    "img1,gt,text\nimgs/lr/{0}.png,imgs/hr/{0}.png,{1}",
    "frame,gt,text\nimgs/lr/{0}.png,imgs/hr/{0}.png,{1}",
    "Frame Path,HR,text\nimgs/lr/{0}.png,imgs/hr/{0}.png,{1}",
]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8 with mark", "gbk", "utf-16"])
@pytest.mark.parametrize("pattern", SAMPLE_TABLES)
def test_sample_tables_of_every_dialect(tmp_path: Path, pattern: str, encoding: str) -> None:
    head, line = pattern.split("\n")
    for n in range(3):
        picture(tmp_path / f"imgs/lr/{n}.png")
        picture(tmp_path / f"imgs/hr/{n}.png", 90, 30)
    lines = [head, *(line.format(n, text) for n, text in enumerate(TEXTS))]
    table = tmp_path / "t.csv"
    table.write_bytes(ENCODINGS[encoding]("\n".join(lines)))
    rows = list(open_samples(table).rows())
    assert [(row["text"], len(row["frames"])) for row in rows] == [(text, 1) for text in TEXTS]
    assert all(row["gt"]["bytes"] for row in rows) and not open_samples(table).problems


@pytest.mark.parametrize(
    "cell", ["a.png|b.png", "a.png;b.png", "a.png b.png", '"a.png,b.png"', "\"['a.png', 'b.png']\""]
)
def test_paths_in_one_cell(tmp_path: Path, cell: str) -> None:
    for name in "abg":
        picture(tmp_path / f"{name}.png")
    (tmp_path / "t.txt").write_text(f"frames,gt,text\n{cell},g.png,皖A12345\n", "utf-8")
    (row,) = open_samples(tmp_path / "t.txt").rows()
    assert len(row["frames"]) == 2 and row["text"] == TEXTS[0]


def test_a_column_of_pictures_that_is_not_taken_is_noted(tmp_path: Path) -> None:
    for name in "abcg":
        picture(tmp_path / f"{name}.png")
    for head, line, frames, ignored in (
        ("frame,gt,mask", "a.png,g.png,b.png", 1, ["mask"]),
        ("frame,frame_1,frame_2,gt", "c.png,a.png,b.png,g.png", 2, ["frame"]),
        ("frame,gt,conf", "17,g.png,0.5", 0, []),
        ("left,right,gt,image", "a.png,b.png,g.png,c.png", 0, ["left", "right", "image"]),
        ("name,frames,gt", "a.png,a.png|b.png,g.png", 2, []),
    ):
        table = tmp_path / "t.csv"
        table.write_text(f"{head}\n{line}\n", "utf-8")
        samples = open_samples(table)
        (row,) = samples.rows()
        assert len(row["frames"]) == frames
        notes = [p.message for p in samples.listing_problems() if p.code == "ignored-column"]
        assert [note.split("the column ")[1].split(" names")[0] for note in notes] == ignored
        assert not [problem for problem in samples.problems if problem.rejected]
    said = CliRunner().invoke(app, ["data", "inspect", str(tmp_path / "t.csv")])
    assert said.exit_code == 0


def test_a_line_of_another_length_is_left_out_and_named(tmp_path: Path) -> None:
    picture(tmp_path / "p.png")
    table = tmp_path / "t.csv"
    table.write_text("image,text\np.png,皖A12345\np.png,a,b\np.png,京P20S75\n", "utf-8")
    samples = open_samples(table)
    assert [row["text"] for row in samples.rows(["text"])] == ["皖A12345", "京P20S75"]
    assert [p.code for p in samples.problems] == ["row"] and "t.csv:3" in samples.problems[0].message


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8 with mark", "gbk", "utf-16"])
@pytest.mark.parametrize(
    "head",
    [
        "track_id,frame_index,path,text",
        "Track;Frame;Image_Path;Plate_Text",
        "TRACK_ID\tframe_id\tfilename\tlabel",
    ],
)
def test_track_tables_of_every_dialect(tmp_path: Path, head: str, encoding: str) -> None:
    delimiter = next(mark for mark in ",;\t" if mark in head)
    for n in range(3):
        picture(tmp_path / f"f/{n}.png")
    lines = [head, *(delimiter.join(("t1", str(n), f"f\\{n}.png", "皖A12345")) for n in (2, 0, 1))]
    table = tmp_path / "t.csv"
    table.write_bytes(ENCODINGS[encoding]("\r\n".join(lines)))
    (track,) = open_tracks(table)
    assert not isinstance(track, BadTrack)
    assert track.text == "皖A12345" and [frame.index for frame in track.frames] == [0, 1, 2]
    assert all(frame.path.is_file() for frame in track.frames)


def test_odd_lines_of_a_track_table_cost_no_track(tmp_path: Path) -> None:
    for n in range(3):
        picture(tmp_path / f"f/{n}.png")
    lines = ["# by hand", "track_id,frame_index,path,text,timestamp", "t,0,f/0.png,皖A12345,10:00:01,", "t"]
    lines += [
        "t,1,f/1.png,#####,10:00:02",
        "t,2,f/2.png,皖 A·12345,10:00:03",
        "u,0,f/0.png,皖A12345,",
        "u,1,f/1.png,京P20S75,",
    ]
    (tmp_path / "t.csv").write_text("\n".join(lines), "utf-8")
    tracks = open_tracks(tmp_path / "t.csv")
    first, second = tracks
    assert not isinstance(first, BadTrack) and not isinstance(second, BadTrack)
    assert (first.text, len(first.frames), first.notes) == (TEXTS[0], 3, ())
    assert second.text is None and "its rows disagree on text (京P20S75, 皖A12345)" in second.notes[0][1]
    assert len(tracks.notes) == 1 and "t.csv:4: the line has 1 cells" in tracks.notes[0]
    said = [problem.message for problem in open_samples(tmp_path / "t.csv").problems]
    assert any("`mdlp-bench data pair` makes samples" in message for message in said)


def test_labels_of_tracks_that_contradict_give_no_text(tmp_path: Path) -> None:
    for name in ("a/0001", "b/0001", "0002"):
        picture(tmp_path / f"tracks/{name}/1.png")
    (tmp_path / "tracks/labels.csv").write_text(
        "a/0001,皖A12345\na\\0001,皖A·12345\n2,京P20S75\n0002,京P20S76\n0001,苏UZ502G\n", "utf-8"
    )
    tracks = open_tracks(tmp_path / "tracks")
    texts = {t.track_id: t.text for t in tracks if not isinstance(t, BadTrack)}
    assert texts == {"0002": None, "a-0001": TEXTS[0], "b-0001": None}
    assert ["京P20S76" in note or "several tracks (a/0001, b/0001)" in note for note in tracks.notes] == [
        True
    ] * 2


def test_given_labels_of_tracks_count_more(tmp_path: Path) -> None:
    for name in ("a/0001", "b/0001", "0002"):
        picture(tmp_path / f"tracks/{name}/1.png")
    (tmp_path / "tracks/labels.csv").write_text("0002,皖A12345\na/0001,皖A12345\n", "utf-8")
    given = tmp_path / "given.csv"
    given.write_text("track,text\n2,京P20S75\nb\\0001,苏UZ502G\na-0001,#\nc,#\n", "utf-8")
    tracks = open_tracks(tmp_path / "tracks", labels=given)
    found = {t.track_id: (t.text, len(t.notes)) for t in tracks if not isinstance(t, BadTrack)}
    assert found == {"0002": (TEXTS[1], 0), "a-0001": (None, 1), "b-0001": (TEXTS[2], 0)}
    assert len(tracks.notes) == 1 and "'c' labels no track" in tracks.notes[0]
    (tmp_path / "t.csv").write_text("track_id,frame_index,path\n0002,1,tracks/0002/1.png\n", "utf-8")
    (track,) = open_tracks(tmp_path / "t.csv", labels=given)
    assert not isinstance(track, BadTrack) and track.text == TEXTS[1]
    given.write_text("x,京P20S75\n", "utf-8")
    with pytest.raises(DataError, match="none of its lines names a track"):
        open_tracks(tmp_path / "tracks", labels=given)


def test_unreadable_labels_of_tracks_are_notes(tmp_path: Path) -> None:
    picture(tmp_path / "tracks/a/1.png")
    (tmp_path / "tracks/labels.csv").write_text("a,#####\n", "utf-8")
    (track,) = open_tracks(tmp_path / "tracks")
    assert not isinstance(track, BadTrack) and track.text is None
    assert "labels.csv:1" in track.notes[0][1]


def test_split_lists_of_any_dialect(tmp_path: Path) -> None:
    names = [
        f"025-95_113-154&383_386&473-386&473_177&454_154&383_363&402-0_0_22_27_27_33_{n}-37-15.jpg"
        for n in (16, 17)
    ]
    for name in ("odd.jpg", *names):
        picture(tmp_path / "CCPD2019/ccpd_base" / name, 720, 1160)
    (tmp_path / "CCPD2019/splits").mkdir()
    lists = f"ccpd_base\\{names[0]}\r\nccpd_base\\gone.jpg\r\n".encode("utf-16")
    (tmp_path / "CCPD2019/splits/train.txt").write_bytes(lists)
    samples = open_samples(tmp_path / "CCPD2019")
    assert samples.candidates().keys() == {"train", "unlisted"}
    found = {p.code: p.message for p in samples.listing_problems()}
    assert "gone.jpg names no scene here" in found["split-list"] and "odd.jpg" in found["file-name"]


def test_a_folder_of_several_data_sets_is_refused_with_their_list(mdlp: Path, tmp_path: Path) -> None:
    picture(tmp_path / "crops/皖A12345.png")
    with pytest.raises(DataError, match=r"several data sets: crops \(crops\), d \(mdlp\); open one"):
        open_samples(tmp_path)
    (tmp_path / "crops/皖A12345.png").unlink()
    with pytest.raises(DataError, match=r"the folder d in it is mdlp; open that"):
        open_samples(tmp_path)
    picture(mdlp / "crops/皖A12345.png")
    with pytest.raises(
        DataError, match=r"several data sets: the folder itself \(mdlp\), crops \(crops\); open one"
    ):
        open_samples(mdlp)
    assert len(open_samples(mdlp, source="mdlp")) == 3
    for name in ("x/A", "y/B"):
        picture(tmp_path / f"deep/{name}/val/Inputs/0001/img_1.png")
    with pytest.raises(DataError, match=r"several data sets: x/A \(mdlp\), y/B \(mdlp\)"):
        open_samples(tmp_path / "deep")
    name = "025-95_113-154&383_386&473-386&473_177&454_154&383_363&402-0_0_22_27_27_33_16-37-15.jpg"
    for number in (2019, 2020):
        picture(tmp_path / f"all/CCPD{number}/ccpd_base/{name}", 720, 1160)
    with pytest.raises(DataError, match=r"CCPD2019 \(ccpd\), CCPD2020 \(ccpd\)"):
        open_samples(tmp_path / "all")


def test_what_is_no_data_set_is_called_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "d.zip").write_bytes(b"PK\x03\x04" + bytes(40))
    (tmp_path / "d.tar").write_bytes(bytes(257) + b"ustar" + bytes(300))
    picture(tmp_path / "tracks/0001/1.png")
    for name, said in (
        ("d.zip", "it is a zip archive"), ("d.tar", "it is a tar archive; unpack it"),
        ("tracks", "`mdlp-bench data pair` makes samples"), ("tracks/0001", "`mdlp-bench data pair`"),
    ):  # fmt: skip
        with pytest.raises(DataError, match=f"no known layout; .*{said}"):
            open_samples(tmp_path / name)


def test_folders_in_capitals_are_the_layouts(tmp_path: Path) -> None:
    picture(tmp_path / "d/val/INPUTS/0001/img_1.PNG")
    picture(tmp_path / "d/val/Gt/0001/x.PNG", 90, 30)
    for junk in ("$RECYCLE.BIN", "@eaDir", "__MACOSX", "System Volume Information"):
        picture(tmp_path / f"d/val/INPUTS/{junk}/x.png")
    (row,) = open_samples(tmp_path / "d").rows()
    assert row["gt"] is not None and not open_samples(tmp_path / "d").problems


def test_splits_that_differ_in_case_are_refused(tmp_path: Path) -> None:
    for split in ("Val", "val"):
        picture(tmp_path / f"d/{split}/inputs/0001/img_1.png")
    with pytest.raises(DataError, match="splits 'Val' and 'val' need the same file names"):
        write_parquet(open_samples(tmp_path / "d"), tmp_path / "out")


def test_what_the_reader_of_tables_returns() -> None:
    lines = list(read_lines(b'a,"x\ny"\n\nb, c \n', "t"))
    assert [(line.number, line.cells) for line in lines] == [(2, ("a", "x\ny")), (4, ("b", "c"))]
    with pytest.raises(DataError, match="NUL"):
        list(read_lines(b"a,b\n" * 50 + b"\0\n", "t"))
    assert check_text("皖A12345", "s", None) == ("皖A12345", None, [])
    assert json.dumps(check_text("", "s", None)) == "[null, null, []]"


def test_read_labels_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("filename,label,split\nx.jpg,皖A12345,val\n", "utf-8")
    (row,), problems = read_labels(path)
    assert (row.key, row.text, row.split, row.where, problems) == (
        "x.jpg",
        "皖A12345",
        "val",
        f"{path}:2",
        [],
    )
