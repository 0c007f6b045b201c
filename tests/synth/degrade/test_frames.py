"""From the ground truth to encoded frames, and back to the same bytes."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from mdlp_bench.engine import Engine
from mdlp_bench.errors import DataError
from mdlp_bench.images import decode, encode
from mdlp_bench.schema import SAMPLE_SCHEMA, EncodedImage, Sample, record_batch, samples_of
from mdlp_bench.synth.degrade import (
    degrade_triplet,
    finish,
    frame_statistics,
    load_recipe,
    parse_recipe,
    recipe_names,
    replay,
    replay_frames,
    synthesise,
    synthesise_sample,
)

NAMES = [
    "bicubic",
    "bsrgan",
    "gaussian",
    "motion",
    "motion@2",
    "realesrgan",
    "surveillance",
    "surveillance@2",
]


def strokes(seed=0, size=(112, 224)):
    rng = np.random.default_rng(seed)
    image = np.full((*size, 3), (30, 70, 190), np.uint8)
    for x in range(12, size[1] - 20, 28):
        points = rng.integers((x, size[0] // 8), (x + 20, size[0] - size[0] // 8), (5, 2)).astype(np.int32)
        cv2.polylines(image, [points], False, (235, 235, 240), 5, cv2.LINE_AA)
    return image


def gt_samples(n):
    for index in range(n):
        yield Sample(
            sample_id=f"s{index:03d}",
            plate_id=f"p{index:03d}",
            track_id=f"s{index:03d}",
            split="train",
            domain="synthetic",
            source="rendered",
            gt=EncodedImage(encode(strokes(index)), f"{index}.png"),
            text="京A12345",
            text_origin="rendered",
            layout="blue",
        )


@pytest.mark.parametrize("name", NAMES)
def test_frames_decode_to_the_recorded_sizes_and_replay_to_the_same_bytes(name):
    gt, recipe = strokes(), load_recipe(name)
    kept = gt.copy()
    done = degrade_triplet(gt, recipe, seed=1, sample_id="a", n_frames=4)
    np.testing.assert_array_equal(gt, kept)
    assert len(done.frames) == 4
    for frame, record in zip(done.frames, done.parameters["frames"], strict=True):
        assert list(decode(frame, "frame").shape) == [*record["size"], 3]
    stored = json.loads(json.dumps(done.parameters))
    assert replay_frames(gt, stored) == done.frames
    assert degrade_triplet(gt, recipe, seed=1, sample_id="a").frames == done.frames[:3]
    assert degrade_triplet(gt, recipe, seed=2, sample_id="a").frames != done.frames[:3]
    assert len(set(done.frames)) == 4


def test_bicubic_is_pillows_bicubic_where_nothing_moves():
    text = """
