"""Memory and time from ten thousand to 200 thousand rows, and what a million would take.

Five jobs: `write_parquet` of sample rows one by one (what `data synth` and `data pair` do), of samples of a
CSV table in this process and on two workers (what `data export` does), `audit` of a Parquet folder, and
`pair` of tracks of five frames. The pictures are tiny, for time, but every one is read, verified or decoded,
hashed, measured and stored as always; what grows with the number of rows - listing, ids, digests, hashes,
texts - is what counts here. Each job runs in a process of its own; its peak is the kernel's high-water mark
(Linux), that of workers is read ten times a second. "CPU ms a row" is the processor time of all its
processes. A million rows are extrapolated along the line through the two largest sizes.

    python benchmarks/scale.py                      # every job, 10,000, 50,000 and 200,000 rows
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

from mdlp_bench.data import open_samples, write_parquet
from mdlp_bench.data.audit import audit
from mdlp_bench.data.pairing import PairingConfig, pair
from mdlp_bench.engine import LocalEngine
from mdlp_bench.images import encode

SIZES = (10_000, 50_000, 200_000)
FULL = 1_000_000
PICTURES = 16
JOBS = {
    "rows": "build from rows",
    "table": "build from a table",
    "workers": "build from a table, two workers",
    "audit": "audit",
    "pair": "pair",
}


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


def write_tracks(count: int, folder: Path) -> Path:
    """A table of `count` tracks of five growing frames over the same few picture files."""
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
                file.write(f"t{number:07d},{k},{number % PICTURES}_{k}.jpg,{plate(number)}\n")
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
    elif job == "pair":
        write_tracks(count, folder)


def work(job: str, count: int, folder: Path) -> int:
    """Do it, and return the number of rows that came out."""
    out = folder / "out"
    if job == "rows":
        return write_parquet(rows(count), out).samples
    if job == "audit":
        return audit(open_samples(folder / "data")).samples
    if job == "pair":
        # Tiny pictures are neither high nor sharp.
        config = PairingConfig(min_gt_height=16, min_gt_sharpness=0, max_frame_sharpness=1)
        return pair(folder / "tracks.csv", out, config).triplets
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
    sizes = tuple(int(word) for word in sys.argv[1:] if word.isdecimal()) or SIZES
    print("| job | rows | CPU ms a row | peak, MB | largest worker, MB |\n|---|---|---|---|---|", flush=True)
    for job in asked:
        peaks = {}
        for count in sizes:
            peaks[count] = peak = measured(job, count)
            worker = f"{peak.worker:.0f}" if job == "workers" else ""
            pace = f"{1000 * peak.seconds / count:.2f}"
            print(f"| {JOBS[job]} | {count:,} | {pace} | {peak.own:.0f} | {worker} |", flush=True)
        if len(sizes) > 1:
            first, last = peaks[sizes[-2]], peaks[sizes[-1]]
            beyond = (FULL - sizes[-1]) / (sizes[-1] - sizes[-2])
            own = last.own + beyond * (last.own - first.own)
            worker = f"{last.worker + beyond * (last.worker - first.worker):.0f}" if job == "workers" else ""
            print(f"| {JOBS[job]} | {FULL:,}, extrapolated | | {own:.0f} | {worker} |", flush=True)


if __name__ == "__main__":
    main()
