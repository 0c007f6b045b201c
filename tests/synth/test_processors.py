"""Rendering and degrading give the same bytes whatever vector instructions the processor has."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from numpy._core._multiarray_umath import __cpu_dispatch__

from mdlp_bench.data import open_samples
from mdlp_bench.data.manifest import read_manifest
from mdlp_bench.errors import DataError
from mdlp_bench.harness import demo
from mdlp_bench.harness.demo import FINGERPRINT, write_test_set
from mdlp_bench.synth.build import synthesise_rendered
from mdlp_bench.synth.degrade import load_recipe

DIGESTS = """
import hashlib, json, sys
from pathlib import Path
import numpy as np
from mdlp_bench.synth.build import synthesise_rendered
from mdlp_bench.synth.degrade import load_recipe
from mdlp_bench.synth.degrade.operators import OPERATORS
from mdlp_bench.synth.render import render_sample
found = {}
for name in ("surveillance", "surveillance@2", "motion@2", "bsrgan", "realesrgan"):
    found[name] = synthesise_rendered(load_recipe(name), 3, Path(sys.argv[1]) / name, seed=7).fingerprint
clean = np.asarray(render_sample(3, 1).image, np.float32) / np.float32(255)
for name, params in json.loads(sys.argv[2]).items():
    operator = OPERATORS[name]
    done = operator.apply(clean, operator.params.model_validate(params), np.random.default_rng(1))
    found[name] = hashlib.sha256(done.tobytes()).hexdigest()
print(json.dumps(found))
"""
# Operators that no bundled recipe uses, or rarely.
OPERATORS: dict[str, dict[str, object]] = {
    "colour_cast": {"red_gain": 1.1, "blue_gain": 0.9},
    "denoise": {"range_sigma": 0.1, "space_sigma": 1.5},
    "fog": {"density": 0.5},
    "gamma": {"gamma": 1.7},
    "gaussian_blur": {"sigma_x": 2.0, "sigma_y": 0.7, "angle": 0.4, "size": 21},
    "glare": {"strength": 1, "x": 0.3, "y": 0.4, "radius": 0.3},
    "night": {"level": 0.2, "colour_loss": 0.5, "lamp": 1},
    "rain": {"drops": 20, "length": 0.2, "slant": 5},
    "resize": {"height": 61, "width": 85, "interpolation": "lanczos"},
    "shadow": {"x": 0.4, "y": 0.5, "angle": 1, "level": 0.4, "softness": 0.03},
    "shifted_nearest": {"factor": 3, "sigma": 1.4},
    "sinc_blur": {"size": 21, "cutoff": 1.2},
}
EVERY_FEATURE = "SSE4.1,SSE4.2,FP16,AVX,AVX2,FMA3,AVX512-SKX"


def fingerprints(folder: Path, **environment: str) -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, "-c", DIGESTS, str(folder), json.dumps(OPERATORS)],
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, str] = json.loads(done.stdout)
    return found


def test_vector_instructions_change_no_byte(tmp_path: Path) -> None:
    here = fingerprints(tmp_path / "here")
    others = (
        {"OPENCV_CPU_DISABLE": "AVX2,FMA3", "OPENBLAS_CORETYPE": "Haswell"},
        {
            "OPENCV_CPU_DISABLE": EVERY_FEATURE,
            "OPENCV_IPP": "disabled",
            "NPY_DISABLE_CPU_FEATURES": " ".join(__cpu_dispatch__),
        },
    )
    for number, environment in enumerate(others):
        assert fingerprints(tmp_path / str(number), **environment) == here, environment


def test_the_manifest_says_what_a_picture_was_rendered_under(tmp_path: Path) -> None:
    manifest = synthesise_rendered(load_recipe("bicubic"), 2, tmp_path / "x")
    assert manifest.rendered_under is not None
    assert re.fullmatch(r"opencv [\w.]+, numpy [\w.]+, pillow [\w.]+, \w+", manifest.rendered_under)
    assert read_manifest(tmp_path / "x").rendered_under == manifest.rendered_under


def test_the_test_set_is_the_boards_on_every_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert write_test_set(tmp_path / "whole").fingerprint == FINGERPRINT
    cards = Path(__file__).resolve().parents[2].glob("leaderboard/datasets/*/dataset.json")
    assert FINGERPRINT in {json.loads(card.read_text())["fingerprint"] for card in cards}
    write_test_set(tmp_path / "some", 3)
    whole = open_samples(tmp_path / "whole")
    assert list(open_samples(tmp_path / "some")) == list(whole[:3])
    monkeypatch.setattr(demo, "FINGERPRINT", "0" * 64)
    with pytest.raises(DataError, match="install the package again"):
        write_test_set(tmp_path / "wrong", 3)
