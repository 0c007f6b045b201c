"""Run a submitted method in a process of its own, with limits on time and memory. NOT a sandbox.

The process sees the frames only (no ground truth, no text), an environment without the caller's variables and
an empty working folder. It ends with all its children, also those that left its session, when it is done,
when its time is over or when this process ends. Only the end of its output is kept. It can still read and
write all that its user can: run methods of strangers in a container or a virtual machine without network.
"""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, cast

from mdlp_bench.device import EXACT, Compute
from mdlp_bench.errors import MethodError
from mdlp_bench.files import seed_for
from mdlp_bench.harness.predict import Predictions
from mdlp_bench.leaderboard import isolated_warden

if TYPE_CHECKING:
    from mdlp_bench.data.samples import Samples

_KEPT_VARIABLES: Final = (
    "PATH",
    "LANG",
    "LC_ALL",
    "OMP_NUM_THREADS",
    "CUDA_DEVICE_ORDER",
    "CUDA_VISIBLE_DEVICES",
    "LD_LIBRARY_PATH",
    "VIRTUAL_ENV",
    "SYSTEMROOT",
)
_TAIL: Final = 300
_LOG_BYTES: Final = 4096


def run_isolated(
    spec: str,
    samples: Samples,
    out: Path,
    *,
    seconds: float,
    megabytes: int,
    seed: int = 0,
    compute: Compute = EXACT,
) -> Predictions:
    """Predict with a method in a process of its own.

    Args:
        spec: A method as `load_method` takes it, but no folder of pictures, which nothing needs to run for.
        samples: What to restore; the process gets a copy without ground truth, texts and recipes' parameters.
        out: The prediction folder.
        seconds: Time for everything, by the clock.
        megabytes: Memory for data, of each process (not of shared libraries' code).
        seed: Seed of stochastic methods.
        compute: Device, precision and numerics of the method's networks.

    Returns:
        The predictions, as if made on `samples` themselves.

    Raises:
        MethodError: There is no such method, it failed, took too long or needed too much memory.
        MissingWeightsError: There is no such weight file.
    """
    from mdlp_bench.data import write_parquet
    from mdlp_bench.methods.registry import check_method, with_absolute_paths

    if Path(spec).is_dir():
        raise MethodError(
            f"{spec}: a folder has no code to run; give file.py:function, or `score` its pictures"
        )
    check_method(spec)
    with tempfile.TemporaryDirectory(prefix="mdlp-bench-") as work:
        inputs, made, empty = (Path(work) / name for name in ("inputs", "made", "empty"))
        empty.mkdir()
        hidden = (
            dataclasses.replace(
                sample,
                plate_id=_anonymous(sample.plate_id),
                gt=None,
                text=None,
                text_origin=None,
                degradation=None,
            )
            for sample in samples
        )
        write_parquet(hidden, inputs, name=samples.name.replace("/", "-"))
        command = [
            *(sys.executable, "-m", "mdlp_bench.leaderboard.isolated_worker"),
            *(with_absolute_paths(spec), str(inputs), str(made), str(megabytes), str(seed)),
            *dataclasses.astuple(compute),
        ]
        _run(command, empty, spec, seconds)
        return _adopted(made, samples, out)


def _run(command: list[str], folder: Path, spec: str, seconds: float) -> None:
    environment = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    environment |= {
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(Path(isolated_warden.__file__)), *command],
        cwd=folder,
        env=environment,
        # The pipe closes with this process, however that ends; then the warden ends everything.
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    log = bytearray()
    reading = threading.Thread(target=_keep_tail, args=(process.stdout, log), daemon=True)
    reading.start()
    try:
        code = process.wait(timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise MethodError(f"{spec}: not done within {seconds:g} s; make it faster or allow more") from error
    finally:
        cast("IO[bytes]", process.stdin).close()
        process.wait()
        reading.join()
    if code:
        lines = log.decode("utf-8", "replace").strip().splitlines()
        last = lines[-1][-_TAIL:] if lines else f"exit code {code}"
        raise MethodError(f"{spec}: failed in its process: {last}")


def _keep_tail(stream: IO[bytes], log: bytearray) -> None:
    """Read all that a process prints and keep the end, so that a flood fills neither memory nor disk."""
    with stream:
        while chunk := os.read(stream.fileno(), 1 << 16):
            log += chunk
            del log[:-_LOG_BYTES]


def _adopted(made: Path, samples: Samples, out: Path) -> Predictions:
    """The worker's predictions, copied as predictions on `samples`; shards are checked as they are copied."""
    import pyarrow.parquet as pq

    from mdlp_bench.files import write_bytes
    from mdlp_bench.harness.run import DatasetRecord

    found = Predictions(made)
    ids = [one.sample_id for one in found]
    if ids != list(samples.sample_ids):
        raise MethodError("the isolated run restored other samples than it was given; run it again")
    for shard in sorted(made.glob("shard-*.parquet")):
        pq.read_schema(shard)
        write_bytes(out / shard.name, shard.read_bytes())
    dataset = DatasetRecord(name=samples.name, fingerprint=samples.fingerprint, n_samples=len(samples))
    found.record.model_copy(update={"dataset": dataset}).write(out)
    return Predictions(out)


def _anonymous(plate_id: str) -> str:
    """Plate ids are often the plate's text."""
    return f"plate-{seed_for('isolated', plate_id)}"
