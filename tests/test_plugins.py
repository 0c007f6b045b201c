"""What others add, by a file or an entry point, works like what comes with the package."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import mdlp_bench as mb
from mdlp_bench import userfiles
from mdlp_bench.cli.main import app
from mdlp_bench.data.samples import Samples
from mdlp_bench.errors import DataError, MdlpBenchError, ProtocolError, ReaderError
from mdlp_bench.harness.run import Run
from mdlp_bench.metrics import base
from mdlp_bench.metrics.protocol import to_working_size
from mdlp_bench.readers import reader_names
from mdlp_bench.synth.degrade import load_recipe, recipe_names

PLUGIN = """
from pathlib import Path
import numpy as np
import mdlp_bench as mb
from mdlp_bench.data.sources.base import FileEntry, FileSamples
from mdlp_bench.data.sources.registry import Source
from mdlp_bench.synth.degrade.operators import Operator, Params

@mb.metric(higher_is_better=False, worst=255.0, best=0.0, title="MAE", decimals=1)
def mean_error(restored, gt):
    return np.abs(restored.astype(float) - gt).mean(axis=(1, 2, 3))

def read(images):
    return ["京P20S75"] * len(images)

class Lines(Params):
    every: int = 4

def lines(image, params, rng):
    struck = image.copy()
    struck[:: params.every] = 0
    return struck

LINES = Operator(Lines, lines)

def open_pairs(path, split, order):
    entries = [
        FileEntry(p.stem, "all", "pairs", (p,), (0,), p.with_suffix(".png"))
        for p in sorted(Path(path).glob("*.jpg"))
    ]
    return FileSamples("pairs", entries)

