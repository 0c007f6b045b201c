"""Findings about single samples: the part of an audit that reads pictures."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

from mdlp_bench import plate
from mdlp_bench.curate.audit.findings import AuditConfig
from mdlp_bench.curate.audit.near import Hashes, Signatures, describe
from mdlp_bench.data.problem import Problem
from mdlp_bench.data.samples import Samples
from mdlp_bench.engine import Loaded
from mdlp_bench.errors import DataError
from mdlp_bench.files import sha256_bytes
from mdlp_bench.images import ImageU8, decode, stretched
from mdlp_bench.metrics.protocol import WORKING_SIZE
from mdlp_bench.quality.measures import tenengrad, unsteady
from mdlp_bench.quality.statistics import luminance
from mdlp_bench.readers.base import Reader, Reading
from mdlp_bench.schema import Sample

# Pixels, at the size at which sharpness is compared.
_SMOOTHING = 1.5


@dataclass(frozen=True, slots=True)
class Examined:
    """One sample, reduced to what the comparison of samples needs.

    Attributes:
        sample_id: Its id.
        split: Its split.
        plate_id: Its plate.
        track_id: Its track.
        text: Its text, normalised.
        layout: Its layout.
        n_frames: Number of frames.
        has_gt: Whether it has a ground truth.
        digests: First 64 bits of each image's SHA-256, frames first.
        hashes: Perceptual hashes of its ground truth (without one: of its largest frame), or None.
        signature: See `near.describe`, or None.
        faults: (code, message) of what is wrong with it alone.
    """

    sample_id: str
    split: str
    plate_id: str
    track_id: str
    text: str | None
    layout: str | None
    n_frames: int
    has_gt: bool
    digests: npt.NDArray[np.uint64]
    hashes: Hashes | None
    signature: Signatures | None
    faults: tuple[tuple[str, str], ...]


def examine_ids(
    samples: Samples, config: AuditConfig, readers: Loaded[list[Reader]], sample_ids: Collection[str]
) -> list[Examined | Problem]:
    """Examine these candidates, with a reader if there is one, or say why a sample cannot be loaded."""
    reader = readers.value[0] if readers.value else None
    found = samples.load(sample_ids)
    return [item if isinstance(item, Problem) else examine(item, config, reader) for item in found]


def examine(sample: Sample, config: AuditConfig, reader: Reader | None = None) -> Examined:
    """Look at one sample; a function of its arguments alone."""
    sample_id, n_frames = sample.sample_id, len(sample.frames)
    faults: list[tuple[str, str]] = []
    images: list[ImageU8 | None] = []
    for name, image in sample.named_images():
        try:
            images.append(decode(image.content, name))
        except DataError as error:
            images.append(None)
            faults.append(("broken", str(error)))
        else:
            faults += _size_faults(images[-1], name, config)
    frames = [image for image in images[:n_frames] if image is not None]
    gt = images[-1] if sample.gt is not None else None
    text = plate.normalise(sample.text or "") or None
    faults += _order_faults(sample, frames, gt)
    digests = [int(sha256_bytes(image.content)[:16], 16) for _, image in sample.named_images()]
    if len(set(digests[:n_frames])) < n_frames:
        faults.append(("repeated-frame", f"sample {sample_id}: holds the same frame twice"))
    if gt is not None and digests[-1] in digests[:-1]:
        same = f"the ground truth is frame {digests.index(digests[-1])}, byte for byte"
        faults.append(("gt-worse", f"sample {sample_id}: {same}"))
    layout = sample.layout
    if text and not plate.is_valid(text) and (layout is None or layout in plate.LAYOUTS):
        faults.append(("label-grammar", f"sample {sample_id}: {text!r} is not a plate of any grammar"))
    if reader is not None and text and gt is not None:
        faults += _reading_faults(sample_id, text, gt, frames, reader, config)
    largest = gt if gt is not None else max(frames, key=lambda f: f.shape[0] * f.shape[1], default=None)
    hashes, signature = (None, None) if largest is None else describe(largest)
    return Examined(
        sample_id=sample_id,
        split=sample.split,
        plate_id=sample.plate_id,
        track_id=sample.track_id,
        text=text,
        layout=layout,
        n_frames=n_frames,
        has_gt=sample.gt is not None,
        digests=np.array(digests, np.uint64),
        hashes=hashes,
        signature=signature,
        faults=tuple(faults),
    )


def comparable_sharpness(image: ImageU8) -> float:
    """Tenengrad at the working size after a Gaussian of 1.5 px, so that noise does not pass for detail."""
    luma = stretched(luminance(image), WORKING_SIZE)
    return tenengrad(np.asarray(cv2.GaussianBlur(luma, (0, 0), _SMOOTHING), np.float32))


def _size_faults(image: ImageU8 | None, name: str, config: AuditConfig) -> list[tuple[str, str]]:
    if image is None:
        return []
    height, width = image.shape[:2]
    odd = (
        height < config.min_height
        or max(height, width) > config.max_side
        or not config.min_aspect <= width / height <= config.max_aspect
    )
    return [("extreme-size", f"{name}: {width} x {height} px")] if odd else []


def _order_faults(sample: Sample, frames: Sequence[ImageU8], gt: ImageU8 | None) -> list[tuple[str, str]]:
    name, indices = f"sample {sample.sample_id}", list(sample.frame_indices)
    faults: list[tuple[str, str]] = []
    if any(later <= earlier for earlier, later in pairwise(indices)):
        faults.append(("misordered", f"{name}: frame indices {indices} do not ascend"))
    if (contradiction := unsteady([(frame.shape[1], frame.shape[0]) for frame in frames])) is not None:
        faults.append(("unsteady-size", f"{name}: {contradiction}"))
    if gt is None or not frames:
        return faults
    largest = max(frames, key=lambda frame: frame.shape[0] * frame.shape[1])
    if largest.shape[0] * largest.shape[1] > gt.shape[0] * gt.shape[1]:
        sizes = f"{gt.shape[1]} x {gt.shape[0]} px, a frame {largest.shape[1]} x {largest.shape[0]}"
        faults.append(("gt-worse", f"{name}: the ground truth has {sizes}"))
    sharpest = max(map(comparable_sharpness, frames))
    of_gt = comparable_sharpness(gt)
    if sharpest > of_gt:
        found = f"a frame has sharpness {sharpest:.0f}, the ground truth {of_gt:.0f}"
        faults.append(("misordered", f"{name}: {found}"))
    return faults


def _reading_faults(
    sample_id: str,
    text: str,
    gt: ImageU8,
    frames: Sequence[ImageU8],
    reader: Reader,
    config: AuditConfig,
) -> list[tuple[str, str]]:
    def is_right(reading: Reading) -> bool:
        return plate.normalise(reading.text) == text

    read = reader.read([gt])[0]
    if is_right(read):
        return []
    faults: list[tuple[str, str]] = []
    if read.confidence >= config.reader_confidence:
        message = f"labelled {text}, the ground truth is read as {read.text} ({read.confidence:.2f})"
        faults.append(("label-disagrees", f"sample {sample_id}: {message}"))
    if frames and any(is_right(reading) for reading in reader.read(frames)):
        message = f"a frame is read as {text}, the ground truth as {read.text or 'nothing'}"
        faults.append(("gt-worse", f"sample {sample_id}: {message}"))
    return faults
