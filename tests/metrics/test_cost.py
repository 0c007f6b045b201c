from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from mdlp_bench.metrics import cost as cost_module
from mdlp_bench.metrics.cost import count_parameters, measure_cost


def test_multiply_accumulates_and_parameters_of_a_known_network() -> None:
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.Flatten(), torch.nn.Linear(8 * 16 * 32, 10)
    )
    frame = torch.zeros(1, 3, 16, 32)

    def restore() -> torch.Tensor:
        with torch.inference_mode():
            return network(frame)

    cost = measure_cost(restore)
    assert cost.macs == 8 * 3 * 9 * 16 * 32 + 8 * 16 * 32 * 10
    assert count_parameters(network) == 8 * 3 * 9 + 8 + 8 * 16 * 32 * 10 + 10
    assert cost.threads == 1 and cost.device == "cpu" and cost.calls >= 9
    assert cost.spread >= 0 and (cost.load is None or cost.load >= 0)


def test_classical_methods_have_no_counted_operations() -> None:
    cost = measure_cost(lambda: np.zeros(10))
    assert cost.macs is None


def test_time_is_that_of_one_call() -> None:
    # Sleeping never takes less, and on a busy machine more.
    assert 10.0 <= measure_cost(lambda: time.sleep(0.01)).ms_per_image < 60.0


def test_the_network_runs_on_one_thread_and_the_number_before_comes_back() -> None:
    before, seen = torch.get_num_threads(), set()
    measure_cost(lambda: seen.add(torch.get_num_threads()))
    assert seen == {1} and torch.get_num_threads() == before


def test_the_steadiest_timings_in_a_row_count() -> None:
    disturbed = [1.0, 9.0, 2.0, 8.0, 1.0, *[1.0 + 0.001 * n for n in range(9)], 5.0]
    best = cost_module._steadiest(disturbed)
    assert np.median(best) == pytest.approx(1.004, abs=0.002) and cost_module._spread(best) < 0.01
    assert cost_module._spread([1.0, 1.0, 2.0, 2.0]) == pytest.approx(2 / 3)


def test_a_call_that_seems_to_take_no_time_is_not_repeated_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost_module, "_waited", time.perf_counter)
    calls = []

    def work() -> None:
        calls.append(time.sleep(0.002))

    cost_module._timings(work, None)
    assert len(calls) <= 1 + 50 * cost_module._WINDOW


@pytest.mark.skipif(
    not Path("/proc/thread-self/schedstat").exists(),
    reason="the system does not tell how long a thread waited",
)
def test_other_processes_do_not_make_a_method_slow() -> None:
    def work() -> float:
        return float(np.sort(np.random.default_rng(0).random(200_000)).sum())

    alone = measure_cost(work).ms_per_image
    busy = "while True: pass"
    cpus = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cpus[:1])
    others = [subprocess.Popen(["taskset", "-c", str(cpus[0]), sys.executable, "-c", busy]) for _ in range(3)]
    try:
        among_others = measure_cost(work).ms_per_image
    finally:
        os.sched_setaffinity(0, cpus)
        for process in others:
            process.kill()
            process.wait()
    # By the wall clock it takes four times as long.
    assert among_others < 1.7 * alone


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="peak memory is read from /proc")
def test_memory_is_the_peak_above_what_was_there_before() -> None:
    size = 64 * 2**20
    kept = np.ones(size, np.uint8)
    large = measure_cost(lambda: np.ones(size, np.uint8).sum()).peak_memory
    small = measure_cost(lambda: np.ones(size // 16, np.uint8).sum()).peak_memory
    assert kept.sum() == size
    assert large is not None
    assert small is not None
    assert large == pytest.approx(size, rel=0.15)
    assert small < size // 8
