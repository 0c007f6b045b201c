"""The numbers of a recipe that a fit moves: the level and the spread of every distribution of a strength.

Draws of continuous strengths are fitted: those without negative values, not drawn per frame, and no angles.
Constants and choices are the recipe's decisions and stay; so do the sizes, which are taken from the real
frames, and the places of the car and the crop. Values that are multiplied by the camera's motion are fitted
through the camera. The same draw of the same parameter at several places of a recipe is one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from mdlp_bench.errors import DataError
from mdlp_bench.synth.degrade import Recipe
from mdlp_bench.synth.degrade.draws import Draw
from mdlp_bench.synth.degrade.operators import OPERATORS

CAMERA_FITTED: Final = ("speed", "exposure", "vibration")
"""The fitted parameters of the camera: growth, motion blur and shaking of the plate."""

_LEVELS: Final = (0.25, 4.0)
_SPREADS: Final = (0.25, 4.0)
_LOGARITHMIC: Final = "log_uniform"
_KINDS: Final = ("uniform", _LOGARITHMIC, "sqrt_uniform", "reciprocal_uniform", "quantiles", "integers")
_ANGLES: Final = frozenset({"angle"})
# Of `resize` in a recipe, which has no operator's model.
_SCALES: Final = (0.05, 2.0)
# The distance that is kept from an open upper bound.
_INSIDE: Final = 0.999

Tree = dict[str, Any]
Visit = Callable[[str, str, Tree], Tree]
"""(operator or `camera` or `output`, parameter, draw) -> draw."""


@dataclass(frozen=True, slots=True)
class Strength:
    """One distribution that a fit moves.

    Attributes:
        name: `operator.parameter`, numbered where a recipe has several.
        key: The key of its draws in the recipe.
        kind: Kind of the draw.
        limits: Its numbers in the recipe.
        lowest: What its parameter allows.
        highest: The same, or infinity.
    """

    name: str
    key: str
    kind: str
    limits: tuple[float, ...]
    lowest: float
    highest: float

    @property
    def middle(self) -> float:
        """The distribution's middle: the geometric one where it is uniform in the logarithm."""
        if self.kind == _LOGARITHMIC:
            return math.sqrt(self.limits[0] * self.limits[-1])
        return float(np.median(self.limits)) or float(np.mean(self.limits))

    @property
    def levels(self) -> tuple[float, float]:
        """Range of the factor of the middle."""
        return max(_LEVELS[0], self.lowest / self.middle), min(_LEVELS[1], self.highest / self.middle)

    def moved(self, level: float, spread: float) -> tuple[float, ...]:
        """The limits with the middle times `level` and the distance to it times `level` and `spread`."""
        values = np.array(self.limits)
        if self.kind == _LOGARITHMIC:
            middle = math.log(self.middle)
            values = np.exp(middle + math.log(level) + spread * (np.log(values) - middle))
        else:
            values = level * (self.middle + spread * (values - self.middle))
        values = np.clip(values, self.lowest, self.highest)
        if self.kind == "integers":
            values = np.rint(values)
        return tuple(float(f"{value:.5g}") for value in values)


@dataclass(frozen=True, slots=True)
class RecipeSpace:
    """A recipe and its strengths.

    Attributes:
        recipe: Where a fit starts.
        strengths: In the order of the recipe.
    """

    recipe: Recipe
    strengths: tuple[Strength, ...]

    @classmethod
    def of(cls, recipe: Recipe) -> RecipeSpace:
        """Find the strengths.

        Raises:
            DataError: There are none.
        """
        found: dict[str, Strength] = {}
        names: dict[str, int] = {}
        # Canvas pixels per pixel of the smallest first frame; later ones are larger.
        pixel = recipe.camera.canvas[1] / float(recipe.camera.width.at(0.0))

        def visit(op: str, parameter: str, draw: Tree) -> Tree:
            key = _key(op, parameter, draw)
            if key not in found and (strength := _strength(op, parameter, draw, key, pixel)):
                names[strength.name] = names.get(strength.name, 0) + 1
                if (number := names[strength.name]) > 1:
                    strength = replace(strength, name=f"{strength.name} {number}")
                found[key] = strength
            return draw

        _mapped(_tree(recipe), visit)
        if not found:
            raise DataError(
                f"recipe {recipe.name}: no distribution of a strength to fit; write ranges into it"
            )
        return cls(recipe, tuple(found.values()))

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """The numbers searched, by name, each positive and searched in its logarithm; 1 is the start."""
        ranges = {}
        for one in self.strengths:
            ranges[f"{one.name} level"] = one.levels
            ranges[f"{one.name} spread"] = _SPREADS
        return ranges

    def limits(self, numbers: Mapping[str, float]) -> dict[str, tuple[float, ...]]:
        """The moved limits of every strength, by name."""
        return {
            one.name: one.moved(numbers[f"{one.name} level"], numbers[f"{one.name} spread"])
            for one in self.strengths
        }

    def recipe_at(self, numbers: Mapping[str, float], **changes: Any) -> Recipe:
        """The recipe with moved strengths.

        Args:
            numbers: One for each of `ranges`.
            changes: Fields of the recipe that are set otherwise; `camera` adds to the camera's.
        """
        limits = self.limits(numbers)
        by_key = {one.key: one for one in self.strengths}

        def visit(op: str, parameter: str, draw: Tree) -> Tree:
            one = by_key.get(_key(op, parameter, draw))
            if one is None:
                return draw
            values: Sequence[float] = limits[one.name]
            return draw | {one.kind: [int(v) for v in values] if one.kind == "integers" else list(values)}

        tree = _mapped(_tree(self.recipe), visit)
        camera = tree["camera"] | changes.pop("camera", {})
        return Recipe.model_validate(tree | changes | {"camera": camera})


