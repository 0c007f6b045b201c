"""Weight files: round trips, and one clear line for every wrong file."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from baselines.lp_diff import checkpoint
from baselines.lp_diff.checkpoint import METHOD
from baselines.lp_diff.network import LPDiff, LPDiffConfig
from baselines.lp_diff.released import released_buffers
from mdlp_bench.errors import MdlpBenchError, MethodError, MissingWeightsError
from mdlp_bench.methods.weights import read_card, save_network

_TINY = {"widths": (8, 8, 16, 16), "inner_channels": 8, "channel_mults": (1, 2)}


def _described(**changes: object) -> LPDiff:
    torch.manual_seed(0)
    return LPDiff(LPDiffConfig.preset("small", **{**_TINY, **changes}))


def _released(**changes: object) -> LPDiff:
    fields = {"inner_channels": 32, "channel_mults": (1, 2, 4), "res_blocks": 1, "diffusion_steps": 50}
    torch.manual_seed(0)
    return LPDiff(LPDiffConfig.preset("paper", "released", **{**fields, **changes}))


def _save(model: LPDiff, path: Path, dtype: torch.dtype | None = None) -> None:
    save_network(model, model.config, METHOD, path, {"seed": "3"}, dtype)


def _error(path: Path, released: bool = False) -> str:
    with pytest.raises(MdlpBenchError) as error:
        checkpoint.load_released(path) if released else checkpoint.load(path)
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    return message


@pytest.mark.parametrize("changes", [{}, {"n_frames": 5, "dfm": False}, {"prediction": "v"}])
def test_round_trip(tmp_path: Path, changes: dict[str, object]) -> None:
    model, path = _described(**changes), tmp_path / "weights.safetensors"
    _save(model, path)
    loaded = checkpoint.load(path)
    card = read_card(path)
    assert card.pop("seed") == "3" and set(card) == {"method", "config", "sha256"}
    assert loaded.config == model.config
    assert not loaded.training
    assert all(p.requires_grad for p in loaded.parameters())
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)
    frames = torch.rand(1, model.config.n_frames, 3, 32, 64)
    assert torch.equal(loaded.sample(frames, [0], steps=2), model.sample(frames, [0], steps=2))
    assert [item.name for item in tmp_path.iterdir()] == ["weights.safetensors"]


def test_half_precision_files_are_half_as_large_and_load_as_float32(tmp_path: Path) -> None:
    model = _described()
    _save(model, tmp_path / "full.safetensors")
    _save(model, tmp_path / "half.safetensors", torch.float16)
    assert (tmp_path / "half.safetensors").stat().st_size < 0.65 * (
        tmp_path / "full.safetensors"
    ).stat().st_size
    loaded = checkpoint.load(tmp_path / "half.safetensors")
    for name, tensor in model.state_dict().items():
        assert loaded.state_dict()[name].dtype == torch.float32
        torch.testing.assert_close(loaded.state_dict()[name], tensor, atol=1e-3, rtol=1e-3)


def test_wrong_safetensors_files(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    with pytest.raises(MissingWeightsError, match="no such weight file"):
        checkpoint.load(path)
    path.write_bytes(b"not a tensor in sight")
    assert "not a readable weight file" in _error(path)
    save_file({"a": torch.zeros(1)}, path)
    assert "not weights of lp-diff" in _error(path)
    _save(_described(), path)
    path.write_bytes(path.read_bytes()[:-100])
    assert "not a readable weight file" in _error(path)
    _save(_described(), path)
    path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\x3f")
    assert "damaged" in _error(path)

    def rewrite(metadata: dict[str, str] | None = None, **tensors: torch.Tensor | None) -> str:
        _save(_described(), path)
        state = {**load_file(path), **tensors}
        # What files said before they named their method and held a hash.
        config = {"format": "lp-diff-1", "config": _described().config.model_dump_json()}
        save_file({k: v for k, v in state.items() if v is not None}, path, config | (metadata or {}))
        if not metadata and not tensors:
            return str(checkpoint.load(path).config)
        return _error(path)

    assert rewrite() == str(_described().config)
    name = "MTA.encoder.stages.0.0.weight"
    assert f"lacks {name}" in rewrite(**{name: None})
    assert f"{name} is [1], the network has [8, 3, 3, 3]" in rewrite(**{name: torch.ones(1)})
    assert "not finite" in rewrite(**{name: torch.full((8, 3, 3, 3), torch.nan)})
    assert "has unknown extra" in rewrite(extra=torch.zeros(1))
    assert "unreadable configuration" in rewrite({"config": json.dumps({"size": 3})})
    assert "unreadable configuration" in rewrite({"config": "{"})


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"attention_resolutions": (128, 32), "res_blocks": 2},
        {"channel_mults": (2, 1), "attention_resolutions": ()},
        {"beta_start": 1e-4, "beta_end": 0.02, "diffusion_steps": 1000},
    ],
)
def test_released_files_say_what_they_are(tmp_path: Path, changes: dict[str, object]) -> None:
    model = _released(**changes).eval()
    for name, buffer in model.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_()
    path = tmp_path / "I1000_E10_gen.pth"
    torch.save(model.state_dict(), path)
    loaded = checkpoint.load_released(path)
    assert list(loaded.state_dict()) == list(model.state_dict())
    assert loaded.schedule == model.schedule
    frames, level = torch.rand(1, 3, 3, 32, 64), torch.full((1,), 0.5)
    with torch.no_grad():
        psi = model.condition(frames)
        assert torch.equal(loaded.condition(frames), psi)
        assert torch.equal(
            loaded.predict(psi, level, psi, frames), model.predict(psi, level, psi, frames)
        )  # fmt: skip
    converted = tmp_path / "converted.safetensors"
    _save(loaded, converted)
    assert checkpoint.load(converted).config == loaded.config


def test_norm_groups_leave_no_trace_and_must_be_told(tmp_path: Path) -> None:
    model = _released(inner_channels=16, norm_groups=8)
    path = tmp_path / "gen.pth"
    torch.save(model.state_dict(), path)
    assert "pass norm_groups" in _error(path, released=True)
    assert checkpoint.load_released(path, norm_groups=8).config.norm_groups == 8


def test_the_parity_configuration_is_read_off_its_keys(parity: object, tmp_path: Path) -> None:
    vectors = parity("lpdiff")
    state = vectors.state()
    reference = LPDiffConfig.preset("paper", "released")
    state.update(
        released_buffers(LPDiff(_released().config.model_copy(update={"diffusion_steps": 1000})).schedule)
    )
    torch.save(state, tmp_path / "gen.pth")
    model = checkpoint.load_released(tmp_path / "gen.pth", norm_groups=8)
    inputs = vectors.tensors
    with torch.no_grad():
        frames = torch.stack([inputs[f"in_f{number}"] for number in (1, 2, 3)], 1)
        psi = model.condition(frames)
        result = torch.cat([psi, model.predict(inputs["in_x"], inputs["in_nl"][:, 0], psi, frames)], 1)
    assert (result - inputs["out"]).abs().max() / inputs["out"].abs().max() < 1e-5
    assert (model.config.beta_start, model.config.beta_end) == (reference.beta_start, reference.beta_end)


class _Bomb:
    """Unpickling this writes a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.target,)


