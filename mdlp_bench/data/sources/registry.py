"""The sources: every layout that can be opened, as data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mdlp_bench.data.labelled import without_unreadable
from mdlp_bench.data.parquet import ParquetSamples, find_parquet, has_sample_columns
from mdlp_bench.data.samples import Samples
from mdlp_bench.data.sources import ccpd, crops, lpblur, lrlpr, mdlp, table, ufpr
from mdlp_bench.data.sources.frame_order import OrderRule
from mdlp_bench.data.sources.names import kind_of_file, list_folder, printable, read_head
from mdlp_bench.errors import DataError
from mdlp_bench.userfiles import Registry


@dataclass(frozen=True, slots=True)
class Source:
    """One layout.

    Attributes:
        name: On the command line.
        title: In tables.
        layout: What the files look like, in one line.
        recognise: Whether a path is of this layout; looks at names and headers only.
        open: Open it; the second argument asks for one split, which a source may use to read less, the third
            says how the names of frames are read.
        named_frames: The order of the frames comes from their names, so the third argument counts.
    """

    name: str
    title: str
    layout: str
    recognise: Callable[[Path], bool]
    open: Callable[[str, str | None, OrderRule], Samples]
    named_frames: bool = False


_CHILDREN: Final = 64
"""Folders in a folder that are looked at for data sets of their own."""

_DEPTH: Final = 3
"""How deep data sets are looked for in a folder that is none."""


def _is_parquet(path: Path) -> bool:
    try:
        return has_sample_columns(find_parquet(path)[0])
    except DataError:
        return False


def _never(_: Path) -> bool:
    """For sources that are opened by name only."""
    return False


_ALL: Final = (
    Source(
        "parquet",
        "Parquet folder of sample rows",
        "data/<split>-<number>.parquet with manifest.json",
        _is_parquet,
        lambda path, *_: without_unreadable(ParquetSamples(Path(path))),
    ),
    Source(
        "mdlp",
        "MDLP, official layout",
        "<split>/inputs/<group>/img_<n>.jpg, <split>/gt/<group>/<name>.jpg, labels.csv",
        mdlp.recognise,
        lambda path, split, order: mdlp.open_mdlp(Path(path), split, order=order),
        named_frames=True,
    ),
    Source(
        "ccpd",
        "CCPD 2019 and 2020 (green)",
        "[<subset>/]<seven fields joined by ->.jpg, splits/<split>.txt",
        ccpd.recognise,
        lambda path, *_: ccpd.open_ccpd(Path(path)),
    ),
    Source(
        "lrlpr",
        "ICPR 2026 LRLPR tracks",
        "<split>/<scenario>/<layout>/track_<n>/{lr,hr}-<n>.png, annotations.json",
        lrlpr.recognise,
        lambda path, _, order: lrlpr.open_lrlpr(Path(path), order=order),
        named_frames=True,
    ),
    Source(
        "lrlpr-rectified",
        "ICPR 2026 LRLPR tracks, cut out through their corners",
        "as lrlpr",
        _never,
        lambda path, _, order: lrlpr.open_lrlpr(Path(path), rectified=True, order=order),
        named_frames=True,
    ),
    Source(
        "ufpr",
        "UFPR-SR-Plates tracks",
        "[<split>/]plate-<n>/{lr,hr}-<n>.{png,json}, *_<text>.txt",
        ufpr.recognise,
        lambda path, _, order: ufpr.open_ufpr(Path(path), order=order),
        named_frames=True,
    ),
    Source(
        "ufpr-rectified",
        "UFPR-SR-Plates tracks, cut out through their LabelMe corners",
        "as ufpr",
        _never,
        lambda path, _, order: ufpr.open_ufpr(Path(path), rectified=True, order=order),
        named_frames=True,
    ),
    Source(
        "lpblur",
        "LPBlur",
        "<split>/{blur,sharp}/<name>.jpg, plate_info.txt",
        lpblur.recognise,
        lambda path, *_: lpblur.open_lpblur(Path(path)),
    ),
    Source(
        "crops",
        "Plate crops named by their text",
        "<text>.jpg",
        crops.recognise,
        lambda path, *_: crops.open_crops(Path(path)),
    ),
    Source(
        "table",
        "CSV, TSV or Parquet table",
        "columns frames or frame_1, frame_2, ..., gt, text, split, sample_id",
        table.recognise,
        lambda path, *_: table.open_table(Path(path)),
    ),
    Source(
        "hub",
        "Hugging Face hub",
        "hf://owner/name",
        _never,
        lambda path, split, _: table.open_hub(path, split),
    ),
)

SOURCES: Final[Mapping[str, Source]] = Registry(
    "source", "mdlp_bench.sources", {source.name: source for source in _ALL}, Source, DataError
)
"""By name, in the order in which they are described; then those of other packages, and `file.py:NAME`."""


def sniff(path: Path) -> Source:
    """Find the layout of a path.

    Raises:
        DataError: None or several fit, or the folder holds several data sets.
    """
    fits = [source for source in SOURCES.values() if source.recognise(path)]
    inside = _data_sets_in(path, fits[0] if len(fits) == 1 else None)
    where = printable(str(path))
    if len(inside) > 1 or (inside and fits):
        whole = {"the folder itself": " or ".join(source.name for source in fits)} if fits else {}
        shown = ", ".join(f"{name} ({layout})" for name, layout in (whole | inside).items())
        raise DataError(
            f"{where}: holds several data sets: {shown}; open one of them (--source forces a layout)"
        )
    if len(fits) == 1:
        return fits[0]
    if fits:
        names = ", ".join(source.name for source in fits)
        raise DataError(f"{where}: could be {names}; say which with source (--source)")
    for name, layout in inside.items():
        raise DataError(f"{where}: no known layout, but the folder {name} in it is {layout}; open that")
    raise DataError(f"{where}: no known layout; {_advice(path)}")


def _advice(path: Path) -> str:
    """What to do with a path that has no known layout."""
    if path.is_file() and (kind := kind_of_file(read_head(path))) is not None:
        return f"it is {kind}"
    if path.is_dir():
        names = list_folder(path)
        folders = [list_folder(path / name) for name in names.folders[:_CHILDREN]]
        if names.images or any(listing.images for listing in folders):
            return (
                "if its folders are tracks, consecutive frames of one plate each, `mdlp-bench data pair` "
                "makes samples of them; else see docs/data_format.md, and name the layout with --source (hub "
                "for a folder that `datasets` loads)"
            )
    return (
        "see docs/data_format.md for what can be opened, and name the layout with --source (hub for a folder "
        "that `datasets` loads)"
    )


def _data_sets_in(path: Path, whole: Source | None, depth: int = _DEPTH) -> dict[str, str]:
    """The folders in a folder that are data sets of their own and no parts of its layout.

    Where there are none, folders that hold nothing but folders are looked into.
    """
    if not path.is_dir():
        return {}
    found: dict[str, str] = {}
    sets = ccpd.sets_in(path) if whole is None or whole.name == "ccpd" else []
    listing = list_folder(path)
    for name in listing.folders[:_CHILDREN]:
        layouts = [source.name for source in SOURCES.values() if source.recognise(path / name)]
        if layouts and (whole is None or whole.name not in layouts):
            found[printable(name)] = " or ".join(layouts)
        elif name in sets and len(sets) > 1:
            found[printable(name)] = "ccpd"
    if not found and whole is None and depth > 1 and not listing.images:
        for name in listing.folders[:_CHILDREN]:
            deeper = _data_sets_in(path / name, None, depth - 1)
            found |= {f"{printable(name)}/{inner}": layout for inner, layout in deeper.items()}
    return found
