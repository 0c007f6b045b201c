"""Score tables: marks, order, and every output format against golden files and independent parsers."""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from pydantic import ValidationError
from rich.console import Console

from mdlp_bench.errors import MdlpBenchError
from mdlp_bench.harness.tables import (
    RENDERERS,
    Absent,
    Cell,
    Column,
    Intervals,
    Row,
    ScoreTable,
    escape_latex,
    escape_markdown,
    to_csv,
    to_html,
    to_latex,
    to_markdown,
    to_rich,
    write_table,
)

GOLDEN = Path(__file__).parent / "golden"
PSNR = Column(key="psnr", title="PSNR", higher_is_better=True, decimals=2, unit="dB")
LPIPS = Column(key="lpips", title="LPIPS", higher_is_better=False, decimals=3)
NED = Column(key="ned", title="NED", higher_is_better=False, decimals=3)
FRAMES = Column(key="frames", title="Frames", higher_is_better=None, decimals=0)


def cell(value: float, low: float | None = None, high: float | None = None, group: str = "") -> Cell:
    return Cell(value=value, low=low, high=high, group=group)


def small(*rows: Row, columns: tuple[Column, ...] = (NED,)) -> ScoreTable:
    return ScoreTable(columns=columns, rows=rows, protocol="mdlp-v2", dataset="d", n=4, n_plates=1)


def method(name: str, **values: float) -> Row:
    return Row(name=name, cells={key: cell(value) for key, value in values.items()})


@pytest.fixture
def table() -> ScoreTable:
    missing = Cell(unavailable="LPIPS: alex.pth is missing; put it into the torch hub's cache")
    rows = (
        Row(
            name="均值_mean [v2]",
            cells={
                "psnr": cell(14.164, 13.9, 14.35, "a"),
                "lpips": missing,
                "ned": cell(0.6131, 0.58, 0.65, "b"),
                "frames": cell(3),
            },
        ),
        Row(
            name="lp-diff",
            note="3 failed samples count as the floor",
            cells={
                "psnr": cell(14.161, 13.8, 14.5, "a"),
                "lpips": cell(0.159, 0.15, 0.17, "a"),
                "ned": cell(0.198, 0.18, 0.21, "a"),
                "frames": cell(3),
            },
        ),
        Row(
            name="bicubic",
            cells={
                "psnr": cell(13.5, 13, 14, "b"),
                "lpips": cell(0.5, 0.48, 0.53, "b"),
                "ned": cell(0.626, 0.6, 0.66, "b"),
                "frames": cell(1),
            },
        ),
        Row(name="srcnn", cells={"lpips": missing, "ned": cell(0.626, group="b")}),
        Row(
            name="ground-truth",
            kind="bound",
            note="ceiling",
            cells={"psnr": cell(100), "lpips": cell(0), "ned": cell(0.004, 0, 0.012)},
        ),
        Row(
            name="LP-Diff",
            kind="published",
            note="published on MDLP",
            cells={"psnr": cell(14.396), "lpips": cell(0.1), "ned": cell(0.1)},
        ),
    )
    return ScoreTable(
        columns=(PSNR, LPIPS, NED, FRAMES),
        rows=rows,
        protocol="mdlp-v2",
        dataset="mdlp_figures/val",
        n=36,
        n_plates=35,
        intervals="95 % BCa intervals, bootstrap of plates (2000 resamples, seed 0)",
    ).sorted_by("ned", "psnr")


def terminal(table: ScoreTable) -> str:
    stream = io.StringIO()
    Console(file=stream, width=110, color_system=None).print(to_rich(table))
    return "".join(f"{line.rstrip()}\n" for line in stream.getvalue().splitlines())


@pytest.mark.parametrize("suffix", [*RENDERERS, ".txt"])
def test_golden(table: ScoreTable, suffix: str) -> None:
    found = terminal(table) if suffix == ".txt" else RENDERERS[suffix](table)
    assert found == (GOLDEN / f"table{suffix}").read_text(encoding="utf-8")


