from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import save_file

from baselines.resshift.swin import shift_mask
from baselines.resshift.unet import (
    DERIVED_BUFFERS,
    PLATE,
    PLATE_UNSHUFFLED,
    REALSR_X4,
    ResShiftUNet,
    ResShiftUNetConfig,
    load_unet,
)
from mdlp_bench.errors import MethodError

if TYPE_CHECKING:
    from pathlib import Path

SMALL = ResShiftUNetConfig(
    image_size=16,
    model_channels=32,
    num_res_blocks=1,
    attention_resolutions=(16, 8),
    channel_mult=(1, 1),
    num_head_channels=16,
    swin_embed_dim=32,
    window_size=4,
    lq_size=16,
)


def _random(network: ResShiftUNet) -> ResShiftUNet:
    """Weights without the zeroed layers a fresh network has."""
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.1
    return network.eval()


def test_it_agrees_with_the_reference(parity) -> None:
    vectors = parity("resshift")
    network = ResShiftUNet(ResShiftUNetConfig(**vectors.config)).eval()
    vectors.check_keys(network)
    vectors.fill(network.state_dict())
    inputs = vectors.tensors
    with torch.inference_mode():
        out = network(inputs["in_x"], inputs["in_t"], inputs["in_lq"])
    assert (out - inputs["out"]).abs().max() < 1e-4


def test_the_released_model_has_the_released_keys(parity_dir: Path) -> None:
    released = json.loads((parity_dir / "resshift" / "keys_realsr_x4.json").read_text())
    with torch.device("meta"):
        network = ResShiftUNet(REALSR_X4)
    assert {key: list(value.shape) for key, value in network.state_dict().items()} == released
    assert sum(parameter.numel() for parameter in network.parameters()) == 118_593_583


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"resblock_updown": True},
        {"conv_resample": False},
        {"use_scale_shift_norm": True, "patch_norm": True},
        {"lq_size": 64},
        {"cond_mask": True},
        {"num_head_channels": -1, "num_heads": 4, "swin_depth": 3},
        {"channel_mult": (1, 2, 2), "num_res_blocks": (1, 2, 1)},
        {"window_size": 8},
    ],
)
@pytest.mark.parametrize("factors", [(1, 1), (1, 2)])
def test_any_configuration_and_size_with_independent_samples(
    change: dict[str, object], factors: tuple[int, int]
) -> None:
    config = ResShiftUNetConfig(**{**SMALL.model_dump(), **change})
    network = _random(ResShiftUNet(config))
    height, width = (factor * network.size_multiple for factor in factors)
    ratio = config.lq_size // config.image_size
    x = torch.randn(2, 3, height, width)
    low = torch.randn(2, 4 if config.cond_mask else 3, height * ratio, width * ratio)
    step = torch.tensor([0, 3])
    with torch.inference_mode():
        together = network(x, step, low)
        alone = torch.cat([network(x[i : i + 1], step[i : i + 1], low[i : i + 1]) for i in range(2)])
    assert together.shape == (2, 3, height, width)
    assert together.isfinite().all()
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("config", "parameters"), [(PLATE, 3_815_199), (PLATE_UNSHUFFLED, 2_969_084)])
def test_the_plate_configurations_run_at_the_working_size(
    config: ResShiftUNetConfig, parameters: int
) -> None:
    network = ResShiftUNet(config).eval()
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
    side = 112 // config.image_size
    ratio = config.lq_size // config.image_size
    x = torch.nn.functional.pixel_unshuffle(torch.randn(1, 3, 112, 224), side)
    low = torch.randn(1, 3, x.shape[2] * ratio, x.shape[3] * ratio)
    with torch.inference_mode():
        assert network(x, torch.tensor([1]), low).shape == x.shape


def test_every_part_learns_also_after_inference() -> None:
    network = ResShiftUNet(SMALL)
    x = torch.randn(1, 3, 24, 40)
    with torch.inference_mode():
        network(x, torch.tensor([0]), x)
    _random(network).train()(x, torch.tensor([0]), x).square().mean().backward()
    assert [name for name, parameter in network.named_parameters() if parameter.grad is None] == []


def test_the_mask_separates_the_columns_of_the_bottom_windows() -> None:
    mask = shift_mask(8, 12, 4, 2)
    assert mask.shape == (6, 16, 16)
    assert (mask[:3] == 0).all()
    first, last = 0, 3  # pixels of the same row, at the window's left and right border
    assert mask[3, first, last] == -100
    assert mask[3, first, 1] == 0
    assert torch.equal(mask[3], mask[5])


def test_derived_buffers_may_be_left_out_of_a_file(tmp_path: Path) -> None:
    network = _random(ResShiftUNet(SMALL))
    state = {
        key: value.half() for key, value in network.state_dict().items() if not key.endswith(DERIVED_BUFFERS)
    }
    save_file(state, tmp_path / "w.safetensors")
    loaded = load_unet(tmp_path / "w.safetensors", SMALL)
    x = torch.randn(1, 3, 8, 8)
    with torch.inference_mode():
        torch.testing.assert_close(
            loaded(x, torch.tensor([1]), x), network(x, torch.tensor([1]), x), atol=0.05, rtol=0.05
        )
    with pytest.raises(MethodError, match=r"w\.safetensors: lacks|w\.safetensors: .* is \["):
        load_unet(tmp_path / "w.safetensors", PLATE)


def test_what_it_cannot_do_is_clear() -> None:
    network = ResShiftUNet(SMALL)
    x, step = torch.randn(1, 3, 16, 16), torch.tensor([0])
    with pytest.raises(MethodError, match="multiples of 8"):
        network(torch.randn(1, 3, 16, 20), step, x)
    with pytest.raises(MethodError, match=r"condition \[1, 3, 16, 32\], needs \[1, 3, 16, 16\]"):
        network(x, step, torch.randn(1, 3, 16, 32))
    with pytest.raises(MethodError, match=r"step \[2\], needs \[1\]"):
        network(x, torch.tensor([0, 1]), x)
    for wrong, message in (
        ({"num_res_blocks": (1, 1, 1)}, "as many levels"),
        ({"model_channels": 20}, "multiple of 32"),
        ({"num_head_channels": -1, "num_heads": 3}, "heads must divide"),
        ({"lq_size": 48}, "power of two"),
    ):
        with pytest.raises(ValidationError, match=message):
            ResShiftUNetConfig(**{**SMALL.model_dump(), **wrong})
