from __future__ import annotations

import pytest
import torch

from baselines.resdiff.chain import ResDiffChain, ResDiffSchedule
from baselines.resdiff.unet import PLATE
from mdlp_bench.errors import MethodError

CHAIN = ResDiffChain()


def _knows(residual: torch.Tensor):
    """A network that predicts the exact noise for a known residual."""

    def predict(x: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        level = level[:, :, None, None]
        return (x[:, 3:] - level * residual) / (1 - level.square()).sqrt()

    return predict


def _guesses(x: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
    return torch.tanh(x[:, 3:] + 0.3 * x[:, :3]) * level[:, :, None, None]


def test_the_schedule_is_the_released_one() -> None:
    betas = torch.linspace(1e-6, 1e-2, 1000, dtype=torch.float64)
    torch.testing.assert_close(CHAIN.levels[1:].square(), torch.cumprod(1 - betas, 0))
    assert float(CHAIN.levels[-1]) == pytest.approx(0.0814, abs=1e-4)
    assert CHAIN.levels[0] == 1


def test_the_plates_schedule_ends_in_noise_alone() -> None:
    last = float(ResDiffChain(PLATE.schedule).levels[-1])
    shape = (1, 3, 112, 224)
    # The squared signal of a whole image's mean against its noise, for residuals of a tenth.
    assert (last * 0.1) ** 2 * shape[2] * shape[3] < 0.02
    assert (float(CHAIN.levels[-1]) * 0.1) ** 2 * shape[2] * shape[3] > 1


@pytest.mark.parametrize("steps", [1, 4])
def test_a_network_may_predict_the_residual(steps: int) -> None:
    chain = ResDiffChain(prediction="residual")
    residual, prediction = torch.rand(2, 3, 4, 8) - 0.5, torch.rand(2, 3, 4, 8)
    out = chain.sample(lambda x, level: residual, prediction, [1, 2], steps=steps)
    torch.testing.assert_close(out, prediction + residual, atol=1e-4, rtol=1e-4)
    level, noise = chain.draw_levels(2), torch.randn(2, 3, 4, 8)
    loss, restored = chain.loss(
        lambda x, level: residual + 2, prediction, prediction + residual, level, noise
    )
    assert float(loss) == pytest.approx(2)
    torch.testing.assert_close(restored, prediction + residual + 2)


def test_training_can_dwell_at_the_last_level() -> None:
    generator = torch.Generator().manual_seed(0)
    levels = CHAIN.draw_levels(50, generator, last=1.0)
    assert (levels <= float(CHAIN.levels[-2])).all() and (levels >= float(CHAIN.levels[-1])).all()
    share = (CHAIN.draw_levels(4000, generator, last=0.7) <= float(CHAIN.levels[-2])).float().mean()
    assert float(share) == pytest.approx(0.7, abs=0.03)


@pytest.mark.parametrize("steps", [1, 2, 4, 10, 50])
@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_a_perfect_network_restores_exactly(steps: int, eta: float) -> None:
    residual = torch.rand(2, 3, 4, 8) - 0.5
    prediction = torch.rand(2, 3, 4, 8)
    out = CHAIN.sample(_knows(residual), prediction, [1, 2], steps=steps, eta=eta)
    torch.testing.assert_close(out, prediction + residual, atol=1e-4, rtol=1e-4)


def test_all_steps_with_fresh_noise_are_ancestral_sampling() -> None:
    """One ancestral step by the posterior's coefficients, against the sampler's generalised step."""
    chain = ResDiffChain(ResDiffSchedule(timesteps=2, beta_start=0.1, beta_end=0.3))
    prediction = torch.zeros(1, 3, 2, 2)
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(3, 2, 2, generator=generator)[None]
    bars = [1.0, 0.9, 0.9 * 0.7]
    for t, beta in ((2, 0.3), (1, 0.1)):
        eps = _guesses(torch.cat([prediction, x], 1), torch.tensor([[bars[t] ** 0.5]]))
        clean = ((x - (1 - bars[t]) ** 0.5 * eps) / bars[t] ** 0.5).clamp(-1, 1)
        mean = (
            beta * bars[t - 1] ** 0.5 / (1 - bars[t]) * clean
            + (1 - bars[t - 1]) * (1 - beta) ** 0.5 / (1 - bars[t]) * x
        )
        variance = beta * (1 - bars[t - 1]) / (1 - bars[t])
        x = mean
        if t > 1:
            x = x + variance**0.5 * torch.randn(3, 2, 2, generator=generator)[None]
    out = chain.sample(_guesses, prediction, [5], steps=2, eta=1.0)
    torch.testing.assert_close(out, x, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_a_sample_does_not_depend_on_its_batch(eta: float) -> None:
    prediction = torch.rand(3, 3, 4, 8)
    seeds = [7, 8, 9]
    together = CHAIN.sample(_guesses, prediction, seeds, steps=5, eta=eta)
    for i in (2, 0):
        alone = CHAIN.sample(_guesses, prediction[i : i + 1], seeds[i : i + 1], steps=5, eta=eta)
        torch.testing.assert_close(alone, together[i : i + 1])
    assert not torch.allclose(together, CHAIN.sample(_guesses, prediction, [1, 2, 3], steps=5, eta=eta))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 10, 100, 999, 1000])
def test_sampling_steps_fall_from_the_last_and_are_even_in_log_snr(count: int) -> None:
    steps = CHAIN.sampling_steps(count)
    assert len(steps) == len(set(steps)) == count
    assert steps[0] == 1000
    assert steps == sorted(steps, reverse=True)
    assert steps[-1] >= 1
    if 3 <= count <= 10:
        level = CHAIN.levels[steps]
        gaps = torch.log(level.square() / (1 - level.square())).diff()
        assert float(gaps.max() / gaps.min()) < 1.2


def test_training_levels_cover_the_schedule_and_the_loss_is_l1_on_noise() -> None:
    generator = torch.Generator().manual_seed(0)
    levels = CHAIN.draw_levels(4000, generator)
    assert levels.shape == (4000, 1)
    assert float(levels.min()) >= float(CHAIN.levels[-1]) - 1e-6
    assert float(levels.max()) <= 1
    assert len(levels.unique()) > 3900
    assert float(levels.mean()) == pytest.approx(float(CHAIN.levels.mean()), abs=0.02)
    target, prediction, noise = torch.rand(2, 3, 4, 4), torch.rand(2, 3, 4, 4), torch.randn(2, 3, 4, 4)
    level = torch.tensor([[0.3], [0.9]])
    perfect, restored = CHAIN.loss(_knows(target - prediction), prediction, target, level, noise)
    assert float(perfect) == pytest.approx(0, abs=1e-5)
    torch.testing.assert_close(restored, target, atol=1e-4, rtol=1e-4)
    zero, _ = CHAIN.loss(lambda x, g: torch.zeros_like(x[:, 3:]), prediction, target, level, noise)
    assert float(zero) == pytest.approx(float(noise.abs().mean()), rel=1e-5)


def test_wrong_steps_and_seeds_are_clear() -> None:
    with pytest.raises(MethodError, match="must be 1 to 1000"):
        CHAIN.sample(_guesses, torch.rand(1, 3, 4, 4), [1], steps=0)
    with pytest.raises(MethodError, match="2 samples but 1 seeds"):
        CHAIN.sample(_guesses, torch.rand(2, 3, 4, 4), [1])
