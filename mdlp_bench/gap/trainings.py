"""The trainings of a transfer study: each method on each set, with real plates mixed in, and fine-tuned."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from mdlp_bench.data import open_samples
from mdlp_bench.data.build import write_parquet
from mdlp_bench.data.manifest import MANIFEST
from mdlp_bench.data.plate_split import unit_hash
from mdlp_bench.data.samples import Samples
from mdlp_bench.errors import MethodError, no_such
from mdlp_bench.files import sha256_bytes, slugify
from mdlp_bench.gap.measure import FRAMES, choose_plates
from mdlp_bench.gap.report_model import PartSizes
from mdlp_bench.gap.sets import GapSet, divide_plates
from mdlp_bench.methods import Method, MethodDescriptor
from mdlp_bench.methods.network import method_of_trainable
from mdlp_bench.schema import Sample
from mdlp_bench.training.loop import WEIGHTS
from mdlp_bench.training.methods import train_method
from mdlp_bench.training.registry import Recipe, identity_of, load_trainable, read_recipe, trainable_names
from mdlp_bench.training.trainable import Trainable
from mdlp_bench.userfiles import file_and_name, is_file_spec, load_from_file

MIXED: Final = (1, 10, 100)
"""Per cent of the real training plates that are mixed into a synthetic set."""

TEST_SHARE: Final = 0.3
_FINE_TUNING_SHARE: Final = 0.25


@dataclass(frozen=True, slots=True)
class TrainedMethodSpec:
    """A method to train: `NAME` or `NAME=CONFIG`, as `mdlp-bench train NAME --config CONFIG` takes them.

    Attributes:
        name: A name of the entry points `mdlp_bench.trainables`, or `file.py:NAME` of a `Trainable`.
        label: What the report calls it.
        recipe: Its options and configuration.
    """

    name: str
    label: str
    recipe: Recipe

    @classmethod
    def parse(cls, text: str, *, steps: int, seed: int) -> TrainedMethodSpec | None:
        """Read the text; None where it names a method to take as it is, perhaps with weights.

        Raises:
            MethodError: The configuration is wrong, or is given for what cannot be trained, or a file cannot
                be loaded.
        """
        name, given, config = text.partition("=")
        if given and Path(config).is_file() and Path(config).suffix not in (".yaml", ".yml"):
            return None
        label = name
        if is_file_spec(name):
            target = load_from_file(name, MethodError)
            if not (isinstance(target, type) and issubclass(target, Trainable)):
                return None
            path, attribute = file_and_name(name)
            label = slugify(f"{path.stem}-{attribute}")
        elif name not in trainable_names():
            if given:
                raise no_such("trainable method", name, trainable_names(), MethodError)
            return None
        recipe = read_recipe(config or None, steps=steps, seed=seed)
        return cls(name, f"{label}-{Path(config).stem}" if config else label, recipe)


@dataclass(frozen=True, slots=True)
class FixedMethod:
    """A method taken as it is: what was typed (see `load_method`), and its name."""

    spec: str
    label: str


@dataclass(frozen=True, slots=True)
class SetParts:
    """A set's training and test samples; no plate is in both, nor in the other part of another set."""

    name: str
    train: Samples
    test: Samples

    def sizes(self) -> PartSizes:
        """Samples and plates of both parts."""
        train, test = (set(s.column("plate_id")) for s in (self.train, self.test))
        return PartSizes(
            name=self.name,
            train=len(self.train),
            train_plates=len(train),
            test=len(self.test),
            test_plates=len(test),
        )


@dataclass(frozen=True, slots=True)
class Training:
    """One training.

    Attributes:
        method: The method.
        trained_on: The set's name.
        data: Its samples, with real ones where some are mixed in.
        percent: Percentage of the real training plates mixed in or fine-tuned on.
        real_plates: How many plates that is (0 for the sets themselves).
        base: The training whose weights are fine-tuned, or None.
    """

    method: TrainedMethodSpec
    trained_on: str
    data: Samples
    percent: int = 0
    real_plates: int = 0
    base: Training | None = None

    @property
    def title(self) -> str:
        """The training in words, for tables and figures."""
        if self.base is not None:
            return f"{self.trained_on}, then real"
        return self.trained_on + (f" + {self.percent} % real" if self.percent else "")

    def folder(self, out: Path) -> Path:
        """Its folder: a readable name, and a hash of everything it depends on."""
        kind = "fine-tuned" if self.base is not None else f"{self.percent}" if self.percent else "alone"
        parts: list[Any] = [
            dict(self.method.recipe.options),
            self.method.recipe.training.identity(),
            self.data.fingerprint,
            self.base.folder(out).name if self.base is not None else None,
        ]
        if is_file_spec(self.method.name):
            parts.append(identity_of(self.method.name))
        digest = sha256_bytes(json.dumps(parts, sort_keys=True).encode())[:10]
        return out / self.method.label / f"{self.trained_on}-{kind}-{digest}"

    def weights(self, out: Path) -> Path:
        """The weight file, once it has run."""
        return self.folder(out) / "training" / WEIGHTS

    def run(self, out: Path, device: str = "auto") -> Path:
        """Train on a device, or continue; returns the weights.

        Raises:
            MdlpBenchError: As in `train_method`.
        """
        start = None if self.base is None else self.base.weights(out)
        folder = self.weights(out).parent
        return train_method(
            self.method.name, self.data, self.method.recipe, folder, start=start, device=device
        )


