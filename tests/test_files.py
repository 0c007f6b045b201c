from __future__ import annotations

import errno
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
