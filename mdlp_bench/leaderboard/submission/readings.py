"""`readings.csv`: what a method read in each sample, for methods that give a text instead of a picture."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Final

from mdlp_bench.leaderboard.submission.faults import Faults, is_plain_letter
from mdlp_bench.leaderboard.submission.form import READINGS_FILE
from mdlp_bench.plate import normalise
from mdlp_bench.readers.base import Reading

HEADER: Final = ("sample_id", "text", "confidence")
MAX_TEXT: Final = 16
"""Most characters of a reading without separators; the longest plate has eight."""

_CONFIDENCE: Final = re.compile(r"(0(\.\d{1,17})?|1(\.0{1,17})?)", re.ASCII)
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
        elif not _CONFIDENCE.fullmatch(confidence):
            faults.add("readings", where, "its confidence is not a number from 0 to 1", "write e.g. 0.93")
        elif (problem := _text_problem(text)) is not None:
            faults.add(
                "readings", where, problem, "give the plate's characters, or nothing when there are none"
            )
        else:
            found[sample_id] = _reading(normalise(text), float(confidence))
    return found


def _reading(text: str, confidence: float) -> Reading:
    share = confidence ** (1 / len(text)) if text else 0.0
    return Reading(text, (share,) * len(text))


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
