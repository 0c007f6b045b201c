"""Recipes: format, distributions of their parameters, temporal coherence."""

from __future__ import annotations

import collections
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mdlp_bench.errors import DataError
from mdlp_bench.synth.degrade import draw_parameters, load_recipe, parse_recipe, recipe_names
from mdlp_bench.synth.degrade.draws import Draw, pick, reflect

N = 10_000
N_BSRGAN = 4_000
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


def draws_of(name, n=N, n_frames=1):
    recipe = load_recipe(name)
    return [draw_parameters(recipe, seed=5, sample_id=str(i), n_frames=n_frames) for i in range(n)]


@pytest.fixture(scope="module")
def realesrgan():
    return [d["frames"][0]["steps"] for d in draws_of("realesrgan")]


@pytest.fixture(scope="module")
def bsrgan():
    return [d["frames"][0]["steps"] for d in draws_of("bsrgan", N_BSRGAN)]


@pytest.fixture(scope="module")
def surveillance():
    return draws_of("surveillance", 1500, 3)


def uniform_test(values, low, high):
    assert min(values) >= low
    assert max(values) <= high
    assert stats.kstest(values, "uniform", (low, high - low)).pvalue > 1e-4


def share(condition, expected, n):
    """A binomial share within five standard errors."""
    assert condition == pytest.approx(expected, abs=5 * math.sqrt(expected * (1 - expected) / n))


def test_the_named_recipes_are_there():
    assert recipe_names() == NAMES
    for name in NAMES:
        recipe = load_recipe(name)
        assert recipe.id == name
        assert recipe.version


def test_a_version_is_loaded_by_its_number():
    assert load_recipe("surveillance@1") is load_recipe("surveillance")
    second = load_recipe("motion@2")
    assert (second.name, second.version, second.id) == ("motion", "2", "motion@2")
    with pytest.raises(DataError, match="no recipe 'surveillance@9'"):
        load_recipe("surveillance@9")


# --- the draws ------------------------------------------------------------


@given(st.floats(-50, 50))
def test_reflection_stays_inside_and_keeps_what_is_inside(u):
    assert 0 <= reflect(u) <= 1
    assert reflect(u) == pytest.approx(reflect(-u))
    assert reflect(u) == pytest.approx(reflect(u + 2), abs=1e-9)
    if 0 <= u <= 1:
        assert reflect(u) == u


@given(st.floats(0, 1))
def test_quantile_functions(u):
    assert Draw(uniform=(2, 4)).at(u) == pytest.approx(2 + 2 * u)
    assert Draw(log_uniform=(0.1, 10)).at(u) == pytest.approx(10 ** (2 * u - 1))
    assert Draw(sqrt_uniform=(0, 9)).at(u) == pytest.approx(3 * math.sqrt(u))
    assert Draw(reciprocal_uniform=(1, 8)).at(u) == pytest.approx(1 / (1 + 7 * u))
    assert Draw(quantiles=(0.5, 1, 4)).at(u) == pytest.approx(0.5 + u if u <= 0.5 else 1 + 6 * (u - 0.5))
    assert Draw(integers=(3, 5)).at(u) == min(3 + int(3 * u), 5)
    assert Draw(choice=("a", "b"), weights=(1, 3)).at(u) == ("a" if u < 0.25 else "b")
    assert 0 <= pick((0.3, 0.3, 0.4), u) <= 2


@pytest.mark.parametrize(
    "bad",
    [
        {},
        {"uniform": (0, 1), "value": 2},
        {"uniform": (2, 1)},
        {"log_uniform": (0, 1)},
        {"reciprocal_uniform": (0, 1)},
        {"quantiles": (2, 1)},
        {"choice": (1, 2), "weights": (1,)},
        {"value": 1, "weights": (1,)},
        {"uniform": (0, float("inf"))},
    ],
)
def test_impossible_draws_are_refused(bad):
    with pytest.raises(ValueError):
        Draw(**bad)


