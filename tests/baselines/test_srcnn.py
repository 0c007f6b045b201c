from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from baselines.srcnn import SRCNN_915, SRCNN_955, Srcnn, SrcnnConfig
from baselines.srcnn_method import trainable
from mdlp_bench.errors import MethodError


def _count(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_it_agrees_with_the_reference(parity) -> None:
    vectors = parity("srcnn")
    network = Srcnn(SrcnnConfig(num_channels=vectors.config["num_channels"])).eval()
    vectors.check_keys(network)
    vectors.fill(network.state_dict())
    with torch.inference_mode():
        out = network(vectors.tensors["in_x"])
    assert (out - vectors.tensors["out"]).abs().max() < 1e-5


def test_the_sizes_are_the_papers() -> None:
    assert _count(Srcnn(SRCNN_955)) == 69_251
    # 9-1-5 on luminance is the paper's 8,032 weights; biases come on top.
    luminance = Srcnn(SrcnnConfig(middle_kernel=1, num_channels=1))
    assert sum(p.numel() for n, p in luminance.named_parameters() if n.endswith("weight")) == 8_032
    assert Srcnn(SRCNN_915).conv2.kernel_size == (1, 1)


@pytest.mark.parametrize("config", [SRCNN_955, SRCNN_915])
@pytest.mark.parametrize("size", [(1, 1), (7, 31), (112, 224)])
def test_any_size_stays_and_samples_are_independent(config: SrcnnConfig, size: tuple[int, int]) -> None:
    network = Srcnn(config).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    batch = torch.rand(3, 3, *size)
    with torch.inference_mode():
        together = network(batch)
        alone = torch.cat([network(sample[None]) for sample in batch])
    assert together.shape == batch.shape
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def test_wrong_channels_are_a_clear_error() -> None:
    with pytest.raises(MethodError, match=r"\[1, 1, 8, 8\], needs \[B, 3, H, W\]"):
        Srcnn()(torch.rand(1, 1, 8, 8))
    with pytest.raises(ValidationError):
        SrcnnConfig(middle_kernel=4)


@pytest.mark.parametrize("config", ["915", "955"])
def test_training_starts_from_the_identity_and_every_weight_can_learn(config: str) -> None:
    torch.manual_seed(0)
    trained = trainable({"config": config})
    image = torch.rand(2, 3, 20, 30)
    restored = trained.network(image)
    torch.testing.assert_close(restored, image)
    (restored - image.flip(-1)).square().mean().backward()
    last = trained.network.get_submodule("conv3").weight.grad
    assert last is not None and (last.abs().amax(dim=(0, 2, 3)) > 0).float().mean() > 0.9
