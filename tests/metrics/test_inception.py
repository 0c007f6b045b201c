from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import torch

from mdlp_bench.errors import MissingWeightsError
from mdlp_bench.metrics.inception import DIMENSIONS, InceptionFeatures
from mdlp_bench.metrics.weights import BACKBONES
from tests.pretended_gpu import pretended_gpu


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    def refuse(*_: object, **__: object) -> object:
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return tmp_path / "hub" / "checkpoints"


def test_features_are_what_torchvision_computes_before_its_classifier(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision.models import inception_v3
    from torchvision.transforms.v2 import functional

    torch.manual_seed(0)
    # Random weights in place of the published ones: the wiring is what is tested.
    network = inception_v3(weights=None, init_weights=False, transform_input=True).eval()
    cache.mkdir(parents=True)
    torch.save(network.state_dict(), cache / BACKBONES["inception"].file_name)
    images = np.random.default_rng(0).integers(0, 256, (2, 112, 224, 3), dtype=np.uint8)
    found = InceptionFeatures()(images)
    assert found.shape == (2, DIMENSIONS)
    assert found.dtype == np.float32
    with pretended_gpu(monkeypatch) as device:
        assert np.allclose(InceptionFeatures(device)(images), found)

    network.fc = torch.nn.Identity()
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    pixels = functional.resize(pixels, [299, 299], antialias=True)
    pixels = functional.normalize(pixels, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    with torch.inference_mode():
        expected = network(pixels).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max())


def test_missing_weights_name_the_file_and_its_place(cache: Path) -> None:
    with pytest.raises(
        MissingWeightsError, match=r"Inception \(FID, KID\) needs https://.*inception_v3_google"
    ) as caught:
        InceptionFeatures()
    assert str(cache / BACKBONES["inception"].file_name) in str(caught.value)


def test_nothing_is_fetched_when_it_shall_not_be(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(*_: object, **__: object) -> object:
        raise AssertionError("asked for a download")

    monkeypatch.setattr(urllib.request, "urlopen", fetch)
    with pytest.raises(MissingWeightsError, match=r"needs https://.*; save it as .*inception_v3_google"):
        InceptionFeatures(download=False)


def test_weights_of_another_network_are_refused(cache: Path) -> None:
    cache.mkdir(parents=True)
    torch.save({"weight": torch.zeros(1)}, cache / BACKBONES["inception"].file_name)
    with pytest.raises(MissingWeightsError, match="no usable weight file"):
        InceptionFeatures()
