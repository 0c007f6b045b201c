"""Label lists: `group,text` tables with or without a header, and `name.jpg,TEXT` lines."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mdlp_bench import plate
from mdlp_bench.data.samples import Problem
from mdlp_bench.data.sources.names import IMAGE_SUFFIXES, printable, read_file
from mdlp_bench.errors import DataError, PlateError

LABEL_FILES: Final = ("labels.csv", "labels.txt", "labels.tsv", "plate_info.txt")

_TEXT_HEADS: Final = ("text", "label", "plate", "plate_text")
_KEY_HEADS: Final = ("group", "name", "file", "filename", "image", "sample_id", "id")


@dataclass(frozen=True, slots=True)
class LabelRow:
    """One line of a label list.

    Attributes:
        key: What it labels: a group, a path or an image name, as written.
        text: The text as written, stripped; empty when the plate could not be read.
        split: From a `split` column.
        extra: Further named columns (only with a header).
        where: File and line, for messages.
    """

    key: str
    text: str
    split: str | None
    extra: Mapping[str, str] = field(default_factory=dict)
    where: str = ""

    @property
    def parts(self) -> tuple[str, ...]:
        """The key as path components, an image suffix removed from the last."""
        parts = [part for part in self.key.replace("\\", "/").split("/") if part not in ("", ".")]
        if parts and Path(parts[-1]).suffix.lower() in IMAGE_SUFFIXES:
            parts[-1] = Path(parts[-1]).stem
        return tuple(parts)


def read_labels(path: Path) -> tuple[list[LabelRow], list[Problem]]:
    """Read a label list.

    Returns:
        Its rows, and a note for each line that is none.

    Raises:
        DataError: The file is unreadable or not UTF-8.
    """
    name = printable(str(path))
    try:
        content = read_file(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{name}: not UTF-8 (byte {error.start}); save the labels as UTF-8") from error
    delimiter = _delimiter(content)
    rows: list[LabelRow] = []
    problems: list[Problem] = []
    header: list[str] | None = None
    first = True
    for number, cells in _lines(content, delimiter, name):
        where = f"{name}:{number}"
        if first:
            first = False
            header = _header(cells)
            if header is not None:
                continue
        row = _row(cells, header, where)
        if row is None:
            message = f"{where}: expected {'the columns of the header' if header else 'group,text'}"
            problems.append(Problem("label", f"{message}, found {len(cells)} cells", rejected=False))
        else:
            rows.append(row)
    return rows, problems


def find_labels(folder: Path) -> list[Path]:
    """The label lists that lie in a folder."""
    return [path for name in LABEL_FILES if (path := folder / name).is_file()]


def check_text(text: str, sample_id: str, split: str | None) -> tuple[str | None, str | None, list[Problem]]:
    """Normalise a label and test it against the plate grammar.

    Returns:
        The normalised text (None when empty), the layout when the text leaves only one, and a note when the
        text is no plate (it is kept: a label may be right and the grammar incomplete).
    """
    plain = plate.normalise(text)
    if not plain:
        return None, None, []
    try:
        layouts = plate.parse(plain).layouts
    except PlateError as error:
        note = Problem("text-grammar", f"sample {sample_id}: {error}", sample_id, split, rejected=False)
        return plain, None, [note]
    return plain, layouts[0] if len(layouts) == 1 else None, []


def _delimiter(content: str) -> str:
    first = next((line for line in content.splitlines() if line.strip()), "")
    return next((mark for mark in (",", "\t", ";", "，") if mark in first), ",")


def _lines(content: str, delimiter: str, name: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=delimiter)
    try:
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                yield reader.line_num, stripped
    except csv.Error as error:
        raise DataError(f"{name}:{reader.line_num}: not a label list ({error})") from error


def _header(cells: list[str]) -> list[str] | None:
    names = [cell.lower() for cell in cells]
    if any(name in _TEXT_HEADS for name in names) and any(name in _KEY_HEADS for name in names):
        return names
    return None


def _row(cells: list[str], header: list[str] | None, where: str) -> LabelRow | None:
    if header is None:
        return LabelRow(cells[0], cells[1], None, where=where) if len(cells) == 2 and cells[0] else None
    if len(cells) != len(header):
        return None
    named = dict(zip(header, cells, strict=True))
    key = next(named.pop(name) for name in _KEY_HEADS if name in named)
    text = next(named.pop(name) for name in _TEXT_HEADS if name in named)
    if not key:
        return None
    return LabelRow(key, text, named.pop("split", None) or None, named, where)
