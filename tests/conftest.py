"""Fixtures every test may use."""

from __future__ import annotations

import atexit
import importlib.util
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import settings

from mdlp_bench import images
from mdlp_bench.data import open_samples, write_parquet
from mdlp_bench.data.samples import Samples
from mdlp_bench.engine import Engine, LocalEngine, RayEngine

# A busy machine is no bug: examples have no time limit.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")

Draw = Callable[..., bytes]

LEARNED = (
    "lp-diff",
    "lp-diff-long",
    "lp-diff-psi",
    "srcnn",
    "hat",
    "real-esrgan",
    "resdiff",
    "resshift",
    "lpdgan",
)
"""The bundled networks, each once: methods with other weights of the same network are left out."""

# No test finds what another run or a user has kept.
os.environ["MDLP_BENCH_CACHE"] = tempfile.mkdtemp(prefix="mdlp-bench-cache-")
atexit.register(shutil.rmtree, os.environ["MDLP_BENCH_CACHE"], ignore_errors=True)

_SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests marked `gpu` where there is no CUDA device."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    import torch

    if not torch.cuda.is_available():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="this machine has no CUDA device"))


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


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium of 1280 x 900; skips where there is none."""
    selenium = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    from selenium.webdriver.chrome.service import Service

    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("no chromium and chromedriver on this machine")
    options = selenium.ChromeOptions()
    options.binary_location = chromium
    with tempfile.TemporaryDirectory() as profile:
        for flag in (
            *("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-sync"),
            *("disable-background-networking", "disable-component-update", f"user-data-dir={profile}"),
        ):
            options.add_argument(f"--{flag}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        found = selenium.Chrome(options=options, service=Service(driver))
        found.set_window_size(1280, 900)
        yield found
        found.quit()


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
        "gt": {"bytes": images.encode(gt), "path": "gt.png"},
        "frames": [{"bytes": images.encode(f), "path": f"f{n}.png"} for n, f in enumerate(frames)],
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


@pytest.fixture(scope="session")
def draw() -> Draw:
    """Encoded pictures that differ by seed: `draw(seed, width, height, kind)`."""

    def make(seed: int, width: int = 40, height: int = 18, kind: str = "jpg") -> bytes:
        rng = np.random.default_rng(seed)
        small = rng.integers(0, 256, (5, 9, 3), np.uint8)
        picture = np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
        return images.encode(picture, "png" if kind == "png" else "jpg")

    return make


@pytest.fixture
def resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Path], Any]], int]:
    """A check: stopped before any of its writes and run again, a job ends with the same files.

    Returns the number of writes it was stopped before.
    """
    put_in_place = Path.replace

    def tree(folder: Path) -> dict[str, bytes]:
        return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}

    def check(job: Callable[[Path], Any]) -> int:
        job(tmp_path / "whole" / "out")
        expected, survive = tree(tmp_path / "whole"), 0
        while True:
            left = survive

            def stopping(self: Path, target: Path) -> Path:
                nonlocal left
                if left == 0:
                    raise KeyboardInterrupt
                left -= 1
                return put_in_place(self, target)

            place = tmp_path / f"stopped-{survive}" / "out"
            monkeypatch.setattr(Path, "replace", stopping)
            try:
                job(place)
                finished = True
            except KeyboardInterrupt:
                finished = False
            monkeypatch.setattr(Path, "replace", put_in_place)
            if finished:
                return survive
            if (place / ".unfinished.json").is_file():
                (place / ".part-0123456789abcdef.png").write_bytes(b"half")
            job(place)
            assert tree(place.parent) == expected, f"stopped before write {survive + 1}"
            survive += 1

    return check


@pytest.fixture
def mdlp(tmp_path: Path, draw: Draw) -> Path:
    """train: a (3 frames), b (1), c (5, gaps, mixed endings); val: a (2, no gt). Labels for all but val/a."""
    root = tmp_path / "set"
    groups = {
        ("train", "a"): ["img_1.jpg", "img_2.jpg", "img_10.jpg"],
        ("train", "b"): ["img_7.JPG"],
        ("train", "c"): ["f001.png", "f002.JPEG", "f010.jpg", "f020.jpg", "f100.jpg"],
        ("val", "a"): ["img_3.jpg", "img_4.jpg"],
    }
    for number, ((split, group), names) in enumerate(groups.items()):
        for frame, name in enumerate(names):
            path = root / split / "inputs" / group / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(draw(number * 100 + frame, kind="png" if name.endswith("png") else "jpg"))
        if (split, group) != ("val", "a"):
            path = root / split / "gt" / group / "img_50.jpg"
            path.parent.mkdir(parents=True)
            path.write_bytes(draw(number * 100 + 50, 160, 60))
    (root / "val/gt").mkdir()
    (root / "train/labels.csv").write_text("group,text\na,京P20S75\nb,沪ad12345\nc,苏UZ502G\n", "utf-8")
    return root


@pytest.fixture
def lrlpr(tmp_path: Path, draw: Draw) -> Path:
    """One training track with corners and HR of growing size, one test track."""
    root = tmp_path / "lrlpr"
    train = root / "train/Scenario-A/Brazilian/track_00001"
    test = root / "test/track_00002"
    for folder in (train, test):
        folder.mkdir(parents=True)
        for n in range(1, 6):
            (folder / f"lr-{n:03d}.png").write_bytes(draw(n, 48, 17, "png"))
    for n in range(1, 6):
        (train / f"hr-{n:03d}.png").write_bytes(draw(10 + n, 100 + 2 * n, 40, "png"))
    corner = {"top-left": [2, 2], "top-right": [44, 3], "bottom-right": [45, 15], "bottom-left": [3, 14]}
    corners = {f"{kind}-{n:03d}.png": corner for kind in ("lr", "hr") for n in range(1, 6)}
    annotation = {"plate_layout": "Brazilian", "plate_text": "AVL5215", "corners": corners}
    (train / "annotations.json").write_text(json.dumps(annotation))
    return root
