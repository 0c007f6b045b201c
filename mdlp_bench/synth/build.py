"""Build a synthetic data set: ground truths, degraded by a recipe, in plate-disjoint splits."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from mdlp_bench.data.build import write_parquet
from mdlp_bench.data.manifest import Manifest
from mdlp_bench.data.plate_split import DEFAULT_RATIOS, split_of
from mdlp_bench.data.samples import Samples
from mdlp_bench.engine import SERIAL, Engine
from mdlp_bench.errors import DataError
from mdlp_bench.images import encode
from mdlp_bench.metrics.protocol import WORKING_SIZE
from mdlp_bench.progress import progress_bar
from mdlp_bench.schema import EncodedImage, Sample
from mdlp_bench.synth.degrade import Recipe, finish, synthesise
from mdlp_bench.synth.exact import rendered_under
from mdlp_bench.synth.render import Provinces, plate_of, render_sample

Ratios = Mapping[str, float]


def rendered_sample(
    index: int,
    *,
    recipe: Recipe,
    seed: int,
    provinces: Provinces = "uniform",
    ratios: Ratios = DEFAULT_RATIOS,
) -> Sample:
    """One rendered plate as a sample without frames; a function of its arguments alone.

    Args:
        index: Place in the stream of plates.
        recipe: Says how plates look (`recipe.plates`).
        seed: The stream.
        provinces: `uniform`, or `ccpd` (88 % 皖).
        ratios: Shares of the splits; the plate's text decides (see `split_of`).
    """
    plates, sample_id = recipe.plates, f"rendered-{seed}-{index:07d}"
    plate = render_sample(
        seed,
        index,
        layouts=plates.layouts,
        provinces=provinces,
        appearance=plates.appearance,
        size=WORKING_SIZE,
    )
    image = finish(plate.image, recipe, seed=seed, sample_id=sample_id)
    return Sample(
        sample_id=sample_id,
        plate_id=plate.text,
        track_id=sample_id,
        split=split_of(plate.text, ratios),
        domain="synthetic",
        source="rendered",
        gt=EncodedImage(encode(image, "jpg", quality=95), f"{index:07d}.jpg"),
        text=plate.text,
        text_origin="rendered",
        layout=plate.layout,
    )


def synthesise_rendered(
    recipe: Recipe,
    n: int,
    out: Path,
    *,
    seed: int = 0,
    n_frames: int = 3,
    provinces: Provinces = "uniform",
    ratios: Ratios = DEFAULT_RATIOS,
    only: str | None = None,
    engine: Engine = SERIAL,
) -> Manifest:
    """Render `n` plates, degrade them and write the data set.

    Args:
        recipe: How to degrade.
        n: Plates.
        out: Folder to write (see `write_parquet`).
        seed: Seed of plates and degradation.
        n_frames: Frames per sample.
        provinces: See `rendered_sample`.
        ratios: Shares of the plate-disjoint splits.
        only: Draw only plates of this split.
        engine: Where the work is done; the bytes do not depend on it.

    Raises:
        DataError: `n` is below 1, no plate can fall into the split, or as in `write_parquet`.
    """
    if n < 1:
        raise DataError(f"{n} plates: ask for at least 1")
    if only is not None and not ratios.get(only):
        raise DataError(f"no plate falls into split {only!r}; the ratios are {dict(ratios)}")
    layouts = recipe.plates.layouts
    wanted = (
        index
        for index in itertools.count()
        if only is None
        or split_of(plate_of(seed, index, layouts=layouts, provinces=provinces)[0], ratios) == only
    )
    prepare = partial(rendered_sample, recipe=recipe, seed=seed, provinces=provinces, ratios=dict(ratios))
    made = synthesise(islice(wanted, n), recipe, prepare=prepare, seed=seed, n_frames=n_frames, engine=engine)
    made_by = {
        "plates": {"n": n, "provinces": provinces, "only": only},
        **_made_by(recipe, seed, n_frames, ratios),
    }
    with progress_bar(n, "Degrading", "plate") as bar:
        return write_parquet(
            bar.over(made),
            out,
            name=f"rendered-{recipe.id}",
            made_by=made_by,
            rendered_under=rendered_under(),
        )


def synthesise_samples(
    plates: Samples,
    recipe: Recipe,
    out: Path,
    *,
    n: int | None = None,
    seed: int = 0,
    n_frames: int = 3,
    ratios: Ratios = DEFAULT_RATIOS,
    engine: Engine = SERIAL,
) -> Manifest:
    """Degrade the ground truths of a data set, e.g. of CCPD scenes, and write the synthetic data set.

    Args:
        plates: Samples with ground truth.
        recipe: How to degrade.
        out: Folder to write (see `write_parquet`).
        n: Take the first `n` only.
        seed: Seed of the degradation.
        n_frames: Frames per sample.
        ratios: Shares of the plate-disjoint splits.
        engine: Where the work is done; the bytes do not depend on it.

    Raises:
        DataError: There are fewer than `n` samples, one has no ground truth, or as in `write_parquet`.
    """
    if n is not None and not 1 <= n <= len(plates):
        raise DataError(f"{plates.name}: {n} samples asked for, there are {len(plates)}")
    chosen = plates if n is None else plates.select(sample_ids=plates.sample_ids[:n])
    made = synthesise(_resplit(chosen, ratios), recipe, seed=seed, n_frames=n_frames, engine=engine)
    name = f"{plates.name.replace('/', '-')}-{recipe.id}"
    made_by = {"ground truth": {"name": plates.name, "n": n}, **_made_by(recipe, seed, n_frames, ratios)}
    with progress_bar(len(chosen), "Degrading", "plate") as bar:
        return write_parquet(bar.over(made), out, name=name, made_by=made_by, rendered_under=rendered_under())


def _made_by(recipe: Recipe, seed: int, n_frames: int, ratios: Ratios) -> dict[str, Any]:
    return {
        "recipe": recipe.model_dump(mode="json"),
        "seed": seed,
        "frames": n_frames,
        "ratios": dict(ratios),
    }


def _resplit(samples: Samples, ratios: Ratios) -> Iterator[Sample]:
    for sample in samples:
        yield replace(sample, split=split_of(sample.plate_id, ratios))
