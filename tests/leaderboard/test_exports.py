from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from mdlp_bench.data.samples import Samples
from mdlp_bench.errors import MethodError, MissingWeightsError, SubmissionError
from mdlp_bench.harness.plan import ScoringPlan
from mdlp_bench.harness.predict import Predictions
from mdlp_bench.harness.tables import write_table
from mdlp_bench.leaderboard import isolated
from mdlp_bench.leaderboard.add import add
from mdlp_bench.leaderboard.boards import Board, find_board
from mdlp_bench.leaderboard.export import bibtex, board_table, eval_results, model_index, write_codabench
from mdlp_bench.leaderboard.isolated import run_isolated
from mdlp_bench.leaderboard.store import Store

Make = Callable[..., Samples]
READER = """
import cv2
from mdlp_bench.readers import Reading
def read(images):
    cells = [cv2.resize(i, (5, 1), interpolation=cv2.INTER_AREA)[0].mean(1) for i in images]
    return ["京A" + "".join(str(int(c) // 26) for c in five) for five in cells]
"""


@pytest.fixture
def board(readable: Make, submit: Callable[..., Path], plan: ScoringPlan, tmp_path: Path) -> Board:
    samples, store = readable(6), Store(tmp_path / "lb")
    add(store, submit(samples, method="Net_1 & Co".replace("&", "+")), samples, plan)
    add(store, submit(samples, "frame-mean", method="Mean", bibtex=None), samples, plan)
    with pytest.raises(SubmissionError, match="no board 'nowhere'; there are: tiny"):
        find_board(store, "nowhere")
    return find_board(store, None)


def test_tables_and_citations(board: Board, tmp_path: Path) -> None:
    write_table(board_table(board), tmp_path / "board.csv")
    rows = list(csv.reader(io.StringIO((tmp_path / "board.csv").read_text(encoding="utf-8-sig"))))
    assert any("Mean" in cell for row in rows for cell in row)
    write_table(board_table(board), tmp_path / "board.tex")
    text = (tmp_path / "board.tex").read_text(encoding="utf-8")
    assert r"Net\_1 + Co" in text and r"\toprule" in text
    assert bibtex(board) == "@misc{sharp, title={Sharp {N}et}}\n"


def test_hugging_face_files(board: Board) -> None:
    row = board.row("mean")
    found = yaml.safe_load(eval_results(board, row, "owner/plates"))
    ned = next(one for one in found if one["dataset"]["task_id"] == "ned")
    assert ned["dataset"]["id"] == "owner/plates"
    assert ned["value"] == pytest.approx(row.scores["ned"].value, abs=1e-5)
    assert ned["source"]["url"] == "https://example.org/paper" and "mdlp-v3" in ned["notes"]
    block = model_index(board, row, "owner/plates")
    assert block.startswith("---\n") and block.endswith("---\n")
    (result,) = yaml.safe_load(block.strip("-\n"))["model-index"][0]["results"]
    assert result["dataset"]["type"] == "owner/plates"
    assert {metric["type"] for metric in result["metrics"]} == set(board.rankings)
    assert "split" not in result["dataset"]  # the board's data set is whole: its name, tiny, names no split
    for write in (eval_results, model_index):
        for wrong in ("plates", "owner/", "https://example.org/owner/plates"):
            with pytest.raises(SubmissionError, match="give owner/name"):
                write(board, row, wrong)
    with pytest.raises(SubmissionError, match="no method 'other'"):
        board.row("other")


