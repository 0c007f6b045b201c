"""Clean sample rows in, synthetic sample rows out, on one worker or many with the same result."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from mdlp_bench.engine import SERIAL, Engine
from mdlp_bench.errors import DataError
from mdlp_bench.images import decode
from mdlp_bench.schema import SAMPLE_SCHEMA
from mdlp_bench.synth.degrade.frames import degrade_triplet
from mdlp_bench.synth.degrade.recipe import Recipe

Row = dict[str, Any]
Prepare = Callable[[Any], Mapping[str, Any]]

_CHUNK: Final = 16


def synthesise_sample(clean: Mapping[str, Any], recipe: Recipe, *, seed: int, n_frames: int = 3) -> Row:
    """Degrade one clean row: a pure function, to be mapped by whatever pool is at hand.

    Args:
        clean: Columns of a sample row. `sample_id`, `source` and `gt` (a dict with `bytes`) are needed;
            `plate_id` defaults to `text` or else `sample_id`, `track_id` to `sample_id`, `split` to `train`.
        recipe: The recipe.
        seed: The data set's seed.
        n_frames: Frames per sample.

    Returns:
        A complete synthetic sample row. `gt` keeps the given bytes; the frames are degraded from their
        decoded pixels; `degradation` is the JSON that `replay` reads.

    Raises:
        DataError: A column is missing or the ground truth cannot be decoded; names the sample.
    """
    sample_id = clean.get("sample_id")
    if not sample_id or not clean.get("source"):
        raise DataError(f"clean sample {sample_id!r}: sample_id and source are required")
    gt = clean.get("gt")
    if not gt or not gt.get("bytes"):
        raise DataError(f"sample {sample_id}: no ground truth bytes to degrade")
    pixels = decode(gt["bytes"], f"sample {sample_id}")
    done = degrade_triplet(pixels, recipe, seed=seed, sample_id=sample_id, n_frames=n_frames)
    suffix = recipe.output.format
    row: Row = {name: clean.get(name) for name in SAMPLE_SCHEMA.names}
    return row | {
        "plate_id": clean.get("plate_id") or clean.get("text") or sample_id,
        "track_id": clean.get("track_id") or sample_id,
        "split": clean.get("split") or "train",
        "domain": "synthetic",
        "frames": [{"bytes": b, "path": f"img_{i}.{suffix}"} for i, b in enumerate(done.frames, start=1)],
        "frame_indices": list(range(1, n_frames + 1)),
        "gt": {"bytes": gt["bytes"], "path": gt.get("path")},
        "recipe": recipe.id,
        "degradation": json.dumps(done.parameters, ensure_ascii=False, separators=(",", ":")),
    }


def synthesise(
    clean: Iterable[Any],
    recipe: Recipe,
    *,
    prepare: Prepare = dict,
    seed: int,
    n_frames: int = 3,
    engine: Engine = SERIAL,
) -> Iterator[Row]:
    """Degrade clean rows one after the other, lazily and in order.

    Args:
        clean: Clean rows (see `synthesise_sample`), or what `prepare` makes them from; read only as far ahead
            as the workers need.
        recipe: The recipe.
        prepare: Makes a clean row of an item on the worker, e.g. renders plate number i; a picklable function
            of its argument alone.
        seed: The data set's seed.
        n_frames: Frames per sample.
        engine: Where; the rows do not depend on it.

    Raises:
        DataError: As in `synthesise_sample`.
    """
    work = partial(_synthesised, prepare=prepare, recipe=recipe, seed=seed, n_frames=n_frames)
    return engine.map(work, clean, chunk=_CHUNK)


def _synthesised(item: Any, prepare: Prepare, recipe: Recipe, seed: int, n_frames: int) -> Row:
    return synthesise_sample(prepare(item), recipe, seed=seed, n_frames=n_frames)
