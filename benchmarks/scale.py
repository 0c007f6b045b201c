"""Memory of building a Parquet folder, from ten thousand to 200 thousand rows, and what a million would take.

Three ways into `write_parquet`: sample rows one by one (what `data synth` and `data pair` do), and samples of
a CSV table (what `data export` does) in this process and on two workers. The pictures are few and tiny, for
time, but every one is read, verified by two decoders, hashed and stored as always; what grows with
the number of rows - listing, ids, digests, index - is what counts here. Every build runs in a process of its
own; its peak is the kernel's high-water mark (Linux), that of workers is read ten times a second.
A million rows are extrapolated along the line through the two largest sizes.

    nice python benchmarks/scale.py            # 10,000, 50,000 and 200,000 rows
    nice python benchmarks/scale.py 5000 20000
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

SIZES = (10_000, 50_000, 200_000)
FULL = 1_000_000
PICTURES = 16
KINDS = {"rows": "rows, one process", "table": "table, one process", "table 2": "table, two workers"}


@dataclass(frozen=True)
class Peak:
    """One build: seconds, and megabytes of this process and of its largest worker."""

    seconds: float
    own: float
    worker: float


def picture(seed: int, width: int, height: int) -> bytes:
    import numpy as np

    from mdlp_bench.images import encode

    return encode(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8), "jpg")


def plate(number: int) -> str:
    """A valid plate; two samples share each."""
    number //= 2
    letters = "ABCDEFGHJKLMNPQRSTUVWXYZ"
    return f"皖{letters[number // 100_000 % 24]}{number % 100_000:05d}"


def rows(count: int) -> Iterator[dict[str, Any]]:
    stored = [[picture(4 * n + k, 12 + 2 * k, 6 + k) for k in range(4)] for n in range(PICTURES)]
    for number in range(count):
        *frames, gt = stored[number % PICTURES]
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


def build(kind: str, count: int, folder: str, results: Any) -> None:
    import cv2

    from mdlp_bench.data import open_samples, write_parquet
    from mdlp_bench.engine import LocalEngine

    cv2.setNumThreads(1)
    worker, stop = [0.0], threading.Event()
    watcher = threading.Thread(target=watch, args=(worker, stop))
    watcher.start()
    started, out = time.perf_counter(), Path(folder, "out")
    if kind == "rows":
        manifest = write_parquet(rows(count), out)
    else:
        samples = open_samples(Path(folder, "samples.csv"))
        manifest = write_parquet(samples, out, engine=LocalEngine(2 if kind == "table 2" else 1))
    seconds = time.perf_counter() - started
    stop.set()
    watcher.join()
    if manifest.samples != count:
        raise SystemExit(f"{manifest.samples} rows instead of {count}: {manifest.problems[:1]}")
    results.send(Peak(seconds, megabytes("self"), worker[0]))


def measured(kind: str, count: int) -> Peak:
    context = get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        if kind != "rows":
            write_table(count, Path(folder))
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=build, args=(kind, count, folder, sender))
        process.start()
        sender.close()
        found: Peak = receiver.recv()
        process.join()
        return found


def main() -> None:
    """Measure and print the table."""
    sizes = tuple(map(int, sys.argv[1:])) or SIZES
    print("| build | rows | rows/s | peak, MB | largest worker, MB |\n|---|---|---|---|---|", flush=True)
    for kind, title in KINDS.items():
        peaks = {}
        for count in sizes:
            peaks[count] = peak = measured(kind, count)
            worker = f"{peak.worker:.0f}" if kind == "table 2" else ""
            print(
                f"| {title} | {count:,} | {count / peak.seconds:,.0f} | {peak.own:.0f} | {worker} |",
                flush=True,
            )
        first, last = peaks[sizes[-2]], peaks[sizes[-1]]
        beyond = (FULL - sizes[-1]) / (sizes[-1] - sizes[-2])
        own = last.own + beyond * (last.own - first.own)
        worker = f"{last.worker + beyond * (last.worker - first.worker):.0f}" if kind == "table 2" else ""
        print(f"| {title} | {FULL:,}, extrapolated | | {own:.0f} | {worker} |", flush=True)


if __name__ == "__main__":
    main()
