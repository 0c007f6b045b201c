"""Trained weights that come with the package, and what a weight file says about its training."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from mdlp_bench.errors import MissingWeightsError
from mdlp_bench.files import sha256_file
from mdlp_bench.methods.weights import read_card

TRAINED_ON: Final = "rendered plates, recipes surveillance, surveillance@2, mild blur and motion@2"
"""What the bundled weight files have seen, and nothing else."""


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


def described_weights(path: Path, title: str, parameters: int, *, is_bundled: bool) -> dict[str, Any]:
    """Fields of a `MethodDescriptor` that say what a weight file is.

    The title names size and data, `LP-Diff (3.0 M, rendered plates)`: what stands in a table is this network
    with these weights, not the paper's.

    Args:
        path: A weight file of `mdlp-bench train`.
        title: The method's own title.
        parameters: The network's.
        is_bundled: Whether the file is the package's own, whose training data are known.

    Returns:
        `title`, `parameters`, `weights_sha256`, `provenance`, `trained_on` and `teacher`.
    """
    training: dict[str, Any] = json.loads(read_card(path).get("training", "{}"))
    options, data = training.get("options", {}), training.get("data", {}).get("name")
    teacher = None
    if options.get("reader"):
        teacher = Path(options.get("reader_weights") or "crnn").stem
    seen = "rendered plates" if is_bundled else data or "own weights"
    return {
        "title": f"{title} ({_size(parameters)}, {seen})",
        "parameters": parameters,
        "weights_sha256": sha256_file(path),
        "provenance": "reimplemented",
        "trained_on": (TRAINED_ON,) if is_bundled else (data,) if data else (),
        "teacher": teacher,
    }


def _size(parameters: int) -> str:
    if parameters >= 1_000_000:
        return f"{parameters / 1e6:.1f} M"
    return f"{max(1, round(parameters / 1e3))} k"
