"""The sets of a study: opened from what a user names, or made from ground truths and a recipe."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mdlp_bench.data import open_samples
from mdlp_bench.data.manifest import MANIFEST
from mdlp_bench.data.plate_split import splits_of
from mdlp_bench.data.samples import Samples
from mdlp_bench.engine import SERIAL, Engine
from mdlp_bench.errors import DataError
from mdlp_bench.files import sha256_bytes
from mdlp_bench.gap.measure import choose_plates
from mdlp_bench.synth.build import synthesise_rendered, synthesise_samples
from mdlp_bench.synth.degrade import Recipe, load_recipe

RENDER: Final = "render"
FEWEST_PLATES: Final = 3
"""Plates without which a part of a set is of no use."""
# SOURCE@RECIPE; a recipe may carry its version: SOURCE@motion@2.
_SOURCE_AT_RECIPE: Final = re.compile(r"(.*?)@([^@]*(?:@[^@/]+)?)")


@dataclass(frozen=True, slots=True)
class SetSpec:
    """What a user typed: `FOLDER`, `FOLDER@RECIPE` or `render@RECIPE`.

    Attributes:
        source: A data set of any layout, or `render`.
        recipe: A recipe's name or YAML file that degrades the source's ground truths (the renderer's plates);
            None takes the source's own frames.
    """

    source: str
    recipe: str | None = None

    @classmethod
    def parse(cls, text: str) -> SetSpec:
        """Read the text; a path that exists is a folder even with an @ in its name.

        Raises:
            DataError: `render` without a recipe, or an empty part.
        """
        found = None if Path(text).exists() else _SOURCE_AT_RECIPE.fullmatch(text)
        source, recipe = found.groups() if found else (text, None)
        if not source or recipe == "":
            raise DataError(f"{text!r}: give FOLDER, FOLDER@RECIPE or render@RECIPE")
        if source == RENDER and recipe is None:
            raise DataError(f"{RENDER}: say by which recipe, such as {RENDER}@surveillance")
        return cls(source, recipe)

    @property
    def name(self) -> str:
        """A short name for tables and folders: `MDLP`, `render-surveillance`."""
        parts = [RENDER if self.source == RENDER else Path(self.source).resolve().name]
        if self.recipe is not None:
            parts.append(Path(self.recipe).stem)
        return re.sub(r"[^\w.-]+", "-", "-".join(parts)).strip("-.") or "set"


@dataclass(frozen=True, slots=True)
class GapSet:
    """One set of a study, open.

    Attributes:
        name: Unique within the study.
        samples: Its samples, with frames.
    """

    name: str
    samples: Samples


def unique_names(specs: Sequence[SetSpec]) -> list[str]:
    """A name for each set; equal ones are numbered."""
    names: list[str] = []
    for spec in specs:
        same = sum(name == spec.name or name.startswith(f"{spec.name}-") for name in names)
        names.append(spec.name if spec.name not in names else f"{spec.name}-{same + 1}")
    return names


def open_set(
    spec: SetSpec,
    name: str,
    out: Path,
    *,
    limit: int,
    seed: int = 0,
    labels: Path | None = None,
    engine: Engine = SERIAL,
) -> GapSet:
    """Open a set, making it first where it names a recipe.

    A made set is written to `out/<name>-<hash of all that it depends on>`; the same call finds it there.

    Args:
        spec: The set.
        name: How it is called.
        out: Folder for the sets that are made.
        limit: Plates to render, or samples of the source to degrade, at most.
        seed: Seed of plates, choice and degradation.
        labels: A label list whose texts are used for the source.
        engine: Where frames are degraded.

    Raises:
        DataError: No such data set or recipe, or a ground truth is missing.
    """
    if spec.recipe is None:
        return GapSet(name, open_samples(spec.source, labels=labels))
    recipe = load_recipe(spec.recipe)
    if spec.source == RENDER:
        target = out / f"{name}-{_digest(recipe, RENDER, limit, seed)}"
        if not (target / MANIFEST).is_file():
            synthesise_rendered(recipe, limit, target, seed=seed, engine=engine)
    else:
        plates = choose_plates(open_samples(spec.source, labels=labels), limit, seed)
        target = out / f"{name}-{_digest(recipe, plates.fingerprint, seed)}"
        if not (target / MANIFEST).is_file():
            synthesise_samples(plates, recipe, target, seed=seed, engine=engine)
    return GapSet(name, open_samples(target))


def divide_plates(
    samples: Samples, shares: Mapping[str, float], seed: int, *, name: str, remedy: str
) -> list[Samples]:
    """The samples in parts by a hash of their plates, the same in every set.

    Args:
        samples: What is divided.
        shares: Share of the plates of each part.
        seed: Seed of the hash.
        name: What to call the samples in errors.
        remedy: What to do when a part has too few plates.

    Raises:
        DataError: A part with a share has fewer than three plates.
    """
    parts: dict[str, list[tuple[str, str]]] = {part: [] for part in shares}
    rows = list(zip(samples.sample_ids, samples.column("plate_id"), strict=True))
    for row, part in zip(rows, splits_of((plate for _, plate in rows), shares, seed), strict=True):
        parts[part].append(row)
    for part, found in parts.items():
        plates = len({plate for _, plate in found})
        if shares[part] and plates < FEWEST_PLATES:
            raise DataError(
                f"{name}: {plates} plates in its {part} part, {FEWEST_PLATES} are needed; {remedy}"
            )
    return [samples.select(sample_ids=[name for name, _ in found]) for found in parts.values()]


def _digest(recipe: Recipe, *parts: object) -> str:
    return sha256_bytes(json.dumps([recipe.model_dump(mode="json"), *parts]).encode())[:10]
