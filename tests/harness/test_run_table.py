"""The table of compared runs as users choose it: columns, order, digits, bounds, published rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

import mdlp_bench as mb
from mdlp_bench.cli.main import app
from mdlp_bench.data.samples import Samples
from mdlp_bench.errors import MdlpBenchError, RunError
from mdlp_bench.harness.compare import compare
from mdlp_bench.harness.plan import ScoringPlan
from mdlp_bench.harness.predict import predict
from mdlp_bench.harness.published import published_rows
from mdlp_bench.harness.run import Run
from mdlp_bench.harness.run_table import TableOptions, parse_decimals
from mdlp_bench.harness.score import score
from mdlp_bench.harness.scorers import FidelityScorer
from mdlp_bench.harness.tables import to_markdown
from mdlp_bench.images import ImageU8
from mdlp_bench.readers.base import Reader, ReaderDescriptor, Reading
from tests.conftest import sample_row

LOCAL = "LPIPS (alex) needs https://example.org/alex.pth (download failed: 403); save it as /home/me/alex.pth"


class Brightness(Reader):
    descriptor = ReaderDescriptor(
        name="brightness", version="1", title="Brightness", weights_sha256=None, licence="none"
    )

    def read(self, images: Sequence[ImageU8]) -> list[Reading]:
        return [Reading(f"京A{int(image.mean()):05d}", (0.9,) * 7) for image in images]


@pytest.fixture
def runs(make_samples: Callable[..., Samples], tmp_path: Path) -> list[Run]:
    samples = make_samples(rows=[sample_row(n) for n in range(6)])
    plan = ScoringPlan((Brightness(),), (FidelityScorer(),), {"lpips": LOCAL})
    names = ("bicubic", "frame-mean", "ground-truth", "input")
    found = [predict(name, samples, tmp_path / "p" / name) for name in names]
    return score(found, samples, [tmp_path / "runs" / name for name in names], plan)


def keys(runs: list[Run], **options: object) -> list[str]:
    return [column.key for column in compare(runs, TableOptions(**options)).table.columns]


def test_the_default_is_compact_with_ned_first_and_no_column_without_values(runs: list[Run]) -> None:
    assert keys(runs) == ["ned", "acc", "psnr", "ssim"]
    assert keys(runs, columns=["all"])[:3] == ["ned", "ned_alnum", "acc"]


def test_columns_are_found_by_name_or_title_and_keep_the_order_given(runs: list[Run]) -> None:
    assert keys(runs, columns=["psnr", "NED (A-Z 0-9)", " Acc"]) == ["psnr", "ned_alnum", "acc"]
    with pytest.raises(RunError, match=r"no column 'psnrr' \(did you mean 'psnr'\?\)"):
        keys(runs, columns=["psnrr"])
    with pytest.raises(RunError, match=r"lpips: no run has a value \(LPIPS \(alex\) needs"):
        keys(runs, columns=["lpips"])


def test_lpips_is_the_net_that_the_runs_have(runs: list[Run]) -> None:
    for run in runs:
        run.summary["lpips_squeeze"] = run.summary["psnr"].model_copy(update={"mean": 0.25})
    assert keys(runs, columns=["lpips"]) == ["lpips_squeeze"]
    assert "lpips_squeeze" in keys(runs)


def test_rows_are_in_the_order_asked_for(runs: list[Run]) -> None:
    def names(**options: object) -> list[str]:
        table = compare(runs, TableOptions(**options)).table
        return [row.name for row in table.rows if row.kind == "method"]

    assert names(sort="given") == ["Bicubic", "Frame mean"]
    by_psnr = sorted(runs[:2], key=lambda run: -run.summary["psnr"].mean)
    assert names(sort="psnr", columns=["ned"]) == [run.record.method.title for run in by_psnr]


def test_bounds_digits_title_and_published_rows(runs: list[Run]) -> None:
    options = TableOptions(
        ["ned", "psnr"], bounds=False, decimals={"psnr": 0}, published=published_rows("mdlp"), title="Mine"
    )
    table = compare(runs, options).table
    assert [section.kind for section in table.sections()] == ["method", "published"]
    assert [column.decimals for column in table.columns] == [3, 0]
    assert table.caption() == "Mine."
    quoted = [row for row in table.rows if row.kind == "published"]
    assert quoted[-1].name == "LP-Diff" and set(quoted[-1].cells) == {"ned", "psnr"}


def test_footnotes_name_no_local_path_and_no_download(runs: list[Run]) -> None:
    given = runs[1].summary["psnr"].model_copy(update={"mean": 0.5})
    runs[1].summary["lpips"] = given
    (footnote,) = compare(runs, TableOptions(["lpips"])).table.footnotes()
    assert footnote == "not computed: the network's weights were not at hand when the run was scored"


def test_a_threshold_that_accepts_more_than_its_column_says_has_a_footnote(runs: list[Run]) -> None:
    """All readings are equally sure: the surest fifth is all of them."""
    table = compare(runs, TableOptions(["risk_100", "risk_50", "risk_20"])).table
    told = "100% of the readings are accepted, because as many are equally sure"
    assert table.footnotes() == [told]
    assert [table.rows[0].cells[key].remark for key in ("risk_100", "risk_50", "risk_20")] == [
        None,
        told,
        told,
    ]
    assert "1.000<sup>1</sup> [" in to_markdown(table)
    for run in runs:
        entry = run.summary["risk_20"]
        run.summary["risk_20"] = entry.model_copy(update={"n": 3})  # one more than a fifth of six
    assert compare(runs, TableOptions(["risk_20"])).table.footnotes() == []


def test_intervals_of_few_plates_are_said_to_be_short(
    make_samples: Callable[..., Samples], tmp_path: Path
) -> None:
    plan = ScoringPlan((Brightness(),), (FidelityScorer(),))
    for n, is_said in ((8, False), (10, True), (28, True), (30, False)):  # two samples per plate
        samples = make_samples(rows=[sample_row(i) for i in range(n)], name=f"of-{n}")
        found = predict("bicubic", samples, tmp_path / f"p{n}")
        table = compare(score([found], samples, [tmp_path / f"r{n}"], plan)).table
        assert any("are too short" in sentence for sentence in table.legend()) is is_said, n


def test_published_rows_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "theirs.csv"
    path.write_text("method,ned,psnr,note\nTheirs,0.25,,ECCV 2024\n", encoding="utf-8")
    (row,) = published_rows(path)
    assert (row.name, row.note, row.cells.keys()) == ("Theirs", "ECCV 2024", {"ned"})
    path.write_text("method,nedd\nTheirs,0.25\n", encoding="utf-8")
    with pytest.raises(MdlpBenchError, match=r"theirs\.csv: no metric 'nedd' \(did you mean 'ned'\?\)"):
        published_rows(path)
    path.write_text("method,ned\nTheirs,good\n", encoding="utf-8")
    with pytest.raises(MdlpBenchError, match=r"theirs\.csv, line 2"):
        published_rows(path)
    with pytest.raises(MdlpBenchError, match="did you mean 'mdlp'"):
        published_rows("mdpl")


def test_digits() -> None:
    assert parse_decimals("2") == 2 and parse_decimals("ned=2, psnr=1") == {"ned": 2, "psnr": 1}
    for wrong in ("many", "ned=x", "-1", "ned=99"):
        with pytest.raises(RunError, match="digits"):
            parse_decimals(wrong)


def test_python_and_command_line_write_the_same_table(runs: list[Run], tmp_path: Path) -> None:
    options = ["--columns", "psnr,ned", "--intervals", "plus-minus", "--digits", "2", "--no-bounds"]
    options += ["--published", "mdlp", "-o", str(tmp_path / "a.tex"), "--supplement", str(tmp_path / "s.csv")]
    folders = [str(run.folder) for run in runs]
    done = CliRunner().invoke(app, ["compare", *folders, *options, "--json"], catch_exceptions=False)
    assert done.exit_code == 0 and json.loads(done.stdout)["protocol"] == "mdlp-v2"
    comparison = mb.compare(
        runs, columns=["psnr", "ned"], intervals="plus-minus", decimals=2, bounds=False, published="mdlp"
    )
    comparison.write_table(tmp_path / "b.tex")
    assert (tmp_path / "a.tex").read_bytes() == (tmp_path / "b.tex").read_bytes()
    assert "ned_alnum" in (tmp_path / "s.csv").read_text(encoding="utf-8")
