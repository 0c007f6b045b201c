"""A reader's confidences on the outputs of methods, against the per-sample table."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from mdlp_bench.cli.main import app
from mdlp_bench.errors import RunError
from mdlp_bench.harness.calibration import calibrate_method, find_runs

ENTRIES = Path(__file__).parents[2] / "leaderboard" / "entries"


def test_what_is_believed_and_wrong_follows_from_the_samples() -> None:
    (run,) = find_runs([ENTRIES / "lp-diff"], "crnn")
    table = run.per_sample().to_pydict()
    believed = np.array(table["read_confidence"]) >= run.record.readers[0].believed_from
    wrong = 1 - np.array(table["acc"])
    found = calibrate_method(run, "crnn")
    assert found.n == len(wrong) and found.believed.value == pytest.approx(believed.mean())
    assert (found.wrong_if_believed is None) == (not believed.any())
    if found.wrong_if_believed is not None:
        assert found.wrong_if_believed.n == believed.sum()
        assert found.wrong_if_believed.value == pytest.approx(wrong[believed].mean())


def test_a_methods_own_threshold_allows_its_error_rate() -> None:
    found = [calibrate_method(run, "crnn", 0.4) for run in find_runs([ENTRIES], "crnn")]
    assert any(one.believed_from is not None for one in found)
    for one, run in zip(found, find_runs([ENTRIES], "crnn"), strict=True):
        if one.believed_from is not None:
            table = run.per_sample().to_pydict()
            sure = np.array(table["read_confidence"]) >= one.believed_from
            assert 1 - np.array(table["acc"])[sure].mean() <= 0.4 and sure.sum() >= 3


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run of a method"):
        find_runs([tmp_path], "crnn")
    with pytest.raises(RunError, match="no run is scored by clpr; there are scores by crnn, crnn-2"):
        find_runs([ENTRIES / "bicubic"], "clpr")
    for reader in ("crnn", "crnn-2"):  # of the two protocols
        (run,) = find_runs([ENTRIES / "bicubic"], reader)
        assert [one.name for one in run.record.readers] == [reader]
    found = calibrate_method(run, "crnn-2")
    assert found.believed.high is not None and found.believed.high > found.believed.value


def test_on_the_command_line() -> None:
    arguments = ["calibrate", "crnn", "--runs", str(ENTRIES / "lp-diff")]
    assert "LP-Diff" in CliRunner().invoke(app, arguments).output
    (parsed,) = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert parsed["method"].startswith("LP-Diff") and parsed["n"] > 0
