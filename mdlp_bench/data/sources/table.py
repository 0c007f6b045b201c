"""Any table of samples: CSV, TSV, Parquet, or a data set of the Hugging Face hub.

A row is a sample. Recognised columns (the first name that is there counts, in any case):

    sample_id | id | name                     optional: rows are numbered without it
    frames | lr | inputs | lq | blur          images of the frames: a list, or paths joined by `|`
    frame_1, frame_2, ... | lr_1, lr_2, ...   the same, a column each
    frame | frame_path                        the only frame, where it names a picture and no number
    gt | hr | target | sharp | image | ...    the ground truth; further names in `text_table.IMAGE_NAMES`
    text | label | plate_text | plate | ...   the text; further names in `text_table.TEXT_NAMES`
    split, plate_id, track_id, domain, source, text_origin, layout, recipe, degradation

An image is a path (relative to the table) or, in Parquet and on the hub, the encoded bytes. A CSV may be in
any dialect of `text_table`.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, Final, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from mdlp_bench.data.manifest import read_quarantine
from mdlp_bench.data.parquet import has_sample_columns, reading_parquet
from mdlp_bench.data.problem import Problem
from mdlp_bench.data.sources.base import LazySamples, RejectedError, image_of
from mdlp_bench.data.sources.labels import EXTRA_COLUMNS, check_text
from mdlp_bench.data.sources.names import natural_key, printable, sample_id_of
from mdlp_bench.data.sources.text_table import (
    IMAGE_NAMES,
    TEXT_NAMES,
    Line,
    cell_list,
    cell_text,
    column_name,
    find_column,
    is_image_name,
    local_path,
    read_table,
)
from mdlp_bench.engine import chunks
from mdlp_bench.errors import DataError, MissingDependencyError, reason
from mdlp_bench.schema import DOMAINS, TEXT_ORIGINS, EncodedImage, Sample

ID_COLUMNS: Final = ("sample_id", "id", "name")
FRAME_COLUMNS: Final = (
    "frames", "lr", "inputs", "input", "lq", "blur", "blurred", "low", "low_res", "degraded", "lr_path",
    "lq_path", "input_path", "blur_path", "low_path",
)  # fmt: skip
ONE_FRAME_COLUMNS: Final = (
    "frame",
    "frame_path",
    "frame_file",
    "frame_image",
    "lr_image",
    "lq_image",
    "blur_image",
)
FRAME_PREFIXES: Final = ("frame", "lr", "lq", "input", "img", "image")
GT_COLUMNS: Final = (
    "gt", "hr", "hq", "target", "sharp", "high", "high_res", "ground_truth", "clean", "gt_path", "hr_path",
    "hq_path", "target_path", "sharp_path", "high_path", "gt_image", "hr_image",
    *IMAGE_NAMES,
)  # fmt: skip
TABLE_SUFFIXES: Final = (".csv", ".tsv", ".txt", ".parquet")
_BLOCK: Final = 8192
_OPTIONAL: Final = (*EXTRA_COLUMNS, "degradation")


class Rows(Protocol):
    """Random access to the rows of a table."""

    @property
    def columns(self) -> Sequence[str]:
        """Names of the columns."""

    def __len__(self) -> int: ...

    def column(self, name: str) -> list[Any]:
        """All values of a column."""

    def row(self, position: int) -> Mapping[str, Any]:
        """One row."""

    def where(self, position: int) -> str:
        """File and line of a row, for messages."""

    @property
    def problems(self) -> Sequence[Problem]:
        """What is wrong with lines that are not rows."""


@dataclass(frozen=True, slots=True)
class TableEntry:
    """Where the row of a sample is."""

    sample_id: str
    split: str
    rows: Rows
    roles: _Roles
    position: int


class TableSamples(LazySamples[TableEntry]):
    """Samples of a table; `base` is the folder that paths are relative to."""

    base: Path = Path()

    def read(self, entry: TableEntry, *, with_images: bool) -> Sample:
        """See `LazySamples`."""
        cells = entry.rows.row(entry.position)
        roles = entry.roles
        text, layout, _ = check_text(_cell(cells, roles.text) or "", entry.sample_id, entry.split)
        given = {
            name: value
            for name, column in roles.optional.items()
            if (value := _cell(cells, column)) is not None
        }
        for name, allowed in (("domain", DOMAINS), ("text_origin", TEXT_ORIGINS)):
            if name in given and given[name] not in allowed:
                raise RejectedError(
                    "row", f"sample {entry.sample_id}: {name} is {given[name]!r}, not one of {list(allowed)}"
                )
        frames = _frames(cells, roles)
        indices = cells.get(roles.frame_indices) if roles.frame_indices else None
        row: dict[str, Any] = {
            "plate_id": text or entry.sample_id,
            "track_id": entry.sample_id,
            "domain": "real",
            "source": "table",
            "layout": layout,
            **given,
            "sample_id": entry.sample_id,
            "split": entry.split,
            "text": text,
            "text_origin": given.get("text_origin", "label") if text else None,
            "frame_indices": tuple(_indices(indices, len(frames), entry.sample_id)),
        }
        if with_images:
            row["frames"] = tuple(self._image(cell, entry) for cell in frames)
            gt = cells.get(roles.gt) if roles.gt else None
            row["gt"] = None if gt is None or gt == "" else self._image(gt, entry)
            if not row["frames"] and row["gt"] is None:
                raise RejectedError("row", f"sample {entry.sample_id}: neither frames nor ground truth")
        return Sample(**row)

    def _image(self, cell: Any, entry: TableEntry) -> EncodedImage:
        if isinstance(cell, Mapping):
            if cell.get("bytes") is not None:
                return EncodedImage(bytes(cell["bytes"]), Path(cell.get("path") or "").name or None)
            cell = cell.get("path")
        if isinstance(cell, bytes):
            return EncodedImage(cell)
        if isinstance(cell, str) and cell.strip():
            return image_of(local_path(self.base, cell))
        raise RejectedError(
            "row", f"sample {entry.sample_id}: an image cell is {type(cell).__name__}, not a path or bytes"
        )


def recognise(path: Path) -> bool:
    """Whether a path is a table of samples (Parquet files of complete sample rows are not).

    A text file is one when it begins with a header that names pictures, or with a picture and its text.
    """
    suffix = path.suffix.lower()
    if not path.is_file() or suffix not in TABLE_SUFFIXES:
        return False
    if suffix == ".parquet":
        return not has_sample_columns(path)
    if suffix != ".txt":
        return True
    with suppress(DataError):
        rows = _CsvRows(path)
        roles = _roles(rows)
        return bool(roles.frames) or roles.gt is not None
    return False


def open_table(path: Path) -> TableSamples:
    """Open a CSV, TSV or Parquet table (see the module).

    Raises:
        DataError: Unreadable, not UTF-8, or without a column of images.
    """
    rows = _ParquetRows(path) if path.suffix.lower() == ".parquet" else _CsvRows(path)
    samples = _samples(path.stem, {"": rows}, printable(str(path)), read_quarantine(path.parent))
    samples.base = path.parent
    return samples


def open_hub(name: str, split: str | None = None) -> TableSamples:
    """Open a data set of the Hugging Face hub (downloads it into the cache of `datasets`).

    Args:
        name: `hf://owner/name`, `owner/name`, or a local folder that `datasets` can load.
        split: Load this split only.

    Raises:
        DataError: It cannot be loaded, or has no column of images.
        MissingDependencyError: `datasets` is not installed.
    """
    try:
        import datasets
    except ImportError as error:
        raise MissingDependencyError("the hub needs the package datasets: pip install datasets") from error
    identifier = name.removeprefix("hf://").removeprefix("datasets/")
    try:
        loaded = datasets.load_dataset(identifier, split=split)
    except Exception as error:  # the loader passes on whatever its builders, network and file systems raise
        raise DataError(f"{name}: cannot be loaded from the hub ({reason(error)})") from error
    parts = {split: loaded} if split is not None else dict(loaded)
    tables = {str(part): _HubRows(table) for part, table in parts.items()}
    return _samples(identifier.replace("/", "-"), tables, name, {})


@dataclass(frozen=True, slots=True)
class _Roles:
    """Which columns mean what; `ignored` are those that name pictures and mean nothing."""

    sample_id: str | None
    frames: tuple[str, ...]
    frame_indices: str | None
    gt: str | None
    text: str | None
    split: str | None
    optional: Mapping[str, str]
    ignored: tuple[str, ...] = ()


def _roles(rows: Rows) -> _Roles:
    """What the columns of a table mean, by their names and, of columns of pictures, the first row."""
    columns, first = rows.columns, rows.row(0) if len(rows) else {}
    pictures = [name for name in columns if _names_picture(first.get(name))]
    whole = find_column(FRAME_COLUMNS, columns)
    frames: tuple[str, ...] = (whole,) if whole else ()
    for prefix in FRAME_PREFIXES:
        if not frames:
            numbered = [n for n in columns if re.fullmatch(f"{prefix}_?[0-9]+(_?path)?", column_name(n))]
            frames = tuple(sorted(numbered, key=natural_key))
    one = find_column(ONE_FRAME_COLUMNS, pictures)
    if one is not None and not frames:
        frames = (one,)
    found = {name: find_column((name,), columns) for name in _OPTIONAL}
    roles = _Roles(
        sample_id=find_column(ID_COLUMNS, columns),
        frames=frames,
        frame_indices=find_column(("frame_indices",), columns),
        gt=find_column(GT_COLUMNS, [name for name in columns if name not in frames]),
        text=find_column(TEXT_NAMES, columns),
        split=find_column(("split",), columns),
        optional={name: column for name, column in found.items() if column is not None},
    )
    taken = {roles.sample_id, *frames, roles.gt, roles.text, roles.split, *roles.optional.values()}
    return replace(roles, ignored=tuple(name for name in pictures if name not in taken))


def _names_picture(cell: Any) -> bool:
    if isinstance(cell, Mapping):
        return cell.get("bytes") is not None or _names_picture(cell.get("path"))
    if isinstance(cell, str):
        paths = cell_list(cell)
        return bool(paths) and all(map(is_image_name, paths))
    return isinstance(cell, Sequence) and not isinstance(cell, bytes) and any(map(_names_picture, cell))


def _samples(
    name: str,
    tables: Mapping[str, Rows],
    where: str,
    quarantine: Mapping[str, str],
) -> TableSamples:
    entries: list[TableEntry] = []
    problems: list[Problem] = []
    for part, rows in tables.items():
        roles = _roles(rows)
        if not roles.frames and roles.gt is None:
            raise DataError(
                f"{where}: no column of images; name them frames or frame_1, frame_2, ... and gt "
                f"(there are: {', '.join(map(printable, rows.columns))})"
            )
        for column in roles.ignored:
            used = ", ".join(map(printable, (*roles.frames, *([roles.gt] if roles.gt else []))))
            message = (
                f"{where}: the column {printable(column)} names pictures and is ignored; those of {used} "
                "are taken. Name columns of frames frame_1, frame_2, ... and that of ground truths gt"
            )
            problems.append(Problem("ignored-column", message, rejected=False))
        if not roles.frames and find_column(("frame_index",), rows.columns) and "track_id" in roles.optional:
            message = (
                f"{where}: its rows look like frames of tracks; `mdlp-bench data pair` makes samples of them"
            )
            problems.append(Problem("row", message, rejected=False))
        count = len(rows)
        ids = rows.column(roles.sample_id) if roles.sample_id else [None] * count
        splits = rows.column(roles.split) if roles.split else [None] * count
        texts = rows.column(roles.text) if roles.text else [None] * count
        for position in range(count):
            # A few names, held by every entry.
            split = sys.intern(printable(cell_text(splits[position]) or part or "all"))
            named = printable(cell_text(ids[position]) or "")
            sample_id = sample_id_of(named) if named else sample_id_of(split, f"{position + 1:06d}")
            entries.append(TableEntry(sample_id, split, rows, roles, position))
            text = cell_text(texts[position])
            if text is not None:
                problems += check_text(text, sample_id, split, rows.where(position))[2]
        problems += rows.problems
    return TableSamples(name, entries, problems, quarantine)


def _frames(cells: Mapping[str, Any], roles: _Roles) -> list[Any]:
    if len(roles.frames) != 1:
        return [cells[name] for name in roles.frames if cells.get(name) not in (None, "")]
    cell = cells.get(roles.frames[0])
    if cell is None or cell == "":
        return []
    if isinstance(cell, str):
        return cell_list(cell)
    return list(cell) if isinstance(cell, Sequence) and not isinstance(cell, bytes) else [cell]


def _indices(given: Any, count: int, sample_id: str) -> list[int]:
    if given is None or given == "":
        return list(range(count))
    try:
        return [int(value) for value in (cell_list(given) if isinstance(given, str) else given)]
    except (TypeError, ValueError) as error:
        raise RejectedError(
            "row", f"sample {sample_id}: frame_indices are {given!r}, not numbers joined by |"
        ) from error


def _cell(cells: Mapping[str, Any], name: str | None) -> str | None:
    return cell_text(cells.get(name)) if name else None


class _CsvRows:
    """The cells as Arrow strings: as lists of Python strings they would take five times the memory."""

    def __init__(self, path: Path) -> None:
        self._name = printable(str(path))
        self.problems: list[Problem] = []
        header, lines = read_table(path, lambda why: self.problems.append(Problem("row", why)))
        self.columns = list(header.cells)
        if len(self.columns) == 2 and is_image_name(self.columns[0]):
            # No header: the first line is a picture and its text.
            self.columns, lines = ["image", "text"], chain([header], lines)
        self._numbers: list[pa.Array] = []
        self._blocks = list(self._read(lines))

    def _read(self, lines: Iterator[Line]) -> Iterator[list[pa.Array]]:
        for block in chunks(lines, _BLOCK):
            self._numbers.append(pa.array((line.number for line in block), pa.int32()))
            columns = zip(*(line.cells for line in block), strict=True)
            yield [pa.array(column, pa.string()) for column in columns]

    def where(self, position: int) -> str:
        number = self._numbers[position // _BLOCK][position % _BLOCK].as_py()
        return f"{self._name}:{number}"

    def __len__(self) -> int:
        return sum(len(block[0]) for block in self._blocks)

    def column(self, name: str) -> list[Any]:
        index = self.columns.index(name)
        return [cell for block in self._blocks for cell in block[index].to_pylist()]

    def row(self, position: int) -> Mapping[str, Any]:
        block = self._blocks[position // _BLOCK]
        return {
            name: column[position % _BLOCK].as_py() for name, column in zip(self.columns, block, strict=True)
        }


class _ParquetRows:
    """The rows of a Parquet file; class labels, which `datasets` keeps in its metadata, are their names."""

    problems: Sequence[Problem] = ()

    def __init__(self, path: Path) -> None:
        self._path = path
        with reading_parquet(path), pq.ParquetFile(path) as file:
            self.columns = list(file.schema_arrow.names)
            self._classes = _class_names(file.schema_arrow.metadata)
            self._groups = [file.metadata.row_group(g).num_rows for g in range(file.metadata.num_row_groups)]
        self._cached: tuple[int, list[dict[str, Any]]] = (-1, [])

    def __len__(self) -> int:
        return sum(self._groups)

    def column(self, name: str) -> list[Any]:
        with reading_parquet(self._path):
            values = pq.read_table(self._path, columns=[name]).column(0).to_pylist()
        return [_named(self._classes.get(name), value) for value in values]

    def row(self, position: int) -> Mapping[str, Any]:
        group = 0
        while position >= self._groups[group]:
            position -= self._groups[group]
            group += 1
        number, rows = self._cached
        if number != group:
            with reading_parquet(self._path), pq.ParquetFile(self._path) as file:
                rows = file.read_row_group(group, use_threads=False).to_pylist()
            self._cached = (group, rows)
        row = rows[position]
        return row | {name: _named(names, row[name]) for name, names in self._classes.items()}

    def where(self, position: int) -> str:
        return f"{printable(str(self._path))}, row {position + 1}"


class _HubRows:
    """The rows of a hub data set; class labels are their names."""

    problems: Sequence[Problem] = ()

    def __init__(self, table: Any) -> None:
        import datasets

        self.columns: Sequence[str] = list(table.column_names)
        self._classes = {
            name: list(kind.names)
            for name, feature in table.features.items()
            if isinstance(kind := getattr(feature, "feature", feature), datasets.ClassLabel)
        }
        for name, feature in table.features.items():
            if isinstance(feature, datasets.Image):
                table = table.cast_column(name, datasets.Image(decode=False))
            elif isinstance(getattr(feature, "feature", None), datasets.Image):
                table = table.cast_column(name, datasets.List(datasets.Image(decode=False)))
        self._table = table

    def __len__(self) -> int:
        return len(self._table)

    def column(self, name: str) -> list[Any]:
        return [_named(self._classes.get(name), value) for value in self._table[name]]

    def row(self, position: int) -> Mapping[str, Any]:
        row: dict[str, Any] = self._table[position]
        return row | {name: _named(names, row[name]) for name, names in self._classes.items()}

    def where(self, position: int) -> str:
        return f"row {position + 1}"


def _class_names(metadata: Mapping[bytes, bytes] | None) -> dict[str, list[str]]:
    """The names of the classes of each column of class labels, from the metadata that `datasets` writes."""
    with suppress(ValueError, KeyError, TypeError, AttributeError):
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
        return {name: names for name, feature in features.items() if (names := _names_in(feature))}
    return {}


def _names_in(feature: Any) -> list[str]:
    """The names of a class label, or of those in a list of them."""
    if isinstance(feature, list):
        feature = feature[0] if feature else {}
    if feature.get("_type") == "ClassLabel":
        return list(feature["names"])
    return _names_in(feature["feature"]) if isinstance(feature.get("feature"), dict) else []


def _named(names: Sequence[str] | None, value: Any) -> Any:
    """The name of a class, those of a list joined; None for a number outside the names, such as -1."""
    if names is None:
        return value
    if isinstance(value, Sequence) and not isinstance(value, str):
        known = [_named(names, one) for one in value]
        return "".join(known) if all(isinstance(one, str) for one in known) else None
    if not isinstance(value, int):
        return value
    return names[value] if 0 <= value < len(names) else None
