"""Reference outputs of the released networks, for networks with deterministic weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Parity:
    """One network's vectors: constructor arguments, keys with shapes and types, inputs and output."""

    config: dict[str, Any]
    keys: dict[str, tuple[list[int], str]]
    tensors: dict[str, torch.Tensor]
    fill: Callable[[dict[str, torch.Tensor]], None]

    def state(self) -> dict[str, torch.Tensor]:
        """The released network's state dict with its deterministic weights."""
        state = {
            key: torch.zeros(shape, dtype=getattr(torch, dtype)) for key, (shape, dtype) in self.keys.items()
        }
        self.fill(state)
        return state

    def check_keys(self, network: torch.nn.Module) -> None:
        """Assert that names, shapes and types of `network` are the released ones."""
        own = {
            key: (list(value.shape), str(value.dtype).removeprefix("torch."))
            for key, value in network.state_dict().items()
        }
        assert own == self.keys


@pytest.fixture
def parity_dir(shared_dir: Path) -> Path:
    """The folder of parity vectors; skips where there is none."""
    folder = shared_dir / "parity"
    if not folder.is_dir():
        pytest.skip(f"no parity vectors: {folder} is not there")
    return folder


@pytest.fixture
def parity(parity_dir: Path, import_script: Callable[[Path], Any]) -> Callable[[str], Parity]:
    """Load a network's vectors by name."""

    def load(name: str) -> Parity:
        folder = parity_dir / name
        keys = json.loads((folder / "keys.json").read_text())
        with np.load(folder / "io.npz") as arrays:
            tensors = {key: torch.from_numpy(arrays[key]) for key in arrays.files}
        config = json.loads((folder / "config.json").read_text())
        return Parity(
            config=config.get("cfg", config),
            keys={
                key: (value[0], value[1]) if isinstance(value[0], list) else (value, "float32")
                for key, value in keys.items()
            },
            tensors=tensors,
            fill=import_script(parity_dir / "fill.py").fill,
        )

    return load