@pytest.mark.parametrize("suffix", [".md", ".tex", ".html", ".txt"])
def test_intervals_as_half_widths_or_not_at_all(table: ScoreTable, suffix: str) -> None:
    def shown(intervals: str) -> str:
        changed = table.model_copy(update={"show_intervals": intervals})
        return terminal(changed) if suffix == ".txt" else RENDERERS[suffix](changed)

    sign = r"$\pm$" if suffix == ".tex" else "±"
    assert f"{sign} 0.015" in shown("plus-minus") and "13.80" not in shown("plus-minus")
    assert "13.80" not in shown("none") and f"{sign} 0" not in shown("none")


class TestMarks:
    @staticmethod
    def marks(table: ScoreTable, column: int = 0) -> dict[str, str | None]:
        return {row.name: row.cells[column].mark for section in table.sections() for row in section.rows}

    def test_bounds_and_published_rows_never_compete(self, table: ScoreTable) -> None:
        marks = self.marks(table, 2)
        assert marks == {
            "lp-diff": "best",
            "均值_mean [v2]": "second",
            "bicubic": None,
            "srcnn": None,
            "ground-truth": None,
            "LP-Diff": None,
        }

    def test_values_equal_as_shown_share_the_mark(self) -> None:
        table = small(
            method("a", ned=0.1001), method("b", ned=0.0999), method("c", ned=0.2), method("d", ned=0.2)
        )
        assert self.marks(table) == {"a": "best", "b": "best", "c": "second", "d": "second"}

    def test_direction(self) -> None:
        rows = [method("a", psnr=10), method("b", psnr=30), method("c", psnr=20)]
        assert self.marks(small(*rows, columns=(PSNR,))) == {"a": None, "b": "best", "c": "second"}

    def test_a_value_without_an_interval_is_not_marked_where_others_have_one(self) -> None:
        rows = [
            Row(name=name, cells={"ned": found})
            for name, found in (
                ("single", cell(0.0)),
                ("a", cell(0.0, 0.0, 0.4)),
                ("b", cell(0.5, 0.2, 0.8)),
                ("c", cell(0.7, 0.4, 0.9)),
            )
        ]
        marks = self.marks(small(*rows))
        assert marks == {"single": None, "a": "best", "b": "second", "c": None}
        # A column in which no method has an interval is marked as it is.
        assert self.marks(small(method("a", ned=0.1), method("b", ned=0.2)))["a"] == "best"

    def test_nothing_to_mark(self) -> None:
        assert self.marks(small(method("a", ned=1))) == {"a": None}
        assert self.marks(small(method("a", ned=1), method("b", ned=1))) == {"a": None, "b": None}
        frames = small(method("a", frames=1), method("b", frames=3), columns=(FRAMES,))
        assert self.marks(frames) == {"a": None, "b": None}


@pytest.mark.parametrize("suffix", [*RENDERERS, ".txt"])
def test_what_must_be_known_of_a_value_and_what_is_absent_is_said(suffix: str) -> None:
    noted = cell(0.25, 0.1, 0.4, "a").model_copy(update={"note": "its own text", "n": 2})
    rows = (
        Row(name="few", cells={"ned": noted}),
        Row(name="none", cells={"ned": Cell(unavailable="none believed")}),
        Row(name="many", cells={"ned": cell(0.5, 0.4, 0.6)}),
    )
    why = "it is not known from where"
    absent = (Absent(key="aurc", title="AURC", reason=why), Absent(key="ece", title="ECE", reason=why))
    table = small(*rows).model_copy(update={"absent": absent})
    assert table.footnotes() == ["its own text", "none believed"]
    assert table.legend()[-1] == f"No AURC and ECE: {why}."
    text = terminal(table) if suffix == ".txt" else RENDERERS[suffix](table)
    assert "its own text" in text and "n = 2" in text and "none believed" in text and why in text
    shown = {
        ".md": "**0.250**<sup>a 1</sup> [0.100, 0.400], n = 2",
        ".tex": r"\textbf{0.250}\textsuperscript{a 1}",
        ".html": '</span>a <a href="#note-1" aria-label="note 1">1</a></sup>',
        ".csv": f"few,method,,0.25,0.1,0.4,a,aurc: {why}; ece: {why},ned: its own text; ned: n = 2",
        ".txt": "0.250 a (1)",
    }
    assert shown[suffix] in text


