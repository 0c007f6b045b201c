"""The official layout, label lists, and what the loader says about what it cannot use."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mdlp_bench.data import open_samples
from mdlp_bench.errors import DataError
from mdlp_bench.files import write_json


def rows_of(path: Path, **options: str) -> dict[str, dict]:
    return {row["sample_id"]: row for row in open_samples(path, **options).rows()}


def codes(path: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for problem in open_samples(path).problems:
        found.setdefault(problem.code, []).append(problem.message)
    return found


def test_frames_in_numeric_order_with_original_bytes(mdlp: Path) -> None:
    rows = rows_of(mdlp)
    assert list(rows) == ["train-a", "train-b", "train-c", "val-a"]
    assert rows["train-a"]["frame_indices"] == [1, 2, 10]
    assert rows["train-c"]["frame_indices"] == [1, 2, 10, 20, 100]
    assert [f["path"] for f in rows["train-c"]["frames"]] == [
        "f001.png", "f002.JPEG", "f010.jpg", "f020.jpg", "f100.jpg",
    ]  # fmt: skip
    for name, frame in zip(("img_1.jpg", "img_2.jpg", "img_10.jpg"), rows["train-a"]["frames"], strict=True):
        assert frame["bytes"] == (mdlp / "train/inputs/a" / name).read_bytes()
    assert rows["train-a"]["gt"]["bytes"] == (mdlp / "train/gt/a/img_50.jpg").read_bytes()


def test_texts_identities_and_layouts(mdlp: Path) -> None:
    rows = rows_of(mdlp)
    assert rows["train-a"]["text"] == rows["train-a"]["plate_id"] == "京P20S75"
    assert rows["train-b"]["text"] == "沪AD12345"
    assert rows["train-b"]["layout"] == "green_small"
    assert rows["train-b"]["text_origin"] == "label"
    assert rows["val-a"]["text"] is None and rows["val-a"]["text_origin"] is None
    assert rows["val-a"]["plate_id"] == "val-a"


def test_missing_ground_truth_is_kept_and_noted(mdlp: Path) -> None:
    assert rows_of(mdlp)["val-a"]["gt"] is None
    assert codes(mdlp)["missing-gt"][0].startswith("sample val-a: no ground truth in")


def test_without_ground_truth_and_labels(mdlp: Path) -> None:
    shutil.rmtree(mdlp / "train/gt")
    shutil.rmtree(mdlp / "val/gt")
    (mdlp / "train/labels.csv").unlink()
    samples = open_samples(mdlp)
    assert len(samples) == 4 and not samples.problems
    assert all(row["gt"] is None for row in samples.rows())


def test_one_split_gives_the_same_samples_however_it_is_opened(mdlp: Path) -> None:
    whole = {k: v for k, v in rows_of(mdlp).items() if v["split"] == "train"}
    assert rows_of(mdlp, split="train") == whole
    assert rows_of(mdlp / "train") == whole
    fingerprints = {
        open_samples(mdlp, split="train").fingerprint,
        open_samples(mdlp / "train").fingerprint,
        open_samples(mdlp).select(split="train").fingerprint,
    }
    assert len(fingerprints) == 1
    with pytest.raises(DataError, match=r"no split 'test'; there are: train, val"):
        open_samples(mdlp, split="test")


@pytest.mark.parametrize(
    "content",
    [
        "group,text\na,京P20S75\n",
        "\ufeffGroup,Text\r\na,京P20S75\r\n",
        "a,京P20S75\n",
        "a.jpg,京P20S75\n",
        "a\t京P20S75\n",
        "a;京P20S75",
        "split,group,text\ntrain,a,京P20S75\n",
        "inputs/a/img_1.jpg,京P20S75",
        'text,file\n"京P·20S75",a.png\n',
    ],
)
def test_label_list_forms(mdlp: Path, content: str) -> None:
    (mdlp / "train/labels.csv").write_bytes(content.encode())
    assert rows_of(mdlp)["train-a"]["text"] == "京P20S75"


def test_root_labels_and_ground_truth_names(mdlp: Path) -> None:
    (mdlp / "train/labels.csv").unlink()
    (mdlp / "train/gt/b/img_50.jpg").rename(mdlp / "train/gt/b/shot77.jpg")
    (mdlp / "labels.csv").write_text("train/a,京P20S75\nval/a,京A12345\nshot77.jpg,津A12345\n", "utf-8")
    rows = rows_of(mdlp)
    assert [rows[i]["text"] for i in ("train-a", "val-a", "train-b")] == ["京P20S75", "京A12345", "津A12345"]


def test_doubtful_labels_are_told_and_never_guessed(mdlp: Path) -> None:
    lines = [
        "a,京P20S75",
        "train/b,津A11111",
        "train/b,津A22222",
        "nowhere,津A12345",
        "c,IO",
        "too,many,cells",
    ]
    (mdlp / "train/labels.csv").unlink()
    (mdlp / "labels.csv").write_text("\n".join(lines), "utf-8")
    rows, found = rows_of(mdlp), codes(mdlp)
    assert rows["train-a"]["text"] is None and rows["train-b"]["text"] is None
    told = "\n".join(found["label"])
    assert "'a' means samples of several splits (train/a, val/a)" in told
    assert "'津A22222' here but '津A11111'" in told
    assert "'nowhere' labels no group" in told
    assert "expected group,text, found 3 cells" in told
    assert rows["train-c"]["text"] == "IO" and "train-c" in found["text-grammar"][0]


def test_labels_in_no_known_encoding(mdlp: Path) -> None:
    (mdlp / "train/labels.csv").write_bytes(b"a,\xff\xff")
    with pytest.raises(DataError, match=r"labels.csv: not UTF-8 .*save the table as UTF-8"):
        open_samples(mdlp)


def test_groups_that_cannot_be_used(mdlp: Path, draw: Callable[..., bytes]) -> None:
    inputs, gt = mdlp / "train/inputs", mdlp / "train/gt"
    (inputs / "empty").mkdir()
    (inputs / "twice").mkdir()
    (inputs / "twice/img_1.jpg").write_bytes(draw(1))
    (inputs / "twice/img_01.jpg").write_bytes(draw(2))
    (inputs / "two_gt").mkdir()
    (inputs / "two_gt/img_1.jpg").write_bytes(draw(3))
    (gt / "two_gt").mkdir()
    (gt / "two_gt/x.jpg").write_bytes(draw(4))
    (gt / "two_gt/y.jpg").write_bytes(draw(5))
    (gt / "only_gt").mkdir()
    (gt / "only_gt/x.jpg").write_bytes(draw(6))
    (inputs / "loose.jpg").write_bytes(draw(7))
    (inputs / "a/notes.txt").write_text("hello")
    found = codes(mdlp)
    assert len(open_samples(mdlp)) == 4
    assert any("train-empty" in message for message in found["no-frames"])
    assert any("train-only_gt" in message for message in found["no-frames"])
    assert "carry the same number" in found["frame-order"][0]
    assert "2 images in" in found["several-gt"][0]
    assert sorted(Path(m.split(":")[0]).name for m in found["ignored-file"]) == ["loose.jpg", "notes.txt"]


def test_names_without_numbers_or_with_huge_ones(mdlp: Path, draw: Callable[..., bytes]) -> None:
    for group, names in {
        "x": ["early.jpg", "late.jpg"],
        "y": ["20240101123456789.jpg", "20240101123456790.jpg"],
    }.items():
        (mdlp / "train/inputs" / group).mkdir()
        for number, name in enumerate(names):
            (mdlp / "train/inputs" / group / name).write_bytes(draw(number))
    rows = rows_of(mdlp)
    assert rows["train-x"]["frame_indices"] == rows["train-y"]["frame_indices"] == [0, 1]
    assert rows["train-y"]["frames"][0]["path"] == "20240101123456789.jpg"


def test_odd_group_names(mdlp: Path, draw: Callable[..., bytes]) -> None:
    odd = [b"\xff\xfe bytes", "空 格\n行".encode(), b"-dash", b"dots..", b"q" * 240]
    for number, name in enumerate(odd):
        folder = mdlp / "train/inputs" / os.fsdecode(name)
        folder.mkdir()
        (folder / "img_1.jpg").write_bytes(draw(number))
    samples = open_samples(mdlp)
    assert len(samples) == 4 + len(odd)
    assert samples.fingerprint == open_samples(mdlp).fingerprint
    assert all(name.isprintable() and len(name.encode()) <= 200 for name in samples.sample_ids)
    list(samples.batches())


def test_quarantine_is_honoured_and_told(mdlp: Path) -> None:
    write_json(mdlp / "quarantine.json", {"train-b": "blurred"})
    for path in (mdlp, mdlp / "train"):
        samples = open_samples(path)
        assert "train-b" not in samples.sample_ids
        assert [p.message for p in samples.problems if p.code == "quarantined"] == [
            "sample train-b: in quarantine (blurred)"
        ]
    (mdlp / "quarantine.json").write_text('["train-b"]')
    with pytest.raises(DataError, match=r"quarantine.json: must be one JSON object"):
        open_samples(mdlp)


def test_selection_by_id(mdlp: Path) -> None:
    samples = open_samples(mdlp)
    assert samples.select(sample_ids=["train-c", "train-a"]).sample_ids == ["train-a", "train-c"]
    with pytest.raises(DataError, match="no sample 'nobody'"):
        samples.select(sample_ids=["nobody"])


def test_texts_without_reading_images(mdlp: Path) -> None:
    samples = open_samples(mdlp)
    samples.sample_ids  # noqa: B018 - admits the samples
    shutil.rmtree(mdlp / "train/inputs/a")
    assert next(samples.rows(["text"]))["text"] == "京P20S75"
    with pytest.raises(DataError, match=r"img_1\.jpg: no such file"):
        list(samples.rows())


def test_real_figures(shared_dir: Path) -> None:
    samples = open_samples(shared_dir / "real/mdlp_figures", split="val")
    assert len(samples) == 36 and not samples.problems
    plates = [row["plate_id"] for row in samples.rows(["plate_id"])]
    assert len(set(plates)) == 35 and plates.count("京P20S75") == 2
