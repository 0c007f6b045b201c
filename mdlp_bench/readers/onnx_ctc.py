"""A CTC text recogniser stored as ONNX, run through onnxruntime on whole plate crops."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from mdlp_bench.errors import DataError, MissingDependencyError, ReaderError, checked, reason
from mdlp_bench.files import read_json, sha256_file
from mdlp_bench.frozen import Frozen
from mdlp_bench.images import ImageU8
from mdlp_bench.plate import CHINESE, grammars, normalise
from mdlp_bench.readers.base import Reader, ReaderDescriptor, Reading
from mdlp_bench.readers.ctc import greedy, softmax


class CtcConfig(Frozen):
    """What a CTC network wants to see and what its classes mean.

    Attributes:
        characters: The character of each class, the blank left out. A class that is not one character of its
            grammars' plates (after normalisation and `fold`) is read and then dropped: a separator, say.
        blank: Index of the blank class.
        height: Input height in pixels.
        width: Every crop is stretched to this width; None keeps its own aspect ratio.
        pad_to: Zero columns (after normalisation: grey) are added on the right up to this width.
        multiple_of: Widths are rounded up to a multiple of this, by padding.
        channels: Order of the input channels; `grey` gives one.
        mean: Subtracted from values in [0, 1], one number per channel.
        std: Divided by afterwards.
        output: Whether the network ends in a softmax.
        time_first: The output is [T, B, C] instead of [B, T, C].
        fold: Characters that are read as others; the `O` of a general recogniser is a `0` on a plate.
        batch_size: Largest number of crops per call; larger batches do not fit into the cache of a CPU.
        believed_from: See `ReaderDescriptor`.
        grammars: Names of the plate grammars that it reads (see `mdlp_bench.plate.grammars`). By default the
            Chinese one if it has all characters of that, else every one of which it has all characters; if
            there is none, it keeps the characters of every grammar.
    """

    characters: tuple[str, ...] = Field(min_length=1)
    blank: int = Field(default=0, ge=0)
    height: int = Field(default=32, gt=0)
    width: int | None = Field(default=None, gt=0)
    pad_to: int | None = Field(default=None, gt=0)
    multiple_of: int = Field(default=1, gt=0)
    channels: Literal["rgb", "bgr", "grey"] = "rgb"
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    std: tuple[float, ...] = (0.5, 0.5, 0.5)
    output: Literal["probabilities", "logits"] = "probabilities"
    time_first: bool = False
    fold: dict[str, str] = Field(default_factory=dict)
    batch_size: int = Field(default=4, gt=0)
    believed_from: float | None = Field(default=None, ge=0, le=1)
    grammars: tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> CtcConfig:
        wanted = 1 if self.channels == "grey" else 3
        if len(self.mean) != wanted or len(self.std) != wanted:
            raise ValueError(f"mean and std need {wanted} number(s) for channels={self.channels!r}")
        if min(self.std) <= 0:
            raise ValueError("std must be positive")
        if self.blank > len(self.characters):
            raise ValueError(f"blank {self.blank} is beyond the {len(self.characters) + 1} classes")
        if unknown := [name for name in self.grammars or () if name not in grammars()]:
            raise ValueError(f"there is no grammar {unknown[0]!r}; choose from {', '.join(grammars())}")
        return self


class OnnxCtcReader(Reader):
    """Reads plates with any ONNX network that maps [B, channels, H, W] to per-step class scores.

    Crops are grouped by their width after resizing, so that no crop's reading depends on what else is read
    with it, and one call of the network serves many. Runs on one CPU thread (`OMP_NUM_THREADS` raises that).
    """

    def __init__(self, model: Path, config: CtcConfig, descriptor: ReaderDescriptor) -> None:
        """Load the network.

        Args:
            model: The ONNX file.
            config: Its input and its classes.
            descriptor: What runs say about it; `weights_sha256` is filled in from the file, `believed_from`
                from the configuration.

        Raises:
            MissingDependencyError: onnxruntime is not installed.
            ReaderError: The file cannot be loaded, or does not have exactly one input.
        """
        self.config = config
        self.session = open_session(model)
        inputs = self.session.get_inputs()
        if len(inputs) != 1:
            raise ReaderError(f"{model}: has {len(inputs)} inputs; a text recogniser has one, the image")
        self._model, self._input = model, inputs[0].name
        plain = [normalise(config.fold.get(character, character)) for character in config.characters]
        read = _grammars_read(plain) if config.grammars is None else config.grammars
        self.descriptor = descriptor.model_copy(
            update={
                "weights_sha256": sha256_file(model),
                "believed_from": config.believed_from,
                "grammars": read,
            }
        )
        kept = frozenset[str]().union(*(grammars()[name].characters for name in read or grammars()))
        # Class index -> plate character, or "" for what is dropped.
        classes = [character if character in kept else "" for character in plain]
        classes.insert(config.blank, "")
        self._classes = classes

    def read(self, images: Sequence[ImageU8]) -> list[Reading]:
        """Read plate crops (see `Reader.read`).

        Raises:
            ReaderError: The network fails or its output does not fit the configuration.
        """
        prepared = [self._prepare(image) for image in images]
        buckets: dict[int, list[int]] = {}
        for index, array in enumerate(prepared):
            buckets.setdefault(array.shape[2], []).append(index)
        readings: dict[int, Reading] = {}
        for members in buckets.values():
            for start in range(0, len(members), self.config.batch_size):
                chunk = members[start : start + self.config.batch_size]
                scores = self._run(np.stack([prepared[index] for index in chunk]))
                readings |= {index: self._decode(row) for index, row in zip(chunk, scores, strict=True)}
        return [readings[index] for index in range(len(prepared))]

    def _prepare(self, image: ImageU8) -> npt.NDArray[np.float32]:
        """One crop as float32 [channels, H, W]."""
        config = self.config
        height, width = image.shape[:2]
        target = config.width or max(1, round(config.height * width / height))
        shrinks = height > config.height and width > target
        interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        resized = cv2.resize(image, (target, config.height), interpolation=interpolation)
        if config.channels == "grey":
            resized = cv2.cvtColor(resized, cv2.COLOR_RGB2GRAY)[..., None]
        elif config.channels == "bgr":
            resized = resized[..., ::-1]
        scaled = (resized.astype(np.float32) / 255 - np.array(config.mean, np.float32)) / np.array(
            config.std, np.float32
        )
        padded = -(-max(target, config.pad_to or 0) // config.multiple_of) * config.multiple_of
        array = np.zeros((scaled.shape[2], config.height, padded), np.float32)
        array[:, :, :target] = scaled.transpose(2, 0, 1)
        return array

    def _run(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Class scores [B, T, C] of a batch [B, channels, H, W]."""
        try:
            scores = np.asarray(self.session.run(None, {self._input: batch})[0])
        except Exception as error:  # onnxruntime's exceptions share no public base class
            raise ReaderError(
                f"{self._model}: fails on input {list(batch.shape)}: {reason(error)[:200]}"
            ) from error
        if self.config.time_first and scores.ndim == 3:
            scores = scores.swapaxes(0, 1)
        if scores.ndim != 3 or scores.shape[0] != len(batch) or scores.shape[2] != len(self._classes):
            raise ReaderError(
                f"{self._model}: gives {list(scores.shape)} for {len(batch)} crops, "
                f"expected [{len(batch)}, T, {len(self._classes)}]; check `characters` and `time_first`"
            )
        return scores

    def _decode(self, scores: npt.NDArray[np.float32]) -> Reading:
        probabilities = softmax(scores) if self.config.output == "logits" else scores
        indices, confidences = greedy(probabilities, self.config.blank)
        kept = [(self._classes[i], c) for i, c in zip(indices, confidences, strict=True) if self._classes[i]]
        return Reading("".join(c for c, _ in kept), tuple(min(max(p, 0.0), 1.0) for _, p in kept))


