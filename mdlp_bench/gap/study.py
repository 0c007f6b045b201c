"""Parts one and two of the report: what differs between real and synthetic frames, and how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
from scipy.special import ndtri

from mdlp_bench.engine import SERIAL, Engine
from mdlp_bench.files import seed_for
from mdlp_bench.gap import classifier
from mdlp_bench.gap.distances import PooledValues, scale_of, smallest_ks, value_gap
from mdlp_bench.gap.kernels import PlateKernel, cubic_kernel, gaussian_kernel
from mdlp_bench.gap.measure import FRAMES, INFO, NAMES, READER, STATISTICS, Measured
from mdlp_bench.gap.report_model import (
    ClassifierGap,
    FeatureGap,
    PairGap,
    SetGap,
    StatisticGap,
    StudySettings,
)
from mdlp_bench.harness.statistics import holm
from mdlp_bench.harness.statistics.clusters import FloatArray
from mdlp_bench.harness.statistics.estimate import Estimate
from mdlp_bench.harness.statistics.two_sets import TwoSetClusters
from mdlp_bench.metrics.distribution import frechet_distance

SHOWN: Final = 6
_HALVES: Final = 5
_FEW_PLATES: Final = 100


@dataclass(frozen=True, slots=True, eq=False)
class _Pooled:
    """A real and a synthetic set pooled, with the random draws that all comparisons of the two share."""

    real: Measured
    synthetic: Measured
    units: TwoSetClusters
    permutations: FloatArray
    resamples: FloatArray

    @classmethod
    def of(cls, real: Measured, synthetic: Measured, settings: StudySettings) -> _Pooled:
        units = TwoSetClusters(real.plate_ids, synthetic.plate_ids)
        return cls(real, synthetic, units, *_draws(units, settings))

    def values(self, name: str) -> FloatArray:
        return np.concatenate([self.real.values[name], self.synthetic.values[name]])


def compare_sets(
    real: Measured,
    synthetic: Measured,
    settings: StudySettings,
    *,
    with_classifier: bool = True,
    engine: Engine = SERIAL,
) -> SetGap:
    """All comparisons of a synthetic set with the real one.

    Args:
        real: The real set.
        synthetic: The synthetic one.
        settings: How the study is made.
        with_classifier: Whether to train the classifier, which takes most of the time.
        engine: Where its folds are trained.

    Raises:
        DataError: A set has fewer than three plates.
    """
    pooled = _Pooled.of(real, synthetic, settings)
    enough = with_classifier and min(pooled.units.n_plates) >= classifier.FEWEST_PLATES
    return SetGap(
        name=synthetic.name,
        shared_plates=len(pooled.units.strata()[0]),
        statistics=_statistic_gaps(pooled, settings),
        features=tuple(_feature_gaps(pooled, settings)),
        classifier=_classifier_gap(pooled, settings, engine) if enough else None,
        notes=tuple(_notes(pooled, settings)),
    )


def _statistic_gaps(pooled: _Pooled, settings: StudySettings) -> tuple[StatisticGap, ...]:
    """Every statistic that both sets have, the largest standardised distance first."""
    found = []
    for name in NAMES:
        values = pooled.values(name)
        known, units = ~np.isnan(values), pooled.units
        first = units.sample_is_first
        if not (known & first).any() or not (known & ~first).any():
            continue
        permutations, resamples = pooled.permutations, pooled.resamples
        if not known.all():
            units = units.take(known)
            permutations, resamples = _draws(units, settings)
            values, first = values[known], units.sample_is_first
        gap = value_gap(
            values,
            units,
            permutations=permutations,
            resamples=resamples,
            confidence=settings.confidence,
        )
        found.append((name, values, first, gap))
    corrected = holm([gap.p_value for *_, gap in found])
    gaps = [
        StatisticGap(
            name=name,
            real_median=float(np.median(values[first])),
            synthetic_median=float(np.median(values[~first])),
            wasserstein=gap.wasserstein,
            standardised=gap.standardised,
            ks=gap.ks,
            p_value=gap.p_value,
            p_holm=float(p_holm),
            n_real=int(first.sum()),
            n_synthetic=int((~first).sum()),
        )
        for (name, values, first, gap), p_holm in zip(found, corrected, strict=True)
    ]
    return tuple(sorted(gaps, key=lambda one: -one.standardised.value))


def _feature_gaps(pooled: _Pooled, settings: StudySettings) -> list[FeatureGap]:
    """Distances in every space of features that both sets have."""
    gaps = []
    n_real = len(pooled.real)
    for name, features in _feature_spaces(pooled.real, pooled.synthetic).items():
        kernel = PlateKernel(features, pooled.units, cubic_kernel)
        value = kernel.value()
        margin = float(ndtri((1 + settings.confidence) / 2)) * kernel.standard_error()
        mmd = PlateKernel(features, pooled.units, gaussian_kernel(features))
        floors = _floors(features[:n_real], pooled.real.plate_ids, settings.seed)
        gaps.append(
            FeatureGap(
                features=name,
                dimensions=features.shape[1],
                frechet=frechet_distance(features[:n_real], features[n_real:]),
                frechet_floor=floors[0] if floors else None,
                kernel=Estimate(value=value, low=value - margin, high=value + margin),
                kernel_floor=floors[1] if floors else None,
                mmd=mmd.value(),
                p_value=mmd.p_value(pooled.permutations),
            )
        )
    return gaps


def pair_gaps(sets: Sequence[Measured]) -> tuple[PairGap, ...]:
    """All pairs of sets, without tests."""
    return tuple(_pair_gap(first, second) for first, second in combinations(sets, 2))


def mean_standardised(first: Measured, second: Measured) -> float:
    """Mean over statistics of Wasserstein's distance / pooled standard deviation (see `ValueGap.scale`)."""
    units = TwoSetClusters(first.plate_ids, second.plate_ids)
    distances = []
    for name in NAMES:
        values = np.concatenate([first.values[name], second.values[name]])
        known = ~np.isnan(values)
        own = units.sample_is_first
        if (known & own).any() and (known & ~own).any():
            kept = units if known.all() else units.take(known)
            side = kept.is_first[None].astype(np.float64)
            (distance,), _ = PooledValues(values[known], kept).distances(side, 1 - side)
            distances.append(float(distance) / scale_of(values[known], kept.sample_is_first))
    return float(np.mean(distances))


