from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.resdiff.cnn import SimpleCnn, cnn_loss, fft_loss, haar_loss
from baselines.resdiff.wavelet import haar_details
from mdlp_bench.errors import MethodError


def test_the_cnn_agrees_with_the_reference(parity) -> None:
    vectors = parity("resdiff_cnn")
    network = SimpleCnn(**vectors.config).eval()
    vectors.check_keys(network)
    vectors.fill(network.state_dict())
    with torch.inference_mode():
        out = network(vectors.tensors["in_x"])
    assert (out - vectors.tensors["out"]).abs().max() < 1e-4
    assert sum(parameter.numel() for parameter in network.parameters()) == 34_128


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_any_size_and_scale(scale: int) -> None:
    network = SimpleCnn(scale).eval()
    batch = torch.rand(2, 3, 28, 56)
    with torch.inference_mode():
        together = network(batch)
        alone = torch.cat([network(sample[None]) for sample in batch])
    assert together.shape == (2, 3, 28 * scale, 56 * scale)
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)
    with pytest.raises(MethodError, match=r"needs \[B, 3, h, w\]"):
        network(torch.rand(1, 6, 4, 4))


def _haar_by_loops(image: np.ndarray) -> np.ndarray:
    """One level of detail bands, [3, H / 2, W / 2], by differences of row and column pairs."""
    low_rows = (image[0::2] + image[1::2]) / np.sqrt(2)
    high_rows = (image[0::2] - image[1::2]) / np.sqrt(2)
    return np.stack(
        [
            (high_rows[:, 0::2] + high_rows[:, 1::2]) / np.sqrt(2),
            (low_rows[:, 0::2] - low_rows[:, 1::2]) / np.sqrt(2),
            (high_rows[:, 0::2] - high_rows[:, 1::2]) / np.sqrt(2),
        ]
    )


def test_haar_bands_by_the_definition() -> None:
    image = torch.rand(2, 3, 8, 12)
    (details,) = haar_details(image, 1)
    assert details.shape == (2, 3, 3, 4, 6)
    np.testing.assert_allclose(details[1, 2].numpy(), _haar_by_loops(image[1, 2].double().numpy()), atol=1e-6)


@settings(deadline=None)
@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.integers(0, 2**31))
def test_haar_keeps_energy(levels: int, rows: int, columns: int, seed: int) -> None:
    side = 2**levels
    generator = torch.Generator().manual_seed(seed)
    image = torch.randn(1, 1, rows * side, columns * side, generator=generator, dtype=torch.float64)
    energy = sum(float(bands.square().sum()) for bands in haar_details(image, levels))
    # What is left is the mean band: block sums over side^2 pixels, divided by side.
    mean_band = torch.nn.functional.avg_pool2d(image, side) * side
    assert energy + float(mean_band.square().sum()) == pytest.approx(float(image.square().sum()))


def test_odd_sides_repeat_their_last_line() -> None:
    image = torch.rand(1, 1, 5, 7)
    padded = torch.nn.functional.pad(image, (0, 1, 0, 1), mode="replicate")
    assert torch.equal(haar_details(image, 1)[0], haar_details(padded, 1)[0])
    assert haar_details(image, 3)[2].shape == (1, 1, 3, 1, 1)


def test_the_losses() -> None:
    restored, target = torch.rand(2, 3, 112, 224), torch.rand(2, 3, 112, 224)
    # The orthonormal transform keeps the mean square.
    assert float(fft_loss(restored, target)) == pytest.approx(
        float((restored - target).square().mean()), rel=1e-4
    )
    by_hand = sum(
        float((a - b).square().mean())
        for ours, theirs in zip(haar_details(restored, 4), haar_details(target, 4), strict=True)
        for a, b in zip(ours.unbind(2), theirs.unbind(2), strict=True)
    )
    assert float(haar_loss(restored, target)) == pytest.approx(by_hand, rel=1e-4)
    assert float(cnn_loss(restored, target)) == pytest.approx(
        0.2 * float(fft_loss(restored, target)) + 0.1 * by_hand, rel=1e-4
    )
    assert float(cnn_loss(target, target)) == 0
