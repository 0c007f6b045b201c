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

from mdlp_bench.api import load_network
from mdlp_bench.errors import MethodError, MissingWeightsError
from mdlp_bench.methods import registered_ablations
from mdlp_bench.training.registry import load_trainable, trainable_names

RECIPES = Path(__file__).parents[2] / "recipes" / "bundled.yaml"

TRAINED = RECIPES.with_name("trained")

BUNDLE = """
pool:
  parts:
    - {recipe: bicubic, seed: 3, plates: 4, validation: 1}
    - {recipe: gaussian, seed: 4, plates: 2, validation: 1}
reader: reader.yaml
methods:
  srcnn:
    - {config: first.yaml, plates: 4, stop_after: 2}
    - {config: second.yaml}
"""
READER = "{seed: 1, pool: 8, held_out: 4, calibration: 4, steps: 2, batch: 2, decay: 1, checkpoint_every: 1}"
PHASE = """
options: {{config: "915"}}
training: {{steps: {steps}, batch: 2, seed: {seed}, log_every: 1, validation_samples: 2}}
"""


@pytest.fixture
def recipes(tmp_path: Path) -> Path:
    folder = tmp_path / "recipes"
    (folder / "srcnn").mkdir(parents=True)
    (folder / "bundled.yaml").write_text(BUNDLE)
    (folder / "reader.yaml").write_text(READER)
    (folder / "srcnn" / "first.yaml").write_text(PHASE.format(steps=3, seed=1))
    (folder / "srcnn" / "second.yaml").write_text(PHASE.format(steps=2, seed=2))
    return folder / "bundled.yaml"


def test_everything_that_can_be_trained_is_in_the_bundle() -> None:
    bundle = read_bundle(RECIPES)
    without_weights = {"lpdgan"}
    trainables = set(trainable_names()) - without_weights
    assert set(bundle.methods) == {*trainables, *registered_ablations()}
    assert {p.trainable or name for name, phases in bundle.methods.items() for p in phases} == trainables
    assert set(read_bundle(RECIPES.with_name("mixture.yaml")).methods) >= {*trainables, *without_weights}
    titles = [step.title for step in plan(RECIPES, Path("nowhere"))]
    assert titles[0].startswith("pool: ")
    assert any(title.startswith("reader: ") for title in titles)


def test_phases_follow_each_other_and_are_done_once(recipes: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    told: list[str] = []
    reproduce(plan(recipes, out), told.append)
    with safe_open(out / "weights" / "srcnn.safetensors", framework="pt") as file:
        assert file.metadata()["step"] == "2"
        assert '"seed": 2' in file.metadata()["training"]
    assert (out / "weights" / "crnn.safetensors").is_file()
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


@pytest.mark.parametrize("name", ["mixture.yaml", "gpu.yaml", "ablation.yaml"])
def test_every_recipe_of_every_bundle_can_be_read(name: str) -> None:
    recipes = RECIPES.parent / name
    bundle = read_bundle(recipes)
    for method, phases in bundle.methods.items():
        for phase in phases:
            recipe = recipe_of(method, phase, recipes.parent)
            taught = (phase.trainable or method) == "lp-diff" or "-reader" in method
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


def test_a_method_is_trained_once_per_seed(recipes: Path, tmp_path: Path) -> None:
    recipes.write_text(BUNDLE.replace("methods:", "seeds: [5, 6]\nmethods:"))
    out = tmp_path / "out"
    reproduce(plan(recipes, out, only=["srcnn-5", "srcnn-6"]), lambda _: None)
    first, second = (load_file(out / "weights" / f"srcnn-{seed}.safetensors") for seed in (5, 6))
    assert first.keys() == second.keys()
    assert not all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("path", sorted(TRAINED.glob("*.safetensors")), ids=lambda path: path.stem)
def test_finished_weights_are_those_of_the_recipe(path: Path) -> None:
    last = read_bundle(RECIPES.with_name("mixture.yaml")).methods[path.stem][-1]
    network = load_network(f"{last.trainable or path.stem}={path}")
    assert all(torch.isfinite(weights).all() for weights in network.parameters())
    with safe_open(path, "pt") as file:
        made = json.loads(file.metadata()["training"])
    asked = recipe_of(path.stem, last, RECIPES.parent)
    assert made["training"] == asked.training.identity()
    assert made["data"]["samples"] == 35_000
    log = (TRAINED / "logs" / path.stem / f"{Path(last.config).stem}.jsonl").read_text()
    assert json.loads(log.splitlines()[-1])["step"] == asked.training.steps


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
    with pytest.raises(MethodError, match="nothing to reproduce is called 'vdsr'; there are: reader, srcnn"):
        plan(recipes, tmp_path, only=["vdsr"])
    with pytest.raises(MethodError, match="run this from the root of the repository"):
        plan(tmp_path / "absent.yaml", tmp_path)
    recipes.write_text("pool: {parts: [{recipe: bicubic, seed: 1, plates: 0, validation: 1}]}\nmethods: {}\n")
    with pytest.raises(MethodError, match=r"bundled\.yaml: pool\.parts\.0\.plates"):
        plan(recipes, tmp_path)
