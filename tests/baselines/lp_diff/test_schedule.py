"""The noise schedule is DDPM's, continued between its times."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from baselines.lp_diff.rcdm import diffuse, target, to_x0
from baselines.lp_diff.released import released_buffers
from baselines.lp_diff.schedule import Schedule, log_snr
from mdlp_bench.errors import MethodError


def test_levels_are_the_published_ones() -> None:
    schedule = Schedule()
    assert schedule.levels[0] == 1
    assert schedule.levels[-1] == pytest.approx(0.0814, abs=5e-5)
    assert Schedule(steps=100).levels[-1] == pytest.approx(0.778, abs=5e-4)
    alphas = 1 - np.linspace(1e-6, 1e-2, 1000)
    assert schedule.levels[500] ** 2 == pytest.approx(np.prod(alphas[:500]))


def test_training_levels_cover_the_schedule_evenly_in_time() -> None:
    schedule = Schedule()
    drawn = schedule.sample(20_000, torch.Generator().manual_seed(0)).double().numpy()
    assert drawn.min() >= schedule.levels[-1] - 1e-6
    assert drawn.max() < 1
    assert log_snr(torch.from_numpy(drawn).float()).isfinite().all()
    times = np.interp(drawn, schedule.levels[::-1], np.arange(1001)[::-1]) / 1000
    assert np.abs(np.histogram(times, 10, (0, 1))[0] / 20_000 - 0.1).max() < 0.01


def test_grids_run_from_noise_to_the_clean_image() -> None:
    schedule = Schedule()
    for levels in (schedule.time_levels(7), schedule.log_snr_levels(7), schedule.log_snr_levels(1)):
        assert levels[0] == pytest.approx(schedule.levels[-1])
        assert levels[-1] == 1
        assert (np.diff(levels) > 0).all()
    assert schedule.time_levels(1000) == pytest.approx(schedule.levels[::-1])
    snr = log_snr(torch.tensor(schedule.log_snr_levels(9)[:-1], dtype=torch.float64))
    assert snr.diff().std() < 1e-6
    with pytest.raises(MethodError, match="at least one step, not 0"):
        schedule.log_snr_levels(0)
    with pytest.raises(MethodError, match="1001 ancestral steps are too many"):
        schedule.time_levels(1001)


def test_zero_terminal_levels_are_shifted_and_scaled() -> None:
    plain, zero = Schedule(), Schedule(zero_terminal=True)
    assert zero.levels[-1] == 0
    assert zero.levels[:2] == pytest.approx(plain.levels[:2])
    # An affine map of the levels (Lin et al., algorithm 1) keeps ratios of differences.
    steps = np.diff(zero.levels[1:]) / np.diff(plain.levels[1:])
    assert steps == pytest.approx(steps[0])
    assert zero.log_snr_levels(1) == [0, 1]
    for levels in (zero.log_snr_levels(7), zero.time_levels(7)):
        assert (levels[0], levels[-1], len(levels)) == (0, 1, 8)
        assert (np.diff(levels) > 0).all()
    snr = log_snr(torch.tensor(zero.log_snr_levels(9)[1:-1], dtype=torch.float64))
    assert snr[0] == pytest.approx(-5)
    assert snr.diff().std() < 1e-6
    assert (zero.sample(64, torch.Generator().manual_seed(0), terminal=1.0) == 0).all()


def test_released_tables() -> None:
    tables = released_buffers(Schedule(steps=50, beta_end=0.1))
    assert len(tables) == 12
    total = tables["posterior_mean_coef1"] + tables["posterior_mean_coef2"] * tables["sqrt_alphas_cumprod"]
    # The posterior mean of x_t = a_t x_0 is a_{t-1} x_0.
    torch.testing.assert_close(total, tables["alphas_cumprod_prev"].sqrt())


@pytest.mark.parametrize("prediction", ["eps", "x0", "v"])
def test_a_perfect_output_gives_back_the_residual(prediction: str) -> None:
    residual, noise = torch.randn(2, 4, 3, 8, 8, dtype=torch.float64)
    level = torch.tensor([0.0814, 0.5, 0.9, 0.9999], dtype=torch.float64)
    noisy = diffuse(residual, noise, level)
    output = target(prediction, residual, noise, level)
    torch.testing.assert_close(to_x0(prediction, output, noisy, level), residual)


def test_diffusion_keeps_unit_variance() -> None:
    noise, residual = torch.randn(2, 5, 3, 100, 100, generator=torch.Generator().manual_seed(0))
    noisy = diffuse(residual, noise, torch.linspace(0.1, 0.95, 5))
    torch.testing.assert_close(noisy.flatten(1).std(1), torch.ones(5), atol=0.02, rtol=0)
