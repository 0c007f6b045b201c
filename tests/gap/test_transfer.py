from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from tiny_trainable import TinyTrainable

from mdlp_bench.data import open_samples
from mdlp_bench.errors import DataError, MethodError
from mdlp_bench.gap.paired_means import TwoMeans
from mdlp_bench.gap.report_model import StudySettings, TransferStudy
from mdlp_bench.gap.sets import GapSet
from mdlp_bench.gap.trainings import TrainedMethodSpec, parts_of
from mdlp_bench.gap.transfer import TransferPlan, measure_transfer
from mdlp_bench.gap.transfer_sections import transfer_sections
from mdlp_bench.harness.plan import ScoringPlan
from mdlp_bench.synth.build import synthesise_rendered, synthesise_samples
from mdlp_bench.synth.degrade import load_recipe
from mdlp_bench.training import registry

PLATES = 18
SETTINGS = StudySettings(permutations=199, resamples=200)


def tiny(options: Mapping[str, Any]) -> TinyTrainable:
    return TinyTrainable(0, **options)


@pytest.fixture(autouse=True)
def only_tiny_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "registered", lambda _: {"tiny": SimpleNamespace(load=lambda: tiny)})


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> list[GapSet]:
    """A stand-in for a real set, its plates degraded otherwise, and other plates."""
    folder = tmp_path_factory.mktemp("sets")
    synthesise_rendered(load_recipe("motion"), PLATES, folder / "real", seed=1)
    real = open_samples(folder / "real")
    synthesise_samples(real, load_recipe("bicubic"), folder / "same", seed=1)
    synthesise_rendered(load_recipe("gaussian"), PLATES, folder / "other", seed=2)
    return [GapSet(name, open_samples(folder / name)) for name in ("real", "same", "other")]


def plan_of(sets: list[GapSet], out: Path, *methods: str) -> TransferPlan:
    return TransferPlan.of(methods, sets, out, steps=2, limit=PLATES, seed=0)


def run(plan: TransferPlan, out: Path) -> TransferStudy:
    plan.train()
    scoring = ScoringPlan.from_names(lpips="none")
    return measure_transfer(plan, SETTINGS, scoring, "none", out / "figures")


def test_no_plate_is_trained_on_in_one_set_and_tested_on_in_another(sets: list[GapSet]) -> None:
    parts = [parts_of(one, limit=PLATES, seed=0) for one in sets]
    train, test = (
        {row["plate_id"] for part in parts for row in getattr(part, side).rows(["plate_id"])}
        for side in ("train", "test")
    )
    assert train and test and not train & test
    assert [len(part.train) + len(part.test) for part in parts] == [PLATES] * 3


def test_trainings_are_those_of_every_set_then_mixed_then_fine_tuned(
    sets: list[GapSet], tmp_path: Path
) -> None:
    plan = plan_of(sets, tmp_path, "tiny")
    n_real = parts_of(sets[0], limit=PLATES, seed=0).sizes().train_plates
    titles = [training.title for training in plan.trainings]
    assert titles[:3] == ["real", "same", "other"]
    assert titles[3:6] == ["same + 1 % real", "same + 10 % real", "same + 100 % real"]
    assert titles[-2:] == ["same, then real", "other, then real"]
    mixed = plan.trainings[3:6]
    assert [t.real_plates for t in mixed] == [1, int(np.ceil(n_real / 10)), n_real]
    rows = [[row["sample_id"] for row in t.data.rows(["sample_id"])] for t in mixed]
    added = [{name for name in ids if name.startswith("real-")} for ids in rows]
    assert added[0] < added[1] < added[2]
    assert [len(ids) for ids in rows] == [len(plan.parts[1].train) + len(some) for some in added]
    assert plan.trainings[-1].method.recipe.training.steps == 1
    folders = {training.folder(plan.out) for training in plan.trainings}
    assert len(folders) == len(titles)


