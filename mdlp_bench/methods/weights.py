"""Weights on disk: the one file format of networks trained here, and a strict reader of other people's files.

A file of this format is safetensors; its metadata hold

    method    whose network it is
    config    the network's configuration as JSON
    sha256    of the tensors, so that a damaged file is not mistaken for weights
    ...       its card: what the training noted (recipe, data, step)

Files written before the hash was stored still load. No file can run code: pickles go through PyTorch's
weights-only loader.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import torch
from pydantic import BaseModel
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mdlp_bench.errors import MethodError, MissingWeightsError, checked, reason
from mdlp_bench.files import atomic_path

StateDict = dict[str, Tensor]
ConfigT = TypeVar("ConfigT", bound=BaseModel)
NetworkT = TypeVar("NetworkT", bound=nn.Module)

RESERVED: Final = ("method", "config", "sha256")

# Training frameworks nest weights under these names, in any case and perhaps with one of these endings.
_PLAIN: Final = (
    "params", "state_dict", "state_dict_g", "generator", "gen", "g", "net_g", "netg", "model_g", "model",
    "network", "net", "nets", "weights", "module",
)  # fmt: skip
# The moving average, which papers report, comes first.
_AVERAGED: Final = (
    *(form for name in _PLAIN for form in (f"{name}_ema", f"ema_{name}")),
    "ema",
    "shadow",
    "averaged",
    "averaged_model",
    "swa_model",
)
_NESTED: Final = (*_AVERAGED, *_PLAIN)
_ENDINGS: Final = ("_state_dict", "_weights", "_params")
_LOOKED_FOR: Final = "params_ema, ema, params, state_dict, generator, model, net_g, weights, ..."
# Wrappers put these in front of every name; a file may hold the average, or other networks, beside it.
_PREFIXES: Final = tuple(f"{name}." for name in _NESTED)


def save_network(
    network: nn.Module,
    config: BaseModel | None,
    method: str,
    path: Path,
    notes: Mapping[str, str] | None = None,
    dtype: torch.dtype | None = torch.float16,
) -> None:
    """Write a network, its configuration and its card atomically.

    Args:
        network: Whose state dict is written.
        config: Its configuration; None for a network with only one shape.
        method: Whose network it is.
        path: The file to write; `.safetensors` by convention.
        notes: The card: further metadata.
        dtype: Type of the floating-point tensors; None keeps theirs.

    Raises:
        MethodError: A weight is not finite, perhaps only in half precision.
        MdlpBenchError: The file cannot be written.
        ValueError: A note uses a reserved key.
    """
    if notes and set(RESERVED) & notes.keys():
        raise ValueError(f"the notes {', '.join(RESERVED)} are reserved")
    state = {
        name: tensor.detach().cpu().to(dtype if tensor.is_floating_point() else None).contiguous().clone()
        for name, tensor in network.state_dict().items()
    }
    check_finite(state, f"{path}: not written")
    own = {"method": method, "config": config.model_dump_json() if config else "{}", "sha256": digest(state)}
    with atomic_path(path) as temporary:
        save_file(state, temporary, {**(notes or {}), **own})
        _sort_metadata(temporary)


def _sort_metadata(path: Path) -> None:
    """Sort the metadata of a safetensors file, which the library writes in random order."""
    with path.open("r+b") as stream:
        length = int.from_bytes(stream.read(8), "little")
        header = json.loads(stream.read(length))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        stream.seek(8)
        stream.write(json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode().ljust(length))


def load_network(
    path: Path, method: str, config_type: type[ConfigT], build: Callable[[ConfigT], NetworkT]
) -> NetworkT:
    """Read a network written by `save_network`: float32, on the CPU, in evaluation mode.

    Args:
        path: The file.
        method: Whose network it must be.
        config_type: Its configuration.
        build: Makes the network of a configuration.

    Raises:
        MissingWeightsError: The file does not exist.
        MethodError: It is not such a file, is of another method, is damaged, or does not fit its
            configuration.
    """
    state = read_state_dict(path)
    card = read_card(path)
    # LP-Diff's files named their format first.
    if card.get("method", card.get("format", "").removesuffix("-1")) != method:
        raise MethodError(f"{path}: not weights of {method} trained here (its metadata does not say so)")
    what = f"{path}: unreadable configuration"
    network = build(checked(config_type, card.get("config", ""), what, MethodError))
    load_exactly(network, state, str(path))
    return network.float().eval()


def read_card(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file; empty for files of other kinds.

    Raises:
        MissingWeightsError: The file does not exist.
        MethodError: It is not a readable safetensors file.
    """
    if not path.is_file():
        raise MissingWeightsError(f"{path}: no such weight file")
    if path.suffix != ".safetensors":
        return {}
    try:
        with safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise MethodError(f"{path}: not a readable weight file ({reason(error)})") from error


