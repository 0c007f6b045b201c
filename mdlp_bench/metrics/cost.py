"""What a method costs: parameters, multiply-accumulates, time and memory, measured the same way for all."""

from __future__ import annotations

import ctypes
import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

_REPEATS: Final = 5
_PROCESS: Final = Path("/proc/self")


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of restoring one image.

    Attributes:
        macs: Multiply-accumulates of the convolutions, matrix products and attention that PyTorch ran; None
            when it ran none (classical methods, other runtimes).
        ms_per_image: Median wall-clock time of one call, milliseconds.
        peak_memory: Bytes of main memory that the first call needed at its peak on top of what the process
            held before, on a CUDA device bytes allocated there; None where the system does not tell.
        threads: CPU threads PyTorch could use.
        device: `cpu` or the name of the CUDA device.
    """

    macs: int | None
    ms_per_image: float
    peak_memory: int | None
    threads: int
    device: str


def measure_cost(restore_one: Callable[[], object]) -> Cost:
    """Measure a method by calls that each restore the same single sample.

    The first call warms up and gives the peak memory, the second counts operations, five more are timed. For
    figures that can be compared, measure on an idle machine and each method in a process of its own.

    Args:
        restore_one: Restores one sample; what it returns is dropped.
    """
    peak = _peak_memory(restore_one)
    macs = count_macs(restore_one)
    times = [_timed(restore_one) for _ in range(_REPEATS)]
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    return Cost(macs, 1000.0 * statistics.median(times), peak, torch.get_num_threads(), device)


def count_macs(restore_one: Callable[[], object]) -> int | None:
    """Multiply-accumulates that PyTorch runs in one call; None when it runs none."""
    with FlopCounterMode(display=False) as counter:
        restore_one()
    return counter.get_total_flops() // 2 or None


def count_parameters(module: nn.Module) -> int:
    """Parameters of a network, shared ones once, buffers not at all."""
    return sum(parameter.numel() for parameter in module.parameters())


def _timed(call: Callable[[], object]) -> float:
    _synchronise()
    start = time.perf_counter()
    call()
    _synchronise()
    return time.perf_counter() - start


def _synchronise() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _peak_memory(call: Callable[[], object]) -> int | None:
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        if torch.cuda.max_memory_allocated() > before:
            return torch.cuda.max_memory_allocated() - before
    gc.collect()
    _return_free_pages()
    try:
        # Linux: "5" sets the peak resident size back to the present one.
        (_PROCESS / "clear_refs").write_text("5")
        resident = _status_bytes("VmRSS")
    except OSError:
        resident = None
    call()
    peak = _status_bytes("VmHWM") if resident is not None else None
    return max(0, peak - resident) if peak is not None and resident is not None else None


def _return_free_pages() -> None:
    """Give freed memory back to the system, so that a method cannot hide in what an earlier one left."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError, TypeError):
        return  # not glibc


def _status_bytes(field: str) -> int | None:
    for line in (_PROCESS / "status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    return None
