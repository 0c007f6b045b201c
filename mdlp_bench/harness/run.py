"""The run log: versioned records of what was predicted and scored, with what, on what.

A prediction folder holds `predictions.json` and `shard-*.parquet`; a run folder holds `run.json`,
`per_sample.parquet` and `summary.json`. All JSON is strict (null for what has no value).
"""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from mdlp_bench.device import Numerics, Precision
from mdlp_bench.errors import DataError, ProtocolError, RunError
from mdlp_bench.files import atomic_path, read_json, sha256_bytes, sha256_file, write_json
from mdlp_bench.frozen import Frozen
from mdlp_bench.harness.statistics import SeedSpread
from mdlp_bench.methods.base import MethodDescriptor
from mdlp_bench.metrics.base import MetricInfo, register_metric
from mdlp_bench.metrics.protocol import Protocol, protocol_named
from mdlp_bench.output_folder import locked_folder
from mdlp_bench.readers.base import ReaderDescriptor
from mdlp_bench.records import Record

# Packages that can change a score; the others would be noise in the record.
_PACKAGES: Final = (
    "mdlp-bench", "numpy", "opencv-python-headless", "torch", "lpips", "onnxruntime", "pyarrow",
)  # fmt: skip


_CODE: Final = (".py", ".yaml")


class _Record(Record):
    error = RunError
    remedy = "predict or score again"


class DatasetRecord(Frozen):
    """The samples: name, fingerprint over ids, texts and image hashes, and number."""

    name: str
    fingerprint: str
    n_samples: int


class Environment(Frozen):
    """The software and the machine: code version, packages, kind of machine.

    Attributes:
        git_commit: Of the checkout that the package lies in; null when it is installed from a wheel.
        git_dirty: Whether that checkout had changes.
        code_sha256: Hash of the modules and settings of `mdlp_bench`, not of a method's code; null in records
            of earlier versions.
        python: Its version.
        platform: System and processor.
        packages: Versions by name, of those that can change a score.
    """

    git_commit: str | None
    git_dirty: bool | None
    code_sha256: str | None = None
    python: str
    platform: str
    packages: dict[str, str]

    @classmethod
    def current(cls) -> Self:
        """The environment of this process."""
        commit, dirty = _git_state()
        return cls(
            git_commit=commit,
            git_dirty=dirty,
            code_sha256=_code_sha256(),
            python=platform.python_version(),
            platform=f"{platform.system()} {platform.machine()}",
            packages=_package_versions(),
        )

    @property
    def identity(self) -> dict[str, Any]:
        """What scores depend on: the code itself, whatever its commit is called."""
        return self.model_dump(mode="json", exclude={"git_commit", "git_dirty"})


class CostRecord(Frozen):
    """What restoring one image takes, measured by calls on a single sample (`metrics.cost.measure_cost`).

    Attributes:
        macs: Multiply-accumulates that PyTorch ran; null for methods that do not use it.
        ms_per_image: Median milliseconds of a call on one sample (see `metrics.cost.Cost`).
        peak_memory: Bytes of memory on top of what the process held; null where the system does not tell.
        threads: CPU threads that were allowed.
        device: `cpu` or the CUDA device's name.
        spread: Interquartile range of the timings divided by their median; null in runs of earlier versions.
        calls: How many calls were timed.
        processor: Name of the CPU.
        load: Processes that wanted a CPU in the minute before, per CPU.
    """

    macs: int | None
    ms_per_image: float
    peak_memory: int | None
    threads: int
    device: str
    spread: float | None = None
    calls: int | None = None
    processor: str | None = None
    load: float | None = None

    @property
    def conditions(self) -> str:
        """Where and how the time was taken, in words; times are compared only when this is equal."""
        threads = f"{self.threads} thread{'s' * (self.threads != 1)}"
        cpu = f"{self.processor or 'a CPU that is not recorded'}, {threads}"
        return cpu if self.device == "cpu" else f"{self.device} ({cpu})"


