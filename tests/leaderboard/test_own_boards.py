"""Boards of sets that may not be redistributed, on LPBlur's test set where it is at hand."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from mdlp_bench.cli.leaderboard import app
from mdlp_bench.data import open_samples
from mdlp_bench.data.labelled import with_labels
from mdlp_bench.data.samples import Samples
from mdlp_bench.errors import ProtocolError, SubmissionError
from mdlp_bench.harness.plan import ScoringPlan
from mdlp_bench.harness.score import reader_columns
from mdlp_bench.harness.text_columns import GtReadings
from mdlp_bench.leaderboard.add import add
from mdlp_bench.leaderboard.boards import boards
from mdlp_bench.leaderboard.chain import CHAIN, append
from mdlp_bench.leaderboard.copy_detection import names_data_set
from mdlp_bench.leaderboard.dataset_cards import board_of, make_board
from mdlp_bench.leaderboard.recompute import recompute
from mdlp_bench.leaderboard.site import build_site
from mdlp_bench.leaderboard.store import DatasetCard, Store, reader_key
from mdlp_bench.leaderboard.store_integrity import check_store
from mdlp_bench.synth.build import synthesise_rendered
from mdlp_bench.synth.degrade import load_recipe

Make = Callable[..., Samples]
Submit = Callable[..., Path]


@pytest.fixture
def unlabelled(make_samples: Make, readable: Make) -> tuple[Samples, dict[str, str]]:
    """Samples without texts, and their texts."""
    rows = list(readable(8, name="with texts").rows())
    texts = {row["sample_id"]: row["text"] for row in rows}
    bare = [row | {"text": None, "text_origin": None, "plate_id": row["sample_id"]} for row in rows]
    return make_samples(rows=bare, name="bare"), texts


def listed(path: Path, texts: dict[str, str]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("filename", "label"), *((f"{i}.png", t) for i, t in texts.items())])
    return path


def pictures(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.suffix in (".webp", ".png", ".jpg")]


@pytest.mark.parametrize("texts_kept", [True, False])
def test_whoever_has_the_pictures_adds_to_a_board_that_holds_none(
    unlabelled: tuple[Samples, dict[str, str]],
    submit: Submit,
    plan: ScoringPlan,
    tmp_path: Path,
    texts_kept: bool,
) -> None:
    samples, texts = unlabelled
    store = Store(tmp_path / "lb")
    labelled = with_labels(samples, listed(tmp_path / "labels.csv", texts))
    card = make_board(
        store, "Real plates", labelled, plan.readers, about="For restoration.", texts=texts_kept
    )
    assert (card.n_samples, card.thumbnails, card.browsed) == (8, False, ())
    with pytest.raises(ProtocolError, match="the board Real plates has these samples"):
        make_board(store, "Other", labelled, plan.readers)
    # Somebody else has the pictures without the labels: their hashes say which board they are of.
    given = samples if texts_kept else labelled
    entry = add(store, submit(samples, training_data=["real-plates, train"]), given, plan)
    assert entry.record.dataset == card.slug and entry.run.record.dataset.name == "Real plates"
    assert entry.run.summary["ned"].n == 8
    assert [flag.code for flag in entry.flags if flag.code == "training-overlap"] == ["training-overlap"]
    assert entry.table["text"].to_pylist() == (
        [texts[i] for i in sorted(texts)] if texts_kept else [None] * 8
    )
    assert not set(texts.values()) & set(entry.table["plate_id"].to_pylist()) or texts_kept
    assert pictures(store.root) == [] and "signature" not in entry.table.column_names
    assert list(check_store(store).lines()) == []
    assert len({board.kind for board in boards(store)}) == 2
    build_site(store, tmp_path / "site")
    page = next((tmp_path / "site/boards").glob("real-plates-*-tint-*.html")).read_text(encoding="utf-8")
    assert "this site has none" in page and card.fingerprint[:16] in page and "For restoration." in page
    assert "pictures are not published" in (tmp_path / "site/index.html").read_text(encoding="utf-8")
    assert pictures(tmp_path / "site") == []
    changed = shutil.copytree(store.root, tmp_path / "changed")
    assert list(check_store(Store(changed)).lines()) == []


def test_a_methods_page_lists_its_places_on_other_boards(
    readable: Make, submit: Submit, plan: ScoringPlan, tmp_path: Path
) -> None:
    store = Store(tmp_path / "lb")
    for number, name in enumerate(("first", "second")):
        samples = readable(6 + 2 * number, name=name)
        make_board(store, f"Set {name}", samples, plan.readers, siblings=["MDLP"])
        add(store, submit(samples, method="Everywhere"), samples, plan)
    build_site(store, tmp_path / "site")
    index = (tmp_path / "site/index.html").read_text(encoding="utf-8")
    assert "Set first" in index and "Set second" in index
    page = next((tmp_path / "site/methods").glob("set-first-*/*.html")).read_text(encoding="utf-8")
    assert "On other boards" in page and "Set second" in page
    overlaps = [flag for entry in store.entries() for flag in entry.flags if flag.code == "training-overlap"]
    assert len(overlaps) == 2 and "trained on MDLP train" in overlaps[0].text


def test_the_recipe_for_lpblur(shared_dir: Path, tmp_path: Path, form: dict[str, Any]) -> None:
    import yaml

    source = shared_dir / "real/lpblur"
    if not source.is_dir():
        pytest.skip("LPBlur's test set is not at hand")
    # The pairs that LPDGAN has restored, to keep the test short, and their texts apart from them.
    ids = sorted(path.stem for path in (source / "lpdgan").glob("*.png"))[:12]
    data = tmp_path / "lpblur"
    for kind in ("blur", "sharp"):
        (data / "test" / kind).mkdir(parents=True)
        for name in ids:
            shutil.copyfile(source / "test" / kind / f"{name}.png", data / "test" / kind / f"{name}.png")
    lines = (source / "test/plate_info.txt").read_text(encoding="utf-8").splitlines()
    labels = tmp_path / "labels.csv"
    labels.write_text("".join(f"{line}\n" for line in lines if line.split(".")[0] in ids), encoding="utf-8")
    store = tmp_path / "lb"

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    made = run(
        *("new", "LPBlur", "--dataset", str(data), "--labels", str(labels), "--store", str(store)),
        *("--about", "Real blurred plates, one frame each.", "--source", "https://example.org/lpblur"),
    )
    assert "LPBlur: 12 samples of 12 plates" in made
    restored = tmp_path / "restored"
    restored.mkdir()
    from mdlp_bench.images import decode, encode
    from mdlp_bench.metrics.protocol import to_working_size

    for name in ids:
        image = to_working_size(decode((source / "lpdgan" / f"{name}.png").read_bytes(), name))
        (restored / f"{name}.png").write_bytes(encode(image))
    filled = form | {"method": "LPDGAN", "claimed": {}, "training_data": ["LPBlur train"]}
    (restored / "submission.yaml").write_text(yaml.safe_dump(filled), encoding="utf-8")
    run("pack", str(restored), "-o", str(tmp_path / "lpdgan.zip"))
    found = run(
        *(
            "add",
            str(tmp_path / "lpdgan.zip"),
            "--dataset",
            str(data),
            "--store",
            str(store),
            "--lpips",
            "none",
        )
    )
    assert "LPDGAN" in found and "training-overlap" in found and "equals-ground-truth" not in found
    assert "sound" in run("check", "--store", str(store))
    (entry,) = Store(store).entries()
    card = Store(store).card(entry.record.dataset)
    (floor,) = (bounds["ned"] for bounds in card.floors.values())
    assert entry.run.summary["ned"].mean is not None and entry.run.summary["ned"].mean < floor
    assert pictures(store) == []
    assert open_samples(data).name != "LPBlur"


def test_only_pictures_of_shown_samples_that_are_regular_files_are_published(
    readable: Make, submit: Submit, plan: ScoringPlan, tmp_path: Path
) -> None:
    samples, store = readable(4), Store(tmp_path / "lb")
    entry = add(store, submit(samples), samples, plan)
    secret = tmp_path / "secret.webp"
    secret.write_bytes(b"secret")
    for folder in (entry.folder / "thumbnails", store.dataset_folder(entry.record.dataset) / "thumbnails"):
        first = sorted(folder.iterdir())[0]
        first.unlink()
        first.symlink_to(secret)
        (folder / "index.html").write_text("<script>alert(1)</script>", encoding="utf-8")
        (folder / "more.webp").write_bytes(b"secret")
    build_site(store, tmp_path / "site")
    published = [path for path in (tmp_path / "site/img").rglob("*") if not path.is_dir()]
    assert len(published) == 4 * 4 - 1 + 4 - 1
    assert not any(path.is_symlink() or b"secret" in path.read_bytes() for path in published)
    assert not any(path.name == "index.html" for path in published)
    assert sum("a link; a store holds files alone" in line for line in check_store(store).lines()) == 2


def test_a_boards_name_is_printable_and_not_that_of_another(
    readable: Make, plan: ScoringPlan, tmp_path: Path
) -> None:
    store = Store(tmp_path / "lb")
    make_board(store, "LPBlur", readable(4), plan.readers)
    other = readable(6, name="other")
    for name in ("", "...", "a\nb", "x" * 61):
        with pytest.raises(SubmissionError, match="not a name for a board"):
            make_board(store, name, other, plan.readers)
    with pytest.raises(ProtocolError, match="has a board of that name"):
        make_board(store, "LPBIur", other, plan.readers)
    assert len(store.cards()) == 1


def test_a_forgery_that_contradicts_nothing_is_found_by_scoring_the_archive_again(
    tmp_path: Path, form: dict[str, Any], submit: Submit
) -> None:
    data = tmp_path / "data"
    synthesise_rendered(load_recipe("surveillance"), 8, data, seed=4, only="test")
    samples = open_samples(data, split="test")
    store = Store(tmp_path / "lb")
    archive = submit(samples, "frame-mean", method="Mean")
    plan = ScoringPlan.from_names(["crnn"], "none")
    entry = add(store, archive, samples, plan)

    def check(*arguments: str) -> tuple[int, str]:
        options = ("--store", str(store.root), "--dataset", str(data), "--split", "test")
        done = CliRunner().invoke(app, ["check", *options, *arguments])
        return done.exit_code, done.output

    code, said = check("--recompute", str(archive.parent))
    assert (code, said.splitlines()[-1]) == (0, f"{store.root}: sound, 1 entries scored again")

    # What nobody can know without the archive.
    def edited(file: str, *keys: Any) -> str:
        """What recomputing says after a value of a file was changed: the keys, then the value."""
        path = entry.folder / file
        landed = path.read_bytes()
        whole = place = json.loads(landed)
        *way, last, value = keys
        for part in way:
            place = place[part]
        place[last] = value
        path.write_text(json.dumps(whole), encoding="utf-8")
        n, faults = recompute(Store(store.root), samples, archive.parent)
        path.write_bytes(landed)
        return f"{n}: " + "\n".join(faults.lines())

    assert "its form is not that of its archive" in edited(
        "entry.json", "submission", "contact", "x@example.org"
    )
    assert "no entry is of this archive" in edited("entry.json", "archive_sha256", "0" * 64)
    # Higher PSNR with the summary that follows from it contradicts the pictures that are shown.
    raised = Store(tmp_path / "raised")
    shutil.copytree(store.root, raised.root)
    (better,) = raised.entries()
    table = better.table
    values = [value + 2 for value in table["psnr"].to_pylist()]
    path = better.folder / "per_sample.parquet"
    pq.write_table(table.set_column(table.column_names.index("psnr"), "psnr", [values]), path)
    summary = json.loads((better.folder / "summary.json").read_text(encoding="utf-8"))
    summary["psnr"] |= {part: summary["psnr"][part] + 2 for part in ("mean", "low", "high")}
    (better.folder / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    (raised.root / CHAIN).unlink()
    for folder, kind in raised.folders():
        append(raised.root, kind, folder)
    lines = "\n".join(check_store(Store(raised.root)).lines())
    assert "psnr of rendered-4-" in lines and "of its thumbnail" in lines, lines
    # Readings become the texts, everything that follows from them follows, and the chain is made again.
    table = entry.run.per_sample()
    for name, values in (("read_text", table["text"]), ("psnr", pa.array([20.0] * len(table)))):
        table = table.set_column(table.column_names.index(name), name, values)
    forged = {name: table[name].to_pylist() for name in ("error", "read_text", "read_confidence")}
    known = store.samples(entry.record.dataset)
    assert known is not None
    key = reader_key(entry.run.record.readers[0])
    gt_readings = [GtReadings(known["text"].to_pylist(), known[f"truth_text@{key}"].to_pylist())]
    columns, _ = reader_columns(
        entry.run.record, forged, gt_readings, known[f"frame_texts@{key}"].to_pylist()
    )
    for name, values in columns.items():
        table = table.set_column(table.column_names.index(name), name, pa.array(values, from_pandas=True))
    pq.write_table(table, entry.folder / "per_sample.parquet")
    code, said = check("--recompute", str(archive.parent))
    assert code == 1
    for part in ("read_text of", "psnr of", "ned of"):
        assert f"{part} 8 samples is not what its archive gives" in said, said
    assert check("--recompute", str(tmp_path / "none"))[0] != 0
    # An archive whose entry is gone, and one that is of no entry of this or another data set.
    shutil.rmtree(entry.folder.parents[1])
    (archive.parent / "other.zip").write_bytes(b"PK")
    said = check("--recompute", str(archive.parent))[1]
    assert f"{archive.name}: Mean 1.0: no entry is of this archive" in said and "other.zip" not in said


def test_a_set_that_is_nearly_a_boards_is_refused_and_loosens_no_choice(
    make_samples: Make, readable: Make, submit: Submit, plan: ScoringPlan, tmp_path: Path
) -> None:
    store = Store(tmp_path / "lb")
    own = readable(8, name="LB")
    make_board(store, "Real plates", own, plan.readers, siblings=["LPBlur train"])
    rows = list(own.rows())
    other = next(make_samples(9).select(sample_ids=["s0008"]).rows())

    def given(name: str, *rows: dict[str, Any]) -> Samples:
        return make_samples(rows=list(rows), name=name)

    near = {
        r"has other pictures for 1 of 8 samples \(s0002\)": given(
            "LB2", *(row | {"gt": other["gt"]} if row["sample_id"] == "s0002" else row for row in rows)
        ),
        r"has other ids for 7 of 7 samples \(test-s0000 is s0000 there\), lacks 1 of 8 samples": given(
            "LB3", *(row | {"sample_id": f"test-{row['sample_id']}"} for row in rows[:7])
        ),
        r"lacks 3 of 8 samples \(s0005, s0006, s0007\)": given("LB4", *rows[:5]),
        r"has 1 more \(s0008\)": given("LB5", *rows, other),
    }
    for difference, samples in near.items():
        match = f"not the set of the board Real plates.*{difference}.*leaderboard new"
        with pytest.raises(ProtocolError, match=match):
            add(store, submit(samples), samples, plan)
        archive = submit(own, method=f"For {samples.name}")
        n, faults = recompute(store, samples, archive)
        assert n == 0 and re.search(
            f"{samples.name}: no set of this store; it is near that of Real plates but {difference}",
            "\n".join(faults.lines()),
        )
    assert [card.name for card in store.cards()] == ["Real plates"] and not store.entries()

    # Nothing resembles this set, so it may have a board, but pictures stay off in this store.
    strange = given("Strange", *(row | {"sample_id": f"x{n}"} for n, row in enumerate(_painted(rows))))
    add(store, submit(strange), strange, plan)
    assert pictures(store.root) == [] and list(check_store(store).lines()) == []
    # Whoever declares a board of such a set may have it, and chooses again.
    lb2 = next(iter(near.values()))
    card = make_board(store, "LB2", lb2, plan.readers, thumbnails=True)
    add(store, submit(lb2, method="Second"), lb2, plan)
    assert card.is_declared and pictures(store.dataset_folder(card.slug))


@pytest.mark.parametrize("texts_kept", [True, False])
def test_a_copy_of_a_boards_set_may_have_other_ids(
    make_samples: Make, readable: Make, submit: Submit, plan: ScoringPlan, tmp_path: Path, texts_kept: bool
) -> None:
    store = Store(tmp_path / "lb")
    first, *rest = readable(6).rows()
    own = make_samples(rows=[first, *rest, first | {"sample_id": "twice"}], name="LB")
    make_board(store, "Real plates", own, plan.readers, texts=texts_kept)
    bare = {"text": None, "text_origin": None} if texts_kept else {}
    rows = [row | bare | {"sample_id": f"copy-{row['sample_id']}", "split": "val"} for row in own.rows()]
    copy = make_samples(rows=rows[::-1], name="Copy")
    with pytest.raises(ProtocolError, match="the board Real plates has these samples"):
        make_board(store, "Copy", copy, plan.readers)
    there = add(store, submit(own), own, plan)
    archive = submit(own, "frame-mean")
    entry = add(store, archive, copy, plan)
    assert entry.record.dataset == there.record.dataset and entry.run.record.dataset.name == "Real plates"
    assert entry.table["sample_id"].to_pylist() == sorted(own.sample_ids)
    assert entry.run.summary["ned"].n == 7
    assert list(check_store(store).lines()) == []
    _, samples, _ = board_of(store, copy)
    assert samples.fingerprint == store.card(entry.record.dataset).fingerprint
    chosen = samples.select(split="val", sample_ids=["s0003", "twice"])
    assert sorted(one.sample_id for one in chosen) == sorted(chosen.sample_ids) == ["s0003", "twice"]
    assert [one.sample_id for one in chosen.load(["twice"])] == ["twice"]
    assert sorted(samples.candidates()["val"]) == sorted(own.sample_ids)
    # An archive must name its pictures as the board does: others could not score it again.
    with pytest.raises(SubmissionError, match="7 times no sample of the test set"):
        add(store, submit(copy, method="Third"), copy, plan)


def _painted(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with pictures that no other set has."""
    from mdlp_bench.images import decode, encode

    def turned(image: dict[str, Any]) -> dict[str, Any]:
        return image | {"bytes": encode(255 - decode(image["bytes"], "picture"))}

    return [row | {"gt": turned(row["gt"]), "frames": list(map(turned, row["frames"]))} for row in rows]


