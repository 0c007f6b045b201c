"""Readers from the weight files that `mdlp-bench train reader` writes."""

from __future__ import annotations

from pathlib import Path

from mdlp_bench.errors import ReaderError
from mdlp_bench.files import slugify
from mdlp_bench.readers.base import Reader
from mdlp_bench.readers.crnn import CrnnReader
from mdlp_bench.readers.crnn.weights import CRNN_KEY
from mdlp_bench.readers.rectifying import RectifyingReader
from mdlp_bench.readers.rectifying.weights import RECTIFYING_KEY
from mdlp_bench.readers.weights import stored_key


def load_trained(path: Path) -> Reader:
    """The reader whose weights a file holds, a CRNN or a rectifying one; it is named by the file.

    Raises:
        MissingWeightsError: The file is not there.
        ReaderError: It holds no reader of this project.
    """
    kinds: dict[str, type[CrnnReader] | type[RectifyingReader]] = {
        CRNN_KEY: CrnnReader,
        RECTIFYING_KEY: RectifyingReader,
    }
    key = stored_key(path, "train a reader: mdlp-bench train reader")
    if key not in kinds:
        raise ReaderError(f"{path}: not a reader of this project; mdlp-bench train reader writes one")
    return kinds[key](path, name=f"trained-{slugify(path.stem)}", title=path.stem)
