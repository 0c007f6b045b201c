"""The script that measures a GPU runs on the CPU too, in small; where there is a GPU, parity is held to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mdlp_bench.device import EXACT, Compute
from mdlp_bench.methods import load_method
from mdlp_bench.methods.network import NetworkMethod

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
@pytest.mark.parametrize(
    "name", ["srcnn", "hat", "real-esrgan", "resdiff", "resshift", "lp-diff-psi", "lp-diff", "lp-diff-long"]
)
def test_a_gpu_restores_as_the_cpu_does(script: Any, name: str) -> None:
    method = load_method(name)
    assert isinstance(method, NetworkMethod)
    exact, batched = (
        method.restore_batch(script.batch_of(4, compute)).astype(int)
        for compute in (EXACT, Compute("cuda", "fp32", "batched"))
    )
    assert (np.abs(exact - batched) <= 1).mean() >= 0.999
