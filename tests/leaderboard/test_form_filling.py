"""Filling in a submission's form: by options, as a file, by answers on a pipe; faults in the form's words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

import mdlp_bench as mb
from mdlp_bench.cli.leaderboard import app
from mdlp_bench.data.samples import Samples
from mdlp_bench.leaderboard.submission.form import Submission

ANSWERS = {
    "authors": "A. Author, B. Author",
    "contact": "a@example.org",
    "uses_synthetic": "no",
    "extra_data": "no",
    "hardware": "one core",
    "test_set_not_trained_on": "yes",
}
KNOWN = ("method", "version", "license", "training_data", "frames_used", "n_parameters")
REST = (
    "paper_url",
    "code_url",
    "follows",
    "teacher",
    "deterministic",
    "seed",
    "runtime_per_image_s",
    "device",
)


@pytest.fixture
def predictions(make_samples: Callable[..., Samples], tmp_path: Path) -> Path:
    return mb.predict("bicubic", make_samples(3), tmp_path / "preds").folder


def options(**changes: str) -> list[str]:
    return [part for field, answer in (ANSWERS | changes).items() for part in ("--set", f"{field}={answer}")]


def test_every_answer_by_option(predictions: Path, tmp_path: Path) -> None:
    command = ["pack", str(predictions), "--init", "-o", str(tmp_path / "a.zip"), *options()]
    done = CliRunner().invoke(app, command, input="\n" * 14)
    assert done.exit_code == 0, done.output
    form = Submission.model_validate(yaml.safe_load((predictions / "submission.yaml").read_text("utf-8")))
    assert form.authors == ["A. Author", "B. Author"] and form.method == "Bicubic"


def test_a_template_to_fill_in_is_then_packed(predictions: Path, tmp_path: Path) -> None:
    form = tmp_path / "form.yaml"
    done = CliRunner().invoke(app, ["pack", str(predictions), "--template", str(form)])
    assert done.exit_code == 0 and "leaderboard pack" in done.output
    text = form.read_text(encoding="utf-8")
    fields = yaml.safe_load(text)
    assert fields["method"] == "Bicubic" and fields["authors"] is None
    assert {*ANSWERS, *KNOWN, *REST} <= fields.keys()
    refused = CliRunner().invoke(app, ["pack", str(predictions), "--form", str(form), "-o", "x.zip"])
    assert refused.exit_code != 0 and "authors" in str(refused.exception)
    for field, answer in {**ANSWERS, "authors": "[A. Author]"}.items():
        text = text.replace(f"\n{field}:\n", f"\n{field}: {answer}\n")
    form.write_text(text, encoding="utf-8")
    command = ["pack", str(predictions), "--form", str(form), "-o", str(tmp_path / "x.zip")]
    assert CliRunner().invoke(app, command, catch_exceptions=False).exit_code == 0


def test_a_folder_that_is_not_there_gets_no_template(tmp_path: Path) -> None:
    form = tmp_path / "form.yaml"
    done = CliRunner().invoke(app, ["pack", str(tmp_path / "none"), "--template", str(form)])
    assert "no such folder" in str(done.exception) and not form.exists()


def test_piped_input_that_ends_is_one_line_and_no_wait(predictions: Path, tmp_path: Path) -> None:
    command = ["pack", str(predictions), "--init", "-o", str(tmp_path / "a.zip")]
    done = CliRunner().invoke(app, command, input="Mine\n")
    assert "version" in str(done.exception) and "--template form.yaml" in str(done.exception)


@pytest.mark.parametrize(
    ("field", "answer", "words"),
    [
        ("frames_used", "three", "'three' is not a whole number"),
        ("runtime_per_image_s", "fast", "'fast' is not a number"),
        ("device", "tpu", "must be 'cpu', 'gpu' or 'other'"),
        ("method", "!", "use letters, digits"),
        ("authors", "", "give at least one"),
        ("seed", "-1", "must be at least 0"),
        ("test_set_not_trained_on", "no", "must be True"),
        ("licence", "MIT", "did you mean 'license'"),
    ],
)
def test_faults_are_told_in_the_forms_words(
    predictions: Path, tmp_path: Path, field: str, answer: str, words: str
) -> None:
    command = ["pack", str(predictions), "--init", "-o", str(tmp_path / "a.zip"), *options(**{field: answer})]
    done = CliRunner().invoke(app, command)
    assert words in str(done.exception)