def test_a_walk_keeps_the_distribution_and_is_correlated(surveillance):
    """Each frame by itself follows the recipe; consecutive frames differ little."""
    radius = np.array(
        [
            [
                next(s["params"]["qp"] for s in frame["steps"] if s["op"] == "block_codec")
                for frame in sample["frames"]
            ]
            for sample in surveillance
        ]
    )
    for frame in range(3):
        uniform_test(radius[:, frame], 18, 28)
    assert np.corrcoef(radius[:, 0], radius[:, 1])[0, 1] > 0.9
    assert (radius[:, 0] != radius[:, 1]).all()


# --- official parameters ------------------------------------------------------------


def test_realesrgan_first_stage(realesrgan):
    kernels = collections.Counter()
    sigma = []
    for steps in realesrgan:
        op, params = steps[1]["op"], steps[1]["params"]
        kernels[op, params.get("sigma_y") is not None] += 1
        assert params["size"] in range(7, 22, 2)
        if op != "sinc_blur":
            sigma.append(params["sigma_x"])
        else:
            assert params["cutoff"] >= math.pi / (3 if params["size"] < 13 else 5) - 1e-6
    expected = {
        ("sinc_blur", False): 0.1,
        ("gaussian_blur", False): 0.9 * 0.45,
        ("gaussian_blur", True): 0.9 * 0.25,
        ("generalized_gaussian_blur", False): 0.9 * 0.12,
        ("generalized_gaussian_blur", True): 0.9 * 0.03,
        ("plateau_blur", False): 0.9 * 0.12,
        ("plateau_blur", True): 0.9 * 0.03,
    }
    assert set(kernels) == set(expected)
    for kind, probability in expected.items():
        share(kernels[kind] / N, probability, N)
    uniform_test(sigma, 0.2, 3.0)

    factors = np.array([steps[2]["params"]["height"] / 112 for steps in realesrgan])
    share((factors > 1.005).mean(), 0.2, N)
    share((factors < 0.995).mean(), 0.7, N * 0.5)  # a little of either side rounds to "keep"
    assert 0.14 < factors.min() < 0.16
    assert 1.48 < factors.max() <= 1.5
    noise = [steps[3] for steps in realesrgan]
    share(np.mean([n["op"] == "gaussian_noise" for n in noise]), 0.5, N)
    gray = [n["params"].get("gray", n["params"].get("channels") == "gray") for n in noise]
    share(np.mean(gray), 0.4, N)
    uniform_test([n["params"]["sigma"] for n in noise if n["op"] == "gaussian_noise"], 1, 30)
    uniform_test([n["params"]["scale"] for n in noise if n["op"] == "poisson_noise"], 0.05, 3)
    assert all(steps[4]["op"] == "jpeg" for steps in realesrgan)
    quality = collections.Counter(steps[4]["params"]["quality"] for steps in realesrgan)
    assert set(quality) == set(range(30, 96))
    assert stats.chisquare(list(quality.values())).pvalue > 1e-4


def test_realesrgan_betas(realesrgan):
    beta = collections.defaultdict(list)
    for steps in realesrgan:
        if "beta" in steps[1]["params"]:
            beta[steps[1]["op"]].append(steps[1]["params"]["beta"])
    general, plateau = np.array(beta["generalized_gaussian_blur"]), np.array(beta["plateau_blur"])
    assert general.min() >= 0.5
    assert general.max() <= 4
    share((general < 1).mean(), 0.5, general.size)
    share((plateau == 1).mean(), 0.5, plateau.size)
    assert plateau.max() <= 2


def test_realesrgan_second_stage(realesrgan):
    second_blur, order, final_sinc = 0, 0, 0
    for steps in realesrgan:
        tail = steps[5:]
        blurred = tail[0]["op"] != "resize"
        second_blur += blurred
        tail = tail[blurred:]
        assert tail[0]["op"] == "resize"
        assert 28 * 0.3 - 1 <= tail[0]["params"]["height"] <= 28 * 1.2 + 1
        assert tail[1]["op"] in {"gaussian_noise", "poisson_noise"}
        if tail[1]["op"] == "gaussian_noise":
            assert 1 <= tail[1]["params"]["sigma"] <= 25
        else:
            assert 0.05 <= tail[1]["params"]["scale"] <= 2.5
        ops = [step["op"] for step in tail[2:]]
        assert ops in (
            ["resize", "jpeg"],
            ["jpeg", "resize"],
            ["resize", "sinc_blur", "jpeg"],
            ["jpeg", "resize", "sinc_blur"],
        )
        order += ops[0] == "jpeg"
        final_sinc += "sinc_blur" in ops
    share(second_blur / N, 0.8, N)
    share(order / N, 0.5, N)
    share(final_sinc / N, 0.8, N)


