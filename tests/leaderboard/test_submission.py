from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from mdlp_bench.cli.leaderboard import app
from mdlp_bench.data.samples import Samples
from mdlp_bench.errors import SubmissionError
from mdlp_bench.files import sha256_file
from mdlp_bench.harness.predict import Predictions, predict
from mdlp_bench.leaderboard.submission.faults import Faults
from mdlp_bench.leaderboard.submission.form import Submission, parse_submission
from mdlp_bench.leaderboard.submission.pack import pack
from mdlp_bench.leaderboard.submission.readme_txt import ReadmeTxt, parse_readme
from mdlp_bench.leaderboard.submission.validate import read_submission, validate
from mdlp_bench.methods import load_method

Make = Callable[..., Samples]


def test_the_leaderboard_imports_without_torch_and_datasets() -> None:
    program = (
        "import pkgutil, importlib, sys, mdlp_bench.leaderboard as package, mdlp_bench.cli.leaderboard\n"
        "for module in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "    importlib.import_module(module.name)\n"
        "print(sorted({'torch', 'datasets', 'lpips', 'onnxruntime'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_packed_predictions_come_out_as_they_went_in(
    make_samples: Make, submit: Callable[..., Path], tmp_path: Path
) -> None:
    samples = make_samples(5)
    archive = submit(samples, runtime_per_image_s=0.5)
    assert validate(archive, samples.sample_ids).valid
    found = read_submission(archive, samples, tmp_path / "out")
    assert found.form.method == "Method bicubic" and found.form.slug == "method-bicubic"
    assert found.archive_sha256 == sha256_file(archive)
    for one, again in zip(Predictions(archive.parent / "p"), found, strict=True):
        assert one.sample_id == again.sample_id
        assert one.image is not None and again.image is not None and (one.image == again.image).all()
    before = archive.read_bytes()
    pack(archive.parent / "p", archive.parent / "submission.yaml", archive)
    assert archive.read_bytes() == before
    readme = zipfile.ZipFile(archive).read("readme.txt").decode()
    assert readme.splitlines()[0] == "runtime per image [s] : 0.5"


def test_every_fault_is_named_at_once_with_its_remedy(
    zip_of: Callable[..., bytes], tmp_path: Path, make_samples: Make
) -> None:
    make_samples(4)
    path = tmp_path / "bad.zip"
    readme = b"runtime per image [s] : fast\nCPU[1] / GPU[0] : 2\n"
    changes: dict[str, Any] = {"version": 1.1, "test_set_not_trained_on": False, "color": "red"}
    path.write_bytes(
        zip_of(form=changes, **{"readme.txt": readme, "predictions/s0002.png": b"GIF89a", "notes.txt": b"x"})
    )
    found = CliRunner().invoke(app, ["validate", str(path), "--dataset", str(tmp_path / "tiny")])
    assert found.exit_code == 1
    for part in (
        "version: input should be a valid string; use letters, digits",
        'and . _ + - only, in quotes: `version: "1.0"`',
        "test_set_not_trained_on: input should be True; write `true` only if",
        "color: not a field of the form; remove it",
        "readme.txt: runtime per image [s]: is 'fast'; write seconds",
        "readme.txt: CPU[1] / GPU[0]: is '2'; write 0 or 1",
        "no line 'Extra Data [1] / No Extra Data [0]'",
        "notes.txt: does not belong in a submission of images; keep to",
        "predictions/s0002.png: not a PNG file; save it as an 8-bit RGB PNG of 224 x 112 pixels",
        "1 of 4 samples have no picture: s0003; give every sample its picture",
    ):
        assert part in found.stdout, part


def test_form_and_readme_must_agree(zip_of: Callable[..., bytes], tmp_path: Path) -> None:
    path = tmp_path / "s.zip"
    lines = "Runtime per image[s]: 0.25\nCPU[1]/GPU[0]: 0\nExtra Data [1] / No Extra Data [0]: 0\n"
    path.write_bytes(zip_of(**{"readme.txt": lines.encode()}))
    (line,) = validate(path).faults.lines()
    assert "says False, submission.yaml True; make the two agree" in line


@given(
    st.floats(1e-9, 1e6) | st.none(),
    st.booleans(),
    st.booleans(),
    st.text("abc xyz.,", max_size=40).map(str.strip),
)
def test_readme_round_trip(runtime: float | None, cpu: bool, extra: bool, text: str) -> None:
    rounded = None if runtime is None else float(f"{runtime:g}")
    faults = Faults()
    found = parse_readme(ReadmeTxt(rounded, cpu, extra, " ".join(text.split())).render().encode(), faults)
    assert found == ReadmeTxt(rounded, cpu, extra, " ".join(text.split())) and not len(faults)


def test_form_round_trip_and_seed_rule(form: dict[str, Any]) -> None:
    faults = Faults()
    found = parse_submission(yaml.safe_dump(form).encode(), faults)
    assert found is not None and not len(faults)
    assert parse_submission(found.to_yaml().encode(), faults) == found
    assert Submission.model_validate(found.model_dump(mode="json")) == found
    parse_submission(yaml.safe_dump(form | {"deterministic": False}).encode(), faults)
    assert "give the seed" in next(iter(faults.lines()))


def test_the_interview_writes_a_form_that_packs(make_samples: Make, tmp_path: Path) -> None:
    predict(load_method("bicubic"), make_samples(3), tmp_path / "p")
    answers = ["Cubic", "1.0", "A. Author", "a@example.org", "ftp://x", *[""] * 6]
    answers += ["maybe", "no", "no", "", "", "", "", "2 CPU threads", "0.01", "", "yes"]
    found = CliRunner().invoke(
        app,
        ["pack", str(tmp_path / "p"), "--init", "-o", str(tmp_path / "s.zip")],
        input="\n".join(answers) + "\n",
    )
    assert found.exit_code == 0, found.output
    assert "not an http(s) address" in found.output and "answer yes or no" in found.output
    report = validate(tmp_path / "s.zip")
    assert report.valid and report.submission is not None
    assert report.submission.method == "Cubic" and report.submission.frames_used == 1


def test_packing_refuses_what_cannot_be_submitted(
    make_samples: Make, tmp_path: Path, form: dict[str, Any]
) -> None:
    path = tmp_path / "submission.yaml"
    with pytest.raises(SubmissionError, match="pack --init"):
        pack(tmp_path, path, tmp_path / "s.zip")
    path.write_text(yaml.safe_dump(form), encoding="utf-8")
    with pytest.raises(SubmissionError, match="no predictions in it"):
        pack(tmp_path, path, tmp_path / "s.zip")
    (tmp_path / "small.png").write_bytes(next(iter(make_samples(1).rows()))["gt"]["bytes"])
    with pytest.raises(SubmissionError, match="140 x 56 pixels; a submission holds 224 x 112"):
        pack(tmp_path, path, tmp_path / "s.zip")
    assert not (tmp_path / "s.zip").exists()
