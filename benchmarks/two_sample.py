"""How well real frames are told from a recipe's: a linear test on camera statistics, and a small network.

    python benchmarks/two_sample.py MDLP_FOLDER --recipe surveillance --recipe surveillance@2

Rendered plates are degraded by each recipe, as many as asked for. Both tests leave plates out: the linear one
each plate once, the network by folds. The floor is what both say of two halves of the real set, plates apart,
over random halvings. Sizes, growth, JPEG quality and the reader are left out of the statistics: they say how
a data set was stored. Chance is 0.5, but an accuracy must be compared with the floor.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
from scipy.optimize import minimize

from mdlp_bench.data import open_samples
from mdlp_bench.gap import classifier
from mdlp_bench.gap.measure import NAMES, Measured, measure
from mdlp_bench.harness.statistics.clusters import FloatArray
from mdlp_bench.harness.statistics.two_sets import BoolArray, TwoSetClusters
from mdlp_bench.synth.build import synthesise_rendered
from mdlp_bench.synth.degrade import load_recipe

STORED = {"width", "height", "growth", "jpeg_quality", "reader_ned"}
COMPARED = [name for name in NAMES if name not in STORED]
RIDGE: Final = 1.0
"""Half the weight of the squared coefficients of standardised statistics, beside the sum of losses."""


def values_of(sets: Sequence[Measured]) -> FloatArray:
    """Pooled statistics [n, k]; what a sample lacks takes the mean of the pool."""
    pooled = np.concatenate([np.column_stack([one.values[name] for name in COMPARED]) for one in sets])
    pooled = pooled[:, ~np.isnan(pooled).all(axis=0)]
    return np.where(np.isnan(pooled), np.nanmean(pooled, axis=0), pooled)


def linear_accuracy(values: FloatArray, units: TwoSetClusters, *, ridge: float = RIDGE) -> float:
    """Balanced accuracy of a ridge logistic regression, each plate left out once; 0.5 is chance.

    The plainest of classifier two-sample tests (Lopez-Paz and Oquab, ICLR 2017). It needs no network and
    finds any shift of a mean.

    Args:
        values: float64 [n, k], pooled statistics without NaN.
        units: Their plates.
        ridge: See `RIDGE`.
    """
    is_first = units.sample_is_first
    right = np.empty(len(values))
    plates = units.plate[units.codes]  # a plate that both sets have is left out of both
    for plate in np.unique(plates):
        held = plates == plate
        right[held] = _told(values[~held], is_first[~held], values[held], ridge) == is_first[held]
    (accuracy,) = classifier.balanced_accuracy(right, units, np.ones((1, len(units.sizes))))
    return float(accuracy)


def _told(values: FloatArray, is_first: BoolArray, held_out: FloatArray, ridge: float) -> BoolArray:
    mean, scale = values.mean(axis=0), values.std(axis=0)
    scale[scale == 0] = 1.0
    known = np.column_stack([(values - mean) / scale, np.ones(len(values))])
    sign = np.where(is_first, 1.0, -1.0)
    # Both sets weigh alike, however many samples they have.
    weight = np.where(is_first, 0.5 / is_first.mean(), 0.5 / (~is_first).mean())

    def loss(coefficients: FloatArray) -> tuple[float, FloatArray]:
        margin = sign * (known @ coefficients)
        inner = np.append(coefficients[:-1], 0.0)
        pull = -sign * weight / (1 + np.exp(np.clip(margin, -500, 500)))
        value = float(weight @ np.logaddexp(0, -margin) + ridge * inner @ inner)
        return value, known.T @ pull + 2 * ridge * inner

    found = minimize(loss, np.zeros(known.shape[1]), jac=True, method="L-BFGS-B")
    told: BoolArray = np.column_stack([(held_out - mean) / scale, np.ones(len(held_out))]) @ found.x > 0
    return told


def network_accuracy(images: np.ndarray, units: TwoSetClusters, steps: int, seed: int) -> float:
    """Balanced accuracy of `gap.classifier` on held-out plates."""
    found = classifier.classify(
        images,
        units,
        folds=5,
        resamples=np.ones((1, len(units.sizes))),
        confidence=0.95,
        seed=seed,
        steps=steps,
    )
    return found.accuracy.value


def halves(real: Measured, rng: np.random.Generator) -> tuple[np.ndarray, TwoSetClusters]:
    """The order of samples and the clusters of two random halves of the plates."""
    plates = rng.permutation(sorted(set(real.plate_ids)))
    first = set(plates[: len(plates) // 2])
    is_first = np.array([plate in first for plate in real.plate_ids])
    order = np.concatenate([np.flatnonzero(is_first), np.flatnonzero(~is_first)])
    ids = np.array(real.plate_ids)
    return order, TwoSetClusters(ids[is_first].tolist(), ids[~is_first].tolist())


def show(title: str, linear: Sequence[float], network: Sequence[float]) -> None:
    """One line: means, and standard deviations where there are several."""
    cells = [
        f"{np.mean(found):.3f}" + (f" (SD {np.std(found, ddof=1):.3f})" if len(found) > 1 else "")
        for found in (linear, network)
        if len(found)
    ]
    print(f"| {title} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("real", type=Path)
    parser.add_argument("--recipe", action="append", required=True, help="name, name@version or YAML file")
    parser.add_argument("--plates", type=int, default=144)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=400, help="of the network; 0 leaves it out")
    options = parser.parse_args()
    real = measure(open_samples(options.real), "real", None)
    print(f"| set | linear test | network, {options.steps} steps |\n|---|---|---|")
    linear, network = [], []
    for seed in range(options.seeds):
        order, units = halves(real, np.random.default_rng(seed))
        linear.append(linear_accuracy(values_of([real])[order], units))
        if options.steps:
            network.append(network_accuracy(real.images[order], units, options.steps, seed))
    show("two halves of the real set", linear, network)
    for name in options.recipe:
        linear, network, sets = [], [], []
        for seed in range(options.seeds):
            with TemporaryDirectory() as folder:
                synthesise_rendered(load_recipe(name), options.plates, Path(folder) / "set", seed=900 + seed)
                made = measure(open_samples(Path(folder) / "set"), name, None)
            units = TwoSetClusters(real.plate_ids, made.plate_ids)
            linear.append(linear_accuracy(values_of([real, made]), units))
            if options.steps:
                images = np.concatenate([real.images, made.images])
                network.append(network_accuracy(images, units, options.steps, seed))
            sets.append(made)
        show(name, linear, network)
        own = values_of([real])
        for column, statistic in enumerate(COMPARED):
            theirs = np.concatenate([one.values[statistic] for one in sets])
            gap = (np.nanmean(theirs) - own[:, column].mean()) / own[:, column].std()
            print(
                f"    {statistic}: real {own[:, column].mean():.3g}, {np.nanmean(theirs):.3g} ({gap:+.2f} SD)"
            )


if __name__ == "__main__":
    main()
