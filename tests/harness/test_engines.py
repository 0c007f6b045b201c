"""Predictions and runs do not depend on the engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import sample_row

from mdlp_bench.data.samples import Samples
from mdlp_bench.engine import Engine, LocalEngine
from mdlp_bench.errors import MdlpBenchError, MethodError
from mdlp_bench.harness.plan import ScoringPlan
from mdlp_bench.harness.predict import Predictions, predict
from mdlp_bench.harness.score import score
from mdlp_bench.methods import method

METHOD = """
import numpy as np

def restore(frames):
    if (frames[:, 0, 0, 0].sum(axis=-1) % 5 == 0).any():
        raise ValueError("not this one")
    return frames.mean(axis=1).astype(np.uint8)
"""
READER = """
def read(images):
    return [f"京A{int(image.astype(int).sum()) % 100_000:05d}" for image in images]
"""


def content(folder: Path, pattern: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob(pattern))}


def test_the_engine_changes_no_byte(
    make_samples: Callable[..., Samples], tmp_path: Path, parallel: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mdlp_bench.harness.score._CHUNK", 4)
    samples = make_samples(rows=[sample_row(n, gt=None) if n == 5 else sample_row(n) for n in range(14)])
    for name, text in (("mean.py", METHOD), ("reader.py", READER)):
        (tmp_path / name).write_text(text)
    spec, reader = f"{tmp_path}/mean.py:restore", f"{tmp_path}/reader.py:read"
    options = {"batch_size": 2, "shard_size": 5}
    alone = predict(spec, samples, tmp_path / "p1", **options)
    assert 0 < alone.record.n_failed < 14
    many = predict(spec, samples, tmp_path / "p2", engine=parallel, **options)
    assert many.record.n_failed == alone.record.n_failed
    shards = content(tmp_path / "p1", "shard-*")
    assert len(shards) == 3 and content(tmp_path / "p2", "shard-*") == shards

    # Stopped after the first shard: the rest is made again, in the same batches.
    for path in sorted((tmp_path / "p2").glob("shard-*"))[1:]:
        path.unlink()
    many.record.model_copy(update={"status": "running"}).write(tmp_path / "p2")
    predict(spec, samples, tmp_path / "p2", engine=parallel, **options)
    assert content(tmp_path / "p2", "shard-*") == shards

    plan = ScoringPlan.from_names([reader], "none")
    both = [alone, Predictions(tmp_path / "p2")]
    score(both, samples, [tmp_path / "r1", tmp_path / "r1b"], plan)
    score(both, samples, [tmp_path / "r2", tmp_path / "r2b"], plan, engine=parallel)
    for name in ("per_sample.parquet", "summary.json"):
        wanted = (tmp_path / "r1" / name).read_bytes()
        assert [(tmp_path / run / name).read_bytes() for run in ("r1b", "r2", "r2b")] == [wanted] * 3


def test_networks_run_on_one_thread(make_samples: Callable[..., Samples], tmp_path: Path) -> None:
    import torch

    @method(name="threads", frames=1)
    def threads(frames: np.ndarray) -> np.ndarray:
        return np.full_like(frames[:, 0], torch.get_num_threads())

    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        (found,) = predict(threads, make_samples(1), tmp_path / "p")
        assert found.image is not None and (found.image == 1).all()
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_a_method_that_always_fails_leaves_nothing(
    make_samples: Callable[..., Samples], tmp_path: Path, parallel: Engine
) -> None:
    (tmp_path / "bad.py").write_text("def restore(frames):\n    raise RuntimeError('no')\n")
    with pytest.raises(MethodError, match=r"fails on every sample.*RuntimeError: no"):
        predict(f"{tmp_path}/bad.py:restore", make_samples(6), tmp_path / "p", batch_size=2, engine=parallel)
    assert not list((tmp_path / "p").glob("shard-*"))


def test_a_function_that_cannot_travel_is_one_line(
    make_samples: Callable[..., Samples], tmp_path: Path
) -> None:
    first = method(name="first")(lambda frames: frames[:, 0])
    with pytest.raises(MdlpBenchError, match="cannot be sent to workers"):
        predict(first, make_samples(6), tmp_path / "p", batch_size=2, engine=LocalEngine(2))
