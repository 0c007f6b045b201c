from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from mdlp_bench.cli.main import app
from mdlp_bench.curate.splitting import SplitReport, SplitRule, split_dataset
from mdlp_bench.curate.splitting.assign import assign
from mdlp_bench.curate.splitting.balance import best_seed, describe
from mdlp_bench.curate.splitting.strata import SampleFacts, gather_facts, group_samples
from mdlp_bench.data import open_samples, write_parquet
from mdlp_bench.data.plate_split import splits_of
from mdlp_bench.data.samples import Samples
from mdlp_bench.engine import LocalEngine
from mdlp_bench.errors import DataError
from mdlp_bench.images import encode

PICTURE = {"bytes": encode(np.full((20, 40, 3), 90, np.uint8)), "path": "x.png"}
HALVES = {"train": 0.5, "test": 0.5}


def row(number: int, **changes: Any) -> dict[str, Any]:
    """Two samples a plate, alternating official splits."""
    text = f"{'京沪苏'[number // 2 % 3]}A{10000 + number // 2}"
    made: dict[str, Any] = {
        "sample_id": f"s{number:04d}", "plate_id": text, "track_id": f"t{number}", "domain": "real",
        "split": ("train", "val")[number % 4 == 3], "source": "table", "frames": [PICTURE] * 3,
        "frame_indices": [1, 2, 3], "gt": PICTURE, "text": text, "text_origin": "label", "layout": "blue",
    }  # fmt: skip
    return made | changes


def facts(count: int, *columns: list[str]) -> list[SampleFacts]:
    keys = zip(*columns, strict=True) if columns else [(f"p{n}",) for n in range(count)]
    return [SampleFacts(f"s{n}", "all", tuple(key), "blue", "京", "9-12 px") for n, key in enumerate(keys)]


def test_rows_keep_their_bytes_and_plates_are_whole(
    make_samples: Callable[..., Samples], tmp_path: Path
) -> None:
    before = make_samples(rows=[row(n) for n in range(120)])
    report = split_dataset(
        before, tmp_path / "out", SplitRule(ratios=HALVES), version="2.0.0", supersedes="1.0.0"
    )
    after = open_samples(tmp_path / "out")
    assert after.fingerprint == before.fingerprint
    old = {r["sample_id"]: r for r in before.rows()}
    splits = defaultdict(set)
    for new in after.rows():
        assert new | {"split": ""} == old[new["sample_id"]] | {"split": ""}
        splits[new["plate_id"]].add(new["split"])
    assert all(len(found) == 1 for found in splits.values()) and len(splits) == 60
    assert (report.samples, report.groups) == (120, 60)
    assert after.splits == {name: share.samples for name, share in report.splits.items()}
    assert SplitReport.model_validate_json((tmp_path / "out" / "split.json").read_text()) == report


def test_stopped_before_any_write_it_ends_the_same(
    make_samples: Callable[..., Samples], resumes: Callable[..., int]
) -> None:
    samples = make_samples(6)
    assert resumes(lambda out: split_dataset(samples, out)) >= 5


def test_adding_data_moves_no_plate(make_samples: Callable[..., Samples], tmp_path: Path) -> None:
    rule = SplitRule(ratios=HALVES, seed=5)
    split_dataset(make_samples(rows=[row(n) for n in range(40)]), tmp_path / "a", rule)
    grown = [row(n) for n in reversed(range(100))]
    split_dataset(make_samples(rows=grown, name="grown"), tmp_path / "b", rule, engine=LocalEngine(2))
    small = {r["sample_id"]: r["split"] for r in open_samples(tmp_path / "a").rows()}
    large = {r["sample_id"]: r["split"] for r in open_samples(tmp_path / "b").rows()}
    assert all(large[name] == split for name, split in small.items())


def test_official_splits_are_kept_and_repaired_by_the_stated_rule(
    make_samples: Callable[..., Samples], tmp_path: Path
) -> None:
    before = make_samples(rows=[row(n) for n in range(120)])
    report = split_dataset(before, tmp_path / "out", SplitRule(keep=True))
    old = {r["sample_id"]: r["split"] for r in before.rows()}
    new = {r["sample_id"]: r["split"] for r in open_samples(tmp_path / "out").rows()}
    # Plate n // 2 leaks where n % 4 is 2 or 3: its validation sample goes to the larger split.
    assert len(report.repaired) == 30
    assert all(
        repair.split == "train" and repair.samples == {"train": 1, "val": 1} for repair in report.repaired
    )
    assert all(new[name] == ("train" if name in moved(report, before) else old[name]) for name in old)
    assert report.splits["train"].target is None


def moved(report: SplitReport, samples: Samples) -> set[str]:
    leaking = {repair.group for repair in report.repaired}
    return {r["sample_id"] for r in samples.rows() if r["plate_id"] in leaking}


def test_evaluation_splits_never_gain() -> None:
    sizes = {"train": 6, "val": 3, "test": 2}
    found = [
        SampleFacts(f"{s}{n}", s, (f"{s}{n}",), "blue", "京", "x") for s, k in sizes.items() for n in range(k)
    ]
    found += [
        SampleFacts("x", "val", ("test0",), "blue", "京", "x"),
        SampleFacts("y", "train", ("val0",), "blue", "京", "x"),
    ]
    assigned, repaired = assign(found, group_samples(found), SplitRule(keep=True))
    assert {r.group: r.split for r in repaired} == {"test0": "val", "val0": "train"}
    for fact, split in zip(found, assigned, strict=True):
        assert split == fact.split or sizes[split] > sizes[fact.split]


