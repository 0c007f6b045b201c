"""The whole model: losses and sampling."""

from __future__ import annotations

import pytest
import torch

from baselines.lp_diff import rcdm
from baselines.lp_diff.network import LPDiff, LPDiffConfig
from mdlp_bench.errors import MethodError

_TINY = {"widths": (8, 8, 16, 16), "inner_channels": 8, "channel_mults": (1, 2)}


def _model(seed: int = 0, **changes: object) -> LPDiff:
    """A tiny model whose diffusion stage does something although untrained."""
    torch.manual_seed(seed)
    model = LPDiff(LPDiffConfig.preset("small", **{**_TINY, **changes}))
    with torch.no_grad():
        for parameter in model.denoise_fn.final_conv.parameters():
            parameter.normal_(std=0.1)
    return model.eval()


def _frames(batch: int, size: tuple[int, int] = (32, 64)) -> torch.Tensor:
    return torch.rand(batch, 3, 3, *size, generator=torch.Generator().manual_seed(9)) * 2 - 1


@pytest.mark.parametrize("prediction", ["x0", "eps", "v"])
def test_training_losses_are_their_definition(prediction: str) -> None:
    model = _model(prediction=prediction, zero_terminal=False)
    frames = _frames(4)
    gt = frames[:, 1].flip(2)
    losses = model.training_losses(frames, gt, torch.Generator().manual_seed(1))
    psi = model.condition(frames)
    generator = torch.Generator().manual_seed(1)
    level = model.schedule.sample(4, generator)
    noise = torch.randn(psi.shape, generator=generator)
    a, s = level.view(-1, 1, 1, 1), (1 - level**2).sqrt().view(-1, 1, 1, 1)
    residual = gt - psi
    noisy = a * residual + s * noise
    output = model.predict(noisy, level, psi, frames)
    wanted = {"x0": residual, "eps": noise, "v": a * noise - s * residual}[prediction]
    torch.testing.assert_close(losses.noise, (output - wanted).abs().mean((1, 2, 3)))
    torch.testing.assert_close(losses.psi, (gt - psi).abs().mean((1, 2, 3)))
    torch.testing.assert_close(losses.estimate, psi + rcdm.to_x0(prediction, output, noisy, level))
    assert len(set(level.tolist())) == 4, "every sample draws its own level"


def test_gradients_of_the_noise_loss_reach_the_conditioning_network() -> None:
    model = _model()
    frames = _frames(2)
    model.training_losses(frames, frames[:, 0]).noise.sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.MTA.parameters())


def test_losses_are_finite_under_bfloat16_autocast() -> None:
    model, frames = _model().train(), _frames(2)
    with torch.autocast("cpu", torch.bfloat16):
        losses = model.training_losses(frames, frames[:, 0])
    assert losses.psi.dtype == losses.estimate.dtype == torch.float32
    (losses.noise + losses.psi).sum().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_an_untrained_diffusion_stage_adds_nothing() -> None:
    torch.manual_seed(0)
    model = LPDiff(LPDiffConfig.preset("small", **_TINY)).eval()
    frames = _frames(2)
    with torch.no_grad():
        psi = model.condition(frames).clamp(-1, 1)
    torch.testing.assert_close(model.sample(frames, [1, 2], steps=3), psi)


@pytest.mark.parametrize("solver", ["ddpm", "ddim", "dpm++"])
@pytest.mark.parametrize("prediction", ["x0", "eps"])
def test_a_plate_is_restored_alike_alone_and_in_any_batch(solver: str, prediction: str) -> None:
    model, frames = _model(prediction=prediction), _frames(3)
    together = model.sample(frames, [5, 6, 7], steps=4, solver=solver)
    assert together.abs().max() <= 1
    assert torch.equal(together, model.sample(frames, [5, 6, 7], steps=4, solver=solver))
    for order in ([1], [2, 1], [1, 1, 0]):
        other = model.sample(frames[order], [[5, 6, 7][i] for i in order], steps=4, solver=solver)
        # Convolution kernels may round differently at another batch size.
        torch.testing.assert_close(other[order.index(1)], together[1], atol=2e-5, rtol=0)
    assert not torch.allclose(together, model.sample(frames, [8, 9, 10], steps=4, solver=solver), atol=1e-4)


