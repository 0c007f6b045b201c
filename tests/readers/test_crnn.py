"""The CRNN on real plates it has never seen, and its contract."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from mdlp_bench.errors import MissingWeightsError, ReaderError
from mdlp_bench.images import ImageU8, decode, encode
from mdlp_bench.plate import is_valid
from mdlp_bench.readers.base import Reader
from mdlp_bench.readers.crnn import CrnnReader
from mdlp_bench.readers.crnn.network import CRNN, INPUT_HEIGHT, CrnnConfig, standardise
from mdlp_bench.readers.crnn.reader import askew
from mdlp_bench.readers.crnn.weights import bundled_weights, load_crnn, save_crnn
from mdlp_bench.synth.render import Appearance, render_samples

Labelled = list[tuple[ImageU8, str]]
Measure = Callable[[Reader, Labelled], tuple[int, float]]


@pytest.fixture(scope="module")
def reader() -> CrnnReader:
    return CrnnReader()


def test_real_crops_never_trained_on(measure: Measure, reader: CrnnReader, real_crops: Labelled) -> None:
    exact, ned = measure(reader, real_crops)
    assert exact / len(real_crops) >= 0.95
    assert ned <= 0.012


def test_real_ground_truths(measure: Measure, reader: CrnnReader, ground_truths: Labelled) -> None:
    exact, _ = measure(reader, ground_truths)
    assert exact >= 33


def test_it_is_no_superhuman_deblurrer(measure: Measure, reader: CrnnReader, third_frames: Labelled) -> None:
    exact, ned = measure(reader, third_frames)
    assert exact <= 3
    assert ned >= 0.5


def test_decodings_agree_on_clear_plates_and_the_grammar_only_says_plates(
    reader: CrnnReader, ground_truths: Labelled, third_frames: Labelled
) -> None:
    clear = [image for image, _ in ground_truths]
    beam, spelt = CrnnReader(decoding="beam"), CrnnReader(decoding="grammar")
    greedy = reader.read(clear)
    same = [a.text == b.text for a, b in zip(greedy, beam.read(clear), strict=True)]
    assert np.mean(same) >= 0.95
    for reading in spelt.read(clear[:12] + [image for image, _ in third_frames[:12]]):
        assert reading.text == "" or is_valid(reading.text)
        assert len(reading.char_confidences) == len(reading.text)


def test_confidences_tell_right_from_wrong(reader: CrnnReader, real_crops: Labelled) -> None:
    readings = reader.read([image for image, _ in real_crops])
    right = [r.confidence for r, (_, text) in zip(readings, real_crops, strict=True) if r.text == text]
    wrong = [r.confidence for r, (_, text) in zip(readings, real_crops, strict=True) if r.text != text]
    assert all(0 <= value <= 1 for value in right + wrong)
    assert np.mean(right) > 0.8
    if wrong:
        assert np.mean(wrong) < np.mean(right) - 0.15


def test_a_reading_does_not_depend_on_the_batch(reader: CrnnReader, real_crops: Labelled) -> None:
    crops = [image for image, _ in real_crops[:70]]
    together, again = reader.read(crops), reader.read(crops)
    assert together == again
    alone = [reader.read([crop])[0] for crop in crops[:10]]
    for one, other in zip(together, alone, strict=False):
        assert one.text == other.text
        assert np.allclose(one.char_confidences, other.char_confidences, atol=1e-4)
    assert reader.read([]) == []


def test_reading_is_robust_to_reencoding(reader: CrnnReader, ground_truths: Labelled) -> None:
    crops = [image for image, _ in ground_truths]
    coded = [decode(encode(image, "jpg", 70), "jpg") for image in crops]
    same = [a.text == b.text for a, b in zip(reader.read(crops), reader.read(coded), strict=True)]
    assert np.mean(same) >= 0.9


def _with_margin(image: ImageU8) -> ImageU8:
    rows, columns = image.shape[0] // 10, image.shape[1] // 10
    return cv2.copyMakeBorder(image, rows, rows, columns, columns, cv2.BORDER_REPLICATE)


def _cut(image: ImageU8) -> ImageU8:
    rows, columns = round(0.03 * image.shape[0]), round(0.03 * image.shape[1])
    return image[rows:-rows, columns:-columns]


def _seen_askew(image: ImageU8) -> ImageU8:
    height, width = image.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    moved = corners + np.array([[0, 0.08], [0, -0.08], [0, 0], [0, 0.08]], np.float32) * height
    matrix = cv2.getPerspectiveTransform(corners, moved.astype(np.float32))
    return cv2.warpPerspective(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)


def _blurred(image: ImageU8) -> ImageU8:
    return cv2.GaussianBlur(image, (0, 0), image.shape[0] / INPUT_HEIGHT)


@pytest.mark.parametrize("change", [_with_margin, _cut, _seen_askew, _blurred])
def test_margins_perspective_and_light_blur_cost_little(
    measure: Measure, reader: CrnnReader, ground_truths: Labelled, change: Callable[[ImageU8], ImageU8]
) -> None:
    exact, ned = measure(reader, [(change(image), text) for image, text in ground_truths])
    assert exact >= 30
    assert ned <= 0.05


def test_readings_and_features_come_from_one_pass(reader: CrnnReader, ground_truths: Labelled) -> None:
    crops = [image for image, _ in ground_truths[:5]]
    readings, features = reader.read_with_features(crops)
    assert readings == reader.read(crops)
    np.testing.assert_array_equal(features, reader.features(crops))


def test_features_separate_texts(reader: CrnnReader, ground_truths: Labelled) -> None:
    by_text: dict[str, list[int]] = {}
    for index, (_, text) in enumerate(ground_truths):
        by_text.setdefault(text, []).append(index)
    features = reader.features([image for image, _ in ground_truths])
    assert features.shape == (36, reader.config.feature_size)
    assert features.dtype == np.float32 and np.isfinite(features).all()
    twins = next(members for members in by_text.values() if len(members) == 2)
    distances = np.linalg.norm(features - features[twins[0]], axis=1)
    assert np.argsort(distances)[1] == twins[1]
    assert reader.features([]).shape == (0, reader.config.feature_size)


def test_any_crop_size_is_read(reader: CrnnReader, ground_truths: Labelled) -> None:
    image = ground_truths[0][0]
    for crop in (image[:1, :1], image[:, :3], np.repeat(image, 4, axis=0), image[::-1]):
        assert len(reader.read([crop])) == 1


def test_standardisation_ignores_exposure() -> None:
    image = torch.randint(40, 120, (1, 32, 112, 3), dtype=torch.uint8)
    assert torch.allclose(standardise(image), standardise(image * 2), atol=0.15)
    flat = standardise(torch.full((1, 32, 112, 3), 7, dtype=torch.uint8))
    assert torch.equal(flat, torch.zeros_like(flat))


def test_an_askew_reader_averages_views_in_which_columns_keep_their_places(tmp_path: Path) -> None:
    upright = CrnnReader()
    config = upright.config.model_copy(update={"askew": True})
    save_crnn(upright.network, config, tmp_path / "askew.safetensors")
    reader = CrnnReader(tmp_path / "askew.safetensors")
    plates = [sample.image for sample in render_samples(5, 4, appearance=Appearance(difficulty=0.0))]
    seen, plain = reader.probabilities(plates), upright.probabilities(plates)
    assert seen.shape == plain.shape and np.allclose(seen.sum(-1), 1)
    assert not np.allclose(seen, plain)
    assert [r.text for r in reader.read(plates)] == [r.text for r in upright.read(plates)]
    assert np.allclose(reader.features(plates), upright.features(plates))
    image = np.random.default_rng(0).integers(0, 256, (32, 112, 3), dtype=np.uint8)
    np.testing.assert_array_equal(askew(image, 0.0, 0.0), image)
    # A leaning bar is upright where it is seen leaning the other way, and its middle stays where it was.
    bar = np.zeros((32, 112, 3), np.uint8)
    bar[:, 56:60] = 255
    leaning = askew(bar, 0.07, 0.0)
    assert leaning[0].argmax(0)[0] > 58 > leaning[-1].argmax(0)[0]
    back = askew(leaning, -0.07, 0.0).astype(float)
    assert np.abs(back[2:-2] - bar[2:-2]).mean() < 5
    # A climbing line keeps its column's place and is level again where it is seen falling.
    line = np.zeros((32, 112, 3), np.uint8)
    line[15:17] = 255
    level = askew(askew(line, 0.0, 0.12), 0.0, -0.12).astype(float)
    assert np.abs(level[:, 4:-4] - line[:, 4:-4]).mean() < 5


def test_the_bundled_weights_are_small_and_say_what_they_are(reader: CrnnReader) -> None:
    assert bundled_weights().stat().st_size <= 4_000_000
    assert reader.descriptor.weights_sha256 is not None
    assert reader.descriptor.version == reader.config.version != "0"
    assert (bundled_weights().parent / "MODEL_CARD.md").is_file()


def test_weight_files_survive_a_round_trip(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = CrnnConfig(temperature=1.7, version="t")
    network = CRNN(config).eval()
    save_crnn(network, config, tmp_path / "a.safetensors")
    loaded = load_crnn(tmp_path / "a.safetensors")
    assert loaded.config == config and not loaded.training
    images = torch.randn(2, 3, 32, 112)
    with torch.inference_mode():
        assert torch.allclose(network(images), loaded(images), atol=5e-3)
    save_crnn(loaded, config, tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_a_wrong_weight_file_gives_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    with pytest.raises(MissingWeightsError, match=r"w\.safetensors: missing"):
        CrnnReader(path)
    path.write_bytes(b"junk" * 100)
    with pytest.raises(ReaderError, match=r"w\.safetensors: not a safetensors file") as caught:
        CrnnReader(path)
    assert "\n" not in str(caught.value)
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(ReaderError, match="not a CRNN of this project"):
        CrnnReader(path)
    config = CrnnConfig()
    save_crnn(CRNN(config), config, path)
    tensors = load_file(path)
    metadata = {"mdlp-bench-crnn-1": config.model_dump_json()}
    save_file({**tensors, "classes.bias": torch.zeros(9)}, path, metadata)
    with pytest.raises(ReaderError, match=r"tensor classes\.bias is \[9\], its configuration wants \[73\]"):
        CrnnReader(path)
    save_file(tensors, path, {"mdlp-bench-crnn-1": '{"hidden": 0}'})
    with pytest.raises(ReaderError, match="unreadable configuration"):
        CrnnReader(path)


def test_reading_speed(reader: CrnnReader, ground_truths: Labelled) -> None:
    """Far below one working-size image in 40 ms even on a busy core; benchmarks/readers.py has figures."""
    crops = [image for image, _ in ground_truths] * 4
    began = time.process_time()
    reader.read(crops)
    assert (time.process_time() - began) / len(crops) < 0.04
