"""LPBlur: `{mode}/{blur,sharp}/<name>.jpg`, labels in `plate_info.txt` lines `name.jpg,TEXT`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from mdlp_bench.data.manifest import read_quarantine
from mdlp_bench.data.problem import Problem
from mdlp_bench.data.sources.base import FileEntry, FileSamples, stray_files
from mdlp_bench.data.sources.labels import LabelKeys, LabelLists, with_texts
from mdlp_bench.data.sources.names import Listing, folder_named, list_folder, printable, sample_id_of

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
    for split, folder in modes.items():
        blur_folder, sharp_folder = (folder_named(folder, name) or folder / name for name in (_BLUR, _SHARP))
        listings = {folder: list_folder(folder) for folder in (blur_folder, sharp_folder)}
        for place, found in listings.items():
            problems += stray_files(Listing((), found.folders, found.others), place, split)
        sharp = {Path(name).stem: name for name in listings[sharp_folder].images}
        for name in listings[blur_folder].images:
            stem = Path(name).stem
            sample_id = sample_id_of(split, printable(stem))
            partner = sharp.pop(stem, None)
            gt = sharp_folder / partner if partner else None
            entries.append(FileEntry(sample_id, split, "lpblur", (blur_folder / name,), (0,), gt))
            if partner is None:
                message = "no sharp image of this name"
                problems.append(Problem.of_sample("missing-gt", sample_id, split, message, rejected=False))
        for stem in sharp:
            sample_id = sample_id_of(split, printable(stem))
            problems.append(Problem.of_sample("no-frames", sample_id, split, "no blurred image of this name"))
    labelled, notes = _label(path, modes, entries)
    return FileSamples(path.resolve().name, labelled, problems + notes, read_quarantine(path))


def _modes(path: Path) -> dict[str, Path]:
    if _is_mode(path):
        return {printable(path.resolve().name): path}
    folders = (path / name for name in list_folder(path).folders)
    return {printable(folder.name): folder for folder in folders if _is_mode(folder)}


def _is_mode(folder: Path) -> bool:
    return all(folder_named(folder, name) is not None for name in (_BLUR, _SHARP))


def _label(
    path: Path, modes: Mapping[str, Path], entries: Sequence[FileEntry]
) -> tuple[list[FileEntry], list[Problem]]:
    """The entries with the texts of the label lists in the data set and in its modes."""
    lists = LabelLists.of(path, modes)
    keys = LabelKeys[str](lists.rows, modes)
    for entry in entries:
        keys.add(entry.sample_id, printable(entry.frames[0].stem), entry.sample_id, split=entry.split)
    found, notes = keys.match("sample")
    labelled, missing = with_texts({entry.sample_id: entry for entry in entries}, found, lists)
    return list(labelled.values()), [*lists.problems, *notes, *missing]
