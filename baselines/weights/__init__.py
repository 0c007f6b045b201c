"""Trained weights that come with the package, and the file format of everything trained here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

import torch
from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from baselines.checkpoints import load_exactly, read_state_dict
from mdlp_bench.errors import MethodError, MissingWeightsError, first_fault
from mdlp_bench.files import atomic_path

TRAINED_ON = ("rendered plates, surveillance recipe",)
"""What every bundled weight file has seen, and nothing else."""

ConfigT = TypeVar("ConfigT", bound=BaseModel)
NetworkT = TypeVar("NetworkT", bound=nn.Module)


def bundled(name: str) -> Path:
    """The bundled weight file `<name>.safetensors`.

    Raises:
        MissingWeightsError: It is not bundled; says how to train it.
    """
    path = Path(str(files("baselines.weights") / f"{name}.safetensors"))
    if not path.is_file():
        raise MissingWeightsError(
            f"{path}: missing; reinstall mdlp-bench, or train it from the root of the repository: "
            f"python recipes/reproduce.py bundled --out OUT --only {name}"
        )
    return path


def save_network(
    network: nn.Module, config: BaseModel, method: str, path: Path, notes: Mapping[str, str]
) -> None:
    """Write a network in half precision, its configuration and the method's name in the metadata.

    Raises:
        MdlpBenchError: The file cannot be written.
    """
    state = {
        name: tensor.detach().to(torch.float16 if tensor.is_floating_point() else None).contiguous()
        for name, tensor in network.state_dict().items()
    }
    with atomic_path(path) as temporary:
        save_file(state, temporary, {**notes, "method": method, "config": config.model_dump_json()})


def load_network(
    path: Path, method: str, config_type: type[ConfigT], build: Callable[[ConfigT], NetworkT]
) -> NetworkT:
    """Read a network written by `save_network`, float32, in evaluation mode.

    Raises:
        MissingWeightsError: The file does not exist.
        MethodError: It is no such file, of another method, damaged or does not fit its configuration.
    """
    state = read_state_dict(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise MethodError(f"{path}: not a safetensors file") from error
    if metadata.get("method") != method:
        raise MethodError(f"{path}: not weights of {method} trained here (its metadata does not say so)")
    try:
        config = config_type.model_validate_json(metadata.get("config", ""))
    except ValidationError as error:
        raise MethodError(f"{path}: unreadable configuration ({first_fault(error)})") from error
    network = build(config)
    load_exactly(network, state, str(path))
    return network.float().eval()
