"""Trained weights that come with the package."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Final

from mdlp_bench.errors import MissingWeightsError

TRAINED_ON: Final = ("rendered plates, surveillance recipe",)
"""What every bundled weight file has seen, and nothing else."""


def bundled(name: str) -> Path:
    """The bundled weight file `<name>.safetensors`.

    Raises:
        MissingWeightsError: It is not bundled; says how to train it.
    """
    path = Path(str(files("baselines.weights") / f"{name}.safetensors"))
    if not path.is_file():
        raise MissingWeightsError(
            f"{path}: missing; reinstall mdlp-bench, or train it from the root of the repository: "
            f"python recipes/reproduce.py bundled --out OUT --only {name}"
        )
    return path
