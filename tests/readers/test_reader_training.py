"""Training of the CRNN: deterministic, resumable, from renders alone."""

from __future__ import annotations

import json
import string
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from mdlp_bench.errors import DataError
from mdlp_bench.images import ImageU8
from mdlp_bench.plate import ALPHABET, DIGITS, grammar_of, is_valid
from mdlp_bench.readers.crnn import CrnnReader
from mdlp_bench.readers.crnn.network import CRNN, standardise
from mdlp_bench.readers.crnn.reader import prepare
from mdlp_bench.readers.crnn.weights import load_crnn, save_crnn
from mdlp_bench.training import reader as reader_training
from mdlp_bench.training.photo_effects import expose
from mdlp_bench.training.reader import ReaderTraining, train_reader
from mdlp_bench.training.reader_data import (
    POOL_SIZE,
    Deliver,
    empty_crop,
    film,
    layout_shares,
    photograph,
    render_pool,
    vary,
)

_TINY = ReaderTraining(
    pool=6,
    held_out=3,
    calibration=4,
    steps=4,
    batch=4,
    warmup=1,
    decay=2,
    guided=2,
    checkpoint_every=2,
    version="tiny",
)


@pytest.fixture(scope="module")
def pool_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pool")
    render_pool(folder, _TINY.seed, _TINY.pool)
    return folder


def _run_folder(tmp_path: Path, pool_folder: Path) -> Path:
    tmp_path.mkdir(exist_ok=True)
    (tmp_path / "pool").symlink_to(pool_folder)
    return tmp_path


