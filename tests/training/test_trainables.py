"""Every trainable method: losses reach its players, weights survive the file, its method reads them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from baselines.hat_method import hat
from baselines.lp_diff.method import lp_diff, lp_diff_psi
from baselines.lpdgan.training import lpdgan
from baselines.real_esrgan.method import real_esrgan
from baselines.resdiff.training import resdiff
from baselines.resshift.training import resshift
from baselines.srcnn_method import srcnn
from mdlp_bench.errors import MethodError, MissingWeightsError
from mdlp_bench.methods import FrameBatch, Method
from mdlp_bench.training.registry import load_trainable, read_recipe, trainable_names
from mdlp_bench.training.trainable import Trainable, TrainingBatch


@dataclass(frozen=True)
class Case:
    name: str
    options: dict[str, Any]
    method: Callable[[Path], Method]


_LP = {"widths": [8, 8, 8, 8], "inner_channels": 8}
_UNET = {"channel_mults": (1, 1), "inner_channel": 8, "attn_res": (), "guided_levels": 1}
_SHIFT = {"model_channels": 32, "channel_mult": (1, 1), "attention_resolutions": (28,), "swin_embed_dim": 32}
CASES = [
    Case("srcnn", {"config": "915"}, srcnn),
    Case("real-esrgan", {"phase": "l1", "network": {"num_feat": 8, "num_conv": 2}}, real_esrgan),
    Case("hat", {"network": {"embed_dim": 24, "depths": [2], "num_heads": [2], "num_feat": 8}}, hat),
    Case("lpdgan", {"network": {"encoder_depth": 1, "heads": (3, 3, 3, 3)}}, lpdgan),
    Case("resdiff", {"network": _UNET, "steps": 2}, lambda path: resdiff(path, steps=2)),
    Case("resdiff", {"network": _UNET, "phase": "cnn"}, lambda path: resdiff(path, steps=2)),
    Case("resshift", {"network": _SHIFT}, resshift),
    Case("lp-diff", {"network": _LP, "phase": "psi"}, lp_diff_psi),
    Case("lp-diff", {"network": _LP}, lambda path: lp_diff(path, steps=2)),
    Case(
        "lp-diff",
        {"network": _LP, "phase": "diffusion", "terminal": 0.5},
        lambda path: lp_diff(path, steps=1),
    ),
]
IDS = [f"{case.name}-{case.options.get('phase', 'only')}" for case in CASES]


def _batch(size: int = 2) -> TrainingBatch:
    generator = torch.Generator().manual_seed(5)
    coarse = torch.rand(size, 3, 7, 14, generator=generator) * 2 - 1
    gt = torch.nn.functional.interpolate(coarse, (112, 224), mode="bilinear")
    return TrainingBatch(
        gt[:, None] + torch.randn(size, 3, 3, 112, 224, generator=generator) / 9, gt, (None,) * size
    )


def _build(case: Case) -> Trainable:
    torch.manual_seed(0)
    return load_trainable(case.name, case.options)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_a_reader_may_teach_every_method(case: Case) -> None:
    teacher = Path(__file__).parents[2] / "recipes" / "teacher" / "teacher.safetensors"
    torch.manual_seed(0)
    options = case.options | {"reader": 0.5, "reader_weights": str(teacher)}
    trainable = load_trainable(case.name, options).train()
    batch, draws = _batch(), torch.Generator()
    plain = _build(case)(batch, draws.manual_seed(0), trainable.players[0])
    torch.manual_seed(0)
    taught = load_trainable(case.name, options)(batch, draws.manual_seed(0), trainable.players[0])
    assert set(taught) - set(plain) == {"reader"}
    assert all(torch.allclose(taught[name], plain[name]) for name in plain)
    reading = trainable(batch, draws.manual_seed(0), trainable.players[0])["reader"]
    reading.backward()
    grads = [p.grad for p in trainable.network.parameters() if p.grad is not None]
    assert any(grad.abs().sum() > 0 for grad in grads)
    assert not any(name.startswith("reader") for name in trainable.network.state_dict())


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_losses_reach_every_player_and_weights_survive(case: Case, tmp_path: Path) -> None:
    trainable = _build(case).to("cpu").train()
    batch = _batch()
    for player in trainable.players:
        trainable.zero_grad()
        losses = trainable(batch, torch.Generator().manual_seed(0), player)
        assert all(loss.ndim == 0 and loss.isfinite() for loss in losses.values())
        sum(losses.values()).backward()
        trained = [p for p in trainable.get_submodule(player).parameters() if p.requires_grad]
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in trained)
    # Weights away from their start, so that the comparison below means something.
    with torch.no_grad():
        for parameter in trainable.network.parameters():
            parameter.add_(torch.randn(parameter.shape) * 0.02)
    path = tmp_path / "weights.safetensors"
    trainable.save(trainable.network.eval(), path, {"step": "1"})
    again = _build(case)
    again.load(path)
    for old, new in zip(trainable.network.parameters(), again.network.parameters(), strict=True):
        torch.testing.assert_close(old, new, rtol=2e-3, atol=1e-4)

    method = case.method(path)
    rng = np.random.default_rng(0)
    native = tuple(
        tuple(rng.integers(0, 256, (14, 40, 3), dtype=np.uint8) for _ in range(3)) for _ in range(3)
    )
    whole = FrameBatch(("a", "b", "c"), native, seed=7)
    restored = method.restore_batch(whole)
    assert restored.shape == (3, 112, 224, 3)
    assert restored.dtype == np.uint8
    assert np.array_equal(method.restore_batch(whole.single(1))[0], restored[1]), "depends on its batch"
    reseeded = method.restore_batch(FrameBatch(whole.sample_ids, native, seed=8))
    assert np.array_equal(reseeded, restored) == method.descriptor.deterministic
    assert method.descriptor.weights_sha256
    frames = torch.rand(2, 3, 3, 112, 224) * 2 - 1
    with torch.no_grad():
        assert trainable.restore(trainable.network, frames, [1, 2]).shape == (2, 3, 112, 224)


def test_options_and_names_that_are_wrong_are_named(tmp_path: Path) -> None:
    assert {case.name for case in CASES} == set(trainable_names())
    with pytest.raises(MethodError, match="no trainable method 'bicubic'; there are: hat, lp-diff"):
        load_trainable("bicubic", {})
    for name in trainable_names():
        with pytest.raises(MethodError, match=f"{name}: .*nonsense"):
            load_trainable(name, {"nonsense": 1})
    with pytest.raises(MissingWeightsError, match="no such weight file"):
        srcnn(tmp_path / "none.safetensors")
    other = tmp_path / "other.safetensors"
    trainable = load_trainable("srcnn", {})
    trainable.save(trainable.network, other, {})
    with pytest.raises(MethodError, match="not weights of hat"):
        hat(other)


def test_recipes_are_read_and_wrong_ones_named(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("options: {phase: psi}\ntraining: {steps: 7, batch: 2}\n")
    recipe = read_recipe(str(path), seed=5, steps=None)
    assert recipe.options == {"phase": "psi"}
    assert (recipe.training.steps, recipe.training.batch, recipe.training.seed) == (7, 2, 5)
    assert read_recipe("small").options == {"config": "small"}
    path.write_text("training: {stepps: 7}\n")
    with pytest.raises(MethodError, match=r"recipe\.yaml: stepps: Extra inputs"):
        read_recipe(str(path))
    path.write_text("steps: 7\n")
    with pytest.raises(MethodError, match="sections"):
        read_recipe(str(path))
    with pytest.raises(MethodError, match="cannot be read"):
        read_recipe(str(tmp_path / "absent.yaml"))


_RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*/*.yaml"))


@pytest.mark.parametrize(
    "path", [path for path in _RECIPES if path.parent.name in trainable_names()], ids=lambda path: path.stem
)
def test_bundled_recipes_are_valid(path: Path) -> None:
    recipe = read_recipe(str(path))
    try:
        load_trainable(path.parent.name, recipe.options)
    except MissingWeightsError as error:
        pytest.skip(str(error))
    assert recipe.training.steps > 0