class TestModel:
    def test_sorted_by_decides_ties_as_shown_by_the_next_column_then_by_name(self) -> None:
        rows = (
            Row(name="input", kind="bound", cells={}),
            method("none"),
            method("z", ned=0.1, psnr=20),
            method("b", ned=0.1001, psnr=30),
            method("a", ned=0.1, psnr=20),
            method("worst", ned=0.5, psnr=40),
        )
        table = small(*rows, columns=(NED, PSNR)).sorted_by("ned", "psnr")
        assert [row.name for row in table.rows] == ["b", "a", "z", "worst", "none", "input"]

    def test_numbers(self) -> None:
        assert NED.format(-0.0001) == "0.000"
        assert NED.format(-0.0006) == "-0.001"
        assert FRAMES.format(92174337.0) == "92174337"
        assert PSNR.heading == "PSNR (dB) ↑"

    def test_methods_alone_have_no_section_title(self) -> None:
        assert [section.title for section in small(method("a", ned=1)).sections()] == [""]

    def test_legend_explains_only_what_is_there(self) -> None:
        assert small(method("a", ned=1)).legend() == []
        assert small(method("a", ned=1)).caption() == "Protocol mdlp-v2, dataset d: 4 samples, 1 plate."

    @pytest.mark.parametrize(
        "build",
        [
            lambda: Cell(value=1, low=0),
            lambda: Cell(low=0, high=1),
            lambda: Cell(value=1, unavailable="why"),
            lambda: Cell(note="why"),
            lambda: Cell(value=float("nan")),
            lambda: small(method("a", acc=1)),
            lambda: small(columns=(NED, NED)),
            lambda: small(columns=()),
        ],
    )
    def test_contradictions_are_refused(self, build: object) -> None:
        with pytest.raises(ValidationError):
            build()


text = st.text(max_size=30)


_COMMANDS = {
    r"\textbackslash{}": "\\",
    r"\textasciitilde{}": "~",
    r"\textasciicircum{}": "^",
    r"\textless{}": "<",
    r"\textgreater{}": ">",
    r"\textbar{}": "|",
    r"\textasciigrave{}": "`",
    r"$\uparrow$": "↑",
    r"$\downarrow$": "↓",
    r"$\alpha$": "α",
    r"$\pm$": "±",
    "{''}": '"',
    "{[}": "[",
    "{]}": "]",
    "{*}": "*",
    "-{}": "-",
    "--": "–",
    **{f"\\{c}": c for c in "{}$&#%_"},
}
_TOKENS = re.compile("|".join(re.escape(key) for key in _COMMANDS) + r"|[^\\{}$&#%_~^\[\]*\"`<>|]", re.DOTALL)


