"""Every training behind the bundled weights, described by one file and run step by step, resumable.

`recipes/bundled.yaml` names the pool of plates and for every method the phases of its training; a phase is a
configuration, the phase before it to start from, and where to leave it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mdlp_bench.errors import DataError, MethodError, first_fault
from mdlp_bench.files import atomic_path, read_json, sha256_file
from mdlp_bench.output_folder import differences
from mdlp_bench.yaml_text import read_yaml

if TYPE_CHECKING:
    from mdlp_bench.training.registry import Recipe

POOL: Final = "pool"

Tell = Callable[[str], None]
ModelT = TypeVar("ModelT", bound=BaseModel)


class Part(BaseModel):
    """Plates of one degradation in the pool.

    Attributes:
        recipe: A packaged recipe, or a YAML file beside `bundled.yaml`.
        seed: Of plates and degradation; parts of one pool have different seeds.
        plates: Of the training split.
        validation: Of the validation split, for the figures of logs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: str
    seed: int
    plates: int = Field(ge=1)
    validation: int = Field(ge=1)


class PoolPlan(BaseModel):
    """The plates all methods are trained on: rendered, degraded, of the training split alone.

    Attributes:
        parts: The mixture; a plate's identity is in one split in all parts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    parts: tuple[Part, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len({part.seed for part in self.parts}) < len(self.parts):
            raise ValueError("two parts have one seed: their samples would bear the same ids")
        return self

    def count(self, split: str) -> int:
        """Plates of `train` or `val`."""
        return sum(part.plates if split == "train" else part.validation for part in self.parts)


class Phase(BaseModel):
    """One training.

    Attributes:
        config: Its YAML file, in the trainable's folder beside `bundled.yaml`.
        trainable: What is trained, where it is not called like the method.
        start: Weight file that the first phase starts from, in the trainable's folder.
        options: Set over those of the configuration, within `network` too: variants share its file.
        plates: The first so many of the pool; None for all.
        steps: Instead of the configuration's; the learning rate comes to rest at the last one.
        batch: Instead of the configuration's.
        seed: Instead of the configuration's.
        stop_after: Leave after this step, before the learning rate comes to rest; None to finish.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: str
    trainable: str | None = None
    start: str | None = None
    options: dict[str, Any] = {}
    plates: int | None = Field(default=None, ge=1)
    steps: int | None = Field(default=None, ge=1)
    batch: int | None = Field(default=None, ge=1)
    seed: int | None = None
    stop_after: int | None = Field(default=None, ge=1)

    @property
    def name(self) -> str:
        """The file's stem."""
        return Path(self.config).stem