def training_options(path: Path) -> dict[str, Any]:
    """The options of the training that wrote a weight file; empty where its card does not say.

    Raises:
        MdlpBenchError: As in `read_card`.
    """
    try:
        options = json.loads(read_card(path).get("training", "{}")).get("options", {})
    except (json.JSONDecodeError, AttributeError):
        return {}
    return options if isinstance(options, dict) else {}


def read_state_dict(path: Path) -> StateDict:
    """Read a `.pth`/`.pt`/`.ckpt` or `.safetensors` file without running any code it may carry.

    Of a nested checkpoint the moving average comes first (`params_ema`, `state_dict_ema`, `ema`, `shadow`),
    then `params`, `state_dict` and what training frameworks call the generator, at any depth. The part that
    `torch.compile` adds to names (`_orig_mod.`) is removed; for the prefixes of wrappers see
    `without_wrappers`.

    Args:
        path: The weight file.

    Returns:
        Parameter name to tensor, on the CPU.

    Raises:
        MissingWeightsError: There is no such file.
        MethodError: It cannot be read, holds other objects than tensors, holds no weights, or weights that
            are not finite.
    """
    if not path.is_file():
        raise MissingWeightsError(f"{path}: no such weight file")
    try:
        if path.suffix == ".safetensors":
            content: object = load_file(path)
        else:
            _check_beginning(path)
            with warnings.catch_warnings(action="ignore"):
                content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise MethodError(
            f"{path}: refused: not a weight file, or one that carries Python objects beside tensors; "
            "save its state dict alone"
        ) from error
    except (OSError, RuntimeError, SafetensorError) as error:
        raise MethodError(f"{path}: not a readable weight file ({reason(error)})") from error
    except MethodError:
        raise
    except Exception as error:
        # A damaged pickle can raise anything, mostly without saying what it means.
        raise MethodError(f"{path}: not a readable weight file (damaged or cut off)") from error
    state = _tensors_of(content, path)
    stored = read_card(path).get("sha256")
    if stored is not None and stored != digest(state):
        raise MethodError(f"{path}: damaged: its tensors are not those that were written")
    check_finite(state, str(path))
    return {name.replace("_orig_mod.", ""): tensor for name, tensor in state.items()}


def without_wrappers(state: Mapping[str, Tensor]) -> Iterator[Mapping[str, Tensor]]:
    """The state dicts that a file may stand for: as it is, then what lies under each wrapper's prefix.

    Data-parallel training, averaging and Lightning put `module.`, `ema_model.`, `model.`, `generator.` and
    others in front of every name, in any case, also nested. Averaged weights come before others. Beside the
    prefix a file may hold a discriminator or a counter, which are left out.
    """
    yield state
    for prefix in _PREFIXES:
        inner = {k[len(prefix) :]: tensor for k, tensor in state.items() if k.lower().startswith(prefix)}
        if inner:
            yield from without_wrappers(inner)


def load_exactly(
    module: nn.Module, state: Mapping[str, Tensor], source: str, derived: tuple[str, ...] = ()
) -> None:
    """Load weights into `module` when every key and shape agrees.

    Args:
        module: The network, changed in place.
        state: Parameter name to tensor, with or without wrappers' prefixes; half precision is converted.
        source: What to call the weights in errors, usually their path.
        derived: Endings of buffer names the network computes itself; a file may leave these out.

    Raises:
        MethodError: A key is missing, unknown or of another shape, or integers stand where the network has
            floating-point weights; names the first and counts the others.
    """
    own = module.state_dict()
    needed = {key for key in own if not key.endswith(derived or ("\0",))}
    unwrapped = [_with_dots(table, own) for table in without_wrappers(state)]
    fitting = (table for table in unwrapped if needed <= table.keys() <= own.keys())
    # If none fits, the error is about the closest one.
    state = next(fitting, max(unwrapped, key=lambda table: len(own.keys() & table.keys())))
    if not own.keys() & state.keys():
        _name_prefix(needed, state, source)
    missing = [key for key in own if key not in state and key in needed]
    unknown = [key for key in state if key not in own]
    reshaped = [key for key in own if key in state and own[key].shape != state[key].shape]
    for problem, keys in (("lacks", missing), ("has unknown", unknown)):
        if keys:
            more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
            raise MethodError(f"{source}: {problem} {keys[0]}{more}; other network or configuration?")
    if reshaped:
        key = reshaped[0]
        raise MethodError(
            f"{source}: {key} is {list(state[key].shape)}, the network has {list(own[key].shape)} "
            f"({len(reshaped)} such); other configuration?"
        )
    check_types(own, state, source)
    module.load_state_dict({**own, **state})


