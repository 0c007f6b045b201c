"""Synthetic degradation: operators, recipes and temporally coherent frames.

    from mdlp_bench.degrade import degrade_triplet, load_recipe

    recipe = load_recipe("surveillance")                 # or the path of a YAML file; recipe_names() lists them
    done = degrade_triplet(clean, recipe, seed=0, sample_id="0001", n_frames=3)
    done.frames                                          # encoded images (bytes) at native low resolution
    done.parameters                                      # JSON-able: recipe, version, seed, all that was drawn
    replay_frames(clean, done.parameters) == done.frames
    replay(row) == [frame["bytes"] for frame in row["frames"]]        # from a sample row

`clean` is the ground truth as stored, decoded: uint8 RGB [H, W, 3] of any size. The random state of a sample
comes from `seed` and `sample_id` alone, so any number of workers gives the same bytes.
"""

from mdlp_bench.degrade.frames import DegradedTriplet, degrade_triplet, replay, replay_frames
from mdlp_bench.degrade.plan import draw_parameters
from mdlp_bench.degrade.recipe import Recipe, load_recipe, parse_recipe, recipe_names

__all__ = [
    "DegradedTriplet",
    "Recipe",
    "degrade_triplet",
    "draw_parameters",
    "load_recipe",
    "parse_recipe",
    "recipe_names",
    "replay",
    "replay_frames",
]
