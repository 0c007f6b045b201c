"""The one table of scores that every output format renders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, Self, get_args

from pydantic import Field, model_validator

from mdlp_bench.frozen import FrozenFinite

if TYPE_CHECKING:
    from mdlp_bench.metrics.base import MetricInfo

RowKind = Literal["method", "bound", "published"]
Mark = Literal["best", "second"]
Intervals = Literal["none", "small", "plus-minus"]
"""How intervals are shown: not at all, as [low, high] in small type, or as ± half their width."""

EMPTY: Final = "–"

SECTION_TITLES: Final[Mapping[RowKind, str]] = MappingProxyType(
    {"method": "Methods", "bound": "Bounds", "published": "Published, not recomputed"}
)
"""Kinds of rows in the order of a table's sections."""


class Column(FrozenFinite):
    """One metric or cost.

    Attributes:
        key: Name of the metric, the key of the cells.
        title: Heading.
        higher_is_better: Direction, shown as an arrow; None for a column without one (no best is marked).
        decimals: Decimals of values and limits.
        unit: Unit beside the heading, or an empty string.
    """

    key: str
    title: str
    higher_is_better: bool | None
    decimals: int = Field(ge=0, le=12)
    unit: str = ""

    @classmethod
    def from_metric(cls, info: MetricInfo) -> Self:
        """The column of a metric."""
        return cls(
            key=info.name,
            title=info.title,
            higher_is_better=info.higher_is_better,
            decimals=info.decimals,
            unit=info.unit,
        )

    @property
    def arrow(self) -> str:
        """ "↑" if higher is better, "↓" if lower is, else nothing."""
        return "" if self.higher_is_better is None else "↑" if self.higher_is_better else "↓"

    @property
    def heading(self) -> str:
        """Title, unit and arrow, e.g. "PSNR (dB) ↑"."""
        return " ".join(
            part for part in (self.title, f"({self.unit})" if self.unit else "", self.arrow) if part
        )

    def format(self, value: float) -> str:
        """A value at the column's decimals; a rounded -0 loses its sign."""
        text = f"{value:.{self.decimals}f}"
        return text.removeprefix("-") if float(text) == 0 else text


class Cell(FrozenFinite):
    """One score.

    Attributes:
        value: The score; None if there is none.
        low: Lower confidence limit, or None.
        high: Upper confidence limit; None with `low`.
        group: Tie-group letters, or an empty string.
        unavailable: Why there is no value, or None.
        note: What must be known of the value, or an empty string.
        n: How many samples the value rests on, where they are few; else None.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    group: str = ""
    unavailable: str | None = None
    note: str = ""
    n: int | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.low is None) != (self.high is None):
            raise ValueError("an interval needs both limits")
        if self.value is None and (self.low is not None or self.group or self.note):
            raise ValueError("a cell without a value has neither interval nor tie group nor note")
        if self.value is not None and self.unavailable is not None:
            raise ValueError("a cell with a value is not unavailable")
        return self

    @property
    def footnote(self) -> str | None:
        """Why there is no value, or what must be known of it."""
        return self.unavailable if self.value is None else self.note or None


class Absent(FrozenFinite):
    """A column that a table would have if any of its methods had a value.

    Attributes:
        key: Name of the metric.
        title: Its heading.
        reason: Why none has.
    """

    key: str
    title: str
    reason: str


class Row(FrozenFinite):
    """One method, bound or published result.

    Attributes:
        name: As shown.
        kind: "method" rows are ranked; "bound" rows are a ceiling or floor (ground truth, input) and
            "published" rows are quoted from a paper and not recomputed: both are shown apart, never marked.
        cells: Cells by column key; a missing key is an empty cell.
        note: Remark, e.g. "ceiling", "3 failed samples count as the floor", "published on MDLP", or nothing.
    """

    name: str
    kind: RowKind = "method"
    cells: dict[str, Cell]
    note: str = ""


@dataclass(frozen=True, slots=True)
class CellText:
    """What renderers show of a cell.

    Attributes:
        value: The value at the column's decimals; `EMPTY` if there is none.
        interval: "[low, high]" and how many samples the value rests on where they are few ("n = 2"), or one
            of them, or an empty string.
        half_width: "± half the interval's width", or an empty string.
        group: Tie-group letters, or an empty string.
        mark: Whether the cell is the best or second among the methods.
        footnote: Number of the footnote that says why there is no value, or what must be known of it.
    """

    value: str
    interval: str = ""
    half_width: str = ""
    group: str = ""
    mark: Mark | None = None
    footnote: int | None = None

    @property
    def raised(self) -> str:
        """What stands raised behind the value: letters and the footnote's number."""
        return " ".join(str(part) for part in (self.group, self.footnote) if part)


