"""DFM is a convex fusion of streams by three true statistics."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from baselines.lp_diff.dfm import DFM, MeanFusion, fusion, pool
from baselines.lp_diff.released import ReleasedDFM


def _streams(count: int, seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(3, 8, 6, 10, generator=generator) for _ in range(count)]


@pytest.mark.parametrize("count", [2, 3, 4])
def test_weights_sum_to_one_over_the_streams(count: int) -> None:
    torch.manual_seed(0)
    module = DFM(8, count)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    streams = _streams(count)
    weights = torch.stack(module.weights(streams))
    assert weights.shape == (count, *streams[0].shape)
    torch.testing.assert_close(weights.sum(0), torch.ones_like(streams[0]))
    assert weights.min() > 0
    assert weights.std() > 0.05
    fused, stack = module(streams), torch.stack(streams)
    assert (fused <= stack.amax(0) + 1e-5).all()
    assert (fused >= stack.amin(0) - 1e-5).all()
    same = [streams[0]] * count
    torch.testing.assert_close(module(same), streams[0])


@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize("shape", [(2, 7, 9), (2, 8, 10)])
def test_statistics_are_mean_maximum_and_true_median(shape: tuple[int, ...], dim: int) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    average, largest, middle = pool(x, dim).numpy()
    np.testing.assert_allclose(average, x.numpy().mean(dim))
    np.testing.assert_array_equal(largest, x.numpy().max(dim))
    np.testing.assert_array_equal(middle, np.quantile(x.numpy(), 0.5, axis=dim, method="lower"))
    assert torch.autograd.gradcheck(lambda y: pool(y, dim), (x.requires_grad_(),))


def test_the_median_ignores_an_outlier_and_the_released_one_is_a_maximum() -> None:
    x = torch.zeros(1, 1, 9)
    x[..., 4] = 100
    assert pool(x, 2)[2].item() == 0
    torch.manual_seed(0)
    released = ReleasedDFM()
    path = released.channel_attention
    streams = _streams(2)
    before = path(*streams)
    with torch.no_grad():
        # Moving weight from the "median" statistic to the maximum changes nothing: they are the same.
        for layer in (path.channel_conv1, path.channel_conv2):
            layer.weight[:, 1] += layer.weight[:, 2]
            layer.weight[:, 2] = 0
    torch.testing.assert_close(path(*streams), before)


def test_released_weights_sum_to_four() -> None:
    torch.manual_seed(0)
    ones = torch.ones(2, 64, 5, 7)
    torch.testing.assert_close(ReleasedDFM()(ones, ones), 4 * ones)


def test_without_dfm_the_mean_is_taken() -> None:
    streams = _streams(3)
    module = fusion(8, 3, dfm=False)
    assert isinstance(module, MeanFusion)
    torch.testing.assert_close(module(streams), sum(streams) / 3)