class PredictionsRecord(_Record):
    """`predictions.json`: whose predictions these are, and how far they have come.

    `given_sha256` is the hash of the file of a method given as `file.py:name`, or of a folder's pictures.
    """

    file_name: ClassVar[str] = "predictions.json"

    schema_version: Literal[1] = 1
    status: Literal["running", "complete"]
    method: MethodDescriptor
    dataset: DatasetRecord
    seed: int
    batch_size: int
    shard_size: int
    device: str
    precision: Precision = "fp32"
    numerics: Numerics = "exact"
    environment: Environment
    given_sha256: str | None = None
    n_failed: int = 0
    seconds: float = 0.0
    cost: CostRecord | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """What must be equal for a folder to be resumed: all that the stored pictures depend on.

        Finished predictions stay those of their method when the software moves on; unfinished ones do not
        continue with other software.
        """
        kept = ("method", "dataset", "seed", "batch_size", "shard_size", "precision", "numerics")
        found = {name: self.model_dump(mode="json", include={name})[name] for name in kept}
        found["device"] = self.device.partition(":")[0]
        if self.given_sha256 is not None:
            found["given_sha256"] = self.given_sha256
        if self.status == "running":
            found["packages"] = self.environment.packages
        return found


class MetricSummary(Frozen):
    """One number of a run with its uncertainty.

    Attributes:
        mean: Over all samples that have the metric, failed ones at the metric's worst value; null when
            unavailable.
        low: Lower end of the confidence interval.
        high: Upper end.
        n: Samples.
        n_plates: Plates (clusters of the bootstrap).
        n_failed: Samples at the floor because the method failed on them.
        higher_is_better: Direction.
        unavailable: Why there is no value, or null.
        seeds: How the mean varies between seeds, for a method scored over several; the limits include it.
        ceiling: For a text metric, its mean when the reader reads the ground truths themselves; else null.
    """

    mean: float | None
    low: float | None
    high: float | None
    n: int
    n_plates: int
    n_failed: int
    higher_is_better: bool
    unavailable: str | None = None
    ceiling: float | None = None
    seeds: SeedSpread | None = None


class RunRecord(_Record):
    """`run.json`: one scored set of predictions.

    `grammars_sha256` is the hash of the user's file of further grammars; null without one.
    """

    file_name: ClassVar[str] = "run.json"

    schema_version: Literal[1] = 1
    status: Literal["complete"] = "complete"
    protocol: str
    protocol_sha256: str
    method: MethodDescriptor
    dataset: DatasetRecord
    readers: tuple[ReaderDescriptor, ...]
    weights: dict[str, str]
    metrics: tuple[MetricInfo, ...] = ()
    seed: int
    seeds: tuple[int, ...] = ()
    device: str
    precision: Precision = "fp32"
    numerics: Numerics = "exact"
    scored_on: str = "cpu"
    prediction_seconds: float
    milliseconds_per_image: float | None
    cost: CostRecord | None = None
    grammars_sha256: str | None = None
    environment: Environment

    @property
    def rules(self) -> Protocol:
        """The protocol it was scored under.

        Raises:
            ProtocolError: This version has no protocol of that id, or one with other rules.
        """
        protocol = protocol_named(self.protocol)
        if protocol.fingerprint() != self.protocol_sha256:
            raise ProtocolError(
                f"scored under {self.protocol} with other rules than this version's; score again"
            )
        return protocol

    @property
    def identity(self) -> dict[str, Any]:
        """What must be equal for a run to be the one that scoring would make."""
        found = self.model_dump(mode="json", exclude={"environment"})
        return found | {"environment": self.environment.identity}

    @property
    def comparable(self) -> tuple[object, ...]:
        """Runs are ranked together only when this is equal."""
        rules = self.protocol, self.protocol_sha256, self.grammars_sha256
        return (*rules, self.dataset.fingerprint, self.readers)

    def column(self, name: str, position: int) -> str:
        """The column of a text metric or reading by the reader at `position`; the first has no suffix."""
        return name if position == 0 else f"{name}@{self.readers[position].name}"


