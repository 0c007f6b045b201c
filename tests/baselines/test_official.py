"""Official checkpoints that a user has, as methods."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from baselines import official
from baselines.hat import HatConfig, build_hat
from baselines.lp_diff.config import LPDiffConfig
from baselines.lp_diff.network import LPDiff
from baselines.real_esrgan.networks import CompactConfig, build_compact
from baselines.resshift.autoencoder import AutoencoderConfig, VqAutoencoder
from baselines.resshift.unet import ResShiftUNet, ResShiftUNetConfig
from mdlp_bench.errors import MethodError, MissingWeightsError
from mdlp_bench.methods import FrameBatch, load_method

UNET = ResShiftUNetConfig(
    image_size=16,
    model_channels=32,
    num_res_blocks=1,
    attention_resolutions=(8,),
    channel_mult=(1, 1),
    num_head_channels=32,
    swin_embed_dim=32,
    lq_size=16,
)
CODER = AutoencoderConfig(ch=32, ch_mult=(1, 1, 1), num_res_blocks=1, n_embed=16)


@pytest.fixture
def batch() -> FrameBatch:
    rng = np.random.default_rng(1)
    frames = tuple(rng.integers(0, 256, (14 + n, 40, 3), dtype=np.uint8) for n in range(3))
    return FrameBatch(("a", "b"), (frames, frames[::-1]), seed=3)


@pytest.mark.parametrize("upscale", [2, 4])
def test_real_esrgan_of_any_enlargement(upscale: int, tmp_path: Path, batch: FrameBatch) -> None:
    path = tmp_path / f"Real_x{upscale}.pth"
    network = build_compact(CompactConfig(num_feat=8, num_conv=1, upscale=upscale))
    torch.save({"params": network.state_dict()}, path)
    method = official.real_esrgan(path, frame="mean")
    assert method.descriptor.name == f"real_x{upscale}"
    assert (method.descriptor.provenance, method.descriptor.licence) == ("official", "BSD-3-Clause")
    assert method.descriptor.frame_policy == "the mean of the first five"
    restored = method.restore_batch(batch)
    assert restored.shape == (2, 112, 224, 3)
    assert np.array_equal(method.restore_batch(batch.single(1))[0], restored[1])


def test_hat_and_a_file_of_ones_own(tmp_path: Path, batch: FrameBatch) -> None:
    config = HatConfig(embed_dim=24, depths=(2,), num_heads=(2,), window_size=4, squeeze_factor=12)
    torch.save({"params_ema": build_hat(config).state_dict()}, tmp_path / "HAT-mine.pth")
    script = tmp_path / "mine.py"
    script.write_text(
        "from pathlib import Path\nfrom baselines.official import hat\n"
        f"method = hat(Path({str(tmp_path / 'HAT-mine.pth')!r}))\n"
    )
    method = load_method(f"{script}:method")
    assert method.descriptor.name == "hat-mine"
    assert method.restore_batch(batch).shape == (2, 112, 224, 3)  # type: ignore[union-attr]
    with pytest.raises(MethodError, match="not a checkpoint of"):
        official.real_esrgan(tmp_path / "HAT-mine.pth")


def test_an_error_names_the_function_that_opens_the_checkpoint(tmp_path: Path) -> None:
    hat = build_hat(HatConfig(embed_dim=24, depths=(2,), num_heads=(2,), window_size=4, squeeze_factor=12))
    compact = build_compact(CompactConfig(num_feat=8, num_conv=1, upscale=2))
    one = torch.ones(1)
    for method, state, function in (
        ("hat", {"params_ema": hat.state_dict()}, "hat"),
        ("real-esrgan", {"params": compact.state_dict()}, "real_esrgan"),
        ("real-esrgan", {"conv_first.weight": one, "body.0.rdb1.conv1.weight": one}, "real_esrgan"),
        ("lpdgan", {"module.swin_unet.patch_embed.proj.weight": one}, "lpdgan"),
        ("lp-diff", {"denoise_fn.downs.0.weight": one, "betas": one}, "lp_diff"),
        ("resshift", {"input_blocks.0.0.weight": one}, "resshift"),
    ):
        path = tmp_path / f"{method}.pth"
        torch.save(state, path)
        with pytest.raises(MethodError, match=rf"code, which baselines\.official\.{function} makes a method"):
            load_method(f"{method}={path}")
        assert callable(getattr(official, function))
        torch.save({"other.weight": one}, path)
        with pytest.raises(MethodError) as caught:
            load_method(f"{method}={path}")
        assert "baselines.official" not in str(caught.value)


def test_lp_diff_of_its_authors_code(tmp_path: Path, batch: FrameBatch) -> None:
    changes = {"inner_channels": 8, "norm_groups": 8, "channel_mults": (1,), "attention_resolutions": ()}
    network = LPDiff(LPDiffConfig.preset("paper", "released", res_blocks=1, **changes))
    torch.save({"generator": network.state_dict()}, tmp_path / "I10_E1_gen.pth")
    method = official.lp_diff(tmp_path / "I10_E1_gen.pth", steps=1, norm_groups=8)
    assert (method.descriptor.name, method.descriptor.frames_used) == ("i10_e1_gen", 3)
    restored = method.restore_batch(batch)
    assert restored.shape == (2, 112, 224, 3)
    assert np.array_equal(method.restore_batch(batch.single(1))[0], restored[1])
    quantised = {name: tensor.int() for name, tensor in network.state_dict().items()}
    torch.save(quantised, tmp_path / "int.pth")
    with pytest.raises(MethodError):
        official.lp_diff(tmp_path / "int.pth", norm_groups=8)


def test_integers_are_no_weights_of_official_networks(tmp_path: Path) -> None:
    state = build_compact(CompactConfig(num_feat=4, num_conv=1, upscale=2)).state_dict()
    torch.save({name: tensor.int() for name, tensor in state.items()}, tmp_path / "int.pth")
    with pytest.raises(MethodError, match="is int32, the network has float32"):
        official.real_esrgan(tmp_path / "int.pth")


def test_resshift_restores_latent_codes(tmp_path: Path, batch: FrameBatch) -> None:
    torch.manual_seed(0)
    torch.save(ResShiftUNet(UNET).state_dict(), tmp_path / "unet.pth")
    coder = {**VqAutoencoder(CODER).state_dict(), "loss.perceptual.weight": torch.ones(1)}
    torch.save({"state_dict": coder}, tmp_path / "vq.pth")
    with pytest.raises(MissingWeightsError):
        official.resshift(tmp_path / "unet.pth", tmp_path / "absent.pth", config=UNET)
    method = official.resshift(
        tmp_path / "unet.pth", tmp_path / "vq.pth", config=UNET, autoencoder_config=CODER
    )
    assert not method.descriptor.deterministic
    restored = method.restore_batch(batch)
    assert restored.shape == (2, 112, 224, 3)
    assert np.array_equal(method.restore_batch(batch.single(1))[0], restored[1])


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {f"module.{k}": v for k, v in state.items()},
        lambda state: {"params_ema": {f"_orig_mod.{k}": v for k, v in state.items()}},
        lambda state: {
            "state_dict": {f"generator_ema.{k}": v for k, v in state.items()} | {"step": torch.ones(1)}
        },
        lambda state: {"state_dict": {f"model.{k}": v for k, v in state.items()}, "epoch": 3},
    ],
)
def test_prefixes_of_trainers_and_compilers_come_off(
    wrap: Callable[..., object], tmp_path: Path, batch: FrameBatch
) -> None:
    state = build_compact(CompactConfig(num_feat=4, num_conv=1, upscale=2)).state_dict()
    torch.save(state, tmp_path / "plain.pth")
    torch.save(wrap(state), tmp_path / "wrapped.pth")
    plain, wrapped = (official.real_esrgan(tmp_path / f"{name}.pth") for name in ("plain", "wrapped"))
    assert np.array_equal(plain.restore_batch(batch), wrapped.restore_batch(batch))
    state["body.0.bias"][0] = torch.nan
    torch.save(wrap(state), tmp_path / "nan.pth")
    with pytest.raises(MethodError, match="not finite"):
        official.real_esrgan(tmp_path / "nan.pth")
