"""ICAM finds where the earlier frame shows what the later one shows."""

from __future__ import annotations

import pytest
import torch

from baselines.lp_diff.icam import ICAM, PairConv
from baselines.lp_diff.released import ReleasedCrossAttention


@pytest.mark.parametrize("dfm", [True, False])
@pytest.mark.parametrize("shift", [(0, 0), (1, 2), (-2, 3), (0, -4)])
def test_attention_of_a_shifted_frame_lies_at_the_shift(shift: tuple[int, int], dfm: bool) -> None:
    torch.manual_seed(0)
    height, width = 7, 14
    earlier = torch.randn(2, 64, height, width)
    later = earlier.roll(shift, (2, 3))
    with torch.no_grad():
        attention = ICAM(64, dfm=dfm).attention(earlier, later)
    assert attention.shape == (2, height * width, height * width)
    torch.testing.assert_close(attention.sum(-1), torch.ones(2, height * width))
    place = torch.arange(height * width).view(height, width).roll(shift, (0, 1)).flatten()
    found = attention.argmax(-1) == place
    assert found.float().mean() > 0.95
    assert attention[:, torch.arange(height * width), place].mean() > 0.5


def test_fusion_equals_its_equation() -> None:
    torch.manual_seed(1)
    module = ICAM(16, dfm=True)
    earlier, later = torch.randn(2, 2, 16, 4, 6)
    with torch.no_grad():
        source, target = earlier.flatten(2).mT, later.flatten(2).mT
        query, value = module.query(target), module.value(source)
        expected = module.out(module.attention(earlier, later) @ value + query)
        expected = expected.mT.reshape(earlier.shape) + earlier
        torch.testing.assert_close(module(earlier, later), expected)


def test_filter_leaves_query_and_key_alone_where_its_weights_are_even() -> None:
    torch.manual_seed(2)
    filtered, plain = ICAM(16, dfm=True), ICAM(16, dfm=False)
    plain.load_state_dict(filtered.state_dict(), strict=False)
    earlier, later = torch.randn(2, 2, 16, 4, 6)
    with torch.no_grad():
        assert not torch.allclose(filtered.attention(earlier, later), plain.attention(earlier, later))
        for parameter in filtered.filter.parameters():
            parameter.zero_()
        torch.testing.assert_close(filtered(earlier, later), plain(earlier, later))


def test_without_icam_a_place_sees_only_itself() -> None:
    module = PairConv(8)
    earlier, later = torch.randn(2, 1, 8, 4, 6)
    before = module(earlier, later)
    earlier[..., 0, 0] += 1
    changed = (module(earlier, later) - before).abs().sum(1)[0] > 0
    assert changed.sum() == 1
    assert changed[0, 0]


def test_the_released_layer_has_eight_heads_and_no_filter() -> None:
    names = {name.split(".")[0] for name, _ in ReleasedCrossAttention().named_parameters()}
    assert names == {"q_linear", "k_linear", "v_linear", "out_linear", "norm1", "norm2", "fc1", "fc2"}
    assert ReleasedCrossAttention.heads == 8