def embed(sets: Sequence[Measured]) -> tuple[str, list[FloatArray]]:
    """The first two principal components of the reader's features (of the statistics without a reader).

    Returns:
        The name of the features, and [n, 2] for each set.
    """
    name = READER if all(READER in one.features for one in sets) else STATISTICS
    spaces = [one.features[READER] for one in sets] if name == READER else None
    pooled = _standardised_statistics(sets) if spaces is None else np.concatenate(spaces).astype(np.float64)
    centred = pooled - pooled.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    placed = centred @ axes[:2].T
    return name, np.split(placed, np.cumsum([len(one) for one in sets])[:-1])


def _draws(units: TwoSetClusters, settings: StudySettings) -> tuple[FloatArray, FloatArray]:
    rng = np.random.default_rng(seed_for(settings.seed, "plates"))
    return units.permutations(settings.permutations, rng), units.resamples(settings.resamples, rng)


def _feature_spaces(first: Measured, second: Measured) -> dict[str, FloatArray]:
    """Pooled features by name: what both sets have, and the standardised statistics."""
    spaces = {
        name: np.concatenate([first.features[name], second.features[name]]).astype(np.float64)
        for name in first.features
        if name in second.features
    }
    return {**spaces, STATISTICS: _standardised_statistics([first, second])}


def _standardised_statistics(sets: Sequence[Measured]) -> FloatArray:
    """Statistics that every sample of all sets has, each with mean 0 and deviation 1; [n, D]."""
    table = np.stack([np.concatenate([one.values[name] for one in sets]) for name in NAMES], axis=1)
    complete = table[:, ~np.isnan(table).any(axis=0)]
    spread = complete.std(axis=0)
    spread[spread < 1e-9] = 1.0
    standardised: FloatArray = (complete - complete.mean(axis=0)) / spread
    return standardised


