"""Where work is done: in this process, in a pool of processes, or on Ray. The result is the same everywhere.

Work on independent items (a sample to degrade, a shard to write, a batch to restore) is a function that an
engine maps over the items:

    for row in engine_named("ray", workers=8).map(restore, batches): ...
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
import sys
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, count, islice
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Generic, TypeVar

from mdlp_bench.errors import MdlpBenchError, MissingDependencyError, no_such, reason

Item = TypeVar("Item")
Result = TypeVar("Result")
Loadable = TypeVar("Loadable")

# Chunks per worker that are being worked on, or finished and not yet asked for: enough to keep the worker
# busy, few enough to keep memory flat.
_AHEAD: Final = 3

DIED: Final = (
    "a worker process died, perhaps for lack of memory; run the same command again, with fewer workers "
    "(a script of your own must do its work under `if __name__ == '__main__':`)"
)
"""What users are told when a worker ends without an error of its own."""


class Engine(ABC):
    """Applies a function to many items."""

    @abstractmethod
    def map(
        self, function: Callable[[Item], Result], items: Iterable[Item], *, chunk: int = 1
    ) -> Iterator[Result]:
        """Apply a function to every item, lazily and in order.

        Args:
            function: Depends on its item alone. With workers it is pickled, and unpickled once on each of
                them; what must not travel (networks) goes into a `Loaded`.
            items: Read only as far ahead as the workers need, in this process.
            chunk: Items that a worker is given at a time; use more where an item is quick.

        Yields:
            The results, in the order of the items, whatever the number of workers.

        Raises:
            MdlpBenchError: The function cannot be pickled, or a worker died. What the function raises passes
                through.
        """

    @contextmanager
    def kept(self) -> Iterator[Engine]:
        """An engine like this one whose workers stay from one `map` to the next, for work in many steps.

        Starting a worker takes as long as importing PyTorch. They end with the block.
        """
        yield self


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread for PyTorch and what else follows OMP_NUM_THREADS.

    A sum that threads share is rounded according to their number: with one, a network gives the same bits in
    this process, on a worker and on a machine with more cores.
    """
    torch, given = sys.modules.get("torch"), os.environ.get("OMP_NUM_THREADS")
    threads = None if torch is None else torch.get_num_threads()
    # For a PyTorch that is imported only within; then it keeps to one thread.
    os.environ["OMP_NUM_THREADS"] = "1"
    if torch is not None:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if torch is not None:
            torch.set_num_threads(threads)
        if given is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = given


def _check_workers(workers: int) -> None:
    if workers < 1:
        raise MdlpBenchError(f"workers is {workers}; ask for at least 1")


@dataclass(frozen=True)
class LocalEngine(Engine):
    """This machine: one worker is this process, more are a pool of processes with one thread each.

    Attributes:
        workers: Processes.
    """

    workers: int = 1

    def __post_init__(self) -> None:
        _check_workers(self.workers)

    def map(
        self, function: Callable[[Item], Result], items: Iterable[Item], *, chunk: int = 1
    ) -> Iterator[Result]:
        """See `Engine.map`."""
        if self.workers == 1:
            yield from map(function, items)
            return
        with self.kept() as pool:
            yield from pool.map(function, items, chunk=chunk)

    @contextmanager
    def kept(self) -> Iterator[Engine]:
        """See `Engine.kept`."""
        if self.workers == 1:
            yield self
            return
        with ExitStack() as stack:
            yield _Pool(self.workers, stack)


