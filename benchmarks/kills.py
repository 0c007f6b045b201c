"""Kill jobs at any moment and repeat them: the result is that of a job that was left alone.

Run: python benchmarks/kills.py --kills 600

Each job writes a folder. It is ended by SIGKILL at one of its steps on the disk (before a file is created,
put in place, removed or locked), or at a random time. Unless it had finished, the same call is repeated. A
kill has failed if the repeated call raises, if the folder differs from that of an undisturbed job in a file,
or if anything else lies in or beside it. The exit code is 1 if one has failed.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import cv2
import pyarrow as pa

from mdlp_bench.curate.splitting import split_dataset
from mdlp_bench.data import open_samples, write_parquet
from mdlp_bench.data.export import EXPORTS
from mdlp_bench.data.export.card import CardFields
from mdlp_bench.data.export.huggingface import export_huggingface
from mdlp_bench.harness.predict import predict
from mdlp_bench.synth.build import synthesise_rendered
from mdlp_bench.synth.degrade import load_recipe

PLATES: Final = 12
TIMED: Final = 0.3
"""Share of the kills at random times; the others aim at a step on the disk."""

IGNORED: Final = ("seconds",)
STEPS: Final = {"os.mkdir", "os.remove", "os.rename", "os.rmdir", "open", "os.truncate", "fcntl.flock"}
"""Audit events of steps that may change the disk."""

Job = Callable[[Path, Path], object]

JOBS: Final[dict[str, Job]] = {
    "data synth": lambda source, out: synthesise_rendered(load_recipe("bicubic"), PLATES, out, seed=1),
    "data export parquet": lambda source, out: write_parquet(open_samples(source), out, shard_rows=3),
    "data export huggingface": lambda source, out: export_huggingface(
        open_samples(source), out, CardFields(), name="kills"
    ),
    "data export webdataset": lambda source, out: EXPORTS["webdataset"].write(
        open_samples(source), out, None
    ),
    "data export mdlp": lambda source, out: EXPORTS["mdlp"].write(open_samples(source), out, None),
    "data split": lambda source, out: split_dataset(open_samples(source), out),
    "predict": lambda source, out: predict("bicubic", open_samples(source), out, shard_size=3, batch_size=2),
}


def in_child(work: Callable[[], object], kill_at: int | None = None, log: Path | None = None) -> int:
    """Fork, do the work in the child, killed at a step; its process id.

    The child counts its steps into `log` when it comes to its end.
    """
    pid = os.fork()
    if pid:
        return pid
    steps = 0

    def on_event(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal steps
        if event in STEPS and not (event == "open" and not _writes(arguments)):
            steps += 1
            if steps == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(on_event)
    code = 0
    try:
        work()
    except BaseException:
        traceback.print_exc()
        code = 1
    if log is not None:
        count = steps
        log.write_text(str(count), encoding="utf-8")
    os._exit(code)


def _writes(arguments: tuple[Any, ...]) -> bool:
    mode, flags = arguments[1], arguments[2]
    return bool(isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)) or (
        isinstance(mode, str) and any(letter in mode for letter in "wax+")
    )


def ended(pid: int) -> int:
    """Wait for a child; its exit code, negative for the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def content(folder: Path) -> dict[str, bytes]:
    """All that lies below a folder; the times a job took are left out of its records."""
    found = {}
    for path in sorted(folder.rglob("*")):
        data = path.read_bytes() if path.is_file() else b"<folder>"
        if path.suffix == ".json":
            lines = data.splitlines(keepends=True)
            data = b"".join(
                line
                for line in lines
                if not line.strip().startswith(tuple(f'"{n}"'.encode() for n in IGNORED))
            )
        found[str(path.relative_to(folder))] = data
    return found


def campaign(name: str, job: Job, source: Path, kills: int, draw: random.Random) -> list[str]:
    """Kill a job so many times; what failed."""
    failed = []
    with tempfile.TemporaryDirectory(prefix="mdlp-bench-kills-") as work:
        place, log = Path(work) / "place", Path(work) / "steps"
        out = place / "out"
        began = time.monotonic()
        if ended(in_child(lambda: job(source, out), log=log)):
            sys.exit(f"{name}: fails without being killed")
        seconds = time.monotonic() - began
        whole, steps = content(place), int(log.read_text(encoding="utf-8"))
        for _ in range(kills):
            shutil.rmtree(place)
            place.mkdir()
            if draw.random() < TIMED:
                moment = draw.uniform(0, seconds)
                pid = in_child(lambda: job(source, out))
                time.sleep(moment)
                os.kill(pid, signal.SIGKILL)
                what = f"after {moment:.3f} s"
            else:
                step = draw.randint(1, steps)
                pid = in_child(lambda: job(source, out), kill_at=step)
                what = f"at step {step} of {steps}"
            ended(pid)
            if content(place) == whole:
                # Killed when all was done: a finished folder is never written again.
                continue
            if ended(in_child(lambda: job(source, out))):
                failed.append(f"{name}: killed {what}: the repeated call fails")
            elif (found := content(place)) != whole:
                different = sorted(p for p in whole.keys() | found.keys() if whole.get(p) != found.get(p))
                failed.append(f"{name}: killed {what}: {', '.join(different[:3])} differ")
    print(f"{name}: {kills} kills, {steps} steps on the disk, {len(failed)} failed", flush=True)
    return failed


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=600, help="of all jobs together")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    # Threads do not survive a fork.
    cv2.setNumThreads(1)
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    draw, failed = random.Random(options.seed), []
    with tempfile.TemporaryDirectory(prefix="mdlp-bench-kills-") as work:
        source = Path(work) / "source"
        pid = in_child(lambda: synthesise_rendered(load_recipe("bicubic"), PLATES, source, seed=2))
        if ended(pid):
            sys.exit("the source cannot be made")
        for place, (name, job) in enumerate(JOBS.items()):
            share = options.kills // len(JOBS) + (place < options.kills % len(JOBS))
            failed += campaign(name, job, source, share, draw)
    for line in failed:
        print(line)
    print(f"{options.kills} kills, {len(failed)} failed")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
