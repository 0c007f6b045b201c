"""Engines: in order, lazy, bounded, the same result and the same errors wherever the work is done."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count, islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from mdlp_bench.cli.main import app
from mdlp_bench.data.samples import Samples
from mdlp_bench.engine import SERIAL, Engine, Loaded, LocalEngine, RayEngine, engine_named
from mdlp_bench.errors import DataError, MdlpBenchError, MissingDependencyError

POOL = LocalEngine(2)


def stamp(path: Path) -> float:
    """Stands for loading a network: leaves a line for every process that does it."""
    with path.open("a") as file:
        file.write(f"{os.getpid()}\n")
    return 0.5


def scaled(factor: Loaded[float], number: int) -> np.ndarray:
    return np.full(3, number * factor.value)


def fails_at_seven(number: int) -> int:
    if number == 7:
        raise DataError("item 7: broken; repair it")
    return number


def dies(number: int) -> int:
    os._exit(1)


def threads(number: int) -> tuple[int, str | None, str]:
    return cv2.getNumThreads(), os.environ.get("OMP_NUM_THREADS"), str(Path.cwd())


def test_order_laziness_and_loading_once_a_worker(parallel: Engine, tmp_path: Path) -> None:
    log = tmp_path / "loaded"
    asked = []

    def endless() -> Iterator[int]:
        for number in count():
            asked.append(number)
            yield number

    results = parallel.map(partial(scaled, Loaded(stamp, log)), endless(), chunk=4)
    found = list(islice(results, 50))
    assert [list(row) for row in found] == [[n / 2] * 3 for n in range(50)]
    assert len(asked) <= 50 + 2 * 3 * 4 + 4
    found[0][0] = 1.0  # belongs to the caller
    results.close()
    processes = log.read_text().split()
    assert len(processes) <= 3
    assert len(set(processes)) == len(processes)


def test_errors_are_those_of_the_function(parallel: Engine) -> None:
    results = parallel.map(fails_at_seven, range(40), chunk=3)
    assert list(islice(results, 6)) == list(range(6))
    with pytest.raises(DataError) as caught:
        list(results)
    assert type(caught.value) is DataError and str(caught.value) == "item 7: broken; repair it"


def test_nothing_or_little_to_do(parallel: Engine) -> None:
    assert list(parallel.map(fails_at_seven, [])) == []
    assert list(parallel.map(fails_at_seven, [1, 2], chunk=4)) == [1, 2]


def test_one_worker_is_this_process() -> None:
    assert list(SERIAL.map(lambda number: (number, os.getpid()), range(2))) == [
        (n, os.getpid()) for n in range(2)
    ]


def test_what_goes_wrong_in_a_pool_is_one_line() -> None:
    with pytest.raises(MdlpBenchError, match=r"cannot be sent to workers .* file.py:function"):
        list(POOL.map(lambda number: number, range(4)))
    with pytest.raises(MdlpBenchError, match="a worker process died"):
        list(POOL.map(dies, range(4)))


def test_workers_have_one_thread(ray_engine: RayEngine) -> None:
    here = str(Path.cwd())
    for engine in (POOL, ray_engine):
        assert set(engine.map(threads, range(4))) == {(1, "1", here)}


def variable(number: int) -> str | None:
    return os.environ.get("MDLP_BENCH_TEST")


def test_every_pool_has_the_environment_of_its_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MDLP_BENCH_TEST", "first")
    assert set(POOL.map(variable, range(4))) == {"first"}
    monkeypatch.setenv("MDLP_BENCH_TEST", "second")
    assert set(POOL.map(variable, range(4))) == {"second"}
    monkeypatch.delenv("MDLP_BENCH_TEST")
    assert set(POOL.map(variable, range(4))) == {None}


def test_engines_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert engine_named("local") == LocalEngine(1)
    assert engine_named("local", 3) == LocalEngine(3)
    with pytest.raises(MdlpBenchError, match="no engine 'dask'; there are: local, ray"):
        engine_named("dask")
    for bad in (LocalEngine, RayEngine):
        with pytest.raises(MdlpBenchError, match="workers is 0"):
            bad(0)
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'mdlp-bench\[ray\]'"):
        engine_named("ray")


def test_a_cluster_that_does_not_start_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray", reason="Ray is not installed (pip install 'mdlp-bench[ray]')")

    def refuse(**_: object) -> None:
        raise Exception("The current node timed out during startup.")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", refuse)
    with pytest.raises(
        MdlpBenchError, match=r"Ray: cannot reach or start a cluster \(The current node timed"
    ):
        list(RayEngine(2).map(fails_at_seven, [1]))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["predict", "bicubic", "DATA", "-o", "P", "--engine", "dask"], "no engine 'dask'"),
        (["data", "export", "DATA", "OUT", "--to", "mdlp", "--workers", "2"], "written by one process"),
    ],
)
def test_the_command_line_refuses_what_it_cannot_do(
    make_samples: Callable[..., Samples], tmp_path: Path, arguments: list[str], says: str
) -> None:
    make_samples(2, name="DATA")
    places = {name: str(tmp_path / name) for name in ("DATA", "P", "OUT")}
    with pytest.raises(MdlpBenchError, match=says):
        CliRunner().invoke(app, [places.get(a, a) for a in arguments], catch_exceptions=False)
    assert not (tmp_path / "P").exists() and not (tmp_path / "OUT").exists()


def process(number: int) -> int:
    return os.getpid()


def test_workers_are_kept_between_maps(tmp_path: Path) -> None:
    log = tmp_path / "loaded"
    doubled = partial(scaled, Loaded(stamp, log))
    with POOL.kept() as kept:
        first = set(kept.map(process, range(40)))
        for _ in range(2):
            assert [row[0] for row in kept.map(doubled, range(6))] == [n / 2 for n in range(6)]
        # Two maps in turns: each loads its function once per worker, not once per item.
        one, other = kept.map(doubled, range(30)), kept.map(fails_at_seven, range(30))
        with pytest.raises(DataError, match="item 7: broken"):
            list(zip(one, other, strict=True))
        one.close()
        later = set(kept.map(process, range(40)))
    assert later <= first and len(first) <= 2 and os.getpid() not in first
    loads = log.read_text().split()
    # Once here, and for each of three maps at most once per worker.
    assert len(loads) <= 1 + 3 * 2
    assert not any(alive(pid) for pid in first)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_kept_workers_end_when_the_block_fails() -> None:
    seen: set[int] = set()
    with pytest.raises(DataError, match="item 7: broken"), POOL.kept() as kept:
        seen |= set(kept.map(process, range(10)))
        list(kept.map(fails_at_seven, range(10)))
    assert seen and not any(alive(pid) for pid in seen)


def test_one_kept_worker_is_this_process() -> None:
    with SERIAL.kept() as kept:
        assert list(kept.map(process, range(3))) == [os.getpid()] * 3