def test_a_board_without_texts_is_known_by_its_pictures_and_asks_for_texts(
    unlabelled: tuple[Samples, dict[str, str]], submit: Submit, plan: ScoringPlan, tmp_path: Path
) -> None:
    samples, texts = unlabelled
    store = Store(tmp_path / "lb")
    labelled = with_labels(samples, listed(tmp_path / "labels.csv", texts))
    make_board(store, "Real plates", labelled, plan.readers, texts=False)
    with pytest.raises(ProtocolError, match="pictures of the board Real plates but not its texts"):
        add(store, submit(samples), samples, plan)
    assert len(store.cards()) == 1


def test_the_commands_name_the_board_of_a_test_set(
    tmp_path: Path, readable: Make, submit: Submit, plan: ScoringPlan
) -> None:
    from mdlp_bench.data import write_parquet

    own = readable(4, name="LB")
    data, part = tmp_path / "LB", tmp_path / "LB2"
    write_parquet(own.select(sample_ids=own.sample_ids[:3]), part, name="LB2")
    store, archive = tmp_path / "lb", submit(own)
    (store / "datasets").mkdir(parents=True)

    def run(*arguments: object) -> tuple[int, str]:
        done = CliRunner().invoke(app, list(map(str, arguments)))
        return done.exit_code, done.output

    assert "for a new board LB" in run("validate", archive, data, "--store", store)[1]
    make_board(Store(store), "Plates", open_samples(data), plan.readers)
    code, said = run("validate", archive, data, "--store", store)
    assert code == 0 and "for the board Plates" in said
    code, said = run("validate", archive, part, "--store", store)
    assert code == 1 and "lacks 1 of 4 samples" in said
    rows = [row | {"sample_id": f"copy-{row['sample_id']}"} for row in own.rows()]
    write_parquet(rows, tmp_path / "copy", name="copy")
    code, said = run("validate", archive, tmp_path / "copy", "--store", store)
    assert code == 0 and "for the board Plates" in said
    check = ("check", "--store", store, "--recompute", archive, "--dataset")
    code, said = run(*check, part)
    assert code == 1 and "no set of this store" in said and "sound" not in said
    code, said = run(*check, data)
    assert code == 1 and "no entry is of this archive" in said
    (tmp_path / "other").mkdir()
    code, said = run("check", "--store", store, "--recompute", tmp_path / "other", "--dataset", data)
    assert code == 1 and "holds no archive of an entry of Plates" in said


