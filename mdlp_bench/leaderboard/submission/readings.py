"""`readings.csv`: what a method read in each sample, for methods that give a text instead of a picture.

`parse_readings` takes the file of a submission as `leaderboard pack` writes it, `read_readings` any table
that people write.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final

from mdlp_bench.data.sources.names import printable, read_file
from mdlp_bench.data.sources.text_table import (
    IMAGE_NAMES,
    TEXT_NAMES,
    Line,
    column_name,
    find_column,
    fit_cells,
    read_lines,
)
from mdlp_bench.errors import DataError
from mdlp_bench.leaderboard.submission.faults import Faults, is_plain_letter
from mdlp_bench.leaderboard.submission.form import READINGS_FILE
from mdlp_bench.plate import normalise
from mdlp_bench.readers.base import Reading

HEADER: Final = ("sample_id", "text", "confidence")
MAX_TEXT: Final = 16
"""Most characters of a reading without separators; the longest plate has eight."""

_COLUMNS: Final = {
    "sample_id": ("sample_id", "sample", "track_id", "track", "id", "image_id", "name", *IMAGE_NAMES),
    "text": (
        "text",
        "read_text",
        "reading",
        "prediction",
        "predicted_text",
        "pred_text",
        "pred",
        *TEXT_NAMES,
    ),
    "confidence": ("confidence", "read_confidence", "conf", "score", "probability", "prob"),
}
"""By column of a table of readings, the names that it may have."""

_NUMBER: Final = re.compile(r"(\d{1,3}(\.\d{0,40})?|\.\d{1,40})(e[+-]?\d{1,3})?", re.ASCII | re.IGNORECASE)
_SEPARATORS: Final = frozenset(" -.·•・")
_SAVE: Final = "write it with `mdlp-bench leaderboard pack`"


def write_readings(readings: Iterable[tuple[str, Reading]]) -> bytes:
    """The file: a header, and one line per sample with its id, its text and the confidence in [0, 1]."""
    lines = (f"{sample_id},{r.text},{r.confidence:.6f}\n" for sample_id, r in readings)
    return (",".join(HEADER) + "\n" + "".join(lines)).encode()


def parse_readings(
    content: bytes, faults: Faults, sample_ids: Collection[str] | None = None
) -> dict[str, Reading | None] | None:
    """Read the file; every fault goes to `faults`.

    Args:
        content: Its bytes.
        faults: Collects what is wrong.
        sample_ids: The test set's ids; without them any id is taken.

    Returns:
        The reading of each sample id, or None where its line is faulty; each character of a reading gets an
        equal share of its confidence. None when the file as a whole cannot be read.
    """
    known = None if sample_ids is None else frozenset(sample_ids)
    found: dict[str, Reading | None] = {}
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        faults.add("readings", READINGS_FILE, "not UTF-8", "save it as UTF-8")
        return None
    if not lines or tuple(lines[0].split(",")) != HEADER:
        faults.add(
            "readings", READINGS_FILE, "does not begin with its header", f"begin with {','.join(HEADER)}"
        )
        return None
    for number, line in enumerate(lines[1:], start=2):
        where = f"{READINGS_FILE}: line {number}"
        cells = line.split(",")
        sample_id = cells[0]
        new = (known is None or sample_id in known) and sample_id not in found
        if new:
            found[sample_id] = None
        if len(cells) != len(HEADER):
            faults.add("readings", where, f"{len(cells)} cells, not {len(HEADER)}", _SAVE)
            continue
        _, text, confidence = cells
        if known is not None and sample_id not in known:
            faults.add("unknown-id", where, "no sample of the test set", "leave it out, or correct its id")
        elif not new:
            faults.add("readings", where, "a sample that has a line already", "give one line per sample")
        elif isinstance(read := _reading(text, confidence), Reading):
            found[sample_id] = read
        else:
            faults.add("readings", where, *read)
    return found


def read_readings(path: Path) -> dict[str, Reading]:
    """Read a table of readings in any dialect of `data.sources.text_table`.

    Its columns are an id, a text and a confidence, in any order and by their usual names, or in this order
    without a header; or its lines are those of the LRLPR challenge, `track_00001,ABC1234;0.9876`.

    Args:
        path: The table.

    Returns:
        By sample id, as in `parse_readings`.

    Raises:
        DataError: It cannot be read or lacks a column, or a line is faulty; names the first.
    """
    name = printable(str(path))
    found: dict[str, Reading] = {}
    wrong: list[str] = []
    places: list[int] | None = None
    for line in read_lines(read_file(path), name):
        if places is None:
            header = _header(line, name)
            places = header or [0, 1, 2]
            width = len(line.cells) if header else len(HEADER)
            if header:
                continue
        cells = (places == [0, 1, 2] and _challenge_cells(line.cells)) or fit_cells(line.cells, width)
        if cells is None:
            problem = f"{len(line.cells)} cells, not {width}; give {', '.join(HEADER)}"
            wrong.append(f"{name}:{line.number}: {problem}")
            continue
        sample_id, text, confidence = (cells[place] for place in places)
        read = _reading(text, confidence.replace(",", ".") or ("" if text else "0"))
        if not sample_id:
            wrong.append(f"{name}:{line.number}: without an id; give that of its sample")
        elif sample_id in found:
            wrong.append(
                f"{name}:{line.number}: {printable(sample_id)} has a line already; give one per sample"
            )
        elif isinstance(read, Reading):
            found[sample_id] = read
        else:
            wrong.append(f"{name}:{line.number}: {'; '.join(read)}")
    if wrong:
        more = f" (and {len(wrong) - 1:,} more faulty lines)" if len(wrong) > 1 else ""
        raise DataError(wrong[0] + more)
    if places is None:
        raise DataError(f"{name}: the table is empty")
    return found


def _header(line: Line, name: str) -> list[int] | None:
    """The places of id, text and confidence in a header; None of a line that is no header."""
    names = [column_name(cell) for cell in line.cells]
    columns = {column: find_column(wanted, names) for column, wanted in _COLUMNS.items()}
    if missing := [column for column, found in columns.items() if found is None]:
        if len(missing) == len(columns):
            return None
        raise DataError(
            f"{name}: no column {' and '.join(missing)} in {', '.join(map(printable, line.cells))}"
        )
    return [names.index(found) for found in columns.values() if found is not None]


def _challenge_cells(cells: tuple[str, ...]) -> tuple[str, ...] | None:
    """Id, text and confidence of a line like `track_00001,ABC1234;0.9876`, at whichever mark it was cut."""
    if len(cells) != 2:
        return None
    if ";" in cells[1]:
        found = (cells[0], *cells[1].rsplit(";", 1))
    elif "," in cells[0]:
        found = (*cells[0].split(",", 1), cells[1])
    else:
        return None
    return tuple(cell.strip() for cell in found)


def parse_confidence(written: str) -> float | None:
    """A number from 0 to 1 as programs write it (`0.93`, `1`, `9.5e-05`); None of anything else."""
    value = float(written) if _NUMBER.fullmatch(written) else 2.0
    return value if value <= 1 else None


def _reading(text: str, confidence: str) -> Reading | tuple[str, str]:
    """What the two cells say, or what is wrong with them and its remedy."""
    value = parse_confidence(confidence)
    if value is None:
        return "its confidence is not a number from 0 to 1", "write e.g. 0.93"
    if (problem := _text_problem(text)) is not None:
        return problem, "give the plate's characters, or nothing when there are none"
    plain = normalise(text)
    return Reading(plain, (value ** (1 / len(plain)) if plain else 0.0,) * len(plain))


def _text_problem(text: str) -> str | None:
    """Why a text is not accepted."""
    # Separators go, and a single character can become many in its normal form.
    plain = normalise(text[: 4 * MAX_TEXT])
    if len(text) > 4 * MAX_TEXT or len(plain) > MAX_TEXT:
        return f"its text is longer than {MAX_TEXT} characters"
    known = all(c.isalnum() and (c.isascii() or is_plain_letter(c)) for c in plain)
    # What the normal form drops beside separators, e.g. markup, is not part of a plate either.
    if not known or any(not normalise(c) and c not in _SEPARATORS for c in text):
        return "its text holds something that is neither a letter, a digit nor a Chinese glyph"
    return None
