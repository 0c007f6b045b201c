from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mdlp_bench.cli.main import app
from mdlp_bench.data.samples import Samples
from mdlp_bench.gap.report_model import GapReport
from mdlp_bench.synth.build import synthesise_rendered
from mdlp_bench.synth.degrade import load_recipe
from tests.conftest import sample_row


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real") / "footage"
    synthesise_rendered(load_recipe("surveillance"), 8, folder, seed=5)
    return folder


def test_the_group_alone_is_the_study_and_writes_a_self_contained_report(real: Path, tmp_path: Path) -> None:
    out = tmp_path / "gap"
    arguments = ["--real", str(real), "--synthetic", "render@gaussian", "--samples", "10", "--reader", "none"]
    done = CliRunner().invoke(app, ["gap", *arguments, "-o", str(out), "--json"])
    assert done.exit_code == 0, done.output
    report = GapReport.model_validate(json.loads((out / "gap.json").read_text(encoding="utf-8")))
    assert GapReport.model_validate_json(done.stdout) == report
    (gap,) = report.study.gaps
    assert gap.name == "render-gaussian" and gap.differing(0.05)
    html = (out / "report.html").read_text(encoding="utf-8")
    assert not re.findall(r'(?:src|href)="(?!data:|#)', html)
    assert html.count("data:image/png") == 3
    text = (out / "report.md").read_text(encoding="utf-8")
    assert "plates are few" in text and "| noise level |" in text
    for name in re.findall(r"\(figures/(\w+\.png)\)", text):
        assert (out / "figures" / name).is_file()


def test_a_spec_that_cannot_be_is_refused(real: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(
        app, ["gap", "study", "--real", str(real), "--synthetic", "render", "-o", str(tmp_path / "x")]
    )
    assert "render@surveillance" in str(done.exception)
    assert not (tmp_path / "x").exists()


def test_texts_that_the_reader_cannot_know_are_told_and_auto_chooses_one_that_can(
    make_samples: Callable[..., Samples], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    texts = [f"ABC{n}D{n}3" for n in range(10)]
    make_samples(rows=[sample_row(i, text=text, plate_id=text, layout=None) for i, text in enumerate(texts)])
    latin = str(tmp_path / "tiny")
    for reader, sets_told, chosen in (("crnn-3", 2, "crnn-3"), ("auto", 0, "crnn-latin")):
        out = tmp_path / reader
        with caplog.at_level(logging.WARNING):
            arguments = [
                "--real",
                latin,
                "--synthetic",
                f"{latin}@bicubic",
                "--reader",
                reader,
                "-o",
                str(out),
            ]
            done = CliRunner().invoke(app, ["gap", *arguments])
        assert done.exit_code == 0, done.output
        assert caplog.text.count("all texts are none of these") == sets_told
        report = GapReport.model_validate_json((out / "gap.json").read_text(encoding="utf-8"))
        assert report.study.settings.reader == chosen
        caplog.clear()


def test_an_unknown_reader_is_refused_before_sets_are_made(real: Path, tmp_path: Path) -> None:
    arguments = ["--real", str(real), "--synthetic", "render@gaussian", "--reader", "crnn-7"]
    done = CliRunner().invoke(app, ["gap", *arguments, "-o", str(tmp_path / "x")])
    assert "crnn-7" in str(done.exception) and not (tmp_path / "x").exists()


def test_a_transfer_without_a_reader_is_refused(real: Path, tmp_path: Path) -> None:
    arguments = ["--synthetic", "render@gaussian", "--methods", "bicubic", "--reader", "none"]
    done = CliRunner().invoke(app, ["gap", "--real", str(real), *arguments, "-o", str(tmp_path / "x")])
    assert "needs a --reader" in str(done.exception) and not (tmp_path / "x").exists()


def test_a_transfer_of_fixed_methods_is_part_of_the_report(tmp_path: Path) -> None:
    for name, seed in (("footage", 5), ("made", 6)):
        synthesise_rendered(load_recipe("gaussian"), 14, tmp_path / name, seed=seed)
    given = ["--real", str(tmp_path / "footage"), "--synthetic", str(tmp_path / "made"), "--lpips", "none"]
    out = tmp_path / "gap"
    done = CliRunner().invoke(app, ["gap", *given, "--methods", "bicubic,input,frame-mean", "-o", str(out)])
    assert done.exit_code == 0, done.output
    report = GapReport.model_validate(json.loads((out / "gap.json").read_text(encoding="utf-8")))
    assert report.transfer is not None and len(report.transfer.cells) == 6
    (agreement,) = report.transfer.agreements
    assert set(agreement.real_order) == {"bicubic", "input", "frame-mean"}
    assert [gap.classifier is not None for gap in report.study.gaps] == [True]
    headings = re.findall(r"^## (.+)$", (out / "report.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert headings[-3:] == ["What it costs", "Do ranks carry over", "What this cannot tell"]


def test_a_fit_is_asked_for_a_yaml_file_and_says_what_it_gained(tmp_path: Path) -> None:
    synthesise_rendered(load_recipe("motion"), 10, tmp_path / "real", seed=5)
    arguments = ["gap", "fit", "--real", str(tmp_path / "real"), "--recipe", "gaussian", "--reader", "none"]
    done = CliRunner().invoke(app, [*arguments, "-o", str(tmp_path / "fitted")])
    assert "name one" in str(done.exception)
    done = CliRunner().invoke(app, [*arguments, "--trials", "1", "-o", str(tmp_path / "fitted.yaml")])
    assert done.exit_code == 0, done.output
    assert "| mean standardised distance |" in done.output
    assert load_recipe(tmp_path / "fitted.yaml").name == "gaussian-fitted"