def test_the_reader_of_a_new_board_is_chosen_by_its_texts(
    tmp_path: Path, make_samples: Make, readable: Make, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [row | {"text": "BRA2E19", "layout": "mercosur"} for row in readable(2).rows()]
    make_samples(rows=rows, name="latin")
    for name, options, reader in (("Auto", ["--reader", "auto"], "crnn-latin"), ("Default", [], "crnn-3")):
        store = tmp_path / name
        arguments = ["new", name, str(tmp_path / "latin"), "--store", str(store), *options]
        done = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        (card,) = Store(store).cards()
        assert [one.name for one in card.readers.values()] == [reader]
        assert any("crnn-3" in line for line in caplog.messages) == (reader == "crnn-3")


@pytest.mark.parametrize(
    ("name", "siblings", "named", "others"),
    [
        (
            "My LPBlur",
            ("LPBlur train",),
            ("LPBlur", "LPBlur train set", "lpblur-train", "LP-Blur", "LPBlurTrain", "the LPBlur data"),
            (
                "train",
                "plates",
                "synthetic",
                "LP",
                "Blur",
                "motion blur",
                "blurred plates, train",
                "my data",
                "",
            ),
        ),
        ("UFPR-SR-Plates", (), ("UFPR", "UFPR SR", "UFPR-SR-Plates train"), ("SR", "UFPR-ALPR", "plates")),
        ("CCPD2019", (), ("CCPD", "CCPD 2019 train", "CCPD2020"), ("2019", "10,000 plates of 2019")),
        (
            "Real plates",
            ("Real plates by day",),
            ("real-plates, train", "Real plates by day"),
            ("plates", "real"),
        ),
        (
            "rendered-surveillance/test",
            (),
            ("rendered surveillance",),
            ("rendered plates, surveillance recipe",),
        ),
        ("Plates", ("MDLP",), ("MDLP val", "plates", "MDLP and CCPD"), ("synthetic plates", "train")),
    ],
)
def test_training_data_that_name_a_boards_set(
    name: str, siblings: tuple[str, ...], named: tuple[str, ...], others: tuple[str, ...]
) -> None:
    card = DatasetCard(
        **dict.fromkeys(("slug", "fingerprint"), ""), name=name, siblings=siblings, domain="real",
        n_samples=1, n_plates=1, layouts={}, ceilings={}, floors={}, browsed=(),
    )  # fmt: skip
    assert [item for item in (*named, *others) if names_data_set(item, card)] == list(named)
    assert all(names_data_set(whole, card, rules=1) for whole in (name.removesuffix("/test"), *siblings))


def test_entries_of_earlier_stores_keep_their_flags(
    readable: Make, submit: Submit, plan: ScoringPlan, tmp_path: Path
) -> None:
    store, samples = Store(tmp_path / "lb"), readable(4)
    make_board(store, "My LPBlur", samples, plan.readers)
    entry = add(store, submit(samples, training_data=["LPBlur"]), samples, plan)
    assert "training-overlap" in {flag.code for flag in entry.flags}
    path = entry.folder / "entry.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    del record["flag_rules"]
    record["flags"] = [flag for flag in record["flags"] if flag["code"] != "training-overlap"]
    path.write_text(json.dumps(record), encoding="utf-8")
    (store.root / CHAIN).unlink()
    for folder, kind in store.folders():
        append(store.root, kind, folder)
    assert list(check_store(Store(store.root)).lines()) == []
    path.write_text(json.dumps(record | {"flag_rules": 2}), encoding="utf-8")
    assert "no flag training-overlap" in "\n".join(check_store(Store(store.root)).lines())
