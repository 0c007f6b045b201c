"""Score stored predictions: images against the ground truth, text through readers; no method is run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mdlp_bench.data.samples import Samples
from mdlp_bench.engine import SERIAL, Engine, chunks
from mdlp_bench.errors import ProtocolError, RunError
from mdlp_bench.files import sha256_file
from mdlp_bench.harness.ground_truth import Collected, cache_file, read_cache, write_cache
from mdlp_bench.harness.plan import ScoringPlan
from mdlp_bench.harness.predict import Prediction, Predictions
from mdlp_bench.harness.run import (
    Environment,
    MetricSummary,
    PredictionsRecord,
    Run,
    RunRecord,
    write_run,
)
from mdlp_bench.harness.scorers import ImageScorer
from mdlp_bench.harness.statistics import ClusterBootstrap
from mdlp_bench.harness.summarise import (
    NO_CONFIDENCES,
    Counts,
    summarise_abstaining,
    summarise_columns,
    summarise_confidence,
    summarise_distances,
    unavailable,
    worst_value,
)
from mdlp_bench.harness.text_columns import (
    OF_CONFIDENCE,
    GtReadings,
    hallucinations,
    text_columns,
    wrong_if_believed,
)
from mdlp_bench.images import ImageU8
from mdlp_bench.methods.base import Output
from mdlp_bench.metrics.protocol import WORKING_SIZE, to_working_size
from mdlp_bench.plate.grammar import own_grammars
from mdlp_bench.progress import progress_bar
from mdlp_bench.readers.base import Reader, Reading
from mdlp_bench.schema import Sample

_CHUNK: Final = 64
_ATTRIBUTES: Final = ("sample_id", "plate_id", "text", "layout", "recipe")
_OF_SAMPLE: Final = (*_ATTRIBUTES, "first_height")
_NO_READING: Final = Reading("", ())
_CONFIDENCES: Final = {
    "read_confidence": attrgetter("confidence"),
    "read_lowest": attrgetter("lowest_confidence"),
    "read_mean": attrgetter("mean_confidence"),
}
_TEXT_ONLY: Final = "the method gives text without an image"
_OWN_TEXT: Final = "the method gives its own text, which this reader did not read"


def score(
    predictions: Sequence[Predictions],
    samples: Samples,
    outs: Sequence[Path],
    plan: ScoringPlan,
    *,
    engine: Engine = SERIAL,
) -> list[Run]:
    """Score predictions of one data set; the ground truth is prepared once for all of them.

    What readers see in ground truths and frames is kept for later runs (`harness.ground_truth`).

    A run that is already in its folder, made of the same predictions by the same code and plan, is kept. A
    sample on which a method failed gets every metric's worst value. A sample without ground truth has no
    image scores, one without text no text scores. The texts of a text method are scored as they are, in the
    columns of the first reader alone; it has no image scores, and no hallucinations, which are counted in a
    reader's confidences.

    Args:
        predictions: One entry per method.
        samples: The data set they were made on.
        outs: A run folder for each.
        plan: Readers and image scorers.
        engine: Where samples are scored; the runs do not depend on it.

    Returns:
        The runs, in order.

    Raises:
        ProtocolError: Predictions were made on another data set.
        RunError: A prediction folder is damaged.
        DataError: A ground truth cannot be decoded.
        MdlpBenchError: As in `Engine.map`.
    """
    for one in predictions:
        if one.record.dataset.fingerprint != samples.fingerprint:
            made_on = one.record.dataset
            what = (
                f"made on other pictures of {samples.name} ({made_on.fingerprint[:8]}, these are "
                f"{samples.fingerprint[:8]}): another version, or rendered by other software"
                if (made_on.name, made_on.n_samples) == (samples.name, len(samples))
                else f"made on {made_on.name}, which is not this data set ({samples.name})"
            )
            raise ProtocolError(f"{one.folder}: {what}; predict on it first")
    records = [_run_record(one.record, plan) for one in predictions]
    runs = [_kept(out, record, plan) for record, out in zip(records, outs, strict=True)]
    missing = [index for index, run in enumerate(runs) if run is None]
    if missing:
        shared, collected = _collect([predictions[i] for i in missing], samples, plan, engine)
        for index, own in zip(missing, collected, strict=True):
            table, summary = _tabulate(records[index], own, shared, plan)
            runs[index] = write_run(outs[index], records[index], table, summary)
    return [run for run in runs if run is not None]


def _run_record(made: PredictionsRecord, plan: ScoringPlan) -> RunRecord:
    """The record of a run of these predictions under this plan, by this code."""
    further = own_grammars()
    return RunRecord(
        protocol=plan.protocol.id,
        protocol_sha256=plan.protocol.fingerprint(),
        method=made.method,
        dataset=made.dataset,
        readers=tuple(reader.descriptor for reader in plan.readers),
        weights=plan.weights,
        metrics=plan.user_metrics,
        seed=made.seed,
        device=made.device,
        precision=made.precision,
        numerics=made.numerics,
        scored_on=plan.device.partition(":")[0],
        prediction_seconds=made.seconds,
        milliseconds_per_image=1000 * made.seconds / made.dataset.n_samples,
        cost=made.cost,
        grammars_sha256=None if further is None else sha256_file(further),
        environment=Environment.current(),
    )


def _kept(folder: Path, record: RunRecord, plan: ScoringPlan) -> Run | None:
    """The run in a folder, if it is the one that scoring would make."""
    if not (folder / RunRecord.file_name).is_file():
        return None
    try:
        found = Run(folder)
    except RunError:
        return None
    is_same = found.record.identity == record.identity and found.summary.keys() >= plan.unavailable.keys()
    return found if is_same else None


def _collect(
    predictions: Sequence[Predictions], samples: Samples, plan: ScoringPlan, engine: Engine
) -> tuple[Collected, list[Collected]]:
    """All chunks' columns and features of the samples themselves, and of each method."""
    kept = cache_file(samples.fingerprint, plan)
    known = read_cache(kept)
    shared = known or Collected()
    collected = [Collected() for _ in predictions]
    work = partial(_scored, plan, plan.weights, known is not None)
    with progress_bar(len(samples), "Scoring") as bar:
        for count, found, methods in engine.map(work, _chunks_to_score(samples, predictions)):
            shared.join(found)
            for own, more in zip(collected, methods, strict=True):
                own.join(more)
            bar.update(count)
    if known is None:
        write_cache(kept, shared)
    return shared, collected


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Samples, and for each method what it gives and its predictions of them."""

    samples: list[Sample]
    predictions: list[tuple[Output, list[Prediction]]]


def _chunks_to_score(samples: Samples, predictions: Sequence[Predictions]) -> Iterator[_Chunk]:
    streams = [iter(one) for one in predictions]
    for chunk in chunks(samples, _CHUNK):
        parts = [list(islice(stream, len(chunk))) for stream in streams]
        if any([p.sample_id for p in part] != [sample.sample_id for sample in chunk] for part in parts):
            raise RunError("the predictions' sample ids are not the data set's; predict again")
        outputs = [one.record.method.output for one in predictions]
        yield _Chunk(chunk, list(zip(outputs, parts, strict=True)))


def _scored(
    plan: ScoringPlan, weights: Mapping[str, str], is_known: bool, chunk: _Chunk
) -> tuple[int, Collected, list[Collected]]:
    """How many samples a chunk has, what they give (unless it is known), and what each method gives."""
    if plan.weights != weights:
        raise ProtocolError("a worker finds other weights of readers or LPIPS; put the same files there")
    decoded = [sample.decode_gt() for sample in chunk.samples]
    present = [index for index, image in enumerate(decoded) if image is not None]
    gts = [to_working_size(image) for image in decoded if image is not None]
    stacked = np.stack(gts) if gts else np.empty((0, *WORKING_SIZE, 3), np.uint8)
    shared = Collected() if is_known else _seen(plan, chunk.samples, gts, present)
    prepared = [scorer.prepare(stacked) if present else None for scorer in plan.image_scorers]
    main = plan.readers[0]
    collected = [Collected() for _ in chunk.predictions]
    for (output, part), own in zip(chunk.predictions, collected, strict=True):
        own.add({"error": [p.error for p in part]})
        if output == "text":
            own.add(_given_texts(part, plan))
            continue
        restored = [_or_black(p.image) for p in part]
        with_gt = np.stack([restored[index] for index in present]) if present else stacked
        own.add(_image_columns(part, with_gt, stacked, present, prepared, plan.image_scorers))
        for reader in plan.readers:
            found = _read(reader, restored, own if reader is main else None, present)
            texts = [_NO_READING if p.image is None else r for p, r in zip(part, found, strict=True)]
            own.add({f"read@{reader.descriptor.name}": texts})
        if plan.inception is not None and present:
            own.add_features("inception", plan.inception(with_gt))
    return len(chunk.samples), shared, collected


def _seen(
    plan: ScoringPlan, samples: Sequence[Sample], gts: Sequence[ImageU8], present: Sequence[int]
) -> Collected:
    """What readers and Inception see in samples: in the ground truths (of those `present`) and frames."""
    found, main = Collected(), plan.readers[0]
    native = [sample.decode_frames(3) for sample in samples]
    found.add({name: [getattr(sample, name) for sample in samples] for name in _ATTRIBUTES})
    found.add({"first_height": [shown[0].shape[0] if shown else None for shown in native]})
    found.add({"has_gt": [sample.gt is not None for sample in samples]})
    for reader in plan.readers:
        read = _read(reader, gts, found if reader is main else None)
        readings = dict(zip(present, read, strict=True))
        found.add({f"gt@{reader.descriptor.name}": [readings.get(index) for index in range(len(samples))]})
    if plan.inception is not None and gts:
        found.add_features("inception", plan.inception(np.stack(gts)))
    frames = [[to_working_size(frame) for frame in shown] for shown in native]
    flat = iter(main.read([frame for sample in frames for frame in sample]))
    found.add({"frame_readings": [[r.text for r in islice(flat, len(sample))] for sample in frames]})
    return found


def _read(
    reader: Reader, images: Sequence[ImageU8], into: Collected | None, chosen: Sequence[int] | None = None
) -> list[Reading]:
    """Readings; the features of the chosen images (default all) from the same pass are added to `into`."""
    if into is None or not images:
        return reader.read(images) if images else []
    readings, features = reader.read_with_features(images)
    if features is not None:
        into.add_features("reader", features if chosen is None else features[list(chosen)])
    return readings


def _given_texts(part: Sequence[Prediction], plan: ScoringPlan) -> dict[str, list[Any]]:
    """Columns of a text method: its texts in the first reader's place, nothing read by the others, and no
    image scores."""
    main, *further = (f"read@{reader.descriptor.name}" for reader in plan.readers)
    columns: dict[str, list[Any]] = {main: [p.reading or _NO_READING for p in part]}
    columns |= {name: [_NO_READING] * len(part) for name in further}
    return columns | {name: [np.nan] * len(part) for s in plan.image_scorers for name in s.metrics}


def _image_columns(
    part: Sequence[Prediction],
    restored: npt.NDArray[np.uint8],
    gt: npt.NDArray[np.uint8],
    present: Sequence[int],
    prepared: Sequence[Any],
    scorers: Sequence[ImageScorer[Any]],
) -> dict[str, npt.NDArray[np.float64]]:
    """Columns of all image scorers; NaN without ground truth, the worst value where the method failed."""
    failed = np.array([p.image is None for p in part])
    has_gt = np.isin(np.arange(len(part)), present)
    columns = {}
    for scorer, ready in zip(scorers, prepared, strict=True):
        values = scorer.score(restored, gt, ready) if present else {}
        for name in scorer.metrics:
            column = np.full(len(part), np.nan)
            if present:
                column[list(present)] = values[name]
            column[failed & has_gt] = worst_value(name)
            columns[name] = column
    return columns


def _or_black(image: ImageU8 | None) -> ImageU8:
    """The protocol's stand-in for an image that a method failed to make."""
    return np.zeros((*WORKING_SIZE, 3), np.uint8) if image is None else image


