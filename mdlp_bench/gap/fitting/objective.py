"""The distance of a candidate recipe's frames from real ones, both measured in the same way.

Every candidate degrades the same ground truths with the same seeds, so two candidates differ by their
parameters and not by chance (common random numbers): the draws of a recipe are quantile functions of latent
numbers that stay the same. Distributions are compared, not means: the quantiles of every statistic.
Where a set has ground truths its own plates are degraded, and what the ground truth says about a frame (the
transfer of detail and what is left over, `paired`) is compared as well.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from mdlp_bench.data.samples import Samples
from mdlp_bench.engine import SERIAL, Engine
from mdlp_bench.errors import DataError
from mdlp_bench.gap.distances import scale_of
from mdlp_bench.gap.fitting.paired import PAIRED_NAMES, paired_statistics
from mdlp_bench.gap.measure import FRAMES, NAMES, statistics_of
from mdlp_bench.harness.statistics.clusters import FloatArray
from mdlp_bench.images import ImageU8, decode
from mdlp_bench.metrics.protocol import to_working_size
from mdlp_bench.synth.build import rendered_sample
from mdlp_bench.synth.degrade import Recipe, degrade_triplet

if TYPE_CHECKING:
    from mdlp_bench.readers.base import Reader

# Sizes are taken from the real frames; the score of a reading changes in steps of one character.
_NOT_COMPARED: Final = frozenset({"width", "height", "reader_ned"})
COMPARED: Final = (*(name for name in NAMES if name not in _NOT_COMPARED), *PAIRED_NAMES)
_AXES: Final = 6
_QUANTILES: Final = tuple((k + 0.5) / 10 for k in range(10))
_SMALLEST_SCALE: Final = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Plate:
    """A sample to be measured or degraded.

    Attributes:
        sample_id: Which.
        frames: The real frames, at most three; none for a plate that only lends its ground truth.
        gt: The ground truth, or None.
    """

    sample_id: str
    frames: tuple[ImageU8, ...]
    gt: ImageU8 | None


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Samples measured: float64 [n] by statistic (NaN: has none), the last frames at the working size."""

    values: Mapping[str, FloatArray]
    last: npt.NDArray[np.uint8]


def plates_of(samples: Samples) -> list[Plate]:
    """All samples of a set, decoded.

    Raises:
        DataError: A sample has no frames, or an image cannot be decoded; names it.
    """
    found = []
    for sample in samples:
        if not sample.frames:
            raise DataError(f"sample {sample.sample_id}: has no frames; a recipe is fitted to real frames")
        frames = sample.decode_frames(FRAMES)
        found.append(Plate(sample.sample_id, frames, sample.decode_gt()))
    return found


def rendered_plates(count: int, seed: int, recipe: Recipe) -> list[Plate]:
    """Plates rendered with the recipe's appearance, for a real set without ground truths."""
    samples = (rendered_sample(index, recipe=recipe, seed=seed) for index in range(count))
    return [Plate(sample.sample_id, (), sample.decode_gt()) for sample in samples]


def measure_plates(plates: Sequence[Plate], *, with_gt: bool) -> Table:
    """Measure frames, with `with_gt` also against their ground truths.

    Raises:
        DataError: A frame is too small.
    """
    rows = []
    for plate in plates:
        values = statistics_of(plate.frames)
        if with_gt and plate.gt is not None:
            values |= paired_statistics(plate.frames, plate.gt)
        rows.append(values)
    columns = {name: np.array([row.get(name, math.nan) for row in rows]) for name in COMPARED}
    return Table(columns, np.stack([to_working_size(plate.frames[-1]) for plate in plates]))


def degraded(plates: Sequence[Plate], recipe: Recipe, *, seed: int) -> list[Plate]:
    """The plates with frames that a recipe makes of their ground truths, as many as they have (or three).

    Raises:
        DataError: As in `degrade_triplet`.
    """
    made = []
    for plate in plates:
        if plate.gt is None:
            raise DataError(f"sample {plate.sample_id}: no ground truth to degrade")
        count = len(plate.frames) or FRAMES
        done = degrade_triplet(plate.gt, recipe, seed=seed, sample_id=plate.sample_id, n_frames=count)
        frames = tuple(decode(frame, f"sample {plate.sample_id}") for frame in done.frames)
        made.append(Plate(plate.sample_id, frames, plate.gt))
    return made


