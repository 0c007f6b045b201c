"""`--device`, `--precision` and `--numerics` on the commands, and what the records say of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import mdlp_bench as mb
from mdlp_bench.cli.main import app
from mdlp_bench.data.samples import Samples
from mdlp_bench.engine import RayEngine, engine_named
from mdlp_bench.errors import MdlpBenchError, RunError
from mdlp_bench.files import read_json
from mdlp_bench.harness.plan import ScoringPlan
from mdlp_bench.harness.predict import Predictions

Make = Callable[..., Samples]


@pytest.fixture
def data(make_samples: Make, tmp_path: Path) -> Path:
    from mdlp_bench.data import write_parquet

    write_parquet(make_samples(5).rows(), tmp_path / "data", name="data")
    return tmp_path / "data"


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=True)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


@pytest.mark.parametrize(
    "command",
    [
        ("train", "srcnn", "ABSENT", "-o", "out"),
        ("predict", "bicubic", "ABSENT", "-o", "out"),
        ("score", "preds", "ABSENT", "-o", "out"),
        ("bench", "-m", "bicubic", "ABSENT", "-o", "out"),
        ("leaderboard", "add", "mine.zip", "ABSENT"),
        ("leaderboard", "add-bench", "demo", "ABSENT"),
        ("leaderboard", "run", "bicubic", "ABSENT", "-o", "out"),
    ],
)
def test_a_device_that_is_not_there_is_told_before_data_are_read(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.chdir(tmp_path)
    Path("mine.zip").touch()
    with pytest.raises(MdlpBenchError, match="device cuda: not on this machine"):
        run(*command, "--device", "cuda")


def test_records_name_device_precision_and_numerics(data: Path, tmp_path: Path) -> None:
    for name, options, wanted in (
        ("exact", ["--device", "cpu"], ("cpu", "fp32", "exact")),
        ("batched", ["--device", "cpu", "--numerics", "batched"], ("cpu", "fp32", "batched")),
        ("short", ["--device", "cpu", "--precision", "bf16"], ("cpu", "bf16", "batched")),
    ):
        out = tmp_path / name
        run("predict", "srcnn", data, "-o", out, *options)
        record = Predictions(out).record
        assert (record.device, record.precision, record.numerics) == wanted
    images = {
        name: np.stack([one.image for one in Predictions(tmp_path / name)]) for name in ("exact", "batched")
    }
    apart = np.abs(images["exact"].astype(int) - images["batched"])
    assert (apart <= 1).mean() >= 0.999
    with pytest.raises(RunError, match="numerics was"):
        run("predict", "srcnn", data, "-o", tmp_path / "exact", "--device", "cpu", "--numerics", "batched")
    run(
        "score",
        tmp_path / "batched",
        data,
        "-o",
        tmp_path / "run",
        "--lpips",
        "none",
        "--no-aligned",
        "--no-fid",
    )
    scored = read_json(tmp_path / "run" / "run.json")
    assert (scored["device"], scored["numerics"], scored["scored_on"]) == ("cpu", "batched", "cpu")
    summary = read_json(tmp_path / "run" / "summary.json")
    assert "psnr" in summary and "psnr_aligned" not in summary


def test_records_of_earlier_versions_are_exact(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "old"
    run("predict", "bicubic", data, "-o", out, "--device", "cpu")
    record = read_json(out / "predictions.json")
    for name in ("precision", "numerics"):
        del record[name]
    (out / "predictions.json").write_text(json.dumps(record))
    run("predict", "bicubic", data, "-o", out, "--device", "cpu")
    assert Predictions(out).record.numerics == "exact"


COMMANDS = (
    ["predict", "srcnn", "DATA", "-o", "OUT"],
    ["bench", "DATA", "--methods", "bicubic", "-o", "OUT"],
    ["score", "PREDS", "DATA", "-o", "OUT"],
    ["calibrate", "crnn"],
    ["gap", "study", "--real", "DATA", "--synthetic", "DATA", "-o", "OUT"],
    ["train", "srcnn", "DATA", "-o", "OUT", "--split", "test", "--steps", "1"],
    ["leaderboard", "add", "x.zip", "DATA", "--store", "STORE"],
    ["leaderboard", "add-bench", "OUT", "DATA", "--store", "STORE"],
    ["leaderboard", "run", "x.py:restore", "DATA", "-o", "OUT"],
)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_device_that_is_not_there_is_one_line(command: list[str], data: Path, tmp_path: Path) -> None:
    run("predict", "bicubic", data, "-o", tmp_path / "PREDS", "--device", "cpu")
    places = {name: tmp_path / name for name in ("OUT", "STORE", "PREDS", "x.zip")} | {"DATA": data}
    places["x.zip"].touch()
    arguments = [places.get(word, word) for word in command]
    with pytest.raises(
        MdlpBenchError, match=r"^device cuda: not on this machine, which has the CPU"
    ) as caught:
        run(*arguments, "--device", "cuda")
    assert "\n" not in str(caught.value)
    with pytest.raises(MdlpBenchError):
        run(*arguments, "--precision", "fp8")
    assert not (tmp_path / "OUT").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_readers_are_trained_and_gaps_measured_where_one_asks(tmp_path: Path) -> None:
    with pytest.raises(MdlpBenchError, match=r"^device cuda: not on this machine"):
        run("train", "reader", "-o", tmp_path / "out", "--device", "cuda")
    with pytest.raises(MdlpBenchError, match=r"^device cuda: not on this machine"):
        mb.gap_study(tmp_path / "absent", "render@bicubic", tmp_path / "out", device="cuda")
    assert not (tmp_path / "out").exists()


def test_the_python_functions_take_devices(make_samples: Make, tmp_path: Path) -> None:
    samples = make_samples(3)
    made = mb.predict("srcnn", samples, tmp_path / "p", device="cpu", numerics="batched")
    assert made.record.numerics == "batched"
    scored = mb.score(made, samples, tmp_path / "r", lpips="none", device="cpu", aligned=False)
    assert "psnr_aligned" not in scored.summary
    with pytest.raises(MdlpBenchError, match="choose from auto"):
        mb.predict("srcnn", samples, tmp_path / "q", device="gpu")


def test_ray_workers_take_their_shares_of_gpus() -> None:
    cluster = {"CPU": 16.0, "GPU": 2.0}
    for workers, wanted in ((None, (2, 1.0)), (1, (1, 1.0)), (6, (6, 0.3333)), (8, (8, 0.25))):
        assert RayEngine(workers, gpu=True)._shares(cluster) == wanted
    assert RayEngine()._shares(cluster) == (16, 0.0)
    with pytest.raises(MdlpBenchError, match="no GPU; use --device cpu"):
        RayEngine(gpu=True)._shares({"CPU": 4.0})


def test_a_cluster_has_what_this_machine_lacks() -> None:
    pytest.importorskip("ray")
    assert engine_named("ray", device="cuda") == RayEngine(gpu=True)
    plan = ScoringPlan.from_names(lpips="none", device="cuda", remote=True)
    assert plan.device == "cuda" and plan.asked is not None and "cuda" in plan.asked
