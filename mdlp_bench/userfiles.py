"""Load what a user wrote: `path/to/file.py:name`."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from pathlib import Path

from mdlp_bench.errors import MdlpBenchError


def is_file_spec(spec: str) -> bool:
    """Whether `spec` has the form `file.py:name`."""
    return ".py:" in spec


def load_from_file(spec: str, error: type[MdlpBenchError]) -> object:
    """Import a user's file and return the object it names.

    Args:
        spec: `path/to/file.py:name`.
        error: What to raise.

    Raises:
        MdlpBenchError: Of type `error`: no such file, importing it fails, or it has no such name. Errors of
            this project's own that the file raises pass through.
    """
    file_name, _, attribute = spec.rpartition(":")
    path = Path(file_name)
    if not path.is_file():
        raise error(f"{path}: no such file")
    # The module name depends on the path, so that two files named alike do not meet in sys.modules.
    name = f"_mdlp_bench_user_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
    module_spec = importlib.util.spec_from_file_location(name, path)
    if module_spec is None or module_spec.loader is None:
        raise error(f"{path}: cannot be imported as Python")
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[name] = module
    try:
        module_spec.loader.exec_module(module)
    except MdlpBenchError:
        raise
    except Exception as reason:
        raise error(f"{path}: importing it raised {type(reason).__name__}: {reason}") from reason
    if not hasattr(module, attribute):
        raise error(f"{path}: has no {attribute!r}")
    found: object = getattr(module, attribute)
    return found
