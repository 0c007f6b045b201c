"""File and folder names: printable forms, numeric order, listings that neither hang nor raise late."""

from __future__ import annotations

import os
import re
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from mdlp_bench.errors import DataError
from mdlp_bench.files import is_junk

IMAGE_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".webp"})

_UNSAFE: Final = re.compile(r"[^\w.-]")
_MAX_ID_BYTES: Final = 200
_DIGITS: Final = re.compile(r"[0-9]+")
_SUFFIX: Final = re.compile(r"(?<=.)\.[A-Za-z][A-Za-z0-9]{1,4}$")

MAX_FILE_BYTES: Final = 256 << 20
"""Larger files are not pictures of a plate; reading one would exhaust the memory."""


def printable(name: str) -> str:
    r"""A file name as one-line UTF-8: undecodable bytes and control characters become `\x..`."""
    with suppress(UnicodeEncodeError):  # raised for half a surrogate pair, which no file system returns
        name = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in name)


def sample_id_of(*parts: str) -> str:
    """Join names to a sample id that is a valid file name everywhere.

    Characters other than letters, digits, `_`, `-` and `.` become `_`; when anything had to be changed or
    cut, a few hexadecimal digits of the original's SHA-256 keep the id unique.
    """
    name = "-".join(parts)
    plain = _UNSAFE.sub("_", name)
    if plain == name and plain[:1] not in ("", ".", "-") and len(plain.encode()) <= _MAX_ID_BYTES:
        return plain
    short = plain.encode()[: _MAX_ID_BYTES - 9].decode("utf-8", "ignore").lstrip(".-")
    return f"{short or 'sample'}-{sha256(name.encode()).hexdigest()[:8]}"


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key that compares runs of digits as numbers of any length: `img_2` before `img_10`.

    A name that ends is before one that continues, whatever its suffix: `car.png` before `car2.png`.
    """
    stem = plain_digits(_SUFFIX.sub("", name))
    texts, numbers = _DIGITS.split(stem), _DIGITS.findall(stem)
    key: list[tuple[int, int, str]] = []
    for position, text in enumerate(texts):
        if text:
            key.append((2, 0, text))
        if position < len(numbers):
            number = numbers[position].lstrip("0")
            key.append((1, len(number), number))
    return (*key, (0, len(name), name))


def plain_digits(name: str) -> str:
    """The name with digits of every script and width as ASCII digits (`１２`, `②`)."""
    return name if name.isascii() else unicodedata.normalize("NFKC", name)


def folder_named(parent: Path, *names: str) -> Path | None:
    """The folder in `parent` that has the first of these lower-case names, in any case; None without one."""
    for name in names:
        if (parent / name).is_dir():
            return parent / name
    with suppress(OSError), os.scandir(parent) as entries:
        found = {e.name.casefold(): e for e in entries if e.name.casefold() in names}
        return next(
            (parent / found[name].name for name in names if name in found and found[name].is_dir()), None
        )
    return None


@dataclass(frozen=True, slots=True)
class Listing:
    """What a folder holds, in natural order: sub-folders, image files, everything else."""

    folders: tuple[str, ...]
    images: tuple[str, ...]
    others: tuple[str, ...]


def list_folder(path: Path) -> Listing:
    """List a folder, without hidden and operating-system files.

    A name with an image suffix that is not a regular file (a pipe, a device) counts as `others`: opening it
    could block for ever.

    Raises:
        DataError: The folder cannot be read.
    """
    folders, images, others = [], [], []
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                name = entry.name
                if name.startswith(".") or is_junk(name):
                    continue
                if entry.is_dir():
                    folders.append(name)
                elif entry.is_file() and Path(name).suffix.lower() in IMAGE_SUFFIXES:
                    images.append(name)
                else:
                    others.append(name)
    except OSError as error:
        raise DataError(f"{printable(str(path))}: cannot be listed ({error.strerror})") from error
    return Listing(*(tuple(sorted(names, key=natural_key)) for names in (folders, images, others)))


_KINDS: Final = (
    (0, b"PK\x03\x04", "a zip archive or an Excel workbook; unpack it, or save the sheet as CSV (UTF-8)"),
    (0, b"\xd0\xcf\x11\xe0", "an Excel or Word file; save the sheet as CSV (UTF-8)"),
    (0, b"\x1f\x8b", "a gzip archive; unpack it"),
    (0, b"BZh", "a bzip2 archive; unpack it"),
    (0, b"\xfd7zXZ", "an xz archive; unpack it"),
    (0, b"7z\xbc\xaf", "a 7-Zip archive; unpack it"),
    (0, b"Rar!", "a RAR archive; unpack it"),
    (257, b"ustar", "a tar archive; unpack it"),
    (0, b"%PDF", "a PDF; save the table as CSV (UTF-8)"),
    (0, b"SQLite format 3", "a database; export the table as CSV (UTF-8)"),
    (0, b'{"', "JSON; write the table as CSV (UTF-8) or Parquet"),
    (0, b"{\n", "JSON; write the table as CSV (UTF-8) or Parquet"),
    (0, b"[{", "JSON; write the table as CSV (UTF-8) or Parquet"),
    (0, b"[\n", "JSON; write the table as CSV (UTF-8) or Parquet"),
)
"""Marks of files that are taken for tables or data sets: position, bytes, what the file is and what to do."""


def kind_of_file(head: bytes) -> str | None:
    """What a file is that cannot be read as data, and what to do with it; None when it is not known.

    Args:
        head: Its first bytes, at least 512 where it is that long.
    """
    return next((kind for at, mark, kind in _KINDS if head[at:].startswith(mark)), None)


def read_head(path: Path, size: int = 512) -> bytes:
    """The first bytes of a file; empty where it cannot be read or is not a regular file."""
    with suppress(OSError):
        if path.is_file():
            with path.open("rb") as stream:
                return stream.read(size)
    return b""


def read_file(path: Path) -> bytes:
    """Read a regular file of at most `MAX_FILE_BYTES`.

    Raises:
        DataError: It is missing, not a file, too large or unreadable; names it.
    """
    name = printable(str(path))
    try:
        if not path.is_file():
            raise DataError(f"{name}: {'not a regular file' if path.exists() else 'no such file'}")
        if (size := path.stat().st_size) > MAX_FILE_BYTES:
            raise DataError(f"{name}: {size:,} bytes; at most {MAX_FILE_BYTES:,} are read")
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{name}: cannot be read ({error.strerror})") from error
