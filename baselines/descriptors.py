"""The descriptors of the bundled methods, known without loading their networks."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Final

from baselines.real_esrgan.wheel import official_files
from mdlp_bench.errors import MdlpBenchError
from mdlp_bench.methods.base import MethodDescriptor

FILE: Final = "descriptors.json"
"""Written by `python recipes/descriptors.py`; a test compares it with the loaded methods."""


def bundled_descriptors() -> dict[str, MethodDescriptor | MdlpBenchError]:
    """Method name to its descriptor, or to the reason why it cannot be loaded here."""
    text = (files("baselines") / FILE).read_text(encoding="utf-8")
    found: dict[str, MethodDescriptor | MdlpBenchError] = {
        name: MethodDescriptor.model_validate(entry) for name, entry in json.loads(text).items()
    }
    for name in ("x4plus", "animevideov3"):
        try:
            official_files(name)
        except MdlpBenchError as error:
            found[f"real-esrgan-{name}"] = error
    return found
