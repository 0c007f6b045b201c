from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mdlp_bench.data import open_samples
from mdlp_bench.data.plate_split import splits_of
from mdlp_bench.errors import DataError
from mdlp_bench.gap.measure import Measured, choose_plates, measure
from mdlp_bench.gap.report_model import StudySettings
from mdlp_bench.gap.sets import SetSpec, open_set, unique_names
from mdlp_bench.gap.study import compare_sets, mean_standardised, pair_gaps
from mdlp_bench.synth.build import synthesise_rendered
from mdlp_bench.synth.degrade import load_recipe, parse_recipe

FAST = StudySettings(permutations=199, resamples=100)

PLANTED = """
name: planted
version: 1
description: A known blur.
camera: {{width: 56}}
steps:
  - {{op: gaussian_blur, params: {{sigma_x: {sigma}}}}}
  - {{op: resize, params: {{of: frame, interpolation: area}}}}
  - {{op: gaussian_noise, params: {{sigma: 2}}}}
"""


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> dict[float, Measured]:
    """The same eight plates with growing blur."""
    folder = tmp_path_factory.mktemp("planted")
    found = {}
    for sigma in (1.0, 1.5, 3.0, 6.0):
        recipe = parse_recipe(PLANTED.format(sigma=sigma), "planted")
        synthesise_rendered(recipe, 8, folder / str(sigma), seed=3)
        found[sigma] = measure(open_samples(folder / str(sigma)), f"blur {sigma}", None)
    return found


def test_a_planted_gap_of_increasing_size_gives_monotone_distances(planted: dict[float, Measured]) -> None:
    first, *others = planted.values()
    gaps = [compare_sets(first, other, FAST) for other in others]
    sharpness = [next(s for s in gap.statistics if s.name == "sharpness").wasserstein.value for gap in gaps]
    assert sharpness == sorted(sharpness) and sharpness[0] > 0
    means = [gap.mean_standardised for gap in gaps]
    assert means == sorted(means)
    kernels = [gap.features[0].kernel.value for gap in gaps]
    assert kernels == sorted(kernels)


def test_what_was_planted_ranks_above_what_was_not(planted: dict[float, Measured]) -> None:
    first, *_, last = planted.values()
    gap = compare_sets(first, last, FAST)
    names = [one.name for one in gap.statistics]
    assert {"sharpness", "effective_resolution", "spectrum_slope"} & set(names[:4])
    assert names.index("warmth") > 6 and gap.shared_plates == 8
    assert [s.standardised.value for s in gap.statistics] == sorted(
        (s.standardised.value for s in gap.statistics), reverse=True
    )
    assert all(s.standardised.low <= s.standardised.value + 1e-9 for s in gap.statistics)


def test_a_set_against_itself_differs_in_nothing(planted: dict[float, Measured]) -> None:
    first = planted[1.0]
    gap = compare_sets(first, first, FAST)
    assert gap.differing(0.05) == () and gap.mean_standardised == 0
    assert all(one.p_value > 0.05 for one in gap.features)
    assert mean_standardised(first, first) == 0


def test_it_says_itself_that_eight_plates_are_too_few(planted: dict[float, Measured]) -> None:
    gap = compare_sets(planted[1.0], planted[3.0], FAST)
    notes = " ".join(gap.notes)
    assert gap.classifier is None
    assert "8 real and 8 synthetic plates are few" in notes and "No classifier" in notes
    assert "biased upwards" in notes and "No reader NED" in notes


def test_all_pairs_are_compared(planted: dict[float, Measured]) -> None:
    pairs = pair_gaps(list(planted.values()))
    assert len(pairs) == 6 and all(pair.kernel is None and pair.mean_standardised > 0 for pair in pairs)


def test_specs_name_folders_recipes_and_the_renderer(tmp_path: Path) -> None:
    assert SetSpec.parse("render@surveillance") == SetSpec("render", "surveillance")
    assert SetSpec.parse("render@surveillance@2") == SetSpec("render", "surveillance@2")
    assert SetSpec.parse("a/b@my.yaml").name == "b-my"
    (tmp_path / "odd@name").mkdir()
    assert SetSpec.parse(str(tmp_path / "odd@name")) == SetSpec(str(tmp_path / "odd@name"), None)
    for wrong in ("render", "@x", "folder@"):
        with pytest.raises(DataError, match=r"render@|FOLDER@RECIPE"):
            SetSpec.parse(wrong)
    same = SetSpec("x", "gaussian")
    assert len(set(unique_names([same, same, same]))) == 3


def test_a_made_set_is_found_again_and_another_seed_makes_another(tmp_path: Path) -> None:
    spec = SetSpec.parse("render@gaussian")
    made = open_set(spec, "a", tmp_path, limit=3, seed=0)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")}
    again = open_set(spec, "a", tmp_path, limit=3, seed=0)
    assert again.samples.fingerprint == made.samples.fingerprint and len(made.samples) == 3
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")} == files
    assert open_set(spec, "a", tmp_path, limit=3, seed=1).samples.fingerprint != made.samples.fingerprint


def test_a_ccpd_folder_is_degraded_directly(shared_dir: Path, tmp_path: Path) -> None:
    made = open_set(SetSpec.parse(f"{shared_dir}/real/ccpd_scenes@gaussian"), "ccpd", tmp_path, limit=4)
    measured = measure(made.samples, "ccpd", None)
    assert 1 <= len(measured) <= 4 and not np.isnan(measured.values["sharpness"]).any()


def test_samples_without_frames_are_refused_with_the_remedy(make_samples) -> None:
    from conftest import sample_row

    samples = make_samples(rows=[sample_row(0, frames=[], frame_indices=[])])
    with pytest.raises(DataError, match="FOLDER@RECIPE"):
        measure(samples, "bare", None)


def test_two_sets_that_share_plates_keep_the_same_ones(tmp_path: Path) -> None:
    synthesise_rendered(load_recipe("bicubic"), 6, tmp_path / "a", seed=0)
    synthesise_rendered(load_recipe("gaussian"), 6, tmp_path / "b", seed=0)
    chosen = [
        {row["plate_id"] for row in choose_plates(open_samples(tmp_path / name), 3, 0).rows(["plate_id"])}
        for name in "ab"
    ]
    assert chosen[0] == chosen[1] and 1 <= len(chosen[0]) <= 3


def test_few_plates_of_many_are_of_both_parts_of_a_transfer(make_samples) -> None:
    from conftest import sample_row

    samples = make_samples(rows=[sample_row(i, plate_id=f"plate-{i}") for i in range(120)])
    chosen = [row["plate_id"] for row in choose_plates(samples, 40, 0).rows(["plate_id"])]
    tested = list(splits_of(chosen, {"train": 0.7, "test": 0.3}, 0)).count("test")
    assert len(chosen) == 40 and 4 <= tested <= 22  # 12 expected, 2.9 the standard deviation
