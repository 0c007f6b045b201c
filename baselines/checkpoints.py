"""Reading other people's weight files safely, and loading them with errors a user can act on."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from mdlp_bench.errors import MethodError, MissingWeightsError, reason

StateDict = dict[str, Tensor]

# Training frameworks nest weights under these names. The moving average, which papers report, comes first.
_NESTED = ("params_ema", "params", "state_dict", "model")


def read_state_dict(path: Path) -> StateDict:
    """Read a `.pth`/`.pt`/`.ckpt` or `.safetensors` file without running any code it may carry.

    Of a nested checkpoint the first of `params_ema`, `params`, `state_dict`, `model` is taken; the prefix
    `module.` that data-parallel training leaves is removed.

    Args:
        path: The weight file.

    Returns:
        Parameter name to tensor, on the CPU.

    Raises:
        MissingWeightsError: There is no such file.
        MethodError: It cannot be read, holds other objects than tensors, or holds no weights.
    """
    if not path.is_file():
        raise MissingWeightsError(f"{path}: no such weight file")
    try:
        if path.suffix == ".safetensors":
            content: object = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise MethodError(
            f"{path}: refused: not a weight file, or one that carries Python objects beside tensors; "
            "save its state dict alone"
        ) from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, SafetensorError) as error:
        raise MethodError(f"{path}: not a readable weight file ({reason(error)})") from error
    return _tensors_of(content, path)


def _tensors_of(content: object, path: Path) -> StateDict:
    if isinstance(content, Mapping):
        for name in _NESTED:
            if isinstance(content.get(name), Mapping):
                content = content[name]
                break
    if not isinstance(content, Mapping) or not content:
        raise MethodError(f"{path}: holds no weights")
    strangers = [str(key) for key, value in content.items() if not isinstance(value, Tensor)]
    if strangers:
        raise MethodError(f"{path}: {strangers[0]} is not a tensor; expected a state dict")
    return {str(key).removeprefix("module."): value for key, value in content.items()}


def load_exactly(
    module: nn.Module, state: Mapping[str, Tensor], source: str, derived: tuple[str, ...] = ()
) -> None:
    """Load weights into `module` when every key and shape agrees.

    Args:
        module: The network, changed in place.
        state: Parameter name to tensor; half precision is converted.
        source: What to call the weights in errors, usually their path.
        derived: Endings of buffer names the network computes itself; a file may leave these out.

    Raises:
        MethodError: A key is missing, unknown or of another shape; names the first and counts the others.
    """
    own = module.state_dict()
    missing = [key for key in own if key not in state and not key.endswith(derived or ("\0",))]
    unknown = [key for key in state if key not in own]
    reshaped = [key for key in own if key in state and own[key].shape != state[key].shape]
    for problem, keys in (("lacks", missing), ("has unknown", unknown)):
        if keys:
            raise MethodError(
                f"{source}: {problem} {keys[0]} and {len(keys) - 1} more; other network or configuration?"
            )
    if reshaped:
        key = reshaped[0]
        raise MethodError(
            f"{source}: {key} is {list(state[key].shape)}, the network has {list(own[key].shape)} "
            f"({len(reshaped)} such); other configuration?"
        )
    module.load_state_dict({**own, **state})
