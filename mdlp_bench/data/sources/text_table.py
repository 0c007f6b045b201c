"""One reader of the tables that people write: label lists, sample tables, track tables, split lists.

Encodings are detected (UTF-8 and UTF-16 with or without byte order mark, GB 18030 with GBK in it), and so are
the delimiters comma, tab, semicolon and full-width comma. Column names count whatever their case; spaces and
dashes in them are underscores.
"""

from __future__ import annotations

import codecs
import csv
import io
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mdlp_bench.data.sources.names import IMAGE_SUFFIXES, kind_of_file, printable, read_file
from mdlp_bench.errors import DataError

IMAGE_NAMES: Final = (
    "image", "image_path", "image_file", "image_name", "img", "img_path", "img_file", "img_name", "filename",
    "file", "file_path", "path", "picture", "picture_name", "picture_path", "photo",
    "图片", "图片名", "图片名称", "图片路径", "图像", "图像名称", "文件", "文件名", "文件名称", "路径",
)  # fmt: skip
"""Columns that name one picture."""

TEXT_NAMES: Final = (
    "text", "plate_text", "plate_number", "plate_no", "plate_num", "plate_label", "license_plate",
    "licence_plate", "license_plate_number", "licence_plate_number", "license_number", "licence_number",
    "license_plate_text", "licence_plate_text", "license", "licence", "plate", "lp", "lp_text", "lp_number",
    "gt_text", "ground_truth_text", "text_gt", "ocr", "ocr_text", "transcription", "words", "string",
    "车牌", "车牌号", "车牌号码", "车牌文本", "号牌", "号牌号码", "文本",
    "label", "label_text", "标签", "标注",
)  # fmt: skip
"""Columns that hold the text of the plate; names that may also mean a class come last."""

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DELIMITERS: Final = (",", "\t", ";", "，", "|", "=", ":", "：")
_PICTURE: Final = re.compile(r"(.*?\.(?:jpe?g|jfif|png|bmp|webp))\s+(\S.*)", re.IGNORECASE)
_HEAD: Final = 1 << 16
_PEEK_LINES: Final = 20
_LIST: Final = re.compile(r"\s*[\[(](.*)[\])]\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a table is written.

    Attributes:
        encoding: Name of a Python codec, which also takes the byte order mark off.
        delimiter: One character; a blank where every line is a name, blanks and a text.
        skipped: Lines in front of the table (`sep=;`).
        quote: What stands around cells that hold the delimiter.
    """

    encoding: str
    delimiter: str
    skipped: int = 0
    quote: str = '"'


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a table: its number in the file, and its cells without blanks around them."""

    number: int
    cells: tuple[str, ...]


def dialect_of(content: bytes, name: str) -> Dialect:
    """Detect how a table is written.

    Raises:
        DataError: It is in no known encoding, holds NUL bytes, or is not text (an Excel workbook, JSON).
    """
    if (kind := kind_of_file(content[:512])) is not None:
        raise DataError(f"{name}: not a table but {kind}")
    encoding = _encoding(content, name)
    head = content[:_HEAD].decode(encoding, "ignore")
    lines = [line for line in head.splitlines()[: _PEEK_LINES + 1] if line.strip() and line[0] != "#"]
    if lines and (given := re.fullmatch(r"sep=(.)", lines[0].strip(), re.IGNORECASE)):
        return Dialect(encoding, given[1], 1)
    delimiter = _delimiter(lines)
    cells = [cell.strip() for line in lines for cell in line.split(delimiter)]
    single = bool(cells) and all(re.fullmatch("'[^']*'", cell) for cell in cells)
    return Dialect(encoding, delimiter, quote="'" if single else '"')


def read_lines(content: bytes, name: str) -> Iterator[Line]:
    """The lines of a table that are not empty; lines of one cell that begin with `#` are comments.

    Raises:
        DataError: It cannot be decoded, or its quotes do not match.
    """
    dialect = dialect_of(content, name)
    text = io.TextIOWrapper(io.BytesIO(content), dialect.encoding, newline="")
    for _ in range(dialect.skipped):
        text.readline()
    if dialect.delimiter == " ":
        for number, line in enumerate(text, start=1 + dialect.skipped):
            if line.strip():
                named = _PICTURE.fullmatch(line.strip())
                yield Line(number, named.groups() if named else tuple(line.strip().rsplit(None, 1)))
        return
    reader = csv.reader(text, delimiter=dialect.delimiter, quotechar=dialect.quote)
    try:
        for cells in reader:
            stripped = tuple(cell.strip() for cell in cells)
            if any(stripped) and not (len(stripped) == 1 and stripped[0].startswith("#")):
                yield Line(reader.line_num + dialect.skipped, stripped)
    except csv.Error as error:
        raise DataError(f"{name}:{reader.line_num}: not a table ({error})") from error


def read_table(path: Path, left_out: Callable[[str], object]) -> tuple[Line, Iterator[Line]]:
    """The header of a table and the lines under it; `left_out` is told of lines of another length.

    Raises:
        DataError: See `read_lines`; or the file is empty or cannot be read.
    """
    name = printable(str(path))
    lines = read_lines(read_file(path), name)
    header = next(lines, None)
    if header is None:
        raise DataError(f"{name}: the table is empty")
    return header, _fitting(lines, len(header.cells), name, left_out)


def _fitting(
    lines: Iterator[Line], count: int, name: str, left_out: Callable[[str], object]
) -> Iterator[Line]:
    for line in lines:
        if (cells := fit_cells(line.cells, count)) is not None:
            yield Line(line.number, cells)
        else:
            found = f"{len(line.cells)} cells, the header {count}"
            left_out(f"{name}:{line.number}: the line has {found}; it is left out")


def read_list(path: Path) -> list[tuple[int, str]]:
    """The lines of a list of names with their numbers; of a table the first column.

    Raises:
        DataError: See `read_lines`; or the file cannot be read.
    """
    content, name = read_file(path), printable(str(path))
    dialect = dialect_of(content, name)
    mark = dialect.delimiter if dialect.delimiter in ",\t;，" else None
    lines = content.decode(dialect.encoding).splitlines()
    cells = [(number, line.split(mark)[0] if mark else line) for number, line in enumerate(lines, start=1)]
    return [(number, cell.strip().strip('"')) for number, cell in cells if cell.strip()]


def decoded(content: bytes, name: str) -> str:
    """The text of a file in any of the encodings of tables, without a byte order mark.

    Raises:
        DataError: It is in none of them, or holds NUL characters.
    """
    return content.decode(_encoding(content, name)).removeprefix("\ufeff")


def is_image_name(name: str) -> bool:
    """Whether a name ends as those of pictures do."""
    return Path(name.replace("\\", "/")).suffix.lower() in IMAGE_SUFFIXES


def column_name(written: str) -> str:
    """A column's name as names are compared: lower case, underscores for blanks and dashes."""
    return re.sub(r"[\s\-]+", "_", written.strip().strip("\ufeff\"'")).lower()


def find_column(wanted: Sequence[str], columns: Iterable[str]) -> str | None:
    """The first of the wanted names that is there, as the table writes it (`plateText` for plate_text)."""
    written = {_squeezed(name): name for name in reversed(list(columns))}
    return next((written[found] for name in wanted if (found := _squeezed(name)) in written), None)


def _squeezed(name: str) -> str:
    return column_name(name).replace("_", "").replace(".", "")


def fit_cells(cells: Sequence[str], count: int) -> tuple[str, ...] | None:
    """The cells of a line under a header, without empty ones at its end; None when they do not fit."""
    cells = list(cells)
    while len(cells) > count and not cells[-1]:
        cells.pop()
    return tuple(cells) if len(cells) == count else None


def cell_text(value: Any) -> str | None:
    """What a cell says; None when it is empty or not a number. Zero is a value.

    Of a record it is the field that holds the text.
    """
    if isinstance(value, Mapping):
        value = value.get(find_column(TEXT_NAMES, value) or "")
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip() or None


def cell_list(value: str) -> list[str]:
    """The paths in one cell: joined by `|` or `;`, or written as a list of strings.

    Commas and blanks join them too where every part then names a picture.
    """
    if match := _LIST.fullmatch(value):
        return [part.strip().strip("\"'") for part in match[1].split(",") if part.strip()]
    parts = [part.strip() for part in re.split("[|;]", value) if part.strip()]
    for mark in (",", None):
        pieces = [piece.strip() for piece in value.split(mark) if piece.strip()]
        if len(parts) == 1 and len(pieces) > 1 and all(map(is_image_name, pieces)):
            return pieces
    return parts


def local_path(base: Path, written: str) -> Path:
    """The path in a cell, relative to a folder; backslashes are read as slashes where a file is not found.

    A path with a drive of Windows stays as it is.
    """
    path = base / written.strip()
    if os.path.lexists(path):
        return path
    slashed = written.strip().replace("\\", "/")
    return Path(slashed) if re.match("[A-Za-z]:/", slashed) else base / slashed


def path_parts(written: str) -> tuple[str, ...]:
    """The components of a path from any system, without empty ones and `.`."""
    return tuple(part for part in written.strip().replace("\\", "/").split("/") if part not in ("", "."))


def _encoding(content: bytes, name: str) -> str:
    encoding = next((encoding for mark, encoding in _MARKS if content.startswith(mark)), "")
    if not encoding:
        head = content[:_HEAD]
        if head.count(0) > len(head) // 8:
            # ASCII in UTF-16 has a zero in every second byte.
            encoding = "utf-16-le" if head[1::2].count(0) > head[::2].count(0) else "utf-16-be"
        else:
            encoding = "utf-8"
    with suppress(UnicodeDecodeError):
        if "\0" not in content.decode(encoding):
            return encoding
        raise DataError(f"{name}: holds NUL characters, so it is not a table; save it as UTF-8 text")
    try:
        content.decode(encoding)
    except UnicodeDecodeError as error:
        place = error.start
    if encoding == "utf-8":
        with suppress(UnicodeDecodeError):
            content.decode("gb18030")
            return "gb18030"
    raise DataError(f"{name}: not UTF-8 (byte {place}), UTF-16 or GB 18030; save the table as UTF-8")


def _delimiter(lines: Sequence[str]) -> str:
    """The delimiter that gives every line the same number of cells, over one; a blank where none does."""
    best, best_score = "", (0, 0)
    for mark in _DELIMITERS:
        counts = [len(cells) for cells in csv.reader(lines, delimiter=mark)]
        if not counts or counts[0] < 2:
            continue
        known = sum(_squeezed(cell) in _KNOWN for cell in next(csv.reader(lines[:1], delimiter=mark)))
        score = (known, sum(count == counts[0] for count in counts))
        if score > best_score:
            best, best_score = mark, score
    if best:
        return best
    return " " if lines and all(len(line.split()) >= 2 for line in lines) else ","


_KNOWN: Final = frozenset(
    map(
        _squeezed,
        (
            *IMAGE_NAMES, *TEXT_NAMES, "split", "group", "name", "id", "sample_id", "track_id", "frame_index",
            "frames", "gt", "hr", "lr", "frame_1", "lr_1", "plate_id", "layout", "box", "corners",
        ),
    )
)  # fmt: skip
"""Column names by which a header shows the delimiter."""
