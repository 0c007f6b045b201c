"""ResShift's Markov chain: from the ground truth x0 to the degraded y by shifting their residual.

Yue, Wang, Loy: "ResShift: Efficient Diffusion Model for Image Super-resolution by Residual Shifting", NeurIPS
2023 (arXiv 2307.12348); four steps and the LPIPS term: "Efficient Diffusion Model for Image Restoration by
Residual Shifting", TPAMI 2025 (arXiv 2403.07319). Written from the papers' equations; the authors' code has a
non-commercial licence and none of it is used.

Forward (equation 2):    x_t = x0 + eta_t (y - x0) + kappa sqrt(eta_t) eps
Start of sampling:       x_T = y + kappa sqrt(eta_T) eps
Posterior (equation 6):  mean = (eta_{t-1} / eta_t) x_t + (alpha_t / eta_t) x0,
                         variance = kappa^2 (eta_{t-1} / eta_t) alpha_t,
                         alpha_t = eta_t - eta_{t-1}, eta_0 = 0
                         and likewise between x_t and any earlier x_s: steps may be skipped
Schedule (equation 10):  sqrt(eta_t) = s (sqrt_end / s)^(((t - 1) / (T - 1))^p), t = 1 .. T,
                         s = min(m / kappa, m)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from pydantic import Field
from torch import Tensor

from baselines.noise import SampleNoise
from mdlp_bench.errors import MethodError
from mdlp_bench.frozen import Frozen

X0Predictor = Callable[[Tensor, Tensor, Tensor], Tensor]


class ResShiftSchedule(Frozen):
    """The geometric schedule; the defaults are the papers' four-step real-world model.

    Attributes:
        steps: Length T of the chain.
        kappa: Strength of the noise.
        min_noise_level: m; noise of the first step, kappa sqrt(eta_1), when kappa is at least 1.
        power: p; below 1 the shift starts fast.
        sqrt_eta_end: sqrt(eta_T).
        latent: Images are latent codes of about unit variance rather than pixels in -1..1.
    """

    steps: int = Field(default=4, ge=2)
    kappa: float = Field(default=2.0, gt=0)
    min_noise_level: float = Field(default=0.2, gt=0, lt=1)
    power: float = Field(default=0.3, gt=0)
    sqrt_eta_end: float = Field(default=0.99, gt=0, le=1)
    latent: bool = True


REALSR_4 = ResShiftSchedule()
REALSR_15 = ResShiftSchedule(steps=15, min_noise_level=0.04)
# For the pixel-space network trained on plates.
PLATE_4 = ResShiftSchedule(latent=False)


class ResShiftChain:
    """Forward process, training loss and sampler over a schedule; holds no weights.

    Steps are counted from 0 (least noise) to T - 1, as networks are told them.

    Args:
        schedule: The four-step one by default.
    """

    def __init__(self, schedule: ResShiftSchedule = REALSR_4) -> None:
        self.schedule = schedule
        first = min(schedule.min_noise_level / schedule.kappa, schedule.min_noise_level)
        progress = torch.linspace(0, 1, schedule.steps, dtype=torch.float64) ** schedule.power
        self.sqrt_etas = first * (schedule.sqrt_eta_end / first) ** progress
        self.etas = self.sqrt_etas.square()
        self.previous_etas = torch.cat([torch.zeros(1, dtype=torch.float64), self.etas[:-1]])

    @staticmethod
    def _at(values: Tensor, step: Tensor, like: Tensor) -> Tensor:
        """`values` at each sample's step, shaped to multiply [B, C, H, W]."""
        return values.to(like.device)[step].to(like.dtype)[:, None, None, None]

    def diffuse(self, x0: Tensor, degraded: Tensor, step: Tensor, noise: Tensor) -> Tensor:
        """Forward process at once: x_t for x0, degraded and noise [B, C, H, W] and steps [B]."""
        eta = self._at(self.etas, step, x0)
        spread = self.schedule.kappa * self._at(self.sqrt_etas, step, x0)
        return x0 + eta * (degraded - x0) + spread * noise

    def start(self, degraded: Tensor, noise: Tensor) -> Tensor:
        """x_T, where sampling starts: the degraded image with the last step's noise, [B, C, H, W]."""
        return degraded + self.schedule.kappa * float(self.sqrt_etas[-1]) * noise

    def scale_input(self, x: Tensor, step: Tensor) -> Tensor:
        """x_t brought to about the same range at every step, as the network gets it.

        Latent codes are divided by sqrt(kappa^2 eta_t + 1), their standard deviation; pixels by
        3 kappa sqrt(eta_t) + 1, about their largest value.
        """
        spread = self.schedule.kappa * self._at(self.sqrt_etas, step, x)
        return x / ((spread.square() + 1).sqrt() if self.schedule.latent else 3 * spread + 1)

    def posterior(
        self, x: Tensor, x0: Tensor, step: Tensor, earlier: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Mean [B, C, H, W] and variance [B, 1, 1, 1] of x at an earlier step given x_t and x0.

        The earlier step is the one before by default; before step 0 there is x0 itself.
        """
        eta, target = self._at(self.etas, step, x), step if earlier is None else earlier + 1
        # Of the step before `target`: the schedule's own, or nothing left of the shift.
        previous = self._at(self.previous_etas, target, x)
        alpha = eta - previous
        mean = previous / eta * x + alpha / eta * x0
        return mean, self.schedule.kappa**2 * previous / eta * alpha

    def draw_steps(self, count: int, generator: torch.Generator | None = None, last: float = 0.0) -> Tensor:
        """Draw a training step for each of `count` samples: int64 [count].

        Args:
            count: How many.
            generator: Generator of the draws.
            last: Share of samples at the last step, where sampling starts; the others are drawn evenly.
        """
        steps = torch.randint(self.schedule.steps, (count,), generator=generator)
        if last > 0:
            steps[torch.rand(count, generator=generator) < last] = self.schedule.steps - 1
        return steps

    def visited_steps(self, count: int) -> list[int]:
        """The steps a sampler of `count` network calls visits: evenly from the last one on, all of them at T.

        Raises:
            MethodError: `count` is not within 1..T.
        """
        total = self.schedule.steps
        if not 1 <= count <= total:
            raise MethodError(f"ResShift: {count} sampling steps, must be 1 to {total}")
        return [total - 1 - index * total // count for index in range(count)]

    def predict(
        self,
        network: X0Predictor,
        *,
        x0: Tensor,
        degraded: Tensor,
        low: Tensor,
        step: Tensor,
        noise: Tensor,
    ) -> Tensor:
        """What the network makes of x_t: its x0 [B, C, H, W], for a training loss.

        Args:
            network: Maps (scaled x_t, step, low-quality image) to x0.
            x0: Ground truth [B, C, H, W].
            degraded: y, same shape.
            low: Low-quality image the network is conditioned on.
            step: [B], from `draw_steps`.
            noise: Standard normal, same shape as `x0`.
        """
        x = self.diffuse(x0, degraded, step, noise)
        return network(self.scale_input(x, step), step, low)

    @torch.no_grad()
    def sample(
        self,
        network: X0Predictor,
        degraded: Tensor,
        low: Tensor,
        seeds: Sequence[int],
        steps: int | None = None,
    ) -> Tensor:
        """Restore by running the chain backwards.

        Args:
            network: Maps (scaled x_t, step, low-quality image) to x0.
            degraded: y [B, C, H, W]: the image enlarged to the output size (-1..1), or its latent code.
            low: Low-quality image the network is conditioned on.
            seeds: One per sample; a sample's result depends on its own seed alone.
            steps: Network calls, 1..T; default T, the papers' sampler.

        Returns:
            x0 [B, C, H, W]; in pixel space clipped to -1..1.

        Raises:
            MethodError: Not one seed per sample, or `steps` out of range.
        """
        noise = SampleNoise(seeds)
        x = self.start(degraded, noise.like(degraded))
        visited = self.visited_steps(self.schedule.steps if steps is None else steps)
        for index, following in zip(visited, [*visited[1:], -1], strict=True):
            step = torch.full((len(x),), index, device=x.device)
            x0 = network(self.scale_input(x, step), step, low)
            if not self.schedule.latent:
                x0 = x0.clamp(-1, 1)
            x, variance = self.posterior(x, x0, step, torch.full_like(step, following))
            if following >= 0:
                x = x + variance.sqrt() * noise.like(x)
        return x
