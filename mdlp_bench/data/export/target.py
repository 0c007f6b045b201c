"""What all exports share: the identity of their unfinished work, how they write files and names."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import mdlp_bench
from mdlp_bench.data.samples import Samples
from mdlp_bench.data.sources.names import sample_id_of
from mdlp_bench.errors import DataError
from mdlp_bench.files import csv_text, write_bytes
from mdlp_bench.output_folder import unfinished
from mdlp_bench.progress import Progress, progress_bar
from mdlp_bench.schema import PLAIN_COLUMNS

_ILLEGAL: Final = frozenset('<>:"/\\|?*')
_DEVICES: Final = frozenset(
    ("con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10)))
)


def export_identity(layout: str, samples: Samples, **options: Any) -> dict[str, Any]:
    """What the bytes of an export depend on: every column of every sample, the layout and its options."""
    columns = sha256()
    for batch in samples.batches(4096, PLAIN_COLUMNS):
        for row in batch.to_pylist():
            columns.update(json.dumps(row, sort_keys=True, default=str).encode() + b"\n")
    return {
        "layout": layout,
        "samples": samples.name,
        "fingerprint": samples.fingerprint,
        "columns": columns.hexdigest(),
        "options": options,
        "software": {"mdlp-bench": mdlp_bench.__version__},
    }


class Names:
    """Gives everything a distinct name, even on file systems that do not tell `A` from `a`.

    Names of Windows' devices (`con`, `aux`) are not given.

    Attributes:
        renamed: What was renamed because its wanted name was taken, by the new name.
    """

    def __init__(self) -> None:
        self.renamed: dict[str, str] = {}
        self._taken: set[str] = set(_DEVICES)

    def give(self, wanted: str, unique: str) -> str:
        """The wanted name; if it is taken, the name with some digits of the hash of `unique`."""
        # Windows drops dots and blanks at the end of a name.
        name = stem = wanted.rstrip(". ")
        length = 8
        while (key := _folded(name)) in self._taken:
            name = f"{stem}-{sha256(unique.encode()).hexdigest()[:length]}"
            length += 8
        self._taken.add(key)
        if name != wanted:
            self.renamed[name] = unique
        return name


@contextmanager
def exporting(layout: str, samples: Samples, out: Path, **options: Any) -> Iterator[Progress]:
    """The frame of every export: splits with names of their own, one writer, resumed by the same call.

    Yields:
        A progress bar for the samples.

    Raises:
        DataError: Splits differ in case only, or the folder holds something else.
        MdlpBenchError: The folder cannot be written.
    """
    check_splits(samples)
    identity = export_identity(layout, samples, **options)
    with unfinished(out, identity), progress_bar(len(samples), "Exporting") as bar:
        yield bar


def write_table(path: Path, lines: Iterable[Iterable[str]]) -> None:
    """Write a CSV file once; see `write_once`."""
    write_once(path, csv_text(lines).encode())


def check_splits(samples: Samples) -> None:
    """Refuse splits that would share a folder where a file system does not tell `A` from `a`.

    Raises:
        DataError: There are such splits.
    """
    seen: dict[str, str] = {}
    for split in samples.candidates():
        other = seen.setdefault(_folded(sample_id_of(split)), split)
        if other != split:
            raise DataError(f"{samples.name}: the splits {other} and {split} differ in case only; rename one")


def check_ids(samples: Samples) -> None:
    """Refuse samples whose files `<sample_id>.<suffix>` would be the same where case does not count.

    Raises:
        DataError: There are such samples.
    """
    seen: dict[str, str] = {}
    for sample_id in samples.sample_ids:
        other = seen.setdefault(_folded(sample_id), sample_id)
        if other != sample_id:
            raise DataError(
                f"{samples.name}: the ids {other} and {sample_id} are one file name where case does not "
                "count; rename one"
            )


def is_portable(name: str) -> bool:
    """Whether a file or folder may have this name on Linux, macOS and Windows, and is not hidden."""
    return bool(name) and name[0] != "." and name[-1] not in ". " and _ILLEGAL.isdisjoint(name)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold().rstrip(". ")


def write_once(path: Path, content: bytes) -> None:
    """Write a file atomically unless an earlier, interrupted export has finished it."""
    if not (path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content):
        write_bytes(path, content)
