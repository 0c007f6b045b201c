from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from baselines.real_esrgan.networks import (
    PLATE,
    CompactConfig,
    build_compact,
    generator_from_state,
    load_generator,
)
from mdlp_bench.errors import MethodError, MissingWeightsError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("name", "architecture"), [("rrdbnet", "ESRGAN"), ("srvgg", "Compact")])
def test_official_checkpoints_agree_with_the_reference(
    parity, tmp_path: Path, name: str, architecture: str
) -> None:
    vectors = parity(name)
    path = tmp_path / f"{name}.pth"
    torch.save({"params": {}, "params_ema": vectors.state()}, path)
    loaded = load_generator(path)
    with torch.inference_mode():
        out = loaded.network(vectors.tensors["in_x"])
    assert (out - vectors.tensors["out"]).abs().max() < 1e-5
    assert (loaded.architecture, loaded.scale) == (architecture, 4)
    assert not loaded.network.training


def test_the_compact_network_has_the_released_keys(parity) -> None:
    vectors = parity("srvgg")
    network = build_compact(CompactConfig(**vectors.config)).eval()
    vectors.check_keys(network)
    network.load_state_dict(vectors.state())
    with torch.inference_mode():
        out = network(vectors.tensors["in_x"])
    assert (out - vectors.tensors["out"]).abs().max() < 1e-5


@pytest.mark.parametrize(
    ("config", "parameters"),
    [
        (PLATE, 621_424),
        (CompactConfig(num_conv=32), 1_213_296),
        (CompactConfig(num_feat=8, num_conv=2, upscale=2), 2 * (8 * 8 * 9 + 16) + 8 * 27 + 16 + 12 * 73),
    ],
)
def test_compact_sizes_and_round_trip(tmp_path: Path, config: CompactConfig, parameters: int) -> None:
    network = build_compact(config)
    assert network.training
    torch.save(network.state_dict(), tmp_path / "compact.pth")
    loaded = load_generator(tmp_path / "compact.pth")
    assert loaded.parameters == parameters
    assert loaded.scale == config.upscale
    batch = torch.rand(2, 3, 5, 9)
    with torch.inference_mode():
        together = loaded.network(batch)
        alone = torch.cat([loaded.network(sample[None]) for sample in batch])
        expected = network.eval()(batch)
    assert together.shape == (2, 3, 5 * config.upscale, 9 * config.upscale)
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(together, expected, atol=1e-5, rtol=1e-5)


def test_an_rrdbnet_for_x2_is_recognised_by_its_unshuffled_input(parity) -> None:
    state = parity("rrdbnet").state()
    state["conv_first.weight"] = torch.rand(16, 12, 3, 3)
    loaded = generator_from_state(state, "x2plus")
    assert loaded.scale == 2
    with torch.inference_mode():
        assert loaded.network(torch.rand(1, 3, 7, 10)).shape == (1, 3, 14, 20)


def test_other_files_are_clear_errors(tmp_path: Path) -> None:
    with pytest.raises(MissingWeightsError):
        load_generator(tmp_path / "absent.pth")
    torch.save({"weight": torch.ones(1)}, tmp_path / "w.pth")
    with pytest.raises(MethodError, match=r"w\.pth: not a checkpoint of .*ESRGAN or .*Compact"):
        load_generator(tmp_path / "w.pth")
    state = build_compact(CompactConfig(num_feat=4, num_conv=1)).state_dict()
    grey = {**state, "body.0.weight": torch.ones(4, 1, 3, 3)}
    with pytest.raises(MethodError, match="grey"):
        generator_from_state(grey, "grey")
    del state["body.2.bias"]
    with pytest.raises(MethodError, match="w: not a complete"):
        generator_from_state(state, "w")
