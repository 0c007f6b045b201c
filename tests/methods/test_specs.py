"""What a user may type for a method: files, weights, networks; and training a file's network to bench it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import sample_row
from safetensors.torch import save_file
from typer.testing import CliRunner

from baselines.weights import bundled
from mdlp_bench.cli.main import app
from mdlp_bench.data.samples import Samples
from mdlp_bench.errors import DataError, MethodError, MissingWeightsError
from mdlp_bench.files import sha256_file
from mdlp_bench.harness.run import Run
from mdlp_bench.methods import FrameBatch, load_method
from mdlp_bench.methods.network import NetworkMethod
from mdlp_bench.methods.registry import distinct_names

Make = Callable[..., Samples]

NET = """
import torch
from torch import nn
from mdlp_bench.training.trainable import Trainable


class Net(nn.Module):
    frames = 2

    def __init__(self, kernel=1):
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(0.25))
        self.conv = nn.Conv2d(3, 3, kernel, padding=kernel // 2)

    def forward(self, frames):
        return frames[:, 0] * self.gain


def build():
    return Net()


def sized(options):
    return Net(**options)


network = Net()


class Mine(Trainable):
    players = ("model",)

    def __init__(self, options):
        super().__init__()
        self.model = Net(options.get("kernel", 1))

    def training_step(self, batch, generator, player):
        return {"l1": (self.model(batch.frames) - batch.gt).abs().mean()}

    def restore(self, network, frames, seeds):
        return network(frames)

    def save(self, network, path, notes):
        from safetensors.torch import save_file
        save_file(network.state_dict(), path, dict(notes))

    def load(self, path):
        from safetensors.torch import load_file
        self.model.load_state_dict(load_file(path))
"""


@pytest.fixture
def net(tmp_path: Path) -> Path:
    (tmp_path / "net.py").write_text(NET)
    state = {"gain": torch.tensor(0.5), "conv.weight": torch.zeros(3, 3, 1, 1), "conv.bias": torch.zeros(3)}
    torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}}, tmp_path / "w.pth")
    save_file(state, tmp_path / "w.safetensors")
    save_file(state | {"gain": torch.tensor(float("nan"))}, tmp_path / "nan.safetensors")
    return tmp_path / "net.py"


def batch() -> FrameBatch:
    return FrameBatch(("a",), ((np.full((20, 40, 3), 255, np.uint8),),))


@pytest.mark.parametrize("name", ["build", "Net", "sized", "Mine"])
@pytest.mark.parametrize("weights", ["w.pth", "w.safetensors"])
def test_a_file_builds_the_network_of_weights(net: Path, name: str, weights: str) -> None:
    if (name, weights) == ("Mine", "w.pth"):
        pytest.skip("a trainable reads its own format")
    method = load_method(f"{net}:{name}={net.parent / weights}")
    assert isinstance(method, NetworkMethod)
    assert method.descriptor.name == f"net-{name.lower()}-w"
    assert method.descriptor.parameters == 13 and method.descriptor.weights_sha256
    # 0.5 in [-1, 1] of white.
    assert (method.restore_batch(batch()) == 191).all()


def test_networks_and_factories_without_weights(net: Path) -> None:
    for name in ("network", "build", "Net"):
        found = load_method(f"{net}:{name}")
        assert (found.restore_batch(batch()) == 159).all()  # type: ignore[union-attr]
        assert found.descriptor.title == f"net.py:{name}"
    with pytest.raises(MethodError, match=r"a network without weights; give .*Mine=WEIGHTS"):
        load_method(f"{net}:Mine")


def test_registered_methods_take_weights_and_are_named_after_them(tmp_path: Path) -> None:
    path = tmp_path / "mine" / "weights.safetensors"
    path.parent.mkdir()
    path.write_bytes(bundled("srcnn").read_bytes())
    method = load_method(f"srcnn={path}")
    assert method.descriptor.name == "srcnn-mine" and method.descriptor.title.endswith("(mine)")
    assert method.descriptor.weights_sha256 == sha256_file(path)
    with pytest.raises(MethodError, match="not weights of hat"):
        load_method(f"hat={path}")
    with pytest.raises(MissingWeightsError, match="no such weight file"):
        load_method("srcnn=absent.safetensors")
    for spec in (f"nothing={path}", f"bicubic={path}"):
        with pytest.raises(MethodError):
            load_method(spec)


def test_wrong_files_and_weights_are_one_line(net: Path) -> None:
    folder = net.parent
    (folder / "other.py").write_text(
        "from torch import nn\ndef build():\n    return nn.BatchNorm2d(3)\nx = 3\n"
    )
    for spec, message in (
        (f"{net}:build={folder / 'nan.safetensors'}", "not finite"),
        (f"{net}:Mine={folder / 'nan.safetensors'}", "not finite"),
        (f"{folder / 'other.py'}:build={folder / 'w.pth'}", "lacks weight"),
        (f"{folder / 'other.py'}:x={folder / 'w.pth'}", "name what builds its network"),
        (f"{net}:absent={folder / 'w.pth'}", "has no 'absent'"),
    ):
        with pytest.raises(MethodError, match=message) as caught:
            load_method(spec)
        assert "\n" not in str(caught.value)


def test_names_that_meet_are_told_apart_by_folder(tmp_path: Path) -> None:
    specs = [f"{tmp_path}/a/net.py:restore", f"{tmp_path}/b/net.py:restore", "bicubic"]
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "net.py").write_text("")
    names = distinct_names(specs, ["net-restore", "net-restore", "bicubic"])
    assert names == ["a-net-restore", "b-net-restore", "bicubic"]
    with pytest.raises(MethodError, match="two methods are called 'bicubic'"):
        distinct_names(["bicubic", "bicubic "], ["bicubic", "bicubic"])


def test_two_files_that_define_restore_and_what_was_just_trained_are_benchmarked_together(
    make_samples: Make, tmp_path: Path, net: Path
) -> None:
    from mdlp_bench.data import write_parquet

    rows = [sample_row(i, split="train" if i < 4 else "val") for i in range(7)]
    write_parquet(iter(rows), tmp_path / "data", name="data")
    head = "import mdlp_bench as mb\n@mb.method(frames=1)\n"
    (tmp_path / "one.py").write_text(head + "def restore(frames):\n    return frames[:, 0]\n")
    (tmp_path / "two.py").write_text("def restore(frames):\n    return 255 - frames[:, 0]\n")
    run = tmp_path / "runs" / "first"

    def command(*arguments: object) -> None:
        result = CliRunner().invoke(app, [str(a) for a in arguments])
        if result.exception is not None:
            raise result.exception

    train = ("train", f"{net}:Mine", tmp_path / "data", "-o", run, "--device", "cpu", "--steps", 2)
    command(*train)
    weights = run / "weights.safetensors"
    methods = f"{tmp_path}/one.py:restore,{tmp_path}/two.py:restore,{net}:Mine={weights}"
    command(
        *("bench", tmp_path / "data", "--split", "val", "--methods", methods, "-o", tmp_path / "out"),
        *("--device", "cpu", "--lpips", "none", "--no-fid", "--no-aligned"),
    )
    for name in ("one-restore", "two-restore", "net-mine-first"):
        assert Run(tmp_path / "out" / "runs" / name).record.method.provenance == "user"
    # The file is part of what identifies a training.
    net.write_text(NET + "\n# changed\n")
    with pytest.raises(DataError, match="another training"):
        command(*train)
