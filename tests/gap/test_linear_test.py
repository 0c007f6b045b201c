"""The linear two-sample test: equal sets, shifted ones, plates left out whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mdlp_bench.harness.statistics.two_sets import TwoSetClusters


@pytest.fixture(scope="module")
def two_sample(import_script: Callable[[Path], Any]) -> Any:
    return import_script(Path(__file__).resolve().parents[2] / "benchmarks/two_sample.py")


def _sets(shift: float, n: int = 60, seed: int = 0) -> tuple[np.ndarray, TwoSetClusters]:
    rng = np.random.default_rng(seed)
    values = np.concatenate([rng.normal(0, 1, (n, 5)), rng.normal(shift, 1, (n, 5))])
    names = [f"a{i}" for i in range(n)], [f"b{i}" for i in range(n)]
    return values, TwoSetClusters(*names)


def test_equal_sets_are_told_by_chance_and_shifted_ones_as_theory_says(two_sample: Any) -> None:
    chance = np.mean([two_sample.linear_accuracy(*_sets(0, seed=seed)) for seed in range(5)])
    assert chance == pytest.approx(0.5, abs=0.1)
    # Two normals whose means are d apart are told with probability Phi(d / 2); here d = 0.9 sqrt(5).
    found = np.mean([two_sample.linear_accuracy(*_sets(0.9, seed=seed)) for seed in range(5)])
    assert found == pytest.approx(0.843, abs=0.06)


def test_agrees_with_an_independent_logistic_regression(two_sample: Any) -> None:
    values, units = _sets(0.7, n=24)
    right = []
    for held in range(len(values)):
        kept = np.arange(len(values)) != held
        mean, scale = values[kept].mean(axis=0), values[kept].std(axis=0)
        x = torch.from_numpy((values[kept] - mean) / scale)
        is_first = torch.from_numpy(units.sample_is_first[kept].astype(float))
        balance = torch.where(is_first > 0, 0.5 / is_first.mean(), 0.5 / (1 - is_first.mean()))
        model = torch.nn.Linear(x.shape[1], 1).double()
        optimizer = torch.optim.LBFGS(model.parameters(), max_iter=200, tolerance_grad=1e-10)

        def loss(model=model, optimizer=optimizer, x=x, is_first=is_first, balance=balance):
            optimizer.zero_grad()
            found = (
                torch.nn.functional.binary_cross_entropy_with_logits(
                    model(x)[:, 0], is_first, balance, reduction="sum"
                )
                + two_sample.RIDGE * model.weight.square().sum()
            )
            found.backward()
            return found

        optimizer.step(loss)
        told = model(torch.from_numpy((values[[held]] - mean) / scale)).item() > 0
        right.append(told == units.sample_is_first[held])
    assert two_sample.linear_accuracy(values, units) == pytest.approx(np.mean(right))


def test_a_plate_of_both_sets_is_left_out_of_both(two_sample: Any) -> None:
    # Both sets hold the same plates and values that name the plate: nothing else tells, so it is worse than
    # chance if a plate's other half is trained on.
    rng = np.random.default_rng(0)
    plates = [f"p{i}" for i in range(20)]
    values = rng.normal(0, 1, (20, 4))
    pooled = np.concatenate([values, values])
    assert two_sample.linear_accuracy(pooled, TwoSetClusters(plates, plates)) == pytest.approx(0.5, abs=0.2)


def test_a_constant_statistic_says_nothing(two_sample: Any) -> None:
    values, units = _sets(0.9, n=20)
    with_constant = np.column_stack([values, np.full(len(values), 3.0)])
    assert two_sample.linear_accuracy(with_constant, units) == two_sample.linear_accuracy(values, units)
