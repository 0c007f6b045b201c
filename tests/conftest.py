"""Fixtures every test may use."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mdlp_bench.data import open_samples, write_parquet
from mdlp_bench.data.samples import Samples
from mdlp_bench.engine import Engine, LocalEngine, RayEngine
from mdlp_bench.images import encode

_SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of real images and parity vectors beside the checkout; skips where there is none."""
    if not (_SHARED / "real").is_dir():
        pytest.skip(f"no real data: {_SHARED / 'real'} is not there")
    return _SHARED


@pytest.fixture(scope="session")
def import_script() -> Callable[[Path], Any]:
    """A function that imports a Python file that lies in no package."""

    def load(path: Path) -> Any:
        spec = importlib.util.spec_from_file_location(f"script_{path.stem}", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


def sample_row(number: int, **changes: Any) -> dict[str, Any]:
    """One sample row with smooth random pictures; two samples share each plate."""
    rng = np.random.default_rng(number)
    coarse = rng.integers(30, 226, (6, 14, 3), dtype=np.uint8)
    gt = cv2.resize(coarse, (140, 56), interpolation=cv2.INTER_CUBIC)
    frames = [cv2.resize(gt, (40 + n, 18), interpolation=cv2.INTER_AREA) for n in range(3)]
    text = f"京A{10000 + number // 2}"
    row: dict[str, Any] = {
        "sample_id": f"s{number:04d}",
        "plate_id": text,
        "track_id": f"t{number}",
        "split": "test",
        "domain": "synthetic",
        "source": "rendered",
        "gt": {"bytes": encode(gt), "path": "gt.png"},
        "frames": [{"bytes": encode(f), "path": f"f{n}.png"} for n, f in enumerate(frames)],
        "frame_indices": [0, 1, 2],
        "text": text,
        "text_origin": "rendered",
        "layout": "blue",
    }
    return row | changes


@pytest.fixture
def make_samples(tmp_path: Path) -> Callable[..., Samples]:
    """A function that writes rows (default: n sample rows) as a Parquet folder and opens it."""

    def make(n: int = 10, rows: list[dict[str, Any]] | None = None, name: str = "tiny") -> Samples:
        folder = tmp_path / name
        write_parquet(rows if rows is not None else [sample_row(i) for i in range(n)], folder, name=name)
        return open_samples(folder)

    return make


@pytest.fixture(scope="session")
def ray_engine() -> Iterator[RayEngine]:
    """An engine on a Ray cluster of this machine; skips where Ray is not installed."""
    ray = pytest.importorskip("ray", reason="Ray is not installed (pip install 'mdlp-bench[ray]')")
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield RayEngine(2)
    ray.shutdown()


@pytest.fixture(params=["pool", "ray"])
def parallel(request: pytest.FixtureRequest) -> Engine:
    """Each engine that has workers, with two of them."""
    engine: Engine = LocalEngine(2) if request.param == "pool" else request.getfixturevalue("ray_engine")
    return engine
