"""The page of results: what stands between the marks, and nothing else, is replaced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import sample_row
from PIL import Image
from reproduce import fresh_plates
from results_page import (
    compact_part,
    confusion_of,
    marks,
    put,
    rendered_part,
    restored_by_all,
    training_minutes,
)

from mdlp_bench.data.samples import Samples
from mdlp_bench.engine import SERIAL
from mdlp_bench.errors import DataError, RunError
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


def test_only_what_stands_between_the_marks_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "results.md"
    (begin, end), (other, closed) = marks("rendered"), marks("mdlp")
    page.write_text(f"# Mine\n\n{begin}\nold figures\n{end}\n\nbetween\n\n{other}\nkept\n{closed}\n\nafter\n")
    for _ in range(2):
        put(page, "rendered", "new figures\n")
        assert page.read_text() == (
            f"# Mine\n\n{begin}\n\nnew figures\n\n{end}\n\nbetween\n\n{other}\nkept\n{closed}\n\nafter\n"
        )
    with pytest.raises(RunError, match=r"needs the lines .*lpblur"):
        put(page, "lpblur", "new")


def test_the_parts_of_the_page(make_samples: Callable[..., Samples], tmp_path: Path) -> None:
    samples = make_samples(rows=[sample_row(i, text=f"京A0010{i}") for i in range(9)])
    plan = ScoringPlan((ReadsBrightness(),), (FidelityScorer(),))
    comparison = bench(["bicubic", "frame-mean"], samples, tmp_path / "bench", plan)
    images = tmp_path / "images"
    text = rendered_part(comparison, tmp_path / "bench", images, {"frame-mean": 59.6}, published_rows("mdlp"))
    assert "LP-Diff (published on MDLP)" in text and "### Characters" in text
    pictures = {path.name for path in images.iterdir()}
    assert {"results-comparison.jpg", "results-cost.png", "results-confusion-ground-truth.png"} <= pictures
    for name in pictures:
        assert f"images/{name}" in text
        assert Image.open(images / name).size[0] > 400
    for table in (text, compact_part(comparison, {"frame-mean": 59.6})):
        first = table[table.index("| Method") :].partition("\n\n")[0]
        rows = first.splitlines()
        assert rows[0].endswith("| Training (CPU min) |")
        cells = {row.split("|")[1].strip(): row.split("|")[-2].strip() for row in rows}
        assert (cells["Frame mean"], cells["Bicubic"]) == ("60", "–")


def test_methods_are_compared_on_what_all_of_them_restored(
    make_samples: Callable[..., Samples], tmp_path: Path
) -> None:
    samples = make_samples(rows=[sample_row(i, sample_id=f"test-{i}") for i in range(4)])
    for folder, names in (("a", ("test-0", "2")), ("b", ("2",)), ("c", ())):
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / f"{name}.png").touch()
    assert restored_by_all(samples, []) is samples
    assert list(restored_by_all(samples, [tmp_path / "a"]).sample_ids) == ["test-0", "test-2"]
    assert list(restored_by_all(samples, [tmp_path / "a", tmp_path / "b"]).sample_ids) == ["test-2"]
    with pytest.raises(DataError, match="no picture of a sample"):
        restored_by_all(samples, [tmp_path / "c"])


def test_a_training_took_what_its_logs_say(tmp_path: Path) -> None:
    for phase, lines in (("one", (30.0, 90.0)), ("two", (30.0,))):
        log = tmp_path / "net" / f"{phase}.jsonl"
        log.parent.mkdir(exist_ok=True)
        log.write_text("".join(f'{{"step": 1, "cpu_seconds": {seconds}}}\n' for seconds in lines))
    assert training_minutes("net", tmp_path) == 2.0
    assert training_minutes("other", tmp_path) is None
    (tmp_path / "longer").mkdir()
    (tmp_path / "longer" / "on.jsonl").write_text('{"step": 1, "cpu_seconds": 60}\n')
    assert training_minutes("longer", tmp_path, {"longer": "net"}) == 3.0
    assert 200 < (training_minutes("lp-diff-start") or 0) < 220
    assert training_minutes("lp-diff-long-blend") == training_minutes("lp-diff-long")
    assert (training_minutes("lp-diff-long") or 0) > 300


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


def test_the_plates_of_a_stopped_job_are_taken_up_again(tmp_path: Path) -> None:
    made = fresh_plates(tmp_path / "data", 2, SERIAL)
    assert fresh_plates(tmp_path / "data", 2, SERIAL).fingerprint == made.fingerprint
    with pytest.raises(DataError, match="holds 2 plates, not 3; choose another --out"):
        fresh_plates(tmp_path / "data", 3, SERIAL)
