"""Weight files of recognisers: float16 tensors in safetensors, with one key in the file's metadata."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from mdlp_bench.errors import MissingWeightsError, ReaderError, reason
from mdlp_bench.files import write_bytes

# Of batch norms; evaluation does not need it.
_NOT_STORED = "num_batches_tracked"


def save_recogniser(network: nn.Module, path: Path, key: str, value: str) -> None:
    """Write a network as float16, atomically.

    Args:
        network: Whose state dict is written.
        path: Where to.
        key: Says whose weights they are. It is the only key: safetensors writes several in random order.
        value: Its value.
    """
    tensors = {
        name: (tensor.to(torch.float16) if tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in network.state_dict().items()
        if not name.endswith(_NOT_STORED)
    }
    write_bytes(path, save(tensors, {key: value}))


def read_recogniser(path: Path, key: str, what: str, remedy: str) -> tuple[str, dict[str, Tensor]]:
    """The value of the key, and the tensors as float32.

    Args:
        path: A file of `save_recogniser`.
        key: The key that its metadata must have.
        what: Whose weights it must hold, for errors: "a CRNN".
        remedy: What to do where the file is missing.

    Raises:
        MissingWeightsError: The file is not there.
        ReaderError: It is not a safetensors file, or holds something else.
    """
    with _opened(path, remedy) as stored:
        metadata = stored.metadata() or {}
        tensors = {name: stored.get_tensor(name).float() for name in stored.keys()}  # noqa: SIM118
    if key not in metadata:
        raise ReaderError(f"{path}: not {what} of this project (its metadata lack {key!r})")
    return metadata[key], tensors


def stored_key(path: Path, remedy: str) -> str | None:
    """The key of a file of `save_recogniser`, which says whose weights it holds; None of other files.

    Raises:
        MissingWeightsError: The file is not there; says the remedy.
        ReaderError: It is not a safetensors file.
    """
    with _opened(path, remedy) as stored:
        return next(iter(stored.metadata() or {}), None)


@contextmanager
def _opened(path: Path, remedy: str) -> Iterator[Any]:
    if not path.is_file():
        raise MissingWeightsError(f"{path}: missing; {remedy}")
    try:
        with safe_open(str(path), framework="pt") as stored:
            yield stored
    except (SafetensorError, OSError) as error:
        raise ReaderError(f"{path}: not a safetensors file ({reason(error)})") from error


def fill_recogniser(network: nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    """Load tensors into a network, strictly, and put it into evaluation mode.

    Args:
        network: Changed in place.
        tensors: From `read_recogniser`.
        path: Their file, for errors.

    Raises:
        ReaderError: A tensor is missing, unknown, of another shape or not finite; names it.
    """
    expected = {
        name: tensor.shape for name, tensor in network.state_dict().items() if not name.endswith(_NOT_STORED)
    }
    for name in sorted(expected.keys() | tensors.keys()):
        want, got = expected.get(name), tensors[name].shape if name in tensors else None
        if want != got:
            raise ReaderError(
                f"{path}: tensor {name} is {_shape(got)}, its configuration wants {_shape(want)}"
            )
        if not tensors[name].isfinite().all():
            raise ReaderError(f"{path}: tensor {name} holds values that are not finite; the file is damaged")
    network.load_state_dict(tensors, strict=False)
    network.eval()


def _shape(shape: torch.Size | None) -> str:
    return "absent" if shape is None else str(list(shape))
