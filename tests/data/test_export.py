"""Exports: what others read must be what was written; round trips; comparison; inspection; the commands."""

from __future__ import annotations

import csv
import json
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from mdlp_bench import progress
from mdlp_bench.cli.data import app
from mdlp_bench.curate.diff import diff
from mdlp_bench.data import Samples, open_samples, write_parquet
from mdlp_bench.data.export import EXPORTS, export_lrlpr, export_mdlp, export_webdataset
from mdlp_bench.data.export import webdataset as webdataset_module
from mdlp_bench.data.export.card import CardFields, size_category
from mdlp_bench.data.export.huggingface import export_huggingface, push_to_hub
from mdlp_bench.data.inspect import inspect
from mdlp_bench.errors import DataError
from mdlp_bench.files import sha256_bytes, write_json

Draw = Callable[..., bytes]
CARD = CardFields(title="Tiny", licence="cc-by-4.0", citation="@misc{tiny}")


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def images_of(folder: Path) -> dict[str, bytes]:
    return {name: content for name, content in tree(folder).items() if not name.endswith(".csv")}


def test_official_layout_round_trip(mdlp: Path, tmp_path: Path) -> None:
    samples = open_samples(mdlp)
    write_parquet(samples, tmp_path / "pq")
    assert export_mdlp(open_samples(tmp_path / "pq"), tmp_path / "back") == 4
    assert images_of(tmp_path / "back") == images_of(mdlp)
    again = open_samples(tmp_path / "back")
    assert again.fingerprint == samples.fingerprint and list(again.rows()) == list(samples.rows())


def test_official_layout_of_other_samples(lrlpr: Path, mdlp: Path, tmp_path: Path) -> None:
    row = next(open_samples(mdlp).rows())
    rows = [
        row | {"sample_id": "p1", "track_id": "t/1", "source": "rendered", "domain": "synthetic"},
        row
        | {"sample_id": "p2", "track_id": "train-p1", "frames": [f | {"path": None} for f in row["frames"]]},
        row
        | {"sample_id": "p3", "track_id": "train-../../evil", "gt": row["gt"] | {"path": "../../evil.jpg"}},
        row
        | {
            "sample_id": "p4",
            "track_id": "train-q",
            "frames": [f | {"path": "same.jpg"} for f in row["frames"]],
        },
    ]
    write_parquet(rows, tmp_path / "pq")
    for number, source in enumerate((tmp_path / "pq", lrlpr)):
        out = tmp_path / "out" / str(number)
        export_mdlp(open_samples(source), out)
        again, first = open_samples(out), open_samples(source)
        assert again.fingerprint == first.fingerprint
        columns = ["sample_id", "plate_id", "track_id", "domain", "source", "text", "layout", "frame_indices"]
        key = lambda r: r["sample_id"]  # noqa: E731
        assert sorted(again.rows(columns), key=key) == sorted(first.rows(columns), key=key)
    assert not list(tmp_path.rglob("evil*.jpg"))[1:], "nothing outside the folder"
    assert all(p.is_relative_to(tmp_path / "out") for p in (tmp_path / "out").rglob("*"))


def test_lrlpr_round_trip(lrlpr: Path, mdlp: Path, tmp_path: Path) -> None:
    assert export_lrlpr(open_samples(lrlpr), tmp_path / "a") == 2
    track = tmp_path / "a/train/Scenario-A/Brazilian/track_00001"
    assert (track / "lr-003.png").read_bytes() == (
        lrlpr / "train/Scenario-A/Brazilian/track_00001/lr-003.png"
    ).read_bytes()
    again, first = open_samples(tmp_path / "a"), open_samples(lrlpr)
    assert again.fingerprint == first.fingerprint
    export_lrlpr(open_samples(mdlp), tmp_path / "b")
    texts = [row["text"] for row in open_samples(tmp_path / "b").rows(["text"])]
    assert sorted(map(str, texts)) == sorted(str(r["text"]) for r in open_samples(mdlp).rows(["text"]))


