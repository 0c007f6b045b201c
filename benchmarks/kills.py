"""Kill jobs at any moment and repeat them: the result is that of a job that was left alone.

Run: python benchmarks/kills.py --kills 600

Each job writes a folder. It is ended by SIGKILL at one of its steps on the disk (before a file is created,
put in place, removed or locked), or at a random time, and the same call is repeated. A kill has failed if
the repeated call raises, if the folder then differs from that of an undisturbed job in a file, or if anything
else lies in or beside it. Where the job was killed when the folder was whole already, the repeated call may
refuse the finished folder, and must not change it. The exit code is 1 if a kill has failed.

With `--log FILE` each kill is written down as it is done, and a later run with the same file goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import pyarrow as pa
from tqdm import tqdm

from mdlp_bench.curate.splitting import split_dataset
from mdlp_bench.data import open_samples, write_parquet
from mdlp_bench.data.export import EXPORTS
from mdlp_bench.data.export.card import CardFields
from mdlp_bench.data.export.huggingface import export_huggingface
from mdlp_bench.errors import MdlpBenchError
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
    "data export webdataset": lambda source, out: EXPORTS["webdataset"].write(open_samples(source), out),
    "data export mdlp": lambda source, out: EXPORTS["mdlp"].write(open_samples(source), out),
    "data split": lambda source, out: split_dataset(open_samples(source), out),
    "predict": lambda source, out: predict("bicubic", open_samples(source), out, shard_size=3, batch_size=2),
}


def in_child(
    work: Callable[[], object], kill_at: int | None = None, log: Path | None = None, quiet: bool = False
) -> int:
    """Fork, do the work in the child, killed at a step; its process id.

    The child counts its steps into `log` when it comes to its end. It exits with 2 if the job refuses its
    arguments or its folder, which is not shown where `quiet`, and with 1 after any other error.
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
    except BaseException as error:
        code = 2 if isinstance(error, MdlpBenchError) else 1
        if code == 1 or not quiet:
            traceback.print_exc()
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


@dataclass(frozen=True, slots=True)
class Trial:
    """A job, its folder when it is left alone, the steps it takes on the disk, and how long they take."""

    name: str
    job: Job
    source: Path
    whole: dict[str, bytes]
    steps: int
    seconds: float

    @classmethod
    def of(cls, name: str, source: Path) -> Trial:
        """Run a job undisturbed."""
        job = JOBS[name]
        with tempfile.TemporaryDirectory(prefix="mdlp-bench-kills-") as work:
            place, log = Path(work) / "place", Path(work) / "steps"
            began = time.monotonic()
            if ended(in_child(lambda: job(source, place / "out"), log=log)):
                sys.exit(f"{name}: fails without being killed")
            seconds = time.monotonic() - began
            return cls(name, job, source, content(place), int(log.read_text(encoding="utf-8")), seconds)

    def kill(self, draw: random.Random) -> dict[str, Any]:
        """Kill the job once and repeat it; where it was killed, and what failed (None when nothing did)."""
        with tempfile.TemporaryDirectory(prefix="mdlp-bench-kills-") as work:
            place = Path(work) / "place"
            place.mkdir()
            if draw.random() < TIMED:
                moment = draw.uniform(0, self.seconds)
                pid = in_child(lambda: self.job(self.source, place / "out"))
                time.sleep(moment)
                os.kill(pid, signal.SIGKILL)
                what = f"after {moment:.3f} s"
            else:
                step = draw.randint(1, self.steps)
                pid = in_child(lambda: self.job(self.source, place / "out"), kill_at=step)
                what = f"at step {step} of {self.steps}"
            found = {"job": self.name, "killed": what, "running": ended(pid) == -signal.SIGKILL}
            was_whole = content(place) == self.whole
            code = ended(in_child(lambda: self.job(self.source, place / "out"), quiet=was_whole))
            after = content(place)
            different = sorted(
                p for p in self.whole.keys() | after.keys() if self.whole.get(p) != after.get(p)
            )
            failed = None
            if code and not (was_whole and code == 2):
                failed = "the repeated call fails"
            elif different:
                failed = f"{', '.join(different[:3])} differ"
            return found | {"whole": was_whole, "failed": failed}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=600, help="of all jobs together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", type=Path, help="JSON lines, one per kill; what it holds counts as done")
    options = parser.parse_args()
    # Threads do not survive a fork.
    cv2.setNumThreads(1)
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    done: list[dict[str, Any]] = []
    if options.log and options.log.exists():
        done = [json.loads(line) for line in options.log.read_text(encoding="utf-8").splitlines()]
    with tempfile.TemporaryDirectory(prefix="mdlp-bench-kills-") as work:
        source = Path(work) / "source"
        pid = in_child(lambda: synthesise_rendered(load_recipe("bicubic"), PLATES, source, seed=2))
        if ended(pid):
            sys.exit("the source cannot be made")
        trials = [Trial.of(name, source) for name in JOBS]
        for number in tqdm(range(len(done), options.kills), unit="kill", disable=None):
            # The jobs take turns, so that a part of a campaign tries each of them.
            trial = trials[number % len(trials)]
            done.append(trial.kill(random.Random(f"{options.seed}, {number}")))
            if options.log:
                with options.log.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(done[-1]) + "\n")
    for name in JOBS:
        own = [kill for kill in done if kill["job"] == name]
        late = sum(kill["whole"] for kill in own)
        print(f"{name}: {len(own)} kills, {late} of them of a whole folder, {_failures(own)} failed")
    for kill in done:
        if kill["failed"]:
            print(f"{kill['job']}: killed {kill['killed']}: {kill['failed']}")
    ran = sum(kill["running"] for kill in done)
    print(f"{len(done)} kills, {ran} of them before the job ended, {_failures(done)} failed")
    sys.exit(bool(_failures(done)))


def _failures(kills: list[dict[str, Any]]) -> int:
    return sum(kill["failed"] is not None for kill in kills)


if __name__ == "__main__":
    main()
