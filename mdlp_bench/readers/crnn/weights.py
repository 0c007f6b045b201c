"""Weight files of the CRNN, with its configuration in the file's metadata."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Final

from mdlp_bench.errors import ReaderError, checked
from mdlp_bench.readers.crnn.network import CRNN, CrnnConfig
from mdlp_bench.readers.weights import fill_recogniser, read_recogniser, save_recogniser

CRNN_KEY: Final = "mdlp-bench-crnn-1"


def bundled_weights(name: str = "crnn") -> Path:
    """A weight file that comes with the package: of `crnn`, `crnn-2` or `crnn-latin`."""
    return Path(str(files("mdlp_bench.readers.crnn") / f"{name}.safetensors"))


def save_crnn(network: CRNN, config: CrnnConfig, path: Path) -> None:
    """Write `network` as float16 with `config` in the metadata, atomically."""
    save_recogniser(network, path, CRNN_KEY, config.model_dump_json())


def load_crnn(path: Path) -> CRNN:
    """Read a CRNN in evaluation mode, float32.

    Raises:
        MissingWeightsError: The file is not there.
        ReaderError: It is not a weight file of a CRNN, or its tensors do not fit its configuration.
    """
    remedy = "reinstall mdlp-bench or train a reader: mdlp-bench train reader"
    stored, tensors = read_recogniser(path, CRNN_KEY, "a CRNN", remedy)
    network = CRNN(checked(CrnnConfig, stored, f"{path}: unreadable configuration", ReaderError))
    fill_recogniser(network, tensors, path)
    return network