def test_webdataset(mdlp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webdataset_module, "SHARD_SAMPLES", 2)
    samples = open_samples(mdlp)
    assert export_webdataset(samples, tmp_path / "a") == 4
    export_webdataset(samples, tmp_path / "b")
    assert tree(tmp_path / "a") == tree(tmp_path / "b")
    assert sorted(tree(tmp_path / "a")) == ["train-00000.tar", "train-00001.tar", "val-00000.tar"]
    rows = {row["sample_id"]: row for row in samples.rows()}
    found: dict[str, dict[str, bytes]] = {}
    for path in sorted((tmp_path / "a").iterdir()):
        with tarfile.open(path) as tar:
            for member in tar:
                key, part = member.name.split(".", 1)
                stream = tar.extractfile(member)
                assert stream is not None and member.mtime == 0
                found.setdefault(key, {})[part] = stream.read()
    assert set(found) == set(rows)
    for key, parts in found.items():
        row = rows[key]
        frames = [content for part, content in parts.items() if part.startswith("frame")]
        assert frames == [f["bytes"] for f in row["frames"]]
        assert json.loads(parts["json"])["text"] == row["text"]
        assert parts.get("gt.jpg") == (row["gt"] and row["gt"]["bytes"])


def _interrupted(layout: str, samples: Samples, out: Path) -> None:
    """Export until the first sample is done."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    assert len(samples)  # their images are checked before the export begins
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(progress._Bar, "update", stop)
        EXPORTS[layout].write(samples, out)


@pytest.mark.parametrize("layout", sorted(EXPORTS))
def test_interrupted_exports_continue(
    mdlp: Path, tmp_path: Path, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webdataset_module, "SHARD_SAMPLES", 1)
    samples = open_samples(mdlp)
    EXPORTS[layout].write(samples, tmp_path / "whole")

    _interrupted(layout, samples, tmp_path / "cut")
    with pytest.raises(DataError, match="unfinished work that differs: samples was"):
        EXPORTS[layout].write(samples.select(split="val"), tmp_path / "cut")
    EXPORTS[layout].write(samples, tmp_path / "cut")
    assert tree(tmp_path / "cut") == tree(tmp_path / "whole")
    with pytest.raises(DataError, match="not empty"):
        EXPORTS[layout].write(samples, tmp_path / "whole")


@pytest.mark.parametrize("layout", sorted(EXPORTS))
def test_exports_stopped_before_any_write_end_the_same(
    mdlp: Path, resumes: Callable[..., int], layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webdataset_module, "SHARD_SAMPLES", 1)
    assert resumes(lambda out: EXPORTS[layout].write(open_samples(mdlp), out)) >= 4


def test_a_repository_stopped_before_any_write_ends_the_same(mdlp: Path, resumes: Callable[..., int]) -> None:
    assert resumes(lambda out: export_huggingface(open_samples(mdlp), out, CARD, name="tiny")) == 9


def test_exports_of_changed_pixels_or_another_layout_are_refused(
    mdlp: Path, tmp_path: Path, draw: Draw
) -> None:
    for layout in EXPORTS:
        _interrupted(layout, open_samples(mdlp), tmp_path / layout)
    (mdlp / "train/inputs/a/img_1.jpg").write_bytes(draw(999))
    for layout in EXPORTS:
        with pytest.raises(DataError, match="unfinished work that differs: fingerprint was"):
            EXPORTS[layout].write(open_samples(mdlp), tmp_path / layout)
        for other in EXPORTS.keys() - {layout}:
            with pytest.raises(DataError, match=f'layout was "{layout}" and is now "{other}"'):
                EXPORTS[other].write(open_samples(mdlp), tmp_path / layout)
        with pytest.raises(DataError, match="unfinished work that differs"):
            export_huggingface(open_samples(mdlp), tmp_path / layout, CARD)


@pytest.mark.parametrize("layout", ["mdlp", "lrlpr"])
def test_layouts_that_need_frames(mdlp: Path, tmp_path: Path, layout: str) -> None:
    rows = [row | {"frames": [], "frame_indices": []} for row in open_samples(mdlp).rows()]
    write_parquet(rows, tmp_path / "pq")
    with pytest.raises(DataError, match="sample train-a: has no frames"):
        EXPORTS[layout].write(open_samples(tmp_path / "pq"), tmp_path / "out")


@pytest.fixture
def repository(mdlp: Path, tmp_path: Path) -> Path:
    export_huggingface(
        open_samples(mdlp), tmp_path / "repo", CARD, name="tiny", version="1.1.0", supersedes="1.0.0"
    )
    return tmp_path / "repo"


def test_datasets_opens_the_repository(repository: Path, mdlp: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    loaded = datasets.load_dataset(str(repository), cache_dir=str(tmp_path / "cache"))
    assert {name: len(part) for name, part in loaded.items()} == {"train": 3, "val": 1}
    sample = loaded["train"][0]
    assert sample["gt"].size == (160, 60) and [f.size for f in sample["frames"]] == [(40, 18)] * 3
    assert sample["text"] == "京P20S75" and loaded["val"][0]["gt"] is None


def test_card(repository: Path) -> None:
    text = (repository / "README.md").read_text("utf-8")
    front = yaml.safe_load(text.split("---")[1])
    assert front["license"] == "cc-by-4.0" and front["size_categories"] == ["n<1K"]
    assert [f["split"] for f in front["configs"][0]["data_files"]] == ["train", "val"]
    assert "| train | 3 | 3 | 3 | 3 | 1 / 3 / 5 | 40x18 / 40x18 / 40x18 | 160x60 / 160x60 / 160x60 |" in text
    assert "Version 1.1.0, supersedes 1.0.0, fingerprint `" in text
    assert "- 1 of 4 samples have no ground truth." in text
    assert "@misc{tiny}" in text and (repository / "assets/samples.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("samples", "category"),
    [(999, "n<1K"), (1_000, "1K<n<10K"), (9_999_999, "1M<n<10M"), (10_000_000, "10M<n<100M")],
)
def test_size_categories_are_the_hubs(samples: int, category: str) -> None:
    assert size_category(samples) == category


def test_croissant_is_valid_and_loads(repository: Path, mdlp: Path) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    dataset = mlcroissant.Dataset(jsonld=str(repository / "croissant.json"))
    assert not dataset.metadata.ctx.issues.errors
    document = json.loads((repository / "croissant.json").read_text())
    assert document["conformsTo"] == "http://mlcommons.org/croissant/1.1"
    assert document["distribution"][0]["sha256"] == sha256_bytes((repository / "manifest.json").read_bytes())
    records = list(dataset.records("samples"))
    rows = list(open_samples(mdlp).rows())
    assert [r["samples/sample_id"].decode() for r in records] == [row["sample_id"] for row in rows]
    assert [len(r["samples/frames"]) for r in records] == [3, 1, 5, 2]
    assert records[0]["samples/gt"].size == (160, 60) and records[3]["samples/gt"] is None
    assert records[0]["samples/text"].decode() == "京P20S75"


def test_card_is_added_to_a_finished_build(mdlp: Path, tmp_path: Path) -> None:
    write_parquet(open_samples(mdlp), tmp_path / "pq")
    before = tree(tmp_path / "pq")
    export_huggingface(open_samples(tmp_path / "pq"), tmp_path / "pq", CARD)
    after = tree(tmp_path / "pq")
    assert before.items() <= after.items() and set(after) - set(before) == {
        "README.md", "croissant.json", "assets/samples.png",
    }  # fmt: skip
    with pytest.raises(DataError, match="holds another data set"):
        export_huggingface(open_samples(mdlp, split="val"), tmp_path / "pq", CARD)


def test_push(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = pytest.importorskip("huggingface_hub")
    calls: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(hub.HfApi, "create_repo", lambda _, repo, **k: calls.append((repo, k)))
    monkeypatch.setattr(hub.HfApi, "upload_folder", lambda _, **k: calls.append((k["repo_id"], k)))
    assert push_to_hub(repository, "me/tiny") == "https://huggingface.co/datasets/me/tiny"
    assert calls[0][1]["private"] is True and calls[1][1]["folder_path"] == repository
    with pytest.raises(DataError, match=r"no manifest\.json"):
        push_to_hub(tmp_path / "nothing", "me/tiny")

    def refuse(*_: object, **__: object) -> None:
        raise ConnectionError("offline")

    monkeypatch.setattr(hub.HfApi, "create_repo", refuse)
    with pytest.raises(DataError, match=r"me/tiny: the hub refused \(offline\)"):
        push_to_hub(repository, "me/tiny")


def test_diff(mdlp: Path, tmp_path: Path, draw: Draw) -> None:
    old = open_samples(mdlp)
    rows = {row["sample_id"]: row for row in old.rows()}
    rows["train-a"] = rows["train-a"] | {"split": "val"}
    rows["train-b"] = rows["train-b"] | {"text": "京A12345"}
    rows["renamed"] = rows.pop("train-c") | {"sample_id": "renamed"}
    rows["new"] = rows["train-a"] | {"sample_id": "new", "gt": {"bytes": draw(77), "path": None}}
    del rows["val-a"]
    write_parquet(rows.values(), tmp_path / "new")
    found = diff(old, open_samples(tmp_path / "new"))
    assert found.added == ("new",) and found.removed == ("val-a",) and found.same == 0
    assert [(m.sample_id, m.new_id, m.old_split, m.new_split) for m in found.moved] == [
        ("train-a", "train-a", "train", "val"),
        ("train-c", "renamed", "train", "train"),
    ]
    assert [(c.sample_id, c.what) for c in found.changed] == [("train-b", ("text",))]
    assert diff(old, old).is_empty


def test_inspection(mdlp: Path, tmp_path: Path) -> None:
    found = inspect(open_samples(mdlp))
    train = found.splits["train"]
    assert (found.samples, found.plates, train.with_gt, train.with_text) == (4, 4, 3, 3)
    assert train.frames is not None and (train.frames.low, train.frames.median, train.frames.high) == (
        1,
        3,
        5,
    )
    assert train.layouts == {"7 characters": 2, "green_small": 1} and train.provinces == {
        "京": 1,
        "沪": 1,
        "苏": 1,
    }
    assert train.formats == {"jpeg": 11, "png": 1} and found.problems == {"missing-gt": 1} and not found.sound
    write_json(mdlp / "quarantine.json", {"val-a": "no truth"})
    (mdlp / "val/gt").rmdir()
    left = inspect(open_samples(mdlp))
    assert left.sound and left.problems == {"quarantined": 1}


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def test_verbs(mdlp: Path, tmp_path: Path) -> None:
    assert run("layouts", "--json")[0] == 0
    code, output = run("open", mdlp)
    assert code == 0 and "set: 4 samples" in output
    assert json.loads(run("open", mdlp, "--json")[1])["splits"] == {"train": 3, "val": 1}
    code, output = run("inspect", mdlp)
    assert code == 1 and "missing-gt" in output
    code, output = run("inspect", mdlp, "--split", "train", "--json")
    assert code == 0 and json.loads(output)["samples"] == 3
    code, output = run("export", mdlp, "-o", tmp_path / "pq", "--name", "n", "--data-version", "2", "--json")
    assert code == 0 and json.loads(output)["samples"] == 4
    assert run("diff", mdlp, tmp_path / "pq")[0] == 0
    assert run("export", tmp_path / "pq", "-o", tmp_path / "bmp", "--to", "decoded", "--workers", "1")[0] == 0
    assert run("export", tmp_path / "pq", "-o", tmp_path / "folder", "--to", "mdlp")[0] == 0
    code, output = run("export", mdlp, "-o", tmp_path / "repo", "--to", "huggingface", "--licence", "mit")
    assert code == 0 and (tmp_path / "repo/croissant.json").is_file()
    (mdlp / "train/inputs/a/img_1.jpg").write_bytes(b"")
    code, output = run("export", mdlp, "-o", tmp_path / "pq2", "--json")
    assert code == 1 and json.loads(output)["left_out"] == 1
    code, output = run("diff", tmp_path / "pq", tmp_path / "pq2", "--json")
    assert code == 1 and json.loads(output)["removed"] == ["train-a"]
    for arguments in (["--to", "floppy"], ["--push", "a/b"], ["--published", "yesterday"]):
        with pytest.raises(DataError):
            run("export", mdlp, "-o", tmp_path / "x", *arguments)
    assert run("inspect")[0] == 2
    for command in ("open", "inspect", "export", "diff", "layouts"):
        assert "Example" in run(command, "--help")[1]


def small_set(
    folder: Path, draw: Callable[..., bytes], groups: Sequence[str], split: str = "train"
) -> Samples:
    """Groups of these names, each with its own pictures."""
    for number, group in enumerate(groups):
        for kind in ("inputs", "gt"):
            (folder / split / kind / group).mkdir(parents=True)
            (folder / split / kind / group / "img_1.png").write_bytes(draw(number, 40, 12, "png"))
    return open_samples(folder)


@pytest.mark.parametrize(
    "groups",
    [("a.1", "a_1", "a 1"), ("A", "a", "ａ"), ("x.y.z", "x_y.z", "x.y_z", "x_y_z"), ("é", "e\u0301")],
)
def test_webdataset_keys_are_apart(
    tmp_path: Path, draw: Callable[..., bytes], groups: tuple[str, ...]
) -> None:
    samples = small_set(tmp_path / "set", draw, groups)
    export_webdataset(samples, tmp_path / "out")
    with tarfile.open(tmp_path / "out/train-00000.tar") as tar:
        meta = {
            name.removesuffix(".json"): json.loads(tar.extractfile(name).read())["sample_id"]  # type: ignore[union-attr]
            for name in tar.getnames()
            if name.endswith(".json")
        }
        assert len({name.casefold() for name in tar.getnames()}) == 3 * len(groups)
    assert sorted(meta.values()) == sorted(samples.sample_ids)
    changed = {key: i for key, i in meta.items() if key != i.replace(".", "_")}
    listed = tmp_path / "out/renamed.csv"
    written = listed.read_text("utf-8").splitlines() if listed.is_file() else []
    assert {row["key"]: row["sample_id"] for row in csv.DictReader(written)} == changed
    import datasets

    loaded = datasets.load_dataset("webdataset", data_dir=str(tmp_path / "out"), split="train")
    assert len(loaded) == len(groups) and len(set(loaded["__key__"])) == len(groups)


def test_groups_are_apart_where_case_does_not_count(tmp_path: Path, draw: Callable[..., bytes]) -> None:
    samples = small_set(tmp_path / "set", draw, ("A", "a", "con"))
    export_mdlp(samples, tmp_path / "out")
    names = [path.name.casefold() for path in (tmp_path / "out/train/inputs").iterdir()]
    assert len(set(names)) == 3 and "con" not in names
    again = open_samples(tmp_path / "out")
    assert again.fingerprint == samples.fingerprint
    small_set(tmp_path / "set", draw, ("b",), "Train")
    for write in (export_mdlp, export_lrlpr, export_webdataset):
        with pytest.raises(DataError, match="Train and train differ in case only"):
            write(open_samples(tmp_path / "set"), tmp_path / "no")


def test_names_that_not_every_system_can_write_are_changed(tmp_path: Path, draw: Draw) -> None:
    samples = small_set(tmp_path / "set", draw, ("10:00", "what?", "end."))
    export_mdlp(samples, tmp_path / "out")
    names = [path.name for path in (tmp_path / "out/train/inputs").iterdir()]
    assert not any(set(':?*"<>|') & set(name) or name.endswith(".") for name in names)
    assert open_samples(tmp_path / "out").fingerprint == samples.fingerprint


def test_a_bundle_refuses_ids_that_are_one_file_on_some_systems(tmp_path: Path, draw: Draw) -> None:
    from mdlp_bench.leaderboard.export.codabench import write_codabench

    samples = small_set(tmp_path / "set", draw, ("A", "a"))
    with pytest.raises(DataError, match="train-A and train-a are one file name"):
        write_codabench(samples, tmp_path / "b.zip", title="T", image="i")


def test_numbered_tracks_are_recorded_and_apart(tmp_path: Path, draw: Callable[..., bytes]) -> None:
    samples = small_set(tmp_path / "set", draw, ("x", "y"))
    export_lrlpr(samples, tmp_path / "out")
    with (tmp_path / "out/tracks.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["sample_id"] for row in rows] == list(samples.sample_ids)
    assert all((tmp_path / "out" / row["track"] / "lr-001.png").is_file() for row in rows)
