"""Zip archives from strangers, read with hard limits and without trust in any header.

A submission needs only a small part of the zip format, so only that part is read: one disk, no zip64, no
encryption, stored or deflated members, central and local headers that agree, members that do not overlap.
Memory is bounded by the central directory's cap and by one member at a time; nothing is extracted here.

People zip on their own machines: files that macOS and Windows add are ignored, backslashes separate folders,
and a single folder around the submission is looked through.
"""

from __future__ import annotations

import hashlib
import stat
import struct
import unicodedata
import zlib
from collections.abc import Iterator, Set
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Final

from mdlp_bench.data.sources.names import kind_of_file
from mdlp_bench.files import is_junk
from mdlp_bench.leaderboard.submission.faults import Faults, is_plain_letter, listed, printable
from mdlp_bench.leaderboard.submission.form import (
    PREDICTIONS_FOLDER,
    READINGS_FILE,
    README_FILE,
    SUBMISSION_FILE,
)

MAX_MEMBERS: Final = 20_000
MAX_ARCHIVE_BYTES: Final = 2**30
MAX_MEMBER_BYTES: Final = 256 * 1024
"""More than any 112 x 224 RGB picture or form needs."""

MAX_READINGS_BYTES: Final = 2 * 2**20
"""More than `MAX_MEMBERS` readings need."""

_MAX_DIRECTORY_BYTES: Final = 6 * 2**20
_END: Final = struct.Struct("<4s4H2IH")
_CENTRAL: Final = struct.Struct("<4s6H3I5H2I")
_LOCAL: Final = struct.Struct("<4s5H3I2H")
_ENCRYPTED: Final = 0x1 | 0x40 | 0x2000
_STREAMED: Final = 0x8
_REPACK: Final = "make the archive with `mdlp-bench leaderboard pack`"
_EXTRA_ZIP64: Final = 0x0001
_EXTRA_OTHER_NAME: Final = 0x7075
_EXTRA_AES: Final = 0x9901
_RESERVED: Final = frozenset(
    ("con", "prn", "aux", "nul", *(f"com{n}" for n in range(1, 10)), *(f"lpt{n}" for n in range(1, 10)))
)


@dataclass(frozen=True, slots=True)
class Member:
    """A file of the archive as the central directory describes it."""

    name: str
    flags: int
    method: int
    crc: int
    compressed: int
    size: int
    offset: int


class Archive:
    """An opened archive whose directory has passed every check.

    Attributes:
        members: Files by name.
        refused: Names of members that were left out because they are faulty.
        ignored: Number of files that an operating system added.
    """

    def __init__(
        self, stream: BufferedReader, members: dict[str, Member], refused: Set[str], ignored: int
    ) -> None:
        self._stream = stream
        self.members = members
        self.refused = refused
        self.ignored = ignored

    def sha256(self) -> str:
        """The hash of the whole file."""
        self._stream.seek(0)
        return hashlib.file_digest(self._stream, "sha256").hexdigest()

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, name: str, faults: Faults) -> bytes | None:
        """The content of a file, within its size limit; None when it is faulty."""
        member = self.members[name]
        self._stream.seek(member.offset)
        header = self._stream.read(_LOCAL.size)
        problem = _local_problem(header, member)
        if problem is None:
            _, _, _, _, _, _, _, _, _, name_length, extra_length = _LOCAL.unpack(header)
            local_name = self._stream.read(name_length)
            if _decoded(local_name) != member.name:
                problem = "has another name in its local header"
            self._stream.seek(extra_length, 1)
        if problem is None:
            content = self._stream.read(member.compressed)
            inflated = content if member.method == 0 else _inflate(content, member.size)
            if inflated is None or len(content) < member.compressed:
                problem = "its compressed data are damaged or larger than declared"
            elif len(inflated) != member.size or zlib.crc32(inflated) != member.crc:
                problem = "its size or checksum is not the declared one"
            else:
                return inflated
        faults.add("zip-member", name, problem, _REPACK)
        return None


