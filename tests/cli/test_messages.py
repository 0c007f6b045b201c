"""Messages for somebody whose own code fails, or who mistypes a name."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from mdlp_bench.cli.main import app
from mdlp_bench.data.samples import Samples
from mdlp_bench.errors import DEBUG_VARIABLE, MdlpBenchError, MethodError, ReaderError, did_you_mean, raised
from mdlp_bench.harness.predict import predict
from mdlp_bench.images import encode
from mdlp_bench.methods import load_method
from mdlp_bench.metrics.protocol import to_working_size
from mdlp_bench.readers import load_reader
from mdlp_bench.schema import Sample

MINE = """import numpy as np


def always(frames):
    return helper(frames)


def helper(frames):
    raise ValueError(f"mean {frames.mean()}")


def sometimes(frames):
    if frames.mean() > MEDIAN:
        raise ValueError(f"too bright: {frames.mean()}")
    return np.zeros((len(frames), 112, 224, 3), np.uint8)


def wrong_shape(frames):
    return frames


def read(images):
    return [image.shape[7] for image in images]
"""


@pytest.fixture
def mine(make_samples: Callable[..., Samples], tmp_path: Path) -> str:
    (tmp_path / "mine.py").write_text(MINE, encoding="utf-8")
    return str(tmp_path / "mine.py")


def test_a_method_that_always_fails_is_one_line_with_file_line_and_count(
    make_samples: Callable[..., Samples], mine: str, tmp_path: Path
) -> None:
    expected = (
        rf"method {mine}:always: .*ValueError: mean [\d.]+ \(mine\.py, line 9\), on 6 samples \(--debug"
    )
    with pytest.raises(MethodError, match=expected) as found:
        predict(f"{mine}:always", make_samples(6), tmp_path / "p")
    assert "\n" not in str(found.value)


def test_failures_of_one_cause_are_one_line(
    make_samples: Callable[..., Samples], mine: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    samples = make_samples(8)
    means = sorted(frames.mean() for frames in (sample_frames(sample) for sample in samples))
    Path(mine).write_text(MINE.replace("MEDIAN", str(means[3])), encoding="utf-8")
    found = predict(f"{mine}:sometimes", samples, tmp_path / "p", batch_size=4)
    assert 1 < found.record.n_failed < 8
    (line,) = caplog.messages
    assert f"mine.py, line 14), on {found.record.n_failed} samples" in line


def sample_frames(sample: Sample) -> np.ndarray:
    return np.stack([to_working_size(frame) for frame in sample.decode_frames(3)])


def test_what_a_method_returned_is_told_under_the_name_the_user_wrote(
    make_samples: Callable[..., Samples], mine: str, tmp_path: Path
) -> None:
    with pytest.raises(MethodError, match=f"method {mine}:wrong_shape: returned uint8"):
        predict(f"{mine}:wrong_shape", make_samples(2), tmp_path / "p")
    assert load_method(f"{mine}:always").descriptor.title == "mine.py:always"


def test_a_reader_that_raises_is_one_line(mine: str) -> None:
    import numpy as np

    with pytest.raises(ReaderError, match=r"reader mine:read: IndexError: .* \(mine\.py, line 23\)"):
        load_reader(f"{mine}:read").read([np.zeros((4, 8, 3), np.uint8)])


@pytest.mark.parametrize("debug", [False, True])
def test_debug_shows_the_traceback(debug: bool) -> None:
    command = [sys.executable, "-m", "mdlp_bench", "methods", "--nothing"]
    code = (
        f"import sys; from mdlp_bench.cli import main; main.app = lambda: [][1]; sys.argv = {command[2:]!r}"
    )
    code += f"; sys.argv += ['--debug'] * {debug}; main.main()"
    environment = {key: value for key, value in os.environ.items() if key != DEBUG_VARIABLE}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=60, check=False
    )
    assert done.returncode == 2
    assert ("Traceback" in done.stderr) == debug
    assert "error: IndexError: list index out of range" in done.stderr


def test_names_close_to_a_known_one_are_suggested() -> None:
    assert did_you_mean("bicubik", ["bicubic", "lanczos"]) == " (did you mean 'bicubic'?)"
    assert did_you_mean("PSNR", ["psnr"]) == " (did you mean 'psnr'?)"
    assert did_you_mean("mine", ["bicubic", "lanczos"]) == ""
    with pytest.raises(MethodError, match=r"no method 'bicubik' \(did you mean 'bicubic'\?\)"):
        load_method("bicubik")
    with pytest.raises(ReaderError, match=r"no reader 'crn' \(did you mean 'crnn'\?\)"):
        load_reader("crn")


def test_raised_names_the_place_but_not_of_our_own_errors() -> None:
    try:
        int("x")
    except ValueError as error:
        assert re.search(r"ValueError: invalid .* \(test_messages\.py, line \d+\)$", raised(error))
    assert raised(MdlpBenchError("a.png: missing")) == "MdlpBenchError: a.png: missing"


WRONG = [
    ("bench DATA -m bicubik -o out", "did you mean 'bicubic'?"),
    ("bench DATA -m my.py -o out", "my.py: name what is meant in it: my.py:restore, my.py:Other"),
    ("bench DATA -m bicubic=none.pth -o out", "none.pth: no such weight file"),
    ("bench DATA -m bicubic --reader crn -o out", "did you mean 'crnn'?"),
    ("bench DATA -m bicubic --lpips skweeze -o out", "did you mean 'squeeze'?"),
    ("bench DAT -m bicubic -o out", "DAT: no such file or folder"),
    ("predict none.py:restore DATA -o out", "none.py: no such file"),
    ("score preds DAT -o out", "DAT: no such file or folder"),
    ("score preds DATA --reader my.py -o out", "my.py: name what is meant in it"),
    ("plot out/runs/a --kind ned-coat", "no plot 'ned-coat' (did you mean 'ned-cost'?)"),
    ("compare out/runs/a --intervals smal", "(did you mean 'small'?)"),
    ("compare out/run", "out/run: no such folder"),
    ("leaderboard add none.zip DATA", "none.zip: no such file; name the zip"),
]


def test_wrong_names_are_told_before_pytorch_is_imported(tmp_path: Path) -> None:
    (tmp_path / "my.py").write_text("SIZE: int = 3\ndef restore(f): ...\nclass Other: ...\ndef _no(): ...\n")
    (tmp_path / "my.py").write_text("import os\ndef restore(f): ...\nclass Other: ...\ndef _no(): ...\n")
    (tmp_path / "DATA").mkdir()
    code = (
        "import sys\nfrom mdlp_bench.cli.main import app\nfrom mdlp_bench.errors import MdlpBenchError\n"
        "for command in sys.argv[1:]:\n"
        "    try:\n        app(command.split())\n"
        "    except MdlpBenchError as error:\n"
        "        print(error, '| torch' if 'torch' in sys.modules else '')\n"
    )
    command = [sys.executable, "-c", code, *(wrong for wrong, _ in WRONG)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120, check=True)
    for (wrong, said), line in zip(WRONG, done.stdout.splitlines(), strict=True):
        assert said in line and "| torch" not in line, (wrong, line)


def test_names_in_files_are_suggested_and_wrong_arguments_are_one_line(mine: str, tmp_path: Path) -> None:
    with pytest.raises(MethodError, match=r"has no 'alwys' \(did you mean 'always'\?\); there are: always, "):
        load_method(f"{mine}:alwys")
    with pytest.raises(ReaderError, match=r"name what is meant in it: .*mine\.py:always, "):
        load_reader(mine)
    decorated = tmp_path / "decorated.py"
    decorated.write_text("import mdlp_bench as mb\n@mb.method(frame=3)\ndef restore(f): ...\n")
    with pytest.raises(MethodError, match=r"no argument 'frame' \(did you mean 'frames'\?\)"):
        load_method(f"{decorated}:restore")
    decorated.write_text("import mdlp_bench as mb\n@mb.method(frames='many')\ndef restore(f): ...\n")
    with pytest.raises(MethodError, match=r"^method restore: frames_used: .* valid integer") as found:
        load_method(f"{decorated}:restore")
    assert "\n" not in str(found.value)
    decorated.write_text("from mdlp_bench.plate import PlateRegion\n")


def test_samples_that_cannot_be_read_are_named_where_they_are_left_out(tmp_path: Path) -> None:
    for kind in ("blur", "sharp"):
        (tmp_path / "data/test" / kind).mkdir(parents=True)
        for n in range(3):
            image = encode(np.full((20, 40, 3), 40 * n, np.uint8))
            (tmp_path / "data/test" / kind / f"{n}.png").write_bytes(image)
    (tmp_path / "data/test/blur/2.png").write_bytes(b"junk")
    arguments = ["predict", "bicubic", str(tmp_path / "data"), "-o", str(tmp_path / "preds")]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert "2 samples restored" in done.output
    assert re.search(r"left out: sample test-2, frame 0 .*not a readable image", done.output)