def _tabulate(
    record: RunRecord, own: Collected, shared: Collected, plan: ScoringPlan
) -> tuple[pa.Table, dict[str, MetricSummary]]:
    """The per-sample table of a run, and its summary."""
    columns: dict[str, Any] = {name: shared.columns[name] for name in _OF_SAMPLE}
    columns["error"] = own.columns["error"]
    metrics = {n: np.asarray(own.columns[n], np.float64) for s in plan.image_scorers for n in s.metrics}
    gt_readings = []
    for position, reader in enumerate(record.readers):
        readings: list[Reading] = own.columns[f"read@{reader.name}"]
        columns[record.column("read_text", position)] = [reading.text for reading in readings]
        given = [reading.has_confidences for reading in readings]
        for name, confidence in _CONFIDENCES.items():
            values = np.array([confidence(reading) for reading in readings], np.float64)
            columns[record.column(name, position)] = np.where(given, values, np.nan)
        gt: list[Reading | None] = shared.columns[f"gt@{reader.name}"]
        gt_readings.append(
            GtReadings(shared.columns["text"], [None if one is None else one.text for one in gt])
        )
    found, missing = reader_columns(record, columns, gt_readings, shared.columns["frame_readings"])
    metrics |= found
    bootstrap = ClusterBootstrap.by_rules(columns["plate_id"], plan.protocol.bootstrap)
    failed = np.array([error is not None for error in columns["error"]])
    n_failed = int(failed.sum())
    summary = summarise_columns(metrics, bootstrap, n_failed)
    n_gt = sum(shared.columns["has_gt"])
    counts = Counts(n_gt, len(bootstrap.clusters), n_failed)
    distances: list[tuple[str, str, str]] = [("reader", "frd", "krd")]
    if plan.inception is not None:
        distances.append(("inception", "fid", "kid"))
    for features, *names in distances:
        sets = own.stacked_features(features), shared.stacked_features(features)
        summary |= summarise_distances(names[0], names[1], *sets, counts, plan.protocol.bootstrap.confidence)
    known = ~np.isnan(metrics["acc"])
    confidences, lowest, mean = (
        reading_confidences(record, columns, name) for name in ("read_confidence", "read_lowest", "read_mean")
    )
    counts = Counts(int(known.sum()), len(bootstrap.clusters), n_failed)
    summary |= summarise_confidence(confidences[known].tolist(), metrics["acc"][known] > 0, counts)
    summary |= summarise_abstaining(lowest, mean, 1 - metrics["acc"], bootstrap, counts)
    for name, reason in {**plan.unavailable, **missing}.items():
        summary[name] = unavailable(name, reason)
    if record.method.output == "text":
        imaged = [n for s in plan.image_scorers for n in s.metrics]
        inception = () if plan.inception is None else ("fid", "kid")
        for name in (*imaged, *plan.unavailable, *inception, "frd", "krd", *OF_CONFIDENCE):
            summary[name] = unavailable(name, _TEXT_ONLY)
    for name, value in reader_ceilings(record, gt_readings).items():
        summary[name] = summary[name].model_copy(update={"ceiling": value})
    # What is not known is null.
    table = pa.table({n: pa.array(v, from_pandas=True) for n, v in {**columns, **metrics}.items()})
    return table, summary


