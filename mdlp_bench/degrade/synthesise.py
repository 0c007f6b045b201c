"""Clean sample rows in, synthetic sample rows out, on one worker or many with the same result."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from typing import Any, Final

from mdlp_bench.degrade.frames import degrade_triplet
from mdlp_bench.degrade.recipe import Recipe
from mdlp_bench.errors import DataError
from mdlp_bench.images import decode
from mdlp_bench.schema import SAMPLE_SCHEMA

Row = dict[str, Any]
Prepare = Callable[[Any], Mapping[str, Any]]

_CHUNK: Final = 16
# Chunks in flight per worker: enough to keep it busy, few enough to keep memory flat.
_AHEAD: Final = 3


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
        "recipe": recipe.name,
        "degradation": json.dumps(done.parameters, ensure_ascii=False, separators=(",", ":")),
    }


def synthesise(
    clean: Iterable[Any],
    recipe: Recipe,
    *,
    prepare: Prepare = dict,
    seed: int,
    n_frames: int = 3,
    workers: int = 1,
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
        workers: Processes; 1 works in this process. The rows do not depend on it.

    Raises:
        DataError: `workers` is below 1, or as in `synthesise_sample`.
    """
    if workers < 1:
        raise DataError(f"workers is {workers}; ask for at least 1")
    if workers == 1:
        for row in clean:
            yield synthesise_sample(prepare(row), recipe, seed=seed, n_frames=n_frames)
        return
    source = iter(clean)
    pending: deque[Future[list[Row]]] = deque()
    # Spawned, for OpenCV's threads do not survive a fork.
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_single_threaded)
    try:
        while True:
            while len(pending) < workers * _AHEAD and (chunk := list(islice(source, _CHUNK))):
                pending.append(pool.submit(_chunk, chunk, prepare, recipe, seed, n_frames))
            if not pending:
                return
            yield from pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _single_threaded() -> None:
    """Workers fill the cores by themselves; OpenCV's own threads would only get in their way."""
    import cv2

    cv2.setNumThreads(1)


def _chunk(items: list[Any], prepare: Prepare, recipe: Recipe, seed: int, n_frames: int) -> list[Row]:
    return [synthesise_sample(prepare(item), recipe, seed=seed, n_frames=n_frames) for item in items]
