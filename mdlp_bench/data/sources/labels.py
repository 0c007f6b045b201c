"""Label lists: `group,text` tables with or without a header, and `name.jpg,TEXT` lines."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mdlp_bench import plate
from mdlp_bench.data.samples import Problem
from mdlp_bench.data.sources.names import IMAGE_SUFFIXES, printable, read_file
from mdlp_bench.data.sources.text_table import (
    IMAGE_NAMES,
    TEXT_NAMES,
    column_name,
    find_column,
    fit_cells,
    path_parts,
    read_lines,
)
from mdlp_bench.errors import PlateError
from mdlp_bench.schema import TEXT_ORIGINS, TextOrigin

LABEL_FILES: Final = ("labels.csv", "labels.txt", "labels.tsv", "plate_info.txt")

_KEY_NAMES: Final = ("group", "track", "track_id", "name", *IMAGE_NAMES, "sample_id", "id")
_INDICES: Final = re.compile(r"[\[(]?\s*[0-9]+(?:\.0*)?(?:[\s,_;|-]+[0-9]+(?:\.0*)?){5,}\s*[\])]?")


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
        parts = list(path_parts(self.key))
        if parts and Path(parts[-1]).suffix.lower() in IMAGE_SUFFIXES:
            parts[-1] = Path(parts[-1]).stem
        return tuple(parts)

    def says_the_same(self, other: LabelRow) -> bool:
        """Whether two lines give one text, however they write it."""
        return plate.normalise(self.text) == plate.normalise(other.text)


def read_labels(path: Path) -> tuple[list[LabelRow], list[Problem]]:
    """Read a label list in any dialect of `text_table`.

    Returns:
        Its rows, and a note for each line that is none.

    Raises:
        DataError: The file is unreadable or in no known encoding.
    """
    name = printable(str(path))
    rows: list[LabelRow] = []
    problems: list[Problem] = []
    header: _Header | None = None
    first = True
    for line in read_lines(read_file(path), name):
        where = f"{name}:{line.number}"
        if first:
            first = False
            header = _Header.of(line.cells)
            if header is not None:
                continue
        row = _plain_row(line.cells, where) if header is None else header.row(line.cells, where)
        if row is None:
            message = f"{where}: expected {'the columns of the header' if header else 'group,text'}"
            problems.append(Problem("label", f"{message}, found {len(line.cells)} cells", rejected=False))
        else:
            rows.append(row)
    return rows, problems


def find_labels(folder: Path) -> list[Path]:
    """The label lists that lie in a folder."""
    return [path for name in LABEL_FILES if (path := folder / name).is_file()]


def origin_of(row: LabelRow) -> TextOrigin:
    """Where the text of a line comes from: its column `text_origin`, else a label."""
    given = row.extra.get("text_origin")
    return given if given in TEXT_ORIGINS else "label"


def check_text(
    text: str, sample_id: str, split: str | None, where: str = ""
) -> tuple[str | None, str | None, list[Problem]]:
    """Normalise a label and test it against the plate grammars.

    Args:
        text: As written; empty where there is none.
        sample_id: The sample it is for.
        split: The sample's split.
        where: File and line of the label, for messages.

    Returns:
        The normalised text, the layout when the text leaves only one, and a note. The text is None when it is
        empty, unreadable (`#####`) or a vector of indices. A text that is no plate is kept: a label may be
        right and the grammar incomplete.
    """
    place = f"sample {sample_id}, {where}" if where else f"sample {sample_id}"

    def note(code: str, message: str) -> list[Problem]:
        return [Problem(code, f"{place}: {message}", sample_id, split, rejected=False)]  # type: ignore[arg-type]

    if _INDICES.fullmatch(text.strip()):
        message = (
            f"{text.strip()!r:.60} is a vector of indices and no text; write the characters they stand for"
        )
        return None, None, note("text-unreadable", f"{message}; text scores leave it out")
    if plate.is_unreadable(text):
        message = (
            f"the label {text.strip()!r:.60} says that the plate cannot be read; text scores leave it out"
        )
        return None, None, note("text-unreadable", message)
    plain = plate.normalise(text)
    if not plain:
        return None, None, []
    try:
        layouts = plate.parse(plain).layouts
    except PlateError as error:
        return plain, None, note("text-grammar", str(error))
    return plain, layouts[0] if len(layouts) == 1 else None, []


def _plain_row(cells: Sequence[str], where: str) -> LabelRow | None:
    if len(cells) > 2 and _INDICES.fullmatch(indices := ",".join(cells[1:])):
        cells = (cells[0], indices)
    fitting = fit_cells(cells, 2)
    return LabelRow(fitting[0], fitting[1], None, where=where) if fitting and fitting[0] else None


@dataclass(frozen=True, slots=True)
class _Header:
    names: tuple[str, ...]
    key: int
    text: int

    @classmethod
    def of(cls, cells: Sequence[str]) -> _Header | None:
        """The header that a line is, or None."""
        names = tuple(map(column_name, cells))
        key, text = find_column(_KEY_NAMES, names), find_column(TEXT_NAMES, names)
        return None if key is None or text is None else cls(names, names.index(key), names.index(text))

    def row(self, cells: Sequence[str], where: str) -> LabelRow | None:
        fitting = fit_cells(cells, len(self.names))
        if fitting is None or not fitting[self.key]:
            return None
        extra = {
            name: cell
            for place, (name, cell) in enumerate(zip(self.names, fitting, strict=True))
            if place not in (self.key, self.text)
        }
        split = extra.pop("split", None) or None
        return LabelRow(fitting[self.key], fitting[self.text], split, extra, where)
