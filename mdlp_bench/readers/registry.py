"""Find a reader by what a user types: a known name, `onnx:PATH`, a trained file or `file.py:function`."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, cast

from mdlp_bench.errors import MdlpBenchError, ReaderError, debug_hint, no_such, raised
from mdlp_bench.files import sha256_file
from mdlp_bench.images import ImageU8
from mdlp_bench.readers.base import Reader, ReaderDescriptor, Reading
from mdlp_bench.readers.reach import auto_choice
from mdlp_bench.userfiles import file_and_name, find_in_file, is_file_spec, load_from_file, registered

logger = logging.getLogger(__name__)

DEFAULT_READER: Final = "crnn-3"

READERS: Final[dict[str, tuple[str, ...]]] = {
    "crnn": ("crnn:load_bundled",),
    "crnn-beam": ("crnn:load_bundled", "crnn", "beam"),
    "crnn-grammar": ("crnn:load_bundled", "crnn", "grammar"),
    "crnn-2": ("crnn:load_bundled", "crnn-2"),
    "crnn-2-beam": ("crnn:load_bundled", "crnn-2", "beam"),
    "crnn-2-grammar": ("crnn:load_bundled", "crnn-2", "grammar"),
    "crnn-3": ("rectifying:load_bundled",),
    "crnn-3-beam": ("rectifying:load_bundled", "beam"),
    "crnn-3-grammar": ("rectifying:load_bundled", "grammar"),
    "crnn-latin": ("crnn:load_bundled", "crnn-latin"),
    "crnn-latin-grammar": ("crnn:load_bundled", "crnn-latin", "grammar"),
    "fast-plate-ocr": ("fast_plate:load_fast_plate",),
    "ppocrv4": ("packaged:load_ppocr", "ppocrv4"),
    "ppocrv5": ("packaged:load_ppocr", "ppocrv5"),
    "ppocrv6": ("packaged:load_ppocr", "ppocrv6"),
    "clpr": ("packaged:load_clpr",),
}
"""Name -> `module:factory` of this package and the factory's arguments; it is imported when asked for."""

AUTO: Final = "auto"
"""What stands for the bundled reader that knows most of a data set's texts (see `reader_for`)."""

PANEL: Final = (DEFAULT_READER, "ppocrv4", "ppocrv5", "ppocrv6", "clpr")
"""The readers of `--reader panel`: five readers of three makers, each trained on other data."""

ENTRY_POINT_GROUP: Final = "mdlp_bench.readers"

TRAINED: Final = ".safetensors"
"""How the names of files end that `mdlp-bench train reader` writes."""

ReadFunction = Callable[[Sequence[ImageU8]], Sequence[Reading | str]]


class FunctionReader(Reader):
    """A reader that is one function on a list of crops."""

    def __init__(self, function: ReadFunction, descriptor: ReaderDescriptor) -> None:
        self.function = function
        self.descriptor = descriptor

    def read(self, images: Sequence[ImageU8]) -> list[Reading]:
        """Call the function; a bare text is a reading without confidences.

        Raises:
            ReaderError: It raised something, or did not return one text or Reading per crop, with confidences
                within 0 and 1.
        """
        try:
            given = list(self.function(images))
        except ReaderError as error:
            raise ReaderError(f"reader {self.descriptor.name}: {error}") from error
        except MdlpBenchError:
            raise
        except Exception as error:
            raise ReaderError(f"reader {self.descriptor.name}: {raised(error)}{debug_hint()}") from error
        if len(given) != len(images):
            raise ReaderError(
                f"reader {self.descriptor.name}: {len(given)} readings for {len(images)} images"
            )
        return [self._reading(item) for item in given]

    def _reading(self, item: object) -> Reading:
        if isinstance(item, Reading):
            return item
        if isinstance(item, str):
            return Reading(item)
        raise ReaderError(
            f"reader {self.descriptor.name}: returned a {type(item).__name__}, must return texts or Readings"
        )


