"""A GPU that is only pretended, so that placement can be tested on any machine.

Tensors sent to `cuda:0` say that they are there, but are computed on the CPU. As on a real GPU, operations
on tensors of both places fail, and so do generators of the CPU that draw there. To PyTorch's own code these
tensors are on its device `meta`, which needs no driver. An index given as a list gets no values there: its
tensor is made by PyTorch itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

DEVICE: Final = "cuda:0"
_HERE, _THERE = torch.device("cpu"), torch.device(DEVICE)
# They take tensors of both places.
_MOVING: Final = ("_to_copy", "copy_", "to", "type_as")
_INDEXING: Final = ("index", "index_put", "index_put_", "_index_put_impl_")


class _Pretended(Tensor):
    """A tensor of the CPU that says it is on the GPU."""

    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> _Pretended:
        made: _Pretended = Tensor._make_wrapper_subclass(
            cls,
            inner.size(),
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device="meta",
        )
        made.inner = inner
        return made

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return _THERE

    @property
    def is_cuda(self) -> bool:  # type: ignore[override]
        return True

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


class _Mode(TorchDispatchMode):
    """Operations that create or move tensors, of whatever kind, pass through it."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


def _run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    given = tree_flatten((args, kwargs))[0]
    name = func._schema.name.split("::")[1]
    tensors = [one for one in given if isinstance(one, Tensor)]
    # Numbers, as tensors without dimensions, and indices may come from the CPU.
    here = [one for one in tensors[: 1 if name in _INDEXING else None] if not _is_there(one) and one.dim()]
    is_there = any(map(_is_there, tensors))
    assert not (is_there and here and name not in _MOVING), f"{name}: tensors of CPU and GPU together"
    if devices := [one for one in given if isinstance(one, torch.device)]:
        is_there = devices[0].type in (_THERE.type, "meta")
    elif name in ("to", "type_as"):
        is_there = _is_there(tensors[-1])
    generators = [one for one in given if isinstance(one, torch.Generator)]
    assert not (is_there and generators), f"{name}: a generator of the CPU draws on the GPU"
    found = func(*tree_map(_inner, args), **tree_map(_inner, kwargs))
    if func._schema.is_mutable and name.endswith("_"):
        return args[0]
    with torch.inference_mode(mode=False):  # whose tensors cannot become views of others
        return tree_map(lambda one: _Pretended(one) if is_there and isinstance(one, Tensor) else one, found)


def _is_there(one: Tensor) -> bool:
    return isinstance(one, _Pretended)


def _inner(one: Any) -> Any:
    if isinstance(one, torch.device):
        return _HERE
    return one.inner if isinstance(one, _Pretended) else one


@contextmanager
def pretended_gpu(monkeypatch: Any) -> Iterator[str]:
    """A machine with one CUDA device; gives its name."""
    monkeypatch.setattr(torch.cuda, "_lazy_init", lambda: None)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        with _Mode(), torch.backends.cudnn.flags(enabled=False):
            yield DEVICE
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(False)
