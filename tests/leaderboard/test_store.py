from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from mdlp_bench.data.samples import Samples
from mdlp_bench.errors import SubmissionError
from mdlp_bench.harness.predict import predict
from mdlp_bench.harness.score import ScoringPlan
from mdlp_bench.leaderboard.add import add, deprecate
from mdlp_bench.leaderboard.check import check_store
from mdlp_bench.leaderboard.reference import add_references
from mdlp_bench.leaderboard.store import Entry, Store
from mdlp_bench.methods import load_method

Make = Callable[..., Samples]
Submit = Callable[..., Path]


def codes(entry: Entry) -> set[str]:
    return {flag.code for flag in entry.flags}


def test_scores_are_recomputed_and_claims_held_against_them(
    readable: Make, submit: Submit, plan: ScoringPlan, tmp_path: Path
) -> None:
    samples = readable(8)
    claimed = {"psnr": 99.0, "lpips": 0.1}
    entry = add(Store(tmp_path / "lb"), submit(samples, claimed=claimed), samples, plan)
    assert entry.folder == tmp_path / "lb/entries/method-bicubic/1.0" / entry.record.dataset
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


def test_a_failed_add_leaves_nothing(
    readable: Make, submit: Submit, plan: ScoringPlan, tmp_path: Path, zip_of: Callable[..., bytes]
) -> None:
    samples, store = readable(4), Store(tmp_path / "lb")
    bad = tmp_path / "bad.zip"
    bad.write_bytes(zip_of(n=3))
    with pytest.raises(SubmissionError, match="1 of 4 samples have no picture"):
        add(store, bad, samples, plan)
    assert not [path for path in (tmp_path / "lb").rglob("*") if path.is_file()]


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
    for part in ("psnr is", "no picture of", "notes.txt: does not belong", "stopped", "has the pictures of"):
        assert part in lines, part
    (other.folder / "entry.json").write_text("{}", encoding="utf-8")
    assert "schema version None" in "\n".join(check_store(Store(store.root)).lines())
    assert "no such folder" in "\n".join(check_store(Store(tmp_path / "none")).lines())


def test_every_method_of_a_bench_becomes_an_entry(readable: Make, plan: ScoringPlan, tmp_path: Path) -> None:
    samples, store = readable(4), Store(tmp_path / "lb")
    store.root.mkdir()
    for name in ("bicubic", "frame-mean", "ground-truth"):
        predict(load_method(name), samples, tmp_path / "bench" / "predictions" / name)
    added = add_references(store, tmp_path / "bench", samples, plan)
    assert [entry.method for entry in added] == ["bicubic", "frame-mean"]  # the oracle is no entry
    assert add_references(store, tmp_path / "bench", samples, plan) == []
    assert list(check_store(store).lines()) == []
    with pytest.raises(SubmissionError, match="no predictions in it"):
        add_references(store, tmp_path, samples, plan)