class Run:
    """A run folder: its record, summary and per-sample table."""

    def __init__(self, folder: Path) -> None:
        """Open a run.

        Raises:
            RunError: The folder holds no complete run.
        """
        self.folder = folder
        self.record = RunRecord.read(folder)
        for info in self.record.metrics:
            register_metric(info)
        try:
            summary = read_json(folder / "summary.json")
        except DataError as error:
            raise RunError(str(error)) from error
        try:
            self.summary = {name: MetricSummary.model_validate(entry) for name, entry in summary.items()}
        except (ValidationError, AttributeError) as error:
            raise RunError(f"{folder / 'summary.json'}: not a summary of metrics ({error})") from error

    @property
    def name(self) -> str:
        """The method's name."""
        return self.record.method.name

    @property
    def is_oracle(self) -> bool:
        """Whether the method sees the ground truth or nothing: a bound, never ranked."""
        return self.record.method.provenance == "oracle"

    def per_sample(self) -> pa.Table:
        """The per-sample scores.

        Raises:
            RunError: The table is missing or damaged.
        """
        path = self.folder / "per_sample.parquet"
        try:
            return pq.read_table(path)
        except (OSError, pa.ArrowException) as error:
            raise RunError(f"{path}: cannot be read ({error})") from error


def runs_in(folders: Sequence[Path]) -> list[Run]:
    """Open runs; a folder that `bench` or `demo` wrote, or a folder of runs, stands for those in it, by name.

    Raises:
        RunError: A folder is not there, or neither a run nor a folder of runs.
    """
    found = []
    for folder in folders:
        inside = [] if (folder / RunRecord.file_name).is_file() else _runs_below(folder)
        found += [Run(path) for path in inside or [folder]]
    return found


def _runs_below(folder: Path) -> list[Path]:
    for parent in (folder / "runs", folder):
        if found := sorted(path.parent for path in parent.glob(f"*/{RunRecord.file_name}")):
            return found
    return []


def float_column(table: pa.Table, name: str) -> npt.NDArray[np.float64]:
    """A column of a per-sample table, float64 [n]; NaN for nulls, and in a column that is not there."""
    if name not in table.column_names:
        return np.full(len(table), np.nan)
    return np.asarray(table[name].to_numpy(zero_copy_only=False), np.float64)


def count_differing(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64], tolerance: float) -> int:
    """How many numbers [n] differ by more than the tolerance; two NaN are equal."""
    same = (np.abs(first - second) <= tolerance) | (np.isnan(first) & np.isnan(second))
    return int((~same).sum())


def write_run(
    folder: Path, record: RunRecord, per_sample: pa.Table, summary: dict[str, MetricSummary]
) -> Run:
    """Write a run folder; `run.json` comes last, so a folder that has one is complete."""
    with locked_folder(folder):
        (folder / RunRecord.file_name).unlink(missing_ok=True)
        with atomic_path(folder / "per_sample.parquet") as temporary:
            pq.write_table(per_sample, temporary, compression="zstd")
        write_json(folder / "summary.json", {k: v.model_dump(mode="json") for k, v in summary.items()})
        record.write(folder)
    return Run(folder)


@cache
def _git_state() -> tuple[str | None, bool | None]:
    """Commit and dirtiness of the checkout this package lies in; None when installed from a wheel."""
    here = Path(__file__)

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(here.parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", here.name)
        return git("rev-parse", "HEAD"), bool(git("status", "--porcelain", "-uno"))
    except (OSError, subprocess.SubprocessError):
        return None, None


@cache
def _code_sha256() -> str:
    package = Path(__file__).parents[1]
    files = sorted(path for path in package.rglob("*") if path.suffix in _CODE)
    known = [f"{path.relative_to(package).as_posix()} {sha256_file(path)}" for path in files]
    return sha256_bytes("\n".join(known).encode())


@cache
def _package_versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found
