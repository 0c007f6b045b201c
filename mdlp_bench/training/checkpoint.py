"""The state of a training on disk: safetensors for tensors, JSON for counters; nothing is unpickled."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from mdlp_bench.errors import DataError, reason
from mdlp_bench.files import atomic_path, read_json, write_json
from mdlp_bench.output_folder import differences
from mdlp_bench.training.trainable import Trainable

TRAINING: Final = "training.json"


def claim(folder: Path, identity: dict[str, Any]) -> None:
    """Write what identifies a training into its folder, or check that it is there.

    Raises:
        DataError: The folder holds another training; says what differs.
    """
    path = folder / TRAINING
    if not path.is_file():
        write_json(path, identity)
    elif different := differences(read_json(path), identity):
        raise DataError(
            f"{path}: this folder holds another training: {different}; choose another one or delete it"
        )


@dataclass
class State:
    """What changes while training, beside the trainable's own weights.

    Attributes:
        averaged: Moving average of the restoration network.
        optimizers: One per player.
        step: Steps done.
        seconds: Time spent in the loop, over all its processes in time.
        cpu_seconds: The same in CPU time of this process.
    """

    averaged: nn.Module
    optimizers: dict[str, torch.optim.Optimizer]
    step: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0


def save_state(state: State, trainable: Trainable, folder: Path) -> None:
    """Write `folder/last.safetensors` atomically."""
    tensors = {f"trainable/{name}": tensor for name, tensor in trainable.state_dict().items()}
    tensors |= {f"averaged/{name}": tensor for name, tensor in state.averaged.state_dict().items()}
    for player, optimizer in state.optimizers.items():
        for index, entries in optimizer.state_dict()["state"].items():
            tensors |= {
                f"optimizer/{player}/{index}/{name}": torch.as_tensor(v) for name, v in entries.items()
            }
    counters = {"step": state.step, "seconds": state.seconds, "cpu_seconds": state.cpu_seconds}
    stored = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    with atomic_path(folder / "last.safetensors") as temporary:
        save_file(stored, temporary, {"counters": json.dumps(counters)})


def load_state(state: State, trainable: Trainable, folder: Path) -> None:
    """Continue from `folder/last.safetensors`, if there is one.

    Raises:
        DataError: The checkpoint is damaged or of other networks.
    """
    path = folder / "last.safetensors"
    if not path.is_file():
        return
    try:
        with safe_open(path, framework="pt") as file:
            counters = json.loads(file.metadata()["counters"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        trainable.load_state_dict(_part(tensors, "trainable/"))
        state.averaged.load_state_dict(_part(tensors, "averaged/"))
        for player, optimizer in state.optimizers.items():
            entries: dict[int, dict[str, Tensor]] = {}
            for name, tensor in _part(tensors, f"optimizer/{player}/").items():
                index, _, key = name.partition("/")
                entries.setdefault(int(index), {})[key] = tensor
            optimizer.load_state_dict({**optimizer.state_dict(), "state": entries})
    except (SafetensorError, OSError, KeyError, ValueError, RuntimeError) as error:
        raise DataError(
            f"{path}: damaged or of another network ({reason(error)}); start in a new folder"
        ) from error
    state.step, state.seconds = counters["step"], counters["seconds"]
    state.cpu_seconds = counters["cpu_seconds"]


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor.clone()
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
