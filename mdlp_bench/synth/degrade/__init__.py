"""Synthetic degradation: operators, recipes and temporally coherent frames.

    from mdlp_bench.synth.degrade import degrade_triplet, load_recipe

    recipe = load_recipe("surveillance")         # or the path of a YAML file; recipe_names() lists them
    done = degrade_triplet(gt, recipe, seed=0, sample_id="0001", n_frames=3)
    done.frames                                  # encoded images (bytes) at native low resolution
    done.parameters                              # JSON-able: recipe, version, seed, all that was drawn
    replay_frames(gt, done.parameters) == done.frames
    replay(sample) == [frame.content for frame in sample.frames]   # a synthetic `Sample`

`gt` is the ground truth as stored, decoded: uint8 RGB [H, W, 3] of any size. The random state of a sample
comes from `seed` and `sample_id` alone, so any number of workers gives the same bytes.

    for sample in synthesise(samples, recipe, seed=0, engine=LocalEngine(8)): ...  # samples to samples
    compare_recipes(real, gts, [recipe]).markdown()                          # how close to real frames
"""

from mdlp_bench.quality.statistics import FrameStatistics, frame_statistics, statistics_table
from mdlp_bench.synth.degrade.compare import RecipeComparison, compare_recipes
from mdlp_bench.synth.degrade.frames import DegradedTriplet, degrade_triplet, finish, replay, replay_frames
from mdlp_bench.synth.degrade.plan import draw_parameters
from mdlp_bench.synth.degrade.recipe import Plates, Recipe, load_recipe, parse_recipe, recipe_names
from mdlp_bench.synth.degrade.synthesise import synthesise, synthesise_sample

__all__ = [
    "DegradedTriplet",
    "FrameStatistics",
    "Plates",
    "Recipe",
    "RecipeComparison",
    "compare_recipes",
    "degrade_triplet",
    "draw_parameters",
    "finish",
    "frame_statistics",
    "load_recipe",
    "parse_recipe",
    "recipe_names",
    "replay",
    "replay_frames",
    "statistics_table",
    "synthesise",
    "synthesise_sample",
]
