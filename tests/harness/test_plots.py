"""Figures of runs: what they show is what the runs hold, and every format is written the same each time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from typer.testing import CliRunner

import mdlp_bench as mb
from mdlp_bench.cli.main import app
from mdlp_bench.data import open_samples, write_parquet
from mdlp_bench.errors import MdlpBenchError, RunError
from mdlp_bench.harness.bench import bench
from mdlp_bench.harness.compare import RunComparison, compare
from mdlp_bench.harness.plan import ScoringPlan
from mdlp_bench.harness.plots import FORMATS, KINDS, plot
from mdlp_bench.harness.run import Run
from mdlp_bench.harness.scorers import FidelityScorer
from mdlp_bench.images import ImageU8
from mdlp_bench.readers.base import Reader, ReaderDescriptor, Reading
from tests.conftest import sample_row


class Sharp(Reader):
    """Sees the last digit wrong in images of low contrast, and is surer of sharp ones."""

    descriptor = ReaderDescriptor(
        name="sharp", version="1", title="Sharp", weights_sha256=None, licence="none"
    )

    def read(self, images: Sequence[ImageU8]) -> list[Reading]:
        return [
            Reading("京A10000" if image.std() > 40 else "京A10009", (float(image.std() / 128),) * 7)
            for image in images
        ]


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> RunComparison:
    rows = [sample_row(n, text="京A10000", layout="blue" if n < 12 else "green_small") for n in range(24)]
    for n, row in enumerate(rows):
        row["plate_id"] = f"p{n}"
    folder = tmp_path_factory.mktemp("bench")
    write_parquet(rows, folder / "data", name="tiny")
    samples = open_samples(folder / "data")
    plan = ScoringPlan((Sharp(),), (FidelityScorer(),))
    return bench(["bicubic", "frame-mean", "best-frame"], samples, folder / "out", plan)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", FORMATS)
def test_every_kind_in_every_format_and_twice_the_same(
    comparison: RunComparison, kind: str, suffix: str, tmp_path: Path
) -> None:
    first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    plot(comparison, kind, first)
    plot(comparison, kind, second)
    assert first.read_bytes() == second.read_bytes()
    if suffix == ".svg":
        ElementTree.parse(first)
    elif suffix == ".pdf":
        assert b"/FontFile2" in first.read_bytes()  # embedded TrueType


def test_the_cost_figure_has_a_point_per_method(comparison: RunComparison) -> None:
    (axes,) = plot(comparison, "ned-cost").axes
    points = {tuple(map(float, line.get_xydata()[0])) for line in axes.lines if line.get_marker() in "os"}
    expected = {(r.record.cost.ms_per_image, r.summary["ned"].mean) for r in comparison.best_first()}
    assert expected <= points


def test_bars_are_the_means_of_each_layout(comparison: RunComparison) -> None:
    panels = [axes for axes in plot(comparison, "layout-bars", metric="psnr").axes if axes.get_visible()]
    assert [axes.get_title() for axes in panels] == ["blue\n12 plates", "green small\n12 plates"]
    for axes, layout in zip(panels, ("blue", "green_small"), strict=True):
        for bar, run in zip(axes.patches, comparison.best_first(), strict=True):
            rows = run.per_sample().to_pylist()
            mean = np.mean([row["psnr"] for row in rows if row["layout"] == layout])
            assert bar.get_width() == pytest.approx(mean)


def test_one_layout_is_one_panel(comparison: RunComparison, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mdlp_bench.harness.plots._FEW_PLATES", 1000)
    (panel,) = plot(comparison, "layout-bars").axes
    assert panel.get_title() == "other layouts\n24 plates"


def test_the_curves_end_at_the_share_of_wrong_readings(comparison: RunComparison) -> None:
    (axes,) = plot(comparison, "risk-coverage").axes
    for line, run in zip(axes.lines, comparison.best_first(), strict=True):
        assert line.get_label() == run.record.method.title
        assert tuple(line.get_xydata()[-1]) == pytest.approx((1, 1 - run.summary["acc"].mean))


def test_the_area_under_the_curve_is_aurc_where_samples_fail(tmp_path: Path) -> None:
    """A failed sample is a wrong reading of full confidence: the curve begins with it."""
    rows = [sample_row(n, text="京A10000", plate_id=f"p{n}") for n in range(24)]
    write_parquet(rows, tmp_path / "data", name="tiny")

    @mb.method(name="flaky", frames=1)
    def flaky(frames: np.ndarray) -> np.ndarray:
        if frames[0, 0, 0, 0, 0] < 90:
            raise RuntimeError("out of luck")
        return frames[:, 0]

    plan = ScoringPlan((Sharp(),), (FidelityScorer(),))
    comparison = bench([flaky], open_samples(tmp_path / "data"), tmp_path / "out", plan, batch_size=1)
    (run,) = comparison.best_first()
    assert 0 < run.summary["acc"].n_failed < 24 and run.summary["acc"].mean > 0
    (line,) = plot(comparison, "risk-coverage").axes[0].lines
    assert line.get_ydata()[0] == 1
    assert np.mean(line.get_ydata()) == pytest.approx(run.summary["aurc"].mean)


@pytest.mark.parametrize("kind", ["risk-coverage", "rank"])
def test_long_titles_stay_within_the_width_of_a_column(comparison: RunComparison, kind: str) -> None:
    runs = [Run(run.folder) for run in comparison.runs]
    for run in runs:
        method = run.record.method
        title = f"{method.title} restored twice (12.3 M, rendered plates)"
        run.record = run.record.model_copy(update={"method": method.model_copy(update={"title": title})})
    figure = plot(compare(runs), kind)
    figure.draw_without_rendering()
    drawn, box = figure.get_tightbbox(), figure.bbox_inches
    assert drawn.x0 >= 0 and drawn.x1 <= box.x1 + 0.01 and drawn.y0 >= 0 and drawn.y1 <= box.y1 + 0.01


def test_the_rank_plot_shows_places_and_their_intervals(comparison: RunComparison) -> None:
    (axes,) = plot(comparison, "rank").axes
    assert comparison.ranking is not None
    (places,) = axes.lines
    assert list(places.get_xdata()) == [one.rank for one in comparison.ranking.overall]
    (intervals,) = axes.collections
    ends = [(path[0][0], path[1][0]) for path in intervals.get_segments()]
    assert ends == [(one.low, one.high) for one in comparison.ranking.overall]


def test_what_cannot_be_drawn_is_one_line(comparison: RunComparison, tmp_path: Path) -> None:
    with pytest.raises(MdlpBenchError, match=r"no plot 'ranks' .did you mean 'rank'"):
        plot(comparison, "ranks")
    with pytest.raises(MdlpBenchError, match=r"no metric of single samples 'nedd' .did you mean 'ned'"):
        plot(comparison, "layout-bars", metric="nedd")
    with pytest.raises(MdlpBenchError, match=r"a\.jpeg: no format of figures"):
        plot(comparison, "rank", tmp_path / "a.jpeg")
    oracles = [run for run in comparison.runs if run.record.method.provenance == "oracle"]
    with pytest.raises(RunError, match="no method to rank"):
        mb.plot(oracles, "rank")


def test_the_command_writes_what_python_writes(comparison: RunComparison, tmp_path: Path) -> None:
    folders = [str(run.folder) for run in comparison.runs]
    command = ["plot", *folders, "--kind", "rank", "-o", str(tmp_path / "a.svg")]
    assert CliRunner().invoke(app, command, catch_exceptions=False).exit_code == 0
    mb.plot(comparison.runs, "rank", tmp_path / "b.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