def test_wrong_released_files(tmp_path: Path) -> None:
    path = tmp_path / "I1_E1_gen.pth"
    with pytest.raises(MissingWeightsError, match="no such weight file"):
        checkpoint.load_released(path)
    for content in (b"", b"hello", b"PK\x03\x04 broken archive", pickle.dumps({"a": 1})[:-2]):
        path.write_bytes(content)
        assert _error(path, released=True)
    torch.save({"epoch": 1, "iter": 2, "scheduler": None, "optimizer": {"state": {}}}, path)
    assert "an optimiser's state and no weights" in _error(path, released=True)
    torch.save([1, 2], path)
    assert "holds no weights" in _error(path, released=True)
    torch.save({"conv.weight": torch.zeros(3)}, path)
    assert "no tensor 'betas'" in _error(path, released=True)
    good = _released().state_dict()

    def changed(**tensors: torch.Tensor | None) -> str:
        torch.save({k: v for k, v in {**good, **tensors}.items() if v is not None}, path)
        return _error(path, released=True)

    assert "lacks MTA.crossatt.fc1.bias" in changed(**{"MTA.crossatt.fc1.bias": None})
    assert "levels do not line up" in changed(**{"denoise_fn.downs.1.res_block.block1.block.3.weight": None})
    assert "not linear" in changed(betas=torch.rand(50).sort().values * 0.01)
    assert "odd shapes" in changed(betas=torch.zeros(()))
    assert "not finite" in changed(**{"MTA.crossatt.fc1.bias": torch.full((256,), torch.inf)})


def test_a_file_with_code_in_it_is_refused_unread(tmp_path: Path) -> None:
    path, target = tmp_path / "I1_E1_gen.pth", tmp_path / "executed"
    torch.save({"betas": torch.zeros(2), "bomb": _Bomb(target)}, path)
    with pytest.raises(MethodError, match="carries Python objects"):
        checkpoint.load_released(path)
    path.write_bytes(pickle.dumps(_Bomb(target)))
    with pytest.raises(MethodError):
        checkpoint.load_released(path)
    assert not target.exists()
