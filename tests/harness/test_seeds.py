"""Several seeds of one method as one run: means, variance in intervals and letters, agreement."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from mdlp_bench.data.samples import Samples
from mdlp_bench.errors import RunError
from mdlp_bench.harness.bench import bench
from mdlp_bench.harness.breakdown import breakdown
from mdlp_bench.harness.plan import ScoringPlan
from mdlp_bench.harness.run import Run
from mdlp_bench.harness.run_table import MEANS_OF_SEEDS
from mdlp_bench.harness.scorers import FidelityScorer
from mdlp_bench.harness.seeds import combine_seeds
from mdlp_bench.harness.statistics import Clusters, Estimate, SeedSpread, compare_methods
from mdlp_bench.images import ImageU8
from mdlp_bench.methods.base import FrameBatch, Method, MethodDescriptor
from mdlp_bench.readers import Reader, ReaderDescriptor, Reading
from tests.conftest import sample_row

Make = Callable[..., Samples]


class MeanReader(Reader):
    descriptor = ReaderDescriptor(name="mean", title="Mean", version="1", weights_sha256=None, licence="none")

    def read(self, images: Sequence[ImageU8]) -> list[Reading]:
        texts = [f"京A{int(image.astype(int).sum()) % 100_000:05d}" for image in images]
        return [Reading(text, (0.9,) * len(text)) for text in texts]


class Noisy(Method):
    """Its brightness depends on the run's seed, its noise on each sample's."""

    descriptor = MethodDescriptor(name="noisy", title="Noisy", frames_used=1, deterministic=False)

    def restore_batch(self, batch: FrameBatch) -> ImageU8:
        images = batch.frames(1)[:, 0].astype(int) + 20 * (batch.seed % 3)
        noise = [np.random.default_rng(seed).integers(0, 10, images.shape[1:]) for seed in batch.seeds]
        return np.clip(images + np.stack(noise), 0, 255).astype(np.uint8)


PLAN = ScoringPlan((MeanReader(),), (FidelityScorer(),))


@pytest.fixture
def samples(make_samples: Make) -> Samples:
    return make_samples(
        rows=[
            sample_row(number) | {"plate_id": f"plate-{number}", "text": f"京A{number:05d}"}
            for number in range(12)
        ]
    )


def test_a_method_with_a_seed_is_scored_over_several(samples: Samples, tmp_path: Path) -> None:
    comparison = bench([Noisy(), "bicubic"], samples, tmp_path, PLAN, seed=3, seeds=3)
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == [
        "bicubic",
        "ground-truth",
        "input",
        "noisy",
    ]
    noisy = Run(tmp_path / "runs" / "noisy")
    assert noisy.record.seeds == (3, 4, 5) and Run(tmp_path / "runs" / "bicubic").record.seeds == ()
    each = [Run(tmp_path / "seeds" / "noisy" / str(seed) / "run") for seed in (3, 4, 5)]
    values = np.array([run.per_sample()["psnr"].to_pylist() for run in each])
    entry = noisy.summary["psnr"]
    assert noisy.per_sample()["psnr"].to_pylist() == pytest.approx(values.mean(axis=0))
    assert entry.mean == pytest.approx(values.mean())
    assert entry.seeds is not None and entry.seeds.n_seeds == 3
    assert entry.seeds.sd == pytest.approx(values.mean(axis=1).std(ddof=1))
    half = SeedSpread.of(values.mean(axis=1)).half_width(0.95)
    assert entry.high - entry.mean >= half and entry.mean - entry.low >= half
    # A part that holds every sample has the limits and letters of the whole.
    part = breakdown(comparison, "recipe", "psnr", "ned")
    assert [column.key for column in part.columns] == ["psnr:other", "ned:other"]
    for row, whole in zip(part.rows, comparison.table.rows, strict=False):
        for metric in ("psnr", "ned"):
            own, other = row.cells[f"{metric}:other"], whole.cells[metric]
            assert row.name == whole.name and own.group == other.group
            limits = [[cell.value, cell.low, cell.high] for cell in (own, other)]
            assert limits[0] == pytest.approx(limits[1])
    assert part.remarks == (MEANS_OF_SEEDS,)
    places = breakdown(comparison, "position")
    assert places.remarks[-1] == "Intervals and letters do not hold the variance of seeds."
    texts = np.array([run.per_sample()["read_text"].to_pylist() for run in each])
    agree = (texts == texts[0]).all(axis=0)
    assert noisy.per_sample()["seed_agreement"].to_pylist() == agree.astype(float).tolist()
    assert noisy.summary["seed_agreement"].mean == pytest.approx(agree.mean())
    rows = {row.name: row for row in comparison.table.rows}
    assert "3 seeds" in rows["Noisy"].note and "seed" not in rows["Bicubic"].note
    assert any("means" in sentence for sentence in comparison.table.legend())
    supplement = list(csv.DictReader((tmp_path / "supplement.csv").open(encoding="utf-8")))
    assert any(row["seed_agreement"] for row in supplement if row["method"] == "Noisy")
    again = bench([Noisy(), "bicubic"], samples, tmp_path, PLAN, seed=3, seeds=3)
    assert again.table.rows[0].cells["psnr"] == comparison.table.rows[0].cells["psnr"]


def test_one_seed_is_said_to_be_one(samples: Samples, tmp_path: Path) -> None:
    comparison = bench([Noisy()], samples, tmp_path, PLAN)
    assert comparison.table.rows[0].note == "one seed"
    assert not (tmp_path / "seeds").exists()


def test_only_seeds_of_one_method_are_combined(samples: Samples, tmp_path: Path) -> None:
    bench([Noisy(), "bicubic"], samples, tmp_path / "a", PLAN, seeds=2)
    first, second = (Run(tmp_path / "a" / "seeds" / "noisy" / str(seed) / "run") for seed in (0, 1))
    bicubic = Run(tmp_path / "a" / "runs" / "bicubic")
    for wrong, message in (
        ([first], "two or more different ones"),
        ([first, first], "two or more different ones"),
        ([second, bicubic], "not two seeds of one method"),
    ):
        with pytest.raises(RunError, match=message):
            combine_seeds(wrong, tmp_path / "b")


def test_the_interval_over_plates_and_seeds_covers_the_mean_over_both() -> None:
    """With few seeds that move the mean, the interval over plates alone does not."""
    rng = np.random.default_rng(0)
    runs, plates, seeds = 2000, 60, 5
    by_seed = rng.normal(0, 0.5, (runs, seeds)) + rng.normal(0, 1, (runs, plates)).mean(axis=1)[:, None]
    covered = {True: 0, False: 0}
    for means in by_seed:
        error = 1.96 * plates**-0.5
        plain = Estimate(value=means.mean(), low=means.mean() - error, high=means.mean() + error)
        for widened in covered:
            found = plain.widened(SeedSpread.of(means), 0.95) if widened else plain
            covered[widened] += found.low <= 0 <= found.high
    assert covered[True] / runs >= 0.94 and covered[False] / runs < 0.80


def test_the_limits_of_a_share_stay_within_its_range() -> None:
    near = {0.01: (0.0, 0.04), 0.99: (0.96, 1.0)}
    for value, (low, high) in near.items():
        estimate = Estimate(value=value, low=low, high=high)
        spread = SeedSpread.of([value - 0.01, value, value + 0.01])
        share = estimate.widened(spread, 0.95, is_share=True)
        assert share.low is not None and share.high is not None
        assert 0 <= share.low < value < share.high <= 1
        free = estimate.widened(spread, 0.95)
        assert free.low is not None and free.high is not None
        assert free.low < 0 or free.high > 1


def test_letters_of_equal_methods_keep_their_error_over_seeds() -> None:
    rng = np.random.default_rng(1)
    clusters = Clusters([f"plate-{i}" for i in range(60)])
    wrong = {True: 0, False: 0}
    for _ in range(500):
        plate = rng.normal(size=(60, 1))
        by_seed = rng.normal(0, 0.3, (5, 1, 3)) + (plate + rng.normal(0, 1, (60, 3)))[None]
        spreads = [SeedSpread.of(means) for means in by_seed.mean(axis=1).T]
        values = by_seed.mean(axis=0)
        for known in wrong:
            found = compare_methods(
                clusters, list("abc"), values, higher_is_better=True, seeds=spreads if known else ()
            )
            wrong[known] += found.p_values.min() < 0.05
    assert wrong[True] / 500 <= 0.065 < wrong[False] / 500
