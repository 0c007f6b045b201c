"""Folder layouts: the official MDLP one and LRLPR tracks; images are written as the bytes they are."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

from mdlp_bench.data.export.target import export_identity, suffix_of, write_once
from mdlp_bench.data.samples import Samples
from mdlp_bench.data.sources.frame_order import order_frames
from mdlp_bench.data.sources.mdlp import EXTRA_COLUMNS
from mdlp_bench.data.sources.names import IMAGE_SUFFIXES, sample_id_of
from mdlp_bench.errors import DataError
from mdlp_bench.output_folder import unfinished


def export_mdlp(samples: Samples, out: Path, progress: Any = None) -> int:
    """Write the official layout, with a `labels.csv` that keeps what the folders cannot say.

    Group and image names are kept where the samples came from this layout. Opening the result gives the same
    images, ids, texts and fingerprint.

    Args:
        samples: Samples with frames (ground truth is optional).
        out: New folder, or the unfinished export of the same samples.
        progress: Called with the number of samples just written.

    Returns:
        The number of samples.

    Raises:
        DataError: A sample has no frames, or the folder holds something else.
        MdlpBenchError: The folder cannot be written.
    """
    columns = ["sample_id", *EXTRA_COLUMNS]
    lines: list[list[str]] = [["split", "group", "text", *columns]]
    groups: set[tuple[str, str]] = set()
    with unfinished(out, export_identity("mdlp", samples)):
        for row in samples.rows():
            if not row["frames"]:
                raise DataError(
                    f"sample {row['sample_id']}: has no frames, which this layout needs; degrade it first"
                )
            split, group = sample_id_of(row["split"]), _group_name(row, groups)
            groups.add((split, group))
            for name, image in zip(_frame_names(row), row["frames"], strict=True):
                write_once(out / split / "inputs" / group / name, image["bytes"])
            if row["gt"] is not None:
                write_once(out / split / "gt" / group / _image_name(row["gt"], "gt"), row["gt"]["bytes"])
            lines.append([split, group, row["text"] or "", *(row[name] or "" for name in columns)])
            if progress is not None:
                progress(1)
        buffer = io.StringIO(newline="")
        csv.writer(buffer, lineterminator="\n").writerows(lines)
        write_once(out / "labels.csv", buffer.getvalue().encode())
    return len(lines) - 1


def export_lrlpr(samples: Samples, out: Path, progress: Any = None) -> int:
    """Write LRLPR tracks: frames as `lr-00n`, ground truth as `hr-001`, `annotations.json` beside them.

    Samples that came from LRLPR keep their scenario, layout and track; others are numbered.

    Args:
        samples: Samples with frames (ground truth is optional, as in the test tracks).
        out: New folder, or the unfinished export of the same samples.
        progress: Called with the number of samples just written.

    Returns:
        The number of samples.

    Raises:
        DataError: A sample has no frames, or the folder holds something else.
        MdlpBenchError: The folder cannot be written.
    """
    numbers: Counter[str] = Counter()
    count = 0
    with unfinished(out, export_identity("lrlpr", samples)):
        for row in samples.rows():
            if not row["frames"]:
                raise DataError(
                    f"sample {row['sample_id']}: has no frames, which this layout needs; degrade it first"
                )
            folder = out / _track_folder(row, numbers)
            for number, image in enumerate(row["frames"], start=1):
                write_once(folder / f"lr-{number:03d}{suffix_of(image)}", image["bytes"])
            if row["gt"] is not None:
                write_once(folder / f"hr-001{suffix_of(row['gt'])}", row["gt"]["bytes"])
            annotation = {"plate_layout": row["layout"], "plate_text": row["text"], "corners": {}}
            content = json.dumps(annotation, ensure_ascii=False, indent=2) + "\n"
            write_once(folder / "annotations.json", content.encode())
            count += 1
            if progress is not None:
                progress(1)
    return count


def _group_name(row: dict[str, Any], taken: set[tuple[str, str]]) -> str:
    """The original group when the sample still is in its split and the name is free, else the sample id."""
    split, track = sample_id_of(row["split"]), str(row["track_id"])
    group = track.removeprefix(f"{row['split']}-")
    usable = group != track and group and not group.startswith(".") and "/" not in group and "\\" not in group
    return group if usable and (split, group) not in taken else str(row["sample_id"])


def _frame_names(row: dict[str, Any]) -> list[str]:
    """The original file names when they give back order and indices, else `img_<index>`."""
    names = [_image_name(image, "") for image in row["frames"]]
    indices = list(row["frame_indices"])
    if all(names) and len({name.lower() for name in names}) == len(names):
        try:
            ordered = order_frames(names)
            if (ordered.names, ordered.indices) == (tuple(names), tuple(indices)):
                return names
        except DataError:
            pass
    return [f"img_{i}{suffix_of(image)}" for i, image in zip(indices, row["frames"], strict=True)]


def _image_name(image: dict[str, Any], default: str) -> str:
    """The base name an image had, if it still does as one; else the default with the right ending."""
    name = Path(image["path"] or "").name
    if name and not name.startswith(".") and Path(name).suffix.lower() in IMAGE_SUFFIXES:
        return name
    return f"{default}{suffix_of(image)}" if default else ""


def _track_folder(row: dict[str, Any], numbers: Counter[str]) -> Path:
    split = sample_id_of(row["split"])
    rest = str(row["sample_id"]).removeprefix(f"{split}-")
    if row["source"] == "lrlpr" and "-track_" in f"-{rest}":
        head, track = rest.rsplit("track_", 1)
        # `Scenario-A-Brazilian-`: the scenario's own dash is not a separator.
        parts = head.rstrip("-").replace("Scenario-", "Scenario ").split("-")
        return Path(
            split, *(part.replace("Scenario ", "Scenario-") for part in parts if part), f"track_{track}"
        )
    group = Path(split, sample_id_of(row["layout"] or "unknown"))
    numbers[str(group)] += 1
    return group / f"track_{numbers[str(group)]:05d}"
