"""Tracks in, a Parquet data set and a report out; streaming, on one process or many with the same bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from mdlp_bench.curate.pairing.config import PairingConfig
from mdlp_bench.curate.pairing.report import TRACKS_SCHEMA, PairingReport, ReportBuilder, track_row
from mdlp_bench.curate.pairing.track import Outcome, pair_track
from mdlp_bench.curate.tracks import BadTrack, Track, open_tracks
from mdlp_bench.data.build import write_parquet
from mdlp_bench.data.manifest import Manifest
from mdlp_bench.data.sources.frame_order import OrderRule
from mdlp_bench.engine import SERIAL, Engine, Loaded
from mdlp_bench.errors import DataError
from mdlp_bench.files import atomic_path, sha256_bytes, sha256_file, write_json
from mdlp_bench.progress import progress_bar
from mdlp_bench.readers.base import Reader
from mdlp_bench.readers.registry import load_readers
from mdlp_bench.schema import Sample

REPORT_JSON: Final = "pairing.json"
REPORT_HTML: Final = "pairing.html"
TRACKS_TABLE: Final = "pairing.parquet"

_CHUNK: Final = 8
_TABLE_ROWS: Final = 256


def pair(
    tracks: Path,
    out: Path,
    config: PairingConfig | None = None,
    *,
    readers: Sequence[str] = (),
    order: str | None = None,
    labels: Path | None = None,
    limit: int | None = None,
    name: str | None = None,
    version: str = "1.0.0",
    engine: Engine = SERIAL,
) -> PairingReport:
    """Make a data set of triplets from tracks.

    Writes the Parquet folder of `write_parquet` and beside its manifest `pairing.json` (the report),
    `pairing.html` (the same with pictures) and `pairing.parquet` (every track and measure, `TRACKS_SCHEMA`).

    Args:
        tracks: Folder or table (see `mdlp_bench.curate.tracks`).
        out: Folder to write; must be new, empty or an unfinished build of the same tracks.
        config: Thresholds.
        readers: Names or paths of readers (see `load_reader`); they vote on the text where there is no label.
        order: How the names of frames are read (see `open_tracks`).
        labels: A label list whose texts count (see `open_tracks`).
        limit: Use only this many tracks, the first ones.
        name: Name of the data set (default: that of the tracks).
        version: Version of the data set.
        engine: Where the work is done; the bytes do not depend on it.

    Returns:
        The report.

    Raises:
        DataError: There are no tracks, none gives a triplet (the report says why), or as in `write_parquet`.
        ReaderError: A reader cannot be loaded.
        MdlpBenchError: The folder cannot be written.
    """
    config = config or PairingConfig()
    found = open_tracks(tracks, order, labels)
    loaded = Loaded(load_readers, tuple(readers))
    builder = ReportBuilder(config, [f"{r.descriptor.name} {r.descriptor.version}" for r in loaded.value])
    for note in found.notes:
        builder.add_note("label-list", note)
    outcomes = engine.map(partial(_paired, config, loaded), islice(found, limit), chunk=_CHUNK)
    made_by: dict[str, Any] = {
        "tracks": found.name,
        "pairing": config.model_dump(mode="json"),
        "readers": [reader.descriptor.model_dump(mode="json") for reader in loaded.value],
        "order": None if order is None else sha256_bytes(repr(OrderRule.parse(order)).encode()),
        "limit": limit,
    }
    if labels is not None:
        made_by["labels"] = sha256_file(labels)

    def write_report(manifest: Manifest) -> None:
        report = builder.build(manifest.name)
        write_json(out / REPORT_JSON, report.model_dump(mode="json"))
        builder.write_html(out / REPORT_HTML, report)

    name = name or found.name
    with progress_bar(limit, "Pairing", "track") as bar:
        write_parquet(
            _tabled(bar.over(outcomes), builder, out / TRACKS_TABLE, tracks),
            out,
            name=name,
            version=version,
            made_by=made_by,
            beside=write_report,
        )
    return builder.build(name)


def _tabled(
    outcomes: Iterable[Outcome], builder: ReportBuilder, table: Path, tracks: Path
) -> Iterator[Sample]:
    """The samples of outcomes, which are counted and tabled on the way.

    Raises:
        DataError: There is not a single sample.
    """
    waiting: list[dict[str, Any]] = []
    with (
        atomic_path(table) as temporary,
        pq.ParquetWriter(temporary, TRACKS_SCHEMA, compression="zstd") as writer,
    ):
        for outcome in outcomes:
            builder.add(outcome)
            waiting.append(track_row(outcome))
            if len(waiting) == _TABLE_ROWS:
                writer.write_batch(pa.RecordBatch.from_pylist(waiting, TRACKS_SCHEMA))
                waiting = []
            yield from outcome.samples
        if waiting:
            writer.write_batch(pa.RecordBatch.from_pylist(waiting, TRACKS_SCHEMA))
        report = builder.build("")
        if not report.triplets:
            reasons = ", ".join(f"{code} {count}" for code, count in report.rejected.items())
            example = next((report.examples[code][0] for code in report.rejected), "no track")
            raise DataError(f"{tracks}: no track gives a triplet ({reasons}); the first: {example}")


def _paired(config: PairingConfig, readers: Loaded[list[Reader]], track: Track | BadTrack) -> Outcome:
    return pair_track(track, config, readers.value)
