"""The cost of a method: parameters, multiply-accumulates, time and memory, measured the same way for all."""

from __future__ import annotations

import ctypes
import gc
import math
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mdlp_bench.engine import one_thread

_STEADY: Final = 0.03
_WINDOW: Final = 9
_SHORTEST_S: Final = 0.01
_BUDGET_S: Final = 20.0
_PROCESS: Final = Path("/proc/self")


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of restoring one image.

    Attributes:
        macs: Multiply-accumulates of the convolutions, matrix products and attention that PyTorch ran; None
            when it ran none (classical methods, other runtimes).
        ms_per_image: Median wall-clock time of one call, milliseconds, without the time that the calling
            thread waited for a CPU that other processes held (Linux tells it; elsewhere with it).
        spread: Interquartile range of the timings divided by their median.
        calls: How many calls were timed.
        peak_memory: Bytes of main memory that the first call needed at its peak on top of what the process
            held before, on a CUDA device bytes allocated there; None where the system does not tell.
        threads: CPU threads that were allowed.
        device: `cpu` or the name of the CUDA device.
        processor: Name of the CPU; None where the system does not tell.
        load: Processes that wanted a CPU in the minute before, per CPU; None where the system does not tell.
    """

    macs: int | None
    ms_per_image: float
    spread: float
    calls: int
    peak_memory: int | None
    threads: int
    device: str
    processor: str | None
    load: float | None


def measure_cost(restore_one: Callable[[], object], device: str = "cpu") -> Cost:
    """Measure a method by calls that each restore the same single sample, on one CPU thread.

    The first call gives the peak memory, the second counts operations, and both warm up. Then calls are timed
    until nine timings in a row lie close together (interquartile range at most 3 % of the median), for at
    most 20 seconds; the steadiest nine are kept. Calls of less than 10 ms are timed several together. On a
    machine that is too busy for that, the recorded spread is larger.

    Args:
        restore_one: Restores one sample; what it returns is dropped.
        device: Where it computes: `cpu`, `mps`, `cuda` or `cuda:N`.
    """
    load = os.getloadavg()[0] / (os.cpu_count() or 1) if hasattr(os, "getloadavg") else None
    # The CUDA device, if it is one: others than the current one too.
    cuda = device if torch.device(device).type == "cuda" else None
    with one_thread():
        peak = _peak_memory(restore_one, cuda)
        macs = count_macs(restore_one)
        times, each = _timings(restore_one, cuda)
        threads = torch.get_num_threads()
    best = _steadiest(times)
    return Cost(
        macs=macs,
        ms_per_image=1000.0 * float(np.median(best)),
        spread=_spread(best),
        calls=each * len(times),
        peak_memory=peak,
        threads=threads,
        device=device if cuda is None else torch.cuda.get_device_name(cuda),
        processor=_processor(),
        load=load,
    )


def _timings(call: Callable[[], object], cuda: str | None) -> tuple[list[float], int]:
    """Timings in seconds until the latest ones are steady, and of how many calls each is the mean."""
    started = time.perf_counter()
    once = _timed(call, 1, cuda)
    # A busy system counts waiting in such steps that a short call may seem to have taken no time.
    once = max(once, (time.perf_counter() - started) / 10, 1e-6)
    each = max(1, math.ceil(_SHORTEST_S / once))
    times: list[float] = []
    while len(times) < _WINDOW or _spread(times[-_WINDOW:]) > _STEADY:
        times.append(_timed(call, each, cuda))
        if time.perf_counter() - started > _BUDGET_S and len(times) >= 3:
            break
    return times, each


def _steadiest(times: list[float]) -> list[float]:
    """The `_WINDOW` timings in a row that lie closest together."""
    windows = [times[start : start + _WINDOW] for start in range(max(1, len(times) - _WINDOW + 1))]
    return min(windows, key=_spread)


def _spread(times: list[float]) -> float:
    low, middle, high = np.quantile(times, [0.25, 0.5, 0.75])
    return float((high - low) / middle)


def count_macs(restore_one: Callable[[], object]) -> int | None:
    """Multiply-accumulates that PyTorch runs in one call; None when it runs none."""
    with FlopCounterMode(display=False) as counter:
        restore_one()
    return counter.get_total_flops() // 2 or None


def count_parameters(module: nn.Module) -> int:
    """Parameters of a network, shared ones once, buffers not at all."""
    return sum(parameter.numel() for parameter in module.parameters())


def _timed(call: Callable[[], object], times: int, cuda: str | None) -> float:
    """Seconds per call, over a number of calls in a row."""
    if cuda is not None:
        torch.cuda.synchronize(cuda)
    start, waited = time.perf_counter(), _waited()
    for _ in range(times):
        call()
    if cuda is not None:
        torch.cuda.synchronize(cuda)
    return (time.perf_counter() - start - (_waited() - waited)) / times


def _waited() -> float:
    """Seconds that this thread has been ready to run without a CPU; 0 where the system does not tell."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text(encoding="ascii").split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0


def _processor() -> str | None:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or None
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or None)


def _peak_memory(call: Callable[[], object], cuda: str | None) -> int | None:
    if cuda is not None:
        torch.cuda.reset_peak_memory_stats(cuda)
        before = torch.cuda.memory_allocated(cuda)
        call()
        if torch.cuda.max_memory_allocated(cuda) > before:
            return torch.cuda.max_memory_allocated(cuda) - before
    gc.collect()
    _return_free_pages()
    try:
        # On Linux, "5" resets the peak resident size to the present one.
        (_PROCESS / "clear_refs").write_text("5")
        resident = _status_bytes("VmRSS")
    except OSError:
        resident = None
    call()
    peak = _status_bytes("VmHWM") if resident is not None else None
    return max(0, peak - resident) if peak is not None and resident is not None else None


def _return_free_pages() -> None:
    """Return freed memory to the system, so that a method cannot reuse what an earlier one freed."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError, TypeError):
        return  # not glibc


def _status_bytes(field: str) -> int | None:
    for line in (_PROCESS / "status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    return None
