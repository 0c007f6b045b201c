"""The examples in docstrings run, in a folder that holds the data they speak of."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for package in ("mdlp_bench", "baselines")
    for path in sorted((ROOT / package).rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str, world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for placeholder in ("DATA", "TRACKS"):
        world.provide(placeholder, tmp_path)
    monkeypatch.chdir(tmp_path)
    found = doctest.testmod(import_module(name), report=True)
    assert found.attempted > 0 and found.failed == 0


def test_the_python_interface_has_examples() -> None:
    assert {
        "mdlp_bench.api",
        "mdlp_bench.api_data",
        "mdlp_bench.api_leaderboard",
        "mdlp_bench.methods.registry",
    } <= set(MODULES)
