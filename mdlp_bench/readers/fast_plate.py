"""Readers of the package fast-plate-ocr (MIT), which downloads its networks itself."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import cv2

from mdlp_bench.errors import MissingDependencyError, ReaderError, no_such, reason
from mdlp_bench.files import sha256_file
from mdlp_bench.images import ImageU8
from mdlp_bench.plate import normalise
from mdlp_bench.readers.base import Reader, ReaderDescriptor, Reading

DEFAULT_MODEL: Final = "cct-s-v2-global-model"
"""The package's recommended network for Latin plates of many countries."""


class FastPlateReader(Reader):
    """One network of fast-plate-ocr, run by the package.

    Args:
        model: An ONNX file.
        config: The package's configuration beside it, a YAML file.
        name: The network's name.

    Raises:
        MissingDependencyError: The package or onnxruntime is not installed.
        ReaderError: The files cannot be read.
    """

    def __init__(self, model: Path, config: Path, name: str) -> None:
        try:
            from fast_plate_ocr import LicensePlateRecognizer
        except ImportError as error:
            raise _missing() from error
        try:
            self._recognizer: Any = LicensePlateRecognizer(
                onnx_model_path=model, plate_config_path=config, device="cpu"
            )
        except Exception as error:  # onnxruntime's exceptions share no public base class
            raise ReaderError(
                f"{model}, {config}: fast-plate-ocr cannot load them ({reason(error)})"
            ) from error
        self._grey = self._recognizer.config.image_color_mode == "grayscale"
        self.descriptor = ReaderDescriptor(
            name="fast-plate-ocr" if name == DEFAULT_MODEL else f"fast-plate-ocr-{name}",
            title=f"fast-plate-ocr ({name})",
            version=version("fast-plate-ocr"),
            weights_sha256=sha256_file(model),
            licence="MIT",
            grammars=("brazilian", "mercosur"),
            citation="fast-plate-ocr, https://github.com/ankandrew/fast-plate-ocr",
        )

    def read(self, images: Sequence[ImageU8]) -> list[Reading]:
        """Read plate crops; uint8 RGB [H, W, 3] of any sizes (see `Reader.read`)."""
        if not images:
            return []
        crops = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in images] if self._grey else list(images)
        return [
            _reading(found.plate, found.char_probs)
            for found in self._recognizer.run(crops, return_confidence=True)
        ]


def _reading(text: str, probabilities: Sequence[float]) -> Reading:
    """A reading of the network's slots; those behind the text are padding."""
    kept = [
        (character, min(max(float(p), 0.0), 1.0))
        for character, p in zip(text, probabilities, strict=False)
        if normalise(character)
    ]
    return Reading("".join(c for c, _ in kept), tuple(p for _, p in kept))


def load_fast_plate(model: str = DEFAULT_MODEL) -> FastPlateReader:
    """A network by the name that fast-plate-ocr gives it, or an ONNX file of your own.

    Args:
        model: A name of the package's hub, kept in `~/.cache/fast-plate-ocr` and fetched there by the package
            when it is missing; or `PATH.onnx`, with its configuration `PATH_plate_config.yaml` beside it.

    Raises:
        MissingDependencyError: The package or onnxruntime is not installed.
        ReaderError: There is no such network, it cannot be fetched, or its files cannot be read.
    """
    if model.endswith(".onnx"):
        path = Path(model)
        config = path.with_name(f"{path.stem}_plate_config.yaml")
        if absent := next((file for file in (path, config) if not file.is_file()), None):
            raise ReaderError(f"{absent}: no such file")
        return FastPlateReader(path, config, path.stem)
    try:
        from fast_plate_ocr.inference import hub
    except ImportError as error:
        raise _missing() from error
    if model not in hub.AVAILABLE_ONNX_MODELS:
        raise no_such("network", model, hub.AVAILABLE_ONNX_MODELS, ReaderError, where="fast-plate-ocr")
    try:
        path, config = hub.download_model(model)
    except (OSError, ValueError) as error:
        raise ReaderError(
            f"fast-plate-ocr cannot fetch {model} ({reason(error)}); put its two files into "
            f"{hub.MODEL_CACHE_DIR / model} by hand"
        ) from error
    return FastPlateReader(path, config, model)


def _missing() -> MissingDependencyError:
    return MissingDependencyError(
        "this reader needs fast-plate-ocr; install it with: pip install 'fast-plate-ocr[onnx]'"
    )
