"""Recipes: named, versioned lists of operators with distributions for their parameters, read from YAML.

A recipe file:

    name: example
    version: 1
    description: One line.
    drift: 0.05                       # latent step between frames, see draws.py
    camera:
      width: {uniform: [34, 48]}      # see camera.py
    steps:
      - {op: gaussian_blur, params: {sigma_x: {uniform: [0.5, 2.0], times: pixel}}}
      - {op: resize, params: {of: frame, interpolation: bicubic}}
      - {op: jpeg, p: 0.5, params: {quality: {integers: [30, 95]}}}
      - one_of:                       # one branch for the whole sample
          - {weight: 0.4, steps: [...]}
          - {weight: 0.6, steps: []}
      - shuffle: [[...], [...]]       # groups of steps in random order
        keep_order: [0, 1]            # these groups keep their relative order
    output: {format: jpg, quality: {integers: [85, 95]}}
    plates:                           # how plates rendered for it look; see Plates
      appearance: {difficulty: 0.4, max_roll: 8}
      finish: [{op: sharpen, params: {amount: {uniform: [0, 1]}}}]

The ground truth is brought onto the camera's canvas first; the last step must leave the frame's size.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Discriminator, Field, Tag, ValidationError
from pydantic import model_validator as _model_validator

from mdlp_bench.errors import DataError, first_fault, no_such
from mdlp_bench.frozen import FrozenFinite
from mdlp_bench.plate import Layout
from mdlp_bench.synth.degrade.camera import Camera, DrawField
from mdlp_bench.synth.degrade.draws import Draw
from mdlp_bench.synth.degrade.operators import OPERATORS
from mdlp_bench.synth.degrade.operators.compression import Subsampling
from mdlp_bench.synth.render.samples import DEFAULT_LAYOUTS
from mdlp_bench.synth.render.style import Appearance
from mdlp_bench.userfiles import registered
from mdlp_bench.yaml_text import parse_yaml

_GROUP = "mdlp_bench.recipes"

_SUFFIX = ".yaml"
# Parameters of `resize` in a recipe, instead of height and width.
_RECIPE_ONLY = {"resize": {"of", "scale"}}


class Step(FrozenFinite):
    """One operator, applied to a sample with probability `p`."""

    op: str
    p: float = Field(1.0, ge=0, le=1)
    params: dict[str, DrawField] = Field(default_factory=dict)

    @_model_validator(mode="after")
    def _check(self) -> Self:
        if self.op not in OPERATORS:
            raise no_such("operator", self.op, OPERATORS, ValueError)
        allowed = set(OPERATORS[self.op].params.model_fields) | _RECIPE_ONLY.get(self.op, set())
        if unknown := sorted(set(self.params) - allowed):
            raise ValueError(f"{self.op} has no parameter {unknown}; it has {sorted(allowed)}")
        return self


class Branch(FrozenFinite):
    """An alternative of `one_of`; no steps means nothing happens."""

    weight: float = Field(gt=0)
    steps: tuple[Item, ...] = ()


class OneOf(FrozenFinite):
    """Exactly one branch, chosen for the whole sample."""

    one_of: tuple[Branch, ...] = Field(min_length=1)


class Shuffle(FrozenFinite):
    """Groups of steps in an order that is random per sample; `keep_order` lists groups that stay in order."""

    shuffle: tuple[tuple[Item, ...], ...] = Field(min_length=1)
    keep_order: tuple[int, ...] = ()

    @_model_validator(mode="after")
    def _check(self) -> Self:
        if any(not 0 <= index < len(self.shuffle) for index in self.keep_order):
            raise ValueError(
                f"keep_order {list(self.keep_order)} points beyond the {len(self.shuffle)} groups"
            )
        return self


def _kind(value: Any) -> str:
    for kind in ("one_of", "shuffle"):
        if (kind in value) if isinstance(value, dict) else hasattr(value, kind):
            return kind
    return "op"


Item = Annotated[
    Annotated[Step, Tag("op")] | Annotated[OneOf, Tag("one_of")] | Annotated[Shuffle, Tag("shuffle")],
    Discriminator(_kind),
]

Branch.model_rebuild()
OneOf.model_rebuild()
Shuffle.model_rebuild()


class Output(FrozenFinite):
    """How frames are stored: PNG, or JPEG of a drawn quality."""

    format: Literal["png", "jpg"] = "png"
    quality: DrawField = Field(default_factory=lambda: Draw(value=95))
    subsampling: Subsampling = "4:2:0"


class Plates(FrozenFinite):
    """The look of plates that are rendered for the recipe, its ground truths.

    Attributes:
        appearance: Distribution of looks; the default shows plates as legible late frames do: nearly frontal,
            mostly well lit.
        layouts: Relative shares of layouts.
        finish: What the camera and the editor of the data set did to the ground truth. The last step must
            leave its size; frames are degraded from the finished image.
    """

    appearance: Appearance = Appearance(difficulty=0.4, max_yaw=20.0, max_pitch=8.0, max_roll=3.0)
    layouts: dict[Layout, float] = Field(default_factory=lambda: dict(DEFAULT_LAYOUTS))
    finish: tuple[Item, ...] = ()


def _quoted(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) else value


class Recipe(FrozenFinite):
    """A named, versioned degradation.

    Attributes:
        name: The name.
        version: Rises whenever the frames it makes change.
        description: One line.
        reference: Where the parameters come from.
        drift: Latent step between frames (see `draws`).
        camera: The camera path.
        steps: The operators.
        output: The file format of the frames.
        plates: How plates rendered for it look.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    version: Annotated[str, BeforeValidator(_quoted)]
    description: str
    reference: str | None = None
    drift: float = Field(0.05, ge=0, le=1)
    camera: Camera
    steps: tuple[Item, ...] = Field(min_length=1)
    output: Output = Output()
    plates: Plates = Plates()

    @property
    def id(self) -> str:
        """The id of a packaged recipe for `load_recipe`: the name, with `@version` for all but version 1."""
        return self.name if self.version == "1" else f"{self.name}@{self.version}"