def test_a_transfer_is_measured_and_found_again(
    sets: list[GapSet], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sets = sets[:2]
    found = run(plan_of(sets, tmp_path, "tiny", "bicubic", "input"), tmp_path)
    alone = [cell for cell in found.cells if not cell.real_plates]
    assert len(alone) == 2 * 2 + 2 * 2
    assert {cell.tested_on for cell in found.cells if cell.real_plates} == {"real"}
    assert all(cell.ned is not None and cell.lpips is None for cell in found.cells)
    by_place = {(c.method, c.trained_on, c.tested_on): c for c in alone}
    for drop in found.drops:
        there, own = (by_place["tiny", drop.synthetic, on].ned for on in ("real", drop.synthetic))
        assert there is not None and own is not None
        assert drop.drop.value == pytest.approx(there.value - own.value)
    assert [one.synthetic for one in found.agreements] == ["same"]
    assert set(found.agreements[0].real_order) == {"tiny", "bicubic", "input"}
    best = by_place["tiny", "real", "real"].ned
    for one in found.recoveries:
        assert best is not None and one.excess.value == pytest.approx(one.ned.value - best.value)
    assert [(one.real_plates > 0, one.fine_tuned) for one in found.recoveries] == [
        (False, False),
        *[(True, False)] * 3,
        (True, True),
    ]
    assert (tmp_path / "figures" / found.figures["tiny"]).is_file()
    text = str(transfer_sections(found))
    assert "Few test plates" in text and ", fine-tuned" in text
    # Nothing is trained, restored or scored again.
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")}
    monkeypatch.setattr(torch.optim.AdamW, "step", None)
    assert run(plan_of(sets, tmp_path, "tiny", "bicubic", "input"), tmp_path) == found
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")} == written


def test_methods_that_learn_nothing_are_tested_on_all_plates(sets: list[GapSet], tmp_path: Path) -> None:
    found = run(plan_of(sets[:2], tmp_path, "bicubic", "input", "frame-mean"), tmp_path)
    assert [(one.train, one.test) for one in found.parts] == [(0, PLATES)] * 2
    assert found.settings.test_share == 1 and not found.drops and not found.recoveries and not found.figures
    assert [one.synthetic for one in found.agreements] == ["same"]
    text = str(transfer_sections(found))
    assert "No method is trained here" in text and "Mixed" not in text


def test_what_cannot_be_is_refused(sets: list[GapSet], tmp_path: Path) -> None:
    with pytest.raises(MethodError, match="no trainable method"):
        plan_of(sets, tmp_path, "bicubic=small")
    with pytest.raises(MethodError, match="'bicubic'; give each once"):
        plan_of(sets, tmp_path, "bicubic", "bicubic")
    few = GapSet("few", sets[0].samples.select(sample_ids=sets[0].samples.sample_ids[:4]))
    with pytest.raises(DataError, match=r"few: \d plates .* leave --methods out"):
        plan_of([few, *sets[1:]], tmp_path, "tiny")
    spec = TrainedMethodSpec.parse("tiny=big", steps=7, seed=3)
    assert spec is not None and spec.label == "tiny-big" and spec.recipe.options == {"config": "big"}
    assert (spec.recipe.training.steps, spec.recipe.training.seed) == (7, 3)


def test_trainables_of_files_are_trained_and_weights_are_taken_as_they_are(tmp_path: Path) -> None:
    file, weights = tmp_path / "Net v2.py", tmp_path / "w.safetensors"
    file.write_text(
        "from mdlp_bench.training.trainable import Trainable\n"
        "class Mine(Trainable): ...\n"
        "def restore(frames): return frames[:, 0]\n"
    )
    weights.touch()
    spec = TrainedMethodSpec.parse(f"{file}:Mine=small", steps=7, seed=3)
    assert spec is not None and spec.name == f"{file}:Mine" and spec.label == "net-v2-mine-small"
    for fixed in (f"{file}:restore", f"{file}:Mine={weights}", f"tiny={weights}"):
        assert TrainedMethodSpec.parse(fixed, steps=7, seed=3) is None
    with pytest.raises(MethodError, match="has no 'Yours'"):
        TrainedMethodSpec.parse(f"{file}:Yours", steps=7, seed=3)


def test_rank_agreement_is_that_of_scipy_and_its_interval_covers() -> None:
    rng = np.random.default_rng(0)
    quality = np.array([0.1, 0.3, 0.5, 0.7])
    first = quality + 0.2 * rng.normal(size=(80, 4))
    second = quality[[1, 0, 2, 3]] + 0.2 * rng.normal(size=(50, 4))
    plates = [f"a{i}" for i in range(80)], [f"b{i}" for i in range(50)]
    means = TwoMeans.of(first, second, plates, resamples=300, seed=0, confidence=0.95)
    tau, rho = means.kendall(), means.spearman()
    assert tau.value == pytest.approx(stats.kendalltau(first.mean(axis=0), second.mean(axis=0)).statistic)
    assert rho.value == pytest.approx(stats.spearmanr(first.mean(axis=0), second.mean(axis=0)).statistic)
    assert tau.low is not None and tau.high is not None and tau.low <= 2 / 3 <= tau.high
    drop = means.difference(0)
    assert drop.low is not None and drop.high is not None and drop.low < 0.2 < drop.high
    assert means.orders(list("abcd"))[1] == ("b", "a", "c", "d")