def test_bsrgan_parameters(bsrgan):
    noise, halved, camera, jpegs = collections.Counter(), 0, 0, []
    first, shifted = collections.Counter(), 0
    for steps in bsrgan:
        ops = [s["op"] for s in steps[1:]]
        assert ops[-1] == "jpeg"
        sizes = [s["params"]["height"] for s in steps if s["op"] == "resize"]
        is_half = (
            steps[1]["op"] == "resize" and sizes[0] == 56 and len(sizes) + ops.count("shifted_nearest") == 3
        )
        halved += is_half
        kind = next(s["params"]["channels"] for s in steps if s["op"] == "gaussian_noise")
        noise[kind] += 1
        camera += "bayer_sensor" in ops
        jpegs.append(ops.count("jpeg") - 1)
        shifted += "shifted_nearest" in ops
        assert ops.count("gaussian_blur") == 2
        if not is_half:
            first[ops[0]] += 1
        for step in steps:
            if step["op"] == "gaussian_blur":
                high = math.sqrt(8) if step["params"]["sigma_y"] is not None else 2.8
                assert 0 <= step["params"]["sigma_x"] <= high
                assert step["params"]["size"] in range(7, 26, 2)
            if step["op"] == "gaussian_noise":
                assert step["params"]["sigma"] in range(2, 26)
            if step["op"] == "jpeg":
                assert 30 <= step["params"]["quality"] <= 95
    for kind, probability in {"colour": 0.4, "gray": 0.4, "correlated": 0.2}.items():
        share(noise[kind] / N_BSRGAN, probability, N_BSRGAN)
    share(halved / N_BSRGAN, 0.25, N_BSRGAN)
    share(camera / N_BSRGAN, 0.25, N_BSRGAN)
    share(np.mean(jpegs), 0.9, N_BSRGAN)
    share(shifted / N_BSRGAN, 0.25, N_BSRGAN)
    # Each of the seven is as likely to come first: a blur in two cases of seven.
    total = sum(first.values())
    share(first["gaussian_blur"] / total, 2 / 7 + 1 / 7 * 0.75 * 2 / 6, total / 4)


def test_bsrgan_downsamples_in_order(bsrgan):
    """The resize to the final size never precedes the first down-sampling."""
    for steps in bsrgan:
        down = [s for s in steps if s["op"] in {"resize", "shifted_nearest"}]
        assert down[-1]["op"] == "resize"
        assert (down[-1]["params"]["height"], down[-1]["params"]["width"]) == (28, 56)


# --- surveillance ------------------------------------------------------------


def test_surveillance_sizes_are_those_of_real_early_frames(surveillance):
    first = np.array([sample["frames"][0]["size"] for sample in surveillance])
    assert first[:, 0].min() >= 13
    assert first[:, 0].max() <= 26
    assert first[:, 1].min() >= 30
    assert first[:, 1].max() <= 55
    assert np.median(first[:, 1]) == 41
    growth = np.array([[f["size"][1] for f in sample["frames"]] for sample in surveillance])
    assert (np.diff(growth, axis=1) >= 0).all()
    assert np.diff(growth, axis=1).max() <= 3


def test_plates_grow_as_one_over_the_distance():
    for index in range(50):
        sample = draw_parameters(load_recipe("surveillance"), seed=1, sample_id=str(index), n_frames=22)
        camera = sample["frames"][0]["camera"]
        for k, frame in enumerate(sample["frames"]):
            left = camera["distance"] - camera["speed"] / 3.6 * camera["interval"] * k
            assert frame["size"][1] == round(camera["width"] * camera["distance"] / left)
            assert frame["camera"]["speed"] == camera["speed"]


