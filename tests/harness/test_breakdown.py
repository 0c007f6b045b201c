"""Breakdowns of runs, against the same numbers from their per-sample tables."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import sample_row
from typer.testing import CliRunner

from mdlp_bench.cli.main import app
from mdlp_bench.data.samples import Samples
from mdlp_bench.errors import RunError
from mdlp_bench.harness.breakdown import BY, breakdown, height_class, parts
from mdlp_bench.harness.compare import RunComparison, compare
from mdlp_bench.harness.plan import ScoringPlan
from mdlp_bench.harness.predict import predict
from mdlp_bench.harness.run import Run
from mdlp_bench.harness.run_table import SHORT_INTERVALS, TableOptions
from mdlp_bench.harness.score import score
from mdlp_bench.harness.scorers import FidelityScorer
from mdlp_bench.images import ImageU8, decode
from mdlp_bench.methods import load_method, method
from mdlp_bench.metrics.protocol import to_working_size
from mdlp_bench.metrics.text import confusion, ned
from mdlp_bench.readers import Reader, ReaderDescriptor, Reading

Make = Callable[..., Samples]


class MeanReader(Reader):
    """Reads digits of the image's mean colour: the same image, the same text."""

    descriptor = ReaderDescriptor(name="mean", title="Mean", version="1", weights_sha256=None, licence="none")

    def read(self, images: Sequence[ImageU8]) -> list[Reading]:
        texts = [f"京A{int(image.astype(int).sum()) % 100_000:05d}" for image in images]
        return [Reading(text, (0.9,) * len(text)) for text in texts]


class FirstReader(MeanReader):
    """Reads the province alone."""

    descriptor = ReaderDescriptor(
        name="first", title="First character", version="1", weights_sha256=None, licence="none"
    )

    def read(self, images: Sequence[ImageU8]) -> list[Reading]:
        return [Reading("京", (0.9,)) for _ in images]


NAMES = ("bicubic", "lanczos", "ground-truth")


@pytest.fixture
def comparison(make_samples: Make, tmp_path: Path) -> RunComparison:
    rows = [sample_row(number) | {"plate_id": f"plate-{number}"} for number in range(24)]
    for number, row in enumerate(rows):
        (read,) = MeanReader().read([to_working_size(decode(row["gt"]["bytes"], "gt"))])
        row["text"] = read.text
        row["layout"] = ("blue", "blue", "green_small", None)[number % 4]
        row["recipe"] = "surveillance@1" if number < 10 else None
        if number % 2:
            row["text"] = "沪" + row["text"][1:]
    samples = make_samples(rows=rows)
    plan = ScoringPlan((MeanReader(), FirstReader()), (FidelityScorer(),))
    found = [predict(load_method(name), samples, tmp_path / "p" / name) for name in NAMES]
    return compare(score(found, samples, [tmp_path / "r" / name for name in NAMES], plan))


def test_parts_have_the_means_of_their_samples(comparison: RunComparison) -> None:
    table = breakdown(comparison, "layout", "acc")
    assert [column.key for column in table.columns] == ["blue", "green_small", "other"]
    assert table.columns[0].title == "blue (n = 12; 12 plates)"
    assert "by layout" in table.protocol
    by_name = {row.name: row for row in table.rows}
    assert by_name["Ground truth"].kind == by_name["Chance"].kind == "bound"
    assert by_name["Ground truth"].note == "ceiling"
    for run in comparison.runs:
        own = run.per_sample().to_pydict()
        for part in ("blue", "green_small", None):
            expected = np.mean(
                [a for a, layout in zip(own["acc"], own["layout"], strict=True) if layout == part]
            )
            cell = by_name[run.record.method.title].cells[part or "other"]
            assert cell.value == pytest.approx(expected)
            assert cell.low is not None and cell.low <= cell.value <= cell.high
            assert bool(cell.group) == (run.name != "ground-truth")


