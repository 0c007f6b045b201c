from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.resshift.chain import PLATE_4, REALSR_4, REALSR_15, ResShiftChain, ResShiftSchedule
from mdlp_bench.errors import MethodError


def test_the_schedules_are_the_papers() -> None:
    four = ResShiftChain(REALSR_4).sqrt_etas
    torch.testing.assert_close(
        four, torch.tensor([0.1, 0.5201, 0.7614, 0.99], dtype=torch.float64), atol=5e-5, rtol=0
    )
    fifteen = ResShiftChain(REALSR_15).sqrt_etas
    assert len(fifteen) == 15
    assert float(fifteen[0]) == pytest.approx(0.02)
    assert float(fifteen[-1]) == pytest.approx(0.99)
    for i in range(15):
        assert float(fifteen[i]) == pytest.approx(0.02 * (0.99 / 0.02) ** ((i / 14) ** 0.3))
    # Below kappa 1 the first step is not enlarged.
    small = ResShiftChain(ResShiftSchedule(kappa=0.5, min_noise_level=0.1))
    assert float(small.sqrt_etas[0]) == pytest.approx(0.1)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 20), st.floats(0.1, 4), st.floats(0.01, 0.5), st.floats(0.1, 2), st.integers(0, 10_000))
def test_the_posterior_is_bayes_rule(
    steps: int, kappa: float, noise_level: float, power: float, seed: int
) -> None:
    """q(x_{t-1} | x_t, x0) from the two Gaussians q(x_t | x_{t-1}) and q(x_{t-1} | x0)."""
    chain = ResShiftChain(
        ResShiftSchedule(steps=steps, kappa=kappa, min_noise_level=noise_level, power=power)
    )
    generator = torch.Generator().manual_seed(seed)
    x0, y, xt = torch.randn(3, 1, 1, 1, 1, generator=generator, dtype=torch.float64)
    for t in range(1, steps):
        mean, variance = chain.posterior(xt, x0, torch.tensor([t]))
        previous = chain.etas[t - 1]
        alpha = chain.etas[t] - previous
        prior_mean, prior_variance = x0 + previous * (y - x0), kappa**2 * previous
        likelihood_mean, likelihood_variance = xt - alpha * (y - x0), kappa**2 * alpha
        total = 1 / prior_variance + 1 / likelihood_variance
        expected = (prior_mean / prior_variance + likelihood_mean / likelihood_variance) / total
        torch.testing.assert_close(mean, expected, atol=1e-9, rtol=1e-7)
        torch.testing.assert_close(variance.squeeze(), 1 / total, atol=1e-9, rtol=1e-7)


@pytest.mark.parametrize(("step", "earlier"), [(3, 1), (3, 0), (2, 0)])
def test_skipped_steps_are_the_ones_between_put_together(step: int, earlier: int) -> None:
    """q(x_s | x_t, x0) by composing the posteriors of the steps between, whose means are linear."""
    chain = ResShiftChain()
    xt, x0 = torch.randn(2, 1, 3, 2, 2, dtype=torch.float64)
    mean, variance = xt, torch.zeros(1, dtype=torch.float64)
    for t in range(step, earlier, -1):
        slope = float(chain.previous_etas[t] / chain.etas[t])
        mean, added = chain.posterior(mean, x0, torch.tensor([t]))
        variance = slope**2 * variance + added.squeeze()
    jumped, spread = chain.posterior(xt, x0, torch.tensor([step]), torch.tensor([earlier]))
    torch.testing.assert_close(jumped, mean)
    torch.testing.assert_close(spread.squeeze(), variance.squeeze())


@pytest.mark.parametrize("steps", [1, 2, 3, 4])
def test_a_sampler_of_any_number_of_steps_ends_with_the_last_prediction(steps: int) -> None:
    chain, called = ResShiftChain(), []

    def network(x: torch.Tensor, step: torch.Tensor, low: torch.Tensor) -> torch.Tensor:
        called.append(int(step[0]))
        return low / 2 + 0.01 * step[:, None, None, None]

    y = torch.rand(2, 3, 4, 4)
    restored = chain.sample(network, y, y, [1, 2], steps)
    assert called == {1: [3], 2: [3, 1], 3: [3, 2, 1], 4: [3, 2, 1, 0]}[steps]
    torch.testing.assert_close(restored, y / 2 + 0.01 * called[-1])
    for wrong in (0, 5):
        with pytest.raises(MethodError, match=f"{wrong} sampling steps, must be 1 to 4"):
            chain.sample(network, y, y, [1, 2], wrong)


