"""Label lists: `group,text` tables with or without a header, and `name.jpg,TEXT` lines.

`read_labels` reads a list, `LabelKeys` finds what its lines mean, whatever the layout that they label.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from mdlp_bench import plate
from mdlp_bench.data.problem import Problem, ProblemCode
from mdlp_bench.data.sources.base import FileEntry
from mdlp_bench.data.sources.names import printable, read_file, sample_id_of
from mdlp_bench.data.sources.text_table import (
    IMAGE_NAMES,
    TEXT_NAMES,
    column_name,
    find_column,
    fit_cells,
    is_image_name,
    path_parts,
    read_lines,
)
from mdlp_bench.errors import DataError, PlateError
from mdlp_bench.schema import DOMAINS, TEXT_ORIGINS, TextOrigin

LABEL_FILES: Final = ("labels.csv", "labels.txt", "labels.tsv", "plate_info.txt")
"""Names of label lists; in any case, and `label` may stand for `labels`."""

EXTRA_COLUMNS: Final = ("plate_id", "track_id", "text_origin", "domain", "source", "layout", "recipe")
"""Columns of the sample that a list with a header may have beside key and text."""

_KEY_NAMES: Final = (
    "group", "group_id", "track", "track_id", "name", *IMAGE_NAMES, "sample_id", "sample", "id", "image_id",
    "img_id", "folder", "folder_name", "directory", "dir", "key", "编号", "名称", "文件夹",
)  # fmt: skip
_TEXT_NAMES: Final = (*TEXT_NAMES, "gt", "ground_truth", "value", "content", "number", "result")
_INDICES: Final = re.compile(
    r"(?:array|tensor)?[\[( ]*[0-9]+(?:\.0*)?(?:[\s,_;|-]+[0-9]+(?:\.0*)?){5,}[\]) ]*", re.IGNORECASE
)
_CLASS_DIGITS: Final = 4
_UNREAD: Final = (".csv", ".tsv", ".txt", ".xlsx", ".xls", ".json")
_NO_LIST: Final = re.compile("readme|licen[cs]e|manifest|quarantine|tracks|renamed|croissant|changelog")


@dataclass(frozen=True, slots=True)
class LabelRow:
    """One line of a label list.

    Attributes:
        key: What it labels: a group, a path or an image name, as written.
        text: The text as written, stripped; empty when the plate could not be read.
        split: From a `split` column.
        extra: Further named columns (only with a header).
        where: File and line, for messages.
    """

    key: str
    text: str
    split: str | None
    extra: Mapping[str, str] = field(default_factory=dict)
    where: str = ""

    @property
    def parts(self) -> tuple[str, ...]:
        """The key as path components, an image suffix removed from the last."""
        parts = list(path_parts(self.key))
        if parts and is_image_name(parts[-1]):
            parts[-1] = Path(parts[-1]).stem
        return tuple(parts)

    def says_the_same(self, other: LabelRow) -> bool:
        """Whether two lines give one text, however they write it, or both say that there is none to read."""
        if plate.is_unreadable(self.text):
            return plate.is_unreadable(other.text)
        return plate.normalise(self.text) == plate.normalise(other.text)


def read_labels(path: Path) -> tuple[list[LabelRow], list[Problem]]:
    """Read a label list in any dialect of `text_table`.

    Returns:
        Its rows, and a note for each line that is none.

    Raises:
        DataError: The file is unreadable or in no known encoding.
    """
    name = printable(str(path))
    rows: list[LabelRow] = []
    problems: list[Problem] = []
    header: _Header | None = None
    first = True
    for line in read_lines(read_file(path), name):
        where = f"{name}:{line.number}"
        if first:
            first = False
            header = _Header.of(line.cells)
            if header is not None:
                continue
        row = _plain_row(line.cells, where) if header is None else header.row(line.cells, where)
        if row is None:
            message = f"{where}: expected {'the columns of the header' if header else 'group,text'}"
            problems.append(Problem("label", f"{message}, found {len(line.cells)} cells", rejected=False))
        else:
            rows.append(row)
    if header is None and _is_turned(rows):
        rows = [replace(row, key=row.text, text=row.key) for row in rows]
    return rows, problems


def find_labels(folder: Path) -> list[Path]:
    """The label lists that lie in a folder."""
    order = [*LABEL_FILES, *(name.replace("labels", "label") for name in LABEL_FILES[:-1])]
    found = {path.name.lower(): path for path in _files_in(folder)}
    return [found[name] for name in order if name in found]


@dataclass(frozen=True, slots=True)
class LabelLists:
    """The label lists of a data set.

    Attributes:
        rows: Their lines, each with the split in whose folder its list lies (None: that of the data set).
        splits: These splits.
        problems: Lines that are none; where there is no list, tables that might be one under another name.
    """

    rows: tuple[tuple[LabelRow, str | None], ...]
    splits: frozenset[str | None]
    problems: tuple[Problem, ...]

    @classmethod
    def of(cls, path: Path, folders: Mapping[str, Path]) -> LabelLists:
        """Read the lists in the folder of a data set and in those of its splits.

        Raises:
            DataError: A folder or list cannot be read.
        """
        places: dict[Path, str | None] = {folder: split for split, folder in folders.items()} | {path: None}
        rows: list[tuple[LabelRow, str | None]] = []
        problems: list[Problem] = []
        splits: set[str | None] = set()
        for folder, split in sorted(places.items(), key=lambda place: place[1] is not None):
            for file in find_labels(folder):
                found, notes = read_labels(file)
                rows += [(row, split) for row in found]
                problems += notes
                splits.add(split)
        if not splits:
            problems += [note for folder in places for note in _unread_lists(folder)]
        return cls(tuple(rows), frozenset(splits), tuple(problems))

    def missing(self, sample_id: str, split: str) -> list[Problem]:
        """The note about a sample that they give no text, where they are about its split."""
        if self.splits.isdisjoint({None, split}):
            return []
        message = "no text in the label lists"
        return [Problem.of_sample("text-missing", sample_id, split, message, rejected=False)]


def _unread_lists(folder: Path) -> list[Problem]:
    names = [path.name for path in _files_in(folder) if path.suffix.lower() in _UNREAD]
    remedy = f"a label list is called {', '.join(LABEL_FILES)}, or is given with --labels"
    return [
        Problem("ignored-file", f"{printable(str(folder / name))}: not read; {remedy}", rejected=False)
        for name in sorted(names)
        if not _NO_LIST.search(name.lower())
    ]


def _files_in(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return [folder / e.name for e in entries if not e.name.startswith(".") and e.is_file()]
    except OSError as error:
        raise DataError(f"{printable(str(folder))}: cannot be listed ({error.strerror})") from error


def _is_turned(rows: Sequence[LabelRow]) -> bool:
    """Whether the texts come before the names."""
    fronts = all(plate.grammar_of(row.key) is not None for row in rows)
    return bool(rows) and fronts and not any(plate.grammar_of(row.text) is not None for row in rows)


K = TypeVar("K", bound=Hashable)


class LabelKeys(Generic[K]):
    """Finds what the lines of label lists mean.

    A key may be a name or a path from any machine; the part of a path before the name counts where it is a
    split. A name that fits exactly counts more than one that differs in case, in Unicode's normal form, or in
    leading zeros, which Excel removes.

    Args:
        rows: Lines, each with the split that its list is about (None: all).
        splits: The splits there are.
    """

    def __init__(self, rows: Sequence[tuple[LabelRow, str | None]], splits: Collection[str] = ()) -> None:
        self._splits = frozenset(splits)
        self._rows = [(row, *self._meant(row, row.split or split)) for row, split in rows]
        self._kinds = 0
        self._asked = {_folded(name) for _, _, names in self._rows for name in names}
        self._exact: dict[tuple[int, str], list[tuple[str | None, K]]] = defaultdict(list)
        self._like: dict[tuple[int, str], list[tuple[str | None, K]]] = defaultdict(list)

    def add(self, thing: K, *names: str, parts: Iterable[str] = (), split: str | None = None) -> None:
        """Add something that may be labelled.

        Args:
            thing: What may get a text.
            names: Its names, the ones that count most first.
            parts: Names of things in it, which count least, and all equally.
            split: Its split.
        """
        self._kinds = max(self._kinds, len(names) + 1)
        for kind, name in (*enumerate(names), *((len(names), part) for part in parts)):
            if name and (folded := _folded(name)) in self._asked:
                self._exact[kind, name].append((split, thing))
                self._like[kind, folded].append((split, thing))

    def match(
        self, what: str, shown: Callable[[K], str] = str, *, partial: bool = False
    ) -> tuple[dict[K, LabelRow], list[Problem]]:
        """The line of each labelled thing, and what is wrong with the others.

        Lines that contradict each other give the empty text; a line without a text contradicts nothing.

        Args:
            what: What the things are called, in messages.
            shown: How one is named there.
            partial: Only a part of the things is here, so a line may mean none of them.
        """
        found: dict[K, LabelRow] = {}
        disputed: set[K] = set()
        problems: list[Problem] = []
        for row, split, names in self._rows:
            matches = self._find(split, names)
            things = list(dict.fromkeys(thing for _, thing in matches))
            if len(things) > 1:
                splits = {where for where, _ in matches}
                meant = "samples of several splits" if len(splits) > 1 else f"several {what}s"
                examples = ", ".join(map(shown, things[:3])) + (", ..." if len(things) > 3 else "")
                message = f"{row.where}: {row.key!r} means {meant} ({examples}); write one of these instead"
                problems.append(Problem("label", message, rejected=False))
            elif not things and not partial:
                message = f"{row.where}: {row.key!r} labels no {what}"
                problems.append(Problem("label", message, rejected=False))
            elif things:
                other = found.setdefault(things[0], row)
                if not other.text and things[0] not in disputed:
                    found[things[0]] = row
                elif row.text and not row.says_the_same(other):
                    said = f"is {row.text!r} here but {other.text!r} at {other.where}"
                    problems.append(Problem("label", f"{row.where}: {row.key!r} {said}", rejected=False))
                    disputed.add(things[0])
        return {k: replace(row, text="") if k in disputed else row for k, row in found.items()}, problems

    def _meant(self, row: LabelRow, split: str | None) -> tuple[str | None, list[str]]:
        """The split that a line is about, and the names that it may mean, the likeliest first."""
        parts = row.parts
        if named := [i for i, part in enumerate(parts[:-1]) if part in self._splits]:
            split, parts = parts[named[-1]], parts[named[-1] + 1 :]
        whole = sample_id_of(*parts) if parts else ""
        return split, list(dict.fromkeys((row.key, "/".join(parts), whole, *reversed(parts[-2:]))))

    def _find(self, split: str | None, names: Sequence[str]) -> list[tuple[str | None, K]]:
        for table, form in ((self._exact, str), (self._like, _folded)):
            for kind in range(self._kinds):
                for name in names:
                    found = table.get((kind, form(name)), ())
                    if matches := [one for one in found if split is None or one[0] in (None, split)]:
                        return matches
        return []


def _folded(name: str) -> str:
    plain = unicodedata.normalize("NFC", name).casefold()
    number = re.fullmatch(r"0*([0-9]+)(?:\.0+)?", plain)
    return number[1] if number else plain


def origin_of(row: LabelRow) -> TextOrigin:
    """Where the text of a line comes from: its column `text_origin`, else a label."""
    given = row.extra.get("text_origin")
    return given if given in TEXT_ORIGINS else "label"


def with_texts(
    entries: Mapping[K, FileEntry], rows: Mapping[K, LabelRow], lists: LabelLists
) -> tuple[dict[K, FileEntry], list[Problem]]:
    """Give entries the texts and further columns of their lines.

    Args:
        entries: What may be labelled.
        rows: The line of each that has one (see `LabelKeys.match`).
        lists: The lists that the lines are of.

    Returns:
        The entries, and notes about odd and missing texts.
    """
    labelled = dict(entries)
    problems: list[Problem] = []
    for key, entry in entries.items():
        row = rows.get(key)
        if row is not None:
            labelled[key], notes = _with_row(entry, row)
        problems += notes if row is not None and row.text else lists.missing(entry.sample_id, entry.split)
    return labelled, problems


def _with_row(entry: FileEntry, row: LabelRow) -> tuple[FileEntry, list[Problem]]:
    text, layout, problems = check_text(row.text, entry.sample_id, entry.split, row.where)
    extra = {name: value for name in EXTRA_COLUMNS if (value := row.extra.get(name))}
    for name, allowed in (("domain", DOMAINS), ("text_origin", TEXT_ORIGINS)):
        if extra.get(name, allowed[0]) not in allowed:
            message = f"{row.where}: {name} is {extra.pop(name)!r}, not one of {', '.join(allowed)}"
            problems.append(Problem("label", message, entry.sample_id, entry.split, rejected=False))
    given = row.extra.get("sample_id")
    if given and given == sample_id_of(given):
        extra["sample_id"] = given
    elif given:
        message = f"{row.where}: {given!r} cannot be a sample id (letters, digits, _ - . only)"
        problems.append(Problem("label", message, entry.sample_id, entry.split, rejected=False))
    values: dict[str, Any] = {"text": text, "text_origin": "label", "layout": layout} | extra
    return replace(entry, **values), problems


def check_text(
    text: str, sample_id: str, split: str | None, where: str = ""
) -> tuple[str | None, str | None, list[Problem]]:
    """Normalise a label and test it against the plate grammars.

    Args:
        text: As written; empty where there is none.
        sample_id: The sample it is for.
        split: The sample's split.
        where: File and line of the label, for messages.

    Returns:
        The normalised text, the layout when the text leaves only one, and a note. The text is None when it is
        empty, unreadable (`#####`) or a vector of indices. A text that is not a plate is kept: a label may be
        right and the grammar incomplete.
    """
    place = f"sample {sample_id}, {where}" if where else f"sample {sample_id}"

    def note(code: ProblemCode, message: str) -> list[Problem]:
        return [Problem(code, f"{place}: {message}", sample_id, split, rejected=False)]

    if _INDICES.fullmatch(text.strip()):
        message = (
            f"{text.strip()!r:.60} is a vector of indices and no text; write the characters they stand for"
        )
        return None, None, note("text-unreadable", f"{message}; text scores leave it out")
    if plate.is_unreadable(text):
        message = (
            f"the label {text.strip()!r:.60} says that the plate cannot be read; text scores leave it out"
        )
        return None, None, note("text-unreadable", message)
    plain = plate.normalise(text)
    if not plain:
        return None, None, []
    if plain.isdecimal() and len(plain) <= _CLASS_DIGITS:
        message = f"the label {plain!r} is a number and no plate; where it counts classes, write their names"
        return plain, None, note("text-grammar", message)
    try:
        layouts = plate.parse(plain).layouts
    except PlateError as error:
        return plain, None, note("text-grammar", str(error))
    return plain, layouts[0] if len(layouts) == 1 else None, []


def _plain_row(cells: Sequence[str], where: str) -> LabelRow | None:
    if len(cells) > 2 and _INDICES.fullmatch(indices := ",".join(cells[1:])):
        cells = (cells[0], indices)
    fitting = fit_cells(cells, 2) or fit_cells([cell for cell in cells if cell], 2)
    return LabelRow(fitting[0], fitting[1], None, where=where) if fitting and fitting[0] else None


@dataclass(frozen=True, slots=True)
class _Header:
    names: tuple[str, ...]
    key: int
    text: int

    @classmethod
    def of(cls, cells: Sequence[str]) -> _Header | None:
        """The header that a line is, or None."""
        names = tuple(map(column_name, cells))
        key, text = find_column(_KEY_NAMES, names), find_column(_TEXT_NAMES, names)
        return None if key is None or text is None else cls(names, names.index(key), names.index(text))

    def row(self, cells: Sequence[str], where: str) -> LabelRow | None:
        fitting = fit_cells(cells, len(self.names))
        if fitting is None or not fitting[self.key]:
            return None
        extra = {
            name: cell
            for place, (name, cell) in enumerate(zip(self.names, fitting, strict=True))
            if place not in (self.key, self.text)
        }
        split = extra.pop("split", None) or None
        return LabelRow(fitting[self.key], fitting[self.text], split, extra, where)
