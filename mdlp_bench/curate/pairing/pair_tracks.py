"""Tracks in, a Parquet data set and a report out; streaming, on one process or many with the same bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from mdlp_bench.curate.pairing.config import PairingConfig
from mdlp_bench.curate.pairing.report import TRACKS_SCHEMA, PairingReport, ReportBuilder, track_row
from mdlp_bench.curate.pairing.track import Outcome, pair_track
from mdlp_bench.curate.tracks import BadTrack, Track, open_tracks
from mdlp_bench.data.build import build_identity, write_shards
from mdlp_bench.data.sources.frame_order import OrderRule
from mdlp_bench.engine import SERIAL, Engine, Loaded
from mdlp_bench.errors import DataError
from mdlp_bench.files import atomic_path, sha256_bytes, sha256_file, write_json
from mdlp_bench.output_folder import unfinished
from mdlp_bench.progress import progress_bar
from mdlp_bench.readers.base import Reader
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
        readers: Names or paths of readers (see `load_reader`); their vote is the text where no label is.
        order: How the names of frames are read (see `open_tracks`).
        labels: A label list whose texts count (see `open_tracks`).
        limit: Only the first tracks, this many.
        name: Name of the data set (default: that of the tracks).
        version: Version of the data set.
        engine: Where; the bytes do not depend on it.

    Returns:
        The report.

    Raises:
        DataError: There are no tracks, none gives a triplet (the report says why), or as in `write_parquet`.
        ReaderError: A reader cannot be loaded.
        MdlpBenchError: The folder cannot be written.
    """
    config = config or PairingConfig()
    found = open_tracks(tracks, order, labels)
    loaded = Loaded(_load, tuple(readers))
    builder = ReportBuilder(config, [f"{r.descriptor.name} {r.descriptor.version}" for r in loaded.value])
    for note in found.notes:
        builder.add_label_note(note)
    name = name or found.name
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
    with unfinished(out, build_identity((), name=name, version=version, made_by=made_by)):
        with (
            atomic_path(out / TRACKS_TABLE) as table,
            pq.ParquetWriter(table, TRACKS_SCHEMA, compression="zstd") as writer,
            progress_bar(limit, "Pairing", "track") as bar,
        ):
            made = _tabled(bar.over(outcomes), builder, writer)
            first = next(made, None)
            if first is None:
                report = builder.build(name)
                reasons = ", ".join(f"{code} {count}" for code, count in report.rejected.items())
                example = next((report.examples[code][0] for code in report.rejected), "no track")
                raise DataError(f"{tracks}: no track gives a triplet ({reasons}); the first: {example}")
            write_shards(chain([first], made), out, name=name, version=version)
        report = builder.build(name)
        write_json(out / REPORT_JSON, report.model_dump(mode="json"))
        builder.write_html(out / REPORT_HTML, report)
    return report


def _tabled(
    outcomes: Iterable[Outcome],
    builder: ReportBuilder,
    writer: pq.ParquetWriter,
) -> Iterator[Sample]:
    """The samples of outcomes, which are counted and tabled on the way."""
    waiting: list[dict[str, Any]] = []
    for outcome in outcomes:
        builder.add(outcome)
        waiting.append(track_row(outcome))
        if len(waiting) == _TABLE_ROWS:
            writer.write_batch(pa.RecordBatch.from_pylist(waiting, TRACKS_SCHEMA))
            waiting = []
        yield from outcome.samples
    if waiting:
        writer.write_batch(pa.RecordBatch.from_pylist(waiting, TRACKS_SCHEMA))


def _paired(config: PairingConfig, readers: Loaded[list[Reader]], track: Track | BadTrack) -> Outcome:
    return pair_track(track, config, readers.value)


def _load(specs: Sequence[str]) -> list[Reader]:
    if not specs:
        return []
    from mdlp_bench.readers.registry import load_reader

    return [load_reader(spec) for spec in specs]
