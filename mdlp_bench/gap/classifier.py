"""The classifier two-sample test: can a small network tell real from synthetic on plates it has not seen?

(Lopez-Paz and Oquab, Revisiting Classifier Two-Sample Tests, ICLR 2017.) The held-out predictions of all
folds are scored together; the interval resamples plates.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from mdlp_bench.engine import SERIAL, Engine, one_thread
from mdlp_bench.files import seed_for
from mdlp_bench.harness.statistics.clusters import FloatArray
from mdlp_bench.harness.statistics.estimate import Estimate
from mdlp_bench.harness.statistics.two_sets import BoolArray, IntArray, TwoSetClusters

if TYPE_CHECKING:
    from torch import nn

STEPS: Final = 400
FEWEST_PLATES: Final = 10
_BATCH: Final = 32
_LEARNING_RATE: Final = 5e-3
_CHUNK: Final = 128
# Training sees random windows of this size (height, width), which is faster and overfits less.
_WINDOW: Final = (32, 64)


@dataclass(frozen=True, slots=True, eq=False)
class ClassifierOutcome:
    """The network's prediction for each sample while its plate was held out.

    Attributes:
        probability: float64 [n], that the pooled sample is of the first set.
        accuracy: Mean of the shares of both sets that are classified correctly, with the percentile bootstrap
            interval over plates.
    """

    probability: FloatArray
    accuracy: Estimate


def classify(
    images: npt.NDArray[np.uint8],
    units: TwoSetClusters,
    *,
    folds: int,
    resamples: FloatArray,
    confidence: float,
    seed: int,
    steps: int = STEPS,
    engine: Engine = SERIAL,
) -> ClassifierOutcome:
    """Cross-validate the network by plate.

    Args:
        images: uint8 [n, 112, 224, 3], pooled.
        units: Their plates.
        folds: How many.
        resamples: From `TwoSetClusters.resamples`, for the interval.
        confidence: Confidence of the interval.
        seed: Seed of folds, weights and batches.
        steps: Steps of each fold's training; every batch has as many samples of one set as of the other.
        engine: Where folds are trained.
    """
    small = shrunk(images)
    fold = units.folds(folds, np.random.default_rng(seed_for(seed, "folds")))
    is_first = units.sample_is_first
    work = partial(_held_out, small, is_first, fold, seed, steps)
    probability = np.empty(len(small))
    for number, found in enumerate(engine.map(work, range(folds))):
        probability[fold == number] = found
    right = ((probability > 0.5) == is_first).astype(np.float64)
    (accuracy,) = balanced_accuracy(right, units, np.ones((1, len(units.sizes))))
    low, high = np.quantile(
        balanced_accuracy(right, units, resamples), [(1 - confidence) / 2, (1 + confidence) / 2]
    )
    estimate = Estimate(value=float(accuracy), low=float(low), high=float(high))
    return ClassifierOutcome(probability, estimate)


def balanced_accuracy(right: FloatArray, units: TwoSetClusters, weights: FloatArray) -> FloatArray:
    """[B] mean of both sets' shares that are right, for weights [B, U] of units; `right` [n] is 0 or 1."""
    told = np.bincount(units.codes, right, len(units.sizes))
    shares = [
        (weights[:, side] @ told[side]) / (weights[:, side] @ units.sizes[side])
        for side in (units.is_first, ~units.is_first)
    ]
    mean: FloatArray = (shares[0] + shares[1]) / 2
    return mean


def shrunk(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Average 2 x 2 pixels: uint8 [n, 112, 224, 3] to [n, 56, 112, 3], still larger than most frames."""
    n, height, width, channels = images.shape
    made = np.empty((n, height // 2, width // 2, channels), np.uint8)
    for start in range(0, n, _CHUNK):
        part = images[start : start + _CHUNK].reshape(-1, height // 2, 2, width // 2, 2, channels)
        made[start : start + _CHUNK] = (part.mean(axis=(2, 4), dtype=np.float32) + 0.5).astype(np.uint8)
    return made


def _held_out(
    images: npt.NDArray[np.uint8], is_first: BoolArray, fold: IntArray, seed: int, steps: int, number: int
) -> FloatArray:
    """Train without one fold and return the probabilities of its samples."""
    import torch

    from mdlp_bench.methods.tensors import to_tensor

    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(seed, "classifier", number))
        network = _network()
        rng = np.random.default_rng(seed_for(seed, "batches", number))
        sides = [np.flatnonzero((fold != number) & side) for side in (is_first, ~is_first)]
        _train(network, images, sides, rng, steps)
        network.eval()
        with torch.inference_mode():
            held_out = images[fold == number]
            logits = [
                network(to_tensor(held_out[start : start + _CHUNK]))[:, 0].double().numpy()
                for start in range(0, len(held_out), _CHUNK)
            ]
    return np.asarray(1 / (1 + np.exp(-np.concatenate(logits))))


def _network() -> nn.Module:
    """Three strided convolutions, the mean over the image, one logit: 20 thousand parameters."""
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(3, 16, 5, 2, 2),
        nn.GroupNorm(4, 16),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, 2, 1),
        nn.GroupNorm(4, 32),
        nn.ReLU(),
        nn.Conv2d(32, 48, 3, 2, 1),
        nn.GroupNorm(4, 48),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(48, 1),
    )


def _train(
    network: nn.Module,
    images: npt.NDArray[np.uint8],
    sides: list[IntArray],
    rng: np.random.Generator,
    steps: int,
) -> None:
    import torch
    from torch.nn import functional

    from mdlp_bench.methods.tensors import to_tensor

    optimizer = torch.optim.AdamW(network.parameters(), lr=_LEARNING_RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _LEARNING_RATE, total_steps=steps)
    labels = torch.cat([torch.ones(_BATCH // 2), torch.zeros(_BATCH // 2)])
    for _ in range(steps):
        chosen = np.concatenate([rng.choice(side, _BATCH // 2) for side in sides])
        top, left = (
            int(rng.integers(whole - part + 1))
            for whole, part in zip(images.shape[1:3], _WINDOW, strict=True)
        )
        seen = images[chosen, top : top + _WINDOW[0], left : left + _WINDOW[1]]
        loss = functional.binary_cross_entropy_with_logits(network(to_tensor(seen))[:, 0], labels)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