@pytest.mark.parametrize("prediction", ["x0", "v"])
def test_one_step_from_a_level_without_signal_depends_on_the_frames_alone(prediction: str) -> None:
    model, frames = _model(prediction=prediction), _frames(2)
    assert model.schedule.levels[-1] == 0
    one = model.sample(frames, [1, 2], steps=1)
    assert torch.equal(one, model.sample(frames, [8, 9], steps=1))
    psi = model.condition(frames)
    output = model.predict(torch.zeros_like(psi), torch.zeros(2), psi, frames)
    residual = output if prediction == "x0" else -output
    torch.testing.assert_close(one, (psi + residual).clamp(-1, 1), atol=1e-6, rtol=0)
    for solver in ("ddpm", "ddim", "dpm++"):
        several = [model.sample(frames, seeds, steps=3, solver=solver) for seeds in ([1, 2], [8, 9])]
        assert all(image.isfinite().all() for image in several)
        assert not torch.equal(*several)


def test_training_at_a_level_without_signal_shows_no_noise() -> None:
    model, frames = _model(), _frames(2)
    gt = frames[:, 0]
    first, second = (
        model.training_losses(frames, gt, torch.Generator().manual_seed(seed), terminal=1.0)
        for seed in (1, 2)
    )
    assert torch.equal(first.estimate, second.estimate)
    assert (first.level == 0).all()


def test_averaging_takes_the_mean_of_independent_samples() -> None:
    model, frames = _model(), _frames(2)
    one = model.sample(frames, [1, 2], steps=3)
    many = model.sample(frames, [1, 2], steps=3, n_samples=4)
    assert not torch.allclose(one, many, atol=1e-4)
    torch.testing.assert_close(many, model.sample(frames, [1, 2], steps=3, n_samples=4))
    spread = [model.sample(frames, [seed, seed], steps=3) for seed in range(10)]
    means = [model.sample(frames, [seed, seed], steps=3, n_samples=4) for seed in range(6)]
    assert torch.stack(means).std(0).mean() < 0.7 * torch.stack(spread).std(0).mean()


def test_sampling_restores_the_training_mode() -> None:
    model = _model(dropout=0.5).train()
    frames = _frames(1)
    assert torch.equal(model.sample(frames, [1], steps=2), model.sample(frames, [1], steps=2))
    assert model.training


def test_the_released_network_samples_batches_correctly() -> None:
    torch.manual_seed(0)
    config = LPDiffConfig.preset(
        "paper",
        "released",
        inner_channels=8,
        norm_groups=4,
        channel_mults=(1, 2),
        res_blocks=1,
        image_size=32,
    )
    model, frames = LPDiff(config).eval(), _frames(2)
    together = model.sample(frames, [1, 2], steps=3, solver="ddpm")
    for index in (0, 1):
        alone = model.sample(frames[index : index + 1], [index + 1], steps=3, solver="ddpm")
        torch.testing.assert_close(alone[0], together[index], atol=2e-5, rtol=0)


def test_wrong_sampling_arguments_are_named() -> None:
    model, frames = _model(), _frames(2)
    with pytest.raises(MethodError, match="2 samples but 1 seeds"):
        model.sample(frames, [1])
    with pytest.raises(MethodError, match="cannot average 0 samples"):
        model.sample(frames, [1, 2], n_samples=0)
    with pytest.raises(MethodError, match="at least one step"):
        model.sample(frames, [1, 2], steps=0)


def test_a_few_steps_of_training_lower_both_losses() -> None:
    torch.manual_seed(0)
    model = LPDiff(LPDiffConfig.preset("small", **_TINY))
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    gt = torch.nn.functional.interpolate(torch.rand(2, 3, 2, 4) * 2 - 1, scale_factor=8, mode="nearest")
    frames = torch.stack([gt.roll(shift, 3) for shift in (-2, 0, 2)], 1)
    generator = torch.Generator().manual_seed(0)
    history = []
    for _ in range(40):
        losses = model.training_losses(frames, gt, generator)
        optimiser.zero_grad()
        (losses.noise + losses.psi).mean().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        history.append([losses.noise.mean().item(), losses.psi.mean().item()])
    start, end = torch.tensor(history[:3]).mean(0), torch.tensor(history[-5:]).mean(0)
    assert (end < 0.6 * start).all()