@dataclass(frozen=True, slots=True)
class _Candidate:
    """Degrades and measures on workers."""

    plates: tuple[Plate, ...]
    seed: int
    with_gt: bool

    def __call__(self, recipe: Recipe) -> Table:
        return measure_plates(degraded(self.plates, recipe, seed=self.seed), with_gt=self.with_gt)


class Objective:
    """Differences of candidate recipes from real frames, as residuals for least squares.

    The residuals of a statistic are the differences of ten quantiles, in standard deviations of the real
    values. The sum of their squares is the mean over statistics of the squared second Wasserstein distance.
    With a reader, plus the same over the leading principal components of its features. Standard deviations
    have a floor, half of that of real and starting values pooled: a statistic that hardly varies among the
    real frames would outweigh all others.

    Args:
        real: The real samples.
        gt_plates: What candidates degrade; their own ground truths or other ones.
        start: The recipe the fit starts from.
        reader: Gives features; None leaves them out.
        seed: Seed of the degradations.
        paired: Whether `gt_plates` are the ground truths of `real`.
        engine: Where candidates are made and measured.
    """

    def __init__(
        self,
        real: Sequence[Plate],
        gt_plates: Sequence[Plate],
        start: Recipe,
        reader: Reader | None,
        *,
        seed: int,
        paired: bool,
        engine: Engine = SERIAL,
    ) -> None:
        self._work = _Candidate(tuple(gt_plates), seed, paired)
        self._engine, self._reader = engine, reader
        self._real = measure_plates(real, with_gt=paired)
        first = self._work(start)
        self._axes: tuple[FloatArray, FloatArray] | None = None
        if reader is not None:
            self._axes = _axes(reader, self._real, first)
        ours, theirs = self._columns(self._real), self._columns(first)
        self._compared: dict[str, tuple[FloatArray, float]] = {}
        for name, values in ours.items():
            known, starting = _known(values), _known(theirs[name])
            if len(known) and len(starting):
                pooled = scale_of(
                    np.concatenate([known, starting]), np.arange(len(known) + len(starting)) < len(known)
                )
                scale = max(float(known.std()), _SMALLEST_SCALE * pooled)
                self._compared[name] = quantiles(known), scale

    @property
    def statistics(self) -> tuple[str, ...]:
        """What is compared; `reader 1` and so on are components of its features."""
        return tuple(self._compared)

    def residuals(self, recipes: Sequence[Recipe]) -> list[FloatArray]:
        """Of each recipe, as many numbers as ten times `statistics`."""
        return [self._differences(table) for table in self._engine.map(self._work, recipes)]

    def _differences(self, made: Table) -> FloatArray:
        columns = self._columns(made)
        counts = Counter(map(_is_of_reader, self._compared))
        found = []
        for name, (real, scale) in self._compared.items():
            values = _known(columns[name])
            # A statistic that a candidate lacks counts as one standard deviation away.
            off = (quantiles(values) - real) / scale if len(values) else np.ones(len(real))
            found.append(off / math.sqrt(len(real) * counts[_is_of_reader(name)]))
        return np.concatenate(found)

    def _columns(self, table: Table) -> dict[str, FloatArray]:
        columns = dict(table.values)
        if self._reader is not None and self._axes is not None:
            middle, axes = self._axes
            placed = (_features(self._reader, table) - middle) @ axes
            columns |= {f"reader {k}": placed[:, k] for k in range(placed.shape[1])}
        return columns


def quantiles(values: FloatArray) -> FloatArray:
    """The ten quantiles in the middles of the tenths of a sample without NaN."""
    return np.asarray(np.quantile(values, _QUANTILES), np.float64)


def _is_of_reader(name: str) -> bool:
    return name.startswith("reader ")


def _known(values: FloatArray) -> FloatArray:
    return values[~np.isnan(values)]


def _features(reader: Reader, table: Table) -> npt.NDArray[Any]:
    found = reader.features(list(table.last))
    if found is None:
        raise DataError(f"reader {reader.descriptor.name} gives no features; use --reader crnn or none")
    return found.astype(np.float64)


def _axes(reader: Reader, real: Table, first: Table) -> tuple[FloatArray, FloatArray]:
    """The mean [D] and the leading principal axes [D, k] of the features of both tables."""
    pooled = np.concatenate([_features(reader, table) for table in (real, first)])
    middle = pooled.mean(axis=0)
    _, _, axes = np.linalg.svd(pooled - middle, full_matrices=False)
    return middle, np.asarray(axes[:_AXES].T)