def _tree(recipe: Recipe) -> Tree:
    return recipe.model_dump(mode="json", exclude_unset=True)


def _key(op: str, parameter: str, draw: Tree) -> str:
    return json.dumps([op, parameter, draw], sort_keys=True)


def _mapped(tree: Tree, visit: Visit) -> Tree:
    """A recipe with every draw replaced by the result of `visit`."""

    def item(one: Tree) -> Tree:
        if "one_of" in one:
            return one | {"one_of": [b | {"steps": items(b.get("steps", []))} for b in one["one_of"]]}
        if "shuffle" in one:
            return one | {"shuffle": [items(group) for group in one["shuffle"]]}
        return one | {
            "params": {name: visit(one["op"], name, d) for name, d in one.get("params", {}).items()}
        }

    def items(many: Sequence[Tree]) -> list[Tree]:
        return [item(one) for one in many]

    def fields(op: str, given: Tree, names: Sequence[str]) -> Tree:
        return given | {name: visit(op, name, given[name]) for name in names if name in given}

    made = tree | {
        "camera": fields("camera", tree["camera"], CAMERA_FITTED),
        "steps": items(tree["steps"]),
    }
    return made | {"output": fields("output", tree["output"], ["quality"])} if "output" in tree else made


def _strength(op: str, parameter: str, draw: Tree, key: str, pixel: float) -> Strength | None:
    kind = next((kind for kind in _KINDS if draw.get(kind) is not None), None)
    if kind is None or parameter in _ANGLES or draw.get("drift") == "independent":
        return None
    limits = tuple(float(value) for value in draw[kind])
    if min(limits) < 0 or max(limits) <= 0 or draw.get("times") not in (None, "pixel"):
        return None
    lowest, highest = _allowed(op, parameter, draw)
    if draw.get("times") == "pixel":
        lowest, highest = lowest / pixel, highest / pixel
    return Strength(f"{op}.{parameter}", key, kind, limits, lowest, highest)


def _allowed(op: str, parameter: str, draw: Tree) -> tuple[float, float]:
    """The allowed limits of a draw, from its operator's parameters."""
    lowest, highest = 0.0, math.inf
    if op == "output":
        lowest, highest = 1.0, 100.0
    elif (op, parameter) == ("resize", "scale"):
        lowest, highest = _SCALES
    elif op in OPERATORS:
        for rule in OPERATORS[op].params.model_fields[parameter].metadata:
            lowest = max(lowest, getattr(rule, "ge", 0.0), getattr(rule, "gt", 0.0))
            highest = min(highest, getattr(rule, "le", math.inf), _INSIDE * getattr(rule, "lt", math.inf))
    if "reciprocal_uniform" in draw:
        return 1 / highest, math.inf if lowest == 0 else 1 / lowest
    return (lowest**2, highest**2) if "sqrt_uniform" in draw else (lowest, highest)


def recipe_text(recipe: Recipe) -> str:
    """The recipe as YAML that `load_recipe` reads."""
    import yaml

    text: str = yaml.safe_dump(_tree(recipe), allow_unicode=True, sort_keys=False, width=110)
    return text


def draw_of(values: Sequence[float]) -> Tree:
    """The distribution of given values as a draw: eleven quantiles, or a constant."""
    quantiles = [float(f"{value:.5g}") for value in np.quantile(values, np.linspace(0, 1, 11))]
    Draw.model_validate({"quantiles": quantiles})
    return {"value": quantiles[0]} if quantiles[0] == quantiles[-1] else {"quantiles": quantiles}
