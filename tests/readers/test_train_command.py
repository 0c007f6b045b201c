"""`mdlp-bench train reader` end to end on a handful of plates."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from mdlp_bench.cli.train_reader import train_reader_command
from mdlp_bench.errors import DataError
from mdlp_bench.readers.crnn import CrnnReader
from mdlp_bench.readers.rectifying import RectifyingReader
from mdlp_bench.readers.registry import load_reader

_CONFIG = (
    "pool: 4\nheld_out: 2\ncalibration: 4\nsteps: 2\nbatch: 2\ndecay: 1\ncheckpoint_every: 1\nversion: tiny\n"
)


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    app.command()(train_reader_command)
    return app


def test_a_tiny_training(app: typer.Typer, tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(_CONFIG)
    done = CliRunner().invoke(
        app, ["--out", str(tmp_path / "out"), "--config", str(config), "--json"], catch_exceptions=False
    )
    assert done.exit_code == 0
    lines = [json.loads(line) for line in done.output.splitlines()]
    assert [line["step"] for line in lines] == [1, 2]
    assert CrnnReader(tmp_path / "out/crnn.safetensors").descriptor.version == "tiny"


def test_a_tiny_training_of_the_rectifying_reader(app: typer.Typer, tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    part = "{steps: 2, batch: 2, warmup: 1, decay: 1, checkpoint_every: 2}"
    config.write_text(
        "network: rectifying\nfaces: 4\nheld_out: 20\ncalibration: 4\n"
        f"corners: {part}\nline: {part}\nregion: {part}\n"
    )
    done = CliRunner().invoke(
        app, ["--out", str(tmp_path / "out"), "--config", str(config)], catch_exceptions=False
    )
    assert done.exit_code == 0
    for told in ("corners step 2 of 2", "line step 2 of 2", "region step 2 of 2"):
        assert f"{told}: loss " in done.output
    weights = tmp_path / "out/rectifying.safetensors"
    assert f"wrote {weights}; to read with it: --reader {weights}" in done.output
    assert isinstance(load_reader(weights), RectifyingReader)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("stepz: 3\n", "stepz"),
        ("network: rectifing\n", "no network 'rectifing' (did you mean 'rectifying'?)"),
        ("network: rectifying\nstepz: 3\n", "stepz"),
        ("steps: [\n", "correct the YAML"),
        ("steps: 0\n", "steps: Input should be greater"),
    ],
)
def test_a_bad_configuration(app: typer.Typer, tmp_path: Path, content: str, complaint: str) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(content)
    done = CliRunner().invoke(app, ["--out", str(tmp_path), "--config", str(config)])
    assert isinstance(done.exception, DataError)
    assert complaint in str(done.exception) and "c.yaml" in str(done.exception)
