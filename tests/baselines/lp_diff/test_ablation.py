"""The registered ablations of LP-Diff: named, left out of default lists, and what their names say."""

from __future__ import annotations

from pathlib import Path

import pytest
from bundled_weights import read_bundle, recipe_of

from baselines.lp_diff import ablation, checkpoint
from baselines.lp_diff.ablation import ABLATIONS
from baselines.lp_diff.config import LPDiffConfig
from baselines.lp_diff.network import LPDiff
from baselines.weights import bundled as weight_file
from mdlp_bench.errors import MethodError, MissingWeightsError
from mdlp_bench.methods import load_method, registered_ablations, registered_methods
from mdlp_bench.methods.weights import save_network

RECIPES = Path(__file__).parents[3] / "recipes" / "bundled.yaml"


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in place of the bundled weights."""

    def bundled(name: str) -> Path:
        return tmp_path / f"{name}.safetensors"

    monkeypatch.setattr(ablation, "bundled", bundled)
    return tmp_path


def _write(folder: Path, name: str, **changes: object) -> None:
    network = LPDiff(LPDiffConfig.preset("small", **changes))
    notes = {"training": '{"data": {"name": "rendered-surveillance/train"}}'}
    save_network(network, network.config, checkpoint.METHOD, folder / f"{name}.safetensors", notes)


def test_they_are_registered_apart_and_trained_as_named() -> None:
    assert set(registered_ablations()) == set(ABLATIONS)
    assert not set(ABLATIONS) & set(registered_methods())
    bundle = read_bundle(RECIPES)
    for name, variant in ABLATIONS.items():
        (phase,) = bundle.methods[name]
        wanted = {"network": {variant.without: False}} if variant.without else {}
        assert (phase.trainable, phase.options) == ("lp-diff", wanted)
    assert len({phase.config for name in ABLATIONS for phase in bundle.methods[name]}) == 1


@pytest.mark.parametrize("name", ["lp-diff", *ABLATIONS])
def test_the_recipes_make_the_network_of_the_bundled_weights(name: str) -> None:
    network = checkpoint.load(weight_file(name))
    for phase in read_bundle(RECIPES).methods[name]:
        options = recipe_of(name, phase, RECIPES.parent).options
        assert LPDiffConfig.preset(options["config"], **options["network"]) == network.config


@pytest.mark.parametrize("name", ABLATIONS)
def test_each_runs_with_its_own_weights_only(name: str, weights: Path) -> None:
    with pytest.raises(MissingWeightsError, match=f"{name}.safetensors"):
        load_method(name)
    without = ABLATIONS[name].without
    _write(weights, name, **({without: False} if without else {}))
    method = load_method(name)
    assert method.descriptor.name == name
    assert method.descriptor.trained_on == ("rendered plates, surveillance recipe",)
    _write(weights, name, **({} if without else {"tem": False}))
    with pytest.raises(MethodError, match=f"not what {name} lacks"):
        load_method(name)
