"""Memory and time from ten thousand to a million rows.

Jobs over pictures: `write_parquet` of sample rows one by one (what `data synth` and `data pair` do), of
samples of a CSV table in this process and on two workers (what `data export` does), `audit` of a Parquet
folder, and `pair` of tracks of five frames. The pictures are tiny, for time, but every one is read, verified
or decoded, hashed, measured and stored as always.

Jobs without pictures show in minutes what grows up to a million rows: `listing` opens a Parquet folder and
takes its fingerprint; `compare` is an audit after its pictures (samples as examined, with random signatures
and hashes); `tracks` is pairing without pictures (all files but the first track's are missing, so every track
is listed, grouped, reported and tabled, and none is decoded or written).

Each job runs in a process of its own; its peak is the kernel's high-water mark (Linux), that of workers is
read ten times a second. "CPU ms a row" is the processor time of all its processes. Where a job does not reach
a million rows, the line through its two largest sizes is continued.

    python benchmarks/scale.py                      # every job at its usual sizes
    python benchmarks/scale.py audit 5000 20000     # one job, two sizes
"""

from __future__ import annotations

import resource
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from mdlp_bench.curate.audit import AuditConfig, audit
from mdlp_bench.curate.audit.columns import Gathered
from mdlp_bench.curate.audit.compare import compare
from mdlp_bench.curate.audit.examine import Examined
from mdlp_bench.curate.audit.near import SIGNATURE_SHAPE
from mdlp_bench.curate.pairing import PairingConfig, pair
from mdlp_bench.data import open_samples, write_parquet
from mdlp_bench.data.manifest import INDEX, INDEX_SCHEMA, MANIFEST, Manifest, Shard
from mdlp_bench.engine import LocalEngine
from mdlp_bench.files import sha256_file, write_json
from mdlp_bench.images import encode
from mdlp_bench.schema import SAMPLE_SCHEMA

SIZES = (10_000, 50_000, 200_000)
FULL = 1_000_000
PICTURES = 16
JOBS = {
    "rows": "build from rows",
    "table": "build from a table",
    "workers": "build from a table, two workers",
    "audit": "audit",
    "pair": "pair",
    "listing": "list a Parquet folder",
    "compare": "audit, without the pictures",
    "tracks": "pair, without the pictures",
}
WITHOUT_PICTURES = {"listing", "compare", "tracks"}


@dataclass(frozen=True)
class Peak:
    """One job: seconds of all processors, and megabytes of this process and of its largest worker."""

    seconds: float
    own: float
    worker: float


def picture(seed: int, width: int, height: int) -> bytes:
    return encode(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8), "jpg")


def plate(number: int) -> str:
    """A valid plate; every number gives another."""
    letters = "ABCDEFGHJKLMNPQRSTUVWXYZ"
    # Scattered over all plates: a multiplication by an odd number permutes them.
    province, letter, digits = (number * 7_368_787 % (31 * 24 * 100_000),) * 3
    provinces = "京沪津渝冀晋蒙辽吉黑苏浙皖闽赣鲁豫鄂湘粤桂琼川贵云藏陕甘青宁新"
    return f"{provinces[province % 31]}{letters[letter // 31 % 24]}{digits // 744:05d}"


def plate_like(text: str) -> npt.NDArray[np.uint8]:
    """Letters on a background: pictures that are as much alike as plates are, in different light and cut."""
    rng = np.random.default_rng(list(text.encode()))
    light = np.linspace(*rng.uniform(0.5, 1.2, 2), 48)[None, :, None]
    image = np.clip(np.full((16, 48, 3), (60, 100, 190)) * light, 0, 255).astype(np.uint8)
    corner = (int(rng.integers(0, 4)), int(rng.integers(11, 15)))
    ink = tuple(int(value) for value in rng.uniform(190, 250, 3))
    font = cv2.FONT_HERSHEY_PLAIN
    return np.asarray(cv2.putText(image, text[1:], corner, font, rng.uniform(0.6, 0.75), ink, 1, cv2.LINE_AA))