def test_training_can_dwell_at_the_last_step() -> None:
    chain, generator = ResShiftChain(), torch.Generator().manual_seed(0)
    assert (chain.draw_steps(50, generator, last=1.0) == 3).all()
    share = (chain.draw_steps(4000, generator, last=0.6) == 3).float().mean()
    assert float(share) == pytest.approx(0.6 + 0.4 / 4, abs=0.03)


def test_the_first_step_returns_the_prediction() -> None:
    chain = ResShiftChain()
    x0 = torch.rand(2, 3, 4, 4)
    mean, variance = chain.posterior(torch.rand(2, 3, 4, 4), x0, torch.zeros(2, dtype=torch.int64))
    torch.testing.assert_close(mean, x0)
    assert (variance == 0).all()


def test_diffusing_moves_from_clear_to_degraded() -> None:
    chain = ResShiftChain()
    x0, degraded = torch.zeros(2, 3, 2, 2), torch.ones(2, 3, 2, 2)
    step = torch.tensor([0, 3])
    still = chain.diffuse(x0, degraded, step, torch.zeros_like(x0))
    torch.testing.assert_close(still[:, 0, 0, 0], torch.tensor([0.01, 0.9801]))
    noise = torch.randn_like(x0)
    moved = chain.diffuse(x0, degraded, step, noise) - still
    torch.testing.assert_close(moved, torch.tensor([0.2, 1.98])[:, None, None, None] * noise)
    torch.testing.assert_close(chain.start(degraded, noise), degraded + 1.98 * noise)


@pytest.mark.parametrize(
    ("schedule", "expected"), [(REALSR_4, (1.98**2 + 1) ** 0.5), (PLATE_4, 3 * 1.98 + 1)]
)
def test_the_input_is_scaled(schedule: ResShiftSchedule, expected: float) -> None:
    out = ResShiftChain(schedule).scale_input(torch.ones(1, 1, 1, 1), torch.tensor([3]))
    assert float(out) == pytest.approx(1 / expected)


@pytest.mark.parametrize("schedule", [REALSR_4, REALSR_15, PLATE_4])
def test_a_perfect_network_restores_exactly(schedule: ResShiftSchedule) -> None:
    x0 = torch.rand(2, 3, 4, 8) * 2 - 1
    seen: list[int] = []

    def network(x: torch.Tensor, step: torch.Tensor, low: torch.Tensor) -> torch.Tensor:
        seen.append(int(step[0]))
        assert torch.equal(low, degraded)
        return x0

    degraded = torch.rand(2, 3, 4, 8)
    out = ResShiftChain(schedule).sample(network, degraded, degraded, [1, 2])
    torch.testing.assert_close(out, x0)
    assert seen == list(reversed(range(schedule.steps)))


def _guesses(x: torch.Tensor, step: torch.Tensor, low: torch.Tensor) -> torch.Tensor:
    return 2 * torch.tanh(x + low) + 0.1 * step[:, None, None, None]


def test_sampling_is_seeded_a_sample_and_clipped_in_pixel_space() -> None:
    degraded = torch.rand(3, 3, 4, 8)
    chain = ResShiftChain(PLATE_4)
    together = chain.sample(_guesses, degraded, degraded, [7, 8, 9])
    assert together.abs().max() <= 1
    for i in (2, 0):
        one = degraded[i : i + 1]
        torch.testing.assert_close(chain.sample(_guesses, one, one, [7 + i]), together[i : i + 1])
    assert not torch.allclose(together, chain.sample(_guesses, degraded, degraded, [1, 2, 3]))
    assert ResShiftChain().sample(_guesses, degraded, degraded, [1, 2, 3]).abs().max() > 1
    with pytest.raises(MethodError, match="3 samples but 1 seeds"):
        chain.sample(_guesses, degraded, degraded, [1])


def test_the_network_sees_the_scaled_state() -> None:
    chain = ResShiftChain()
    x0, degraded, noise = torch.rand(3, 4, 3, 2, 2)
    step = chain.draw_steps(4, torch.Generator().manual_seed(0))
    assert step.min() >= 0 and step.max() <= 3
    terms = {"x0": x0, "degraded": degraded, "low": degraded, "step": step, "noise": noise}
    scaled = chain.predict(lambda x, t, low: x, **terms)
    torch.testing.assert_close(scaled, chain.scale_input(chain.diffuse(x0, degraded, step, noise), step))