def test_motion_blur_follows_speed_and_exposure():
    text = """
name: physics
version: 1
description: Fixed numbers.
camera: {width: 44, aspect: 2, distance: 20, speed: 36, exposure: 0.01, below: 3, lateral: 4}
steps:
  - op: motion_blur
    params: {length: {value: 1, times: motion_length}, angle: {value: 1, times: motion_angle}}
  - {op: resize, params: {of: frame, interpolation: area}}
"""
    frame = draw_parameters(parse_recipe(text, "physics"), seed=0, sample_id="a", n_frames=1)["frames"][0]
    # f = 44 px x 20 m / 0.44 m = 2000 px; f R v / z^2 t with R = 5 m, v = 10 m/s: 2.5 frame pixels.
    assert frame["camera"]["motion_length"] == pytest.approx(2.5 * 224 / 44)
    assert frame["steps"][1]["params"]["length"] == pytest.approx(2.5 * 224 / 44)
    assert frame["camera"]["motion_angle"] == pytest.approx(math.atan2(3, 4))


# --- determinism and format ------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_json_deterministic_and_prefix_stable(name):
    recipe = load_recipe(name)
    five = draw_parameters(recipe, seed=3, sample_id="京A12345", n_frames=5)
    assert json.loads(json.dumps(five, allow_nan=False)) == five
    two = draw_parameters(recipe, seed=3, sample_id="京A12345", n_frames=2)
    assert two["frames"] == five["frames"][:2]
    assert draw_parameters(recipe, seed=4, sample_id="京A12345")["frames"] != five["frames"][:3]
    assert draw_parameters(recipe, seed=3, sample_id="京A12346")["frames"] != five["frames"][:3]
    ops = {tuple(s["op"] for s in frame["steps"]) for frame in five["frames"]}
    assert len(ops) == 1  # one scene
    seeds = [s["seed"] for frame in five["frames"] for s in frame["steps"] if "seed" in s]
    assert len(seeds) == len(set(seeds))  # independent noise


MINIMAL = """
name: mine
version: 2
description: A test.
camera: {width: 40}
steps:
  - {op: resize, params: {of: frame, interpolation: area}}
"""


def test_a_recipe_from_a_file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(MINIMAL, encoding="utf-8")
    recipe = load_recipe(path)
    assert (recipe.name, recipe.version) == ("mine", "2")
    assert load_recipe(str(path)) == recipe
    done = draw_parameters(recipe, seed=0, sample_id="x")
    assert (done["recipe"], done["recipe_version"]) == ("mine", "2")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("op: resize", "op: blurr"), "no operator 'blurr'"),
        (("of: frame", "onto: frame"), "no parameter \\['onto'\\]"),
        (("width: 40", "width: {uniform: [50, 40]}"), "50.0 is above 40.0"),
        (("description: A test.", ""), "description"),
        (("camera:", "camera: ["), "correct the YAML"),
        (("name: mine", "name: Mine!"), "name"),
        (("version: 2", "version: 2\nextra: 1"), "extra"),
    ],
)
def test_broken_recipes_name_the_fault(change, message):
    with pytest.raises(DataError, match=message) as caught:
        parse_recipe(MINIMAL.replace(*change), "mine.yaml")
    assert str(caught.value).startswith("mine.yaml")
    assert "\n" not in str(caught.value)


def test_unknown_names_and_missing_files(tmp_path):
    with pytest.raises(DataError, match=r"no recipe 'surveilance' .*'surveillance'.*there are: bicubic"):
        load_recipe("surveilance")
    with pytest.raises(DataError, match="cannot be read"):
        load_recipe(tmp_path / "no.yaml")
    with pytest.raises(DataError, match="a recipe is a mapping"):
        parse_recipe("- 1", "list.yaml")


def test_a_recipe_must_end_at_the_frame_size_and_within_ranges():
    recipe = parse_recipe(MINIMAL.replace("of: frame", "of: frame, scale: 2"), "m")
    with pytest.raises(DataError, match="its steps end at 80 x 40 px, the frame is 40 x 20"):
        draw_parameters(recipe, seed=0, sample_id="x")
    recipe = parse_recipe(MINIMAL + "  - {op: jpeg, params: {quality: 0}}\n", "m")
    with pytest.raises(DataError, match="recipe mine: jpeg: quality"):
        draw_parameters(recipe, seed=0, sample_id="x")
    with pytest.raises(DataError, match="n_frames is 0"):
        draw_parameters(load_recipe("bicubic"), seed=0, sample_id="x", n_frames=0)
