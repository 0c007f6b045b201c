from __future__ import annotations

import dataclasses
import json
import shutil
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from mdlp_bench.cli.main import app
from mdlp_bench.data import open_samples
from mdlp_bench.data.samples import Samples
from mdlp_bench.errors import ProtocolError, SubmissionError
from mdlp_bench.files import sha256_bytes
from mdlp_bench.harness.plan import ScoringPlan
from mdlp_bench.harness.predict import predict
from mdlp_bench.harness.run import PredictionsRecord, Run
from mdlp_bench.harness.score import score
from mdlp_bench.images import ImageU8, decode, encode
from mdlp_bench.leaderboard import bundled_entries
from mdlp_bench.leaderboard.add import add, add_all, deprecate
from mdlp_bench.leaderboard.boards import boards
from mdlp_bench.leaderboard.bundled_entries import add_references, reference_form
from mdlp_bench.leaderboard.chain import CHAIN, append, read_chain
from mdlp_bench.leaderboard.site.build import build_site
from mdlp_bench.leaderboard.store import Entry, Store, reader_key
from mdlp_bench.leaderboard.store_integrity import check_store
from mdlp_bench.leaderboard.submission.form import Submission
from mdlp_bench.methods import load_method
from mdlp_bench.metrics.protocol import MDLP_V1, to_working_size
from mdlp_bench.metrics.text import ned
from mdlp_bench.readers.registry import FunctionReader
from mdlp_bench.synth.build import synthesise_rendered
from mdlp_bench.synth.degrade import load_recipe

Make = Callable[..., Samples]
Submit = Callable[..., Path]