class Bundle(BaseModel):
    """What `bundled.yaml` holds.

    Attributes:
        pool: The plates.
        seeds: Train every method once per seed, as NAME-SEED; empty for once, with the configurations' seeds.
        methods: Method to its phases, each starting from the weights of the one before.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pool: PoolPlan
    seeds: tuple[int, ...] = ()
    methods: dict[str, tuple[Phase, ...]]

    @property
    def trainings(self) -> dict[str, tuple[Phase, ...]]:
        """Every training by its name: the methods, or each of them with each seed."""
        if not self.seeds:
            return self.methods
        return {
            f"{name}-{seed}": tuple(
                phase.model_copy(update={"seed": seed, "trainable": phase.trainable or name})
                for phase in phases
            )
            for name, phases in self.methods.items()
            for seed in self.seeds
        }


@dataclass(frozen=True)
class Step:
    """One thing to do.

    Attributes:
        job: `pool` or the method.
        title: What, in words.
        is_done: Whether its result is there.
        run: Does it, or continues it.
    """

    job: str
    title: str
    is_done: Callable[[], bool]
    run: Callable[[Tell], None]


def read_bundle(path: Path) -> Bundle:
    """Read `bundled.yaml`.

    Raises:
        MethodError: It is missing or wrong; names the field.
    """
    return _read(path, Bundle)


def _read(path: Path, kind: type[ModelT]) -> ModelT:
    if not path.is_file():
        raise MethodError(f"{path}: no such file; run this from the root of the repository")
    try:
        content = read_yaml(path, MethodError) or {}
        return kind.model_validate({k: v for k, v in content.items() if not str(k).startswith("x-")})
    except ValidationError as error:
        raise MethodError(f"{path}: {first_fault(error)}") from error


def plan(recipes: Path, out: Path, *, only: Sequence[str] = (), workers: int = 1) -> list[Step]:
    """The steps in order, with what they need.

    Args:
        recipes: `bundled.yaml`.
        out: Where everything goes: `pool`, `val`, `<job>/<phase>`, and finished weights in `weights`.
        only: Jobs wanted (`pool` or methods); all when empty. Methods bring the pool with them.
        workers: Processes that render.

    Raises:
        MethodError: The file is wrong, or there is no such job.
    """
    bundle = read_bundle(recipes)
    unknown = [name for name in only if name not in (POOL, *bundle.trainings)]
    if unknown:
        known = ", ".join(bundle.trainings)
        raise MethodError(f"nothing to reproduce is called {unknown[0]!r}; there are: {known}")
    steps = [_pool_step(bundle.pool, recipes.parent, out, split, workers) for split in ("train", "val")]
    for name, phases in bundle.trainings.items():
        if not only or name in only:
            steps += _method_steps(name, phases, recipes.parent, out)
    return steps


def reproduce(steps: Sequence[Step], tell: Tell) -> None:
    """Run what is not done yet, in order.

    Raises:
        MdlpBenchError: As in the trainings; what was done stays.
    """
    for step in steps:
        if step.is_done():
            tell(f"{step.title}: done before")
        else:
            tell(step.title)
            step.run(tell)


def _pool_step(pool: PoolPlan, recipes: Path, out: Path, split: str, workers: int) -> Step:
    from mdlp_bench.data.manifest import MANIFEST

    folder = _pool_folder(out, split)

    def run(tell: Tell) -> None:
        counts = [part.plates if split == "train" else part.validation for part in pool.parts]
        write_mixture(pool, counts, recipes, folder, split, name=f"pool-{split}", workers=workers, tell=tell)

    names = ", ".join(
        f"{part.recipe} ({part.plates if split == 'train' else part.validation:,})" for part in pool.parts
    )
    title = f"{POOL}: {pool.count(split):,} plates of the split {split}: {names}"
    return Step(POOL, title, (folder / MANIFEST).is_file, run)


def write_mixture(
    pool: PoolPlan,
    counts: Sequence[int],
    recipes: Path,
    folder: Path,
    split: str,
    *,
    name: str,
    workers: int,
    tell: Tell,
    further_seed: int = 0,
) -> None:
    """Render plates of one split in the pool's degradations: each in a folder of its own, all in `folder`.

    Args:
        pool: The degradations and their seeds.
        counts: Plates of each.
        recipes: Where the recipes' files are.
        folder: Where the data set goes; its parts go to `<folder>-<seed>`. Finished ones are left alone.
        split: Of the plates.
        name: Of the data set.
        workers: Processes that render.
        tell: Told what is rendered.
        further_seed: Added to the seeds: other plates.
    """
    from mdlp_bench.data import open_samples, write_parquet
    from mdlp_bench.data.manifest import MANIFEST
    from mdlp_bench.engine import LocalEngine
    from mdlp_bench.synth.build import synthesise_rendered
    from mdlp_bench.synth.degrade import load_recipe

    folders = []
    for part, count in zip(pool.parts, counts, strict=True):
        file, seed = recipes / part.recipe, part.seed + further_seed
        recipe = load_recipe(file if file.is_file() else part.recipe)
        folders.append(folder.with_name(f"{folder.name}-{seed}"))
        if not (folders[-1] / MANIFEST).is_file():
            tell(f"  {count:,} plates, recipe {recipe.id}, seed {seed}")
            synthesise_rendered(
                recipe, count, folders[-1], seed=seed, only=split, engine=LocalEngine(workers)
            )
    rows = (row for one in folders for row in open_samples(one).rows())
    write_parquet(rows, folder, name=name)


def _pool_folder(out: Path, split: str) -> Path:
    return out / (POOL if split == "train" else split)


def _method_steps(method: str, phases: Sequence[Phase], recipes: Path, out: Path) -> list[Step]:
    from mdlp_bench.training.loop import WEIGHTS

    steps = []
    start: Path | None = None
    for phase in phases:
        if phase.start is not None:
            start = recipes / (phase.trainable or method) / phase.start
        steps.append(_phase_step(method, phase, recipes, out, start, last=phase is phases[-1]))
        start = out / method / phase.name / WEIGHTS
    return steps


def recipe_of(method: str, phase: Phase, recipes: Path) -> Recipe:
    """The recipe of one phase of a method: its configuration with what the phase sets differently.

    Raises:
        MethodError: The configuration is wrong.
    """
    from mdlp_bench.training.registry import read_recipe

    recipe = read_recipe(
        str(recipes / (phase.trainable or method) / phase.config),
        steps=phase.steps,
        batch=phase.batch,
        seed=phase.seed,
    )
    return replace(recipe, options=_set_over(recipe.options, phase.options))


def _set_over(options: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Options with some set differently, within mappings such as `network` too."""
    merged = dict(options)
    for name, value in changes.items():
        known = merged.get(name)
        if isinstance(known, Mapping) and isinstance(value, Mapping):
            value = _set_over(known, value)  # noqa: PLW2901 - the merged mapping takes its place
        merged[name] = value
    return merged


