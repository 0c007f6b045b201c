"""The time column compares like with like, and says when a time is uncertain."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mdlp_bench as mb
from mdlp_bench.data.samples import Samples
from mdlp_bench.harness.run import CostRecord, Run
from mdlp_bench.harness.tables import Row


@pytest.fixture
def timed(make_samples: Callable[..., Samples], tmp_path: Path) -> Callable[..., dict[str, Row]]:
    """A function that gives three runs these costs (fields of `CostRecord`) and returns the table's rows."""
    samples = make_samples(4)
    reader = tmp_path / "reader.py"
    reader.write_text("def read(images):\n    return ['京A10000' for _ in images]\n")
    names = ("bicubic", "lanczos", "best-frame")
    for name in names:
        made = mb.predict(name, samples, tmp_path / "p" / name)
        mb.score(made, samples, tmp_path / "r" / name, readers=[f"{reader}:read"], lpips="none")
    base = {"macs": None, "ms_per_image": 5.0, "peak_memory": None, "threads": 1, "device": "cpu"}

    def rows(*costs: dict[str, Any]) -> dict[str, Row]:
        folders = [tmp_path / "r" / name for name in names]
        for folder, changes in zip(folders, costs, strict=True):
            record = Run(folder).record
            cost = CostRecord.model_validate(base | {"spread": 0.01, "processor": "A"} | changes)
            record.model_copy(update={"cost": cost}).write(folder)
        table = mb.compare(folders, columns=["ned", "ms_per_image"]).table
        return {row.name: row for row in table.rows}

    return rows


def test_a_time_with_a_large_spread_is_marked(timed: Callable[..., dict[str, Row]]) -> None:
    rows = timed({}, {"spread": 0.35}, {})
    assert rows["Lanczos"].note == "time uncertain, spread 35%"
    assert rows["Lanczos"].cells["ms_per_image"].value == 5.0 and not rows["Bicubic"].note


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"threads": 8}, "timed on A, 8 threads, other methods on A, 1 thread"),
        ({"processor": "B"}, "timed on B, 1 thread"),
        ({"device": "GPU X"}, r"timed on GPU X (A, 1 thread), other methods on A"),
        ({"processor": None, "spread": None}, "timed on a CPU that is not recorded"),
    ],
)
def test_times_of_other_conditions_are_not_compared(
    timed: Callable[..., dict[str, Row]], changes: dict[str, Any], says: str
) -> None:
    rows = timed({}, {}, changes)
    cell = rows["Best frame"].cells["ms_per_image"]
    assert cell.value is None and says in str(cell.unavailable)
    assert rows["Bicubic"].cells["ms_per_image"].value == 5.0


def test_runs_of_earlier_versions_still_open(timed: Callable[..., dict[str, Row]]) -> None:
    old = {"processor": None, "spread": None, "threads": 2}
    rows = timed(old, old, old)
    assert all(row.cells["ms_per_image"].value == 5.0 for row in rows.values() if row.kind == "method")