def check_types(own: Mapping[str, Tensor], state: Mapping[str, Tensor], source: str) -> None:
    """Refuse integers, e.g. quantised weights, and complex numbers for floating-point weights.

    Raises:
        MethodError: Names the first such tensor; `source` is what the weights are called.
    """
    for key, tensor in state.items():
        if key in own and own[key].is_floating_point() and not tensor.is_floating_point():
            kinds = [str(one.dtype).removeprefix("torch.") for one in (tensor, own[key])]
            raise MethodError(
                f"{source}: {key} is {kinds[0]}, the network has {kinds[1]}; give unquantised weights"
            )


def _with_dots(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Averaged weights whose names lost their dots, as in latent diffusion's code, by `own` names."""
    by_flat = {key.replace(".", ""): key for key in own}
    if own.keys() & state.keys() or len(by_flat) < len(own):
        return state
    return {by_flat[key]: tensor for key, tensor in state.items() if key in by_flat} or state


def _name_prefix(needed: set[str], state: Mapping[str, Tensor], source: str) -> None:
    """Raise an error that names the prefix of the names in a file, if the prefix is the fault."""
    wanted = min(needed, default="")
    for prefix in (key.removesuffix(wanted) for key in state if key.endswith(f".{wanted}")):
        if needed <= {key.removeprefix(prefix) for key in state}:
            raise MethodError(f"{source}: its names start with {prefix!r}; store them without it")


def _check_beginning(path: Path) -> None:
    """Refuse a file that is neither a zip archive nor a pickle, as all files that PyTorch writes are."""
    with path.open("rb") as stream:
        start = stream.read(24)
    if not start.startswith((b"PK", b"\x80")):
        begins = f"begins with {start!r}" if start else "is empty"
        raise MethodError(f"{path}: not a readable weight file (it {begins}, as no file of PyTorch does)")


def _tensors_of(content: object, path: Path) -> StateDict:
    found = _innermost(content, path)
    if not isinstance(found, Mapping) or not found:
        raise MethodError(f"{path}: holds no weights")
    others = [str(key) for key, value in found.items() if not isinstance(value, Tensor)]
    parts = [str(key) for key, value in found.items() if _holds_tensors(value)]
    if unknown := [name for name in parts if not name.startswith("optimizer")]:
        raise MethodError(
            f"{path}: its tensors lie under {', '.join(unknown)}, and weights are looked for under "
            f"{_LOOKED_FOR}; save the network's state dict alone"
        )
    if any(name.startswith("optimizer") for name in others):
        raise MethodError(f"{path}: holds an optimiser's state and no weights; give the network's file")
    if others:
        raise MethodError(f"{path}: {others[0]} is not a tensor; expected a state dict")
    return {str(key): value for key, value in found.items()}


def _innermost(content: object, path: Path) -> object:
    """What lies under the names of `_NESTED`, at any depth; parts without tensors are passed over."""
    if not isinstance(content, Mapping):
        return content
    for key, value in content.items():
        if _rank(key) < len(_AVERAGED) and isinstance(value, list | tuple) and value:
            raise MethodError(
                f"{path}: {key} holds averaged weights as a list without names; save them as a state dict"
            )
    parts = {key: value for key, value in content.items() if _holds_tensors(value)}
    for key in sorted(parts, key=_rank):
        if _rank(key) < len(_NESTED):
            return _innermost(parts[key], path)
    return content


def _holds_tensors(value: object) -> bool:
    return isinstance(value, Mapping) and any(
        isinstance(one, Tensor) or _holds_tensors(one) for one in value.values()
    )


def _rank(key: object) -> int:
    """Where the name of a part stands in `_NESTED`; behind the last for names that are not there."""
    name = str(key).lower()
    forms = {name, *(name.removesuffix(ending) for ending in _ENDINGS)}
    return min((_NESTED.index(form) for form in forms if form in _NESTED), default=len(_NESTED))


def check_finite(state: Mapping[str, Tensor], source: str) -> None:
    """Raise `MethodError` when a tensor holds a value that is not finite; `source` is what it is called."""
    for name, tensor in state.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise MethodError(
                f"{source}: {name} holds values that are not finite; damaged, or the training diverged"
            )


def digest(state: Mapping[str, Tensor]) -> str:
    """SHA-256 of tensors by their names, types, shapes and values, as hexadecimal digits."""
    found = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        found.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        found.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()
