"""Run a method over samples: in batches on any engine, stored shard by shard, resumable to the same bytes."""

from __future__ import annotations

import dataclasses
import itertools
import logging
import re
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from mdlp_bench.data.samples import Samples, whole_of
from mdlp_bench.device import EXACT, Compute, check_device
from mdlp_bench.engine import SERIAL, Engine, Loaded, chunks, one_thread
from mdlp_bench.errors import DataError, MethodError, RunError, debug_hint, debugging, raised
from mdlp_bench.files import atomic_path, sha256_bytes, sha256_file
from mdlp_bench.harness.run import CostRecord, DatasetRecord, Environment, PredictionsRecord
from mdlp_bench.images import ImageU8, decode, encode
from mdlp_bench.methods.base import (
    AnyMethod,
    FrameBatch,
    MethodDescriptor,
    Output,
    TextMethod,
    check_readings,
    check_restored,
    run_on,
)
from mdlp_bench.methods.registry import FolderMethod, pictures_in, registered_methods
from mdlp_bench.output_folder import LOCK, differences, locked_folder
from mdlp_bench.progress import Progress, progress_bar
from mdlp_bench.readers.base import Reading
from mdlp_bench.schema import IMAGE_TYPE, Sample
from mdlp_bench.userfiles import is_file_spec

logger = logging.getLogger(__name__)

SCHEMAS: Final[Mapping[Output, pa.Schema]] = MappingProxyType(
    {
        "image": pa.schema({"sample_id": pa.string(), "image": IMAGE_TYPE, "error": pa.string()}),
        "text": pa.schema(
            {
                "sample_id": pa.string(),
                "text": pa.string(),
                "char_confidences": pa.list_(pa.float64()),
                "error": pa.string(),
            }
        ),
    }
)
"""One row per sample: the restored image as PNG of the working size, or the text, or why there is neither."""

_NUMBER: Final = re.compile(r"\d+(\.\d+)?")
_CAUSES_SHOWN: Final = 5
_SHOWN: Final[set[str]] = set()
"""Causes whose traceback this process has printed."""


@dataclass(frozen=True)
class Prediction:
    """What a method made of one sample.

    Attributes:
        sample_id: The sample.
        image: uint8 RGB [112, 224, 3]; None when the method failed or gives text alone.
        error: Why it failed, else None.
        reading: The text of a method that gives text alone, else None.
    """

    sample_id: str
    image: ImageU8 | None
    error: str | None
    reading: Reading | None = None


class Predictions:
    """A complete prediction folder."""

    def __init__(self, folder: Path) -> None:
        """Open it.

        Raises:
            RunError: There is none, or the job that writes it has not finished.
        """
        self.folder = folder
        self.record = PredictionsRecord.read(folder)
        if self.record.status != "complete":
            raise RunError(
                f"{folder}: the predictions are incomplete; run the same predict command to resume"
            )

    def warn_of_part(self) -> None:
        """Log a line where these are predictions of a part of a data set only."""
        if (whole := whole_of(self.record.dataset.name)) is not None:
            logger.warning(
                "%s: predictions of %d samples of %s only; a submission needs all of them: predict the "
                "whole set, without --limit",
                self.folder,
                self.record.dataset.n_samples,
                whole,
            )

    def __iter__(self) -> Iterator[Prediction]:
        """The predictions in the order of the samples.

        Raises:
            RunError: A shard is missing or damaged.
        """
        seen = 0
        for shard in itertools.count():
            if seen >= self.record.dataset.n_samples:
                return
            path = _shard_path(self.folder, shard)
            try:
                rows = pq.read_table(path).to_pylist()
            except (OSError, pa.ArrowException) as error:
                raise RunError(f"{path}: cannot be read ({error}); predict again") from error
            yield from (_from_row(row, self.record.method.output, path) for row in rows)
            seen += len(rows)


def _from_row(row: Mapping[str, Any], output: Output, path: Path) -> Prediction:
    if row["error"] is not None:
        return Prediction(row["sample_id"], None, row["error"])
    if output == "text":
        return Prediction(row["sample_id"], None, None, Reading(row["text"], tuple(row["char_confidences"])))
    image = decode(row["image"]["bytes"], f"{path}:{row['sample_id']}")
    return Prediction(row["sample_id"], image, None)


