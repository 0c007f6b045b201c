"""The ablation's tables: plates and trainings are both random, and nothing stale is compared."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from ablation_page import ablation_part, contrasts, score_arms, training_minutes
from conftest import sample_row
from scipy import stats

from baselines.lp_diff.checkpoint import METHOD
from baselines.lp_diff.network import LPDiff, LPDiffConfig
from mdlp_bench.data.samples import Samples
from mdlp_bench.engine import SERIAL
from mdlp_bench.errors import RunError
from mdlp_bench.harness.run import float_column
from mdlp_bench.harness.statistics import Clusters
from mdlp_bench.methods.weights import save_network


def test_without_variance_between_trainings_a_contrast_is_the_paired_t_test() -> None:
    rng = np.random.default_rng(1)
    whole, arm = rng.normal(0, 1, 40), rng.normal(0.3, 1, 40)
    found = contrasts(
        Clusters([str(i) for i in range(40)]), np.tile(whole[:, None], 3), [np.tile(arm[:, None], 3)]
    )
    expected = stats.ttest_rel(arm, whole)
    (one,) = found.arms
    limits = expected.confidence_interval(0.95)
    assert found.between_trainings == pytest.approx(0, abs=1e-12)
    assert one.p_holm == pytest.approx(expected.pvalue)
    assert (one.low, one.high) == pytest.approx((limits.low, limits.high))


def test_without_variance_between_plates_a_contrast_is_the_t_test_of_pooled_trainings() -> None:
    rng = np.random.default_rng(2)
    means = rng.normal(0, 1, (4, 3))
    whole, *arms = (np.tile(row, (9, 1)) for row in means)
    found = contrasts(Clusters([str(i) for i in range(9)]), whole, arms)
    pooled = means.var(axis=1, ddof=1).mean()
    assert found.between_trainings == pytest.approx(pooled**0.5)
    half = stats.t.ppf(0.975, 8) * (2 * pooled / 3) ** 0.5
    for one, row in zip(found.arms, means[1:], strict=True):
        assert one.difference == pytest.approx(row.mean() - means[0].mean())
        assert one.high - one.difference == pytest.approx(half)


@pytest.mark.parametrize("sd", [0.005, 0.02])
def test_equal_arms_are_called_different_as_seldom_as_promised(sd: float) -> None:
    rng, clusters = np.random.default_rng(3), Clusters([str(i) for i in range(60)])
    false = 0
    for _ in range(400):
        values = rng.normal(0, 0.06, (60, 1)) + rng.normal(0, 0.06, (5, 60, 3)) + rng.normal(0, sd, (5, 1, 3))
        found = contrasts(clusters, values[0], list(values[1:]))
        false += any(one.p_holm < 0.05 for one in found.arms)
    assert false / 400 <= 0.075


def test_equal_values_and_missing_ones() -> None:
    same = np.ones((5, 2))
    clusters = Clusters(list("abcde"))
    (one,) = contrasts(clusters, same, [same]).arms
    assert (one.difference, one.p_holm) == (0.0, 1.0)
    with pytest.raises(RunError, match="every one of at least two trainings"):
        contrasts(clusters, same, [np.full((5, 2), np.nan)])
    with pytest.raises(RunError, match="every one of at least two trainings"):
        contrasts(clusters, same[:, :1], [same[:, :1]])


def test_arms_are_scored_with_every_reader_and_only_with_their_own_weights(
    make_samples: Callable[..., Samples], tmp_path: Path
) -> None:
    def train(arm: str, seed: int, torch_seed: int) -> None:
        torch.manual_seed(torch_seed)
        config = LPDiffConfig.preset("small", widths=(8, 8, 8, 8), inner_channels=8, tem=arm == "whole")
        network = LPDiff(config)
        save_network(network, network.config, METHOD, tmp_path / "weights" / f"{arm}-{seed}.safetensors")

    (tmp_path / "weights").mkdir()
    arms, seeds = ("whole", "without-tem"), (1, 2)
    for arm in arms:
        for seed in seeds:
            train(arm, seed, seed)
            log = tmp_path / f"{arm}-{seed}" / "phase" / "log.jsonl"
            log.parent.mkdir(parents=True)
            log.write_text("".join(json.dumps({"cpu_seconds": s * seed}) + "\n" for s in (30, 60)))
    readers = []
    for name, factor in (("first", 100), ("second", 50)):
        file = tmp_path / f"{name}.py"
        file.write_text(
            f"def {name}(images):\n    return [f'京A{{int(i.mean() * {factor}):05d}}' for i in images]\n"
        )
        readers.append(f"{file}:{name}")
    samples = make_samples(rows=[sample_row(i, text=f"京A0010{i}") for i in range(6)])
    runs = score_arms(arms, seeds, tmp_path, samples, readers, SERIAL)
    minutes = {arm: training_minutes(arm, seeds, tmp_path) for arm in arms}
    assert minutes == {"whole": 1.5, "without-tem": 1.5}
    page = ablation_part(runs, minutes)
    psnr = [float_column(run.per_sample(), "psnr").mean() for run in runs["whole"]]
    assert f"{np.mean(psnr):.2f} ({psnr[0]:.2f}, {psnr[1]:.2f})" in page
    assert "| minus whole | NED, first | NED, second |" in page and "| without-tem | " in page
    assert "2 trainings per arm" in page and "6 samples of tiny" in page

    # Pictures of other weights are never taken for those of these.
    train("whole", 1, 7)
    with pytest.raises(RunError, match="weights_sha256 was"):
        score_arms(arms, seeds, tmp_path, samples, readers, SERIAL)
