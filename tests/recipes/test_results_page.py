"""The page of results: what stands between the marks, and nothing else, is replaced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import sample_row
from PIL import Image
from results_page import BEGIN, END, confusion_of, write_results

from mdlp_bench.data.samples import Samples
from mdlp_bench.errors import RunError
from mdlp_bench.harness.bench import bench
from mdlp_bench.harness.plan import ScoringPlan
from mdlp_bench.harness.published import published_rows
from mdlp_bench.harness.run_table import TableOptions
from mdlp_bench.harness.scorers import FidelityScorer
from mdlp_bench.images import ImageU8
from mdlp_bench.readers import Reader, ReaderDescriptor, Reading


class ReadsBrightness(Reader):
    descriptor = ReaderDescriptor(
        name="brightness", title="Brightness", version="1", weights_sha256="0" * 64, licence="none"
    )

    def read(self, images: Sequence[ImageU8]) -> list[Reading]:
        return [Reading(f"京A{int(image.mean()):05d}", (0.9,) * 7) for image in images]

    def features(self, images: Sequence[ImageU8]) -> np.ndarray:
        return np.stack([image.mean(axis=(0, 1)) for image in images]).astype(np.float32)


def test_the_page_of_results(make_samples: Callable[..., Samples], tmp_path: Path) -> None:
    samples = make_samples(rows=[sample_row(i, text=f"京A0010{i}") for i in range(9)])
    plan = ScoringPlan((ReadsBrightness(),), (FidelityScorer(),))
    comparison = bench(["bicubic", "frame-mean"], samples, tmp_path / "bench", plan)
    page = tmp_path / "docs" / "results.md"
    page.parent.mkdir()
    page.write_text(f"# Mine\n\nbefore\n\n{BEGIN}\nold figures\n{END}\n\nafter\n", encoding="utf-8")
    for _ in range(2):
        write_results(comparison, tmp_path / "bench", page, published=published_rows("mdlp"))
        text = page.read_text(encoding="utf-8")
        assert text.startswith(f"# Mine\n\nbefore\n\n{BEGIN}\n")
        assert text.endswith(f"{END}\n\nafter\n")
        assert "old figures" not in text
        assert text.count("## Table") == 1
    assert "LP-Diff (published on MDLP)" in text
    assert "## Characters" in text and "## Ablation" not in text
    pictures = {path.name for path in (tmp_path / "docs" / "images").iterdir()}
    assert {
        "results-comparison.jpg",
        "results-cost.png",
        "results-confusion-ground-truth.png",
    } <= pictures
    for name in pictures:
        assert f"images/{name}" in text
        assert Image.open(tmp_path / "docs" / "images" / name).size[0] > 400

    write_results(comparison, tmp_path / "bench", page, ablations=comparison)
    assert "| Frame mean |" in page.read_text(encoding="utf-8").partition("## Ablation\n")[2]
    page.write_text("# Mine\n")
    with pytest.raises(RunError, match="needs the lines"):
        write_results(comparison, tmp_path / "bench", page)


def test_published_rows_are_apart_and_never_marked(
    make_samples: Callable[..., Samples], tmp_path: Path
) -> None:
    plan = ScoringPlan((ReadsBrightness(),), (FidelityScorer(),))
    comparison = bench(["bicubic"], make_samples(4), tmp_path, plan)
    table = replace(comparison, options=TableOptions(published=published_rows("mdlp"))).table
    published = [row for row in table.rows if row.kind == "published"]
    assert [row.name for row in published][-1] == "LP-Diff"
    assert published[0].cells["ned"].value == 0.626
    assert all("lpips" not in row.cells and "fid" not in row.cells for row in published)
    (section,) = [s for s in table.sections() if s.kind == "published"]
    assert all(cell.mark is None for row in section.rows for cell in row.cells)
    (truth,) = [run for run in comparison.runs if run.name == "ground-truth"]
    assert confusion_of(truth).counts.sum() > 0
