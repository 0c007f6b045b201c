from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import torch
from pydantic import ValidationError

from baselines.resdiff.splitter import FrequencySplitter
from baselines.resdiff.unet import PLATE, ResDiffUNet, ResDiffUNetConfig
from mdlp_bench.errors import MethodError

if TYPE_CHECKING:
    from pathlib import Path

SMALL = ResDiffUNetConfig(
    inner_channel=8,
    norm_groups=4,
    channel_mults=(1, 2, 2),
    attn_res=(8,),
    res_blocks=1,
    dropout=0.0,
    image_size=32,
    guided_levels=2,
)


def test_it_agrees_with_the_reference(parity) -> None:
    vectors = parity("resdiff")
    network = ResDiffUNet(ResDiffUNetConfig(**vectors.config)).eval()
    vectors.check_keys(network)
    vectors.fill(network.state_dict())
    with torch.inference_mode():
        out = network(vectors.tensors["in_x"], vectors.tensors["in_nl"])
    assert (out - vectors.tensors["out"]).abs().max() < 1e-4


def test_the_released_configuration_has_the_released_keys(parity_dir: Path) -> None:
    released = json.loads((parity_dir / "resdiff" / "keys_released_config.json").read_text())
    with torch.device("meta"):
        network = ResDiffUNet()
    assert {key: list(value.shape) for key, value in network.state_dict().items()} == released
    assert sum(parameter.numel() for parameter in network.parameters()) == 98_871_334
    assert sum(parameter.numel() for parameter in network.fd_spliter.parameters()) == 8_419
    assert sum(parameter.numel() for parameter in network.hf_ca_list.parameters()) == 1_050_240


@pytest.mark.parametrize("unshuffle", [1, 2])
@pytest.mark.parametrize("size", [(32, 32), (16, 32), (32, 16), (8, 56), (8, 8)])
def test_any_size_and_independent_samples(size: tuple[int, int], unshuffle: int) -> None:
    torch.manual_seed(0)
    network = ResDiffUNet(SMALL.model_copy(update={"unshuffle": unshuffle, "orthonormal": True})).eval()
    assert network.size_multiple == 4 * unshuffle
    batch, levels = torch.randn(3, 6, *size), torch.tensor([[0.1], [0.6], [0.99]])
    with torch.inference_mode():
        together = network(batch, levels)
        alone = torch.cat([network(batch[i : i + 1], levels[i : i + 1]) for i in range(3)])
    assert together.shape == (3, 3, *size)
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)


def test_the_plate_configuration_runs_at_the_working_size() -> None:
    network = ResDiffUNet(PLATE).eval()
    assert sum(parameter.numel() for parameter in network.parameters()) == 2_035_571
    with torch.inference_mode():
        out = network(torch.randn(1, 6, 112, 224), torch.tensor([[0.5]]))
    assert out.shape == (1, 3, 112, 224)
    assert out.isfinite().all()


def test_every_part_learns() -> None:
    network = ResDiffUNet(SMALL).train()
    network(torch.randn(2, 6, 16, 32), torch.rand(2, 1)).square().mean().backward()
    idle = [name for name, parameter in network.named_parameters() if parameter.grad is None]
    assert idle == []


def test_an_untrained_residual_predictor_changes_nothing() -> None:
    network = ResDiffUNet(PLATE).eval()
    with torch.inference_mode():
        assert (network(torch.randn(1, 6, 112, 224), torch.tensor([[0.5]])) == 0).all()


def test_scaled_noise_is_hardly_seen_where_all_is_noise() -> None:
    torch.manual_seed(0)
    plain, scaled = ResDiffUNet(SMALL), ResDiffUNet(SMALL.model_copy(update={"scale_noisy": True}))
    scaled.load_state_dict(plain.state_dict())
    prediction, noisy = torch.rand(1, 3, 16, 32), torch.randn(1, 3, 16, 32)
    level = torch.tensor([[0.007]])
    with torch.inference_mode():
        out = scaled.eval()(torch.cat([prediction, noisy], 1), level)
        same = plain.eval()(torch.cat([prediction, 0.007 * noisy], 1), level)
        unseen = plain(torch.cat([prediction, 0 * noisy], 1), level)
        drawn = plain(torch.cat([prediction, noisy], 1), level)
    torch.testing.assert_close(out, same)
    assert (out - unseen).abs().mean() < 0.1 * (drawn - unseen).abs().mean()


def test_orthonormal_spectra_keep_the_images_scale() -> None:
    """By Parseval; undivided, the mean alone is thousands of times an image's values."""
    torch.manual_seed(0)
    prediction = torch.full((1, 3, 112, 224), 0.5) + 0.1 * torch.randn(1, 3, 112, 224)
    noisy, embedding = torch.randn(1, 3, 112, 224), torch.randn(1, 8)
    largest, kept = [], []
    for orthonormal in (False, True):
        torch.manual_seed(1)
        splitter = FrequencySplitter(8, 224, orthonormal=orthonormal)
        with torch.inference_mode():
            out = splitter(prediction, noisy, embedding)
        largest.append(float(out.abs().max()))
        kept.append(out[:, [*range(6), *range(12, 15)]])
    torch.testing.assert_close(kept[0][:, :6], kept[1][:, :6])
    assert largest[0] > 1000 and largest[1] < 200


def test_the_splitter_separates_frequencies() -> None:
    torch.manual_seed(0)
    splitter = FrequencySplitter(8, 32).eval()
    flat = torch.full((1, 3, 16, 32), 0.5)
    noisy = torch.randn(1, 3, 16, 32)
    with torch.inference_mode():
        out = splitter(flat, noisy, torch.randn(1, 8))
    kept, prediction, denoised, _, high = out.split(3, dim=1)
    assert torch.equal(kept, noisy)
    assert torch.equal(prediction, flat)
    # The gain is one number a column.
    gain = denoised / noisy
    torch.testing.assert_close(gain, gain[:, :, :1].expand_as(gain), atol=1e-4, rtol=1e-4)
    assert (high >= 0).all()


def test_what_it_cannot_do_is_clear() -> None:
    network = ResDiffUNet(SMALL)
    with pytest.raises(MethodError, match="multiples of 4"):
        network(torch.randn(1, 6, 10, 32), torch.rand(1, 1))
    with pytest.raises(MethodError, match=r"needs \[B, 6, H, W\]"):
        network(torch.randn(1, 3, 8, 8), torch.rand(1, 1))
    with pytest.raises(MethodError, match=r"noise level \[2\]"):
        network(torch.randn(2, 6, 8, 8), torch.rand(2))
    with pytest.raises(ValidationError, match="norm_groups must divide"):
        ResDiffUNetConfig(inner_channel=16)
    with pytest.raises(ValidationError, match="guided_levels"):
        ResDiffUNetConfig(channel_mults=(1,) * 6)
