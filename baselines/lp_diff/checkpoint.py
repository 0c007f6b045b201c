"""Weights on disk: the project's safetensors files, and the `I<iter>_E<epoch>_gen.pth` files of the release.

Nothing here unpickles arbitrary objects: `.pth` files go through the weights-only loader.
"""

from __future__ import annotations

import pickle
import warnings
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from baselines.lp_diff.config import LPDiffConfig
from baselines.lp_diff.network import LPDiff
from baselines.lp_diff.released import released_config
from mdlp_bench.errors import MethodError, MissingWeightsError, reason
from mdlp_bench.files import atomic_path

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FORMAT = "lp-diff-1"


def save(
    model: LPDiff, path: Path, notes: Mapping[str, str] | None = None, dtype: torch.dtype | None = None
) -> None:
    """Write a model and its configuration as safetensors, atomically.

    Args:
        model: Any variant.
        path: Where to; `.safetensors` by convention.
        notes: Further metadata (data, seed, scores); must not use the keys `format` and `config`.
        dtype: Store floating-point weights in this type, e.g. `torch.float16` to halve the file.

    Raises:
        MdlpBenchError: The file cannot be written.
        ValueError: A note uses a reserved key.
    """
    reserved = {"format": FORMAT, "config": model.config.model_dump_json()}
    if notes and reserved.keys() & notes.keys():
        raise ValueError("the notes 'format' and 'config' are reserved")
    state = {
        name: tensor.detach().to(dtype if tensor.is_floating_point() else None).contiguous()
        for name, tensor in model.state_dict().items()
    }
    with atomic_path(path) as temporary:
        save_file(state, temporary, {**(notes or {}), **reserved})


def load(path: Path) -> tuple[LPDiff, dict[str, str]]:
    """Read a model written by `save`, float32 and in evaluation mode, and its notes.

    Raises:
        MissingWeightsError: The file does not exist.
        MethodError: It is not an LP-Diff safetensors file, is damaged, or its weights do not fit its
            configuration.
    """
    _exists(path)
    try:
        with safe_open(path, framework="pt") as file:
            notes = dict(file.metadata() or {})
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError) as error:
        raise MethodError(f"{path}: not a readable safetensors file ({reason(error)})") from error
    if notes.pop("format", None) != FORMAT or "config" not in notes:
        raise MethodError(
            f"{path}: not an LP-Diff weight file of format {FORMAT} (its metadata does not say so)"
        )
    try:
        config = LPDiffConfig.parse(notes.pop("config"))
    except MethodError as error:
        raise MethodError(f"{path}: {error}") from error
    return _build(config, state, path), notes


def load_released(path: Path, norm_groups: int = 32) -> LPDiff:
    """Read a generator checkpoint of the release (`I<iter>_E<epoch>_gen.pth`), in evaluation mode.

    The configuration is read off the tensors: channels, levels, blocks, where attention sits and the noise
    schedule. Only the number of norm groups leaves no trace.

    Args:
        path: The file.
        norm_groups: Groups of the U-Net's group norms; 32 unless the release's config said otherwise.

    Raises:
        MissingWeightsError: The file does not exist.
        MethodError: It is not a generator checkpoint of the release; one line says what it is instead.
    """
    _exists(path)
    try:
        with warnings.catch_warnings(action="ignore"):
            state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise MethodError(
            f"{path}: not loaded: not a PyTorch checkpoint, or one that holds other objects than tensors"
        ) from error
    except (RuntimeError, OSError, EOFError, ValueError, KeyError, IndexError) as error:
        raise MethodError(f"{path}: not a readable PyTorch checkpoint ({reason(error)})") from error
    if isinstance(state, dict) and "optimizer" in state:
        raise MethodError(f"{path}: holds the optimiser's state; give the file that ends in _gen.pth")
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise MethodError(f"{path}: not an LP-Diff generator checkpoint (no table of tensors)")
    return _build(released_config(state, norm_groups, path), state, path)


def _build(config: LPDiffConfig, state: dict[str, Tensor], path: Path) -> LPDiff:
    with torch.device("meta"):
        model = LPDiff(config)
    expected = model.state_dict()
    for name, tensor in expected.items():
        if name not in state:
            raise MethodError(f"{path}: the tensor {name!r} is missing")
        found, wanted = list(state[name].shape), list(tensor.shape)
        if found != wanted:
            raise MethodError(f"{path}: {name!r} has shape {found}, but the network needs {wanted}")
        if tensor.is_floating_point() and not state[name].isfinite().all():
            raise MethodError(
                f"{path}: {name!r} holds values that are not finite; the file is damaged or diverged"
            )
    unknown = sorted(state.keys() - expected.keys())
    if unknown:
        raise MethodError(f"{path}: the tensor {unknown[0]!r} does not belong to this network")
    # A copy: tensors mapped from a file are not aligned for fast kernels, and change with the file.
    state = {name: tensor.to(expected[name].dtype, copy=True) for name, tensor in state.items()}
    model.load_state_dict(state, assign=True)
    return model.eval()


def _exists(path: Path) -> None:
    if not path.is_file():
        raise MissingWeightsError(f"{path}: no such weight file")