def _floors(features: FloatArray, plates: Sequence[str], seed: int) -> tuple[float, float] | None:
    """Fréchet and kernel distance between plate-disjoint halves of one set, means of five halvings."""
    names = np.unique(np.asarray(plates))
    if len(names) < 8:
        return None
    rng = np.random.default_rng(seed_for(seed, "halves"))
    frechet, kernel = [], []
    for _ in range(_HALVES):
        half = np.isin(np.asarray(plates), rng.permutation(names)[: len(names) // 2])
        order = np.argsort(~half, kind="stable")
        units = TwoSetClusters(np.asarray(plates)[half].tolist(), np.asarray(plates)[~half].tolist())
        frechet.append(frechet_distance(features[half], features[~half]))
        kernel.append(PlateKernel(features[order], units, cubic_kernel).value())
    return float(np.mean(frechet)), float(np.mean(kernel))


def _classifier_gap(pooled: _Pooled, settings: StudySettings, engine: Engine) -> ClassifierGap:
    outcome = classifier.classify(
        np.concatenate([pooled.real.images, pooled.synthetic.images]),
        pooled.units,
        folds=settings.folds,
        resamples=pooled.resamples,
        confidence=settings.confidence,
        seed=settings.seed,
        engine=engine,
    )
    n_real = len(pooled.real)

    def surest(ids: Sequence[str], looks: FloatArray) -> tuple[str, ...]:
        order = np.argsort(-looks, kind="stable")[:SHOWN]
        return tuple(ids[int(index)] for index in order if looks[index] > 0.5)

    real, synthetic = outcome.probability[:n_real], outcome.probability[n_real:]
    return ClassifierGap(
        accuracy=outcome.accuracy,
        folds=settings.folds,
        telling_real=surest(pooled.real.sample_ids, real),
        telling_synthetic=surest(pooled.synthetic.sample_ids, 1 - synthetic),
        passing_real=surest(pooled.real.sample_ids, 1 - real),
        passing_synthetic=surest(pooled.synthetic.sample_ids, synthetic),
    )


def _pair_gap(first: Measured, second: Measured) -> PairGap:
    kernel = None
    if READER in first.features and READER in second.features:
        features = np.concatenate([first.features[READER], second.features[READER]])
        kernel = PlateKernel(
            features, TwoSetClusters(first.plate_ids, second.plate_ids), cubic_kernel
        ).value()
    return PairGap(
        first=first.name,
        second=second.name,
        mean_standardised=mean_standardised(first, second),
        kernel=kernel,
    )


def _notes(pooled: _Pooled, settings: StudySettings) -> list[str]:
    """What this comparison cannot tell, because of few samples and plates or of missing parts."""
    n_real, n_synthetic = pooled.units.n_plates
    level = 1 - settings.confidence
    notes = []
    if min(n_real, n_synthetic) < _FEW_PLATES:
        smallest = smallest_ks(n_real, n_synthetic, level / len(NAMES))
        notes.append(
            f"{n_real} real and {n_synthetic} synthetic plates are few: the smallest difference of a "
            f"distribution that is sure to be significant after correction is KS {smallest:.2f}. What is not "
            "significant here is not shown to be equal."
        )
    if min(n_real, n_synthetic) < classifier.FEWEST_PLATES:
        notes.append(f"No classifier: it takes {classifier.FEWEST_PLATES} plates of each set.")
    for name, features in _feature_spaces(pooled.real, pooled.synthetic).items():
        smaller = min(len(pooled.real), len(pooled.synthetic))
        if smaller < 2 * features.shape[1]:
            notes.append(
                f"The Fréchet distance of the {name} features ({features.shape[1]} dimensions) is biased "
                f"upwards with {smaller} samples; compare it between sets of equal size only, and prefer the "
                "kernel distance."
            )
    for name in NAMES:
        lacking = [one.name for one in (pooled.real, pooled.synthetic) if np.isnan(one.values[name]).all()]
        if lacking:
            notes.append(f"No {INFO[name].title}: {' and '.join(lacking)} {_why(name)}.")
    return notes


def _why(name: str) -> str:
    if name == "reader_ned":
        return "gave no text, or no reader was used"
    if name == "jpeg_quality":
        return "have too few coefficients that are not clipped"
    return f"gave fewer than two of the {FRAMES} frames it takes"