def test_a_killed_run_ends_with_the_same_weights(
    tmp_path: Path, pool_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = _run_folder(tmp_path / "whole", pool_folder)
    lines: list[dict[str, object]] = []
    weights = train_reader(_TINY, whole, lines.append)
    assert [line["step"] for line in lines] == [2, 4]
    assert {"loss", "exact", "ned", "temperature", "seconds"} <= lines[0].keys()
    logged = [json.loads(line) for line in (whole / "log.jsonl").read_text().splitlines()]
    assert logged == lines
    assert CrnnReader(weights).descriptor.version == "tiny"

    broken = _run_folder(tmp_path / "broken", pool_folder)
    advance = reader_training._Trial.advance

    def die_later(trial: reader_training._Trial, steps: int) -> None:
        if trial.step == 2:
            raise KeyboardInterrupt
        advance(trial, steps)

    monkeypatch.setattr(reader_training._Trial, "advance", die_later)
    with pytest.raises(KeyboardInterrupt):
        train_reader(_TINY, broken)
    monkeypatch.undo()
    assert train_reader(_TINY, broken).read_bytes() == weights.read_bytes()

    with pytest.raises(DataError, match="holds another training"):
        train_reader(_TINY.model_copy(update={"seed": 9}), broken)
    (broken / "checkpoint.pt").write_bytes(b"half")
    with pytest.raises(DataError, match=r"checkpoint\.pt: damaged"):
        train_reader(_TINY, broken)


def test_the_pool_holds_valid_plates_and_survives_a_kill(pool_folder: Path, tmp_path: Path) -> None:
    pool = render_pool(pool_folder, _TINY.seed, _TINY.pool)
    assert pool.images.shape == (6, *POOL_SIZE, 3)
    assert all(is_valid(text) for text in pool.texts)
    assert pool.images.std() > 20
    again = render_pool(tmp_path, _TINY.seed, _TINY.pool)
    assert again.texts == pool.texts and np.array_equal(again.images, pool.images)
    shard = next(tmp_path.glob("*.npz"))
    shard.write_bytes(shard.read_bytes()[:500])
    with pytest.raises(DataError, match=r"\.npz: damaged pool shard"):
        render_pool(tmp_path, _TINY.seed, _TINY.pool)


def test_variations_are_mild_and_reproducible(pool_folder: Path) -> None:
    image = render_pool(pool_folder, _TINY.seed, _TINY.pool).images[0]
    for seed in range(30):
        varied = vary(image, np.random.default_rng(seed))
        assert varied.dtype == np.uint8 and varied.shape[2] == 3
        assert varied.shape[0] >= 14 and varied.shape[1] >= 52
        assert np.array_equal(varied, vary(image, np.random.default_rng(seed)))


def test_photographed_crops_stay_in_range_and_show_what_light_does(tmp_path: Path) -> None:
    pool = render_pool(tmp_path, 1, 8, {"blue": 1.0}, makers=True)
    plain = render_pool(tmp_path, 1, 8, {"blue": 1.0})
    assert pool.texts == plain.texts and not np.array_equal(pool.images, plain.images)
    thumbnails = 0
    for seed in range(80):
        image = pool.images[seed % len(pool)]
        crop = photograph(image, np.random.default_rng(seed))
        assert crop.dtype == np.uint8 and crop.shape[2] == 3
        assert crop.shape[0] >= 14 and crop.shape[1] >= 52
        assert np.array_equal(crop, photograph(image, np.random.default_rng(seed)))
        thumbnails += crop.shape[:2] == (24, 94)
    assert 20 <= thumbnails <= 45
    # White strokes swell where light is gathered before it is exposed: as many stops, more pixels of light.
    strokes = np.zeros((28, 96, 3), np.uint8)
    strokes[4:24, 8::12] = 200
    lit = [
        np.mean([expose(strokes, np.random.default_rng(s), 0.5, light, 0.0).mean() for s in range(40)])
        for light in (0.0, 1.0)
    ]
    assert lit[1] > lit[0]


def test_a_photographed_training_is_another_run(tmp_path: Path, pool_folder: Path) -> None:
    training = _TINY.model_copy(update={"photographed": True, "steps": 2})
    weights = train_reader(training, tmp_path / "out")
    assert CrnnReader(weights).descriptor.version == "tiny"
    assert list((tmp_path / "out/pool").glob("makers-*.npz"))
    assert empty_crop(render_pool(pool_folder, 1, 6), np.random.default_rng(3), photograph).shape[2] == 3


def test_filmed_crops_mix_both_deliveries_and_have_halos(tmp_path: Path) -> None:
    image = render_pool(tmp_path, 1, 1, {"mercosur": 1.0}, makers=True).images[0]
    dull, halos = [], []
    for seed in range(40):
        plain = film(image, np.random.default_rng(seed), photographed=0.5, sharpened=0.0)
        halo = film(image, np.random.default_rng(seed), photographed=0.5, sharpened=1.0)
        assert halo.shape == plain.shape and halo.dtype == np.uint8
        dull.append(plain.astype(float).std())
        halos.append(halo.astype(float).std())
    assert np.mean(np.array(halos) > dull) > 0.9 and np.mean(halos) > 1.1 * np.mean(dull)
    first = [np.random.default_rng(seed) for seed in (5, 5, 5)]
    assert np.array_equal(
        film(image, first[0], photographed=1.0, sharpened=0.0), _after_a_draw(photograph, image, first[1])
    )
    assert not np.array_equal(film(image, first[2], photographed=0.0, sharpened=0.0), image)
    mixed = _TINY.model_copy(update={"photographed": 0.5, "sharpened": 0.3}).deliver
    assert mixed not in (vary, photograph) and _TINY.deliver is vary


def _after_a_draw(deliver: Deliver, image: ImageU8, rng: np.random.Generator) -> ImageU8:
    rng.random()
    return deliver(image, rng, 1.0, 14)


def test_an_anchor_holds_what_the_start_weights_read(pool_folder: Path, tmp_path: Path) -> None:
    torch.manual_seed(1)
    start = tmp_path / "start.safetensors"
    save_crnn(CRNN(_TINY.crnn), _TINY.crnn, start)
    pool = render_pool(pool_folder, _TINY.seed, _TINY.pool)
    images = standardise(torch.from_numpy(np.stack([prepare(image, 112) for image in pool.images])))
    drift = {}
    for anchor in (0.0, 100.0):
        training = _TINY.model_copy(update={"start": start, "anchor": anchor, "learning_rate": 1e-3})
        trial = reader_training._Trial(training, pool)
        trial.advance(4)
        with torch.inference_mode():
            before, after = (net.eval()(images).softmax(-1) for net in (load_crnn(start), trial.network))
        drift[anchor] = float((before - after).abs().mean())
    assert drift[100.0] < drift[0.0]
    with pytest.raises(ValidationError, match="an anchor needs start weights"):
        ReaderTraining(anchor=1)


def test_latin_layouts_decide_alphabet_and_grammars(tmp_path: Path) -> None:
    training = _TINY.model_copy(update={"layouts": {"brazilian": 1.0, "mercosur": 1.0}, "smallest": 11})
    pool = render_pool(tmp_path, 1, 3, training.layouts)
    assert {grammar_of(text).name for text in pool.texts} <= {"brazilian", "mercosur"}
    assert training.crnn.alphabet == DIGITS + string.ascii_uppercase
    assert _TINY.crnn.alphabet == ALPHABET and _TINY.crnn.grammars == ("chinese",)
    reader_training._Trial(training, pool).advance(1)
    save_crnn(CRNN(training.crnn), training.crnn, tmp_path / "latin.safetensors")
    reader = CrnnReader(tmp_path / "latin.safetensors", "grammar")
    assert reader.descriptor.grammars == ("brazilian", "mercosur")
    for reading in reader.read(list(pool.images)):
        assert reading.text == "" or grammar_of(reading.text).name in reader.descriptor.grammars
    both = _TINY.model_copy(update={"layouts": {"blue": 1.0, "mercosur": 1.0}}).crnn
    assert both.alphabet == ALPHABET + "IO" and both.grammars == ("chinese", "mercosur")
    assert layout_shares(["mercosur", "brazilian"]) == {"mercosur": 1.0, "brazilian": 1.0}
    with pytest.raises(DataError, match="draws no plates of the grammar 'german'"):
        layout_shares(["german"])


def test_the_loss_falls(pool_folder: Path) -> None:
    torch.manual_seed(0)
    trial = reader_training._Trial(
        _TINY.model_copy(update={"steps": 100, "learning_rate": 3e-3}), render_pool(pool_folder, 1, 6)
    )
    trial.advance(3)
    first = trial.loss
    trial.advance(12)
    assert trial.loss < first