class TestLatex:
    @given(text)
    def test_escaped_text_reads_back(self, value: str) -> None:
        """Every piece is a known command or a harmless character, and together they are the text."""
        escaped = escape_latex(value)
        pieces = _TOKENS.findall(escaped)
        assert "".join(pieces) == escaped
        visible = "".join(c for c in " ".join(value.split()) if not ("\0" <= c < " " or "\x7f" <= c < "\xa0"))
        assert "".join(_COMMANDS.get(piece, piece) for piece in pieces) == visible

    @given(text, text, text)
    def test_table_stays_well_formed(self, name: str, note: str, title: str) -> None:
        column = NED.model_copy(update={"title": title})
        row = Row(name=name, note=note, cells={"ned": cell(0.5, 0.4, 0.6, "a")})
        source = to_latex(
            small(row, Row(name=name, kind="bound", cells={"ned": Cell(unavailable=note)}), columns=(column,))
        )
        bare = re.sub(r"\\[\\{}$&#%_]", "", source)
        depth = 0
        for character in bare:
            depth += (character == "{") - (character == "}")
            assert depth >= 0
        assert depth == 0
        assert bare.count("$") % 2 == 0
        assert not re.search(r"\\\\\s*[\[*]", source)
        body = source[source.index(r"\toprule") : source.index(r"\bottomrule")]
        rows = [line for line in body.split("\n") if line.endswith(r"\\") and r"\multicolumn" not in line]
        assert rows
        assert all(len(re.findall(r"(?<!\\)&", line)) == 1 for line in rows)

    def test_chinese_is_kept_and_the_engine_named(self, table: ScoreTable) -> None:
        source = to_latex(table)
        assert "均值" in source
        assert "XeLaTeX" in source
        assert "XeLaTeX" not in to_latex(small(method("a", ned=1)))

    @staticmethod
    def wide(count: int) -> ScoreTable:
        columns = tuple(
            Column(key=f"m{i}", title=f"NED, reader {i}", higher_is_better=False, decimals=3)
            for i in range(count)
        )
        cells = {column.key: cell(0.5, 0.4, 0.6, "ab") for column in columns}
        cells[f"m{count - 1}"] = Cell(unavailable="the weights of 100 % of the readers are missing")
        names = ("A network with a long title (3.1 M, rendered plates)", "bicubic_[x4] & 50 % ~ #1")
        return small(*(Row(name=name, note="one seed", cells=cells) for name in names), columns=columns)

    def test_many_columns_continue_in_further_floats(self) -> None:
        source = to_latex(self.wide(19))
        assert source.count(r"\begin{table*}") == source.count(r"\end{table*}") == 3
        assert [source.count(rf"\label{{tab:scores{part}}}") for part in ("", "-2", "-3")] == [1, 1, 1]
        assert [source.count(f"reader {i} ") for i in range(19)] == [1] * 19
        assert source.count("weights of 100") == 1

    @pytest.mark.parametrize("count", [1, 6, 8, 19])
    def test_compiles_within_the_page(self, count: int, tmp_path: Path) -> None:
        if not (shutil.which("pdflatex") and shutil.which("kpsewhich")):
            pytest.skip("no pdflatex here")
        if subprocess.run(["kpsewhich", "adjustbox.sty"], capture_output=True, check=False).returncode:
            pytest.skip("this LaTeX has no adjustbox")
        (tmp_path / "scores.tex").write_text(to_latex(self.wide(count)), encoding="utf-8")
        (tmp_path / "paper.tex").write_text(
            r"\documentclass[twocolumn]{article}\usepackage{booktabs,adjustbox}\begin{document}"
            r"\input{scores}\end{document}"
        )
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
        assert "Overfull" not in done.stdout


class TestMarkdown:
    parser = MarkdownIt("commonmark").enable("table")

    def cells(self, source: str) -> list[str]:
        tokens = self.parser.parse(source)
        inside = [tokens[i + 1] for i, token in enumerate(tokens) if token.type in ("td_open", "th_open")]
        return ["".join(child.content for child in token.children) for token in inside]

    @given(text)
    def test_names_read_back_and_columns_stay(self, name: str) -> None:
        cells = self.cells(to_markdown(small(method(name, ned=0.5))))
        assert len(cells) == 4
        assert cells[2].replace("\0", "\ufffd") == " ".join(name.split()).replace("\0", "\ufffd")

    def test_marks(self, table: ScoreTable) -> None:
        cells = self.cells(to_markdown(table))
        assert cells[0:5] == ["Method", "PSNR (dB) ↑", "LPIPS ↓", "NED ↓", "Frames"]
        assert "**0.198**<sup>a</sup> [0.180, 0.210]" in to_markdown(table)
        assert "<ins>0.613</ins><sup>b</sup>" in to_markdown(table)

    def test_escape_keeps_plain_text(self) -> None:
        assert escape_markdown("frame-mean 京A12345") == "frame-mean 京A12345"


class _Page(HTMLParser):
    """Collects the text of header cells and checks that elements close in order."""

    void = frozenset({"meta", "br", "link", "wbr"})

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.heads: list[tuple[str | None, str]] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found[key] for key in ("href", "src") if key in found]
        if tag == "th":
            self.heads.append((found.get("scope"), ""))
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "th" in self.open and "small" not in self.open:
            scope, before = self.heads[-1]
            self.heads[-1] = (scope, before + data)