class _Pool(Engine):
    """Worker processes, started by the first `map` that needs them; they end when the stack is left."""

    def __init__(self, workers: int, stack: ExitStack) -> None:
        self._workers, self._stack, self._numbers = workers, stack, count()

    def map(
        self, function: Callable[[Item], Result], items: Iterable[Item], *, chunk: int = 1
    ) -> Iterator[Result]:
        """See `Engine.map`."""
        source = chunks(items, chunk)
        first = list(islice(source, 2))
        if len(first) < 2:
            # This is not worth starting processes for.
            yield from map(function, chain.from_iterable(first))
            return
        source = chain(first, source)
        pickled = _pickled(function, pickle.dumps)
        executor, folder = self._started
        # Workers read it once each, and forget it when the file is gone.
        file = folder / f"{next(self._numbers)}.pickle"
        file.write_bytes(pickled)
        pending: deque[Future[list[Result]]] = deque()
        try:
            while True:
                while len(pending) < self._workers * _AHEAD and (part := next(source, None)):
                    pending.append(executor.submit(_work_in_pool, file, part))
                if not pending:
                    return
                yield from pending.popleft().result()
        except BrokenProcessPool as error:
            raise MdlpBenchError(DIED) from error
        finally:
            for future in pending:
                future.cancel()
            file.unlink(missing_ok=True)

    @cached_property
    def _started(self) -> tuple[ProcessPoolExecutor, Path]:
        folder = Path(self._stack.enter_context(TemporaryDirectory(prefix="mdlp-bench-")))
        # Spawned, because OpenCV's threads do not survive a fork.
        context = get_context("spawn")
        # The other end closes when this process ends, in whatever way, and then the workers end too.
        parent, held = context.Pipe(duplex=False)
        executor = ProcessPoolExecutor(self._workers, context, _set_up_process, (parent,))

        def end(raised: type[BaseException] | None, *_: object) -> None:
            if raised is not None:
                held.close()  # what the workers are doing is not waited for
            executor.shutdown(cancel_futures=True)
            held.close()
            parent.close()

        self._stack.push(end)
        return executor, folder


@dataclass(frozen=True)
class RayEngine(Engine):
    """A Ray cluster: the one this process is connected to or `RAY_ADDRESS` names, else one of this machine.

    The workers see the same files under the same paths as this process.

    Attributes:
        workers: Tasks of one CPU at a time; None for as many as the cluster has CPUs, or with `gpu` GPUs.
        gpu: Whether a task takes a share of a GPU, all shares being equal; it sees that GPU alone, as `cuda`.
    """

    workers: int | None = None
    gpu: bool = False

    def __post_init__(self) -> None:
        if self.workers is not None:
            _check_workers(self.workers)

    def map(
        self, function: Callable[[Item], Result], items: Iterable[Item], *, chunk: int = 1
    ) -> Iterator[Result]:
        """See `Engine.map`.

        Raises:
            MissingDependencyError: Ray is not installed.
            MdlpBenchError: As in `Engine.map`, or the cluster cannot be reached.
        """
        ray = _connected_ray()
        workers, share = self._shares(ray.cluster_resources())
        pickled = _pickled(function, ray.cloudpickle.dumps)
        # In a tuple a reference is passed on as it is, so the worker fetches the function only once.
        shared = (ray.put(pickled),)
        task = ray.remote(num_cpus=1, num_gpus=share)(_work_on_ray)
        source = chunks(items, chunk)
        pending: deque[Any] = deque()
        running: list[Any] = []
        try:
            while True:
                while (
                    len(running) < workers
                    and len(pending) < workers * _AHEAD
                    and (part := next(source, None))
                ):
                    running.append(task.remote(shared, os.getcwd(), part))  # noqa: PTH109 - a plain text
                    pending.append(running[-1])
                if not pending:
                    return
                if pending[0] in running:
                    running = ray.wait(running)[1]
                else:
                    # The worker has pickled them: Ray's own arrays would be read-only and stay in its store.
                    results: list[Result] = pickle.loads(ray.get(pending.popleft()))
                    yield from results
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except ray.exceptions.RayError as error:
            raise MdlpBenchError(f"Ray: {DIED}") from error
        finally:
            for reference in running:
                ray.cancel(reference, force=False)

    def _shares(self, resources: Mapping[str, float]) -> tuple[int, float]:
        """How many tasks run at a time, and what part of a GPU each takes."""
        if not self.gpu:
            return self.workers or max(1, int(resources.get("CPU", 1))), 0.0
        gpus = int(resources.get("GPU", 0))
        if not gpus:
            raise MdlpBenchError("Ray: the cluster has no GPU; use --device cpu")
        workers = self.workers or gpus
        # Ray counts in steps of a ten-thousandth; rounded down, all tasks fit.
        return workers, min(1.0, int(10_000 * gpus / workers) / 10_000)