def _grammars_read(characters: Collection[str]) -> tuple[str, ...]:
    """The grammars whose plates a network of these characters can write (see `CtcConfig`)."""
    whole = tuple(name for name, grammar in grammars().items() if grammar.characters <= set(characters))
    return (CHINESE.name,) if CHINESE.name in whole else whole


def open_session(model: Path) -> Any:
    """An onnxruntime session on one CPU thread.

    Raises:
        MissingDependencyError: onnxruntime is not installed.
        ReaderError: The file is missing or no ONNX network.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingDependencyError(
            "this reader needs onnxruntime; install it with: pip install 'mdlp-bench[readers]'"
        ) from error
    if not model.is_file():
        raise ReaderError(f"{model}: no such file")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = _threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # as above: no public base class
        raise ReaderError(f"{model}: not a readable ONNX network ({reason(error)[:160]})") from error


def load_onnx(model: Path) -> OnnxCtcReader:
    """A user's recogniser: `model.onnx` with its `CtcConfig` as JSON beside it (`model.json`).

    The characters may be left out of the JSON when the network carries them, one per line, in its metadata
    under `character`, as PaddleOCR exports do.

    Raises:
        ReaderError: The network or its configuration is missing or invalid; names the field.
        MissingDependencyError: onnxruntime is not installed.
    """
    if not model.is_file():
        raise ReaderError(f"{model}: no such file")
    sidecar = model.with_suffix(".json")
    if not sidecar.is_file():
        raise ReaderError(
            f"{sidecar}: missing; describe the network there, e.g. "
            '{"characters": ["京", "A", "0"], "height": 32, "width": 128, "channels": "rgb"}'
        )
    try:
        fields = read_json(sidecar)
    except DataError as error:
        raise ReaderError(str(error)) from error
    if isinstance(fields, dict) and "characters" not in fields:
        stored = metadata_characters(model)
        if stored:
            fields["characters"] = stored
    config = checked(CtcConfig, fields, str(sidecar), ReaderError, whole="configuration")
    descriptor = ReaderDescriptor(
        name=f"onnx-{model.stem}", title=model.stem, version="1", weights_sha256=None, licence="unknown"
    )
    return OnnxCtcReader(model, config, descriptor)


def metadata_characters(model: Path) -> list[str]:
    """The characters in the metadata of a PaddleOCR export, one per line there; empty without them."""
    stored = open_session(model).get_modelmeta().custom_metadata_map.get("character", "")
    return list(stored.splitlines())


def _threads() -> int:
    value = os.environ.get("OMP_NUM_THREADS", "")
    return int(value) if value.isdigit() and int(value) > 0 else 1
