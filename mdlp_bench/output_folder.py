"""Output folders: one writer at a time, resumed only by the same call, without leftovers when finished."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from mdlp_bench.errors import DataError, MdlpBenchError
from mdlp_bench.files import PART, FileLock, cannot_write

MARK: Final = ".unfinished.json"
"""In the folder of unfinished work: the identity of the work, and the lock of its writer."""

WORK: Final = ".build"
"""Folder, inside an output folder, of what is needed until the work is finished."""

LOCK: Final = ".lock"
"""In a folder that is being written: the lock of its writer."""

_SHOWN: Final = 3
_MAX_TEXT: Final = 60


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Create a folder and be its only writer while the block runs.

    The lock ends with its process, however that ends. Half-written files that a killed process left in the
    folder are removed.

    Raises:
        MdlpBenchError: Another process writes into the folder, it is a file, or it cannot be written to.
    """
    is_new = not folder.exists()
    lock = _lock(folder, LOCK)
    try:
        _remove_parts(folder)
        yield
    finally:
        lock.remove()
        if is_new:
            # A call that failed before it made anything leaves nothing behind.
            with suppress(OSError):
                folder.rmdir()


@contextmanager
def unfinished(folder: Path, identity: Mapping[str, Any]) -> Iterator[bool]:
    """Be the only writer of a folder that is new, empty or the unfinished work of the same call.

    While the work is unfinished the folder holds `MARK`, and `WORK` for what is needed meanwhile. Both are
    removed when the block succeeds, `MARK` last: a folder without it is finished or somebody else's. A call
    that fails before it has made anything leaves nothing behind.

    Args:
        folder: The output folder.
        identity: All that the bytes of the output depend on, as strict JSON.

    Yields:
        Whether there is earlier work to go on with.

    Raises:
        DataError: The folder holds something else, or work of another identity; says what differs.
        MdlpBenchError: As in `locked_folder`.
    """
    is_new = not folder.exists()
    lock = _lock(folder, MARK)
    try:
        _remove_parts(folder)
        begun = _begun(folder)
        taken = sorted(child.name for child in folder.iterdir() if child.name != MARK)
        if begun is not None:
            check_identity(folder, begun, identity)
        elif taken:
            lock.remove()
            raise DataError(f"{folder}: not empty (it holds {taken[0]}); choose a new folder")
        else:
            (folder / MARK).write_text(json.dumps(identity, ensure_ascii=False, indent=2), encoding="utf-8")
    except OSError as error:
        lock.release()
        raise cannot_write(folder, error) from error
    except BaseException:
        lock.release()
        raise
    try:
        yield begun is not None
        shutil.rmtree(folder / WORK, ignore_errors=True)
        lock.remove()
    except BaseException:
        if not any(path.is_file() for path in folder.rglob("*") if path.name != MARK):
            _remove_empty(folder, lock, is_new)
        raise
    finally:
        lock.release()


def check_identity(folder: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Test that earlier work was begun with the identity that it would have now.

    Args:
        folder: Where it lies, for the message.
        found: The identity it was begun with; parts that earlier versions did not write are not compared.
        wanted: The identity of this call.

    Raises:
        DataError: They differ; names what does, with both values.
    """
    if different := differences(found, wanted):
        raise DataError(
            f"{folder}: holds unfinished work that differs: {different}; "
            "repeat the command it was begun with, delete the folder or choose another one"
        )


def differences(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """What differs between two identities, with both values; empty when they are equal.

    Args:
        found: Of earlier work; parts that earlier versions did not write are not compared.
        wanted: Of this call.
    """
    every = list(_differences(found, json.loads(json.dumps(wanted)), ""))
    more = f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    return ", ".join(every[:_SHOWN]) + more


def _lock(folder: Path, name: str) -> FileLock:
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder}: is a file; give a folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return FileLock(folder / name, wait=False)
    except BlockingIOError as error:
        raise MdlpBenchError(
            f"{folder}: another process is writing into it; wait for it or choose another folder"
        ) from error
    except OSError as error:
        raise cannot_write(folder, error) from error


def _remove_parts(folder: Path) -> None:
    for part in folder.rglob(f"{PART}*"):
        part.unlink(missing_ok=True)


def _remove_empty(folder: Path, lock: FileLock, whole: bool) -> None:
    for path in sorted((p for p in folder.rglob("*") if p.is_dir()), reverse=True):
        path.rmdir()
    lock.remove()
    if whole:
        folder.rmdir()


def _begun(folder: Path) -> dict[str, Any] | None:
    """The identity in the mark; None when nothing was begun, also by a process killed while writing it."""
    try:
        found = json.loads((folder / MARK).read_text(encoding="utf-8"))
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _differences(found: Any, wanted: Any, name: str) -> Iterator[str]:
    if isinstance(found, dict) and isinstance(wanted, dict):
        for key in dict.fromkeys([*found, *wanted]) if name else found:
            yield from _differences(found.get(key), wanted.get(key), f"{name}.{key}" if name else key)
    elif found != wanted:
        yield f"{name} was {_short(found)} and is now {_short(wanted)}"


def _short(value: Any) -> str:
    if isinstance(value, str) and re.fullmatch(r"[0-9a-f]{64}", value):
        return value[:8]
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_TEXT else f"{text[: _MAX_TEXT - 3]}..."
