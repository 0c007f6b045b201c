from __future__ import annotations

import shutil
import urllib.error
import urllib.request
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from mdlp_bench.errors import DataError, MissingWeightsError
from mdlp_bench.files import sha256_file
from mdlp_bench.metrics import weights
from mdlp_bench.metrics.functional import lpips
from mdlp_bench.metrics.perceptual import Lpips
from mdlp_bench.metrics.weights import BACKBONES, backbone_file

_SQUEEZE = Path("hub") / "checkpoints" / BACKBONES["squeeze"].file_name


@pytest.fixture(scope="module")
def torch_home(shared_dir: Path) -> Path:
    home = shared_dir / "torch_home"
    if not (home / _SQUEEZE).is_file():
        pytest.skip(f"no weights: {home / _SQUEEZE} is not there")
    return home


@pytest.fixture(scope="module")
def squeeze(torch_home: Path) -> Lpips:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCH_HOME", str(torch_home))
        return Lpips("squeeze")


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    def refuse(*_: object, **__: object) -> object:
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return tmp_path


def batch(seed: int, count: int, side: tuple[int, int] = (112, 224)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *side, 3), dtype=np.uint8)


def tensor(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1


def test_agrees_with_torchmetrics(squeeze: Lpips, torch_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchmetrics.functional.image import learned_perceptual_image_patch_similarity

    monkeypatch.setenv("TORCH_HOME", str(torch_home))
    preds, target = batch(0, 5), batch(1, 5)
    preds[3], preds[4] = target[3], target[4] // 2
    expected = [
        float(learned_perceptual_image_patch_similarity(tensor(p[None]), tensor(t[None]), net_type="squeeze"))
        for p, t in zip(preds, target, strict=True)
    ]
    np.testing.assert_allclose(squeeze.score(preds, target), expected, atol=1e-6)
    assert squeeze.score(preds, target)[3] == pytest.approx(0.0, abs=1e-12)


def test_documented_value(squeeze: Lpips) -> None:
    # 0.1008 is the published value for these draws; rounding them to 8 bits moves it by less than 1e-4.
    torch.manual_seed(123)
    preds, target = (torch.rand(10, 3, 100, 100) * 2 - 1 for _ in range(2))
    preds, target = (((t + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy() for t in (preds, target))
    assert squeeze.score(preds, target).mean() == pytest.approx(0.1008, abs=1e-4)


def test_prepared_target_serves_several_methods(squeeze: Lpips) -> None:
    target = batch(0, 19, (64, 64))
    prepared = squeeze.prepare(target)
    for seed in (1, 2):
        preds = batch(seed, 19, (64, 64))
        together = squeeze.score(preds, prepared)
        np.testing.assert_array_equal(together, squeeze.score(preds, target))
        single = [squeeze.score(preds[i : i + 1], target[i : i + 1])[0] for i in range(19)]
        np.testing.assert_allclose(together, single, atol=1e-6)


def test_records_what_it_used(squeeze: Lpips, torch_home: Path) -> None:
    assert squeeze.name == "lpips_squeeze"
    assert squeeze.backbone_sha256 == sha256_file(torch_home / _SQUEEZE)
    assert len(squeeze.linear_sha256) == 64


def test_wrong_arrays_are_refused(squeeze: Lpips) -> None:
    with pytest.raises(DataError, match="differ in shape"):
        squeeze.score(batch(0, 2), batch(0, 3))
    with pytest.raises(DataError, match="uint8"):
        squeeze.prepare(batch(0, 1).astype(np.float32))  # type: ignore[arg-type]


def test_an_empty_batch_has_no_scores(squeeze: Lpips) -> None:
    assert squeeze.score(batch(0, 0), batch(0, 0)).shape == (0,)


def test_the_package_stays_silent(
    torch_home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(torch_home))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Lpips("squeeze")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("net", "name"), [("alex", "alexnet-owt-7be5be79"), ("squeeze", "squeezenet1_1-b8a52dc0")]
)
def test_missing_weights_name_the_file_and_its_place(offline: Path, net: str, name: str) -> None:
    with pytest.raises(MissingWeightsError) as caught:
        Lpips(net)  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message
    assert f"https://download.pytorch.org/models/{name}.pth" in message
    assert str(offline / "hub" / "checkpoints" / f"{name}.pth") in message
    with pytest.raises(MissingWeightsError):
        lpips(batch(0, 1), batch(0, 1), net=net)  # type: ignore[arg-type]


def test_damaged_weights_are_named(offline: Path) -> None:
    path = offline / _SQUEEZE
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(MissingWeightsError, match="no usable weight file"):
        Lpips("squeeze")


def test_a_download_is_kept_only_when_it_is_the_published_file(
    offline: Path, monkeypatch: pytest.MonkeyPatch, torch_home: Path
) -> None:
    content = (torch_home / _SQUEEZE).read_bytes()
    source = offline / "source.pth"
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: source.open("rb"))
    source.write_bytes(content[:1000])
    with pytest.raises(MissingWeightsError, match="not the published file"):
        backbone_file(BACKBONES["squeeze"])
    assert not (offline / _SQUEEZE).exists()
    shutil.copyfile(torch_home / _SQUEEZE, source)
    digest = sha256_file(source)
    published = weights.Backbone(f"squeezenet-{digest[:8]}.pth", "a test")
    path, found = backbone_file(published)
    assert found == digest
    assert path.read_bytes() == content
