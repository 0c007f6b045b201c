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
from mdlp_bench.harness.tables import RENDERERS, to_markdown
from mdlp_bench.images import ImageU8
from mdlp_bench.metrics.base import METRICS
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
    every = keys(runs, columns=["all"])
    measured = {key for run in runs for key, found in run.summary.items() if found.mean is not None}
    costs = {"ms_per_image", "parameters", "macs", "peak_memory"}
    assert set(every) - costs == measured
    assert {"risk_100", "aurc_mean", "ned_gt", "acc_alnum", "cer_alnum", "within_1", "registered"} & measured
    assert every == [name for name in METRICS if name in every]


class Threshold(Brightness):
    descriptor = Brightness.descriptor.model_copy(
        update={"name": "threshold", "title": "Threshold", "believed_from": 0.4}
    )


class Second(Threshold):
    descriptor = Threshold.descriptor.model_copy(update={"name": "second", "title": "Second"})


def scored(
    samples: Samples, folder: Path, *readers: Reader, names: Sequence[str] = ("bicubic",)
) -> list[Run]:
    found = [predict(name, samples, folder / "p" / name) for name in names]
    return score(found, samples, [folder / "r" / name for name in names], ScoringPlan(readers, ()))


def test_all_columns_have_the_confident_errors_of_every_reader_with_a_threshold(
    make_samples: Callable[..., Samples], tmp_path: Path
) -> None:
    samples = make_samples(rows=[sample_row(n) for n in range(6)])
    runs = scored(samples, tmp_path, Threshold(), Second(), Brightness(), names=("bicubic", "input"))
    every = keys(runs, columns=["all"])
    at = every.index("hallucination")
    assert every[at : at + 2] == ["hallucination", "hallucination@second"]
    assert "wrong_if_believed@second" in every
    assert "hallucination@brightness" not in every and "ned@brightness" in every
    panel = ["ned", "acc", "ned@second", "acc@second", "ned@brightness", "acc@brightness"]
    assert keys(runs)[:7] == [*panel, "hallucination"]
    full = compare(runs).full_table
    (sentence,) = [one for one in full.legend() if "mdlp-bench calibrate" in one]
    assert sentence.startswith(
        "No Hallucination, Brightness and P(wrong | believed), Brightness: it is not known from which"
    )


WITHOUT_THRESHOLD = "from which confidence brightness errs at most once in a hundred"


