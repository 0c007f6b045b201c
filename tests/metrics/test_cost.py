from __future__ import annotations

import sys
import time

import numpy as np
import pytest
import torch

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
    assert cost.threads == torch.get_num_threads()


def test_classical_methods_have_no_counted_operations() -> None:
    cost = measure_cost(lambda: np.zeros(10))
    assert cost.macs is None


def test_time_is_that_of_one_call() -> None:
    # Sleeping never takes less, and on a busy machine more.
    assert 10.0 <= measure_cost(lambda: time.sleep(0.01)).ms_per_image < 60.0


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
