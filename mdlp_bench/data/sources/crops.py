"""A flat folder of plate crops named by their text (`皖A46E18.jpg`): ground truth without frames."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from mdlp_bench import plate
from mdlp_bench.data.manifest import read_quarantine
from mdlp_bench.data.problem import Problem
from mdlp_bench.data.sources.base import FileEntry, FileSamples, stray_files
from mdlp_bench.data.sources.labels import check_text
from mdlp_bench.data.sources.names import Listing, list_folder, printable, sample_id_of

_PEEK: Final = 20
_COPY: Final = re.compile(r"[\s-]*(?:\([0-9]+\)|-[0-9]{1,3}|copy|副本)$", re.IGNORECASE)


def recognise(path: Path) -> bool:
    """Whether most images of a folder, judged by a few spread over it, are named by plate texts."""
    if not path.is_dir():
        return False
    names = list_folder(path).images
    seen = names[:: max(1, len(names) // _PEEK)]
    return sum(plate.grammar_of(_text(name)) is plate.CHINESE for name in seen) * 2 > len(seen)


def open_crops(path: Path) -> FileSamples:
    """Open a folder of named crops; `<text>_<anything>.jpg` is read too, for several crops of one plate.

    Raises:
        DataError: The folder cannot be read.
    """
    listing = list_folder(path)
    problems: list[Problem] = stray_files(Listing((), (), listing.others), path, "all")
    entries: list[FileEntry] = []
    for name in listing.images:
        sample_id = sample_id_of(printable(Path(name).stem))
        text, layout, notes = check_text(_text(name), sample_id, "all")
        problems += notes
        entry = FileEntry(sample_id, "all", "crops", (), (), path / name, text, "filename", layout)
        entries.append(entry)
    return FileSamples(path.resolve().name, entries, problems, read_quarantine(path))


def _text(name: str) -> str:
    """The text in a name, without what follows an underscore and the number of a copy (`(1)`, `-2`)."""
    text = printable(Path(name).stem).split("_", 1)[0]
    copied = _COPY.sub("", text)
    return copied if plate.grammar_of(text) is None and plate.grammar_of(copied) is not None else text
