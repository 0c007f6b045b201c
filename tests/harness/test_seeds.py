"""Several seeds of one method as one run: means, variance in intervals and letters, agreement."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from mdlp_bench.data import open_samples, write_parquet
from mdlp_bench.data.samples import Samples
from mdlp_bench.errors import RunError
from mdlp_bench.harness.bench import bench
from mdlp_bench.harness.breakdown import breakdown
from mdlp_bench.harness.compare import RunComparison, compare
from mdlp_bench.harness.plan import ScoringPlan
from mdlp_bench.harness.plots import plot
from mdlp_bench.harness.run import Run
from mdlp_bench.harness.run_table import MEANS_OF_SEEDS, SHORT_INTERVALS
from mdlp_bench.harness.scorers import FidelityScorer
from mdlp_bench.harness.seeds import combine_seeds
from mdlp_bench.harness.statistics import Clusters, Estimate, SeedSpread, compare_methods
from mdlp_bench.harness.statistics.shares import clopper_pearson
from mdlp_bench.images import ImageU8
from mdlp_bench.methods.base import FrameBatch, Method, MethodDescriptor
from mdlp_bench.metrics.base import METRICS
from mdlp_bench.metrics.protocol import MDLP_V1, MDLP_V2, Protocol
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
    assert entry.high - entry.mean >= half and entry.low == 0 < entry.mean < half, "no PSNR is below 0"
    # A part that holds every sample has the limits and letters of the whole.
    part = breakdown(comparison, "recipe", "psnr", "ned")
    assert [column.key for column in part.columns] == ["psnr:other", "ned:other"]
    *rows, by_chance = part.rows
    assert by_chance.cells == {"ned:other": comparison.table.rows[-1].cells["ned"]}
    for row, whole in zip(rows, comparison.table.rows[:-1], strict=True):
        for metric in ("psnr", "ned"):
            own, other = row.cells[f"{metric}:other"], whole.cells[metric]
            assert row.name == whole.name and own.group == other.group
            limits = [[cell.value, cell.low, cell.high] for cell in (own, other)]
            assert limits[0] == pytest.approx(limits[1])
    (panel,) = plot(comparison, "layout-bars", metric="psnr").axes
    shown = [segment[:, 0].tolist() for segment in panel.collections[0].get_segments()]
    expected = [[cell.low, cell.high] for cell in (row.cells["psnr:other"] for row in rows[:2])]
    for limits, known in zip(sorted(shown), sorted(expected), strict=True):
        assert limits == pytest.approx(known, abs=1e-6)
    assert part.remarks == (MEANS_OF_SEEDS, SHORT_INTERVALS.format(15, 5))
    assert [row.note for row in part.rows[:3]] == [row.note for row in comparison.table.rows[:3]]
    places = breakdown(comparison, "position")
    assert places.remarks == ("Intervals and letters do not hold the variance of seeds.",)
    notes = {row.name: row.note for row in places.rows}
    assert notes["Noisy"] == "first seed" and notes["Bicubic"] == ""
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


@pytest.mark.parametrize("name", ["acc", "ned", "cer", "psnr", "ssim", "aurc", "risk_20", "krd"])
def test_limits_stay_within_the_range_of_their_metric(name: str) -> None:
    least, most = METRICS[name].bounds
    for value in (least + 0.01, most - 0.01 if most < np.inf else 50.0):
        estimate = Estimate(value=value, low=max(value - 0.03, least), high=min(value + 0.03, most))
        spread = SeedSpread.of([value - 0.01, value, value + 0.01])
        found = estimate.widened(spread, 0.95, (least, most))
        assert found.low is not None and found.high is not None
        assert least <= found.low < value < found.high <= most
        free = estimate.widened(spread, 0.95)
        assert free.low is not None and free.high is not None
        assert free.low < least or free.high > most or value == 50.0


def test_a_value_beyond_its_bound_keeps_both_limits() -> None:
    """The kernel distance is estimated without bias, below 0 too; the first protocol's CER has no bound."""
    spread = SeedSpread.of([-0.02, -0.01, 0.0])
    found = Estimate(value=-0.01, low=-0.03, high=0.01).widened(spread, 0.95, METRICS["krd"].bounds)
    assert found.low is not None and found.high is not None
    assert found.low < -0.03 and found.high > 0.01
    found = Estimate(value=2.5, low=2.2, high=2.8).widened(spread, 0.95, METRICS["cer"].bounds)
    assert found.high is not None and found.high > 2.8


class Unsure(Method):
    """Which images it darkens, and so how they are read and how surely, depends on the seed; it may fail."""

    descriptor = MethodDescriptor(name="unsure", title="Unsure", frames_used=1, deterministic=False)

    def restore_batch(self, batch: FrameBatch) -> ImageU8:
        images = batch.frames(1)[:, 0]
        for image, seed in zip(images, batch.seeds, strict=True):
            drawn = np.random.default_rng(seed).integers(0, 12)
            if drawn == 0:
                raise RuntimeError("out of luck")
            image[:] = 20 * drawn
        return images


