from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mdlp_bench.data import open_samples
from mdlp_bench.errors import DataError
from mdlp_bench.gap.fitting.fit import fit_recipe
from mdlp_bench.gap.fitting.fit_report import summary
from mdlp_bench.gap.fitting.objective import Objective, degraded, plates_of, quantiles, rendered_plates
from mdlp_bench.gap.fitting.paired import paired_statistics
from mdlp_bench.gap.fitting.parameters import RecipeSpace, Strength, recipe_text
from mdlp_bench.gap.fitting.search import search
from mdlp_bench.gap.measure import statistics_of
from mdlp_bench.images import decode
from mdlp_bench.synth.build import synthesise_rendered
from mdlp_bench.synth.degrade import degrade_triplet, load_recipe, parse_recipe, recipe_names
from mdlp_bench.synth.degrade.plan import draw_parameters

JPEG = """
name: jpeg
version: 1
description: Nothing but a JPEG.
camera: {{width: 72}}
steps:
  - {{op: resize, params: {{of: frame, interpolation: area}}}}
  - {{op: jpeg, params: {{quality: {quality}}}}}
"""

numbers = st.lists(st.floats(-5, 5), min_size=1, max_size=12)


@pytest.fixture(scope="module")
def planted(import_script: Callable[[Path], Any]) -> Any:
    """The benchmark that plants a recipe and fits another one."""
    return import_script(Path(__file__).resolve().parents[2] / "benchmarks/gap_fit.py")


@given(numbers, numbers)
def test_differences_of_quantiles_are_those_of_the_distributions_but_for_their_tails(
    first: list[float], second: list[float]
) -> None:
    # Ten of each sample's values, so that the ten quantiles are the samples themselves.
    ours, theirs = (np.repeat(np.sort(one)[:1], 10) + np.linspace(0, len(one), 10) for one in (first, second))
    differences = quantiles(np.repeat(ours, 9)) - quantiles(np.repeat(theirs, 9))
    assert np.abs(differences).mean() == pytest.approx(stats.wasserstein_distance(ours, theirs), abs=1e-9)


@pytest.mark.parametrize("name", [name for name in recipe_names() if name != "bicubic"])
def test_a_recipe_moved_nowhere_is_itself_and_moved_to_the_ends_is_one(name: str) -> None:
    recipe = load_recipe(name)
    space = RecipeSpace.of(recipe)
    assert space.strengths and all(low <= 1 <= high for low, high in space.ranges.values())
    same = space.recipe_at(dict.fromkeys(space.ranges, 1.0))
    for one in RecipeSpace.of(same).strengths:
        assert one.limits == pytest.approx(
            next(s for s in space.strengths if s.name == one.name).limits, rel=1e-4
        )
    for end in (0, 1):
        moved = space.recipe_at({key: limits[end] for key, limits in space.ranges.items()})
        assert parse_recipe(recipe_text(moved), name) == moved
        for index in range(5):
            draw_parameters(moved, seed=0, sample_id=str(index))


def test_a_recipe_of_constants_has_nothing_to_fit() -> None:
    with pytest.raises(DataError, match="write ranges"):
        RecipeSpace.of(load_recipe("bicubic"))


def test_level_and_spread_move_what_their_names_say() -> None:
    uniform = Strength("x", "x", "uniform", (2.0, 4.0), 0.0, 100.0)
    assert uniform.moved(1, 1) == (2.0, 4.0) and uniform.moved(2, 1) == (4.0, 8.0)
    assert uniform.moved(1, 0.5) == (2.5, 3.5) and uniform.moved(1, 4) == (0.0, 7.0)
    logarithmic = Strength("x", "x", "log_uniform", (1.0, 4.0), 0.0, 100.0)
    assert logarithmic.middle == 2 and logarithmic.moved(2, 1) == (2.0, 8.0)
    assert logarithmic.moved(1, 0.5) == pytest.approx((math.sqrt(2), 2 * math.sqrt(2)), rel=1e-4)
    quality = Strength("x", "x", "integers", (40, 90), 1.0, 100.0)
    assert quality.levels == (0.25, 100 / 65) and quality.moved(1.3, 1) == (52.0, 100.0)


