"""What pairing did: counts by reason, distributions, and a sample of kept and rejected tracks."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

import pyarrow as pa

from mdlp_bench.curate.pairing.config import REJECT_CODES, PairingConfig
from mdlp_bench.curate.pairing.track import Outcome
from mdlp_bench.data.plate_split import unit_hash
from mdlp_bench.frozen import Frozen
from mdlp_bench.quality.measures import MEASURE_NAMES
from mdlp_bench.report import Card, Histogram, HistogramBuilder, picture_of, write_report

KEPT_SHOWN: Final = 24
REJECTED_SHOWN: Final = 8
"""Tracks on the contact sheet: kept ones, and rejected ones per reason; chosen by the hash of their id."""

EXAMPLES: Final = 20

_MEASURES: Final = pa.struct(
    [
        pa.field("frame_index", pa.int32()),
        pa.field("usable", pa.bool_()),
        *(pa.field(n, pa.int32() if n in ("width", "height") else pa.float32()) for n in MEASURE_NAMES),
        pa.field("confidence", pa.float32()),
        pa.field("readings", pa.list_(pa.string())),
    ]
)

TRACKS_SCHEMA: Final = pa.schema(
    [
        pa.field("track_id", pa.string()),
        pa.field("sample_ids", pa.list_(pa.string())),
        pa.field("reasons", pa.list_(pa.string())),
        pa.field("messages", pa.list_(pa.string())),
        pa.field("gt_index", pa.int32()),
        pa.field("text", pa.string()),
        pa.field("text_origin", pa.string()),
        pa.field("consensus", pa.string()),
        pa.field("consensus_confidence", pa.float32()),
        pa.field("frames", pa.list_(_MEASURES)),
    ]
)
"""`pairing.parquet`: one row per track, in order, with the measures of every frame."""


class PairingReport(Frozen):
    """The result of `pair`.

    Attributes:
        name: Name of the data set.
        config: Every threshold.
        readers: Name and version of the readers.
        tracks: Tracks looked at.
        tracks_kept: Tracks that gave at least one triplet.
        triplets: Samples written.
        rejected: How many tracks or triplets were left out, by reason.
        notes: Number of oddities by kind, without those that led to a rejection.
        text_origins: Triplets by where their text comes from (`none` without text).
        examples: The first few messages of each reason and kind.
        histograms: Distributions.
    """

    schema_version: Literal[1] = 1
    name: str
    config: PairingConfig
    readers: tuple[str, ...]
    tracks: int
    tracks_kept: int
    triplets: int
    rejected: dict[str, int]
    notes: dict[str, int]
    text_origins: dict[str, int]
    examples: dict[str, tuple[str, ...]]
    histograms: dict[str, Histogram]


def _histograms() -> dict[str, HistogramBuilder]:
    heights = (0, 4, 8, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128, 192)
    shares = [round(0.05 * n, 2) for n in range(21)]
    kinds = {
        "track_length": ("frames per track", range(0, 66, 3)),
        "frame_height": ("height of chosen frames, px", heights),
        "gt_height": ("height of ground truths, px", heights),
        "frame_sharpness": ("sharpness of chosen frames", range(0, 210, 10)),
        "gt_sharpness": ("sharpness of ground truths", range(0, 1050, 50)),
        "gt_contrast": ("contrast of ground truths", [round(0.025 * n, 3) for n in range(21)]),
        "gt_confidence": ("reading confidence of ground truths", shares),
        "text_confidence": ("confidence of voted texts", shares),
    }
    return {name: HistogramBuilder(title, tuple(map(float, edges))) for name, (title, edges) in kinds.items()}


class ReportBuilder:
    """Gathers outcomes one by one; its memory does not grow with their number."""

    def __init__(self, config: PairingConfig, readers: Sequence[str]) -> None:
        self.config, self.readers = config, tuple(readers)
        self._counts: Counter[str] = Counter()
        self._rejected: Counter[str] = Counter()
        self._notes: Counter[str] = Counter()
        self._origins: Counter[str] = Counter()
        self._examples: dict[str, list[str]] = defaultdict(list)
        self._histograms = _histograms()
        # Heaps of (-hash, track id, outcome): the tracks of the smallest hashes stay, whatever the order.
        self._shown: dict[str, list[tuple[float, str, Outcome]]] = defaultdict(list)

    def add(self, outcome: Outcome) -> None:
        """Count one track."""
        self._counts["tracks"] += 1
        self._counts["kept"] += bool(outcome.samples)
        self._counts["triplets"] += len(outcome.samples)
        for rejection in outcome.rejections:
            self._rejected[rejection.code] += 1
            self._example(rejection.code, rejection.message)
        for code, message in outcome.notes:
            self.add_note(code, message)
        self._origins[outcome.text_origin or "none"] += len(outcome.samples)
        self._measure(outcome)
        if outcome.samples:
            self._keep("kept", KEPT_SHOWN, outcome)
        elif outcome.rejections:
            self._keep(outcome.rejections[0].code, REJECTED_SHOWN, outcome)

    def add_note(self, code: str, message: str) -> None:
        """Count a note about a track, or with the code `label-list` about a list of labels."""
        self._notes[code] += 1
        self._example(code, message)

    def build(self, name: str) -> PairingReport:
        """The report so far."""
        return PairingReport(
            name=name,
            config=self.config,
            readers=self.readers,
            tracks=self._counts["tracks"],
            tracks_kept=self._counts["kept"],
            triplets=self._counts["triplets"],
            rejected={code: self._rejected[code] for code in REJECT_CODES if self._rejected[code]},
            notes=dict(sorted(self._notes.items())),
            text_origins={name: count for name, count in sorted(self._origins.items()) if count},
            examples={code: tuple(found) for code, found in sorted(self._examples.items())},
            histograms={name: histogram.build() for name, histogram in self._histograms.items()},
        )

    def write_html(self, target: Path, report: PairingReport) -> None:
        """Write the page with the contact sheet.

        Raises:
            MdlpBenchError: It cannot be written.
        """
        sheets = {
            code: [_card(outcome) for _, _, outcome in sorted(self._shown[code], key=lambda item: -item[0])]
            for code in ("kept", *REJECT_CODES)
            if code in self._shown
        }
        kept = sheets.pop("kept", [])
        write_report(
            target,
            "pairing.html",
            title=f"Pairing of {report.name}",
            report=report,
            config=report.config.model_dump(),
            kept=kept,
            rejected=sheets,
        )

    def _example(self, code: str, message: str) -> None:
        if len(self._examples[code]) < EXAMPLES:
            self._examples[code].append(message)

    def _keep(self, code: str, limit: int, outcome: Outcome) -> None:
        item = (-unit_hash(outcome.track_id, 0), outcome.track_id, outcome)
        heap = self._shown[code]
        if len(heap) < limit:
            heapq.heappush(heap, item)
        elif item[:2] > heap[0][:2]:
            heapq.heapreplace(heap, item)

    def _measure(self, outcome: Outcome) -> None:
        add = self._histograms
        add["track_length"].add(len(outcome.frames))
        if outcome.consensus is not None:
            add["text_confidence"].add(outcome.consensus.confidence)
        if outcome.gt is None:
            return
        gt = outcome.frames[outcome.gt]
        add["gt_height"].add(gt.height)
        add["gt_sharpness"].add(gt.sharpness)
        if gt.measures is not None:
            add["gt_contrast"].add(gt.measures.contrast)
        if gt.confidence is not None:
            add["gt_confidence"].add(gt.confidence)
        for start in outcome.starts:
            for frame in outcome.frames[start : start + self.config.n_frames]:
                add["frame_height"].add(frame.height)
                add["frame_sharpness"].add(frame.sharpness)


def track_row(outcome: Outcome) -> dict[str, Any]:
    """The `TRACKS_SCHEMA` row of an outcome."""
    frames = [
        {
            "frame_index": index,
            "usable": frame.measures is not None,
            **({n: getattr(frame.measures, n) for n in MEASURE_NAMES} if frame.measures else {}),
            "confidence": frame.confidence,
            "readings": [reading.text for reading in readings],
        }
        for index, frame, readings in zip(outcome.indices, outcome.frames, outcome.readings, strict=True)
    ]
    return {
        "track_id": outcome.track_id,
        "sample_ids": [sample.sample_id for sample in outcome.samples],
        "reasons": [rejection.code for rejection in outcome.rejections],
        "messages": [r.message for r in outcome.rejections] + [message for _, message in outcome.notes],
        "gt_index": None if outcome.gt is None else outcome.indices[outcome.gt],
        "text": outcome.text,
        "text_origin": outcome.text_origin,
        "consensus": outcome.consensus.text if outcome.consensus else None,
        "consensus_confidence": outcome.consensus.confidence if outcome.consensus else None,
        "frames": frames,
    }


def _card(outcome: Outcome) -> Card:
    title = f"{outcome.track_id}: {outcome.text}" if outcome.text else outcome.track_id
    remarks = [rejection.message for rejection in outcome.rejections]
    if outcome.gt is not None:
        gt = outcome.frames[outcome.gt]
        read = "" if gt.confidence is None else f", reading confidence {gt.confidence:.2f}"
        remarks.insert(0, f"ground truth {gt.height} px high, sharpness {gt.sharpness:.0f}{read}")
    pictures = tuple(picture_of(content, caption) for content, caption in outcome.shown)
    return Card(title, pictures, tuple(remarks))
