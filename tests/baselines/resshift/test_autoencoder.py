from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from baselines.resshift.autoencoder import AutoencoderConfig, VqAutoencoder, load_autoencoder
from mdlp_bench.errors import MethodError

if TYPE_CHECKING:
    from pathlib import Path

SMALL = AutoencoderConfig(ch=32, ch_mult=(1, 2), num_res_blocks=1, n_embed=16)
State = dict[str, Tensor]


def _conv(state: State, name: str, x: Tensor, stride: int = 1, padding: int | None = None) -> Tensor:
    weight = state[f"{name}.weight"]
    padding = weight.shape[-1] // 2 if padding is None else padding
    return F.conv2d(x, weight, state[f"{name}.bias"], stride, padding)


def _norm(state: State, name: str, x: Tensor) -> Tensor:
    return F.group_norm(x, 32, state[f"{name}.weight"], state[f"{name}.bias"], 1e-6)


def _block(state: State, name: str, x: Tensor) -> Tensor:
    h = _conv(state, f"{name}.conv1", F.silu(_norm(state, f"{name}.norm1", x)))
    h = _conv(state, f"{name}.conv2", F.silu(_norm(state, f"{name}.norm2", h)))
    short = f"{name}.nin_shortcut"
    return h + (_conv(state, short, x) if f"{short}.weight" in state else x)


def _middle(state: State, name: str, x: Tensor) -> Tensor:
    x = _block(state, f"{name}.block_1", x)
    h = _norm(state, f"{name}.attn_1.norm", x)
    query, key, value = (_conv(state, f"{name}.attn_1.{part}", h).flatten(2) for part in "qkv")
    weights = torch.softmax(query.transpose(1, 2) @ key / query.shape[1] ** 0.5, dim=-1)
    attended = (value @ weights.transpose(1, 2)).view(x.shape)
    return _block(state, f"{name}.block_2", x + _conv(state, f"{name}.attn_1.proj_out", attended))


def _encode(state: State, x: Tensor) -> Tensor:
    h = _block(state, "encoder.down.0.block.0", _conv(state, "encoder.conv_in", x))
    h = _conv(state, "encoder.down.0.downsample.conv", F.pad(h, (0, 1, 0, 1)), stride=2, padding=0)
    h = _middle(state, "encoder.mid", _block(state, "encoder.down.1.block.0", h))
    h = _conv(state, "encoder.conv_out", F.silu(_norm(state, "encoder.norm_out", h)))
    return _conv(state, "quant_conv", h)


def _decode(state: State, codes: Tensor) -> Tensor:
    h = _conv(state, "decoder.conv_in", _conv(state, "post_quant_conv", codes))
    h = _middle(state, "decoder.mid", h)
    for index in (0, 1):
        h = _block(state, f"decoder.up.1.block.{index}", h)
    h = _conv(state, "decoder.up.1.upsample.conv", F.interpolate(h, scale_factor=2.0, mode="nearest"))
    for index in (0, 1):
        h = _block(state, f"decoder.up.0.block.{index}", h)
    return _conv(state, "decoder.conv_out", F.silu(_norm(state, "decoder.norm_out", h)))


@pytest.fixture(scope="module")
def network() -> VqAutoencoder:
    torch.manual_seed(0)
    network = VqAutoencoder(SMALL)
    for parameter in network.parameters():
        parameter.data = torch.randn_like(parameter) * 0.2
    return network.eval()


def test_the_official_model_has_the_official_size_and_names() -> None:
    with torch.device("meta"):
        official = VqAutoencoder()
    assert sum(parameter.numel() for parameter in official.parameters()) == 55_322_782
    assert official.factor == 4
    shapes = {key: tuple(value.shape) for key, value in official.state_dict().items()}
    for key, shape in {
        "encoder.down.1.block.0.nin_shortcut.weight": (256, 128, 1, 1),
        "encoder.down.1.downsample.conv.weight": (256, 256, 3, 3),
        "encoder.mid.attn_1.proj_out.bias": (512,),
        "encoder.conv_out.weight": (3, 512, 3, 3),
        "decoder.up.0.block.0.nin_shortcut.weight": (128, 256, 1, 1),
        "decoder.up.2.block.2.conv2.weight": (512, 512, 3, 3),
        "decoder.up.2.upsample.conv.weight": (512, 512, 3, 3),
        "quantize.embedding.weight": (8192, 3),
        "quant_conv.weight": (3, 3, 1, 1),
        "post_quant_conv.bias": (3,),
    }.items():
        assert shapes[key] == shape
    assert "decoder.up.0.upsample.conv.weight" not in shapes
    assert "encoder.down.2.downsample.conv.weight" not in shapes


def test_it_computes_what_its_keys_say(network: VqAutoencoder) -> None:
    state = network.state_dict()
    image = torch.rand(2, 3, 8, 20) * 2 - 1
    with torch.inference_mode():
        latent = network.encode(image)
        torch.testing.assert_close(latent, _encode(state, image), atol=1e-4, rtol=1e-4)
        assert latent.shape == (2, 3, 4, 10)
        codes = network.nearest_codes(latent)
        torch.testing.assert_close(network.decode(latent), _decode(state, codes), atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(
            network.decode(latent)[1:], network.decode(latent[1:]), atol=1e-4, rtol=1e-4
        )


def test_codes_are_the_nearest(network: VqAutoencoder) -> None:
    latent = torch.randn(2, 3, 3, 5)
    with torch.inference_mode():
        codes = network.nearest_codes(latent)
    book = network.quantize.embedding.weight
    for b in range(2):
        for i in range(3):
            for j in range(5):
                distances = (book - latent[b, :, i, j]).square().sum(1)
                assert torch.equal(codes[b, :, i, j], book[distances.argmin()])


def test_round_trip_and_errors(network: VqAutoencoder, tmp_path: Path) -> None:
    torch.save({"state_dict": network.state_dict()}, tmp_path / "vq.pth")
    loaded = load_autoencoder(tmp_path / "vq.pth", SMALL)
    image = torch.rand(1, 3, 4, 6)
    with torch.inference_mode():
        assert torch.equal(loaded.encode(image), network.encode(image))
    with pytest.raises(MethodError, match=r"vq\.pth"):
        load_autoencoder(tmp_path / "vq.pth", AutoencoderConfig(ch=32))
    with pytest.raises(MethodError, match="multiples of 2"):
        network.encode(torch.rand(1, 3, 5, 6))
