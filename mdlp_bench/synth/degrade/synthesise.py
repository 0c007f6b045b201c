"""Samples with a ground truth in, synthetic samples out, on one worker or many with the same result."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, Final, TypeVar

from mdlp_bench.engine import SERIAL, Engine
from mdlp_bench.errors import DataError
from mdlp_bench.schema import EncodedImage, Sample
from mdlp_bench.synth.degrade.frames import degrade_triplet
from mdlp_bench.synth.degrade.recipe import Recipe

T = TypeVar("T")

_CHUNK: Final = 16


def synthesise_sample(sample: Sample, recipe: Recipe, *, seed: int, n_frames: int = 3) -> Sample:
    """Degrade the ground truth of one sample: a pure function, which any pool can map.

    Args:
        sample: A sample with a ground truth; frames that it has are replaced.
        recipe: The recipe.
        seed: The data set's seed.
        n_frames: Frames per sample.

    Returns:
        The synthetic sample. `gt` keeps the given bytes; the frames are degraded from their decoded pixels;
        `degradation` is the JSON that `replay` reads.

    Raises:
        DataError: There is no ground truth, or it cannot be decoded; names the sample.
    """
    pixels = sample.decode_gt()
    if pixels is None:
        raise DataError(f"sample {sample.sample_id}: no ground truth to degrade")
    done = degrade_triplet(pixels, recipe, seed=seed, sample_id=sample.sample_id, n_frames=n_frames)
    frames = (
        EncodedImage(content, f"img_{number}.{recipe.output.format}")
        for number, content in enumerate(done.frames, start=1)
    )
    return replace(
        sample,
        domain="synthetic",
        frames=tuple(frames),
        frame_indices=tuple(range(1, n_frames + 1)),
        recipe=recipe.id,
        degradation=json.dumps(done.parameters, ensure_ascii=False, separators=(",", ":")),
    )


def synthesise(
    items: Iterable[T],
    recipe: Recipe,
    *,
    prepare: Callable[[T], Sample] | None = None,
    seed: int,
    n_frames: int = 3,
    engine: Engine = SERIAL,
) -> Iterator[Sample]:
    """Degrade samples one after the other, lazily and in order.

    Args:
        items: Samples with ground truth, or what `prepare` makes them from; read only as far ahead as the
            workers need.
        recipe: The recipe.
        prepare: Makes a sample of an item on the worker, e.g. renders plate number i; a picklable function of
            its argument alone.
        seed: The data set's seed.
        n_frames: Frames per sample.
        engine: Where the work is done; the samples do not depend on it.

    Raises:
        DataError: As in `synthesise_sample`.
    """
    work = partial(_synthesised, prepare=prepare, recipe=recipe, seed=seed, n_frames=n_frames)
    return engine.map(work, items, chunk=_CHUNK)


def _synthesised(
    item: Any, prepare: Callable[[Any], Sample] | None, recipe: Recipe, seed: int, n_frames: int
) -> Sample:
    sample = item if prepare is None else prepare(item)
    return synthesise_sample(sample, recipe, seed=seed, n_frames=n_frames)
