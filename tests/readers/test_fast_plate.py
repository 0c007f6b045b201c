"""The adapter of fast-plate-ocr, with its own pre- and post-processing; its weights need a network."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mdlp_bench.errors import ReaderError
from mdlp_bench.readers import load_reader
from mdlp_bench.readers.fast_plate import FastPlateReader

pytest.importorskip("onnxruntime")
pytest.importorskip("fast_plate_ocr")

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_"
SLOTS = 9


class _Session:
    """Stands for onnxruntime's session: reads BAI80 and a digit, the first channel's mean, and padding."""

    def __init__(self, model: Path, **_: object) -> None:
        if Path(model).read_bytes() != b"network":
            raise RuntimeError("INVALID_PROTOBUF")

    def get_outputs(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(name="plate")]

    def run(self, names: list[str], feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
        images = feeds["input"]
        assert names == ["plate"] and images.dtype == np.uint8 and images.shape[1:3] == (16, 32)
        scores = np.full((len(images), SLOTS, len(ALPHABET)), 0.001, np.float32)
        for row, image in zip(scores, images, strict=True):
            text = f"BAI80{int(image[..., 0].mean() / 25.5)}".ljust(SLOTS, "_")
            row[np.arange(SLOTS), [ALPHABET.index(character) for character in text]] = 0.9
        return [scores.reshape(len(images), -1)]


@pytest.fixture(autouse=True)
def session(monkeypatch: pytest.MonkeyPatch) -> None:
    from fast_plate_ocr.inference import plate_recognizer

    monkeypatch.setattr(plate_recognizer.ort, "InferenceSession", _Session)


def _network(folder: Path, mode: str) -> Path:
    path = folder / "mine.onnx"
    path.write_bytes(b"network")
    (folder / "mine_plate_config.yaml").write_text(
        f"max_plate_slots: {SLOTS}\nalphabet: '{ALPHABET}'\npad_char: '_'\nimg_height: 16\nimg_width: 32\n"
        f"image_color_mode: {mode}\n"
    )
    return path


@pytest.mark.parametrize("mode", ["rgb", "grayscale"])
def test_it_reads_with_the_packages_own_pipeline(tmp_path: Path, mode: str) -> None:
    reader = load_reader(f"fast-plate-ocr:{_network(tmp_path, mode)}")
    assert isinstance(reader, FastPlateReader)
    red = np.zeros((20, 60, 3), np.uint8)
    red[..., 0] = 217
    white = np.full((31, 90, 3), 140, np.uint8)
    first, second = reader.read([red, white])
    # Grey of pure red is 0.299 of it: the colour mode of the configuration is kept.
    assert first.text == ("BAI808" if mode == "rgb" else "BAI802") and second.text == "BAI805"
    assert first.char_confidences[:5] == pytest.approx([0.9] * 5)
    assert reader.read([]) == [] and reader.read([white]) == [second]
    assert reader.descriptor.name == "fast-plate-ocr-mine" and reader.descriptor.weights_sha256


def test_what_is_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ReaderError, match="no such file"):
        load_reader(f"fast-plate-ocr:{tmp_path / 'absent.onnx'}")
    path = _network(tmp_path, "rgb")
    path.write_bytes(b"no network")
    with pytest.raises(ReaderError, match="cannot load them"):
        load_reader(f"fast-plate-ocr:{path}")
    with pytest.raises(ReaderError, match="no network 'mars'; there are: cct-s-v2-global-model"):
        load_reader("fast-plate-ocr:mars")
    from fast_plate_ocr.inference import hub

    def offline(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(hub, "MODEL_CACHE_DIR", tmp_path)
    monkeypatch.setattr(hub.urllib.request, "urlopen", offline)
    with pytest.raises(ReaderError, match=r"cannot fetch .*no route to host.*by hand"):
        load_reader("fast-plate-ocr")