def _phase_step(
    method: str, phase: Phase, recipes: Path, out: Path, start: Path | None, *, last: bool
) -> Step:
    from mdlp_bench.training.checkpoint import TRAINING
    from mdlp_bench.training.loop import WEIGHTS

    trainable = phase.trainable or method
    recipe = recipe_of(method, phase, recipes)
    folder = out / method / phase.name
    target = min(recipe.training.steps, phase.stop_after or recipe.training.steps)

    def is_done() -> bool:
        if _weights_step(folder / WEIGHTS) < target or (last and not _kept(out, method).is_file()):
            return False
        asked = {
            "options": dict(recipe.options),
            "training": recipe.training.identity(),
            "start": None if start is None or not start.is_file() else sha256_file(start),
        }
        stored = read_json(folder / TRAINING)
        # A phase of other settings is not done; running it says what differs.
        return not differences({name: stored.get(name) for name in asked}, asked)

    def run(tell: Tell) -> None:
        from mdlp_bench.data import open_samples
        from mdlp_bench.training.methods import train_method

        def report(line: dict[str, Any]) -> None:
            tell("  " + json.dumps(line))

        samples = open_samples(_pool_folder(out, "train"))
        if phase.plates is not None:
            if phase.plates > len(samples):
                raise DataError(
                    f"{method}/{phase.config}: {phase.plates} plates, the pool has {len(samples)}"
                )
            samples = samples.select(sample_ids=samples.sample_ids[: phase.plates])
        weights = train_method(
            trainable,
            samples,
            recipe,
            folder,
            validation=open_samples(_pool_folder(out, "val")),
            start=start,
            stop_after=phase.stop_after,
            report=report,
        )
        if last:
            _keep(weights, out, method)

    data = f", first {phase.plates:,} plates" if phase.plates else ""
    end = "" if target == recipe.training.steps else f" of {recipe.training.steps:,}"
    title = f"{method}: {phase.name}, {target:,}{end} steps of {recipe.training.batch}{data}"
    return Step(method, title, is_done, run)


def _kept(out: Path, name: str) -> Path:
    return out / "weights" / f"{name}.safetensors"


def _keep(weights: Path, out: Path, name: str) -> None:
    with atomic_path(_kept(out, name)) as temporary:
        shutil.copyfile(weights, temporary)


def _weights_step(weights: Path) -> int:
    """The step a weight file is of; 0 without one."""
    from safetensors import safe_open

    if not weights.is_file():
        return 0
    with safe_open(weights, framework="pt") as file:
        return int((file.metadata() or {}).get("step", 0))
