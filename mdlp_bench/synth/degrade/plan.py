"""From a recipe and a seed to concrete parameters: one scene per sample, correlated moments of it.

The scene (which branches, which order, the latent numbers of every parameter) is drawn once from
`seed_for(seed, sample_id)`. Frame k moves the latents by steps drawn from
`seed_for(seed, sample_id, "frame", k)` and fixes the noise seeds of its operators. Frames 0 ... k therefore
do not depend on how many follow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from pydantic import ValidationError

from mdlp_bench.errors import DataError
from mdlp_bench.files import seed_for
from mdlp_bench.synth.degrade.camera import Camera, MomentState, moment
from mdlp_bench.synth.degrade.draws import Draw, Value, pick, reflect
from mdlp_bench.synth.degrade.operators import OPERATORS, Sizes
from mdlp_bench.synth.degrade.recipe import Item, OneOf, Recipe, Shuffle, Step

PARAMETERS_VERSION: Final = 1
"""Version of the JSON form of parameters."""

_CAMERA_FIELDS: Final = tuple(name for name in Camera.model_fields if name != "canvas")


@dataclass(slots=True)
class _Latents:
    """The draws of one step, the camera or the output, with their walking latent numbers."""

    draws: Mapping[str, Draw]
    u: dict[str, float] = field(default_factory=dict)

    def start(self, rng: np.random.Generator) -> None:
        self.u = {name: float(rng.random()) for name, draw in self.draws.items() if draw.value is None}

    def walk(self, default_drift: float, rng: np.random.Generator) -> None:
        for name in self.u:
            draw = self.draws[name]
            drift = draw.drift if draw.drift is not None else (0.0 if draw.is_discrete else default_drift)
            if drift == "independent":
                self.u[name] = float(rng.random())
            elif drift > 0:
                self.u[name] = reflect(self.u[name] + drift * float(rng.standard_normal()))

    def values(self) -> dict[str, Value]:
        return {name: draw.at(self.u.get(name, 0.0)) for name, draw in self.draws.items()}


@dataclass(slots=True)
class _ScenePlan:
    steps: list[tuple[Step, _Latents]]
    camera: _Latents
    output: _Latents
    first: dict[str, float]


def draw_parameters(recipe: Recipe, *, seed: int, sample_id: str, n_frames: int = 3) -> dict[str, Any]:
    """Draw every parameter of a sample without touching an image.

    Returns:
        A JSON-able dict: `parameters_version`, `recipe`, `recipe_version`, `seed`, `sample_id` and
        `frames`, a list of {`size` [height, width], `camera`, `steps` [{`op`, `params`, `seed`?}], `output`}.

    Raises:
        DataError: `n_frames` is below 1, or the recipe draws a value its operator refuses.
    """
    if n_frames < 1:
        raise DataError(f"sample {sample_id}: n_frames is {n_frames}; ask for at least 1")
    scene = _draw_scene(recipe, np.random.default_rng(seed_for(seed, sample_id)))
    shake = [0.0, 0.0]
    frames = []
    for index in range(n_frames):
        rng = np.random.default_rng(seed_for(seed, sample_id, "frame", index))
        if index:
            for latents in (scene.camera, scene.output, *(latents for _, latents in scene.steps)):
                latents.walk(recipe.drift, rng)
        # Shaking is an AR(1) process of unit variance: the mount swings, it does not jump.
        shake = [0.7 * s + (1 - 0.7**2) ** 0.5 * float(rng.standard_normal()) for s in shake]
        now = {name: float(value) for name, value in scene.camera.values().items()}
        state = moment(recipe.camera, index, scene.first, now | {"shake_x": shake[0], "shake_y": shake[1]})
        frames.append(_frame(recipe, scene, state, now, noise_key=(seed, sample_id), index=index))
    return {
        "parameters_version": PARAMETERS_VERSION,
        "recipe": recipe.name,
        "recipe_version": recipe.version,
        "seed": seed,
        "sample_id": sample_id,
        "frames": frames,
    }


def draw_finish(recipe: Recipe, *, seed: int, sample_id: str, size: tuple[int, int]) -> list[dict[str, Any]]:
    """Draw the steps that finish a rendered ground truth (see `recipe.Plates`).

    Args:
        recipe: The recipe.
        seed: The data set's seed.
        sample_id: The sample.
        size: Height and width of the ground truth.

    Returns:
        Steps as in the frames of `draw_parameters`.

    Raises:
        DataError: The recipe draws a value its operator refuses, or its steps change the size.
    """
    rng = np.random.default_rng(seed_for(seed, sample_id, "finish"))
    steps = []
    current = size
    for number, step in enumerate(_flatten(recipe.plates.finish, rng)):
        latents = _Latents(step.params)
        latents.start(rng)
        key = (seed, sample_id, "finish", number)
        entry, current = _concrete(recipe, step, latents.values(), Sizes(current, size, size), key)
        steps.append(entry)
    _check_size(recipe, current, size)
    return steps


def _draw_scene(recipe: Recipe, rng: np.random.Generator) -> _ScenePlan:
    draws = {name: getattr(recipe.camera, name) for name in _CAMERA_FIELDS}
    camera = _Latents({name: draw for name, draw in draws.items() if draw is not None})
    output = _Latents({"quality": recipe.output.quality})
    camera.start(rng)
    output.start(rng)
    steps = []
    for step in _flatten(recipe.steps, rng):
        latents = _Latents(step.params)
        latents.start(rng)
        steps.append((step, latents))
    first = {name: float(value) for name, value in camera.values().items()}
    return _ScenePlan(steps, camera, output, first)


def _flatten(items: Sequence[Item], rng: np.random.Generator) -> Iterator[Step]:
    for item in items:
        if isinstance(item, Step):
            if item.p >= 1 or rng.random() < item.p:
                yield item
        elif isinstance(item, OneOf):
            weights = tuple(branch.weight for branch in item.one_of)
            yield from _flatten(item.one_of[pick(weights, float(rng.random()))].steps, rng)
        else:
            for group in _order(item, rng):
                yield from _flatten(item.shuffle[group], rng)


def _order(item: Shuffle, rng: np.random.Generator) -> list[int]:
    order = [int(i) for i in rng.permutation(len(item.shuffle))]
    kept = iter(item.keep_order)
    return [next(kept) if i in item.keep_order else i for i in order]


def _frame(
    recipe: Recipe,
    scene: _ScenePlan,
    state: MomentState,
    now: Mapping[str, float],
    *,
    noise_key: tuple[int, str],
    index: int,
) -> dict[str, Any]:
    canvas, frame = recipe.camera.canvas, (state.height, state.width)
    current = canvas
    view = _checked("view", state.view, recipe)
    # Only what a recipe sets is recorded, so that the records of recipes without it keep their bytes.
    view = {name: value for name, value in view.items() if value is not None}
    steps: list[dict[str, Any]] = [{"op": "view", "params": view}]
    for number, (step, latents) in enumerate(scene.steps):
        values: dict[str, Any] = {
            name: _times(value, step.params[name], state) for name, value in latents.values().items()
        }
        moment_key = index if OPERATORS[step.op].noise == "frame" else "scene"
        key = (*noise_key, "noise", moment_key, number)
        entry, current = _concrete(recipe, step, values, Sizes(current, frame, canvas), key)
        steps.append(entry)
    _check_size(recipe, current, frame)
    output: dict[str, Any] = {"format": recipe.output.format}
    if recipe.output.format == "jpg":
        quality = round(float(scene.output.values()["quality"]))
        output |= {"quality": quality, "subsampling": recipe.output.subsampling}
    record = {name: now[name] if name in _CHANGING else value for name, value in scene.first.items()}
    record |= {"motion_length": state.motion_length, "motion_angle": state.motion_angle}
    return {"size": [state.height, state.width], "camera": record, "steps": steps, "output": output}


def _concrete(
    recipe: Recipe, step: Step, values: Mapping[str, Any], sizes: Sizes, noise_key: tuple[int | str, ...]
) -> tuple[dict[str, Any], tuple[int, int]]:
    """A step with concrete parameters and its noise seed, and the size of the image after it."""
    operator = OPERATORS[step.op]
    resolved = values if operator.resolve is None else operator.resolve(values, sizes)
    params = _checked(step.op, resolved, recipe)
    entry: dict[str, Any] = {"op": step.op, "params": params}
    if operator.noise != "none":
        entry["seed"] = seed_for(*noise_key)
    if operator.size_after is None:
        return entry, sizes.current
    return entry, operator.size_after(operator.params(**params), sizes.current)


def _check_size(recipe: Recipe, current: tuple[int, int], wanted: tuple[int, int]) -> None:
    if current != wanted:
        raise DataError(
            f"recipe {recipe.name}: its steps end at {current[1]} x {current[0]} px, "
            f"the frame is {wanted[1]} x {wanted[0]}; let the last resize be `of: frame`"
        )


_CHANGING: Final = frozenset(
    {
        "exposure",
        "crop_shift_x",
        "crop_shift_y",
        "crop_zoom",
        "crop_stretch",
        "roll",
        "shear",
        "surround",
    }
)


def _times(value: Value, draw: Draw, state: MomentState) -> Value:
    return value if draw.times is None else float(value) * float(getattr(state, draw.times))


def _checked(op: str, values: Mapping[str, Any], recipe: Recipe) -> dict[str, Any]:
    try:
        return OPERATORS[op].params.model_validate(values).model_dump()
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise DataError(
            f"recipe {recipe.name}: {op}: {place}: {first['msg']} (drawn: {first['input']!r})"
        ) from error
