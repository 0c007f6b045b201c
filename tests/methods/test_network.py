"""Networks as methods: what they see, and that batched numerics stay close to the exact ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from conftest import LEARNED
from torch import Tensor, nn

from mdlp_bench.device import EXACT, Compute
from mdlp_bench.errors import MethodError
from mdlp_bench.methods import FrameBatch, MethodDescriptor, load_method, registered_methods
from mdlp_bench.methods.network import NetworkMethod

BATCHED = Compute("cpu", "fp32", "batched")


def batch_of(count: int, compute: Compute) -> FrameBatch:
    rng = np.random.default_rng(4)
    native = [
        tuple(
            rng.integers(0, 256, (20 + 3 * i, 40 + 5 * i, 3), dtype=np.uint8) for i in range(1 + number % 4)
        )
        for number in range(count)
    ]
    return FrameBatch(tuple(f"s{i}" for i in range(count)), tuple(native), seed=5, compute=compute)


class Mean(nn.Module):
    """The mean of the frames; remembers how many samples it was called with."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def forward(self, frames: Tensor) -> Tensor:
        self.sizes.append(len(frames))
        return frames.mean(1)


def describe(**changes: object) -> MethodDescriptor:
    return MethodDescriptor.model_validate({"name": "mean", "title": "Mean", **changes})


def test_exact_numerics_call_sample_by_sample_and_batched_ones_once() -> None:
    network = Mean()
    method = NetworkMethod(describe(), network)
    exact = method.restore_batch(batch_of(5, EXACT))
    assert network.sizes == [1] * 5
    batched = method.restore_batch(batch_of(5, BATCHED))
    assert network.sizes[5:] == [5]
    wanted = batch_of(5, EXACT).frames(3).astype(float).mean(1)
    for restored in (exact, batched):
        assert restored.shape == (5, 112, 224, 3) and np.abs(restored - wanted).max() <= 0.51
    assert method.network is network and not network.training


def test_each_sample_has_its_seed_and_outputs_of_any_size_and_range_are_accepted() -> None:
    def restore(network: nn.Module, frames: Tensor, seeds: Sequence[int]) -> Tensor:
        return torch.stack([torch.full((3, 28, 56), 3.0 * (-1) ** (seed % 2)) for seed in seeds])

    batch = batch_of(6, BATCHED)
    method = NetworkMethod(describe(), nn.Identity(), restore)
    restored = method.restore_batch(batch)
    assert restored.shape == (6, 112, 224, 3)
    assert [int(image.min()) for image in restored] == [0 if seed % 2 else 255 for seed in batch.seeds]
    assert np.array_equal(restored, method.restore_batch(batch_of(6, EXACT)))


def test_short_precision_reaches_the_network() -> None:
    found = []

    def restore(network: nn.Module, frames: Tensor, seeds: Sequence[int]) -> Tensor:
        found.append((frames.dtype, network(frames[:, 0]).dtype))
        return frames[:, 0]

    method = NetworkMethod(describe(), nn.Conv2d(3, 3, 1), restore)
    method.restore_batch(batch_of(2, Compute("cpu", "bf16", "batched")))
    method.restore_batch(batch_of(2, BATCHED))
    assert found == [(torch.float32, torch.bfloat16), (torch.float32, torch.float32)]


class Converted(nn.Conv2d):
    """Converts its weights where other networks only move them."""

    def to(self, device: Any) -> Any:  # type: ignore[override]
        return super().to(device, torch.float64)

    def forward(self, frames: Tensor) -> Tensor:
        return super().forward(frames[:, 0].double())


def test_a_network_can_be_trained_after_it_has_restored() -> None:
    for compute in (EXACT, BATCHED):
        network = Converted(3, 3, 1)
        NetworkMethod(describe(), network).restore_batch(batch_of(1, compute))
        torch.autograd.backward(network(torch.rand(1, 1, 3, 8, 8)).sum())


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (lambda frames: {"restored": frames}, "gives a dict, must give"),
        (
            lambda frames: frames,
            r"gives float32 \[1, 3, 3, 112, 224\], must give floating point \[1, 3, H, W\]",
        ),
        (lambda frames: frames[:, 0, :1], r"gives float32 \[1, 1, 112, 224\]"),
        (lambda frames: frames[0], r"gives float32 \[3, 3, 112, 224\]"),
        (lambda frames: frames[:, 0].byte(), "gives uint8"),
    ],
)
def test_what_is_no_restored_image_is_named(made: Any, says: str) -> None:
    method = NetworkMethod(describe(), nn.Identity(), lambda network, frames, seeds: made(frames))
    with pytest.raises(MethodError, match=says):
        method.restore_batch(batch_of(1, EXACT))


def test_values_that_are_not_finite_are_an_error_of_the_sample() -> None:
    network = nn.Conv2d(3, 3, 1).requires_grad_(False)
    network.bias.fill_(torch.inf)  # type: ignore[union-attr]
    method = NetworkMethod(describe(frames_used=1), network, lambda net, frames, seeds: net(frames[:, 0]))
    with pytest.raises(MethodError, match=r"its network gives values that are not finite$"):
        method.restore_batch(batch_of(1, EXACT))
    with pytest.raises(MethodError, match="bf16 may be too short for it, use fp32"):
        method.restore_batch(batch_of(1, Compute("cpu", "bf16", "batched")))


@pytest.mark.parametrize("name", LEARNED)
def test_batched_numerics_differ_by_one_grey_level_at_most(name: str) -> None:
    method = load_method(name)
    assert name in registered_methods() and isinstance(method, NetworkMethod)
    exact, batched = (method.restore_batch(batch_of(3, compute)) for compute in (EXACT, BATCHED))
    apart = np.abs(exact.astype(int) - batched)
    assert (apart <= 1).mean() >= 0.999