def recipe_names() -> list[str]:
    """The ids of the recipes of this and other packages, sorted: `motion` (version 1), `motion@2` ..."""
    folder = resources.files("mdlp_bench.synth.degrade") / "recipes"
    own = {entry.name.removesuffix(_SUFFIX) for entry in folder.iterdir() if entry.name.endswith(_SUFFIX)}
    return sorted(own | registered(_GROUP).keys())


def load_recipe(name_or_path: str | Path) -> Recipe:
    """Load a recipe of this or another package by name, or any recipe by the path of its YAML file.

    `motion@2` is version 2 of `motion`; a name alone is version 1 (`motion@1`).

    Raises:
        DataError: There is no such recipe, or the file cannot be read, is not YAML or breaks the format;
            names file and field.
    """
    if isinstance(name_or_path, Path) or name_or_path.endswith((".yaml", ".yml")) or "/" in name_or_path:
        path = Path(name_or_path)
        try:
            return parse_recipe(path.read_text(encoding="utf-8"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{path}: recipe cannot be read ({error})") from error
    return _packaged(name_or_path.removesuffix("@1"))


@lru_cache(maxsize=32)
def _packaged(name: str) -> Recipe:
    if name not in recipe_names():
        raise no_such("recipe", name, recipe_names(), DataError, hint=", or give the path of a YAML file")
    file: Traversable = resources.files("mdlp_bench.synth.degrade") / "recipes" / f"{name}{_SUFFIX}"
    if not file.is_file():
        given = registered(_GROUP)[name].load()
        if not isinstance(given, Path | Traversable):
            raise DataError(f"recipe {name}: its entry point is a {type(given).__name__}, not a path")
        file = given
    return parse_recipe(file.read_text(encoding="utf-8"), file.name)


def parse_recipe(text: str, name: str) -> Recipe:
    """Parse the YAML text of a recipe; `name` is used in errors. A top-level key `x-...` may hold anchors.

    Raises:
        DataError: It is not YAML, or breaks the format.
    """
    content = parse_yaml(text, name)
    if not isinstance(content, dict):
        raise DataError(f"{name}: a recipe is a mapping with name, version, camera and steps")
    try:
        return Recipe.model_validate({k: v for k, v in content.items() if not str(k).startswith("x-")})
    except ValidationError as error:
        raise DataError(f"{name}: {first_fault(error, 'recipe')}") from error