def test_what_is_no_strength_is_left_alone() -> None:
    names = {one.name for one in RecipeSpace.of(load_recipe("surveillance")).strengths}
    assert {"defocus_blur.radius", "resize.scale", "bayer_sensor.read", "output.quality"} <= names
    assert not {name for name in names if "grid" in name or "phase" in name or "angle" in name}


def test_the_search_finds_a_minimum_and_goes_on_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    ranges = {"a": (0.25, 4.0), "b": (0.25, 4.0), "idle": (0.5, 2.0)}
    calls: list[int] = []

    def residuals(many):
        calls.append(len(many))
        # A valley that turns, as Rosenbrock's does.
        return [np.array([5 * (math.log(n["b"]) - math.log(n["a"]) ** 2), n["a"] - 2.5]) for n in many]

    whole = search(ranges, residuals, tmp_path / "whole", {"x": 1}, trials=200)
    best = min(whole, key=lambda one: one.cost)
    assert best.numbers["a"] == pytest.approx(2.5, rel=0.03) and best.numbers["idle"] == 1
    assert best.numbers["b"] == pytest.approx(math.exp(math.log(2.5) ** 2), rel=0.05)
    assert whole[0].numbers == dict.fromkeys(ranges, 1.0) and len(whole) == sum(calls) < 60
    for trials in (6, 11, 200):
        calls.clear()
        parts = search(ranges, residuals, tmp_path / "parts", {"x": 1}, trials=trials)
        assert parts == whole[:trials]
    assert sum(calls) == len(whole) - 11
    assert (tmp_path / "parts").read_bytes() == (tmp_path / "whole").read_bytes()
    with pytest.raises(DataError, match="another search"):
        search(ranges, residuals, tmp_path / "parts", {"x": 2}, trials=200)


def test_a_minimum_beyond_the_range_is_found_at_its_end(tmp_path: Path) -> None:
    ranges = {"a": (0.25, 1.1), "b": (1.0, 4.0)}
    found = search(
        ranges,
        lambda many: [np.array([math.log(n["a"] / 3), math.log(n["b"] * 2)]) for n in many],
        tmp_path / "log",
        {},
        trials=100,
    )
    assert min(found, key=lambda one: one.cost).numbers == pytest.approx({"a": 1.1, "b": 1.0}, rel=0.01)
    for name, (low, high) in ranges.items():
        assert all(0.999 * low <= one.numbers[name] <= 1.001 * high for one in found)