name: still
version: 1
description: Bicubic without drift.
camera: {width: 56}
steps: [{op: resize, params: {of: frame, interpolation: antialiased_bicubic}}]
"""
    gt = strokes()
    frame = degrade_triplet(gt, parse_recipe(text, "still"), seed=0, sample_id="a", n_frames=1).frames[0]
    want = np.asarray(Image.fromarray(gt).resize((56, 28), Image.Resampling.BICUBIC), np.int16)
    assert np.abs(decode(frame, "frame").astype(np.int16) - want).max() <= 1


@pytest.mark.parametrize("size", [(54, 133), (24, 94), (99, 238), (300, 620)])
def test_any_size_of_clean_image(size):
    done = degrade_triplet(strokes(size=size), load_recipe("surveillance"), seed=0, sample_id="a")
    shapes = [decode(frame, "frame").shape for frame in done.frames]
    assert all(13 <= h <= 26 and 30 <= w <= 55 for h, w, _ in shapes)


def test_consecutive_frames_are_alike_but_not_equal():
    """Frames of one sample resemble each other more than frames of the same plate in other scenes."""

    def small(frame):
        grey = cv2.cvtColor(decode(frame, "frame"), cv2.COLOR_RGB2GRAY)
        return cv2.resize(grey, (41, 19), interpolation=cv2.INTER_AREA).astype(float)

    gt, recipe = strokes(), load_recipe("surveillance")
    tracks = [
        [small(f) for f in degrade_triplet(gt, recipe, seed=0, sample_id=str(i)).frames] for i in range(20)
    ]
    within = np.mean([np.abs(a - b).mean() for t in tracks for a, b in itertools.pairwise(t)])
    between = np.mean([np.abs(a[0] - b[0]).mean() for a, b in itertools.combinations(tracks, 2)])
    assert 1 < within < 0.8 * between


def test_surveillance_looks_like_the_early_frames_of_a_real_track(shared_dir):
    track = shared_dir / "real/mdlp_track/0001"
    real = [frame_statistics(decode((track / f"img_{i}.png").read_bytes(), "real")) for i in range(1, 6)]
    gt = decode((track / "img_22.png").read_bytes(), "late frame")
    recipe = load_recipe("surveillance")
    made = [
        frame_statistics(decode(frame, "made"))
        for i in range(20)
        for frame in degrade_triplet(gt, recipe, seed=0, sample_id=str(i)).frames
    ]
    for name, factor in [
        ("width", 1.1),
        ("sharpness", 1.6),
        ("contrast", 1.6),
        ("effective_resolution", 1.4),
    ]:
        want, got = (np.median([getattr(s, name) for s in group]) for group in (real, made))
        assert want / factor < got < want * factor, name


def test_real_scenes_through_every_recipe(shared_dir):
    """Plate crops of real scenes, cut out by their annotated corners, degrade and replay."""
    scenes = sorted((shared_dir / "real/ccpd_scenes").glob("*.jpg"))
    assert len(scenes) == 29
    recipes = [load_recipe(name) for name in recipe_names()]
    for number, path in enumerate(scenes):
        fields = path.stem.split("-")
        corners = np.array([[int(v) for v in p.split("&")] for p in fields[3].split("_")], np.float32)
        scene = decode(path.read_bytes(), path.name)
        target = np.array([[219, 107], [4, 107], [4, 4], [219, 4]], np.float32)
        plate = cv2.warpPerspective(scene, cv2.getPerspectiveTransform(corners, target), (224, 112))
        sample = replace(next(gt_samples(1)), sample_id=path.stem, gt=EncodedImage(encode(plate)))
        made = synthesise_sample(sample, recipes[number % len(recipes)], seed=0)
        assert replay(made) == [frame.content for frame in made.frames]
        for frame in made.decode_frames():
            assert frame_statistics(frame).width <= (224 if made.recipe == "motion@2" else 56)


def test_samples_fit_the_schema_and_replay():
    made = list(synthesise(gt_samples(5), load_recipe("surveillance"), seed=0))
    batch = record_batch(made)
    assert batch.schema.equals(SAMPLE_SCHEMA)
    assert list(samples_of(batch)) == made
    for sample in made:
        assert sample.domain == "synthetic"
        assert sample.recipe == "surveillance"
        assert sample.frame_indices == (1, 2, 3)
        assert sample.text == "京A12345"
        assert replay(sample) == [frame.content for frame in sample.frames]
        record = json.loads(sample.degradation)
        assert (record["recipe"], record["recipe_version"], record["seed"]) == ("surveillance", "1", 0)


def test_workers_and_order_do_not_change_a_byte(parallel: Engine):
    recipe = load_recipe("surveillance")
    alone = list(synthesise(gt_samples(40), recipe, seed=7))
    assert list(synthesise(gt_samples(40), recipe, seed=7, engine=parallel)) == alone
    backwards = list(synthesise(reversed(list(gt_samples(40))), recipe, seed=7))
    assert backwards[::-1] == alone


def test_synthesis_is_lazy():
    endless = (replace(next(gt_samples(1)), sample_id=str(i)) for i in itertools.count())
    first = list(itertools.islice(synthesise(endless, load_recipe("bicubic"), seed=0), 3))
    assert [sample.sample_id for sample in first] == ["0", "1", "2"]


def test_errors_name_the_sample():
    recipe = load_recipe("bicubic")
    made = synthesise_sample(next(gt_samples(1)), recipe, seed=0)
    with pytest.raises(DataError, match="sample s000: no ground truth"):
        synthesise_sample(replace(made, gt=None), recipe, seed=0)
    with pytest.raises(DataError, match="sample s000, ground truth: "):
        synthesise_sample(replace(made, gt=EncodedImage(b"damaged")), recipe, seed=0)
    with pytest.raises(DataError, match="sample s000: not a synthetic sample"):
        replay(replace(made, degradation=None))
    with pytest.raises(DataError, match="sample s000: no ground truth"):
        replay(replace(made, gt=None))
    with pytest.raises(DataError, match="sample s000: the degradation column is not JSON"):
        replay(replace(made, degradation="{"))
    with pytest.raises(DataError, match="not a JSON object"):
        replay(replace(made, degradation="[]"))
    record = json.loads(made.degradation)
    with pytest.raises(DataError, match="parameters of version 99"):
        replay(replace(made, degradation=json.dumps(record | {"parameters_version": 99})))
    record["frames"][0]["steps"][0]["op"] = "melt"
    with pytest.raises(DataError, match="damaged degradation parameters"):
        replay(replace(made, degradation=json.dumps(record)))
    with pytest.raises(DataError, match="expected a uint8"):
        degrade_triplet(np.zeros((5, 5), np.uint8), recipe, seed=0, sample_id="a")


FINISHED = """
name: finished
version: 1
description: Small and sharpened ground truths.
camera: {width: 40}
steps: [{op: resize, params: {of: frame, interpolation: area}}]
plates:
  finish:
    - {op: resize, params: {of: frame, scale: {uniform: [0.4, 0.6]}, interpolation: area}}
    - {op: gaussian_noise, params: {sigma: 4}}
    - {op: resize, params: {of: frame, interpolation: bicubic}}
"""


def test_ground_truths_are_finished_by_seed_and_sample():
    image, recipe = strokes(), parse_recipe(FINISHED, "finished")
    done = finish(image, recipe, seed=1, sample_id="a")
    assert done.shape == image.shape and done.dtype == np.uint8
    np.testing.assert_array_equal(done, finish(image, recipe, seed=1, sample_id="a"))
    others = [finish(image, recipe, seed=seed, sample_id=name) for seed, name in ((2, "a"), (1, "b"))]
    assert all((done != other).any() for other in others)
    # A thumbnail of about half the size has lost what lies between its pixels.
    fine = [np.abs(np.diff(x.astype(float), axis=1)).max() for x in (image, done)]
    assert fine[1] < fine[0]
    np.testing.assert_array_equal(image, finish(image, load_recipe("surveillance"), seed=1, sample_id="a"))


def test_a_finish_that_changes_the_size_is_refused():
    recipe = parse_recipe(
        FINISHED.replace("    - {op: resize, params: {of: frame, interpolation: bicubic}}\n", ""), "x"
    )
    with pytest.raises(DataError, match="finished: its steps end at"):
        finish(strokes(), recipe, seed=1, sample_id="a")
