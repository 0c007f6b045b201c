"""Atomic and locked writes, hashes and strict JSON: how everything in this project reaches the disk."""

from __future__ import annotations

import contextlib
import csv
import errno
import hashlib
import io
import json
import os
import re
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from mdlp_bench.errors import DataError, MdlpBenchError

if sys.platform != "win32":
    import fcntl

PART: Final = ".part-"
"""How the names of unfinished files begin."""

_CHUNK = 1 << 20

_JUNK: Final = frozenset(
    (
        # macOS, Windows, Linux desktops, network disks, notebooks and version control
        "__macosx", ".ds_store", ".appledouble", ".apdisk", ".spotlight-v100", ".trashes", ".fseventsd",
        ".temporaryitems", ".documentrevisions-v100", ".volumeicon.icns", "icon\r",
        "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "$recycle.bin",
        "system volume information", ".directory", ".nomedia", ".picasa.ini", "lost+found", "@eadir",
        "#recycle", ".ipynb_checkpoints", "__pycache__", ".git", ".svn", ".idea", ".vscode",
    )
)  # fmt: skip
_JUNK_STARTS: Final = ("._", ".trash-", ".~lock.", "~$")
_JUNK_ENDS: Final = (":zone.identifier", ":encryptable")


def is_junk(path: str) -> bool:
    """Whether a path is one that systems and tools leave in folders and archives without being asked."""
    parts = path.replace("\\", "/").lower().split("/")
    return any(part in _JUNK or part.startswith(_JUNK_STARTS) or part.endswith(_JUNK_ENDS) for part in parts)


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside `target` that takes its place when the block succeeds.

    A reader sees the old file or the new one, never half of it; a failure leaves nothing behind. A second
    writer of the same file waits for the first one. The temporary file has one name per target, so the next
    attempt overwrites what a killed process left. A symbolic link is followed: its file is replaced.

    Raises:
        MdlpBenchError: The disk is full, the folder cannot be written to, or `target` is a device, a pipe, a
            socket or a folder; the message names the target.
    """
    try:
        place = _regular(target)
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary = _part_of(place)
        lock = FileLock(temporary, wait=True)
    except OSError as error:
        raise cannot_write(target, error) from error
    try:
        yield temporary
        if place.exists():
            temporary.chmod(place.stat().st_mode & 0o777)
        temporary.replace(place)
    except OSError as error:
        # What cannot be read inside the block is not the target's fault.
        if error.filename in (None, *map(str, (temporary, place, place.parent))):
            raise cannot_write(target, error) from error
        raise
    finally:
        lock.remove()


class FileLock:
    """An exclusive lock on a file, which is created. The kernel releases it however its process ends.

    Windows has no such lock: there the file is created and nobody waits.

    Args:
        path: The file; it lies in a folder that exists.
        wait: Wait for the process that has the lock.

    Raises:
        BlockingIOError: Another process has the lock, and `wait` is false.
        OSError: The file cannot be made.
    """

    def __init__(self, path: Path, *, wait: bool) -> None:
        self.path = path
        self._handle: int | None = None
        while self._handle is None:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
            if sys.platform == "win32":
                os.close(handle)
                return
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
                # The process that had the lock may have moved or removed the file that was opened here.
                if os.path.samestat(os.fstat(handle), path.stat()):
                    self._handle = handle
            except FileNotFoundError:
                pass
            finally:
                if self._handle is None:
                    os.close(handle)

    def release(self) -> None:
        """Let others have the file."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def remove(self) -> None:
        """Remove the file, if it is still in its place, and release the lock."""
        if self._handle is None:
            self.path.unlink(missing_ok=True)
            return
        with contextlib.suppress(OSError):
            if os.path.samestat(os.fstat(self._handle), self.path.stat()):
                self.path.unlink()
        self.release()


def slugify(name: str) -> str:
    """A name as part of a path or an address: lower case letters, digits, dots, underscores and dashes.

    Everything else becomes one dash, and so do runs of dashes: a slug never holds two in a row.
    `leaderboard/site/assets/board.js` has the same rule.
    """
    return re.sub(r"[^a-z0-9._]+", "-", name.lower()).strip("-._") or "unnamed"


def write_bytes(target: Path, content: bytes) -> None:
    """Write `content` to `target` atomically (errors as in `atomic_path`)."""
    with atomic_path(target) as temporary:
        temporary.write_bytes(content)


def write_text(target: Path, content: str) -> None:
    """Write UTF-8 text with `\\n` line ends to `target` atomically (errors as in `atomic_path`)."""
    write_bytes(target, content.encode())


def write_json(target: Path, content: Any) -> None:
    """Write strict JSON (no NaN, UTF-8, keys in the order given, final line end) atomically.

    Raises:
        ValueError: `content` holds a NaN or an infinity: a programming error, callers map them to null.
        MdlpBenchError: As in `atomic_path`.
    """
    write_text(target, json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """Rows as CSV with `\\n` line ends."""
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()


def read_json(path: Path) -> Any:
    """Read strict JSON.

    Raises:
        DataError: The file is missing, not UTF-8 or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise DataError(f"{path}: not valid JSON ({error})") from error


def sha256_bytes(content: bytes) -> str:
    """The lower-case hexadecimal SHA-256 of `content`."""
    return hashlib.sha256(content).hexdigest()


def sha256_file(path: Path) -> str:
    """The lower-case hexadecimal SHA-256 of a file, read in chunks.

    Raises:
        DataError: The file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    return digest.hexdigest()


def file_state(path: Path) -> tuple[str, int, int]:
    """Name, size in bytes and time of the last change in ns of a file: a cheap way to see that it changed.

    Size and time of a file that cannot be seen are -1.
    """
    try:
        found = path.stat()
    except OSError:
        return path.name, -1, -1
    return path.name, found.st_size, found.st_mtime_ns


def seed_for(*parts: object) -> int:
    """A 63-bit seed that depends on nothing but `parts`, e.g. `seed_for(seed, sample_id)`.

    Every random draw in the project starts from one of these, so results do not depend on the number of
    workers, on batch composition or on order.
    """
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def cannot_write(target: Path, error: OSError) -> MdlpBenchError:
    """The error to raise for a file or folder that the system refuses to write."""
    return MdlpBenchError(
        f"{target}: cannot be written ({error.strerror}); free space or choose another folder"
    )


def _regular(target: Path) -> Path:
    """The file that a write to `target` replaces or makes: links are followed.

    Raises:
        MdlpBenchError: It is a device, a pipe, a socket, a folder or a link to itself.
    """
    try:
        place = Path(os.path.realpath(target))
        mode = place.stat().st_mode
    except FileNotFoundError:
        return place
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise MdlpBenchError(f"{target}: is a link to itself; choose another name") from error
    if stat.S_ISDIR(mode):
        raise MdlpBenchError(f"{target}: is a folder; give the name of a file")
    if not stat.S_ISREG(mode):
        raise MdlpBenchError(f"{target}: is a device, pipe or socket; give the name of a regular file")
    return place


def _part_of(place: Path) -> Path:
    """The temporary file of a target: one name per target, short, with the same ending."""
    digest = hashlib.sha256(os.fsencode(place.name)).hexdigest()[:16]
    return place.with_name(f"{PART}{digest}{place.suffix[:16]}")
