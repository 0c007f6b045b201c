"""Write the descriptors of the bundled methods, so that listing them loads no network.

python recipes/descriptors.py
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import baselines
from baselines.descriptors import FILE
from mdlp_bench.errors import MissingWeightsError
from mdlp_bench.files import write_json
from mdlp_bench.methods import load_method, registered_methods


def loaded_descriptors() -> dict[str, dict[str, Any]]:
    """What the methods registered by this project say; without those whose weights are not bundled."""
    found = {}
    for name, entry in registered_methods().items():
        if not entry.value.startswith("baselines.") or name.startswith("real-esrgan-"):
            continue
        # Missing weights are left out, and looked for again when methods are listed.
        with contextlib.suppress(MissingWeightsError):
            found[name] = load_method(name).descriptor.model_dump(mode="json")
    return found


if __name__ == "__main__":
    write_json(Path(baselines.__file__).with_name(FILE), loaded_descriptors())