class _ContainerError(Exception):
    """The container as a whole is not accepted."""

    def __init__(self, code: str, problem: str, remedy: str = _REPACK) -> None:
        super().__init__(problem)
        self.code = code
        self.remedy = remedy


def open_archive(path: Path, faults: Faults) -> Archive | None:
    """Open an archive and check its whole directory.

    Faults of single members leave those members out; a faulty container gives None.

    Args:
        path: The file.
        faults: Collects what is wrong.
    """
    try:
        status = path.stat()
    except OSError as error:
        faults.add("file", str(path), f"cannot be read ({error.strerror})", "name an existing zip file")
        return None
    if stat.S_ISDIR(status.st_mode):
        faults.add("file", str(path), "a folder", _REPACK)
        return None
    if not stat.S_ISREG(status.st_mode):
        faults.add("file", str(path), "not a regular file", "name a zip file")
        return None
    if status.st_size > MAX_ARCHIVE_BYTES:
        limit = f"{MAX_ARCHIVE_BYTES // 2**20:,} MiB"
        faults.add("zip-size", path.name, f"larger than {limit}", "submit PNGs of 112 x 224 only")
        return None
    stream = path.open("rb")
    try:
        return Archive(stream, *_read_directory(stream, status.st_size, faults))
    except _ContainerError as error:
        stream.close()
        faults.add(error.code, path.name, str(error), error.remedy)
        return None


def size_limit(name: str) -> int:
    """The most bytes of a file that are read."""
    return MAX_READINGS_BYTES if name.rpartition("/")[2] == READINGS_FILE else MAX_MEMBER_BYTES


def _read_directory(
    stream: BufferedReader, size: int, faults: Faults
) -> tuple[dict[str, Member], set[str], int]:
    """The members without faults, the names of the others, and the number of ignored files."""
    kind = kind_of_file(head := stream.read(512))
    if kind is not None and not head.startswith(b"PK"):
        raise _ContainerError("zip", f"{kind.partition(';')[0]}, not a zip file")
    if size < _END.size:
        raise _ContainerError("zip", "not a zip file")
    stream.seek(size - _END.size)
    mark, disk, first_disk, here, count, length, start, comment = _END.unpack(stream.read(_END.size))
    if mark != b"PK\x05\x06" or comment:
        raise _ContainerError("zip", "not a zip file, cut off, or with a comment or data behind its end")
    stream.seek(max(0, size - _END.size - 20))
    zip64 = stream.read(4) == b"PK\x06\x07" or 0xFFFF in (here, count) or 0xFFFFFFFF in (length, start)
    if zip64:
        raise _ContainerError(
            "zip64", "uses zip64 or holds more files than allowed", f"{_REPACK}; no zip64 is needed"
        )
    if disk or first_disk or here != count:
        raise _ContainerError("zip", "one part of a split archive")
    if count > MAX_MEMBERS or length > _MAX_DIRECTORY_BYTES:
        raise _ContainerError(
            "zip-count",
            f"holds {count:,} files",
            f"at most {MAX_MEMBERS:,} are read; send only the predictions",
        )
    if start + length != size - _END.size:
        raise _ContainerError(
            "zip", "its directory is not where its end record says, or data stand before the archive"
        )
    stream.seek(start)
    directory = stream.read(length)
    members: dict[str, Member] = {}
    refused: set[str] = set()
    seen: dict[str, str] = {}
    spans: list[tuple[int, int, str]] = []
    found = ignored = 0
    for entry in _central_entries(directory):
        if entry is None:
            raise _ContainerError("zip", "its directory is damaged")
        found += 1
        if found > count:
            raise _ContainerError("zip", "its directory holds more files than its end record says")
        member, problem, remedy = entry
        spans.append((member.offset, member.offset + _LOCAL.size + member.compressed, member.name))
        if is_junk(member.name):
            ignored += 1
            continue
        if problem is None:
            problem = _clash(member.name, seen)
            remedy = "give every file a name of its own, also without case"
        if problem is not None:
            faults.add("zip-member", member.name, problem, remedy)
            refused.add(member.name)
        elif not member.name.endswith("/"):
            members[member.name] = member
    if found != count:
        raise _ContainerError("zip", f"its directory holds {found:,} files, its end record says {count:,}")
    spans.sort()
    ends = [0, *(end for _, end, _ in spans)]
    following = [*(begin for begin, _, _ in spans), start]
    if spans and spans[0][0] != 0:
        raise _ContainerError("zip", "data stand before the first file")
    for position, begin in enumerate(following):
        if begin < ends[position]:
            raise _ContainerError(
                "zip-overlap", f"files overlap near {printable(spans[max(0, position - 1)][2])}"
            )
    return *_unwrapped(members, refused), ignored


