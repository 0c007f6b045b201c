"""The folder an export writes into: new, or the unfinished work of the same export."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from mdlp_bench.data.samples import Samples
from mdlp_bench.errors import DataError
from mdlp_bench.files import read_json, write_bytes, write_json

_MARK: Final = ".exporting.json"

_SUFFIXES: Final = {b"\xff\xd8\xff": ".jpg", b"\x89PNG": ".png", b"BM": ".bmp", b"RIFF": ".webp"}


@contextmanager
def export_folder(out: Path, layout: str, samples: Samples) -> Iterator[None]:
    """Guard an export: while it runs, `out` carries a mark that says of what; the same call continues it.

    Raises:
        DataError: The folder holds something else.
        MdlpBenchError: It cannot be written.
    """
    mark = {"layout": layout, "fingerprint": samples.fingerprint}
    path = out / _MARK
    if out.exists() and not out.is_dir():
        raise DataError(f"{out}: is a file; give a folder")
    if path.is_file():
        if read_json(path) != mark:
            raise DataError(f"{out}: holds the unfinished export of something else; choose another folder")
    elif out.is_dir() and (taken := next(iter(sorted(out.iterdir())), None)) is not None:
        raise DataError(f"{out}: not empty (it holds {taken.name}); choose a new folder")
    write_json(path, mark)
    yield
    path.unlink()


def write_once(path: Path, content: bytes) -> None:
    """Write a file atomically unless an earlier, interrupted export has finished it."""
    if not (path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content):
        write_bytes(path, content)


def suffix_of(image: dict[str, Any]) -> str:
    """The file ending that an image's bytes ask for."""
    content: bytes = image["bytes"]
    return next((suffix for start, suffix in _SUFFIXES.items() if content.startswith(start)), ".bin")
