"""Weight files of the rectifying reader, with its configuration in the file's metadata."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Final

from mdlp_bench.errors import ReaderError, checked
from mdlp_bench.readers.rectifying.networks import RectifyingConfig, RectifyingNetwork
from mdlp_bench.readers.weights import fill_recogniser, read_recogniser, save_recogniser

RECTIFYING_KEY: Final = "mdlp-bench-rectifying-1"


def bundled_weights() -> Path:
    """The weight file of `crnn-3`, which comes with the package."""
    return Path(str(files("mdlp_bench.readers.rectifying") / "crnn-3.safetensors"))


def save_rectifying(network: RectifyingNetwork, config: RectifyingConfig, path: Path) -> None:
    """Write `network` as float16 with `config` in the metadata, atomically."""
    save_recogniser(network, path, RECTIFYING_KEY, config.model_dump_json())


def load_rectifying(path: Path) -> RectifyingNetwork:
    """Read the networks in evaluation mode, float32.

    Raises:
        MissingWeightsError: The file is not there.
        ReaderError: It is not a weight file of a rectifying reader, or its tensors do not fit.
    """
    remedy = "reinstall mdlp-bench or train a reader: mdlp-bench train reader"
    stored, tensors = read_recogniser(path, RECTIFYING_KEY, "a rectifying reader", remedy)
    config = checked(RectifyingConfig, stored, f"{path}: unreadable configuration", ReaderError)
    network = RectifyingNetwork(config)
    fill_recogniser(network, tensors, path)
    return network
