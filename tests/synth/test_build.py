"""Synthetic data sets: clean plates in, degraded triplets in plate-disjoint splits out."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mdlp_bench.cli.main import app
from mdlp_bench.data import open_samples
from mdlp_bench.data.plate_split import DEFAULT_RATIOS, split_of
from mdlp_bench.data.shards import ShardWriter
from mdlp_bench.engine import Engine
from mdlp_bench.errors import DataError
from mdlp_bench.images import decode
from mdlp_bench.synth.build import synthesise_rendered, synthesise_samples
from mdlp_bench.synth.degrade import load_recipe, replay


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_real_scenes_take_the_whole_path(shared_dir: Path, tmp_path: Path) -> None:
    """From annotated scenes to a data set that is ready for training, by the command alone."""
    scenes, out = shared_dir / "real/ccpd_scenes", tmp_path / "out"
    arguments = ["data", "synth", "--source", str(scenes), "--recipe", "surveillance", "-o", str(out)]
    done = CliRunner().invoke(app, [*arguments, "--preview"], catch_exceptions=False)
    assert done.exit_code == 0 and "ccpd_scenes-surveillance" in done.output
    assert decode((out / "preview.png").read_bytes(), "preview").size
    given = {sample.sample_id: sample for sample in open_samples(scenes)}
    made = list(open_samples(out))
    assert len(made) == 29 and {sample.sample_id for sample in made} == set(given)
    splits: dict[str, set[str]] = defaultdict(set)
    for sample in made:
        before = given[sample.sample_id]
        assert (sample.gt, sample.text, sample.plate_id) == (before.gt, before.text, before.plate_id)
        assert (sample.domain, sample.source, sample.recipe) == ("synthetic", "ccpd", "surveillance")
        assert json.loads(sample.degradation or "")["recipe_version"] == "1"
        assert replay(sample) == [frame.content for frame in sample.frames]
        widths = [frame.shape[1] for frame in sample.decode_frames()]
        assert len(widths) == 3 and all(25 <= width <= 60 for width in widths)
        splits[sample.plate_id].add(sample.split)
    assert all(found == {split_of(plate, DEFAULT_RATIOS)} for plate, found in splits.items())


def test_no_engine_changes_a_byte(tmp_path: Path, parallel: Engine) -> None:
    recipe = load_recipe("surveillance")
    synthesise_rendered(recipe, 12, tmp_path / "alone", seed=3)
    synthesise_rendered(recipe, 12, tmp_path / "many", seed=3, engine=parallel)
    assert tree(tmp_path / "many") == tree(tmp_path / "alone")


def test_stopped_before_any_write_it_ends_the_same(resumes: Callable[..., int]) -> None:
    recipe = load_recipe("bicubic")
    assert resumes(lambda out: synthesise_rendered(recipe, 3, out, seed=3)) >= 5


def test_another_recipe_or_number_of_frames_does_not_go_on(tmp_path: Path) -> None:
    def finish(self: Any, *arguments: Any) -> None:
        finished(self, *arguments)
        raise KeyboardInterrupt

    finished = ShardWriter.finish
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(ShardWriter, "finish", finish)
        synthesise_rendered(load_recipe("bicubic"), 3, tmp_path / "out")
    with pytest.raises(DataError, match=r'recipe\.name was "bicubic" and is now "motion"'):
        synthesise_rendered(load_recipe("motion"), 3, tmp_path / "out")
    with pytest.raises(DataError, match=r"made by\.frames was 3 and is now 5"):
        synthesise_rendered(load_recipe("bicubic"), 3, tmp_path / "out", n_frames=5)
    with pytest.raises(DataError, match=r"made by\.seed was 0 and is now 1"):
        synthesise_rendered(load_recipe("bicubic"), 3, tmp_path / "out", seed=1)


def test_what_cannot_be_made_is_refused(tmp_path: Path) -> None:
    recipe = load_recipe("bicubic")
    with pytest.raises(DataError, match="0 plates"):
        synthesise_rendered(recipe, 0, tmp_path / "a")
    with pytest.raises(DataError, match="no plate falls into split 'x'"):
        synthesise_rendered(recipe, 1, tmp_path / "a", only="x")
    synthesise_rendered(recipe, 2, tmp_path / "two", only="val")
    assert open_samples(tmp_path / "two").splits == {"val": 2}
    with pytest.raises(DataError, match="3 samples asked for, there are 2"):
        synthesise_samples(open_samples(tmp_path / "two"), recipe, tmp_path / "b", n=3)


def test_a_recipe_says_how_its_plates_look(tmp_path: Path) -> None:
    recipe = load_recipe("surveillance@2")
    synthesise_rendered(recipe, 40, tmp_path / "out", seed=3)
    made = list(open_samples(tmp_path / "out"))
    assert {sample.layout for sample in made} <= set(recipe.plates.layouts)
    assert {sample.recipe for sample in made} == {"surveillance@2"}
    assert replay(made[0]) == [frame.content for frame in made[0].frames]
    # Heavier strokes than version 1's: more ink on the same plates.
    plain = load_recipe("surveillance").plates.appearance
    assert recipe.plates.appearance.stroke > plain.stroke == 0