def test_groups_of_several_columns_are_connected() -> None:
    plates, tracks = ["a", "a", "b", "c", "d"], ["1", "2", "2", "3", "4"]
    groups = group_samples(facts(5, plates, tracks))
    assert groups[0] == groups[1] == groups[2] in ("a", "b")
    assert groups[3:] == ["c", "d"]
    assert group_samples(facts(5, plates)) == plates


def test_another_column_is_never_torn_apart(make_samples: Callable[..., Samples], tmp_path: Path) -> None:
    rows = [row(n, source=f"camera{n % 7}") for n in range(84)]
    split_dataset(
        make_samples(rows=rows), tmp_path / "out", SplitRule(ratios=HALVES, by=("source", "plate_id"))
    )
    (whole,) = {r["split"] for r in open_samples(tmp_path / "out").rows()}
    assert whole in HALVES
    split_dataset(
        make_samples(rows=rows, name="again"), tmp_path / "two", SplitRule(ratios=HALVES, by=("source",))
    )
    found = defaultdict(set)
    for r in open_samples(tmp_path / "two").rows():
        found[r["source"]].add(r["split"])
    assert [len(found[f"camera{n}"]) for n in range(7)] == [1] * 7


def test_a_sound_split_is_within_tolerance_and_a_skewed_one_is_not() -> None:
    count = 4000
    found = [
        SampleFacts(
            f"s{n}", "all", (f"p{n}",), ("blue", "green_small")[n % 3 == 0], "京沪苏"[n % 3], "9-12 px"
        )
        for n in range(count)
    ]
    groups = group_samples(found)
    rule = SplitRule()
    assigned, _ = assign(found, groups, rule)
    report = describe("d", found, groups, assigned, rule)
    assert all(stratum.within_tolerance for stratum in report.strata)
    assert all(share.within_tolerance for share in report.splits.values())
    skewed = [
        "train" if fact.province == "京" else split for fact, split in zip(found, assigned, strict=True)
    ]
    outside = [s for s in describe("d", found, groups, skewed, rule).strata if not s.within_tolerance]
    assert {("province", "京"), ("layout", "green_small")} <= {(s.variable, s.value) for s in outside}
    for stratum in report.strata:
        assert stratum.deviation == pytest.approx(stratum.share - stratum.target)


def test_searching_seeds_balances_better() -> None:
    found = [SampleFacts(f"s{n}", "all", (f"p{n}",), "blue", "京沪苏浙"[n % 4], "x") for n in range(200)]
    groups = group_samples(found)

    def worst(seed: int) -> float:
        rule = SplitRule(ratios=HALVES, seed=seed)
        report = describe("d", found, groups, assign(found, groups, rule)[0], rule)
        return max(abs(stratum.deviation) for stratum in report.strata)

    best = best_seed(found, groups, HALVES, range(40))
    assert worst(best) < np.median([worst(seed) for seed in range(40)])
    assert (
        list(splits_of(groups, HALVES, best)) == assign(found, groups, SplitRule(ratios=HALVES, seed=best))[0]
    )


def test_degradation_levels_are_told_apart(make_samples: Callable[..., Samples]) -> None:
    def frames(height: int) -> list[dict[str, Any]]:
        picture = cv2.resize(np.full((20, 40, 3), 90, np.uint8), (40, height))
        return [{"bytes": encode(np.asarray(picture, np.uint8)), "path": None}] * 3

    rows = [row(n, frames=frames(h)) for n, h in enumerate((8, 9, 14, 20, 60))]
    rows.append(row(9, frames=[], frame_indices=[]))
    found, left_out = gather_facts(make_samples(rows=rows), ("plate_id",))
    assert left_out == 0
    assert {f.sample_id: f.level for f in found} == {
        "s0000": "below 9 px", "s0001": "9-12 px", "s0002": "12-16 px", "s0003": "16-24 px",
        "s0004": "24 px and more", "s0009": "no frames",
    }  # fmt: skip


@pytest.mark.parametrize("by", [(), ("frames",), ("nothing",)])
def test_columns_that_cannot_be_split_by(
    make_samples: Callable[..., Samples], tmp_path: Path, by: tuple[str, ...]
) -> None:
    with pytest.raises(DataError):
        split_dataset(make_samples(rows=[row(0)]), tmp_path / "out", SplitRule(by=by))


def test_the_verb(tmp_path: Path) -> None:
    write_parquet([row(n) for n in range(80)], tmp_path / "in")
    args = ["data", "split", str(tmp_path / "in")]
    runner = CliRunner()
    done = runner.invoke(
        app, [*args, "-o", str(tmp_path / "a"), "--ratios", "train=0.5,test=0.5", "--search", "4", "--json"]
    )
    assert done.exit_code == 0, done.output
    assert set(json.loads(done.stdout)["splits"]) == {"train", "test"}
    done = runner.invoke(app, [*args, "-o", str(tmp_path / "b"), "--keep"])
    assert "20 groups were in several splits" in " ".join(done.output.split())
    for wrong in (
        ["--ratios", "train"],
        ["--ratios", "a=0.5,a=0.5"],
        ["--by", "shoe"],
        ["--keep", "--search", "3"],
    ):
        failed = runner.invoke(app, [*args, "-o", str(tmp_path / "c"), *wrong])
        assert isinstance(failed.exception, DataError), wrong
        assert not (tmp_path / "c").exists()


def test_splits_need_no_torch() -> None:
    code = (
        "import sys, mdlp_bench.data.plate_split, mdlp_bench.cli.curate\n"
        "assert not {'torch', 'datasets'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
