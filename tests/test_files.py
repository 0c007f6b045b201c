from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest

from mdlp_bench import files
from mdlp_bench.errors import DataError, MdlpBenchError


def test_a_failing_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    files.write_json(target, {"old": 1})
    with pytest.raises(RuntimeError), files.atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert files.read_json(target) == {"old": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_full_disk_is_one_line_that_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(MdlpBenchError, match=r"big\.bin: cannot be written \(No space left on device\)"):
        files.write_bytes(tmp_path / "big.bin", b"x")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_the_way_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MdlpBenchError, match="cannot be written"):
        files.write_text(tmp_path / "file" / "below.txt", "x")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX")
def test_devices_pipes_sockets_and_folders_are_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        (tmp_path / "link").symlink_to("/dev/null")
        for name, told in (
            ("fifo", "device, pipe or socket"),
            ("socket", "device, pipe or socket"),
            ("link", "device, pipe or socket"),
            ("folder", "is a folder"),
        ):
            before = (tmp_path / name).stat()
            with pytest.raises(MdlpBenchError, match=f"{name}: is a .*{told}|{name}: {told}"):
                files.write_text(tmp_path / name, "x")
            assert os.path.samestat(before, (tmp_path / name).stat())
    with pytest.raises(MdlpBenchError, match="/dev/full: is a device"):
        files.write_text(Path("/dev/full"), "x")


def test_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/old.txt").write_text("old")
    (tmp_path / "real/old.txt").chmod(0o600)
    for name, target in (("old.txt", "real/old.txt"), ("new.txt", "real/new.txt"), ("loop.txt", "loop.txt")):
        (tmp_path / name).symlink_to(target)
    files.write_text(tmp_path / "old.txt", "a")
    files.write_text(tmp_path / "new.txt", "b")
    assert (tmp_path / "old.txt").is_symlink() and (tmp_path / "new.txt").is_symlink()
    assert (tmp_path / "real/old.txt").read_text() == "a" and (tmp_path / "real/new.txt").read_text() == "b"
    assert (tmp_path / "real/old.txt").stat().st_mode & 0o777 == 0o600
    with pytest.raises(MdlpBenchError, match=r"loop\.txt: is a link to itself"):
        files.write_text(tmp_path / "loop.txt", "c")


def test_names_that_are_too_long_are_one_line(tmp_path: Path) -> None:
    files.write_text(tmp_path / f"{'n' * 251}.txt", "as long as it may be")
    with pytest.raises(MdlpBenchError, match=r"cannot be written \(File name too long"):
        files.write_text(tmp_path / f"{'n' * 252}.txt", "x")


def test_what_a_killed_writer_left_is_overwritten(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), files.atomic_path(tmp_path / "a.txt") as temporary:
        leftover = temporary.name
        raise RuntimeError
    (tmp_path / leftover).write_text("half of a longer text")
    files.write_text(tmp_path / "a.txt", "whole")
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("a.txt", "whole")]


def test_an_input_that_cannot_be_read_is_not_blamed_on_the_output(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), files.atomic_path(tmp_path / "a.txt"):
        (tmp_path / "input").read_bytes()


def test_json_is_strict(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(tmp_path / "a.json", {"x": float("nan")})
    (tmp_path / "b.json").write_text('{"x": NaN}')
    with pytest.raises(DataError, match="not valid JSON"):
        files.read_json(tmp_path / "b.json")
    (tmp_path / "c.json").write_bytes(b'{"x": "\xff"}')
    with pytest.raises(DataError, match="not valid JSON"):
        files.read_json(tmp_path / "c.json")
    with pytest.raises(DataError, match="cannot be read"):
        files.read_json(tmp_path / "none.json")


def test_hash_of_a_file_is_the_hash_of_its_bytes(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000
    files.write_bytes(tmp_path / "f", content)
    assert files.sha256_file(tmp_path / "f") == files.sha256_bytes(content)


def test_seeds_differ_by_part_and_position() -> None:
    seeds = {
        files.seed_for(*parts) for parts in [(0, "a"), (0, "b"), (1, "a"), ("a", 0), ("0a",), (0, "a", "")]
    }
    assert len(seeds) == 6
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_a_slug_keeps_dots_and_never_holds_two_dashes_in_a_row() -> None:
    assert files.slugify("LP-Diff -- small, 0.5 (last_epoch)") == "lp-diff-small-0.5-last_epoch"
    assert files.slugify("../..") == files.slugify("车牌") == "unnamed"