def reader_columns(
    record: RunRecord,
    readings: Mapping[str, Sequence[Any]],
    gt_readings: Sequence[GtReadings],
    frame_readings: Sequence[Sequence[str]] | None,
) -> tuple[dict[str, npt.NDArray[np.float64]], dict[str, str]]:
    """All columns of a run that follow from what readers read.

    Args:
        record: The run; names the readers.
        readings: The columns `read_text` and `read_confidence` of every reader (see `RunRecord.column`), and
            `error`.
        gt_readings: For each reader, the texts and what it reads in the ground truths.
        frame_readings: What the first reader reads in each sample's frames; None leaves out `invented`.

    Returns:
        The columns, float64 [n] each, and the reasons of those that cannot be computed. Those of a text
        method are without values for every reader but the first, because no other text is there to read.
    """
    columns: dict[str, npt.NDArray[np.float64]] = {}
    missing: dict[str, str] = {}
    rules = record.rules.text
    failed = np.array([error is not None for error in readings["error"]])
    for position, (reader, gt) in enumerate(zip(record.readers, gt_readings, strict=True)):
        texts = readings[record.column("read_text", position)]
        scores = text_columns(texts, gt, rules, frame_readings if position == 0 else None)
        if record.method.output == "text" and position > 0:
            missing |= {record.column(name, position): _OWN_TEXT for name in (*scores, *OF_CONFIDENCE)}
            columns |= {record.column(name, position): np.full(len(texts), np.nan) for name in scores}
            continue
        if record.method.output == "image":
            sure = reading_confidences(record, readings, record.column("read_confidence", position))
            if np.isnan(sure).any():
                missing |= {record.column(name, position): NO_CONFIDENCES for name in OF_CONFIDENCE}
            elif reader.believed_from is None:
                why = (
                    f"it is not known from which confidence {reader.name} errs at most once in a hundred "
                    "(see mdlp-bench calibrate)"
                )
                missing |= {record.column(name, position): why for name in OF_CONFIDENCE}
            else:
                given = texts, sure.tolist(), gt
                scores["hallucination"] = hallucinations(*given, rules, reader.believed_from)
                scores["wrong_if_believed"] = wrong_if_believed(*given, reader.believed_from)
                if np.isnan(scores["wrong_if_believed"]).all():
                    missing[record.column("wrong_if_believed", position)] = "no reading is believed"
        for metric, values in scores.items():
            if rules.failed == "worst":
                values[failed & ~np.isnan(values)] = worst_value(metric)
            columns[record.column(metric, position)] = values
    return columns, missing


def reading_confidences(
    record: RunRecord, readings: Mapping[str, Sequence[Any]], column: str
) -> npt.NDArray[np.float64]:
    """One column of confidences, [n], NaN where the reader gives none.

    For failed samples the protocol's value replaces what was read.
    """
    confidences = np.array(readings[column], np.float64)
    if record.rules.text.failed == "worst":
        confidences[[error is not None for error in readings["error"]]] = 1.0
    return confidences


def reader_ceilings(record: RunRecord, gt_readings: Sequence[GtReadings]) -> dict[str, float]:
    """By column, the mean of each text metric on the ground truths themselves."""
    return {
        record.column(metric, position): value
        for position, gt in enumerate(gt_readings)
        for metric, value in gt.scores(record.rules.text).items()
    }
