"""The script that measures a GPU runs on the CPU too, in small; where there is a GPU, parity is held to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import LEARNED

import mdlp_bench as mb
from mdlp_bench.data import open_samples
from mdlp_bench.device import EXACT, Compute
from mdlp_bench.methods import load_method
from mdlp_bench.methods.network import NetworkMethod
from mdlp_bench.methods.weights import read_card
from mdlp_bench.metrics.perceptual import Lpips
from mdlp_bench.metrics.protocol import to_working_size
from mdlp_bench.readers.crnn import CrnnReader
from mdlp_bench.synth.build import synthesise_rendered
from mdlp_bench.synth.degrade import load_recipe

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "gpu.py"


@pytest.fixture(scope="module")
def script(import_script: Callable[[Path], Any]) -> Any:
    return import_script(SCRIPT)


def test_every_part_runs_on_the_cpu(
    script: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MDLP_BENCH_CACHE", "")
    script.main(["--device", "cpu", "--tiny", "--methods", "srcnn"])
    printed = capsys.readouterr().out
    for part in script.PARTS:
        rows = printed.split(f"### {part}\n")[1].split("###")[0].splitlines()
        assert sum(row.startswith("|") for row in rows) >= 3, part
    assert "| srcnn | 100" in printed or "| srcnn | 99.9" in printed


@pytest.mark.gpu
@pytest.mark.parametrize("name", LEARNED)
def test_a_gpu_restores_as_the_cpu_does(script: Any, name: str) -> None:
    method = load_method(name)
    assert isinstance(method, NetworkMethod)
    exact, batched = (
        method.restore_batch(script.batch_of(4, compute)).astype(int)
        for compute in (EXACT, Compute("cuda", "fp32", "batched"))
    )
    assert (np.abs(exact - batched) <= 1).mean() >= 0.999


@pytest.mark.gpu
def test_a_gpu_scores_as_the_cpu_does(shared_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(shared_dir / "torch_home"))
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 14, 28, 3), np.uint8)
    restored, gt = (np.stack([to_working_size(one) for one in part]) for part in images)
    here, there = (Lpips("squeeze", device).score(restored, gt) for device in ("cpu", "cuda"))
    assert np.abs(here - there).max() < 1e-4
    plates = [mb.render(seed=seed).image for seed in range(8)]
    for name in ("crnn", "crnn-2"):
        reader = mb.load_reader(name)
        assert isinstance(reader, CrnnReader)
        seen = reader.probabilities(plates), reader.features(plates)
        reader.to("cuda")
        for found, wanted in zip((reader.probabilities(plates), reader.features(plates)), seen, strict=True):
            assert np.abs(found - wanted).max() < 1e-4


@pytest.mark.gpu
def test_a_gpu_trains_with_workers(tmp_path: Path) -> None:
    synthesise_rendered(load_recipe("surveillance"), 8, tmp_path / "data", seed=1)
    samples = open_samples(tmp_path / "data")
    weights = mb.train("srcnn", samples, tmp_path / "out", steps=4, workers=2, device="cuda")
    assert read_card(weights)["device"] == "cuda"