def trained_method(training: Training, weights: Path) -> Method:
    """The network of a finished training, as a method.

    Args:
        training: The training.
        weights: Its weight file.

    Raises:
        MdlpBenchError: The weights do not fit.
    """
    spec = training.method
    descriptor = MethodDescriptor(
        name=slugify(f"{spec.label}-{training.title}")[:80],
        title=f"Trained on {training.title}",
        frames_used=FRAMES,
        licence="unknown",
        trained_on=(training.title,),
    )
    return method_of_trainable(load_trainable(spec.name, spec.recipe.options), weights, descriptor)


def parts_of(one: GapSet, *, limit: int, seed: int, test_share: float = TEST_SHARE) -> SetParts:
    """Divide a set by a hash of its plates, the same in every set.

    Args:
        one: The set; samples without frames or ground truth are left out.
        limit: Samples at most (see `choose_plates`).
        seed: Seed of the division and the choice.
        test_share: Share of the plates that are for tests; 1 where nothing is trained.

    Raises:
        DataError: A part that is to have plates has fewer than three.
    """
    chosen = choose_plates(one.samples, limit, seed)
    usable = [sample.sample_id for sample in chosen if sample.frames and sample.gt is not None]
    train, test = divide_plates(
        chosen.select(sample_ids=usable),
        {"train": 1 - test_share, "test": test_share},
        seed,
        name=one.name,
        remedy="give a larger set with ground truths, or leave --methods out",
    )
    return SetParts(one.name, train, test)


def plan_trainings(
    spec: TrainedMethodSpec, parts: Sequence[SetParts], out: Path, *, seed: int
) -> list[Training]:
    """All trainings of a method; those that others start from come first.

    Args:
        spec: The method.
        parts: The real set and the synthetic ones.
        out: Where mixed sets are written (`out/data`).
        seed: Seed of the choice of mixed-in plates: more per cent keep those of fewer.
    """
    real, *synthetic = parts
    alone = [Training(spec, one.name, one.train) for one in parts]
    mixed, tuned = [], []
    steps = math.ceil(_FINE_TUNING_SHARE * spec.recipe.training.steps)
    shorter = replace(spec.recipe, training=spec.recipe.training.model_copy(update={"steps": steps}))
    plates = sorted(set(real.train.column("plate_id")), key=lambda p: unit_hash(p, seed))
    for base, one in zip(alone[1:], synthetic, strict=True):
        counts: set[int] = set()
        for percent in MIXED:
            count = math.ceil(percent / 100 * len(plates))
            if count not in counts:
                data = _mixed(one, real, set(plates[:count]), out / "data")
                mixed.append(Training(spec, one.name, data, percent, count))
            counts.add(count)
        tuned.append(Training(replace(spec, recipe=shorter), one.name, real.train, 100, len(plates), base))
    return [*alone, *mixed, *tuned]


def _mixed(synthetic: SetParts, real: SetParts, plates: set[str], out: Path) -> Samples:
    """The synthetic training samples and those of some real plates, written once."""
    names = {"plates": sorted(plates), "parts": [synthetic.train.fingerprint, real.train.fingerprint]}
    target = out / f"{synthetic.name}-{len(plates)}-{sha256_bytes(json.dumps(names).encode())[:10]}"
    if not (target / MANIFEST).is_file():

        def mixed() -> Iterator[Sample]:
            for prefix, part in (("synthetic", synthetic.train), ("real", real.train)):
                for sample in part:
                    if part is synthetic.train or sample.plate_id in plates:
                        # A degraded copy of the real set has the real set's ids.
                        yield replace(sample, sample_id=f"{prefix}-{sample.sample_id}", split="train")

        write_parquet(mixed(), target, name=f"{synthetic.name}-with-{len(plates)}-real")
    return open_samples(target)
