"""LP-Diff as one module: conditioning network, denoising U-Net, training losses and sampling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from baselines.lp_diff import rcdm
from baselines.lp_diff.conditioner import Conditioner
from baselines.lp_diff.config import LPDiffConfig
from baselines.lp_diff.released import ReleasedConditioner, released_buffers
from baselines.lp_diff.sampler import solve
from baselines.lp_diff.schedule import Schedule
from baselines.lp_diff.unet import UNet
from baselines.noise import SampleNoise
from mdlp_bench.errors import MethodError
from mdlp_bench.files import seed_for

if TYPE_CHECKING:
    from baselines.lp_diff.sampler import Solver

__all__ = ["LPDiff", "LPDiffConfig", "TrainingLosses"]


@dataclass(frozen=True)
class TrainingLosses:
    """The losses of one training step, each a mean per sample, [B].

    Attributes:
        noise: L1 between the U-Net's output and its target.
        psi: L1 between psi and the ground truth (the released code trains without it).
        estimate: psi + the predicted residual, [B, 3, H, W], unbounded: where losses on the image attach.
        level: The noise levels drawn, [B].
    """

    noise: Tensor
    psi: Tensor
    estimate: Tensor
    level: Tensor


class LPDiff(nn.Module):
    """Restore a plate from N degraded frames (Gong et al., CVPR 2025).

    psi = conditioning network(frames); the diffusion model samples the residual x_0 given psi; the restored
    plate is psi + x_0. Images are float tensors in [-1, 1]; height and width must be multiples of
    `config.size_divisor` (16 in every preset).

    Attributes:
        config: The frozen description.
        schedule: The noise schedule.
        denoise_fn: The U-Net. The name is the released checkpoints', as is the next one.
        MTA: The conditioning network.
    """

    def __init__(self, config: LPDiffConfig) -> None:
        super().__init__()
        self.config = config
        self.schedule = Schedule(
            config.diffusion_steps, config.beta_start, config.beta_end, config.zero_terminal
        )
        self.denoise_fn = UNet(config)
        self.MTA: Conditioner | ReleasedConditioner
        if config.variant == "released":
            self.MTA = ReleasedConditioner()
            for name, table in released_buffers(self.schedule).items():
                self.register_buffer(name, table)
        else:
            self.MTA = Conditioner(config)
            # The untrained diffusion stage adds nothing to psi.
            for parameter in self.denoise_fn.final_conv.block[-1].parameters():
                nn.init.zeros_(parameter)

    def forward(self, frames: Tensor, seeds: Sequence[int] | None = None, steps: int = 1) -> Tensor:
        """Restore plates as the method of the benchmark does: `sample`, without gradients.

        Args:
            frames: [B, N, 3, H, W] in [-1, 1], oldest first.
            seeds: One per sample; default 0 ... B - 1.
            steps: U-Net evaluations per sample.

        Returns:
            [B, 3, H, W] in [-1, 1].

        Raises:
            MethodError: As in `sample`.
        """
        return self.sample(frames, range(len(frames)) if seeds is None else seeds, steps)

    def condition(self, frames: Tensor) -> Tensor:
        """Frames [B, N, 3, H, W] in [-1, 1], oldest first, to psi [B, 3, H, W], unbounded.

        Raises:
            MethodError: Another number of frames than the configuration's, or a size that does not divide.
        """
        self._check(frames)
        # Under autocast the network answers in a short type, too coarse for the residual.
        psi: Tensor = self.MTA(frames).to(frames.dtype)
        return psi

    def predict(self, noisy: Tensor, level: Tensor, psi: Tensor, frames: Tensor) -> Tensor:
        """The U-Net's raw output for x_t [B, 3, H, W] at levels [B]; `config.prediction` says what it is."""
        output: Tensor = self.denoise_fn(self._condition(psi, frames), rcdm.visible(noisy, level), level)
        return output

    def training_losses(
        self,
        frames: Tensor,
        gt: Tensor,
        generator: torch.Generator | None = None,
        terminal: float = 0.0,
    ) -> TrainingLosses:
        """Losses at one random noise level per sample; gradients reach psi through both.

        Args:
            frames: [B, N, 3, H, W] in [-1, 1].
            gt: Ground truth [B, 3, H, W] in [-1, 1].
            generator: CPU generator of levels and noise.
            terminal: Share of samples at the last level (see `Schedule.sample`).
        """
        psi = self.condition(frames)
        residual = gt - psi
        level = self.schedule.sample(len(frames), generator, terminal).to(frames)
        noise = torch.randn(psi.shape, generator=generator).to(psi)
        noisy = rcdm.diffuse(residual, noise, level)
        output = self.predict(noisy, level, psi, frames)
        wanted = rcdm.target(self.config.prediction, residual, noise, level)
        return TrainingLosses(
            noise=(output - wanted).abs().mean((1, 2, 3)),
            psi=residual.abs().mean((1, 2, 3)),
            estimate=psi + rcdm.to_x0(self.config.prediction, output, noisy, level),
            level=level,
        )

    @torch.no_grad()
    def sample(
        self,
        frames: Tensor,
        seeds: Sequence[int],
        steps: int = 8,
        solver: Solver = "dpm++",
        n_samples: int = 1,
    ) -> Tensor:
        """Restore plates.

        Args:
            frames: [B, N, 3, H, W] in [-1, 1].
            seeds: One per sample. A sample's result depends on its frames and seed, not on its batch.
            steps: U-Net evaluations per sample.
            solver: See `sampler.solve`.
            n_samples: Average this many samples of each plate (the seed gives a different one each time).

        Returns:
            [B, 3, H, W] in [-1, 1].

        Raises:
            MethodError: Wrong frames, number of seeds, steps or samples.
        """
        if n_samples < 1:
            raise MethodError(f"cannot average {n_samples} samples; take at least one")
        was_training = self.training
        self.eval()
        try:
            psi = self.condition(frames)
            condition = self._condition(psi, frames)
            total = torch.zeros_like(psi)
            for draw in range(n_samples):
                noise = SampleNoise([seed_for(seed, draw) for seed in seeds])
                total += psi + solve(
                    lambda noisy, level: self._residual(noisy, level, psi, condition),
                    noise.like(psi).contiguous(memory_format=torch.channels_last),
                    self.schedule,
                    noise,
                    solver=solver,
                    steps=steps,
                )
        finally:
            self.train(was_training)
        return (total / n_samples).clamp(-1, 1)

    def _residual(self, noisy: Tensor, level: float, psi: Tensor, condition: Tensor) -> Tensor:
        levels = torch.full((len(noisy),), level, dtype=noisy.dtype, device=noisy.device)
        output = self.denoise_fn(condition, rcdm.visible(noisy, levels), levels)
        residual = rcdm.to_x0(self.config.prediction, output, noisy, levels)
        if self.config.variant == "released":
            # The released code limits the residual to [-1, 1], although HR - psi may reach 2.
            return residual.clamp(-1, 1)
        return (psi + residual).clamp(-1, 1) - psi

    def _condition(self, psi: Tensor, frames: Tensor) -> Tensor:
        return torch.cat([psi, frames.flatten(1, 2)], 1) if self.config.see_frames else psi

    def _check(self, frames: Tensor) -> None:
        if frames.ndim != 5 or frames.shape[2] != 3:
            raise MethodError(
                f"lp-diff takes frames [batch, frames, 3, height, width], not {list(frames.shape)}"
            )
        count, _, height, width = frames.shape[1:]
        if count != self.config.n_frames:
            raise MethodError(f"this lp-diff fuses {self.config.n_frames} frames, but got {count}")
        divisor = self.config.size_divisor
        if height % divisor or width % divisor or not height or not width:
            raise MethodError(
                f"lp-diff takes heights and widths that are multiples of {divisor}, not {height} x {width}"
            )
