"""The Makefile sets up .venv: which PyTorch goes into it, and that mistakes leave nothing behind."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parents[1] / "Makefile"

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="no make here")


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the Makefile in another folder."""
    command = ["make", "-f", str(MAKEFILE), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)


def test_an_unknown_choice_of_pytorch_is_refused(tmp_path: Path) -> None:
    done = make(tmp_path, "demo", "TORCH=gpu")
    assert done.returncode == 2 and "TORCH=gpu: give cpu or keep" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_a_choice_after_the_environment_was_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "torch").write_text("\n")
    done = make(tmp_path, "-n", "demo", "TORCH=cpu")
    assert done.returncode == 2 and "run `make clean` first" in done.stderr
    assert make(tmp_path, "clean", "TORCH=cpu").returncode == 0
    assert not (tmp_path / ".venv").exists()


def test_what_cannot_be_kept_leaves_no_environment(tmp_path: Path) -> None:
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S -E "$@"\n')
    bare.chmod(0o755)
    done = make(tmp_path, ".venv/bin/python", "TORCH=keep", f"PYTHON={bare}")
    assert done.returncode == 2 and "cannot import torch and torchvision; set PYTHON" in done.stdout
    assert not (tmp_path / ".venv").exists()


def test_the_pytorch_of_a_virtual_environment_is_kept(tmp_path: Path) -> None:
    done = make(tmp_path, ".venv/bin/python", "TORCH=keep", f"PYTHON={sys.executable}")
    assert done.returncode == 0, done.stderr
    kept = (tmp_path / ".venv" / "constraints.txt").read_text().split()
    # As pip knows them: a local version (+cu130) would fit no installed package.
    assert kept == [f"{name}=={version(name)}" for name in ("torch", "torchvision")]
    pip = [tmp_path / ".venv" / "bin" / "python", "-m", "pip", "install"]
    command = [*pip, "--dry-run", "--no-index", "--no-deps", *kept]
    found = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert found.returncode == 0 and "Would install" not in found.stdout, found.stderr