def test_every_breakdown_adds_up_to_the_whole(comparison: RunComparison) -> None:
    for by in sorted(BY.keys() - {"position"}):
        table = breakdown(comparison, by)
        sizes = [int(column.title.partition("n = ")[2].partition(";")[0]) for column in table.columns]
        assert sum(sizes) == 24, by
        for run in comparison.runs:
            row = next(row for row in table.rows if row.name == run.record.method.title)
            weighted = sum(n * row.cells[c.key].value for n, c in zip(sizes, table.columns, strict=True)) / 24
            assert weighted == pytest.approx(run.summary["ned"].mean), by


def test_heights_recipes_and_provinces(comparison: RunComparison) -> None:
    table = comparison.runs[0].per_sample()
    heights = table["first_height"].to_pylist()
    assert all(heights)
    assert set(parts(table, "height")) == {height_class(height) for height in heights}
    assert [len(rows) for rows in parts(table, "recipe").values()] == [10, 14]
    assert {name: len(rows) for name, rows in parts(table, "province").items()} == {"京": 12, "沪": 12}


def test_positions_are_those_of_the_confusion_matrix(comparison: RunComparison) -> None:
    table = breakdown(comparison, "position")
    assert [column.key for column in table.columns] == list("1234567")
    for run in comparison.runs:
        own = run.per_sample().to_pydict()
        row = next(row for row in table.rows if row.name == run.record.method.title)
        right = sum(row.cells[column.key].value * 24 for column in table.columns)
        assert round(right) == np.diag(confusion(own["read_text"], own["text"]).counts).sum()
        assert row.cells["1"].value == pytest.approx(np.mean([t[0] == "京" for t in own["text"]]))


@pytest.mark.parametrize(
    "height, name", [(1, "1-8 px"), (8, "1-8 px"), (9, "9-12 px"), (24, "17-24 px"), (25, "over 24 px")]
)
def test_classes_of_heights(height: int, name: str) -> None:
    assert height_class(height) == name


def test_what_cannot_be_broken_down_says_why(comparison: RunComparison) -> None:
    with pytest.raises(RunError, match="no breakdown by 'colour'; there are: layout, height, province"):
        breakdown(comparison, "colour")
    with pytest.raises(RunError, match="has no 'ece' per sample"):
        breakdown(comparison, "layout", "ece")
    run = comparison.runs[0]
    path = run.folder / "per_sample.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["first_height", "recipe"]), path)
    older = compare([Run(run.folder)])
    for by in ("height", "recipe"):
        with pytest.raises(RunError, match="score the predictions again"):
            breakdown(older, by)
    assert breakdown(older, "layout").rows


def test_on_the_command_line(comparison: RunComparison, tmp_path: Path) -> None:
    folders = [str(run.folder) for run in comparison.runs]
    out = tmp_path / "parts.csv"
    done = CliRunner().invoke(
        app, ["compare", *folders, "--by", "layout", "--columns", "acc", "-o", str(out), "--json"]
    )
    assert done.exit_code == 0, done.output
    assert [c["key"] for c in json.loads(done.stdout)["columns"]] == ["blue", "green_small", "other"]
    rows = list(csv.DictReader(out.open(encoding="utf-8")))
    assert [row["method"] for row in rows][2:] == ["Ground truth", "Chance"]
    assert float(rows[0]["blue_low"]) <= float(rows[0]["blue"])
    done = CliRunner().invoke(
        app, ["compare", *folders, "--by", "layout", "--columns", "PSNR,acc", "--digits", "psnr=1", "--json"]
    )
    table = json.loads(done.stdout)
    parts_of = ("blue", "green_small", "other")
    assert [c["key"] for c in table["columns"]] == [f"{m}:{p}" for m in ("psnr", "acc") for p in parts_of]
    assert table["columns"][0]["title"] == "PSNR, blue (n = 12; 12 plates)"
    assert [c["decimals"] for c in table["columns"]] == [1] * 3 + [3] * 3
    assert "PSNR, ACC by layout" in table["protocol"]
    for options, told in (
        (["--columns", "psnr,confidence_gap"], "'confidence_gap' per sample"),
        (["--supplement", "s.csv"], "leave --supplement and --published out"),
    ):
        done = CliRunner().invoke(app, ["compare", *folders, "--by", "layout", *options])
        assert done.exit_code and told in str(done.exception)