def test_a_reader_without_a_threshold_is_told_in_place_of_its_columns(
    runs: list[Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    comparison = compare(runs)
    shown = "No Hallucination and P(wrong | believed): it is not known " + WITHOUT_THRESHOLD
    assert [one for one in comparison.table.legend() if one.startswith("No Hall")] == [
        f"{shown} (see mdlp-bench calibrate)."
    ]
    for suffix in RENDERERS:
        comparison.write_table(tmp_path / f"table{suffix}")
        comparison.write_supplement(tmp_path / f"supplement{suffix}")
        for name in ("table", "supplement"):
            assert WITHOUT_THRESHOLD in (tmp_path / f"{name}{suffix}").read_text(encoding="utf-8"), suffix
    comparison.print()
    assert WITHOUT_THRESHOLD in " ".join(capsys.readouterr().out.split())
    # Whoever names the columns has not missed any.
    assert not compare(runs, TableOptions(["ned"])).table.absent
    with pytest.raises(RunError, match=f"hallucination: no run has a value .*{WITHOUT_THRESHOLD}"):
        keys(runs, columns=["hallucination"])


def test_without_texts_no_column_of_readings_is_missed(
    make_samples: Callable[..., Samples], tmp_path: Path
) -> None:
    textless = make_samples(rows=[sample_row(n) | {"text": None, "text_origin": None} for n in range(3)])
    found = predict("bicubic", textless, tmp_path / "p")
    (run,) = score([found], textless, [tmp_path / "r"], ScoringPlan((Brightness(),), (FidelityScorer(),)))
    assert compare([run]).table.absent == compare([run]).full_table.absent == ()


def test_few_believed_readings_are_counted_and_without_an_interval_never_the_best(
    make_samples: Callable[..., Samples], tmp_path: Path
) -> None:
    class Seldom(Threshold):
        """Believes its readings of the first images that it is shown, a number for each method in turn."""

        def __init__(self, *counts: int) -> None:
            self.counts = list(counts)

        def read(self, images: Sequence[ImageU8]) -> list[Reading]:
            if len(images) != 24:  # the frames
                return [Reading("")] * len(images)
            count = self.counts.pop(0)
            return [Reading("京A10000", (0.99 if n < count else 0.5,) * 7) for n in range(24)]

    samples = make_samples(rows=[sample_row(n, text=f"京A{10000 + n % 3}") for n in range(24)])
    # The ground truths are read first.
    names = ("bicubic", "lanczos", "frame-mean")
    runs = scored(samples, tmp_path, Seldom(24, 1, 8, 24), names=names)
    single, few, all_of_them = (run.summary["wrong_if_believed"] for run in runs)
    assert (single.n, single.mean, single.low) == (1, 0.0, None) and few.low is not None
    table = compare(runs, TableOptions(["wrong_if_believed"], sort="given")).table
    cells = [row.cells[0] for section in table.sections()[:1] for row in section.rows]
    assert few.mean < all_of_them.mean
    assert [cell.mark for cell in cells] == [None, "best", "second"]
    assert cells[0].interval == "n = 1" and cells[1].interval.endswith("], n = 8")
    assert cells[2].interval.endswith("]")
    assert "n is the number of samples that a value rests on, where it is small." in table.legend()


def test_the_legend_says_which_intervals_are_no_bca(runs: list[Run]) -> None:
    (usual,) = [one for one in compare(runs).table.legend() if one.startswith("In brackets")]
    assert "AURC" not in usual and "KRD" not in usual
    for run in runs:
        found = run.summary["psnr"].model_copy(update={"low": 0.0, "high": 1.0})
        run.summary |= dict.fromkeys(("krd", "aurc", "aurc_mean"), found)
    (full,) = [one for one in compare(runs).full_table.legend() if one.startswith("In brackets")]
    assert full.startswith(usual.removesuffix("."))
    assert "AURC, AURC (mean): percentiles of the same resamples" in full
    assert "KRD: normal, from the standard error" in full
    assert "AURC" not in compare(runs, TableOptions(["krd"])).table.intervals


def test_where_there_is_no_terminal_nothing_is_left_out(
    runs: list[Run], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    comparison = compare(runs, TableOptions(["all"]))
    comparison.print()
    piped = capsys.readouterr().out
    assert "Left out" not in piped and "…" not in piped
    for column in comparison.table.columns:
        assert column.heading.partition(" (")[0].strip("↑↓ ") in piped
    (column,) = [column for column in comparison.table.columns if column.key == "acc"]
    low = column.format(comparison.table.rows[0].cells["acc"].low or 0)
    assert f"[{low}, " in piped
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    comparison.print()
    assert "Left out for lack of width: intervals, " in capsys.readouterr().out


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
    assert [table.rows[0].cells[key].note for key in ("risk_100", "risk_50", "risk_20")] == ["", told, told]
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
    assert done.exit_code == 0 and json.loads(done.stdout)["protocol"] == "mdlp-v3"
    comparison = mb.compare(
        runs, columns=["psnr", "ned"], intervals="plus-minus", decimals=2, bounds=False, published="mdlp"
    )
    comparison.write_table(tmp_path / "b.tex")
    assert (tmp_path / "a.tex").read_bytes() == (tmp_path / "b.tex").read_bytes()
    assert "ned_alnum" in (tmp_path / "s.csv").read_text(encoding="utf-8")
