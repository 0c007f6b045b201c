"""The official MDLP layout: `{split}/inputs/<group>/img_<n>.jpg` and `{split}/gt/<group>/<name>.jpg`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from mdlp_bench.data.manifest import read_quarantine
from mdlp_bench.data.problem import Problem
from mdlp_bench.data.sources.base import FileEntry, FileSamples, RejectedError, stray_files
from mdlp_bench.data.sources.frame_order import AUTO, OrderRule, order_frames
from mdlp_bench.data.sources.labels import LabelKeys, LabelLists, with_texts
from mdlp_bench.data.sources.names import (
    Listing,
    folder_named,
    list_folder,
    natural_key,
    printable,
    sample_id_of,
)
from mdlp_bench.errors import DataError, no_such

_INPUTS: Final = "inputs"
_GT: Final = "gt"


@dataclass(frozen=True, slots=True)
class _Key:
    split: str
    group: str


def recognise(path: Path) -> bool:
    """Whether a folder is a data set in this layout, or one split of it."""
    return bool(_split_folders(path))


def open_mdlp(path: Path, split: str | None = None, *, order: OrderRule = AUTO) -> FileSamples:
    """Open a folder in the official layout, or one of its splits.

    Sample and track id are `<split>-<group>` (see `sample_id_of`); `plate_id` is the normalised text when it
    is known, else the sample id. Every frame of a group is taken, in the order of `order_frames`; methods
    choose among them. Ground truth and labels are optional: without a `gt` folder every `gt` is null.

    Args:
        path: The data set, or the folder of one split.
        split: List this split only.
        order: How the names of the frames are read.

    Raises:
        DataError: There is no such split, a label list or folder cannot be read.
    """
    folders = _split_folders(path)
    if split is not None:
        if split not in folders:
            raise no_such("split", split, folders, DataError, where=printable(str(path)))
        folders = {split: folders[split]}
    entries: dict[_Key, FileEntry] = {}
    problems: list[Problem] = []
    for name, folder in folders.items():
        found, notes = _scan_split(name, folder, order)
        entries.update(found)
        problems += notes
    entries, notes = _label(path, folders, entries, split is not None)
    quarantine = read_quarantine(path)
    if path in folders.values():
        quarantine = read_quarantine(path.resolve().parent) | quarantine
    return FileSamples(path.resolve().name, entries.values(), problems + notes, quarantine)


def _split_folders(path: Path) -> dict[str, Path]:
    if not path.is_dir():
        return {}
    if folder_named(path, _INPUTS) is not None:
        return {printable(path.resolve().name): path}
    names = list_folder(path).folders
    return {printable(name): path / name for name in names if folder_named(path / name, _INPUTS) is not None}


def _scan_split(split: str, folder: Path, order: OrderRule) -> tuple[dict[_Key, FileEntry], list[Problem]]:
    inputs, gt_root = (folder_named(folder, name) or folder / name for name in (_INPUTS, _GT))
    listing = list_folder(inputs)
    problems = stray_files(listing, inputs, split)
    gt_groups: set[str] = set()
    if has_gt := gt_root.is_dir():
        gt_listing = list_folder(gt_root)
        problems += stray_files(gt_listing, gt_root, split)
        gt_groups.update(gt_listing.folders)
    entries: dict[_Key, FileEntry] = {}
    for name in listing.folders:
        group = printable(name)
        sample_id = sample_id_of(split, group)
        try:
            frames, indices, notes = _frames(inputs / name, sample_id, split, order)
            gt, gt_notes = _ground_truth(gt_root / name, split) if name in gt_groups else (None, [])
        except RejectedError as error:
            problems.append(Problem.of_sample(error.code, sample_id, split, str(error)))
            continue
        problems += notes + gt_notes
        if has_gt and gt is None:
            message = f"no ground truth in {printable(str(gt_root / name))}"
            problems.append(Problem.of_sample("missing-gt", sample_id, split, message, rejected=False))
        entries[_Key(split, group)] = FileEntry(
            sample_id, split, "mdlp", frames, indices, gt, track_id=f"{split}-{group}"
        )
    for name in sorted(gt_groups.difference(listing.folders), key=natural_key):
        sample_id = sample_id_of(split, printable(name))
        message = f"ground truth without a folder of frames in {printable(str(inputs))}"
        problems.append(Problem.of_sample("no-frames", sample_id, split, message))
    return entries, problems


def _frames(
    folder: Path, sample_id: str, split: str, order: OrderRule
) -> tuple[tuple[Path, ...], tuple[int, ...], list[Problem]]:
    listing = _list_group(folder)
    if not listing.images:
        raise RejectedError("no-frames", f"no image in {printable(str(folder))}")
    try:
        ordered = order_frames(listing.images, order, folder.name)
    except DataError as error:
        raise RejectedError("frame-order", str(error)) from error
    notes = stray_files(replace(listing, images=()), folder, split)
    if ordered.note is not None:
        notes.append(Problem.of_sample("order-unclear", sample_id, split, ordered.note, rejected=False))
    return tuple(folder / name for name in ordered.names), ordered.indices, notes


def _ground_truth(folder: Path, split: str) -> tuple[Path | None, list[Problem]]:
    listing = _list_group(folder)
    if len(listing.images) > 1:
        raise RejectedError(
            "several-gt",
            f"{len(listing.images)} images in {printable(str(folder))}; leave the one ground truth",
        )
    notes = stray_files(replace(listing, images=()), folder, split)
    return (folder / listing.images[0] if listing.images else None), notes


def _list_group(folder: Path) -> Listing:
    try:
        return list_folder(folder)
    except DataError as error:
        raise RejectedError("broken-image", str(error)) from error


def _label(
    path: Path, folders: Mapping[str, Path], entries: dict[_Key, FileEntry], partial: bool
) -> tuple[dict[_Key, FileEntry], list[Problem]]:
    """Give the entries the texts of the label lists in the data set and in its split folders.

    With `partial` (only one split is listed) lines about other splits are nobody's fault.
    """
    lists = LabelLists.of(path, folders)
    keys = LabelKeys[_Key](lists.rows, {key.split for key in entries})
    for key, entry in entries.items():
        image = "" if entry.gt is None else printable(entry.gt.stem)
        frames = (printable(frame.stem) for frame in entry.frames)
        keys.add(key, key.group, image, entry.sample_id, parts=frames, split=key.split)
    found, notes = keys.match("group", lambda key: f"{key.split}/{key.group}", partial=partial)
    labelled, missing = with_texts(entries, found, lists)
    return labelled, [*lists.problems, *notes, *missing]
