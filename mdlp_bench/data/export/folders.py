"""Folder layouts: the official MDLP one and LRLPR tracks; images are written byte for byte."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection
from pathlib import Path
from typing import Any

from mdlp_bench.data.export.target import (
    Names,
    exporting,
    is_portable,
    write_once,
    write_table,
)
from mdlp_bench.data.samples import Samples
from mdlp_bench.data.sources.frame_order import order_frames
from mdlp_bench.data.sources.labels import EXTRA_COLUMNS
from mdlp_bench.data.sources.names import IMAGE_SUFFIXES, sample_id_of
from mdlp_bench.errors import DataError
from mdlp_bench.schema import EncodedImage, Sample


def export_mdlp(samples: Samples, out: Path) -> int:
    """Write the official layout, with a `labels.csv` that keeps what the folders cannot say.

    Group and image names are kept where the samples came from this layout. Opening the result gives the same
    images, ids, texts and fingerprint.

    Args:
        samples: Samples with frames (ground truth is optional).
        out: New folder, or the unfinished export of the same samples.

    Returns:
        The number of samples.

    Raises:
        DataError: A sample has no frames, or the folder holds something else.
        MdlpBenchError: The folder cannot be written.
    """
    columns = ["sample_id", *EXTRA_COLUMNS]
    lines: list[list[str]] = [["split", "group", "text", *columns]]
    groups: dict[str, Names] = defaultdict(Names)
    with exporting("mdlp", samples, out) as bar:
        for sample in bar.over(samples):
            _check_frames(sample)
            split = sample_id_of(sample.split)
            group = groups[split].give(_group_name(sample), sample.sample_id)
            for name, image in zip(_frame_names(sample), sample.frames, strict=True):
                write_once(out / split / "inputs" / group / name, image.content)
            if sample.gt is not None:
                write_once(out / split / "gt" / group / _image_name(sample.gt, "gt"), sample.gt.content)
            kept = (getattr(sample, name) or "" for name in columns)
            lines.append([split, group, sample.text or "", *kept])
        write_table(out / "labels.csv", lines)
    return len(lines) - 1


def export_lrlpr(samples: Samples, out: Path) -> int:
    """Write LRLPR tracks: frames as `lr-00n`, ground truth as `hr-001`, `annotations.json` beside them.

    Samples that came from LRLPR keep their scenario, layout and track; others are numbered. `tracks.csv` says
    which sample is where.

    Args:
        samples: Samples with frames (ground truth is optional, as in the test tracks).
        out: New folder, or the unfinished export of the same samples.

    Returns:
        The number of samples.

    Raises:
        DataError: A sample has no frames, or the folder holds something else.
        MdlpBenchError: The folder cannot be written.
    """
    numbers: Counter[str] = Counter()
    folders: dict[str, str] = {}
    with exporting("lrlpr", samples, out) as bar:
        for sample in bar.over(samples):
            _check_frames(sample)
            place = _track_folder(sample, numbers, folders)
            folders[place.as_posix()] = sample.sample_id
            folder = out / place
            for number, image in enumerate(sample.frames, start=1):
                write_once(folder / f"lr-{number:03d}{image.suffix}", image.content)
            if sample.gt is not None:
                write_once(folder / f"hr-001{sample.gt.suffix}", sample.gt.content)
            facts = {"plate_layout": sample.layout, "plate_text": sample.text}
            annotation: dict[str, Any] = facts | {"corners": {}}
            content = json.dumps(annotation, ensure_ascii=False, indent=2) + "\n"
            write_once(folder / "annotations.json", content.encode())
        write_table(out / "tracks.csv", [("track", "sample_id"), *folders.items()])
    return len(folders)


def _check_frames(sample: Sample) -> None:
    if not sample.frames:
        raise DataError(
            f"sample {sample.sample_id}: has no frames, which this layout needs; degrade it first"
        )


def _group_name(sample: Sample) -> str:
    """The original group when the sample still is in its split, else the sample id."""
    group = sample.track_id.removeprefix(f"{sample.split}-")
    return group if group != sample.track_id and is_portable(group) else sample.sample_id


def _frame_names(sample: Sample) -> list[str]:
    """The original file names when they give back order and indices, else `img_<index>`."""
    names = [_image_name(image, "") for image in sample.frames]
    if all(names) and len({name.lower() for name in names}) == len(names):
        try:
            ordered = order_frames(names)
            if (ordered.names, ordered.indices) == (tuple(names), sample.frame_indices):
                return names
        except DataError:
            pass
    return [f"img_{i}{image.suffix}" for i, image in zip(sample.frame_indices, sample.frames, strict=True)]


def _image_name(image: EncodedImage, default: str) -> str:
    """The base name an image had, if it is still a valid one; else the default with the right ending."""
    name = Path(image.name or "").name
    if is_portable(name) and Path(name).suffix.lower() in IMAGE_SUFFIXES:
        return name
    return f"{default}{image.suffix}" if default else ""


def _track_folder(sample: Sample, numbers: Counter[str], taken: Collection[str]) -> Path:
    split = sample_id_of(sample.split)
    rest = sample.sample_id.removeprefix(f"{split}-")
    if sample.source == "lrlpr" and "-track_" in f"-{rest}":
        head, track = rest.rsplit("track_", 1)
        # `Scenario-A-Brazilian-`: the scenario's own dash is not a separator.
        parts = head.rstrip("-").replace("Scenario-", "Scenario ").split("-")
        folders = (part.replace("Scenario ", "Scenario-") for part in parts if part)
        own = Path(split, *folders, f"track_{track}")
        if own.as_posix() not in taken:
            return own
    group = Path(split, sample_id_of(sample.layout or "unknown"))
    while True:
        numbers[str(group)] += 1
        place = group / f"track_{numbers[str(group)]:05d}"
        if place.as_posix() not in taken:
            return place