def _unwrapped(members: dict[str, Member], refused: set[str]) -> tuple[dict[str, Member], set[str]]:
    """The names without a folder around the submission, in the expected case."""
    forms = [name for name in members if name.rpartition("/")[2].lower() == SUBMISSION_FILE]
    folder = forms[0][: -len(SUBMISSION_FILE)] if len(forms) == 1 else ""
    outside = [name for name in (*members, *sorted(refused)) if not name.startswith(folder)]
    if outside:
        raise _ContainerError(
            "zip-folder",
            f"{SUBMISSION_FILE} lies in the folder {printable(folder)}, {listed(outside, 3)} outside it",
            f"zip what is in the folder, with {SUBMISSION_FILE} at the top",
        )
    inner = {_known_case(name.removeprefix(folder)): member for name, member in members.items()}
    return inner, {_known_case(name.removeprefix(folder)) for name in refused}


def _known_case(name: str) -> str:
    """The name, with what every submission holds in lower case: `Predictions/`, `Submission.yaml`."""
    top, slash, rest = name.partition("/")
    known = (SUBMISSION_FILE, README_FILE, READINGS_FILE, PREDICTIONS_FOLDER.rstrip("/"))
    return f"{top.lower() if top.lower() in known else top}{slash}{rest}"


def _central_entries(directory: bytes) -> Iterator[tuple[Member, str | None, str] | None]:
    """Each entry with what is wrong with it and the remedy; None when the directory itself is damaged."""
    position = 0
    while position < len(directory):
        if position + _CENTRAL.size > len(directory):
            yield None
            return
        fields = _CENTRAL.unpack_from(directory, position)
        mark, made_by, _, flags, method, _, _, crc, compressed, size = fields[:10]
        name_length, extra_length, comment_length, disk, _, external, offset = fields[10:]
        name_at = position + _CENTRAL.size
        position = name_at + name_length + extra_length + comment_length
        if mark != b"PK\x01\x02" or position > len(directory):
            yield None
            return
        raw = directory[name_at : name_at + name_length]
        extra = directory[name_at + name_length : name_at + name_length + extra_length]
        name = _decoded(raw)
        shown = raw.decode("latin-1") if name is None else name
        member = Member(shown, flags, method, crc, compressed, size, offset)
        problem, remedy = _name_problem(name), "use plain names: submission.yaml, predictions/<sample_id>.png"
        if problem is None:
            problem, remedy = _member_problem(member, made_by, external, disk, extra, raw), _REPACK
        yield member, problem, remedy


def _decoded(raw: bytes) -> str | None:
    """The name with slashes between folders and no `./` in front; None when it is not UTF-8.

    The UTF-8 mark does not matter: macOS does not set it.
    """
    try:
        return raw.decode().replace("\\", "/").removeprefix("./")
    except UnicodeDecodeError:
        return None


