"""LPBlur: `{mode}/{blur,sharp}/<name>.jpg`, labels in `plate_info.txt` lines `name.jpg,TEXT`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from mdlp_bench.data.manifest import read_quarantine
from mdlp_bench.data.samples import Problem
from mdlp_bench.data.sources.base import FileEntry, FileSamples, stray_files
from mdlp_bench.data.sources.labels import LabelRow, check_text, find_labels, origin_of, read_labels
from mdlp_bench.data.sources.names import Listing, list_folder, printable, sample_id_of

_BLUR: Final = "blur"
_SHARP: Final = "sharp"


def recognise(path: Path) -> bool:
    """Whether a folder is LPBlur, or one mode of it."""
    return path.is_dir() and bool(_modes(path))


def open_lpblur(path: Path) -> FileSamples:
    """Open LPBlur: the blurred image is the one frame, the sharp image of the same name the ground truth.

    Raises:
        DataError: A folder or label list cannot be read.
    """
    entries: list[FileEntry] = []
    problems: list[Problem] = []
    modes = _modes(path)
    shared = _texts(path, problems)
    used: set[str] = set()
    for split, folder in modes.items():
        own = _texts(folder, problems) if folder != path else {}
        texts = shared | own
        sharp = {Path(name).stem: name for name in list_folder(folder / _SHARP).images}
        listing = list_folder(folder / _BLUR)
        problems += stray_files(Listing((), (), listing.others), folder / _BLUR, split)
        for name in listing.images:
            stem = printable(Path(name).stem)
            sample_id = sample_id_of(split, stem)
            partner = sharp.pop(Path(name).stem, None)
            entry = FileEntry(
                sample_id,
                split,
                "lpblur",
                (folder / _BLUR / name,),
                (0,),
                folder / _SHARP / partner if partner else None,
            )
            if partner is None:
                message = f"sample {sample_id}: no sharp image of this name"
                problems.append(Problem("missing-gt", message, sample_id, split, rejected=False))
            if row := texts.get(stem.casefold()) or texts.get(sample_id.casefold()):
                used.add(row.where)
                text, layout, notes = check_text(row.text, sample_id, split, row.where)
                problems += notes
                entry = replace(entry, text=text, text_origin=origin_of(row), layout=layout)
            elif texts:
                message = f"sample {sample_id}: no text in the label lists"
                problems.append(Problem("text-missing", message, sample_id, split, rejected=False))
            entries.append(entry)
        for stem in sharp:
            sample_id = sample_id_of(split, printable(stem))
            message = f"sample {sample_id}: no blurred image of this name"
            problems.append(Problem("no-frames", message, sample_id, split))
        problems += _unused(own, used)
    problems += _unused(shared, used)
    return FileSamples(path.resolve().name, entries, problems, read_quarantine(path))


def _modes(path: Path) -> dict[str, Path]:
    if (path / _BLUR).is_dir() and (path / _SHARP).is_dir():
        return {printable(path.resolve().name): path}
    folders = [path / name for name in list_folder(path).folders]
    return {printable(f.name): f for f in folders if (f / _BLUR).is_dir() and (f / _SHARP).is_dir()}


def _unused(texts: Mapping[str, LabelRow], used: Collection[str]) -> list[Problem]:
    """A note for each line of the lists that labels no image."""
    return [
        Problem("label", f"{row.where}: {row.key!r} labels no sample", rejected=False)
        for row in texts.values()
        if row.where not in used
    ]


def _texts(folder: Path, problems: list[Problem]) -> dict[str, LabelRow]:
    """Lines by image stem, whatever its case; lines that contradict each other give no text."""
    texts: dict[str, LabelRow] = {}
    for file in find_labels(folder):
        rows, notes = read_labels(file)
        problems += notes
        for row in rows:
            stem = row.parts[-1] if row.parts else row.key
            if not row.says_the_same(other := texts.setdefault(stem.casefold(), row)):
                message = f"{row.where}: {row.key!r} is {row.text!r} here but {other.text!r} at {other.where}"
                problems.append(Problem("label", message, rejected=False))
                texts[stem.casefold()] = replace(other, text="")
    return texts
