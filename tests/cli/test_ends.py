"""How commands end: by signals, with outputs that cannot be written to, without leaving workers behind."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals and /proc")

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "mdlp_bench"]
SYNTH = ["data", "synth", "--recipe", "bicubic", "-n", "6000", "--workers", "2", "-o"]


def living(marker: str) -> list[int]:
    """The processes of a session, other than zombies."""
    found = []
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, session = place.read_bytes().rpartition(b")")[2].split()[:4]
        except OSError:
            continue
        if session == marker.encode() and state != b"Z":
            found.append(int(place.parent.name))
    return found


def wait_until(condition: object, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


@pytest.fixture
def started(tmp_path: Path) -> subprocess.Popen[str]:
    """A command with two workers at work, in a session of its own."""
    process = subprocess.Popen(
        [*COMMAND, *SYNTH, str(tmp_path / "out")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_until(lambda: len(living(str(process.pid))) >= 4 and list((tmp_path / "out").glob("data/.part-*")))
    return process


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_stop_in_one_line_and_leave_no_process(
    started: subprocess.Popen[str], tmp_path: Path, signum: signal.Signals
) -> None:
    # Schedulers signal the process, terminals the whole group.
    (os.kill if signum == signal.SIGHUP else os.killpg)(started.pid, signum)
    _, errors = started.communicate(timeout=60)
    assert started.returncode == 128 + signum
    *before, last = errors.strip().splitlines()
    assert last == "stopped; the same command resumes"
    assert all(line.startswith("Degrading: ") for line in before)
    wait_until(lambda: not living(str(started.pid)), 10)
    assert not list((tmp_path / "out").rglob(".part-*"))


def test_workers_end_with_a_killed_parent(started: subprocess.Popen[str]) -> None:
    started.kill()
    # Reads until every process has let go of the pipe.
    started.communicate(timeout=20)
    wait_until(lambda: not living(str(started.pid)), 10)


def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        check=False,
        timeout=120,
        text=True,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},  # type: ignore[call-overload]
    )


@pytest.mark.parametrize("arguments", [("list", "methods", "--json"), ("--help",), ("--version",)])
def test_an_output_without_room_is_one_line(arguments: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        done = run(*arguments, stdout=full)
    assert done.returncode == 2
    assert done.stderr.splitlines() == ["error: standard output or a temporary file: No space left on device"]


def test_a_closed_output_is_one_line() -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", *COMMAND, "--version"],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines() == ["error: standard output is closed; send it to a file or a pipe"]


def test_a_closed_standard_error_is_no_fault() -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" 2>&-', "sh", *COMMAND, "--version"], stdout=subprocess.PIPE, check=False
    )
    assert done.returncode == 0 and done.stdout.startswith(b"mdlp-bench")


@pytest.mark.parametrize("arguments", [("list", "methods", "--json"), ("list", "methods"), ("--help",)])
def test_a_reader_that_has_seen_enough_is_no_failure(arguments: tuple[str, ...]) -> None:
    process = subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(60) == 0


def test_an_output_that_cannot_show_a_plate_is_one_line(tmp_path: Path) -> None:
    code = (
        "import typer\nfrom mdlp_bench.cli import main\n"
        "@main.app.command()\ndef show(): typer.echo('\u4eacA12345')\n"
        "main.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "show"],
        env={**os.environ, "PYTHONIOENCODING": "cp1252"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: cp1252 output cannot show \\u4eac; set PYTHONIOENCODING=utf-8"
    ]
    assert run("--help", env={**os.environ, "PYTHONIOENCODING": "ascii"}).returncode == 0


@pytest.mark.parametrize(
    "place", ["null.bib", "fifo.bib", "n" * 252 + ".bib", "file/below.bib", "folder.bib"]
)
def test_outputs_that_are_no_files_are_one_line(tmp_path: Path, place: str) -> None:
    os.mkfifo(tmp_path / "fifo.bib")
    (tmp_path / "null.bib").symlink_to("/dev/null")
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.bib").mkdir()
    done = run("leaderboard", "export", "-o", place, "--store", str(ROOT / "leaderboard"), cwd=tmp_path)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith(f"error: {place}: ")
    assert (tmp_path / "fifo.bib").is_fifo() and Path("/dev/null").is_char_device()


def test_a_disk_that_fills_up_is_one_line(tmp_path: Path) -> None:
    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    done = run(*SYNTH[:4], "-n", "3", "-o", str(tmp_path / "out"), preexec_fn=small)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1 and "cannot be written (File too large)" in done.stderr