SERIAL: Final[Engine] = LocalEngine()
"""This process alone."""

ENGINES: Final = ("local", "ray")


def engine_named(name: str, workers: int | None = None, device: str = "cpu") -> Engine:
    """The engine that a user named.

    Args:
        name: One of `ENGINES`.
        workers: How many; default 1 for `local`, all of the cluster's CPUs (on GPUs, its GPUs) for `ray`.
        device: Where networks will compute; on `cuda` each worker of `ray` takes its share of GPUs.

    Raises:
        MdlpBenchError: There is no such engine, or fewer than one worker.
        MissingDependencyError: Ray is not installed.
    """
    if name == "local":
        return LocalEngine(1 if workers is None else workers)
    if name == "ray":
        _import_ray()
        return RayEngine(workers, gpu=device == "cuda")
    raise no_such("engine", name, ENGINES, MdlpBenchError)


class Loaded(Generic[Loadable]):
    """Something that is loaded rather than pickled: on a worker it is loaded again, once.

    Attributes:
        value: What was loaded.
    """

    def __init__(self, load: Callable[..., Loadable], *args: object) -> None:
        """Call `load` with `args`, which travel to workers."""
        self._made_by = (load, *args)
        self.value = load(*args)

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), self._made_by)


def chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield lists of `size` items, the last one possibly shorter."""
    source = iter(items)
    while part := list(islice(source, size)):
        yield part


def _pickled(function: Callable[..., Any], dumps: Callable[[Any], bytes]) -> bytes:
    try:
        return dumps(function)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise MdlpBenchError(
            f"cannot be sent to workers ({reason(error)}); use one local worker, or give what is to run "
            "by its name, such as file.py:function"
        ) from error


# The functions that a worker process has loaded, by the file or the reference of Ray that they came in.
_functions: Final[dict[Path | str, Callable[[Any], Any]]] = {}


def _set_up_process(parent: Connection) -> None:
    # Signals of terminals and schedulers reach the whole group: the parent decides, and its workers follow.
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    _one_thread_each()


def _end_with(parent: Connection) -> None:
    with suppress(EOFError, OSError):
        parent.recv_bytes()
    os._exit(1)


def _one_thread_each() -> None:
    # Workers fill the cores by themselves; threads of their own would only get in their way.
    os.environ["OMP_NUM_THREADS"] = "1"
    import cv2

    cv2.setNumThreads(1)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


def _work_in_pool(file: Path, part: list[Any]) -> list[Any]:
    if file not in _functions:
        for done in [other for other in _functions if not Path(other).exists()]:
            del _functions[done]
        _functions[file] = pickle.loads(file.read_bytes())
    return [_functions[file](item) for item in part]


def _work_on_ray(shared: tuple[Any], folder: str, part: list[Any]) -> bytes:
    import ray

    owner = shared[0].hex()
    if owner not in _functions:
        os.chdir(folder)
        _one_thread_each()
        _functions.clear()
        _functions[owner] = pickle.loads(ray.get(shared[0]))
    return pickle.dumps([_functions[owner](item) for item in part])


def _connected_ray() -> Any:
    ray = _import_ray()
    if not ray.is_initialized():
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        except Exception as error:  # a cluster that takes too long to start raises nothing narrower
            raise MdlpBenchError(
                f"Ray: cannot reach or start a cluster ({reason(error)}); "
                "set RAY_ADDRESS or use the local engine"
            ) from error
    return ray


def _import_ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise MissingDependencyError(
            "ray is not installed; install it with: pip install 'mdlp-bench[ray]'"
        ) from error
    return ray
