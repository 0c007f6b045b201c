"""Random numbers of stochastic samplers: one generator per sample, so that a batch changes nothing."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mdlp_bench.errors import MethodError


class SampleNoise:
    """Gaussian noise with a separate generator for each sample.

    Sample `b` draws the same sequence from seed `seeds[b]` alone, in any batch and at any place in it.

    Args:
        seeds: One seed per sample.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def like(self, reference: Tensor) -> Tensor:
        """The next standard normal noise, shaped and placed like `reference` [B, ...].

        Raises:
            MethodError: The batch is not of as many samples as there are seeds.
        """
        if len(reference) != len(self._generators):
            raise MethodError(
                f"{len(reference)} samples but {len(self._generators)} seeds; give one seed per sample"
            )
        shape = reference.shape[1:]
        drawn = [torch.randn(shape, generator=generator) for generator in self._generators]
        return torch.stack(drawn).to(reference)
