"""The conditioning network: frames, ablations, sizes."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from baselines.lp_diff.conditioner import Conditioner
from baselines.lp_diff.dfm import DFM
from baselines.lp_diff.encoder import Decoder, Encoder
from baselines.lp_diff.icam import ICAM, PairConv
from baselines.lp_diff.network import LPDiff, LPDiffConfig
from baselines.lp_diff.tem import TEM
from mdlp_bench.errors import MethodError

_TINY = {"widths": (8, 8, 16, 16), "inner_channels": 8, "channel_mults": (1, 2)}


def _model(**changes: object) -> LPDiff:
    torch.manual_seed(0)
    return LPDiff(LPDiffConfig.preset("small", **{**_TINY, **changes}))


@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("icam", [True, False])
def test_every_frame_counts_and_their_order_too(count: int, icam: bool) -> None:
    model = _model(n_frames=count, icam=icam).eval()
    frames = torch.rand(2, count, 3, 32, 64) * 2 - 1
    frames.requires_grad_()
    psi = model.condition(frames)
    assert psi.shape == (2, 3, 32, 64)
    psi[0].square().sum().backward()
    reached = frames.grad.abs().sum((2, 3, 4))
    assert (reached[0] > 0).all()
    assert (reached[1] == 0).all()
    if count > 1:
        assert not torch.allclose(model.condition(frames.flip(1)), psi)


def test_pairs_are_consecutive_frames() -> None:
    model = _model(n_frames=4, icam=False)
    seen = []
    for pair in model.MTA.pairs:
        pair.register_forward_pre_hook(lambda _, inputs: seen.append(inputs))
    model.condition(torch.rand(1, 4, 3, 32, 64))
    assert len(seen) == 3
    for (_, later), (earlier, _) in pairwise(seen):
        assert torch.equal(later, earlier)


@pytest.mark.parametrize("size", [(16, 16), (112, 224), (48, 160)])
def test_sizes_divisible_by_sixteen(size: tuple[int, int]) -> None:
    model = _model()
    assert model.config.size_divisor == 16
    frames = torch.rand(1, 3, 3, *size)
    assert model.condition(frames).shape == (1, 3, *size)
    assert model.predict(frames[:, 0], torch.ones(1) / 2, frames[:, 0], frames).shape == (1, 3, *size)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 3, 3, 112, 220), "multiples of 16, not 112 x 220"),
        ((1, 3, 3, 24, 64), "multiples of 16, not 24 x 64"),
        ((1, 2, 3, 32, 64), "fuses 3 frames, but got 2"),
        ((3, 3, 32, 64), r"takes frames \[batch, frames, 3, height, width\], not \[3, 3, 32, 64\]"),
        ((1, 3, 1, 32, 64), r"not \[1, 3, 1, 32, 64\]"),
    ],
)
def test_other_shapes_are_refused_in_one_line(shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(MethodError, match=message):
        _model().condition(torch.zeros(shape))


def test_ablations_take_out_what_they_name() -> None:
    def kinds(**changes: object) -> set[type]:
        return {type(part) for part in _model(**changes).MTA.modules()}

    assert {ICAM, TEM, DFM} <= kinds()
    assert ICAM not in kinds(icam=False)
    assert PairConv in kinds(icam=False)
    assert TEM not in kinds(tem=False)
    assert DFM not in kinds(dfm=False)
    full = sum(p.numel() for p in _model().parameters())
    assert sum(p.numel() for p in _model(tem=False).parameters()) == full


@pytest.mark.parametrize("changes", [{}, {"icam": False}, {"tem": False}, {"dfm": False}, {"n_frames": 1}])
def test_no_parameter_is_dead(changes: dict[str, object]) -> None:
    model = _model(**changes)
    with torch.no_grad():
        for parameter in model.denoise_fn.final_conv.parameters():
            parameter.normal_(std=0.1)
    frames = torch.rand(2, model.config.n_frames, 3, 32, 64)
    losses = model.training_losses(frames, frames[:, 0])
    (losses.noise + losses.psi).sum().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum()] == []


def test_side_branch_carries_the_first_stage() -> None:
    torch.manual_seed(0)
    encoder, decoder = Encoder((8, 8, 16, 16), dfm=True), Decoder((8, 8, 16, 16), dfm=True)
    frames = torch.rand(1, 3, 32, 64)
    features = encoder(frames)
    assert features.shape == (1, 16, 2, 4)
    assert decoder(features).shape == frames.shape
    for part, run in ((encoder, lambda: encoder(frames)), (decoder, lambda: decoder(features))):
        before = run()
        with torch.no_grad():
            next(part.side_out.parameters()).zero_()
        assert not torch.allclose(run(), before)


def test_a_configuration_makes_one_network() -> None:
    conditioner = Conditioner(LPDiffConfig.preset("paper"))
    assert conditioner.encoder.stages[-1][0].out_channels == 64
    sizes = {
        size: sum(p.numel() for p in LPDiff(LPDiffConfig.preset(size)).parameters())
        for size in ("small", "base")
    }
    assert 2e6 < sizes["small"] < 4e6
    assert 20e6 < sizes["base"] < 30e6


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"widht": 3}, "widht: Extra inputs"),
        ({"n_frames": 0}, "n_frames: "),
        ({"inner_channels": 20}, "norm_groups=8 does not divide inner_channels=20"),
        ({"beta_start": 0.5}, "beta_start=0.5 exceeds"),
        ({"unshuffle": 3}, "unshuffle: "),
    ],
)
def test_wrong_configurations_are_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(MethodError, match=message) as error:
        LPDiffConfig.preset("small", **changes)
    assert "\n" not in str(error.value)
