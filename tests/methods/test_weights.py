from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from pydantic import BaseModel
from safetensors.torch import save_file
from torch import nn

from mdlp_bench.errors import MethodError, MissingWeightsError
from mdlp_bench.methods.weights import load_exactly, load_network, read_card, read_state_dict, save_network

if TYPE_CHECKING:
    from pathlib import Path


class _Evil:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return type(self.target).touch, (self.target,)


def test_the_moving_average_is_preferred(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save({"params": {"a": torch.zeros(1)}, "params_ema": {"a": torch.ones(1)}}, path)
    assert read_state_dict(path) == {"a": torch.ones(1)}
    torch.save({"params": {"a": torch.zeros(1)}, "iteration": 3}, path)
    assert read_state_dict(path) == {"a": torch.zeros(1)}


def test_plain_and_safetensors_files_are_read(tmp_path: Path) -> None:
    state = {"a": torch.arange(3.0)}
    torch.save(state, tmp_path / "w.pt")
    save_file(state, tmp_path / "w.safetensors")
    for name in ("w.pt", "w.safetensors"):
        assert torch.equal(read_state_dict(tmp_path / name)["a"], state["a"])


def test_a_file_that_carries_code_is_refused_and_does_not_run(tmp_path: Path) -> None:
    trap = tmp_path / "ran"
    torch.save({"params": {"a": torch.zeros(1)}, "extra": _Evil(trap)}, tmp_path / "evil.pth")
    with pytest.raises(MethodError, match="refused"):
        read_state_dict(tmp_path / "evil.pth")
    assert not trap.exists()


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
@pytest.mark.parametrize("content", [b"", b"not weights", b"\x80\x02}q\x00"])
def test_a_damaged_file_is_one_line(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(MethodError, match=name) as caught:
        read_state_dict(path)
    assert "\n" not in str(caught.value)


def test_a_truncated_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save({"a": torch.rand(1000)}, path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(MethodError, match=r"w\.pth: not a readable weight file"):
        read_state_dict(path)


def test_other_contents_are_named(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    for content, message in (({}, "no weights"), ([1], "no weights"), ({"a": 1}, "a is not a tensor")):
        torch.save(content, path)
        with pytest.raises(MethodError, match=message):
            read_state_dict(path)
    with pytest.raises(MissingWeightsError, match="absent"):
        read_state_dict(tmp_path / "absent.pth")


def test_loading_names_what_does_not_fit() -> None:
    layer = nn.Linear(2, 3)
    state = {"weight": torch.ones(3, 2), "bias": torch.ones(3)}
    load_exactly(layer, {**state, "weight": state["weight"].half()}, "w")
    assert layer.weight.dtype == torch.float32
    assert (layer.weight == 1).all()
    for wrong, message in (
        ({"weight": state["weight"]}, "w: lacks bias"),
        ({**state, "extra": torch.ones(1)}, "w: has unknown extra"),
        ({**state, "bias": torch.ones(4)}, r"w: bias is \[4\], the network has \[3\]"),
    ):
        with pytest.raises(MethodError, match=message):
            load_exactly(layer, wrong, "w")
    load_exactly(layer, {"weight": state["weight"]}, "w", derived=("bias",))


STATE = {"weight": torch.arange(6.0).reshape(3, 2), "bias": torch.ones(3)}
PLAIN = {name: torch.zeros_like(tensor) for name, tensor in STATE.items()}


def under(prefix: str, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


@pytest.mark.parametrize(
    "stored",
    [
        under("module.", STATE),
        under("_orig_mod.", STATE),
        under("module._orig_mod.", STATE),
        under("_orig_mod.module.", STATE),
        {"state_dict": under("model.", STATE), "epoch": 3, "optimizer_states": [{"lr": 0.1}]},
        {"state_dict": under("net_g.module.", STATE) | {"net_d.weight": torch.ones(1)}},
        {"state_dict": under("generator.", PLAIN) | under("generator_ema.", STATE)},
        {"state_dict": under("generator.", STATE) | under("discriminator.", PLAIN)},
        {"model": {"params_ema": under("module.", STATE), "params": PLAIN}},
        {"params": PLAIN, "params_ema": under("_orig_mod.", STATE)},
        {"model": PLAIN, "ema": STATE, "optimizer": {"state": {}}},
        {"generator": under("model.", STATE), "optimizer": {"state": {}}, "step": 7},
        under("model.", PLAIN) | under("ema_model.module.", STATE) | {"step": torch.tensor(3)},
        {"G": STATE, "D": PLAIN},
        {"generator_state_dict": STATE, "discriminator_state_dict": PLAIN, "epoch": 3},
        {"weights": STATE},
        {"shadow": STATE, "decay": 0.999},
        {"model": PLAIN, "ema": {"shadow": STATE, "decay": 0.999}},
        {"state_dict": PLAIN, "state_dict_ema": STATE, "arch": "x"},
        {"model": PLAIN, "ema": {"module": STATE}},
        {"state_dict": PLAIN, "ema_state_dict": under("module.", STATE)},
        {"model_state_dict": PLAIN, "model_ema_state_dict": STATE},
        {"net_G": STATE, "net_D": PLAIN},
        {"model_G": STATE, "model_D": PLAIN},
        {"state_dict_G": STATE, "state_dict_D": PLAIN},
        {"nets": {"G": STATE, "D": PLAIN}},
        {"Generator": {"weights": STATE}},
        {"model_weights": STATE},
        {"model": STATE, "ema": {"decay": 0.999}},
        under("G.", STATE) | under("D.", PLAIN),
        under("netG.", STATE),
        under("state_dict_ema.", STATE) | under("state_dict.", PLAIN),
    ],
)
def test_wrappers_of_trainers_and_compilers_come_off(tmp_path: Path, stored: dict[str, object]) -> None:
    torch.save(stored, tmp_path / "w.pth")
    layer = nn.Linear(2, 3)
    load_exactly(layer, read_state_dict(tmp_path / "w.pth"), "w")
    assert torch.equal(layer.weight, STATE["weight"]) and torch.equal(layer.bias, STATE["bias"])


def test_an_unknown_container_is_named(tmp_path: Path) -> None:
    for stored, says in (
        (
            {"student": STATE, "epoch": 3},
            r"lie under student, and weights are looked for under params_ema, ema",
        ),
        (
            {"shadow_params": list(STATE.values()), "model": PLAIN},
            "shadow_params holds averaged weights as a list",
        ),
        ({"a": STATE, "b": PLAIN, "optimizer": {"state": STATE}}, "lie under a, b, and weights"),
    ):
        torch.save(stored, tmp_path / "w.pth")
        with pytest.raises(MethodError, match=says):
            read_state_dict(tmp_path / "w.pth")


def test_averages_whose_names_lost_their_dots_come_first(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    own = network.state_dict()
    average = {f"model_ema.{name.replace('.', '')}": torch.full_like(t, 2) for name, t in own.items()}
    counters = {"model_ema.decay": torch.tensor(0.999), "model_ema.num_updates": torch.tensor(7)}
    plain = {f"model.{name}": torch.zeros_like(tensor) for name, tensor in own.items()}
    torch.save({"state_dict": plain | average | counters}, tmp_path / "w.ckpt")
    load_exactly(network, read_state_dict(tmp_path / "w.ckpt"), "w")
    assert all((tensor == 2).all() for tensor in network.state_dict().values())


@pytest.mark.parametrize("dtype", [torch.int32, torch.int8, torch.bool, torch.complex64])
def test_integers_are_no_weights_of_a_float_network(dtype: torch.dtype) -> None:
    layer = nn.BatchNorm1d(3)
    state = {name: tensor.to(dtype) for name, tensor in layer.state_dict().items()}
    with pytest.raises(MethodError, match=rf"w: weight is {str(dtype)[6:]}, the network has float32"):
        load_exactly(layer, state, "w")
    half = {name: t.bfloat16() if t.is_floating_point() else t for name, t in layer.state_dict().items()}
    load_exactly(layer, half, "w")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"hello world\n", r"\(it begins with b'hello world"),
        (b"", r"\(it is empty"),
        (b"version https://git-lfs.github.com/spec/v1", "begins with b'version https://git-lfs"),
        (b"\x80\x02ejunk", r"not a readable weight file \(damaged or cut off\)|refused"),
    ],
)
def test_what_is_no_weight_file_says_why(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "garbage.pth").write_bytes(content)
    with pytest.raises(MethodError, match=says):
        read_state_dict(tmp_path / "garbage.pth")


def test_an_unknown_prefix_and_an_optimiser_are_named(tmp_path: Path) -> None:
    with pytest.raises(MethodError, match=r"its names start with 'student\.'"):
        load_exactly(nn.Linear(2, 3), under("student.", STATE), "w")
    torch.save({"optimizer": {"state": {}}, "epoch": 1}, tmp_path / "opt.pth")
    with pytest.raises(MethodError, match="an optimiser's state and no weights"):
        read_state_dict(tmp_path / "opt.pth")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    broken = STATE | {"bias": torch.tensor([1.0, value, 1.0])}
    torch.save({"params_ema": broken}, tmp_path / "w.pth")
    save_file(broken, tmp_path / "w.safetensors")
    for name in ("w.pth", "w.safetensors"):
        with pytest.raises(MethodError, match="bias holds values that are not finite"):
            read_state_dict(tmp_path / name)


class Shape(BaseModel):
    wide: int = 2


def linear(config: Shape) -> nn.Linear:
    return nn.Linear(config.wide, 3)


def test_what_is_saved_is_loaded_and_damage_is_noticed(tmp_path: Path) -> None:
    path, network = tmp_path / "w.safetensors", nn.Linear(4, 3)
    save_network(network, Shape(wide=4), "mine", path, {"step": "7"}, dtype=None)
    loaded = load_network(path, "mine", Shape, linear)
    assert torch.equal(loaded.weight, network.weight) and not loaded.training
    assert read_card(path)["step"] == "7"
    with pytest.raises(MethodError, match="not weights of yours"):
        load_network(path, "yours", Shape, linear)
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(MethodError, match="damaged"):
        load_network(path, "mine", Shape, linear)
    with pytest.raises(ValueError, match="reserved"):
        save_network(network, None, "mine", path, {"config": "{}"})
    with torch.no_grad():
        network.weight[0, 0] = 1e6
    with pytest.raises(MethodError, match="not written: weight holds values that are not finite"):
        save_network(network, None, "mine", path)


def test_equal_weights_are_equal_files(tmp_path: Path) -> None:
    network, notes = nn.Linear(2, 3), {f"note {n} é\n": f'"{n}"' for n in range(8)}
    for number in range(6):
        save_network(network, None, "m", tmp_path / f"{number}.safetensors", notes)
    assert len({(tmp_path / f"{number}.safetensors").read_bytes() for number in range(6)}) == 1
    assert read_card(tmp_path / "0.safetensors").items() >= notes.items()
    assert torch.equal(read_state_dict(tmp_path / "0.safetensors")["weight"], network.weight.detach().half())
