from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from baselines.noise import SampleNoise
from mdlp_bench.errors import MethodError


@given(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=5), st.integers(1, 3))
def test_a_sample_draws_the_same_in_any_batch(seeds: list[int], draws: int) -> None:
    batch = SampleNoise(seeds)
    alone = [SampleNoise([seed]) for seed in seeds]
    for _ in range(draws):
        together = batch.like(torch.empty(len(seeds), 2, 3))
        apart = torch.cat([noise.like(torch.empty(1, 2, 3)) for noise in alone])
        assert torch.equal(together, apart)


def test_it_is_standard_normal_and_moves_on() -> None:
    noise = SampleNoise([1])
    first, second = noise.like(torch.empty(1, 40_000)), noise.like(torch.empty(1, 40_000))
    assert not torch.equal(first, second)
    assert abs(float(first.mean())) < 0.03
    assert abs(float(first.std()) - 1) < 0.03


def test_a_seed_is_needed_for_every_sample() -> None:
    with pytest.raises(MethodError, match="3 samples but 2 seeds"):
        SampleNoise([1, 2]).like(torch.empty(3, 1))