def test_the_quality_of_a_jpeg_is_read_off_its_pixels(planted: Any) -> None:
    (plate,) = rendered_plates(1, 4, planted.start_recipe())
    for quality in (30, 60, 90):
        recipe = parse_recipe(JPEG.format(quality=quality), "jpeg")
        # Without clipped colours, which hide the steps.
        done = degrade_triplet(plate.gt // 2 + 60, recipe, seed=0, sample_id="0")
        frames = [decode(frame, "frame") for frame in done.frames]
        assert statistics_of(frames)["jpeg_quality"] == quality


def test_flicker_tells_noise_from_structure_that_stays() -> None:
    rng = np.random.default_rng(0)
    scene = rng.integers(0, 256, (32, 64, 3), dtype=np.uint8)
    still = statistics_of([scene, scene, scene])
    noisy = [
        np.clip(scene / 2 + 60 + rng.normal(0, 8, (32, 64, 1)), 0, 255).astype(np.uint8) for _ in range(3)
    ]
    assert still["flicker"] < 0.1 and still["noise_sigma"] > 20
    assert statistics_of(noisy)["flicker"] == pytest.approx(8, rel=0.1)


def test_the_ground_truth_tells_blur_and_noise_apart(planted: Any) -> None:
    (plate,) = rendered_plates(1, 2, planted.start_recipe())
    gt = cv2.resize(plate.gt, (112, 56), interpolation=cv2.INTER_AREA)
    rng = np.random.default_rng(0)

    def found(sigma_x: float, noise: float) -> dict[str, float]:
        blurred = cv2.GaussianBlur(gt, (0, 0), sigmaX=sigma_x, sigmaY=0.5).astype(float)
        frame = np.clip(blurred + rng.normal(0, noise, blurred.shape), 0, 255).astype(np.uint8)
        return paired_statistics([frame], plate.gt)

    sharp, blurred, noisy = found(0.5, 1), found(1.5, 1), found(0.5, 12)
    assert blurred["response_horizontal"] < 0.6 * sharp["response_horizontal"]
    assert blurred["response_vertical"] == pytest.approx(sharp["response_vertical"], abs=0.15)
    assert noisy["residual"] > sharp["residual"] + 3
    other = rng.integers(0, 256, (28, 56, 3), dtype=np.uint8)
    assert all(math.isnan(value) for value in paired_statistics([other], plate.gt).values())


def test_the_planted_recipe_is_nearer_than_the_start_and_candidates_differ_by_parameters_alone(
    planted: Any,
) -> None:
    known, start = planted.planted_recipe(), planted.start_recipe()
    real = degraded(rendered_plates(6, 0, start), known, seed=0)
    objective = Objective(real, real, start, None, seed=1, paired=True)
    of_known, of_start = objective.residuals([known, start])
    again, _ = objective.residuals([known, start])
    assert of_known.tolist() == again.tolist()
    assert len(of_known) == 10 * len(objective.statistics)
    assert np.linalg.norm(of_known) < 0.6 * np.linalg.norm(of_start)


def test_a_fit_finds_planted_blur_noise_and_quality(tmp_path: Path, planted: Any) -> None:
    """Forty candidates on ten plates; benchmarks/gap_fit.py has the errors of a full fit."""
    found = planted.self_check(10, 40, tmp_path / "log", paired=True)
    assert [one.name for one in found] == ["gaussian_blur.sigma_x", "gaussian_noise.sigma", "jpeg.quality"]
    assert [one.error(one.fitted) < 0.25 for one in found] == [True] * 3
    assert min(one.error(one.start) for one in found) > 0.35


def test_a_fitted_recipe_is_written_with_its_report_and_found_again(tmp_path: Path) -> None:
    synthesise_rendered(load_recipe("motion"), 12, tmp_path / "real", seed=3)
    out = tmp_path / "fitted.yaml"
    report = fit_recipe(str(tmp_path / "real"), load_recipe("gaussian"), out, trials=9, limit=12)
    fitted = load_recipe(out)
    assert fitted.name == "gaussian-fitted" and report.paired and report.trials >= 9
    assert json.loads(out.with_suffix(".json").read_text(encoding="utf-8")) == report.model_dump(mode="json")
    assert report.fit_plates + report.held_out_plates == 12 and report.distance <= report.start_distance
    assert "few for 4 numbers" in summary(report) and "held out | before | after" in summary(report)
    text, log = out.read_bytes(), out.with_suffix(".trials.jsonl").stat().st_mtime_ns
    assert fit_recipe(str(tmp_path / "real"), load_recipe("gaussian"), out, trials=9, limit=12) == report
    assert out.read_bytes() == text and out.with_suffix(".trials.jsonl").stat().st_mtime_ns == log


def test_plates_without_frames_are_refused(make_samples) -> None:
    from conftest import sample_row

    with pytest.raises(DataError, match="no frames"):
        plates_of(make_samples(rows=[sample_row(0, frames=[], frame_indices=[])]))


def test_too_few_plates_are_refused(tmp_path: Path) -> None:
    synthesise_rendered(load_recipe("gaussian"), 3, tmp_path / "few", seed=0)
    assert len(open_samples(tmp_path / "few")) == 3
    with pytest.raises(DataError, match="3 are needed"):
        fit_recipe(str(tmp_path / "few"), load_recipe("gaussian"), tmp_path / "f.yaml", trials=1, limit=9)