def _name_problem(name: str | None) -> str | None:
    """Why a member's name is not accepted."""
    if name is None:
        return "its name is not in UTF-8"
    if not name or len(name.encode()) > 255:
        return "its name is empty or longer than 255 bytes"
    if any(not c.isprintable() for c in name):
        return "its name has control or invisible characters"
    if name.startswith("/") or name[1:2] == ":":
        return "an absolute path or a drive"
    parts = name.removesuffix("/").split("/")
    if any(part in ("", ".", "..") for part in parts):
        return "a path that leaves the archive"
    if any(part != part.strip() or part.endswith(".") for part in parts):
        return "its name begins or ends with a blank or a dot"
    if any(part.split(".")[0].lower() in _RESERVED for part in parts):
        return "a name that is reserved on Windows"
    if any(not c.isascii() and not (c.isalpha() and is_plain_letter(c)) for c in name):
        return "its name has look-alike characters that are neither Latin nor Chinese"
    if unicodedata.normalize("NFKC", name) != name:
        return "its name is not in Unicode's normal form (NFKC)"
    return None


def _member_problem(
    member: Member, made_by: int, external: int, disk: int, extra: bytes, raw: bytes
) -> str | None:
    """Why a member is not accepted, according to its entry in the directory."""
    kind = stat.S_IFMT(external >> 16) if made_by >> 8 == 3 else 0
    is_folder = member.name.endswith("/")
    if kind == stat.S_IFLNK:
        return "a symbolic link"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR) or (kind == stat.S_IFDIR) != (is_folder and kind != 0):
        return "not a plain file"
    if member.flags & _ENCRYPTED:
        return "encrypted"
    if member.method not in (0, 8):
        return f"compressed by method {member.method}, only stored and deflated files are read"
    if disk:
        return "on another disk of a split archive"
    fields = _extra_fields(extra)
    if fields is None:
        return "its extra field is damaged"
    if _EXTRA_ZIP64 in fields or 0xFFFFFFFF in (member.size, member.compressed, member.offset):
        return "uses zip64"
    # Behind a version byte and a checksum; archivers repeat names that are not ASCII here.
    if _EXTRA_OTHER_NAME in fields and fields[_EXTRA_OTHER_NAME][5:] != raw:
        return "carries a second name"
    if _EXTRA_AES in fields:
        return "encrypted"
    limit = size_limit(member.name)
    if max(member.size, member.compressed) > limit or (is_folder and member.size):
        return f"{member.size:,} bytes, at most {limit:,} are read"
    if member.method == 0 and member.size != member.compressed:
        return "stored with two different sizes"
    return None


def _extra_fields(extra: bytes) -> dict[int, bytes] | None:
    """The content of each extra field by its kind; None when they are damaged."""
    fields = {}
    position = 0
    while position < len(extra):
        if position + 4 > len(extra):
            return None
        kind, length = struct.unpack_from("<2H", extra, position)
        if kind in fields:
            return None
        position += 4 + length
        fields[kind] = extra[position - length : position]
    return fields if position == len(extra) else None


def _clash(name: str, seen: dict[str, str]) -> str | None:
    """Whether there has been a file of this name before, in any case."""
    key = name.casefold()
    if key in seen:
        return "occurs twice" if seen[key] == name else f"differs from {printable(seen[key])} by case only"
    seen[key] = name
    return None


def _local_problem(header: bytes, member: Member) -> str | None:
    if len(header) < _LOCAL.size:
        return "its local header is cut off"
    mark, _, flags, method, _, _, crc, compressed, size, _, _ = _LOCAL.unpack(header)
    if mark != b"PK\x03\x04":
        return "it has no local header"
    streamed = flags & _STREAMED and (crc, compressed, size) == (0, 0, 0)
    same = (crc, compressed, size) == (member.crc, member.compressed, member.size) or streamed
    if flags != member.flags or method != member.method or not same:
        return "its local header contradicts the directory"
    return None


def _inflate(content: bytes, size: int) -> bytes | None:
    """The inflated bytes, or None when they are damaged, more than `size`, or followed by others."""
    inflater = zlib.decompressobj(-15)
    try:
        found = inflater.decompress(content, size + 1)
    except zlib.error:
        return None
    complete = inflater.eof and not inflater.unused_data
    return found if complete and len(found) <= size else None