@pytest.fixture(scope="module")
def plates(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    """Ten rendered plates with three degraded frames each."""
    folder = tmp_path_factory.mktemp("plates") / "data"
    synthesise_rendered(load_recipe("surveillance"), 10, folder, seed=4, only="test")
    return open_samples(folder, split="test")


def codes(entry: Entry) -> set[str]:
    return {flag.code for flag in entry.flags}


def test_scores_are_recomputed_and_claims_held_against_them(
    readable: Make, submit: Submit, plan: ScoringPlan, tmp_path: Path
) -> None:
    samples = readable(8)
    claimed = {"psnr": 99.0, "lpips": 0.1}
    entry = add(Store(tmp_path / "lb"), submit(samples, claimed=claimed), samples, plan)
    folder = f"{entry.record.dataset}--mdlp-v3"
    assert entry.folder == tmp_path / "lb/entries/method-bicubic/1.0" / folder
    names = {"entry.json", "run.json", "summary.json", "per_sample.parquet", "thumbnails"}
    assert {path.name for path in entry.folder.iterdir()} == names
    claims = {claim.metric: claim for claim in entry.record.claimed_vs_recomputed}
    psnr, lpips = claims["psnr"], claims["lpips"]
    assert psnr.recomputed == pytest.approx(np.mean(entry.table["psnr"].to_pylist())) and not psnr.agrees
    assert lpips.recomputed is None
    assert "claim-differs" in codes(entry)
    assert entry.run.record.milliseconds_per_image == 250.0
    assert list(check_store(Store(tmp_path / "lb")).lines()) == []


def test_entries_are_never_changed(readable: Make, submit: Submit, plan: ScoringPlan, tmp_path: Path) -> None:
    samples, store = readable(6), Store(tmp_path / "lb")
    archive = submit(samples)
    entry = add(store, archive, samples, plan)
    before = {path: path.read_bytes() for path in sorted(entry.folder.rglob("*")) if path.is_file()}
    with pytest.raises(SubmissionError, match="submit a new version"):
        add(store, archive, samples, plan)
    newer = add(store, submit(samples, version="2.0"), samples, plan)
    assert "duplicate" in codes(newer)
    deprecate(store, "method-bicubic", "2.0", "wrong weights")
    first, second = store.entries()
    assert codes(first) >= {"superseded"} and not first.current
    assert "withdrawn" in next(f.text for f in second.flags if f.code == "deprecated")
    assert before == {path: path.read_bytes() for path in sorted(entry.folder.rglob("*")) if path.is_file()}
    with pytest.raises(SubmissionError, match="no such version"):
        deprecate(store, "method-bicubic", "3.0", "wrong weights")
    assert list(check_store(store).lines()) == []


def test_copies_of_truth_and_input_and_scores_above_the_ceiling_are_flagged(
    readable: Make, submit: Submit, plan: ScoringPlan, make_samples: Make, tmp_path: Path
) -> None:
    samples, store = readable(8), Store(tmp_path / "lb")
    cheat = add(store, submit(samples, "ground-truth", extra_data=True, uses_synthetic=True), samples, plan)
    assert {"equals-ground-truth", "extra-data", "synthetic"} <= codes(cheat)
    assert "8 of 8 pictures equal the ground truth" in " ".join(flag.text for flag in cheat.flags)
    copy = add(store, submit(samples, "input"), samples, plan)
    assert "equals-input" in codes(copy) and "equals-ground-truth" not in codes(copy)
    # Texts that nobody can read in the ground truths, but in this method's outputs: above the ceiling.
    rows = [row | {"text": "京A00000"} for row in make_samples(6, name="other").rows()]
    black = make_samples(rows=rows, name="black")
    dark = tmp_path / "dark.py"
    dark.write_text(
        "import numpy as np\ndef restore(f):\n    return np.zeros_like(f[:, 0])\n", encoding="utf-8"
    )
    above = add(store, submit(black, f"{dark}:restore", method="Dark"), black, plan)
    assert "too-good" in codes(above)
    assert list(check_store(store).lines()) == []


def test_one_version_has_an_entry_for_each_protocol(
    readable: Make, submit: Submit, plan: ScoringPlan, tmp_path: Path
) -> None:
    samples, store = readable(12), Store(tmp_path / "lb")
    archive = submit(samples, "bicubic")
    older, claiming = tmp_path / "older.zip", tmp_path / "claiming.zip"
    for path, claims in ((older, b"{}"), (claiming, b"{psnr: 20.0}")):
        with zipfile.ZipFile(archive) as source, zipfile.ZipFile(path, "w") as target:
            for name in source.namelist():
                content = source.read(name)
                if ".yaml" in name:
                    assert b"claimed: {}" in content
                    content = content.replace(b"mdlp-v3", b"mdlp-v1").replace(
                        b"claimed: {}", b"claimed: " + claims
                    )
                target.writestr(name, content)
    with pytest.raises(
        SubmissionError, match="'mdlp-v1' is not the protocol of new entries; score the predic"
    ):
        add(store, claiming, samples, plan)
    without_claims = Store(tmp_path / "other")
    assert add(without_claims, older, samples, plan).run.record.protocol == "mdlp-v3"
    assert list(check_store(without_claims).lines()) == []
    first = add(store, older, samples, dataclasses.replace(plan, protocol=MDLP_V1))
    second = add(store, archive, samples, plan)
    assert (first.folder.name, second.folder.name) == (
        first.record.dataset,
        f"{first.record.dataset}--mdlp-v3",
    )
    assert second.flags == first.flags, "the same pictures under another protocol are no copy"
    assert "duplicate" not in {flag.code for flag in second.flags}
    found = boards(store)
    assert [(board.protocol, len(board.rows)) for board in found if board.kind == "main"] == [
        ("mdlp-v3", 1),
        ("mdlp-v1", 1),
    ]
    assert all(entry.current for entry in store.entries())
    assert list(check_store(store).lines()) == []
    build_site(store, tmp_path / "site")
    pages = sorted(path.name for path in (tmp_path / "site" / "methods").glob("*/*.html"))
    assert pages == ["method-bicubic--1.0--mdlp-v3.html", "method-bicubic--1.0.html"]
    old = next(board for board in found if board.protocol == "mdlp-v1" and board.kind == "main")
    page = (tmp_path / "site" / "boards" / f"{old.slug}.html").read_text(encoding="utf-8")
    assert "new entries are scored under mdlp-v3" in page
    with pytest.raises(SubmissionError, match="new version"):
        add(store, archive, samples, plan)


def test_a_failed_add_leaves_nothing(
    readable: Make, submit: Submit, plan: ScoringPlan, tmp_path: Path, zip_of: Callable[..., bytes]
) -> None:
    samples, store = readable(4), Store(tmp_path / "lb")
    bad = tmp_path / "bad.zip"
    bad.write_bytes(zip_of(n=3))
    with pytest.raises(SubmissionError, match="1 of 4 samples have no picture"):
        add(store, bad, samples, plan)
    assert not [path for path in (tmp_path / "lb").rglob("*") if path.is_file()]


def test_submissions_added_together_are_scored_in_one_pass_and_flagged_against_one_another(
    readable: Make, submit: Submit, plan: ScoringPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples, store = readable(4), Store(tmp_path / "lb")
    passes = []

    def counted(*args: Any, **options: Any) -> list[Run]:
        passes.append(len(args[0]))
        return score(*args, **options)

    monkeypatch.setattr("mdlp_bench.leaderboard.add.score", counted)
    first, again = submit(samples), submit(samples, method="Again")
    with pytest.raises(SubmissionError, match="never changed"):
        add_all(store, [first, again, first], samples, plan)
    assert passes == [] and store.entries() == []
    added = add_all(store, [first, again], samples, plan)
    assert passes == [2] and [entry.method for entry in added] == ["method-bicubic", "again"]
    assert "duplicate" not in codes(added[0]) and "duplicate" in codes(added[1])
    assert list(check_store(store).lines()) == [] and add_all(store, [], samples, plan) == []


def test_an_entry_may_repeat_what_its_owner_has_withdrawn_and_nothing_else(
    readable: Make, submit: Submit, plan: ScoringPlan, tmp_path: Path
) -> None:
    samples, store = readable(4), Store(tmp_path / "lb")
    before, after, other = (
        submit(samples, method=f"Method {name}") for name in ("early", "late", "of others")
    )
    stranger = submit(samples, method="Stranger", contact="stranger@example.org")
    add(store, before, samples, plan)
    assert "duplicate" in codes(add(store, after, samples, plan))
    deprecate(store, "method-early", "1.0", "another name")
    renamed = next(entry for entry in store.entries() if entry.method == "method-late")
    # The order of withdrawing and adding does not matter, and the stored record keeps what was noticed.
    assert "duplicate" not in codes(renamed) and any(f.code == "duplicate" for f in renamed.record.flags)
    copied = {flag.copied for flag in add(store, other, samples, plan).flags} - {""}
    assert copied == {"method-late@1.0"}
    copied = {flag.copied for flag in add(store, stranger, samples, plan).flags} - {""}
    assert copied == {"method-early@1.0", "method-late@1.0", "method-of-others@1.0"}
    assert list(check_store(store).lines()) == []


def test_the_check_finds_every_kind_of_damage(
    readable: Make, submit: Submit, plan: ScoringPlan, tmp_path: Path
) -> None:
    samples, store = readable(6), Store(tmp_path / "lb")
    entry = add(store, submit(samples), samples, plan)
    other = add(store, submit(samples, "lanczos"), samples, plan)
    path = entry.folder / "summary.json"
    summary = json.loads(path.read_text(encoding="utf-8"))
    summary["psnr"]["mean"] += 0.5
    path.write_text(json.dumps(summary), encoding="utf-8")
    next((entry.folder / "thumbnails").iterdir()).unlink()
    (entry.folder / "notes.txt").write_text("x", encoding="utf-8")
    (store.root / ".adding-x").mkdir()
    pq.write_table(pq.read_table(entry.folder / "per_sample.parquet"), other.folder / "per_sample.parquet")
    lines = "\n".join(check_store(Store(store.root)).lines())
    for part in (
        "psnr is",
        ".webp: is missing",
        "notes.txt: does not belong",
        "stopped",
        "no flag duplicate that says: 6 of 6 pictures are those of",
    ):
        assert part in lines, part
    table = pq.read_table(entry.folder / "per_sample.parquet")
    texts = ["京A00000", *table["read_text"].to_pylist()[1:]]
    column = table.column_names.index("read_text")
    pq.write_table(table.set_column(column, "read_text", [texts]), entry.folder / "per_sample.parquet")
    lines = "\n".join(check_store(Store(store.root)).lines())
    assert "ned does not follow from the readings of 1 samples" in lines
    (other.folder / "entry.json").write_text("{}", encoding="utf-8")
    assert "schema version None" in "\n".join(check_store(Store(store.root)).lines())
    assert "no such folder" in "\n".join(check_store(Store(tmp_path / "none")).lines())


def test_a_landed_entry_cannot_be_changed_removed_or_moved_unnoticed(
    readable: Make, submit: Submit, plan: ScoringPlan, tmp_path: Path
) -> None:
    samples, store = readable(6), Store(tmp_path / "lb")
    first = add(store, submit(samples), samples, plan)
    earlier = tmp_path / "earlier"
    shutil.copytree(store.root, earlier)
    add(store, submit(samples, "frame-mean"), samples, plan)
    deprecate(store, "method-frame-mean", "1.0", "wrong weights")
    assert list(check_store(store, since=earlier).lines()) == []
    half = store.dataset_folder(first.record.dataset) / ".samples.parquet.part"
    half.write_bytes(b"half")
    assert any("does not belong in datasets" in line for line in check_store(store).lines())
    half.unlink()
    kinds = [link.kind for link in read_chain(store.root)]
    assert kinds == ["dataset", "entry", "entry", "deprecation"]

    def lines(change: Callable[[Path], object], rebuilt: bool) -> str:
        root = tmp_path / "tampered"
        shutil.copytree(store.root, root)
        change(root)
        if rebuilt:
            (root / CHAIN).unlink()
            for folder, kind in Store(root).folders():
                append(root, kind, folder)
        found = "\n".join(check_store(Store(root), since=earlier if rebuilt else None).lines())
        shutil.rmtree(root)
        return found

    def rename_authors(root: Path) -> None:
        path = root / first.folder.relative_to(store.root) / "entry.json"
        path.write_text(path.read_text(encoding="utf-8").replace("A. Author", "B. Author"), encoding="utf-8")

    folder = first.folder.relative_to(store.root).as_posix()
    assert f"{folder}/entry.json: was changed after it had landed" in lines(rename_authors, False)
    assert "chain.jsonl: line 2 is not that of" in lines(rename_authors, True)
    assert f"{folder}: this entry was removed" in lines(lambda root: shutil.rmtree(root / folder), False)
    assert "is not that of" in lines(lambda root: shutil.rmtree(root / folder), True)
    assert "chain.jsonl: is missing" in lines(lambda root: (root / CHAIN).unlink(), False)

    def drop_a_line(root: Path) -> None:
        kept = (root / CHAIN).read_bytes().splitlines(keepends=True)
        (root / CHAIN).write_bytes(b"".join([*kept[:2], *kept[3:]]))

    assert "line 3 does not follow" in lines(drop_a_line, False)


def test_stores_of_before_there_was_a_chain_open_and_are_chained_by_the_next_add(
    readable: Make, submit: Submit, plan: ScoringPlan, tmp_path: Path
) -> None:
    samples, store = readable(6), Store(tmp_path / "lb")
    first = add(store, submit(samples), samples, plan)
    card = store.dataset_folder(first.record.dataset)
    (store.root / CHAIN).unlink()
    (card / "samples.parquet").unlink()
    content = json.loads((card / "dataset.json").read_text(encoding="utf-8"))
    del content["samples_sha256"], content["readers"]
    (card / "dataset.json").write_text(json.dumps(content), encoding="utf-8")
    table = pq.read_table(first.folder / "per_sample.parquet")
    older = table.drop_columns(["gt_residual", "input_residual", "signature"])
    pq.write_table(older, first.folder / "per_sample.parquet")
    older_store = Store(store.root)
    assert list(check_store(older_store).lines()) == [] and len(boards(older_store)) == 2
    add(older_store, submit(samples, "frame-mean"), samples, plan)
    assert list(check_store(Store(store.root)).lines()) == []
    assert [link.kind for link in read_chain(store.root)] == ["entry", "dataset", "entry"]


def test_adds_at_the_same_time_are_serialised_and_the_loser_gets_one_line(
    readable: Make, submit: Submit, plan: ScoringPlan, tmp_path: Path
) -> None:
    samples = readable(6)
    archives = [submit(samples, method="Same"), submit(samples, "frame-mean", method="Other")]
    archives += [submit(samples, "lanczos", method="Third"), archives[0]]

    def work(archive: Path) -> str:
        try:
            return add(Store(tmp_path / "lb"), archive, samples, plan).key
        except SubmissionError as error:
            return str(error)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(work, archives))
    assert sorted(one for one in found if "@" in one) == ["other@1.0", "same@1.0", "third@1.0"]
    (loser,) = [one for one in found if "@" not in one]
    assert "entries are never changed" in loser and "\n" not in loser
    assert list(check_store(Store(tmp_path / "lb")).lines()) == []


@pytest.mark.parametrize(
    ("name", "disguise", "share"),
    [
        ("noise", lambda i, rng: i + rng.integers(-3, 4, i.shape), 1.0),
        ("strong noise", lambda i, rng: i + rng.normal(0, 6, i.shape), 1.0),
        ("one pixel", lambda i, rng: np.where(np.arange(i.size).reshape(i.shape) == 5000, 255 - i, i), 1.0),
        ("brightness", lambda i, rng: 0.9 * i + 12, 1.0),
        ("JPEG", lambda i, rng: cv2.imdecode(cv2.imencode(".jpg", i, [1, 60])[1], 1), 1.0),
        ("shift", lambda i, rng: np.roll(i, (1, -2), (0, 1)), 1.0),
        ("half a pixel", lambda i, rng: (i.astype(float) + np.roll(i, 1, 1)) / 2, 1.0),
        ("sharpening", lambda i, rng: 1.5 * i - 0.5 * cv2.GaussianBlur(i.astype(float), (0, 0), 1), 1.0),
        ("two of ten", lambda i, rng: i + rng.integers(-3, 4, i.shape), 0.2),
    ],
)
def test_disguised_copies_are_flagged_and_honest_outputs_are_not(
    name: str, disguise: Any, share: float, plates: Samples, plan: ScoringPlan, submit: Submit, tmp_path: Path
) -> None:
    store, rng = Store(tmp_path / "lb"), np.random.default_rng(3)

    def submitted(method: str, pictures: dict[str, ImageU8]) -> Entry:
        folder = tmp_path / method
        folder.mkdir()
        for sample_id, image in pictures.items():
            (folder / f"{sample_id}.png").write_bytes(encode(image))
        return add(store, submit(plates, str(folder), method=method), plates, plan)

    def disguised(pictures: dict[str, ImageU8], part: float = 1.0) -> dict[str, ImageU8]:
        chosen = list(pictures)[: round(part * len(pictures))]
        made = {i: np.clip(disguise(pictures[i], rng), 0, 255).astype(np.uint8) for i in chosen}
        return averages | made

    rows = list(plates.rows())
    truths = {row["sample_id"]: to_working_size(decode(row["gt"]["bytes"], "gt")) for row in rows}
    averages = {}
    for row in rows:
        frames = [to_working_size(decode(frame["bytes"], "frame")) for frame in row["frames"]]
        averages[row["sample_id"]] = np.mean(frames, axis=0).astype(np.uint8)
    honest = submitted("average", averages)
    assert "equals-ground-truth" not in codes(honest) and "duplicate" not in codes(honest)
    cheat = submitted("truths", disguised(truths, share))
    assert "equals-ground-truth" in codes(cheat)
    assert "equals-ground-truth" not in codes(submitted("copy", disguised(averages)))
    assert "those of average@1.0" in " ".join(flag.text for flag in store.entries()[-1].flags)
    assert list(check_store(store).lines()) == []


def test_a_method_belongs_to_its_authors(
    readable: Make, submit: Submit, plan: ScoringPlan, tmp_path: Path
) -> None:
    samples, store = readable(4), Store(tmp_path / "lb")
    add(store, submit(samples, method="Honest"), samples, plan)
    mine = {"contact": "else@example.org"}
    for name in ("Honest.", "honest", "HONEST", "Hone-st", "Honest +", "H0NEST", "Honest (new)"[:6] + ")"):
        with pytest.raises(SubmissionError, match="is easily taken for Honest, which is there"):
            add(store, submit(samples, "lanczos", method=name, version="99", **mine), samples, plan)
    with pytest.raises(SubmissionError, match=r"belongs to author@example\.org; submit a new version"):
        add(store, submit(samples, "lanczos", method="Honest", version="2.0", **mine), samples, plan)
    add(store, submit(samples, "lanczos", method="Honest 2", **mine), samples, plan)
    key = {"owner_key_sha256": sha256_bytes(b"a long secret")}
    owner = {"contact": "Author@example.org"}
    add(store, submit(samples, "lanczos", method="Honest", version="2.0", **owner, **key), samples, plan)
    with pytest.raises(SubmissionError, match="who registered a key; give it as `owner_key`"):
        add(store, submit(samples, "frame-mean", method="Honest", version="3.0"), samples, plan)
    third = submit(samples, "frame-mean", method="Honest", version="3.0", owner_key="a long secret", **mine)
    assert add(store, third, samples, plan).record.submission.contact == "else@example.org"
    with pytest.raises(SubmissionError, match="give the hash of a new secret"):
        submit(samples, "frame-mean", method="Honest", version="4.0", owner_key="a long secret", **key)
    assert list(check_store(store).lines()) == []


def test_two_boards_cannot_bear_one_name(
    readable: Make, submit: Submit, plan: ScoringPlan, tmp_path: Path
) -> None:
    store = Store(tmp_path / "lb")
    first = readable(4, name="plates")
    add(store, submit(first), first, plan)
    second = readable(6, name="Plates.")
    with pytest.raises(ProtocolError, match=r"Plates\.: the store has a board of that name on other samples"):
        add(store, submit(second), second, plan)
    assert len(store.cards()) == 1


def test_every_method_of_a_bench_becomes_an_entry(
    readable: Make, plan: ScoringPlan, first_frame_reader: str, tmp_path: Path
) -> None:
    samples, store, bench = readable(4), Store(tmp_path / "lb"), tmp_path / "bench"
    for spec in ("bicubic", "frame-mean", "ground-truth", first_frame_reader):
        name = load_method(spec).descriptor.name
        predictions = predict(load_method(spec), samples, bench / "predictions" / name)
        score([predictions], samples, [bench / "runs" / name], plan)
    added = add_references(store, bench, samples, plan)
    assert [entry.method for entry in added] == ["bicubic", "first-frame", "frame-mean"]  # no oracle
    assert all(entry.record.archive_sha256 for entry in added)
    for entry in added:
        claims = {claim.metric: claim.agrees for claim in entry.record.claimed_vs_recomputed}
        assert {"ned", "acc", "cer"} <= set(claims) and all(claims.values())
    assert add_references(store, bench, samples, plan) == []
    assert list(check_store(store).lines()) == []
    with pytest.raises(SubmissionError, match="no predictions in it"):
        add_references(store, tmp_path, samples, plan)
    with pytest.raises(SubmissionError, match="no predictions of hat, whose parts were asked for"):
        add_references(store, bench, samples, plan, parts_of="hat")


def _first_form(record: PredictionsRecord, *_: object) -> Submission:
    return reference_form(record).model_copy(update={"protocol": MDLP_V1.id})


def test_a_method_whose_outputs_are_known_keeps_its_version(
    readable: Make,
    plan: ScoringPlan,
    first_frame_reader: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    samples, store, older, newer = readable(12), Store(tmp_path / "lb"), tmp_path / "old", tmp_path / "new"
    reader = load_method(first_frame_reader).descriptor.name
    for bench in (older, newer):
        predict(load_method(first_frame_reader), samples, bench / "predictions" / reader)
        predict(load_method("bicubic"), samples, bench / "predictions" / "bicubic")
    predict(load_method("frame-mean"), samples, older / "predictions" / "frame-mean")
    # Another version of the package restores otherwise under the same name.
    predict(load_method("lanczos"), samples, newer / "predictions" / "frame-mean")
    record = newer / "predictions" / "frame-mean" / "predictions.json"
    changed = (
        record.read_text(encoding="utf-8").replace("lanczos", "frame-mean").replace("Lanczos", "Frame mean")
    )
    record.write_text(changed, encoding="utf-8")
    with monkeypatch.context() as past:
        past.setattr(bundled_entries, "reference_form", _first_form)
        first = add_references(store, older, samples, dataclasses.replace(plan, protocol=MDLP_V1))
    monkeypatch.setattr("mdlp_bench.__version__", "99.0")
    second = add_references(store, newer, samples, plan)
    versions = {entry.method: entry.version for entry in second}
    assert versions == {entry.method: entry.version for entry in first} | {"frame-mean": "99.0"}
    assert not any({"superseded", "duplicate"} & codes(entry) for entry in store.entries())


def test_a_larger_bench_gives_entries_of_the_smaller_test_set(
    readable: Make, make_samples: Make, plan: ScoringPlan, tmp_path: Path
) -> None:
    large = readable(8)
    rows = [row for row in large.rows() if row["sample_id"] in ("s0001", "s0004", "s0005")]
    small = make_samples(rows=rows, name="small")
    bench, store = tmp_path / "bench", Store(tmp_path / "lb")
    made = {}
    for name in ("bicubic", "frame-mean"):
        found = predict(load_method(name), large, bench / "predictions" / name)
        made[name] = {one.sample_id: one.image for one in found}
    # By their names the second is a part of the first.
    part = bench / "predictions" / "frame-mean" / "predictions.json"
    part.write_text(
        part.read_text(encoding="utf-8").replace('"frame-mean"', '"bicubic-mean"'), encoding="utf-8"
    )
    whole, ablation = add_references(store, bench, small, plan, parts_of="bicubic")
    assert (whole.record.submission.ablation_of, ablation.record.submission.ablation_of) == (None, "bicubic")
    assert whole.record.claimed_vs_recomputed == ()  # the bench's scores are of other samples
    assert whole.table["sample_id"].to_pylist() == ["s0001", "s0004", "s0005"]
    hashes = [sha256_bytes(made["bicubic"][i].tobytes()) for i in ("s0001", "s0004", "s0005")]
    assert whole.table["output_sha256"].to_pylist() == hashes
    assert [board.kind for board in boards(store)] == ["main", "text-only", "ablation"]


def test_readings_stand_on_the_text_only_board_alone(
    readable: Make, submit: Submit, plan: ScoringPlan, first_frame_reader: str, tmp_path: Path
) -> None:
    samples, store = readable(8), Store(tmp_path / "lb")
    add(store, submit(samples, method="Restorer"), samples, plan)
    entry = add(store, submit(samples, first_frame_reader, method="Fusion"), samples, plan)
    expected = [
        plan.readers[0].read([decode(row["frames"][0]["bytes"], "frame")])[0].text for row in samples.rows()
    ]
    assert entry.table["read_text"].to_pylist() == expected
    assert entry.table["read_confidence"].to_pylist() == pytest.approx([round(0.99**7, 6)] * 8, abs=1e-9)
    scores = ned(expected, entry.table["text"].to_pylist())
    assert entry.run.summary["ned"].mean == pytest.approx(scores.mean())
    assert entry.run.summary["psnr"].mean is None
    found = {board.kind: {row.entry.title for row in board.rows} for board in boards(store)}
    assert found == {"main": {"Restorer"}, "text-only": {"Restorer", "Fusion"}}
    copied = add(store, submit(samples, first_frame_reader, method="Copy"), samples, plan)
    assert "8 of 8 readings, confidences included, are those of fusion@1.0" in copied.flags[-1].text
    assert list(check_store(store).lines()) == []
    card = store.card(entry.record.dataset)
    assert card.floors[reader_key(plan.readers[0].descriptor)]["ned"] == pytest.approx(scores.mean())
    assert card.ceilings[reader_key(plan.readers[0].descriptor)] == {"ned": 0.0, "acc": 1.0}


def test_a_reader_without_confidences_judges_a_board(
    readable: Make, submit: Submit, plan: ScoringPlan, tmp_path: Path
) -> None:
    def bare(images: Sequence[ImageU8]) -> list[str]:
        return [one.text for one in plan.readers[0].read(images)]

    samples, store = readable(8), Store(tmp_path / "lb")
    judge = FunctionReader(bare, plan.readers[0].descriptor)
    entry = add(store, submit(samples), samples, dataclasses.replace(plan, readers=(judge,)))
    assert entry.table["read_confidence"].null_count == 8
    assert entry.run.summary["aurc"].mean is None and entry.run.summary["ned"].mean is not None
    assert list(check_store(store).lines()) == []
    assert build_site(store, tmp_path / "site")


def test_readings_are_not_ranked_by_a_reader_that_did_not_read_them(
    readable: Make, submit: Submit, plan: ScoringPlan, first_frame_reader: str, tmp_path: Path
) -> None:
    samples, store = readable(8), Store(tmp_path / "lb")
    second = plan.readers[0].__class__()
    second.descriptor = second.descriptor.model_copy(update={"name": "second", "title": "Second"})
    both = dataclasses.replace(plan, readers=(*plan.readers, second))
    add(store, submit(samples, method="Restorer"), samples, both)
    entry = add(store, submit(samples, first_frame_reader, method="Fusion"), samples, both)
    assert entry.run.summary["ned"].mean is not None and entry.run.summary["ned@second"].mean is None
    found = {(b.reader.name, b.kind): {row.entry.title for row in b.rows} for b in boards(store)}
    assert found["tint", "text-only"] == {"Restorer", "Fusion"}
    assert found["second", "main"] == found["second", "text-only"] == {"Restorer"}
    assert list(check_store(store).lines()) == []
    assert build_site(store, tmp_path / "site")


@pytest.mark.parametrize("command", [("build", "-o", "site"), ("export", "board.csv"), ("check",)])
def test_a_mistyped_store_is_an_error_and_makes_nothing(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["leaderboard", *command, "--store", "leaderbord"])
    assert isinstance(done.exception, SubmissionError) and "leaderbord: " in str(done.exception)
    assert list(tmp_path.iterdir()) == []