def reader_for(texts: Iterable[str | None]) -> str:
    """The name of the bundled reader that can read most of the texts, or of the default reader."""
    known = [text for text in texts if text]
    if not known:
        logger.warning(
            "auto: no sample has a text, so %s reads; name another reader for plates of other countries",
            DEFAULT_READER,
        )
    return auto_choice(known)[0]


def reader_names() -> list[str]:
    """The names of the readers of this and other packages; nothing is loaded."""
    return list(READERS | registered(ENTRY_POINT_GROUP))


def check_reader(spec: str) -> None:
    """Check that there is what `load_reader` would load; nothing is imported.

    Raises:
        ReaderError: There is no such reader or file.
    """
    known = reader_names()
    if is_file_spec(spec):
        find_in_file(spec, ReaderError)
    elif spec in known or spec.startswith(("fast-plate-ocr:", "onnx:")):
        return
    elif spec.endswith(TRAINED):
        if not Path(spec).is_file():
            raise ReaderError(f"{spec}: no such file")
    else:
        hint = f", onnx:PATH, FILE{TRAINED} and file.py:function"
        raise no_such("reader", spec, known, ReaderError, hint=hint)


def load_reader(spec: str | Path = DEFAULT_READER) -> Reader:
    """Load a reader.

    Args:
        spec: A name of `reader_names`; `fast-plate-ocr:MODEL`, another network of that package or a file for
            it; `onnx:PATH`, an ONNX network with its `CtcConfig` beside it; `FILE.safetensors`, what
            `mdlp-bench train reader` wrote; or `path/to/file.py:function`, a function from a list of uint8
            RGB crops to texts or Readings (or a Reader instance or class).

    Raises:
        ReaderError: There is no such reader, or it cannot be loaded.
        MissingDependencyError: Its package is not installed; says how to install it.
        MissingWeightsError: Its weight file is not there.

    Example:
        >>> import mdlp_bench as mb
        >>> mb.load_reader("crnn").read([mb.render("京P20S75", difficulty=0.0).image])[0].text
        '京P20S75'
    """
    spec = str(spec)
    check_reader(spec)
    if spec in READERS:
        target, *arguments = READERS[spec]
        module, _, factory = target.partition(":")
        loaded = importlib.import_module(f"mdlp_bench.readers.{module}")
        return cast(Reader, getattr(loaded, factory)(*arguments))
    if (entry := registered(ENTRY_POINT_GROUP).get(spec)) is not None:
        return _as_reader(entry.load(), spec, spec, entry.dist.version if entry.dist else "unknown")
    if spec.startswith("fast-plate-ocr:"):
        from mdlp_bench.readers.fast_plate import load_fast_plate

        return load_fast_plate(spec.removeprefix("fast-plate-ocr:"))
    if spec.startswith("onnx:"):
        from mdlp_bench.readers.onnx_ctc import load_onnx

        return load_onnx(Path(spec.removeprefix("onnx:")))
    if spec.endswith(TRAINED):
        from mdlp_bench.readers.trained import load_trained

        return load_trained(Path(spec))
    return _from_file(spec)


def load_readers(specs: Iterable[str]) -> list[Reader]:
    """`load_reader` of each."""
    return [load_reader(spec) for spec in specs]


def _from_file(spec: str) -> Reader:
    path, attribute = file_and_name(spec)
    target = load_from_file(spec, ReaderError)
    return _as_reader(target, f"{path.stem}:{attribute}", attribute, sha256_file(path)[:12])


def _as_reader(target: object, name: str, title: str, version: str) -> Reader:
    """A Reader, its class or a function on crops as a Reader."""
    if isinstance(target, Reader):
        return target
    if isinstance(target, type) and issubclass(target, Reader):
        return target()
    if not callable(target):
        raise ReaderError(f"{name}: is a {type(target).__name__}, not a function or Reader")
    descriptor = ReaderDescriptor(
        name=name, title=title, version=version, weights_sha256=None, licence="unknown", grammars=()
    )
    return FunctionReader(cast(ReadFunction, target), descriptor)
