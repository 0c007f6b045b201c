"""The bundled weights' recipe file, and a tiny one of its kind run from beginning to end."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from bundled_weights import plan, read_bundle, recipe_of, reproduce
from reproduce import app
from safetensors import safe_open
from safetensors.torch import load_file
from typer.testing import CliRunner

import baselines.weights
from mdlp_bench.api import load_network
from mdlp_bench.errors import DataError, MethodError, MissingWeightsError
from mdlp_bench.training.registry import load_trainable, trainable_names

RECIPES = Path(__file__).parents[2] / "recipes" / "bundled.yaml"
LOGS = RECIPES.with_name("logs")
WEIGHTS = Path(baselines.weights.__file__).parent

BUNDLE = """
pool:
  parts:
    - {recipe: bicubic, seed: 3, plates: 4, validation: 1}
    - {recipe: gaussian, seed: 4, plates: 2, validation: 1}
methods:
  srcnn:
    - {config: first.yaml, plates: 4, stop_after: 2}
    - {config: second.yaml}
"""
PHASE = """
options: {{config: "915"}}
training: {{steps: {steps}, batch: 2, seed: {seed}, log_every: 1, validation_samples: 2}}
"""


@pytest.fixture
def recipes(tmp_path: Path) -> Path:
    folder = tmp_path / "recipes"
    (folder / "srcnn").mkdir(parents=True)
    (folder / "bundled.yaml").write_text(BUNDLE)
    (folder / "srcnn" / "first.yaml").write_text(PHASE.format(steps=3, seed=1))
    (folder / "srcnn" / "second.yaml").write_text(PHASE.format(steps=2, seed=2))
    return folder / "bundled.yaml"


def test_everything_that_can_be_trained_is_in_the_bundle() -> None:
    methods = read_bundle(RECIPES).methods
    assert {p.trainable or name for name, phases in methods.items() for p in phases} == set(trainable_names())
    assert {path.stem for path in WEIGHTS.glob("*.safetensors")} == set(methods)
    assert plan(RECIPES, Path("nowhere"))[0].title.startswith("pool: ")


def test_phases_follow_each_other_and_are_done_once(recipes: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    told: list[str] = []
    reproduce(plan(recipes, out), told.append)
    with safe_open(out / "weights" / "srcnn.safetensors", framework="pt") as file:
        assert file.metadata()["step"] == "2"
        assert '"seed": 2' in file.metadata()["training"]
    assert all(step.is_done() for step in plan(recipes, out))
    before = load_file(out / "weights" / "srcnn.safetensors")
    again: list[str] = []
    reproduce(plan(recipes, out), again.append)
    assert [line for line in again if "done before" not in line] == []

    # A phase that was lost is made again, from the one before it, to the same weights.
    (out / "srcnn" / "second" / "weights.safetensors").unlink()
    (out / "srcnn" / "second" / "state" / "last.safetensors").unlink()
    reproduce(plan(recipes, out, only=["srcnn"]), again.append)
    after = load_file(out / "weights" / "srcnn.safetensors")
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


def test_a_phase_of_other_settings_is_not_taken_for_done(recipes: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    reproduce(plan(recipes, out), lambda _: None)
    (recipes.parent / "srcnn" / "second.yaml").write_text(PHASE.format(steps=2, seed=9))
    with pytest.raises(DataError, match=r"second.*holds another training: training.seed was 2 and is now 9"):
        reproduce(plan(recipes, out), lambda _: None)


@pytest.mark.parametrize("name", ["bundled.yaml", "lp-diff-start.yaml", "gpu.yaml", "ablation.yaml"])
def test_every_recipe_of_every_bundle_can_be_read(name: str) -> None:
    recipes = RECIPES.parent / name
    bundle = read_bundle(recipes)
    for method, phases in bundle.methods.items():
        for phase in phases:
            recipe = recipe_of(method, phase, recipes.parent)
            taught = "-reader" in method or ((phase.trainable or method) == "lp-diff" and phase.name != "psi")
            assert ("reader" in recipe.options) == taught
            with suppress(MissingWeightsError):  # of SqueezeNet, found after the options are checked
                load_trainable(phase.trainable or method, recipe.options)
    titles = [step.title for step in plan(recipes, Path("nowhere"), only=("pool",))]
    assert len(titles) == 2 and all(title.startswith("pool: ") for title in titles)


def test_variants_share_a_configuration(recipes: Path, tmp_path: Path) -> None:
    more = "  srcnn-955:\n    - {trainable: srcnn, config: second.yaml, options: {config: '955'}}\n"
    recipes.write_text(BUNDLE + more)
    out = tmp_path / "out"
    reproduce(plan(recipes, out, only=["srcnn-955"]), lambda _: None)
    weights = load_file(out / "weights" / "srcnn-955.safetensors")
    assert weights["conv2.weight"].shape[-2:] == (5, 5)
    assert not (out / "srcnn").exists()


def test_a_phase_sets_steps_and_batch(recipes: Path, tmp_path: Path) -> None:
    recipes.write_text(BUNDLE.replace("second.yaml}", "second.yaml, steps: 3, batch: 4}"))
    out = tmp_path / "out"
    steps = plan(recipes, out)
    assert steps[-1].title == "srcnn: second, 3 steps of 4"
    reproduce(steps, lambda _: None)
    with safe_open(out / "weights" / "srcnn.safetensors", framework="pt") as file:
        made = json.loads(file.metadata()["training"])["training"]
        assert (file.metadata()["step"], made["steps"], made["batch"]) == ("3", 3, 4)


def test_a_gpu_trains_the_bundle_and_lp_diff_base() -> None:
    folder = RECIPES.parent
    bundled, gpu = read_bundle(RECIPES), read_bundle(folder / "gpu.yaml")
    assert gpu.pool == bundled.pool
    assert set(gpu.methods) == {*bundled.methods, "lp-diff-base"}
    assert all(phase.stop_after is None for phases in gpu.methods.values() for phase in phases)
    own = {"steps", "batch", "stop_after"}
    for name, phases in bundled.methods.items():
        for phase, faster in zip(phases, gpu.methods[name], strict=True):
            assert faster.model_dump(exclude=own) == phase.model_dump(exclude=own)
            asked, given = (recipe_of(name, one, folder).training for one in (phase, faster))
            seen = (phase.stop_after or asked.steps) * asked.batch
            assert 0 <= seen - given.steps * given.batch < given.batch
            assert given.warm_up < given.steps / 2


def test_lp_diff_base_is_trained_as_lp_diff_is() -> None:
    gpu = read_bundle(RECIPES.with_name("gpu.yaml")).methods
    small, base = (recipe_of(name, gpu[name][0], RECIPES.parent) for name in ("lp-diff", "lp-diff-base"))
    assert {**small.options, "config": "base"} == base.options
    own = {"steps", "batch", "learning_rate"}
    assert small.training.model_dump(exclude=own) == base.training.model_dump(exclude=own)


def test_a_method_is_trained_once_per_seed(recipes: Path, tmp_path: Path) -> None:
    recipes.write_text(BUNDLE.replace("methods:", "seeds: [5, 6]\nmethods:"))
    out = tmp_path / "out"
    reproduce(plan(recipes, out, only=["srcnn-5", "srcnn-6"]), lambda _: None)
    first, second = (load_file(out / "weights" / f"srcnn-{seed}.safetensors") for seed in (5, 6))
    assert first.keys() == second.keys()
    assert not all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("name", read_bundle(RECIPES).methods)
def test_the_bundled_weights_are_those_of_the_recipe(name: str) -> None:
    path = WEIGHTS / f"{name}.safetensors"
    phases = read_bundle(RECIPES).methods[name]
    network = load_network(f"{phases[-1].trainable or name}={path}")
    assert all(torch.isfinite(weights).all() for weights in network.parameters())
    with safe_open(path, "pt") as file:
        made = json.loads(file.metadata()["training"])
    asked = recipe_of(name, phases[-1], RECIPES.parent)
    assert made["method"] == (phases[-1].trainable or name)
    assert made["training"] == asked.training.identity()
    assert made["options"] == asked.options
    assert (made["start"] is None) == (len(phases) == 1 and phases[0].start is None)
    # The pixels of the pool have changed since, so its fingerprints cannot be made again; the page tells why.
    pool, page = read_bundle(RECIPES).pool, RECIPES.with_name("README.md").read_text()
    for data, split in ((made["data"], "train"), (made["validation"], "val")):
        assert (data["name"], data["samples"]) == (f"pool-{split}", pool.count(split))
        assert f"`{data['fingerprint'][:8]}`" in page
    for phase in phases:
        log = (LOGS / name / f"{phase.name}.jsonl").read_text().splitlines()
        training = recipe_of(name, phase, RECIPES.parent).training
        last = min(training.steps, phase.stop_after or training.steps)
        assert last - training.log_every < json.loads(log[-1])["step"] <= last


def test_the_command_lists_and_names_what_is_wrong(recipes: Path, tmp_path: Path) -> None:
    options = ["bundled", "--out", str(tmp_path / "out"), "--recipes", str(recipes)]
    shown = CliRunner().invoke(app, [*options, "--list", "--only", "srcnn"])
    assert shown.output.splitlines() == [
        "[ ] pool: 6 plates of the split train: bicubic (4), gaussian (2)",
        "[ ] pool: 2 plates of the split val: bicubic (1), gaussian (1)",
        "[ ] srcnn: first, 2 of 3 steps of 2, first 4 plates",
        "[ ] srcnn: second, 2 steps of 2",
    ]
    assert not (tmp_path / "out").exists()
    with pytest.raises(MethodError, match="nothing to reproduce is called 'vdsr'; there are: srcnn"):
        plan(recipes, tmp_path, only=["vdsr"])
    with pytest.raises(MethodError, match="run this from the root of the repository"):
        plan(tmp_path / "absent.yaml", tmp_path)
    recipes.write_text("pool: {parts: [{recipe: bicubic, seed: 1, plates: 0, validation: 1}]}\nmethods: {}\n")
    with pytest.raises(MethodError, match=r"bundled\.yaml: pool\.parts\.0\.plates"):
        plan(recipes, tmp_path)
