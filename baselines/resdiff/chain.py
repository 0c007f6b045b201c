"""ResDiff's diffusion: noise is added to, and removed from, the residual x0 = HR - CNN(LR).

Forward process with a continuous noise level (SR3, arXiv 2104.07636, section 2.2; WaveGrad, arXiv
2009.00713): x = g x0 + sqrt(1 - g^2) eps, where g = sqrt(alpha_bar) is drawn uniformly between the values of
two neighbouring steps of the linear schedule beta = 1e-6 .. 1e-2 in 1000 steps; the network predicts eps and
is told g (L1 loss). A network may also predict x0 itself, which the released one does not: at the last step,
where g = 0.08, an error of the predicted noise is an error of x0 twelve times as large. Also, that step is
not pure noise: a network learns to see x0's broad shapes in it, which sampling from noise does not contain
(Lin et al., "Common Diffusion Noise Schedules and Sample Steps Are Flawed", WACV 2024). beta up to 2e-2 ends
at g = 0.007.

Sampling is the generalised reverse step of DDIM (arXiv 2010.02502, equation 12) over any subset of the steps:
x_s = g_s x0' + sqrt(1 - g_s^2 - v^2) eps' + v z, with x0' = (x_t - sqrt(1 - g_t^2) eps') / g_t clipped to
-1..1 and v^2 = eta^2 (1 - g_s^2) / (1 - g_t^2) (1 - g_t^2 / g_s^2). With all steps and eta = 1 this is the
release's ancestral sampling; with few steps eta = 0 leaves the starting noise as the only randomness.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from baselines.noise import SampleNoise
from mdlp_bench.errors import MethodError
from mdlp_bench.frozen import Frozen

Predictor = Callable[[Tensor, Tensor], Tensor]
Prediction = Literal["noise", "residual"]
Power = Literal[1, 2]


class ResDiffSchedule(Frozen):
    """The noise schedule; defaults are the released configuration.

    Attributes:
        timesteps: Steps T of the full chain.
        beta_start: beta of the first step.
        beta_end: beta of the last step.
    """

    timesteps: int = Field(default=1000, ge=2)
    beta_start: float = Field(default=1e-6, gt=0, lt=1)
    beta_end: float = Field(default=1e-2, gt=0, lt=1)


class ResDiffChain:
    """Training loss and sampler over a schedule; holds no weights.

    Args:
        schedule: The released one by default.
        prediction: What networks predict: the noise, as released, or the residual x0.
    """

    def __init__(self, schedule: ResDiffSchedule | None = None, prediction: Prediction = "noise") -> None:
        self.schedule = schedule = schedule or ResDiffSchedule()
        self.prediction = prediction
        betas = torch.linspace(
            schedule.beta_start, schedule.beta_end, schedule.timesteps, dtype=torch.float64
        )
        # levels[t] = sqrt(alpha_bar_t), levels[0] = 1: no noise.
        self.levels = torch.cat([torch.ones(1, dtype=torch.float64), (1 - betas).cumprod(0).sqrt()])

    def draw_levels(self, count: int, generator: torch.Generator | None = None, last: float = 0.0) -> Tensor:
        """Draw noise levels for training, one per sample: float32 [count, 1].

        A step is drawn for every sample (the release: one per batch), then a level between its neighbours.

        Args:
            count: How many.
            generator: Generator of the draws.
            last: Share of samples at the last step, where sampling starts.
        """
        steps = torch.randint(1, len(self.levels), (count,), generator=generator)
        if last > 0:
            steps[torch.rand(count, generator=generator) < last] = self.schedule.timesteps
        share = torch.rand(count, generator=generator, dtype=torch.float64)
        upper, lower = self.levels[steps - 1], self.levels[steps]
        return (lower + share * (upper - lower)).float()[:, None]

    @staticmethod
    def diffuse(residual: Tensor, level: Tensor, noise: Tensor) -> Tensor:
        """Forward process: g x0 + sqrt(1 - g^2) eps for residual and noise [B, C, H, W], level [B, 1]."""
        level = level[:, :, None, None]
        return level * residual + (1 - level.square()).sqrt() * noise

    def loss(
        self,
        network: Predictor,
        prediction: Tensor,
        gt: Tensor,
        level: Tensor,
        noise: Tensor,
        power: Power = 1,
    ) -> tuple[Tensor, Tensor]:
        """Mean error of what is predicted, to a power, a scalar; and the restored image it stands for.

        Args:
            network: Maps (cat(prediction, noisy), level) to the noise or the residual.
            prediction: The frozen CNN's output [B, 3, H, W], values about -1..1.
            gt: The ground truth, same shape, -1..1.
            level: Noise levels [B, 1], from `draw_levels`.
            noise: Standard normal, same shape as `gt`.
            power: 1 for absolute errors, as released; 2 for squared ones (SR3's objective allows both).
        """
        residual = gt - prediction
        noisy = self.diffuse(residual, level, noise)
        wanted = noise if self.prediction == "noise" else residual
        found = network(torch.cat([prediction, noisy], dim=1), level)
        error = ((found - wanted).abs() ** power).mean()
        if self.prediction == "noise":
            level = level[:, :, None, None]
            found = (noisy - (1 - level.square()).sqrt() * found) / level
        return error, prediction + found

    def sampling_steps(self, count: int) -> list[int]:
        """The steps a sampler of `count` network calls visits, from T down to 1.

        They are even in log signal-to-noise ratio log(g^2 / (1 - g^2)), which serves short chains better than
        steps even in t; all T steps when `count` is T.

        Raises:
            MethodError: `count` is not within 1..T.
        """
        last = self.schedule.timesteps
        if not 1 <= count <= last:
            raise MethodError(f"ResDiff: {count} sampling steps, must be 1 to {last}")
        if count == last:
            return list(range(last, 0, -1))
        snr = torch.log(self.levels[1:].square() / (1 - self.levels[1:].square()))
        # Where a short chain ends matters little below this: what is left is under 1 % of noise.
        floor = torch.clamp(snr[0], max=4 * torch.log(torch.tensor(10.0)).item())
        wanted = torch.linspace(float(snr[-1]), float(floor), count + 1, dtype=torch.float64)[:-1]
        steps = [int((snr - value).abs().argmin()) + 1 for value in wanted]
        for index in range(1, count):
            steps[index] = max(min(steps[index], steps[index - 1] - 1), count - index)
        return steps

    @torch.no_grad()
    def sample(
        self,
        network: Predictor,
        prediction: Tensor,
        seeds: Sequence[int],
        steps: int = 10,
        eta: float = 0.0,
    ) -> Tensor:
        """Restore: the CNN's prediction plus a residual sampled from noise.

        Args:
            network: Maps (cat(prediction, noisy), level) to the noise or the residual.
            prediction: The CNN's output [B, 3, H, W], values about -1..1.
            seeds: One per sample; a sample's result depends on its own seed alone.
            steps: Network calls, 1..T.
            eta: Share of fresh noise per step; 1 with all T steps is the released sampler.

        Returns:
            [B, 3, H, W], about -1..1, unclipped.

        Raises:
            MethodError: Not one seed per sample, or `steps` out of range.
        """
        noise = SampleNoise(seeds)
        x = noise.like(prediction)
        visited = self.sampling_steps(steps)
        for step, following in zip(visited, [*visited[1:], 0], strict=True):
            here, there = float(self.levels[step]), float(self.levels[following])
            level = torch.full((len(x), 1), here, dtype=x.dtype, device=x.device)
            predicted = network(torch.cat([prediction, x], dim=1), level)
            if self.prediction == "noise":
                predicted = (x - (1 - here**2) ** 0.5 * predicted) / here
            x0 = predicted.clamp(-1, 1)
            # The noise that leads from the clipped image to x: makes the step the exact posterior mean.
            left = (x - here * x0) / (1 - here**2) ** 0.5
            fresh = eta * ((1 - there**2) / (1 - here**2) * (1 - (here / there) ** 2)) ** 0.5
            x = there * x0 + max(0.0, 1 - there**2 - fresh**2) ** 0.5 * left
            if fresh > 0:
                x = x + fresh * noise.like(x)
        return prediction + x
