from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from baselines.real_esrgan.discriminator import UNetDiscriminator
from baselines.real_esrgan.losses import (
    SQUEEZENET_WEIGHTS,
    LayerFeatures,
    LossWeights,
    PerceptualLoss,
    discriminator_loss,
    gan_loss,
    generator_loss,
    squeezenet_features,
    usm_sharpen,
)
from mdlp_bench.errors import MethodError, MissingWeightsError

if TYPE_CHECKING:
    from pathlib import Path


def _usm_with_opencv(image: np.ndarray) -> np.ndarray:
    blur = cv2.GaussianBlur(image, (51, 51), 0)
    mask = (np.abs(image - blur) * 255 > 10).astype(np.float32)
    soft = cv2.GaussianBlur(mask, (51, 51), 0)
    return soft * np.clip(image + 0.5 * (image - blur), 0, 1) + (1 - soft) * image


def test_sharpening_agrees_with_opencv() -> None:
    image = np.random.default_rng(3).random((40, 70, 3), dtype=np.float32)
    image = cv2.GaussianBlur(image, (5, 5), 0)
    image = (image - image.min()) / (image.max() - image.min())
    ours = usm_sharpen(torch.from_numpy(image).permute(2, 0, 1)[None])[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(ours, _usm_with_opencv(image), atol=2e-5)
    assert np.abs(ours - image).max() > 0.05


def test_a_flat_image_stays_and_a_small_one_is_refused() -> None:
    flat = torch.full((1, 3, 112, 224), 0.3)
    torch.testing.assert_close(usm_sharpen(flat), flat)
    with pytest.raises(MethodError, match="too small"):
        usm_sharpen(torch.rand(1, 3, 25, 60))


def test_the_gan_losses_are_cross_entropies() -> None:
    logits = torch.zeros(2, 1, 4, 4)
    assert float(gan_loss(logits, real=True)) == pytest.approx(math.log(2))
    assert float(gan_loss(logits + 3, real=True)) == pytest.approx(math.log1p(math.exp(-3)))
    assert float(gan_loss(logits + 3, real=False)) == pytest.approx(3 + math.log1p(math.exp(-3)))


def test_a_tapped_layer_is_not_overwritten_by_the_relu_after_it() -> None:
    convolution = nn.Conv2d(3, 4, 1)
    features = LayerFeatures(nn.Sequential(convolution, nn.ReLU(inplace=True)), {"before": 0, "after": 1})
    got = features(torch.rand(1, 3, 5, 5))
    assert (got["before"] < 0).any()
    assert torch.equal(got["before"].clamp(min=0), got["after"])


def test_perceptual_loss_by_hand() -> None:
    loss = PerceptualLoss(lambda x: {"a": x, "b": 2 * x}, {"a": 0.1, "b": 1.0})
    assert float(loss(torch.zeros(1, 3, 2, 2), torch.ones(1, 3, 2, 2))) == pytest.approx(0.1 + 2)
    with pytest.raises(MethodError, match="no layer 'c'"):
        PerceptualLoss(lambda x: {"a": x}, {"c": 1.0})(torch.zeros(1), torch.zeros(1))


def test_squeezenet_features_teach_the_image_only(shared_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(shared_dir / "torch_home"))
    extractor = squeezenet_features()
    loss = PerceptualLoss(extractor, SQUEEZENET_WEIGHTS)
    target = torch.rand(1, 3, 32, 64)
    restored = (target + 0.1 * torch.randn_like(target)).requires_grad_()
    value = loss(restored, target)
    value.backward()
    assert value > 0
    assert restored.grad is not None and restored.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in extractor.parameters())
    assert float(loss(target, target)) == 0


def test_missing_squeezenet_weights_say_where_they_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(MissingWeightsError, match=r"download https://download\.pytorch\.org"):
        squeezenet_features()


def test_the_generator_sees_the_sharpened_target_and_the_weights() -> None:
    target = torch.rand(1, 3, 32, 64)
    discriminator = UNetDiscriminator(num_feat=2).eval()
    perceptual = PerceptualLoss(lambda x: {"x": x}, {"x": 1.0})
    terms = generator_loss(usm_sharpen(target), target, perceptual=perceptual, discriminator=discriminator)
    assert set(terms) == {"l1", "perceptual", "gan"}
    assert float(terms["l1"]) == float(terms["perceptual"]) == 0
    with torch.no_grad():
        expected = 0.1 * gan_loss(discriminator(usm_sharpen(target)), real=True)
    assert terms["gan"].item() == pytest.approx(float(expected), rel=1e-5)
    doubled = generator_loss(target, target, weights=LossWeights(l1=2.0))
    assert float(doubled["l1"]) == pytest.approx(2 * float(generator_loss(target, target)["l1"]))


def test_the_discriminator_loss_does_not_reach_the_generator() -> None:
    restored = torch.rand(1, 3, 16, 16, requires_grad=True)
    discriminator = UNetDiscriminator(num_feat=2)
    discriminator_loss(discriminator, restored, torch.rand(1, 3, 16, 16)).backward()
    assert restored.grad is None
    assert discriminator.conv0.weight.grad is not None
