"""What scoring keeps of a data set between runs changes no score, and depends on all that it should."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from mdlp_bench.data.samples import Samples
from mdlp_bench.harness import ground_truth
from mdlp_bench.harness.ground_truth import Collected, cache_file, read_cache, write_cache
from mdlp_bench.harness.plan import ScoringPlan
from mdlp_bench.harness.predict import predict
from mdlp_bench.harness.run import Environment
from mdlp_bench.harness.score import score
from mdlp_bench.methods import load_method

Make = Callable[..., Samples]


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MDLP_BENCH_CACHE", str(tmp_path / "cache"))


def test_a_second_run_reads_no_ground_truth_and_scores_the_same(
    make_samples: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = make_samples(5)
    made = predict(load_method("bicubic"), samples, tmp_path / "p")
    plan = ScoringPlan.from_names(lpips="none", aligned=False)
    read: list[int] = []
    reader = type(plan.readers[0])
    see = reader._see  # type: ignore[attr-defined]
    monkeypatch.setattr(reader, "_see", lambda self, images: (read.append(len(images)), see(self, images))[1])
    runs = []
    for name in ("first", "second"):
        runs += score([made], samples, [tmp_path / name], plan)
        runs.append(sum(read))  # type: ignore[arg-type]
        read.clear()
    first, n_first, second, n_second = runs
    assert (n_first, n_second) == (5 + 5 + sum(len(r["frames"][:3]) for r in samples.rows(["frames"])), 5)
    for file in ("per_sample.parquet", "summary.json"):
        assert (first.folder / file).read_bytes() == (second.folder / file).read_bytes()


def test_the_file_depends_on_data_readers_device_and_code(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = ScoringPlan.from_names(lpips="none")
    names = {
        cache_file("a", plan),
        cache_file("b", plan),
        cache_file("a", ScoringPlan.from_names(["crnn-beam"], lpips="none")),
        cache_file("a", dataclasses.replace(plan, device="cuda:1")),
    }
    assert None not in names and len(names) == 4
    assert cache_file("a", dataclasses.replace(plan, device="cuda:2")) in names
    # LPIPS and registration see nothing that is kept.
    assert cache_file("a", ScoringPlan.from_names(lpips="none", aligned=False)) in names
    assert cache_file("a", dataclasses.replace(plan, asked=None)) is None
    here = Environment.current()
    for change, is_known in (({"git_commit": "0" * 40}, True), ({"code_sha256": "0" * 64}, False)):
        changed = here.model_copy(update=change)
        monkeypatch.setattr(ground_truth.Environment, "current", lambda changed=changed: changed)
        assert (cache_file("a", plan) in names) == is_known


def test_damaged_files_and_folders_that_cannot_be_written_are_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    write_cache(path, Collected({"frame_readings": [["京A"]]}))
    assert read_cache(path) == Collected({"frame_readings": [["京A"]]})
    path.write_bytes(path.read_bytes()[:-9])
    assert read_cache(path) is None
    (tmp_path / "file").write_text("")
    write_cache(tmp_path / "file" / "x.safetensors", Collected())
