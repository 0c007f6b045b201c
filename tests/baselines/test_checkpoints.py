from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from baselines.checkpoints import load_exactly, read_state_dict
from mdlp_bench.errors import MethodError, MissingWeightsError

if TYPE_CHECKING:
    from pathlib import Path


class _Evil:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return type(self.target).touch, (self.target,)


def test_the_moving_average_is_preferred(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save({"params": {"a": torch.zeros(1)}, "params_ema": {"module.a": torch.ones(1)}}, path)
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
