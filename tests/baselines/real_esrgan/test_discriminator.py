from __future__ import annotations

import pytest
import torch

from baselines.real_esrgan.discriminator import UNetDiscriminator
from mdlp_bench.errors import MethodError


def test_it_has_the_official_size_and_names() -> None:
    network = UNetDiscriminator()
    assert sum(parameter.numel() for parameter in network.parameters()) == 4_376_897
    keys = set(network.state_dict())
    assert {"conv0.weight", "conv0.bias", "conv3.weight_orig", "conv8.weight_u", "conv9.bias"} <= keys
    assert "conv1.bias" not in keys


def test_a_logit_a_pixel_and_independent_samples() -> None:
    network = UNetDiscriminator(num_feat=4).train()
    batch = torch.rand(3, 3, 16, 40)
    with torch.inference_mode():
        for _ in range(20):  # the largest singular values are found by iteration, while training
            network(batch)
        network.eval()
        together = network(batch)
        alone = torch.cat([network(sample[None]) for sample in batch])
    assert together.shape == (3, 1, 16, 40)
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def test_spectral_normalisation_bounds_every_inner_layer() -> None:
    network = UNetDiscriminator(num_feat=4).train()
    with torch.no_grad():
        for _ in range(100):
            network(torch.rand(1, 3, 8, 8))
    for name in (f"conv{index}" for index in range(1, 9)):
        weight = getattr(network, name).weight
        assert torch.linalg.matrix_norm(weight.flatten(1), ord=2) == pytest.approx(1, abs=0.03)


def test_sizes_it_cannot_halve_are_clear() -> None:
    with pytest.raises(MethodError, match="multiples of 8"):
        UNetDiscriminator(num_feat=4)(torch.rand(1, 3, 12, 16))
