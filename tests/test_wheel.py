"""A wheel built from the checkout holds what it needs and runs outside of it."""

from __future__ import annotations

import os
import site
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the source distribution and of the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (found,) = built.glob("mdlp_bench-*.whl")
    return found


def test_a_package_index_would_accept_both(built: Path) -> None:
    files = [str(path) for path in built.iterdir()]
    assert len(files) == 2
    command = [sys.executable, "-m", "twine", "check", "--strict", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.count("PASSED") == 2, done.stdout


def test_the_source_distribution_is_the_project(built: Path) -> None:
    (archive,) = built.glob("mdlp_bench-*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    wanted = {"README.md", "CHANGELOG.md", "docs/index.md", "notebooks/01_curate.ipynb", "tests/conftest.py"}
    assert wanted <= names
    assert not [name for name in names if "__pycache__" in name or name.startswith((".venv", "demo/"))]


def test_the_wheel_carries_packages_and_data_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"mdlp_bench", "baselines"}
    for wanted in (
        "mdlp_bench/py.typed",
        "mdlp_bench/synth/degrade/recipes/surveillance.yaml",
        "mdlp_bench/synth/render/assets/han_medium.ttf",
        "mdlp_bench/synth/render/assets/han_medium.OFL.txt",
        "mdlp_bench/readers/crnn/crnn.safetensors",
        "mdlp_bench/readers/rectifying/crnn-3.safetensors",
    ):
        assert wanted in names
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pt")]


def test_the_demo_runs_from_the_wheel_in_a_clean_environment(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "venv"
    venv.create(environment, with_pip=False)
    python = environment / "bin" / "python"
    packages = Path(
        subprocess.run(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    )
    zipfile.ZipFile(wheel).extractall(packages)
    # The dependencies are those of the environment that runs the tests (torch alone has gigabytes). Named in
    # a .pth file, their folder is searched, but its own .pth files, which lead to the checkout, are not read.
    others = [str(Path(folder)) for folder in site.getsitepackages()]
    (packages / "dependencies.pth").write_text("\n".join(others))
    code = (
        "import sys, mdlp_bench, baselines; print(mdlp_bench.__file__, baselines.__file__)\n"
        "sys.argv = ['mdlp-bench', 'demo', '--plates', '4', '--out', 'demo']\n"
        "from mdlp_bench.cli.main import main; main()"
    )
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [python, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
        env=clean,
    )
    assert done.returncode == 0, done.stderr
    assert str(packages) in done.stdout.splitlines()[0] and str(ROOT) not in done.stdout.splitlines()[0]
    assert (tmp_path / "demo" / "table.md").is_file()
    assert (tmp_path / "demo" / "comparison.png").is_file()
    assert "Bicubic" in done.stdout and "ceiling" in done.stdout