class Shades(Reader):
    """Reads the last digit wrong in dark images; is surer of bright ones, with ties."""

    descriptor = ReaderDescriptor(
        name="shades", title="Shades", version="1", weights_sha256=None, licence="none", believed_from=0.5
    )

    def read(self, images: Sequence[ImageU8]) -> list[Reading]:
        shades = [int(image.mean()) // 40 for image in images]
        return [Reading("京A1000" + ("9" if s < 3 else "0"), ((s + 3) / 10,) * 7) for s in shades]


@pytest.fixture(scope="module")
def unsure(tmp_path_factory: pytest.TempPathFactory) -> RunComparison:
    folder = tmp_path_factory.mktemp("unsure")
    rows = [sample_row(n) | {"plate_id": f"p{n}", "text": "京A10000"} for n in range(30)]
    write_parquet(rows, folder / "data", name="tiny")
    samples = open_samples(folder / "data")
    plan = ScoringPlan((Shades(),), (FidelityScorer(),))
    return bench([Unsure()], samples, folder / "out", plan, seeds=4, batch_size=1)


def of_each_seed(comparison: RunComparison) -> tuple[Run, list[Run]]:
    run = comparison.by_name["unsure"]
    seeds = run.folder.parents[1] / "seeds" / "unsure"
    return run, [Run(seeds / str(seed) / "run") for seed in run.record.seeds]


def test_limits_of_set_metrics_hold_the_seeds(unsure: RunComparison) -> None:
    run, each = of_each_seed(unsure)
    for name in ("risk_100", "risk_50", "aurc", "aurc_mean"):
        entry, entries = run.summary[name], [one.summary[name] for one in each]
        half = SeedSpread.of([one.mean for one in entries]).half_width(0.95)
        assert half > 0 and entry.low is not None and entry.high is not None
        low, high = (np.mean([getattr(one, end) for one in entries]) for end in ("low", "high"))
        assert entry.mean == pytest.approx(np.mean([one.mean for one in entries]))
        assert entry.low == pytest.approx(max(0, entry.mean - np.hypot(entry.mean - low, half)))
        assert entry.high == pytest.approx(min(1, entry.mean + np.hypot(high - entry.mean, half)))
    # Samples are their own plates, and all are accepted: the same number as the mean of zeros and ones.
    assert run.summary["risk_100"].mean == pytest.approx(1 - run.summary["acc"].mean)


def test_limits_of_shares_are_exact_over_seeds(unsure: RunComparison) -> None:
    run, _ = of_each_seed(unsure)
    found = run.summary["acc"]
    (low, high), value = clopper_pearson([30 * found.mean], [30], 0.95)[0], found.mean
    half = found.seeds.half_width(0.95)
    assert found.low == pytest.approx(value - np.hypot(value - low, half))
    assert found.high == pytest.approx(value + np.hypot(high - value, half))


def test_where_a_seed_fails_the_seeds_do_not_agree(unsure: RunComparison) -> None:
    run, each = of_each_seed(unsure)
    tables = [one.per_sample() for one in each]
    failed = np.array([table["error"].is_valid().to_pylist() for table in tables]).any(axis=0)
    texts = np.array([table["read_text"].to_pylist() for table in tables], dtype=object)
    assert 0 < failed.sum() < 30
    expected = (texts == texts[0]).all(axis=0) & ~failed
    assert run.per_sample()["seed_agreement"].to_pylist() == expected.astype(float).tolist()
    entry = run.summary["seed_agreement"]
    assert entry.mean == pytest.approx(expected.mean()) and entry.n_failed == failed.sum()


class Failing(Unsure):
    """Works on one sample."""

    descriptor = MethodDescriptor(name="failing", title="Failing", frames_used=1, deterministic=False)

    def restore_batch(self, batch: FrameBatch) -> ImageU8:
        if batch.sample_ids != ("s0000",):
            raise RuntimeError("out of luck")
        return batch.frames(1)[:, 0]


@pytest.mark.parametrize("protocol, agreement", [(MDLP_V1, 1.0), (MDLP_V2, 1 / 12)], ids=["v1", "v2"])
def test_seeds_that_all_fail_agree_in_nothing(
    samples: Samples, tmp_path: Path, protocol: Protocol, agreement: float
) -> None:
    plan = ScoringPlan((Shades(),), (FidelityScorer(),), protocol=protocol)
    (run, *_) = bench([Failing()], samples, tmp_path, plan, seeds=2, batch_size=1).runs
    assert run.summary["seed_agreement"].mean == agreement


def test_the_risk_coverage_curve_is_the_mean_over_seeds(unsure: RunComparison, tmp_path: Path) -> None:
    run, each = of_each_seed(unsure)
    (line,) = plot(unsure, "risk-coverage").axes[0].lines
    assert line.get_label() == "Unsure"
    assert np.mean(line.get_ydata()) == pytest.approx(run.summary["aurc"].mean)
    # A run of an earlier version has the confidences of its first seed alone.
    shutil.copytree(run.folder, tmp_path / "older")
    path = tmp_path / "older" / "per_sample.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["read_lowest#seeds"]), path)
    (line,) = plot(compare([Run(tmp_path / "older")]), "risk-coverage").axes[0].lines
    assert line.get_label() == "Unsure (first seed)"
    assert np.mean(line.get_ydata()) == pytest.approx(each[0].summary["aurc"].mean)


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
