"""The solvers against Gaussian data, whose exact denoiser and probability flow are known."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from baselines.lp_diff.rcdm import to_x0
from baselines.lp_diff.sampler import ancestral, deterministic, solve
from baselines.lp_diff.schedule import Schedule
from baselines.noise import SampleNoise

if TYPE_CHECKING:
    from baselines.lp_diff.sampler import Denoise

_MEAN, _STD = 0.4, 0.3
_SCHEDULE = Schedule()


def _marginal(level: float) -> float:
    """Standard deviation of x_t for x_0 ~ N(_MEAN, _STD^2)."""
    return math.sqrt(level**2 * _STD**2 + 1 - level**2)


def _exact(x: torch.Tensor, level: float) -> torch.Tensor:
    """E[x_0 | x_t]."""
    gain = level * _STD**2 / _marginal(level) ** 2
    return _MEAN + gain * (x - level * _MEAN)


def _through(prediction: str) -> Denoise:
    """The exact denoiser as a network of another prediction type would give it."""

    def denoise(x: torch.Tensor, level: float) -> torch.Tensor:
        estimate, noise_std = _exact(x, level), math.sqrt(1 - level**2)
        noise = (x - level * estimate) / noise_std
        output = {"x0": estimate, "eps": noise, "v": level * noise - noise_std * estimate}[prediction]
        return to_x0(prediction, output, x, torch.full((len(x),), level, dtype=x.dtype))

    return denoise


def _start(pixels: int = 64) -> torch.Tensor:
    """Draws of x_T from its exact distribution."""
    noise = torch.randn(1, 1, pixels, pixels, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    level = float(_SCHEDULE.levels[-1])
    return level * _MEAN + _marginal(level) * noise


def _flow_end(x: torch.Tensor) -> torch.Tensor:
    """Where the probability flow takes x_T: (x_t - a_t mean) / std(x_t) is constant along it."""
    level = float(_SCHEDULE.levels[-1])
    return _MEAN + _STD * (x - level * _MEAN) / _marginal(level)


def _error(steps: int, *, second_order: bool, prediction: str = "x0") -> float:
    start = _start()
    levels = _SCHEDULE.log_snr_levels(steps)
    end = deterministic(_through(prediction), start, levels, second_order=second_order)
    return (end - _flow_end(start)).abs().max().item()


@pytest.mark.parametrize("prediction", ["x0", "eps", "v"])
def test_solvers_converge_to_the_exact_flow_at_their_order(prediction: str) -> None:
    first = [_error(steps, second_order=False, prediction=prediction) for steps in (20, 40, 80)]
    second = [_error(steps, second_order=True, prediction=prediction) for steps in (20, 40, 80)]
    for order, errors in ((1, first), (2, second)):
        rates = -np.diff(np.log2(errors))
        assert rates == pytest.approx(order, abs=0.35)
    assert second[0] < first[0] / 4
    assert second[2] < 2e-3


def test_ddim_step_is_the_textbook_step() -> None:
    x, levels = _start(4), [0.3, 0.7, 1.0]
    estimate = _exact(x, 0.3)
    noise = (x - 0.3 * estimate) / math.sqrt(1 - 0.09)
    middle = 0.7 * estimate + math.sqrt(1 - 0.49) * noise
    expected = _exact(middle, 0.7)
    torch.testing.assert_close(deterministic(_exact, x, levels, second_order=False), expected)


def test_second_order_step_is_the_textbook_step() -> None:
    """DPM-Solver++(2M), equation of the paper with r = h_before / h, on uneven levels."""
    x, levels = _start(4), [0.2, 0.5, 0.9, 1.0]
    lam = [math.log(a / math.sqrt(1 - a**2)) for a in levels[:-1]]
    sig = [math.sqrt(1 - a**2) for a in levels]
    first = _exact(x, 0.2)
    x1 = sig[1] / sig[0] * x - 0.5 * math.expm1(-(lam[1] - lam[0])) * first
    second = _exact(x1, 0.5)
    h, r = lam[2] - lam[1], (lam[1] - lam[0]) / (lam[2] - lam[1])
    direction = (1 + 1 / (2 * r)) * second - 1 / (2 * r) * first
    x2 = sig[2] / sig[1] * x1 - 0.9 * math.expm1(-h) * direction
    torch.testing.assert_close(deterministic(_exact, x, levels, second_order=True), _exact(x2, 0.9))


def test_ancestral_sampling_ends_in_the_data_distribution() -> None:
    end = ancestral(_exact, _start(128), _SCHEDULE.time_levels(1000), SampleNoise([0]))
    assert end.mean().item() == pytest.approx(_MEAN, abs=0.01)
    assert end.std().item() == pytest.approx(_STD, rel=0.02)


def test_ancestral_steps_are_the_released_ones() -> None:
    """Against the posterior tables of the schedule (Ho et al., 2020), all steps."""
    schedule = Schedule(steps=30, beta_end=0.3)
    betas = np.linspace(1e-6, 0.3, 30)
    bar = np.cumprod(1 - betas)
    before = np.append(1, bar[:-1])
    x = torch.randn(1, 1, 4, 4, dtype=torch.float64)
    result = ancestral(_exact, x, schedule.time_levels(30), SampleNoise([5]))
    generator = torch.Generator().manual_seed(5)
    for t in reversed(range(30)):
        estimate = _exact(x, math.sqrt(bar[t]))
        mean = betas[t] * math.sqrt(before[t]) / (1 - bar[t]) * estimate
        mean += (1 - before[t]) * math.sqrt(1 - betas[t]) / (1 - bar[t]) * x
        noise = torch.randn((1, 4, 4), generator=generator).double() if t else 0.0
        x = mean + math.sqrt(betas[t] * (1 - before[t]) / (1 - bar[t])) * noise
    torch.testing.assert_close(result, x)


@pytest.mark.parametrize("solver", ["ddpm", "ddim", "dpm++"])
def test_a_sample_does_not_depend_on_its_batch(solver: str) -> None:
    def run(seeds: list[int]) -> torch.Tensor:
        noise = SampleNoise(seeds)
        start = noise.like(torch.zeros(len(seeds), 3, 8, 8))
        return solve(_exact, start, _SCHEDULE, noise, solver=solver, steps=6)

    together = run([7, 8, 9])
    assert torch.equal(together[1:2], run([8]))
    assert torch.equal(together, run([7, 8, 9]))
    assert not torch.equal(together[0], together[1])


def test_every_solver_evaluates_the_network_once_a_step() -> None:
    for solver in ("ddpm", "ddim", "dpm++"):
        seen: list[float] = []

        def denoise(x: torch.Tensor, level: float, seen: list[float] = seen) -> torch.Tensor:
            seen.append(level)
            return x

        solve(denoise, torch.zeros(1, 3, 4, 4), _SCHEDULE, SampleNoise([0]), solver=solver, steps=5)
        assert len(seen) == 5
        assert max(seen) < 1
