from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from mdlp_bench import doctor
from mdlp_bench.cli.main import app
from mdlp_bench.doctor import Check, examine
from mdlp_bench.errors import MdlpBenchError
from mdlp_bench.metrics.weights import BACKBONES


def of(checks: Sequence[Check], group: str, name: str) -> Check:
    (found,) = [check for check in checks if (check.group, check.name) == (group, name)]
    return found


def test_a_sound_machine_has_no_faults_and_exits_with_0() -> None:
    done = CliRunner().invoke(app, ["doctor", "--json"])
    found = json.loads(done.stdout)
    assert done.exit_code == 0 and found["sound"]
    groups = {check["group"] for check in found["checks"]}
    assert groups == {"system", "packages", "weights", "optional", "folders"}
    assert {check["status"] for check in found["checks"]} <= {"ok", "note"}


def test_torch_is_not_imported_where_no_gpu_can_be() -> None:
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        pass
    else:
        pytest.skip("this machine has an NVIDIA driver: only PyTorch knows whether it can use it")
    code = "import sys\nfrom mdlp_bench.doctor import examine\nexamine()\nprint('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_device_is_what_torch_says() -> None:
    import torch

    device = of(examine(), "system", "device").found
    assert device.startswith("cpu") != torch.cuda.is_available()


def test_missing_backbones_are_notes_with_address_and_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "cache_folder", lambda: tmp_path / "hub")
    alex = of(examine(), "weights", "LPIPS (alex)")
    assert alex.status == "note" and alex.remedy is not None
    assert BACKBONES["alex"].url in alex.remedy and str(tmp_path / "hub") in alex.remedy
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / BACKBONES["alex"].file_name).write_bytes(b"weights")
    assert of(examine(), "weights", "LPIPS (alex)").status == "ok"
    assert not (tmp_path / "hub" / ".mdlp-bench-doctor").exists()


def test_the_cache_folder_is_where_torch_hub_looks(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom mdlp_bench.metrics.weights import cache_folder\n"
        "before = cache_folder()\nassert 'torch' not in sys.modules\n"
        "import torch.hub\nassert before == cache_folder(), (before, cache_folder())\nprint(before)"
    )
    plain = {k: v for k, v in os.environ.items() if k not in ("TORCH_HOME", "XDG_CACHE_HOME")}
    for given in ({}, {"TORCH_HOME": str(tmp_path)}, {"XDG_CACHE_HOME": str(tmp_path / "cache")}):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False, env={**plain, **given}
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(next(iter(given.values()), ""))


@pytest.mark.parametrize("content", [None, b"", b"version https://git-lfs", b"\x02\0\0\0\0\0\0\0{}more"])
def test_a_bundled_file_that_is_missing_or_damaged_is_a_fault(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "package").mkdir()
    monkeypatch.setattr(
        doctor, "importlib", SimpleNamespace(util=SimpleNamespace(find_spec=lambda name: _spec(tmp_path)))
    )
    monkeypatch.setattr(doctor, "_torch_build", dict)
    monkeypatch.setattr(doctor, "_BUNDLED", (("package", "weights.safetensors", "the reader"),))
    if content is not None:
        (tmp_path / "weights.safetensors").write_bytes(content)
    reader = of(examine(), "weights", "the reader")
    assert reader.status == "fault" and reader.remedy is not None
    assert reader.found.endswith("missing" if content is None else "damaged")


def _spec(folder: Path) -> SimpleNamespace:
    return SimpleNamespace(submodule_search_locations=[str(folder)], origin=None)


def test_old_missing_and_doubled_packages_are_faults_with_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def installed(name: str) -> str:
        if name == "ray":
            raise PackageNotFoundError
        return "1.0"

    monkeypatch.setattr(doctor, "version", installed)
    monkeypatch.setattr(doctor, "requires", lambda name: ["numpy>=2", "tqdm", "ray>=2; extra == 'ray'"])
    monkeypatch.setattr(doctor, "distributions", lambda: [SimpleNamespace(name="opencv-python")])
    checks = examine()
    assert of(checks, "packages", "numpy").remedy == "pip install 'numpy>=2'"
    assert of(checks, "packages", "tqdm").status == "ok"
    assert of(checks, "packages", "opencv").status == "fault"
    ray = of(checks, "optional", "ray")
    assert (ray.status, ray.remedy) == ("note", "pip install 'mdlp-bench[ray]'")
    assert not [check for check in checks if (check.group, check.name) == ("packages", "ray")]


def test_a_fault_is_shown_with_its_remedy_and_exits_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "requires", lambda name: ["numpy>=99"])
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 1
    assert "pip install 'numpy>=99'" in done.output and "faults: 1" in done.output


def test_a_folder_that_cannot_be_written_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def refuse(target: Path) -> Iterator[Path]:
        raise MdlpBenchError(f"{target}: cannot be written")
        yield target

    monkeypatch.setattr(doctor, "atomic_path", refuse)
    monkeypatch.setattr(doctor, "cache_folder", lambda: tmp_path / "hub" / "checkpoints")
    weights = of(examine(), "folders", "PyTorch's weights")
    assert (weights.status, weights.remedy) == ("fault", "set TORCH_HOME to a folder of your own")
    assert str(tmp_path / "hub") in weights.found
