from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mdlp_bench.errors import DataError, MdlpBenchError
from mdlp_bench.files import FileLock, atomic_path, write_text
from mdlp_bench.output_folder import MARK, check_identity, locked_folder, unfinished

needs_locks = pytest.mark.skipif(sys.platform == "win32", reason="there are no such locks on Windows")


def begin(folder: Path, identity: dict[str, object]) -> None:
    with pytest.raises(KeyboardInterrupt), unfinished(folder, identity):
        write_text(folder / "part.txt", "x")
        raise KeyboardInterrupt


def test_finished_work_leaves_the_output_alone(tmp_path: Path) -> None:
    with unfinished(tmp_path / "out", {"a": 1}) as resumed:
        assert not resumed
        write_text(tmp_path / "out/.build/scratch.txt", "x")
        write_text(tmp_path / "out/result.txt", "x")
    assert [p.name for p in (tmp_path / "out").rglob("*")] == ["result.txt"]
    with (
        pytest.raises(DataError, match=r"it holds result\.txt"),
        unfinished(tmp_path / "out", {}),
    ):
        pass
    assert [p.name for p in (tmp_path / "out").rglob("*")] == ["result.txt"]


def test_the_same_call_goes_on_and_another_is_told_what_differs(tmp_path: Path) -> None:
    begin(tmp_path / "out", {"recipe": {"name": "motion", "version": "1"}, "n": 3})
    with (
        pytest.raises(
            DataError, match=r'recipe.name was "motion" and is now "surveillance", n was 3 and is now 4'
        ),
        unfinished(tmp_path / "out", {"recipe": {"name": "surveillance", "version": "1"}, "n": 4}),
    ):
        pass
    (tmp_path / "out/.part-0123.png").write_bytes(b"half")
    with unfinished(tmp_path / "out", {"recipe": {"name": "motion", "version": "1"}, "n": 3}) as resumed:
        assert resumed
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["part.txt"]


def test_work_that_fails_at_once_leaves_nothing(tmp_path: Path) -> None:
    for folder in (tmp_path / "new", tmp_path):
        with pytest.raises(RuntimeError), unfinished(folder, {}):
            (folder / ".build").mkdir()
            raise RuntimeError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["", '{"a": '])
def test_a_mark_cut_off_by_a_kill_means_that_nothing_was_begun(tmp_path: Path, content: str) -> None:
    (tmp_path / MARK).write_text(content)
    with unfinished(tmp_path, {"a": 1}) as resumed:
        assert not resumed
        assert json.loads((tmp_path / MARK).read_text()) == {"a": 1}


def test_parts_that_an_earlier_version_did_not_write_are_not_compared(tmp_path: Path) -> None:
    check_identity(tmp_path, {"a": 1}, {"a": 1, "new": 2})
    with pytest.raises(DataError, match="a was 1 and is now null"):
        check_identity(tmp_path, {"a": 1}, {})


@needs_locks
def test_a_second_writer_is_refused_and_a_dead_one_is_not_in_the_way(tmp_path: Path) -> None:
    holder = (
        "import sys, pathlib\n"
        "from mdlp_bench.output_folder import locked_folder, unfinished\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "with unfinished(folder, {}), locked_folder(folder / 'inner'):\n"
        "    (folder / 'x').write_text('x')\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", holder, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None and process.stdout.readline() == b"held\n"
    for guard in (unfinished(tmp_path, {}), locked_folder(tmp_path / "inner")):
        with pytest.raises(MdlpBenchError, match="another process is writing into it"), guard:
            pass
    process.kill()
    process.wait()
    with unfinished(tmp_path, {}) as resumed, locked_folder(tmp_path / "inner"):
        assert resumed
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["inner", "x"]


@needs_locks
def test_a_second_writer_of_a_file_waits(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib\n"
        "from mdlp_bench.files import write_text\n"
        "print('ready', flush=True)\n"
        "write_text(pathlib.Path(sys.argv[1]), 'second')\n"
    )
    with atomic_path(tmp_path / "a.txt") as temporary:
        second = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "a.txt")], stdout=subprocess.PIPE
        )
        assert second.stdout is not None and second.stdout.readline() == b"ready\n"
        with pytest.raises(subprocess.TimeoutExpired):
            second.wait(timeout=0.5)
        temporary.write_text("first")
    assert second.wait(timeout=30) == 0
    assert (tmp_path / "a.txt").read_text() == "second"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


@needs_locks
def test_a_lock_is_not_kept_on_a_file_that_was_moved_away(tmp_path: Path) -> None:
    first = FileLock(tmp_path / "lock", wait=False)
    with pytest.raises(BlockingIOError):
        FileLock(tmp_path / "lock", wait=False)
    os.replace(tmp_path / "lock", tmp_path / "moved")  # noqa: PTH105 - what atomic_path does
    FileLock(tmp_path / "lock", wait=False).remove()
    first.remove()
    assert [p.name for p in tmp_path.iterdir()] == ["moved"]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for guard in (unfinished(tmp_path / "file", {}), locked_folder(tmp_path / "file")):
        with pytest.raises(DataError, match="is a file; give a folder"), guard:
            pass