def test_the_codabench_bundle_scores_as_the_board(
    board: Board, readable: Make, submit: Callable[..., Path], tmp_path: Path
) -> None:
    samples = readable(6, name="again")
    reader = tmp_path / "reader.py"
    reader.write_text(READER, encoding="utf-8")
    bundle = tmp_path / "bundle.zip"
    write_codabench(
        samples, bundle, title="Plates", image="bench:1", readers=[f"{reader}:read"], lpips="none"
    )
    with zipfile.ZipFile(bundle) as archive:
        competition = yaml.safe_load(archive.read("competition.yaml"))
        named = {competition["image"], competition["terms"], *(page["file"] for page in competition["pages"])}
        named |= {competition["tasks"][0]["reference_data"], competition["tasks"][0]["scoring_program"]}
        assert named <= set(archive.namelist()) and competition["version"] == 2
        assert competition["leaderboards"][0]["columns"][0]["key"] == "ned"
        assert competition["phases"][0]["tasks"] == [0]
        for name, target in (("scoring_program.zip", "program"), ("reference_data.zip", "input/ref")):
            zipfile.ZipFile(io.BytesIO(archive.read(name))).extractall(tmp_path / target)
    zipfile.ZipFile(submit(samples, "frame-mean", method="Mean")).extractall(tmp_path / "input/res")
    (tmp_path / "output").mkdir()
    command = [sys.executable, "score.py", str(tmp_path / "input"), str(tmp_path / "output")]
    done = subprocess.run(command, cwd=tmp_path / "program", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    scores = json.loads((tmp_path / "output/scores.json").read_text(encoding="utf-8"))
    row = board.row("mean")
    for name in ("ned", "acc", "psnr", "ssim"):
        assert scores[name] == pytest.approx(row.scores[name].value, abs=1e-9)
    next((tmp_path / "input/res/predictions").iterdir()).unlink()
    done = subprocess.run(command, cwd=tmp_path / "program", capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "1 of 6 samples have no picture" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="orphans are found in /proc")
def test_children_that_left_the_session_end_and_floods_are_cut(tmp_path: Path) -> None:
    marker = tmp_path / "pids"
    leaver = (
        "import os, subprocess, sys, time\n"
        f"shell = 'echo $$ >> {marker}; sleep 600 & echo $! >> {marker}; exec sleep 600'\n"
        "for n in range(3):\n"
        "    subprocess.Popen(['sh', '-c', shell], start_new_session=True)\n"
        "while True:\n    print('flood ' * 9999, flush=True)\n"
    )
    with pytest.raises(MethodError, match="not done within 4 s"):
        isolated._run([sys.executable, "-c", leaver], tmp_path, "m.py:f", 4)
    pids = [int(line) for line in marker.read_text().split()]
    assert len(pids) == 6 and not any(Path(f"/proc/{pid}").exists() for pid in pids)
    with pytest.raises(MethodError, match="failed in its process: the last line"):
        flood = "import sys\nfor _ in range(99): print('flood' * 9999, flush=True)\nsys.exit('the last line')"
        isolated._run([sys.executable, "-c", flood], tmp_path, "m.py:f", 60)
    assert [path.name for path in tmp_path.iterdir()] == ["pids"], "what is printed fills no disk"


def test_a_method_file_runs_in_a_process_of_its_own(make_samples: Make, tmp_path: Path) -> None:
    samples = make_samples(4)
    source = tmp_path / "mine.py"
    source.write_text(
        "import numpy as np, os, sys, time\n"
        "def middle(frames):\n"
        "    assert 'SECRET' not in os.environ and not os.listdir('.')\n"
        "    return frames[:, 1]\n"
        "def slow(frames):\n    time.sleep(600)\n"
        "def greedy(frames):\n    return np.ones(2 ** 33, np.uint8)[:0]\n"
        "def broken(frames):\n    raise ValueError('no idea')\n",
        encoding="utf-8",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SECRET", "x")
        found = run_isolated(f"{source}:middle", samples, tmp_path / "out", seconds=120, megabytes=4000)
    assert found.record.dataset.fingerprint == samples.fingerprint and found.record.n_failed == 0
    images = {one.sample_id: one.image for one in Predictions(tmp_path / "out")}
    assert list(images) == list(samples.sample_ids) and all(image is not None for image in images.values())
    assert np.std(images["s0000"]) > 0
    with pytest.raises(MethodError, match=r"fails on every sample.*no idea"):
        run_isolated(f"{source}:broken", samples, tmp_path / "o2", seconds=120, megabytes=4000)
    with pytest.raises(MethodError, match="emory"):
        run_isolated(f"{source}:greedy", samples, tmp_path / "o3", seconds=120, megabytes=2000)
    began = time.perf_counter()
    with pytest.raises(MethodError, match="not done within 5 s"):
        run_isolated(f"{source}:slow", samples, tmp_path / "o4", seconds=5, megabytes=4000)
    assert time.perf_counter() - began < 30
    with pytest.raises(MethodError, match="no such file"):
        run_isolated(f"{tmp_path}/none.py:f", samples, tmp_path / "o5", seconds=5, megabytes=4000)
    with pytest.raises(MethodError, match="no method 'bicubik'"):
        run_isolated("bicubik", samples, tmp_path / "o6", seconds=5, megabytes=4000)
    with pytest.raises(MissingWeightsError, match=r"none\.pth: no such weight file"):
        run_isolated(f"{source}:middle=none.pth", samples, tmp_path / "o6", seconds=5, megabytes=4000)
    with pytest.raises(MethodError, match="a folder has no code to run"):
        run_isolated(str(tmp_path), samples, tmp_path / "o6", seconds=5, megabytes=4000)
    assert not any((tmp_path / name).exists() for name in ("o2", "o3", "o4", "o5", "o6"))


def test_registered_methods_and_networks_with_weights_run_isolated_too(
    make_samples: Callable[..., Samples], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    samples = make_samples(2)
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(
        "import torch\n"
        "class First(torch.nn.Conv2d):\n"
        "    def forward(self, frames):\n        return super().forward(frames[:, 0])\n"
        "def build():\n    return First(3, 3, 1)\n",
        encoding="utf-8",
    )
    torch.save(torch.nn.Conv2d(3, 3, 1).state_dict(), "w.pth")
    for spec, name in (("bicubic", "bicubic"), ("net.py:build=w.pth", "net-build-w")):
        found = run_isolated(spec, samples, tmp_path / name, seconds=120, megabytes=4000)
        assert (found.record.method.name, found.record.n_failed) == (name, 0)