def test_columns_of_further_readers_and_parts_of_few_plates(comparison: RunComparison) -> None:
    metrics = ("acc", "ned", "ned@first")
    table = breakdown(comparison, "layout", *metrics)
    assert table.columns[-1].title == "NED, First character, other (n = 6; 6 plates)"
    for metric in metrics:
        alone = breakdown(comparison, "layout", metric)
        for row, one in zip(table.rows, alone.rows, strict=True):
            own = {key.removeprefix(f"{metric}:"): cell for key, cell in row.cells.items()}
            assert own.items() >= one.cells.items()
    assert table.remarks == (SHORT_INTERVALS.format(15, 5),)
    assert breakdown(comparison, "layout", "acc").remarks == (), "limits of shares are exact"
    places = breakdown(comparison, "position", "acc", "psnr", "acc@first")
    assert [column.key for column in places.columns][6:9] == ["acc:7", "acc@first:1", "acc@first:2"]
    assert places.columns[7].title == "characters right, First character, 1 (n = 24; 24 plates)"
    assert {row.cells["acc@first:2"].value for row in places.rows} == {0.0}
    table = comparison.runs[0].per_sample()
    few = pa.array([["blue", "yellow"][number < 4] for number in range(24)])
    for run in comparison.runs:
        path = run.folder / "per_sample.parquet"
        table = pq.read_table(path).sort_by("sample_id")
        pq.write_table(table.set_column(table.column_names.index("layout"), "layout", few), path)
    few_plates = breakdown(compare([Run(run.folder) for run in comparison.runs]), "layout")
    groups = {
        (c.key, bool(row.cells[c.key].group)) for row in few_plates.rows[:2] for c in few_plates.columns
    }
    assert groups == {("blue", True), ("yellow", False)}
    no_groups = (
        "Parts that tell no more than 4 plates of equal size have no tie groups, and limits of shares only."
    )
    assert few_plates.remarks == (no_groups,)
    cells = {c.key: few_plates.rows[0].cells[c.key] for c in few_plates.columns}
    assert cells["blue"].low is not None and cells["yellow"].low is None


def test_chance_is_that_of_each_part(comparison: RunComparison) -> None:
    """Plates of one province have their first character in common."""
    table = breakdown(comparison, "province", "ned", "psnr", "acc@first")
    by_chance = table.rows[-1]
    assert (by_chance.name, by_chance.note) == ("Chance", "texts of a part's other plates")
    own = comparison.runs[0].per_sample().to_pydict()
    for part in "京沪":
        texts = [text for text in own["text"] if text[0] == part]
        pairs = [(a, b) for i, a in enumerate(texts) for j, b in enumerate(texts) if i != j]
        expected = ned([b for _, b in pairs], [a for a, _ in pairs]).mean()
        assert by_chance.cells[f"ned:{part}"].value == pytest.approx(expected)
        assert expected < comparison.chance["ned"]
        assert by_chance.cells[f"acc@first:{part}"].value == 0
        assert f"psnr:{part}" not in by_chance.cells
    unbound = compare(comparison.runs, TableOptions(bounds=False))
    assert all(row.kind == "method" for row in breakdown(unbound, "province").rows)


def test_the_notes_of_runs_stay(make_samples: Make, tmp_path: Path) -> None:
    samples = make_samples(8)

    @method(name="flaky", frames=1)
    def flaky(frames: np.ndarray) -> np.ndarray:
        if frames[0, 0, 0, 0, 0] < 90:
            raise RuntimeError("out of luck")
        return frames[:, 0]

    found = predict(flaky, samples, tmp_path / "p", batch_size=1)
    plan = ScoringPlan((MeanReader(),), (FidelityScorer(),))
    whole = compare(score([found], samples, [tmp_path / "r"], plan))
    note = whole.table.rows[0].note
    assert "failed, counted at the floor" in note
    for by in ("layout", "position"):
        assert breakdown(whole, by).rows[0].note == note
