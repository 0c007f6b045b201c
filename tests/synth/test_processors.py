"""Rendering and degrading give the same bytes whatever vector instructions NumPy and its BLAS use."""

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
import json, sys
from pathlib import Path
from mdlp_bench.synth.build import synthesise_rendered
from mdlp_bench.synth.degrade import load_recipe
found = {}
for name in ("surveillance", "surveillance@2", "motion@2", "bsrgan", "realesrgan"):
    found[name] = synthesise_rendered(load_recipe(name), 5, Path(sys.argv[1]) / name, seed=7).fingerprint
print(json.dumps(found))
"""


def fingerprints(folder: Path, **environment: str) -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, "-c", DIGESTS, str(folder)],
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, str] = json.loads(done.stdout)
    return found


def test_vector_instructions_change_no_byte(tmp_path: Path) -> None:
    here = fingerprints(tmp_path / "here")
    without = " ".join(__cpu_dispatch__)
    for number, environment in enumerate(
        ({"NPY_DISABLE_CPU_FEATURES": without}, {"OPENBLAS_CORETYPE": "Haswell"})
    ):
        assert fingerprints(tmp_path / str(number), **environment) == here, environment


def test_the_manifest_says_what_a_picture_was_rendered_under(tmp_path: Path) -> None:
    manifest = synthesise_rendered(load_recipe("bicubic"), 2, tmp_path / "x")
    assert manifest.rendered_under is not None
    assert re.fullmatch(
        r"opencv [\w.]+, numpy [\w.]+, \w+ with(out)? fused multiply-add", manifest.rendered_under
    )
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
