from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import mdlp_bench as mb
from mdlp_bench.data.samples import Samples


def test_the_readme_walk_through(make_samples: Callable[..., Samples], tmp_path: Path) -> None:
    make_samples(4, name="DATA")
    reader = tmp_path / "reader.py"
    reader.write_text("def read(images):\n    return ['京A10000' for _ in images]\n")
    data = mb.open(tmp_path / "DATA", split="test")
    predictions = mb.predict("bicubic", data, tmp_path / "preds")
    run = mb.score(predictions, data, tmp_path / "run", readers=[f"{reader}:read"], lpips="none")
    assert run.summary["ned"].mean is not None
    assert mb.compare([run]).best_first() == [run]


def test_a_decorated_function_is_a_method() -> None:
    @mb.method(frames=2, title="Mean of two")
    def restore_mean(frames: np.ndarray) -> np.ndarray:
        return frames.mean(axis=1).astype("uint8")

    assert isinstance(restore_mean, mb.Method)
    assert (restore_mean.descriptor.name, restore_mean.descriptor.frames_used) == ("restore-mean", 2)


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sys, mdlp_bench; print(sorted({'torch', 'numpy', 'pyarrow'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert "open" in dir(mb)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = mb.nonsense