def predict(
    method: AnyMethod | str,
    samples: Samples,
    out: Path,
    *,
    name: str | None = None,
    batch_size: int = 16,
    shard_size: int = 256,
    seed: int = 0,
    compute: Compute = EXACT,
    measure: bool = False,
    engine: Engine = SERIAL,
) -> Predictions:
    """Restore every sample and store the images, or the texts of a text method, in `out`.

    A sample on which the method raises is kept with its error (it scores as the floor). A job that was
    stopped continues where it was when it is called again with the same arguments, and gives the same bytes.

    Args:
        method: A method, or its name for `load_method`. Every worker of an engine loads a named method by
            itself; an object is pickled.
        samples: What to restore.
        out: The prediction folder.
        name: What to call a method that is given by its name for `load_method`; default its own name.
        batch_size: Samples per call of the method.
        shard_size: Samples per file; a stopped job loses at most this many.
        seed: Seed of stochastic methods; each sample's own seed is derived from it and the sample id.
        compute: Device, precision and numerics of networks; recorded.
        measure: Also measure what one image costs, by more calls on the first sample, in this process, on
            one CPU thread (see `metrics.cost.measure_cost`).
        engine: Where batches are restored; they are written from this process. Under exact numerics a batch
            is restored on one thread, so the bytes do not depend on the engine.

    Raises:
        RunError: `out` holds predictions of another method, data set, seed or numerics.
        MethodError: The method does not keep its contract, or fails on every sample of the first shard.
        DataError: A frame cannot be decoded.
        MdlpBenchError: As in `Engine.map`.
    """
    loaded = Loaded(_method, method, name)
    descriptor = loaded.value.descriptor
    shown = method if isinstance(method, str) else descriptor.name
    started = PredictionsRecord(
        status="running",
        method=descriptor,
        seed=seed,
        batch_size=batch_size,
        shard_size=shard_size,
        dataset=DatasetRecord(name=samples.name, fingerprint=samples.fingerprint, n_samples=len(samples)),
        device=compute.device,
        precision=compute.precision,
        numerics=compute.numerics,
        environment=Environment.current(),
        given_sha256=_hash_of_given(method) if isinstance(method, str) else None,
    )
    if len(samples) == 0:
        raise DataError(f"{samples.name}: no samples to restore")
    if isinstance(loaded.value, FolderMethod):
        loaded.value.check(samples.sample_ids)
    with locked_folder(out):
        record = _resumed(out, started)
        if record.status == "complete" and (record.cost is not None or not measure):
            return Predictions(out)
        record.write(out)
        done = next(k for k in itertools.count() if not _shard_path(out, k).is_file())
        rest = samples.sample_ids[done * shard_size :]
        with progress_bar(len(samples), descriptor.title, done=len(samples) - len(rest)) as bar:
            left = samples.select(sample_ids=rest) if rest else ()
            # A shard ends with a batch, so that a resumed job cuts the same batches.
            batches = (part for shard in chunks(left, shard_size) for part in chunks(shard, batch_size))
            restored = engine.map(partial(_restored, loaded, descriptor, shown, seed, compute), batches)
            for shard, start in enumerate(range(0, len(rest), shard_size), start=done):
                count = -(-min(shard_size, len(rest) - start) // batch_size)
                record = _write_shard(out, shard, itertools.islice(restored, count), record, bar, shown)
        errors = _errors(out, len(samples))
        n_failed = len(errors)
        for cause in _causes(errors):
            logger.warning("method %s: %s%s", shown, cause, debug_hint())
        cost = _measure(loaded.value, samples, seed, compute) if measure else record.cost
        record.model_copy(update={"status": "complete", "n_failed": n_failed, "cost": cost}).write(out)
        return Predictions(out)


@dataclass(frozen=True, slots=True)
class _RestoredBatch:
    """What a worker gives back: rows of one of `SCHEMAS`, and the seconds the method took."""

    rows: list[dict[str, Any]]
    seconds: float


def _method(given: AnyMethod | str, name: str | None = None) -> AnyMethod:
    from mdlp_bench.methods import load_method

    method = load_method(given, name) if isinstance(given, str) else given
    gives: Output = "text" if isinstance(method, TextMethod) else "image"
    if method.descriptor.output != gives:
        raise MethodError(f"method {method.descriptor.name}: gives {gives}s, its descriptor says otherwise")
    return method


def _restored(
    method: Loaded[AnyMethod],
    descriptor: MethodDescriptor,
    shown: str,
    seed: int,
    compute: Compute,
    samples: list[Sample],
) -> _RestoredBatch:
    # A worker on another machine may lack the device.
    check_device(compute.device)
    if method.value.descriptor != descriptor:
        raise MethodError(f"method {shown}: a worker loads other weights or code; make them equal")
    batch = _frame_batch(samples, descriptor, seed, compute)
    begun = time.perf_counter()
    with one_thread() if compute.numerics == "exact" else nullcontext():
        found = _restore(method.value, batch, shown)
    seconds = time.perf_counter() - begun
    return _RestoredBatch([_prediction_row(p, descriptor.output) for p in found], seconds)


def _write_shard(
    out: Path,
    shard: int,
    batches: Iterator[_RestoredBatch],
    record: PredictionsRecord,
    bar: Progress,
    shown: str,
) -> PredictionsRecord:
    rows: list[dict[str, Any]] = []
    seconds = 0.0
    for batch in batches:
        rows += batch.rows
        seconds += batch.seconds
        bar.update(len(batch.rows))
    if shard == 0 and all(row["error"] is not None for row in rows):
        causes = "; ".join(_causes([row["error"] for row in rows]))
        raise MethodError(f"method {shown}: fails on every sample it was given: {causes}{debug_hint()}")
    table = pa.Table.from_pylist(rows, SCHEMAS[record.method.output])
    with atomic_path(_shard_path(out, shard)) as temporary:
        pq.write_table(table, temporary, compression="none")
    updated = record.model_copy(update={"seconds": record.seconds + seconds})
    updated.write(out)
    return updated


def _restore(method: AnyMethod, batch: FrameBatch, shown: str) -> list[Prediction]:
    try:
        found = run_on(method, batch)
    except Exception as error:
        if len(batch) > 1:
            # One bad sample must not spoil its batch: restore the samples one by one.
            return [p for i in range(len(batch)) for p in _restore(method, batch.single(i), shown)]
        reason = raised(error)
        if debugging() and (kind := _cause(reason)) not in _SHOWN:
            _SHOWN.add(kind)
            traceback.print_exception(error)
        return [Prediction(batch.sample_ids[0], None, reason)]
    if isinstance(method, TextMethod):
        readings = check_readings(found, len(batch), shown)
        return [Prediction(i, None, None, read) for i, read in zip(batch.sample_ids, readings, strict=True)]
    images = check_restored(found, len(batch), shown)
    return [Prediction(i, image, None) for i, image in zip(batch.sample_ids, images, strict=True)]


def _measure(method: AnyMethod, samples: Samples, seed: int, compute: Compute) -> CostRecord | None:
    """What the first sample costs; None when the method fails on it."""
    from mdlp_bench.metrics.cost import measure_cost

    batch = _frame_batch([samples[0]], method.descriptor, seed, compute)
    try:
        found = measure_cost(lambda: run_on(method, batch), compute.device)
    except Exception as error:
        logger.warning("%s: its cost cannot be measured: %s", method.descriptor.name, error)
        return None
    return CostRecord(**dataclasses.asdict(found))


def _frame_batch(
    samples: Sequence[Sample], descriptor: MethodDescriptor, seed: int, compute: Compute
) -> FrameBatch:
    oracle = descriptor.provenance == "oracle"
    return FrameBatch(
        sample_ids=tuple(sample.sample_id for sample in samples),
        native=tuple(sample.decode_frames() for sample in samples),
        seed=seed,
        ground_truth=tuple(sample.decode_gt() for sample in samples) if oracle else None,
        compute=compute,
    )


def _prediction_row(prediction: Prediction, output: Output) -> dict[str, Any]:
    row: dict[str, Any] = {"sample_id": prediction.sample_id, "error": prediction.error}
    image, reading = prediction.image, prediction.reading
    if output == "text":
        answer = {} if reading is None else dataclasses.asdict(reading)
        return row | {"text": answer.get("text"), "char_confidences": answer.get("char_confidences")}
    stored = None if image is None else {"bytes": encode(image), "path": f"{prediction.sample_id}.png"}
    return row | {"image": stored}


def _resumed(out: Path, started: PredictionsRecord) -> PredictionsRecord:
    """The record to go on with: `started`, or what an earlier call with the same arguments left."""
    if not (out / PredictionsRecord.file_name).is_file():
        if taken := sorted(path.name for path in out.iterdir() if path.name != LOCK):
            raise RunError(f"{out}: not empty (it holds {taken[0]}) and no predictions; choose a new folder")
        return started
    found = PredictionsRecord.read(out)
    wanted = started.model_copy(update={"status": found.status})
    if different := differences(found.identity, wanted.identity):
        raise RunError(
            f"{out}: holds predictions of {found.method.name} on {found.dataset.name} that differ: "
            f"{different}; choose a new folder or delete it"
        )
    return found


def _hash_of_given(spec: str) -> str | None:
    """The hash of a method's own files that its descriptor does not hold: a user's code, or pictures."""
    if spec in registered_methods():
        return None
    if is_file_spec(spec):
        return sha256_file(Path(spec.rpartition(":")[0]))
    pictures = pictures_in(Path(spec)) if Path(spec).is_dir() else []
    return sha256_bytes("".join(f"{p.name} {sha256_file(p)}\n" for p in pictures).encode())


def _errors(out: Path, n_samples: int) -> list[str]:
    """Why the method failed, per failed sample, in the order of the samples."""
    errors: list[str] = []
    seen = 0
    for shard in itertools.count():
        if seen >= n_samples:
            return errors
        column = pq.read_table(_shard_path(out, shard), columns=["error"])["error"]
        errors += column.drop_null().to_pylist()
        seen += len(column)
    return errors


def _cause(error: str) -> str:
    """What errors of one cause share: kind, place and wording, without the numbers of single samples."""
    wording, _, line = error.rpartition(", line ")
    return f"{_NUMBER.sub('#', wording or error)}, {line}"


def _causes(errors: Sequence[str]) -> list[str]:
    """One line per distinct cause, the most frequent first: its first error and on how many samples."""
    found: dict[str, list[str]] = {}
    for error in errors:
        found.setdefault(_cause(error), []).append(error)
    ordered = sorted(found.values(), key=len, reverse=True)
    lines = [f"{same[0]}, on {len(same)} sample{'s' * (len(same) > 1)}" for same in ordered[:_CAUSES_SHOWN]]
    if more := ordered[_CAUSES_SHOWN:]:
        lines.append(f"{len(more)} further causes, on {sum(map(len, more))} samples")
    return lines


def _shard_path(folder: Path, shard: int) -> Path:
    return folder / f"shard-{shard:05d}.parquet"