def rows(count: int, distinct: bool = False) -> Iterator[dict[str, Any]]:
    """Sample rows over a few pictures, or each with a picture of its own plate (what audits compare)."""
    stored = [[picture(4 * n + k, 12 + 2 * k, 6 + k) for k in range(4)] for n in range(PICTURES)]
    for number in range(count):
        *frames, gt = stored[number % PICTURES]
        if distinct:
            own = plate_like(plate(number))
            small = [np.asarray(cv2.resize(own, (20 + k, 8), interpolation=cv2.INTER_AREA)) for k in range(3)]
            frames, gt = [encode(frame, "jpg") for frame in small], encode(own, "jpg")
        yield {
            "sample_id": f"synthetic-0-{number:07d}",
            "plate_id": plate(number),
            "track_id": f"synthetic-0-{number:07d}",
            "split": ("train", "val", "test")[number % 10 // 8 + (number % 10 == 9)],
            "domain": "synthetic",
            "source": "rendered",
            "frames": [{"bytes": content, "path": f"{k}.jpg"} for k, content in enumerate(frames)],
            "frame_indices": [0, 1, 2],
            "gt": {"bytes": gt, "path": "gt.jpg"},
            "text": plate(number),
            "text_origin": "rendered",
            "layout": "blue",
        }


def write_table(count: int, folder: Path) -> Path:
    """A table of `count` samples over the same few picture files."""
    for number in range(PICTURES):
        for k in range(4):
            (folder / f"{number}_{k}.jpg").write_bytes(picture(4 * number + k, 12 + 2 * k, 6 + k))
    table = folder / "samples.csv"
    with table.open("w", encoding="utf-8") as file:
        file.write("sample_id,plate_id,split,frames,gt,text\n")
        for number in range(count):
            n = number % PICTURES
            split = ("train", "val", "test")[number % 10 // 8 + (number % 10 == 9)]
            frames = "|".join(f"{n}_{k}.jpg" for k in range(3))
            file.write(f"s{number:07d},{plate(number)},{split},{frames},{n}_3.jpg,{plate(number)}\n")
    return table


def write_index(count: int, folder: Path) -> None:
    """A data set folder of `count` rows whose one shard has their ids and splits and no pictures."""
    rows_at_once = 10_000
    (folder / "data").mkdir(parents=True)
    digest = "0123456789abcdef" * 4
    shard = folder / "data/all-00000.parquet"
    with (
        pq.ParquetWriter(shard, SAMPLE_SCHEMA) as writer,
        pq.ParquetWriter(folder / INDEX, INDEX_SCHEMA) as index,
    ):
        for start in range(0, count, rows_at_once):
            ids = [f"synthetic-0-{n:07d}" for n in range(start, min(count, start + rows_at_once))]
            cells = {"sample_id": ids, "split": ["all"] * len(ids), "plate_id": ids}
            row = {"track_id": ids, "domain": ["synthetic"] * len(ids), "source": ["rendered"] * len(ids)}
            lists = {"frames": [[]] * len(ids), "frame_indices": [[]] * len(ids)}
            writer.write_table(_table(cells | row | lists, SAMPLE_SCHEMA))
            frames = {"frames_sha256": [[digest] * 3] * len(ids), "gt_sha256": [digest] * len(ids)}
            digests = [f"{n:064x}" for n in range(start, start + len(ids))]
            index.write_table(_table(cells | frames | {"digest": digests}, INDEX_SCHEMA))
    part = Shard(
        path="data/all-00000.parquet", split="all", rows=count, size=shard.stat().st_size,
        sha256=sha256_file(shard),
    )  # fmt: skip
    manifest = Manifest(
        name="listing", version="1.0.0", fingerprint="", samples=count, plates=count, splits={"all": count},
        shards=(part,), index_sha256=sha256_file(folder / INDEX),
    )  # fmt: skip
    write_json(folder / MANIFEST, manifest.model_dump())


def _table(cells: dict[str, list[Any]], schema: pa.Schema) -> pa.Table:
    count = len(cells["sample_id"])
    return pa.table([cells.get(name, [None] * count) for name in schema.names], schema=schema)


def examined(count: int) -> Iterator[list[Examined]]:
    """Samples as an audit sees them after their pictures, some at a time."""
    rng = np.random.default_rng(0)
    at_once = 1024
    for start in range(0, count, at_once):
        numbers = range(start, min(count, start + at_once))
        digests = rng.integers(0, 2**64, (at_once, 4), np.uint64)
        hashes = rng.integers(0, 2**64, (at_once, 2, 2), np.uint64)
        signatures = rng.integers(0, 256, (at_once, *SIGNATURE_SHAPE), np.uint8)
        yield [
            Examined(
                sample_id=f"synthetic-0-{number:07d}",
                split=("train", "val", "test")[number % 10 // 8],
                plate_id=plate(number),
                track_id=f"synthetic-0-{number:07d}",
                text=plate(number),
                layout="blue",
                n_frames=3,
                has_gt=True,
                digests=digests[place],
                hashes=hashes[place],
                signature=signatures[place],
                faults=(),
            )
            for place, number in enumerate(numbers)
        ]


def compare_examined(count: int) -> int:
    """Gather and compare; the number of samples."""
    with tempfile.TemporaryFile() as signatures:
        gathered = Gathered(signatures)
        for items in examined(count):
            gathered.add(items)
        columns = gathered.columns()
        for _ in compare(columns, AuditConfig()):
            pass
        return len(columns.has_gt)


def write_tracks(count: int, folder: Path, missing: bool = False) -> Path:
    """A table of `count` tracks of five growing frames over the same few picture files, or over one's."""
    for number in range(PICTURES):
        own = plate_like(plate(number))
        for k in range(5):
            size = (20 + 19 * k, 8 + 8 * k)
            grown = np.asarray(
                cv2.resize(own, size, interpolation=cv2.INTER_AREA if k < 2 else cv2.INTER_CUBIC)
            )
            (folder / f"{number}_{k}.jpg").write_bytes(encode(grown, "jpg"))
    table = folder / "tracks.csv"
    with table.open("w", encoding="utf-8") as file:
        file.write("track_id,frame_index,path,text\n")
        for number in range(count):
            for k in range(5):
                name = f"lost/{number:07d}" if missing and number else f"{number % PICTURES}"
                file.write(f"t{number:07d},{k},{name}_{k}.jpg,{plate(number)}\n")
    return table


def megabytes(pid: int | str) -> float:
    """High-water mark of a process's resident memory."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    marks = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
    return int(marks[0]) / 1024 if marks else 0.0


def watch(found: list[float], stop: threading.Event) -> None:
    """Note the largest high-water mark of any child process."""
    while not stop.wait(0.1):
        children = Path("/proc/self/task").glob("*/children")
        found[0] = max([found[0], *(megabytes(pid) for path in children for pid in path.read_text().split())])


def prepare(job: str, count: int, folder: Path) -> None:
    if job in ("table", "workers"):
        write_table(count, folder)
    elif job == "audit":
        write_parquet(rows(count, distinct=True), folder / "data")
    elif job in ("pair", "tracks"):
        write_tracks(count, folder, missing=job == "tracks")
    elif job == "listing":
        write_index(count, folder / "data")


def work(job: str, count: int, folder: Path) -> int:
    """Do it, and return the number of rows that came out."""
    out = folder / "out"
    if job == "rows":
        return write_parquet(rows(count), out).samples
    if job == "audit":
        return audit(open_samples(folder / "data")).samples
    if job in ("pair", "tracks"):
        # Tiny pictures are neither high nor sharp.
        config = PairingConfig(min_gt_height=16, min_gt_sharpness=0, max_frame_sharpness=1)
        report = pair(folder / "tracks.csv", out, config)
        return report.triplets if job == "pair" else report.tracks
    if job == "listing":
        listed = open_samples(folder / "data")
        return len(listed) if listed.fingerprint else 0
    if job == "compare":
        return compare_examined(count)
    engine = LocalEngine(2 if job == "workers" else 1)
    return write_parquet(open_samples(folder / "samples.csv"), out, engine=engine).samples


def measure(job: str, count: int, folder: str, results: Any) -> None:
    cv2.setNumThreads(1)
    worker, stop = [0.0], threading.Event()
    watcher = threading.Thread(target=watch, args=(worker, stop))
    watcher.start()
    done = work(job, count, Path(folder))
    stop.set()
    watcher.join()
    if done != count:
        raise SystemExit(f"{job}: {done} rows instead of {count}")
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    results.send(Peak(sum(u.ru_utime + u.ru_stime for u in usage), megabytes("self"), worker[0]))


def measured(job: str, count: int) -> Peak:
    context = get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        # In a process of its own, for what it leaves behind not to be measured.
        preparing = context.Process(target=prepare, args=(job, count, Path(folder)))
        preparing.start()
        preparing.join()
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=measure, args=(job, count, folder, sender))
        process.start()
        sender.close()
        found: Peak = receiver.recv()
        process.join()
        return found


def main() -> None:
    """Measure and print the table."""
    asked = [word for word in sys.argv[1:] if not word.isdecimal()] or list(JOBS)
    given = tuple(int(word) for word in sys.argv[1:] if word.isdecimal())
    print("| job | rows | CPU ms a row | peak, MB | largest worker, MB |\n|---|---|---|---|---|", flush=True)
    for job in asked:
        peaks = {}
        sizes = given or (SIZES + (FULL,) * (job in WITHOUT_PICTURES))
        for count in sizes:
            peaks[count] = peak = measured(job, count)
            worker = f"{peak.worker:.0f}" if job == "workers" else ""
            pace = f"{1000 * peak.seconds / count:.2f}"
            print(f"| {JOBS[job]} | {count:,} | {pace} | {peak.own:.0f} | {worker} |", flush=True)
        if len(sizes) > 1 and sizes[-1] < FULL:
            first, last = peaks[sizes[-2]], peaks[sizes[-1]]
            beyond = (FULL - sizes[-1]) / (sizes[-1] - sizes[-2])
            own = last.own + beyond * (last.own - first.own)
            worker = f"{last.worker + beyond * (last.worker - first.worker):.0f}" if job == "workers" else ""
            print(f"| {JOBS[job]} | {FULL:,}, extrapolated | | {own:.0f} | {worker} |", flush=True)


if __name__ == "__main__":
    main()