@dataclass(frozen=True, slots=True)
class RowText:
    """A row as text: name, note and one cell per column."""

    name: str
    note: str
    cells: tuple[CellText, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """Rows of one kind; the title is empty in a table of methods only."""

    kind: RowKind
    title: str
    rows: tuple[RowText, ...]


def group_widths(sections: Sequence[Section]) -> list[int]:
    """By column, the number of characters that stand raised behind its values, at most."""
    rows = [row.cells for section in sections for row in section.rows]
    return [
        max(len(cell.raised) if cell.value != EMPTY else 0 for cell in column)
        for column in zip(*rows, strict=True)
    ]


class ScoreTable(FrozenFinite):
    """Scores of methods, with what is needed to read them.

    Attributes:
        columns: Columns in order, keys all different.
        rows: Rows; renderers show methods, bounds and published rows as sections, each in the order given.
        protocol: Id of the protocol.
        dataset: Id of the dataset and split.
        n: Samples scored.
        n_plates: Plates among them.
        intervals: What the intervals are (`ClusterBootstrap.describe()`), or an empty string.
        alpha: Error level of the tie groups.
        show_intervals: How the intervals are shown.
        title: The first sentence of the caption; empty for one made of protocol, dataset and sizes.
        remarks: Further sentences for the legend.
        absent: Columns that are left out because no method has a value; the legend says why.
        label: Its label in LaTeX, after `tab:`.
    """

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    protocol: str
    dataset: str
    n: int = Field(ge=0)
    n_plates: int = Field(ge=0)
    intervals: str = ""
    alpha: float = 0.05
    show_intervals: Intervals = "small"
    title: str = ""
    remarks: tuple[str, ...] = ()
    absent: tuple[Absent, ...] = ()
    label: str = Field(default="scores", pattern=r"^[a-z-]+$")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        keys = [column.key for column in self.columns]
        if not keys or len(set(keys)) != len(keys):
            raise ValueError("a table needs columns, each with its own key")
        for row in self.rows:
            if unknown := row.cells.keys() - set(keys):
                raise ValueError(
                    f"row {row.name!r} has cells of unknown columns: {', '.join(sorted(unknown))}"
                )
        return self

    def sorted_by(self, *keys: str) -> ScoreTable:
        """The same table with its method rows best first by the given columns; empty cells come last.

        Values are compared at the column's decimals, so that a tie is decided by the next column and at last
        by name.

        Raises:
            KeyError: The table has no column of that key.
        """
        by_key = {column.key: column for column in self.columns}
        columns = [by_key[key] for key in keys]

        def order(row: Row) -> tuple[object, ...]:
            values = [_cost(column, row) for column in columns]
            return (*((value is None, value or 0.0) for value in values), row.name)

        methods = sorted((row for row in self.rows if row.kind == "method"), key=order)
        others = [row for row in self.rows if row.kind != "method"]
        return self.model_copy(update={"rows": (*methods, *others)})

    def of_columns(self, keys: Sequence[str]) -> ScoreTable:
        """The same table with these columns only, in this order.

        Raises:
            KeyError: The table has no column of that key.
        """
        by_key = {column.key: column for column in self.columns}
        columns = tuple(by_key[key] for key in keys)
        rows = tuple(
            row.model_copy(update={"cells": {k: cell for k, cell in row.cells.items() if k in keys}})
            for row in self.rows
        )
        return self.model_copy(update={"columns": columns, "rows": rows})

    def sections(self) -> tuple[Section, ...]:
        """The whole table as text, rows of one kind together, empty kinds left out."""
        numbers = {footnote: number for number, footnote in enumerate(self.footnotes(), start=1)}
        marks = self._marks()
        kinds = [kind for kind in SECTION_TITLES if any(row.kind == kind for row in self.rows)]
        return tuple(
            Section(
                kind,
                SECTION_TITLES[kind] if len(kinds) > 1 else "",
                tuple(
                    RowText(
                        row.name,
                        row.note,
                        tuple(self._cell(c, row, marks[c.key].get(place), numbers) for c in self.columns),
                    )
                    for place, row in enumerate(self.rows)
                    if row.kind == kind
                ),
            )
            for kind in kinds
        )

    def footnotes(self) -> list[str]:
        """Why cells are empty and what must be known of values, each once; numbered from 1."""
        cells = (row.cells.get(column.key, Cell()) for row in self.rows for column in self.columns)
        return list(dict.fromkeys(cell.footnote for cell in cells if cell.footnote is not None))

    def caption(self) -> str:
        """The title, or protocol, dataset and sizes in one line."""
        if self.title:
            return self.title if self.title.endswith((".", "!", "?")) else f"{self.title}."
        samples = f"{self.n} sample{'s' * (self.n != 1)}"
        plates = f"{self.n_plates} plate{'s' * (self.n_plates != 1)}"
        return f"Protocol {self.protocol}, dataset {self.dataset}: {samples}, {plates}."

    def legend(self) -> list[str]:
        """How to read what the table shows: intervals, letters, marks, sections; one sentence each."""
        cells = [cell for row in self.rows for cell in row.cells.values()]
        sentences = []
        if self.intervals and any(cell.low is not None for cell in cells):
            if self.show_intervals == "small":
                sentences.append(f"In brackets: {self.intervals}.")
            elif self.show_intervals == "plus-minus":
                sentences.append(f"± is half the width of: {self.intervals}.")
        if any(cell.n is not None for cell in cells):
            sentences.append("n is the number of samples that a value rests on, where it is small.")
        if any(cell.group for cell in cells):
            sentences.append(
                "Methods that share a letter in a column are not separable "
                f"(paired by plate, Holm-corrected, α = {self.alpha:g})."
            )
        if any(self._marks().values()):
            sentences.append("Best method in bold, second underlined; values equal as shown share the mark.")
        kinds = {row.kind for row in self.rows}
        if "bound" in kinds:
            sentences.append("Bounds are not ranked.")
        if "published" in kinds:
            sentences.append(
                "Published figures are quoted, not recomputed under this protocol, and not ranked."
            )
        return [*sentences, *self.remarks, *self._absences()]

    def _absences(self) -> list[str]:
        """One sentence for each reason why columns are left out."""
        titles: dict[str, list[str]] = {}
        for one in self.absent:
            titles.setdefault(one.reason, []).append(one.title)
        return [
            f"No {' and '.join(filter(None, (', '.join(named[:-1]), named[-1])))}: {reason}."
            for reason, named in titles.items()
        ]

    def _marks(self) -> dict[str, dict[int, Mark]]:
        """By column: the marks of methods by the place of their row, none where nothing is to be marked.

        A value without an interval rests on too little for one (a single plate), and gets no mark where
        others have intervals.
        """
        found: dict[str, dict[int, Mark]] = {}
        methods = {place: row for place, row in enumerate(self.rows) if row.kind == "method"}
        for column in self.columns:
            sure = [p for p, row in methods.items() if row.cells.get(column.key, Cell()).low is not None]
            costs = {place: _cost(column, methods[place]) for place in sure or methods}
            best = sorted({cost for cost in costs.values() if cost is not None})[:2]
            marks: dict[float | None, Mark] = dict(zip(best, get_args(Mark), strict=False))
            is_marked = len(best) > 1 and column.arrow
            found[column.key] = {p: marks[c] for p, c in costs.items() if c in marks} if is_marked else {}
        return found

    def _cell(self, column: Column, row: Row, mark: Mark | None, numbers: Mapping[str, int]) -> CellText:
        cell = row.cells.get(column.key, Cell())
        footnote = None if cell.footnote is None else numbers[cell.footnote]
        if cell.value is None:
            return CellText(EMPTY, footnote=footnote)
        interval = half_width = ""
        if cell.low is not None and cell.high is not None:
            if self.show_intervals == "small":
                interval = f"[{column.format(cell.low)}, {column.format(cell.high)}]"
            elif self.show_intervals == "plus-minus":
                half_width = f"± {column.format((cell.high - cell.low) / 2)}"
        if cell.n is not None:
            interval = ", ".join(filter(None, (interval, f"n = {cell.n}")))
        return CellText(column.format(cell.value), interval, half_width, cell.group, mark, footnote)


def _cost(column: Column, row: Row) -> float | None:
    """A cell's value as shown, signed so that lower is better; None for an empty cell."""
    cell = row.cells.get(column.key)
    if cell is None or cell.value is None:
        return None
    shown = float(column.format(cell.value))
    return -shown if column.higher_is_better else shown