PAIRS = Source("pairs", "Pairs", "<name>.jpg, <name>.png", lambda p: (p / "pairs.txt").is_file(), open_pairs)
RECIPE = Path(__file__).with_name("struck.yaml")
"""

RECIPE = """
name: struck
version: 1
description: Every fourth line is lost.
camera: {width: 40, distance: 20, speed: 10}
steps:
  - {op: resize, params: {of: frame, interpolation: area}}
  - {op: OPERATOR, params: {every: 4}}
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with one of each, which is also installed as the package `other`."""
    file = tmp_path / "other_plugin.py"
    file.write_text(PLUGIN)
    (tmp_path / "struck.yaml").write_text(RECIPE.replace("OPERATOR", "lines"))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "other_plugin", raising=False)
    names = {
        "mdlp_bench.metrics": ("mean_error", "mean_error"), "mdlp_bench.readers": ("constant", "read"),
        "mdlp_bench.operators": ("lines", "LINES"), "mdlp_bench.sources": ("pairs", "PAIRS"),
        "mdlp_bench.recipes": ("struck", "RECIPE"),
    }  # fmt: skip
    original = userfiles.entry_points

    def entry_points(group: str) -> list[EntryPoint]:
        own = [EntryPoint(n, f"other_plugin:{a}", group) for g, (n, a) in names.items() if g == group]
        return [*original(group=group), *own]

    monkeypatch.setattr(userfiles, "entry_points", entry_points)
    return file


@pytest.fixture(autouse=True)
def forgotten_metrics() -> Iterator[None]:
    """Metrics that a test registers are gone after it."""
    before = dict(base._METRICS)
    yield
    base._METRICS.clear()
    base._METRICS.update(before)


@pytest.mark.parametrize("spec", ["mean_error", "other_plugin.py:mean_error"])
def test_a_users_metric_is_a_column_with_direction_interval_and_letters(
    plugin: Path, spec: str, make_samples: Callable[..., Samples], tmp_path: Path
) -> None:
    spec = str(tmp_path / spec) if ".py" in spec else spec
    samples = make_samples(12)
    out = tmp_path / "out"
    reader = [f"{plugin}:read"]
    table = mb.bench(["bicubic", "lanczos"], samples, out, readers=reader, lpips="none", metrics=[spec]).table
    (column,) = (one for one in table.columns if one.key == "mean_error")
    assert (column.heading, column.decimals) == ("MAE ↓", 1)
    rows = {row.name: row.cells["mean_error"] for row in table.rows if row.kind == "method"}
    assert all(cell.low is not None and cell.low <= cell.value <= cell.high for cell in rows.values())
    assert all(cell.group for cell in rows.values())
    bounds = [row.cells["mean_error"].value for row in table.rows if "mean_error" in row.cells]
    assert min(bounds) == 0.0, "the ground truth is at the best value"
    run = Run(out / "runs" / "bicubic")
    restored = {p.sample_id: p.image for p in mb.predict("bicubic", samples, out / "predictions" / "bicubic")}
    by_hand = [
        np.abs(restored[sample.sample_id].astype(float) - to_working_size(sample.decode_gt())).mean()
        for sample in samples
    ]
    assert run.per_sample()["mean_error"].to_pylist() == pytest.approx(by_hand)
    assert run.record.weights["metric mean_error"]
    # The table of stored runs needs nobody's file.
    del base._METRICS["mean_error"]
    again = mb.compare([out / "runs" / "bicubic", out / "runs" / "lanczos"], columns=["mae", "ned"])
    assert [c.key for c in again.table.columns] == ["mean_error", "ned"]


def test_a_failed_sample_gets_the_worst_value(
    plugin: Path, make_samples: Callable[..., Samples], tmp_path: Path
) -> None:
    samples = make_samples(3)

    @mb.method(frames=1)
    def picky(frames: np.ndarray) -> np.ndarray:
        if len(frames) > 1 or frames.std() > picky_limit:
            raise ValueError("too hard")
        return frames[:, 0]

    spread = [to_working_size(s.decode_frames(1)[0]).std() for s in samples]
    picky_limit = float(np.median(spread))
    predictions = mb.predict(picky, samples, tmp_path / "p")
    run = mb.score(
        predictions, samples, tmp_path / "r", readers=[f"{plugin}:read"], lpips="none", metrics=["mean_error"]
    )
    values = run.per_sample()["mean_error"].to_pylist()
    errors = run.per_sample()["error"].to_pylist()
    assert any(errors) and all(
        (value == 255.0) == (error is not None) for value, error in zip(values, errors, strict=True)
    )


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("return restored.mean()", r"metric odd: returned shape \[\], must be \[3\]"),
        ("return [float('nan')] * len(gt)", "metric odd: returned values that are not finite"),
        ("return restored.frobnicate()", "metric odd: AttributeError"),
    ],
)
def test_a_metric_that_does_not_keep_its_contract_is_named(
    body: str, says: str, make_samples: Callable[..., Samples], tmp_path: Path
) -> None:
    file = tmp_path / "odd.py"
    file.write_text(
        "import mdlp_bench as mb\n@mb.metric(higher_is_better=True, worst=0)\n"
        f"def odd(restored, gt):\n    {body}\n"
    )
    samples = make_samples(3)
    predictions = mb.predict("bicubic", samples, tmp_path / "p")
    with pytest.raises(ProtocolError, match=says):
        mb.score(predictions, samples, tmp_path / "r", lpips="none", metrics=[f"{file}:odd"])


def test_names_of_metrics_are_checked() -> None:
    with pytest.raises(ProtocolError, match="this name is taken"):
        mb.metric(name="psnr", higher_is_better=True, worst=0)(lambda a, b: [0.0])
    with pytest.raises(ProtocolError, match="lower case letters"):
        mb.metric(name="My Metric", higher_is_better=True, worst=0)(lambda a, b: [0.0])
    with pytest.raises(ProtocolError, match="no metric 'nonsense'"):
        base.load_metric("nonsense")


def test_the_command_line_takes_a_users_metric(
    plugin: Path, make_samples: Callable[..., Samples], tmp_path: Path
) -> None:
    make_samples(4, name="DATA")
    arguments = ["bench", str(tmp_path / "DATA"), "-m", "bicubic", "--lpips", "none", "--json"]
    arguments += ["--reader", f"{plugin}:read", "-o", str(tmp_path / "out")]
    done = CliRunner().invoke(app, [*arguments, "--metric", f"{plugin}:mean_error"])
    assert json.loads(done.stdout)["runs"][0]["summary"]["mean_error"]["mean"] > 0
    wrong = CliRunner().invoke(app, [*arguments, "--metric", f"{plugin}:read"])
    assert wrong.exit_code == 2 or isinstance(wrong.exception, ProtocolError)
    assert "is a function, not a UserMetric" in f"{wrong.output} {wrong.exception}"


def test_readers_and_recipes_of_other_packages_are_names(plugin: Path) -> None:
    assert "constant" in reader_names() and "struck" in recipe_names()
    assert mb.load_reader("constant").read([np.zeros((9, 9, 3), np.uint8)])[0].text == "京P20S75"
    assert load_recipe("struck").name == "struck"
    with pytest.raises(ReaderError, match=r"did you mean 'constant'.*constant"):
        mb.load_reader("constand")


@pytest.mark.parametrize("operator", ["lines", "FILE:LINES"])
def test_operators_of_others_work_in_recipes(plugin: Path, operator: str, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(RECIPE.replace("OPERATOR", operator.replace("FILE", str(plugin))))
    frames = mb.degrade(mb.render(seed=2).image, tmp_path / "own.yaml", seed=1)
    assert all(frame[::4].mean() < frame[1::4].mean() / 2 for frame in frames)
    (tmp_path / "bad.yaml").write_text(RECIPE.replace("OPERATOR", f"{plugin}:read"))
    with pytest.raises(DataError, match="is a function, not a Operator"):
        load_recipe(tmp_path / "bad.yaml")


def test_sources_of_others_are_opened_and_recognised(
    plugin: Path, tmp_path: Path, draw: Callable[..., bytes]
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.jpg").write_bytes(draw(1))
        (folder / f"{name}.png").write_bytes(draw(2, kind="png"))
    for source in ("pairs", f"{plugin}:PAIRS"):
        assert mb.open(folder, source=source).sample_ids == ["a", "b"]
    (folder / "pairs.txt").write_text("")
    assert mb.open(folder)[0].source == "pairs"
    with pytest.raises(DataError, match="did you mean 'pairs'"):
        mb.open(folder, source="pears")


def test_a_broken_package_is_named(plugin: Path) -> None:
    plugin.write_text("raise ImportError('no such driver')")
    with pytest.raises(MdlpBenchError, match=r"metric mean_error: its package cannot be.*no such driver"):
        base.load_metric("mean_error")
