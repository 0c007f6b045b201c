from __future__ import annotations

import numpy as np

from mdlp_bench.gap.classifier import balanced_accuracy, classify, shrunk
from mdlp_bench.harness.statistics.two_sets import TwoSetClusters


def images(count: int, level: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    levels = level + 20 * rng.normal(size=(count, 1, 1, 3))
    return (levels + 4 * rng.normal(size=(count, 112, 224, 3))).clip(0, 255).astype(np.uint8)


def test_a_plain_difference_is_told_on_plates_never_seen_and_equal_sets_are_not() -> None:
    plates = [f"p{i}" for i in range(20)]
    units = TwoSetClusters(plates, plates)
    resamples = units.resamples(199, np.random.default_rng(0))

    def accuracy(level: float) -> tuple[float, float, float]:
        pooled = np.concatenate([images(20, 80, 1), images(20, level, 2)])
        found = classify(pooled, units, folds=2, resamples=resamples, confidence=0.95, seed=0, steps=20)
        assert found.probability.shape == (40,)
        return found.accuracy.low, found.accuracy.value, found.accuracy.high

    low, value, _ = accuracy(180)
    assert low > 0.5 and value > 0.8
    low, _, high = accuracy(80)
    assert low <= 0.5 <= high


def test_balanced_accuracy_weighs_both_sets_alike() -> None:
    units = TwoSetClusters(["a"] * 9 + ["b"], ["c", "d"])
    right = np.array([1.0] * 9 + [0.0] + [0.0, 1.0])
    assert balanced_accuracy(right, units, np.ones((1, 4))) == (0.9 + 0.5) / 2


def test_shrinking_averages() -> None:
    picture = np.zeros((1, 112, 224, 3), np.uint8)
    picture[0, :2, :2] = np.array([10, 20, 30, 40], np.uint8).reshape(2, 2, 1)
    assert shrunk(picture)[0, 0, 0].tolist() == [25, 25, 25] and shrunk(picture).shape == (1, 56, 112, 3)