class TestHtml:
    def test_structure(self, table: ScoreTable) -> None:
        page = _Page(to_html(table))
        assert page.open == []
        scopes = [scope for scope, _ in page.heads]
        assert (scopes.count("col"), scopes.count("row"), scopes.count("rowgroup")) == (5, 6, 3)
        assert page.links == ["#note-1", "#note-1"]
        assert len(page.ids) == len(set(page.ids))
        assert {"scores", "note-1"} == set(page.ids)

    @given(text)
    def test_names_read_back(self, name: str) -> None:
        page = _Page(to_html(small(method(name, ned=0.5))))
        assert page.open == []
        shown = page.heads[-1][1].replace("\r", "\n")
        assert shown == name.replace("\r", "\n")

    @pytest.mark.parametrize("intervals", get_args(Intervals))
    @pytest.mark.parametrize("count", [7, 8, 16])
    def test_the_columns_fit_1280_pixels(
        self, count: int, intervals: str, tmp_path: Path, browser: Any
    ) -> None:
        columns = tuple(
            NED.model_copy(update={"key": f"k{n}", "title": f"LPIPS (net {n})"}) for n in range(count)
        )
        cells = {column.key: cell(0.123, 0.101, 0.145, "abcdef") for column in columns}
        rows = (Row(name="Real-ESRGAN (trained on plates)", cells=cells), Row(name="SRCNN", cells=cells))
        wide = small(*rows, columns=columns).model_copy(update={"show_intervals": intervals})
        write_table(wide, tmp_path / "t.html")
        browser.get((tmp_path / "t.html").as_uri())
        box = browser.find_element("css selector", ".scroll")
        assert browser.execute_script("return arguments[0].scrollWidth - arguments[0].clientWidth", box) <= 0

    def test_a_heading_sorts_each_section_better_rows_first_and_empty_cells_last(
        self, table: ScoreTable, tmp_path: Path, browser: Any
    ) -> None:
        write_table(table, tmp_path / "t.html")
        browser.get((tmp_path / "t.html").as_uri())

        def names() -> list[str]:
            return [
                head.get_attribute("data-value")
                for head in browser.find_elements("css selector", "tbody th[scope=row]")
            ]

        psnr = browser.find_elements("css selector", "thead button")[1]
        psnr.click()
        assert names() == ["lp-diff", "均值_mean [v2]", "bicubic", "srcnn", "ground-truth", "LP-Diff"]
        psnr.click()
        assert names() == ["bicubic", "lp-diff", "均值_mean [v2]", "srcnn", "ground-truth", "LP-Diff"]
        assert psnr.find_element("xpath", "..").get_attribute("aria-sort") == "ascending"


class TestCsv:
    def test_full_precision_and_reasons(self, table: ScoreTable) -> None:
        rows = {row["method"]: row for row in csv.DictReader(io.StringIO(to_csv(table)))}
        assert float(rows["均值_mean [v2]"]["ned"]) == 0.6131
        assert (rows["lp-diff"]["ned_low"], rows["lp-diff"]["ned_high"]) == ("0.18", "0.21")
        assert rows["lp-diff"]["ned_group"] == "a"
        assert rows["srcnn"]["psnr"] == ""
        assert rows["srcnn"]["unavailable"].startswith("lpips: LPIPS: alex.pth")
        assert rows["LP-Diff"]["kind"] == "published"

    @given(text.filter(lambda value: "\0" not in value))
    def test_names_read_back(self, name: str) -> None:
        rows = list(csv.reader(io.StringIO(to_csv(small(method(name, ned=0.5))), newline="")))
        assert rows[1][0] == " ".join(name.split())


def test_terminal_shows_markup_literally() -> None:
    assert "[red]x[/red]" in terminal(small(method("[red]x[/red]", ned=0.5)))


def test_write_table_by_suffix(tmp_path: Path, table: ScoreTable) -> None:
    for suffix, render in RENDERERS.items():
        write_table(table, tmp_path / f"t{suffix}")
        assert (tmp_path / f"t{suffix}").read_text(encoding="utf-8") == render(table)
    with pytest.raises(MdlpBenchError, match=r"t\.xlsx: no table format"):
        write_table(table, tmp_path / "t.xlsx")
