from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mdlp_bench.cli.main import app
from mdlp_bench.data.synth import synthesise_rendered
from mdlp_bench.degrade import load_recipe
from mdlp_bench.gap.model import GapReport


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
