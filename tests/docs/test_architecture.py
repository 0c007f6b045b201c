"""The code keeps the rule of the arrows, and the picture of it is the one the rule draws."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def architecture(import_script: Callable[[Path], Any]) -> Any:
    return import_script(ROOT / "docs/tools/architecture.py")


def imports() -> Iterator[tuple[Path, str]]:
    """Every module that a file of mdlp_bench imports, anywhere in it, of this project."""
    for path in sorted((ROOT / "mdlp_bench").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                from_package = node.module == "mdlp_bench"
                found = [f"{node.module}.{a.name}" for a in node.names] if from_package else [node.module]
            elif isinstance(node, ast.Import):
                found = [alias.name for alias in node.names]
            else:
                continue
            for name in found:
                if name.split(".")[0] in ("mdlp_bench", "baselines"):
                    yield path, name


def room_of(path: Path) -> str:
    return path.relative_to(ROOT / "mdlp_bench").parts[0].removesuffix(".py")


def test_imports_point_down(architecture: Any) -> None:
    wrong = []
    for path, name in imports():
        package, _, inner = name.partition(".")
        importer, imported = room_of(path), inner.split(".")[0]
        if package == "baselines":
            wrong.append(f"{path.name} imports {name}: mdlp_bench knows methods by their entry points only")
        # The package itself offers its names from above everything; its version is everybody's.
        elif importer in ("__init__", imported) or imported in ("", "__version__"):
            continue
        elif not architecture.may_import(importer, imported):
            wrong.append(f"{path.relative_to(ROOT)} imports {name}: {imported} is not below {importer}")
    assert not wrong, "\n".join(wrong)


def test_the_rule_forbids_what_it_should(architecture: Any) -> None:
    assert architecture.may_import("harness", "metrics") and architecture.may_import("files", "errors")
    for importer, imported in (
        ("metrics", "data"),
        ("harness", "training"),
        ("data", "cli"),
        ("files", "images"),
    ):
        assert not architecture.may_import(importer, imported)
    with pytest.raises(KeyError, match="no such room"):
        architecture.may_import("attic", "errors")


def test_the_picture_is_up_to_date(architecture: Any) -> None:
    assert architecture.PICTURE.read_text(encoding="utf-8") == architecture.draw(), (
        "run: python docs/tools/architecture.py"
    )
