"""The notebooks run from top to bottom, offline, and lie in git without outputs; each has a rendered copy."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def tool(import_script: Callable[[Path], Any]) -> Any:
    return import_script(ROOT / "docs/tools/notebooks.py")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_offline(
    path: Path, tool: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Addresses that nothing listens on: a download would fail.
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    executed = tool.run(path, tmp_path)
    outputs = [output for cell in executed.cells if cell.cell_type == "code" for output in cell.outputs]
    noise = [output.text for output in outputs if output.output_type == "stream" and output.name == "stderr"]
    assert outputs and not noise, noise
    text, pictures = tool.to_markdown(executed, path.stem)
    rendered = (ROOT / "docs" / "notebooks" / f"{path.stem}.md").read_text(encoding="utf-8")
    # Figures depend on weights and libraries, what is said and done does not.
    assert _said(text) == _said(rendered), "run: python docs/tools/notebooks.py"
    assert {file.name for file in (ROOT / "docs" / "notebooks").glob(f"{path.stem}_*.jpg")} == set(pictures)


def test_a_users_day_takes_less_than_forty_lines() -> None:
    notebook = nbformat.read(ROOT / "notebooks" / "06_own_network.ipynb", as_version=4)
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    lines = [line for source in code[1:] for line in source.splitlines() if line.strip()]
    assert 20 < len(lines) < 40


def _said(text: str) -> str:
    """The rendered text without what came out of the cells."""
    return re.sub(
        r"```text\n.*?\n```|<!-- output -->.*?<!-- end -->|!\[.*?\]\(.*?\)", "", text, flags=re.DOTALL
    )


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_lies_in_git_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert not cell.outputs and cell.execution_count is None
    assert {key for cell in notebook.cells for key in cell.metadata} == set()
    assert str(Path.home()) not in path.read_text(encoding="utf-8")


def test_there_are_six() -> None:
    assert [path.stem[:2] for path in NOTEBOOKS] == ["01", "02", "03", "04", "05", "06"]
