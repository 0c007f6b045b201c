"""Atomic writes, hashes and strict JSON: how everything in this project reaches the disk."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mdlp_bench.errors import DataError, MdlpBenchError

_CHUNK = 1 << 20


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside `target` that takes its place when the block succeeds.

    A reader sees the old file or the new one, never half of it; a failure leaves nothing behind.

    Raises:
        MdlpBenchError: The disk is full or the folder not writable; the message names the target.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            dir=target.parent, prefix=f".{target.name[:80]}.", suffix=target.suffix
        )
    except OSError as error:
        raise _cannot_write(target, error) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes private files; give the result the permissions any new file would have.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(target)
    except OSError as error:
        raise _cannot_write(target, error) from error
    finally:
        temporary.unlink(missing_ok=True)


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
    """Write strict JSON (no NaN, UTF-8, sorted as given, final line end) atomically.

    Raises:
        ValueError: `content` holds a NaN or an infinity: a programming error, callers map them to null.
        MdlpBenchError: As in `atomic_path`.
    """
    write_text(target, json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False) + "\n")


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


def seed_for(*parts: object) -> int:
    """A 63-bit seed that depends on nothing but `parts`, e.g. `seed_for(seed, sample_id)`.

    Every random draw in the project starts from one of these, so results do not depend on the number of
    workers, on batch composition or on order.
    """
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _cannot_write(target: Path, error: OSError) -> MdlpBenchError:
    return MdlpBenchError(
        f"{target}: cannot be written ({error.strerror}); free space or choose another folder"
    )
