"""Descriptors known without networks are those of the loaded methods; listing imports no torch."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

from mdlp_bench.methods import registered_methods
from mdlp_bench.methods.registry import describe_methods

ROOT = Path(__file__).resolve().parents[2]


def test_the_stored_descriptors_are_those_of_the_methods(import_script: Callable[[Path], Any]) -> None:
    stored = json.loads((files("baselines") / "descriptors.json").read_text(encoding="utf-8"))
    loaded = import_script(ROOT / "recipes" / "descriptors.py").loaded_descriptors()
    assert stored == loaded, "run: python recipes/descriptors.py"


def test_every_method_is_listed_without_torch() -> None:
    assert describe_methods().keys() == registered_methods().keys()
    code = (
        "import sys; from mdlp_bench.methods.registry import describe_methods; describe_methods(); "
        "print(sorted({'torch', 'datasets', 'pandas'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
