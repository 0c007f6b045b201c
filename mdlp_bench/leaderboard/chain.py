"""The chain of a store: one line per stored folder, with the hashes of its files.

Each line also holds the hash of the line before, so no entry can be edited, removed or moved without changing
every later line; a copy of the chain, e.g. an earlier commit, shows that (`problems(..., since)`).
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, ValidationError

from mdlp_bench.errors import SubmissionError, first_fault
from mdlp_bench.files import sha256_bytes, sha256_file, write_bytes
from mdlp_bench.frozen import Frozen

CHAIN: Final = "chain.jsonl"
_START: Final = "0" * 64
_HASH: Final = r"^[0-9a-f]{64}$"
RESTORE: Final = "restore it from the version control"

Kind = Literal["dataset", "entry", "deprecation"]
Problem = tuple[str, str, str]
"""Where, what is wrong, and the remedy."""


class Link(Frozen):
    """A line of the chain.

    Attributes:
        kind: What was stored. A data set may be stored again when it is completed, the others may not.
        folder: Its folder in the store.
        files: SHA-256 of each of its files, by the path in the folder.
        previous: SHA-256 of the line before, without the line's end; zeros for the first line.
    """

    kind: Kind
    folder: str
    files: dict[str, Annotated[str, Field(pattern=_HASH)]]
    previous: Annotated[str, Field(pattern=_HASH)]


def read_chain(root: Path) -> list[Link]:
    """The lines of a store's chain; none for a store without one.

    Raises:
        SubmissionError: A line is damaged, or does not hold the hash of the line before.
    """
    path = root / CHAIN
    if not path.exists():
        return []
    links: list[Link] = []
    previous = _START
    for number, line in enumerate(_lines(path), start=1):
        try:
            link = Link.model_validate_json(line)
        except ValidationError as error:
            raise SubmissionError(f"{path}: line {number}: {first_fault(error)}; {RESTORE}") from error
        if link.previous != previous:
            raise SubmissionError(f"{path}: line {number} does not follow from the line before; {RESTORE}")
        previous = sha256_bytes(line)
        links.append(link)
    return links


def append(root: Path, kind: Kind, folder: Path) -> None:
    """Add what lies in a folder of the store to its chain; the caller holds the store's lock.

    Args:
        root: The store.
        kind: What it is.
        folder: Its folder. Of a deprecation only `deprecated.json` counts.
    """
    lines = _lines(root / CHAIN) if (root / CHAIN).exists() else []
    # A half-written file of a killed process is a fault and must not become part of the chain.
    names = (name for name in regular_files(folder, kind) if not Path(name).name.startswith("."))
    files = {name: sha256_file(folder / name) for name in names}
    link = Link(
        kind=kind,
        folder=folder.relative_to(root).as_posix(),
        files=files,
        previous=sha256_bytes(lines[-1]) if lines else _START,
    )
    write_bytes(root / CHAIN, b"".join(line + b"\n" for line in (*lines, link.model_dump_json().encode())))


def regular_files(folder: Path, kind: Kind) -> list[str]:
    """The regular files of a folder by their paths in it; links and their targets are left out."""
    if kind == "deprecation":
        return ["deprecated.json"] if _is_regular(folder / "deprecated.json") else []
    found = (path for path in folder.rglob("*") if _is_regular(path))
    return sorted(path.relative_to(folder).as_posix() for path in found)


def problems(root: Path, links: list[Link], on_disk: dict[str, Kind]) -> Iterator[Problem]:
    """Where a store is not what its chain says.

    Args:
        root: The store.
        links: Its chain.
        on_disk: The folders that should be in the chain, with their kinds.
    """
    latest: dict[tuple[str, Kind], Link] = {}
    for link in links:
        if (link.folder, link.kind) in latest and link.kind != "dataset":
            yield link.folder, "was changed after it had landed", RESTORE
        latest[link.folder, link.kind] = link
    for (folder, kind), link in latest.items():
        if on_disk.get(folder) is None and kind != "deprecation":
            yield folder, f"this {kind} was removed", RESTORE
            continue
        found = set(regular_files(root / folder, kind))
        for name, expected in link.files.items():
            path = root / folder / name
            if name not in found:
                yield f"{folder}/{name}", "is missing or not a regular file", RESTORE
            elif sha256_file(path) != expected:
                yield f"{folder}/{name}", "was changed after it had landed", RESTORE
        for name in sorted(found - link.files.keys()):
            yield f"{folder}/{name}", "was added after the rest had landed", "delete it"
    for folder, kind in on_disk.items():
        if (folder, kind) not in latest:
            yield folder, f"this {kind} is not in {CHAIN}", "delete it, and add the submission again"


def extends(root: Path, earlier: Path) -> Iterator[Problem]:
    """Whether a store's chain goes on from that of an earlier copy of the store."""
    old = _lines(earlier / CHAIN) if (earlier / CHAIN).exists() else []
    new = _lines(root / CHAIN) if (root / CHAIN).exists() else []
    for number, (before, now) in enumerate(zip(old, new, strict=False), start=1):
        if before != now:
            yield CHAIN, f"line {number} is not that of {earlier}", RESTORE
            return
    if len(new) < len(old):
        yield CHAIN, f"{len(old) - len(new):,} lines of {earlier} are missing", RESTORE


def _lines(path: Path) -> list[bytes]:
    if not _is_regular(path):
        raise SubmissionError(f"{path}: not a regular file; {RESTORE}")
    return path.read_bytes().splitlines()


def _is_regular(path: Path) -> bool:
    """Whether a path is a file itself, and no folder on the way inside a store is a link."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False
