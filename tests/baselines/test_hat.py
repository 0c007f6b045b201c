from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from pydantic import ValidationError

from baselines.hat import (
    HAT_BASE,
    HAT_LARGE,
    HAT_SMALL,
    PLATE,
    HatConfig,
    build_hat,
    load_hat,
    start_as_enlargement,
)
from mdlp_bench.errors import MethodError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.filterwarnings("ignore:torch.meshgrid")


def test_it_agrees_with_the_reference(parity, tmp_path: Path) -> None:
    vectors = parity("hat")
    vectors.check_keys(build_hat(HatConfig(**vectors.config)))
    torch.save({"params_ema": vectors.state()}, tmp_path / "hat.pth")
    # The position indices are not weights: take the network's own.
    state = vectors.state() | {
        key: value
        for key, value in build_hat(HatConfig(**vectors.config)).state_dict().items()
        if "relative_position_index" in key
    }
    torch.save({"params_ema": state}, tmp_path / "hat.pth")
    loaded = load_hat(tmp_path / "hat.pth")
    with torch.inference_mode():
        out = loaded.network(vectors.tensors["in_x"])
    assert (out - vectors.tensors["out"]).abs().max() < 1e-4
    assert (loaded.scale, loaded.architecture, loaded.parameters) == (4, "HAT", 374_743)


@pytest.mark.parametrize(
    ("config", "millions"), [(HAT_SMALL, 9.6), (HAT_BASE, 20.8), (HAT_LARGE, 40.8), (PLATE, 0.5)]
)
def test_the_sizes_are_the_papers(config: HatConfig, millions: float) -> None:
    network = build_hat(config)
    assert sum(parameter.numel() for parameter in network.parameters()) / 1e6 == pytest.approx(
        millions, abs=0.06
    )


def test_sizes_samples_and_evaluation_mode(tmp_path: Path) -> None:
    config = PLATE.model_copy(update={"depths": (2,), "num_heads": (2,), "drop_path_rate": 0.5})
    torch.save(build_hat(config).state_dict(), tmp_path / "hat.pth")
    network = load_hat(tmp_path / "hat.pth").network
    for size in ((28, 56), (16, 16), (19, 41)):
        batch = torch.rand(2, 3, *size)
        with torch.inference_mode():
            together = network(batch)
            alone = torch.cat([network(sample[None]) for sample in batch])
        assert together.shape == (2, 3, 4 * size[0], 4 * size[1])
        torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def test_it_trains() -> None:
    network = build_hat(PLATE.model_copy(update={"depths": (2,), "num_heads": (2,)})).train()
    network(torch.rand(1, 3, 16, 16)).square().mean().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_it_can_start_as_an_enlargement() -> None:
    """Against PyTorch's bilinear doubling, twice, away from the borders, which convolutions pad with zero."""
    network = build_hat(PLATE.model_copy(update={"depths": (2,), "num_heads": (2,), "num_feat": 8}))
    start_as_enlargement(network)
    image = torch.rand(2, 3, 16, 24)
    restored = network(image)
    wanted = image
    for _ in range(2):
        wanted = torch.nn.functional.interpolate(wanted, scale_factor=2, mode="bilinear")
    inner = (..., slice(4, -4), slice(4, -4))
    torch.testing.assert_close(restored[inner], wanted[inner], atol=1e-5, rtol=1e-5)
    # Training reaches the body after its first step.
    optimiser = torch.optim.SGD(network.parameters(), 1e-3)
    for _ in range(2):
        optimiser.zero_grad()
        (network(image) - 0.3).square().mean().backward()
        optimiser.step()
    body = network.get_submodule("layers").parameters()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in body)


def test_wrong_checkpoints_and_configurations_are_clear(tmp_path: Path) -> None:
    torch.save({"conv_first.weight": torch.zeros(8, 3, 3, 3)}, tmp_path / "w.pth")
    with pytest.raises(MethodError, match=r"w\.pth: not a checkpoint of HAT"):
        load_hat(tmp_path / "w.pth")
    state = build_hat(PLATE).state_dict()
    del state["layers.1.residual_group.blocks.0.attn.qkv.weight"]
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(MethodError, match=r"w\.pth: not a complete HAT checkpoint") as caught:
        load_hat(tmp_path / "w.pth")
    assert "\n" not in str(caught.value)
    with pytest.raises(ValidationError, match="same groups"):
        HatConfig(depths=(2,), num_heads=(2, 2))
    with pytest.raises(ValidationError, match="multiple of every num_heads"):
        HatConfig(embed_dim=10, depths=(2,), num_heads=(4,))
