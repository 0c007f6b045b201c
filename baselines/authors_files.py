"""Which loader of `baselines.official` opens a file that the authors' code wrote, for errors that name it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from mdlp_bench.errors import MdlpBenchError, MethodError
from mdlp_bench.methods.weights import read_card, read_state_dict

_LOADERS: Final = {
    "hat": ("hat", r"\.overlap_attn\."),
    "lp-diff": ("lp_diff", r"denoise_fn\.downs\."),
    "lpdgan": ("lpdgan", r"swin_unet\."),
    "real-esrgan": ("real_esrgan", r"\.rdb1\.conv1\.weight|(^|\.)body\.0\.weight"),
    "resshift": ("resshift", r"(^|\.)input_blocks\.0\.0\.weight"),
}
"""By method, the function of `baselines.official` and a pattern of names in the authors' checkpoints."""


@contextmanager
def loading(method: str, path: Path) -> Iterator[None]:
    """Where weights of a method do not load, add to the error which function opens the authors' checkpoint.

    Raises:
        MethodError: What was raised within, and the function's name if the file is such a checkpoint.
    """
    try:
        yield
    except MethodError as error:
        if method not in _LOADERS or not _is_of_authors(path, _LOADERS[method][1]):
            raise
        raise MethodError(
            f"{error}; it looks like a checkpoint of the authors' code, which "
            f"baselines.official.{_LOADERS[method][0]} makes a method (docs/models.md)"
        ) from error


def _is_of_authors(path: Path, names: str) -> bool:
    try:
        return "method" not in read_card(path) and any(re.search(names, key) for key in read_state_dict(path))
    except MdlpBenchError:
        return False
