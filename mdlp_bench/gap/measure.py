"""Measure the samples of one set: statistics, features and pictures, one row per sample."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from mdlp_bench.data.plate_split import unit_hash
from mdlp_bench.data.samples import Samples
from mdlp_bench.engine import SERIAL, Engine
from mdlp_bench.errors import DataError
from mdlp_bench.harness.statistics.clusters import FloatArray
from mdlp_bench.images import ImageU8
from mdlp_bench.metrics.protocol import to_working_size
from mdlp_bench.metrics.text import ned
from mdlp_bench.plate import is_unreadable
from mdlp_bench.quality import camera
from mdlp_bench.quality.statistics import frame_statistics, luminance
from mdlp_bench.schema import Sample

if TYPE_CHECKING:
    from mdlp_bench.metrics.inception import InceptionFeatures
    from mdlp_bench.readers.base import Reader

FRAMES: Final = 3
"""How many frames of a sample are measured: the first ones, as in the protocol."""

READER: Final = "reader"
STATISTICS: Final = "statistics"

_CHUNK: Final = 32


@dataclass(frozen=True, slots=True)
class StatisticInfo:
    """A statistic of a sample: its name, title, unit and meaning."""

    name: str
    title: str
    unit: str
    meaning: str


STATISTICS_OF_FRAMES: Final = (
    StatisticInfo("width", "width", "px", "of the stored frame"),
    StatisticInfo("height", "height", "px", "of the stored frame"),
    StatisticInfo("effective_resolution", "effective resolution", "columns", "columns that carry detail"),
    StatisticInfo("sharpness", "sharpness", "grey levels/px", "mean gradient: blur lowers it"),
    StatisticInfo(
        "blur_horizontal", "blur direction, horizontal", "", "1: detail lost along rows, -1: columns"
    ),
    StatisticInfo("blur_diagonal", "blur direction, diagonal", "", "1: lost along \\, -1: along /"),
    StatisticInfo("detail_x", "detail along x", "of 1", "power at 0.1-0.25 cycles/px along rows"),
    StatisticInfo("detail_y", "detail along y", "of 1", "power at 0.1-0.25 cycles/px along columns"),
    StatisticInfo("noise_sigma", "noise level", "grey levels", "Immerkaer's estimate"),
    StatisticInfo("noise_correlation", "noise correlation", "", "of neighbouring pixels; 0 is white noise"),
    StatisticInfo("noise_channels", "noise across channels", "", "correlation; 0 independent, 1 grey"),
    StatisticInfo("blockiness", "blockiness", "", "steps at the JPEG grid over steps elsewhere"),
    StatisticInfo("jpeg_quality", "JPEG quality", "of 100", "whose steps the pixels sit on; 100: of none"),
    StatisticInfo("contrast", "contrast", "of 1", "standard deviation of luma"),
    StatisticInfo("brightness", "brightness", "of 1", "mean luma"),
    StatisticInfo("colourfulness", "colourfulness", "of 1", "largest minus smallest channel"),
    StatisticInfo("warmth", "warmth", "of 1", "red minus blue"),
    StatisticInfo("spectrum_slope", "spectrum slope", "", "exponent of the power spectrum"),
    StatisticInfo("growth", "growth", "ratio", "width of a frame over that of the one before"),
    StatisticInfo("shift", "shift", "plate widths", "displacement between consecutive frames"),
    StatisticInfo("change", "change", "", "1 - correlation of consecutive frames, laid over one another"),
    StatisticInfo("flicker", "flicker", "grey levels", "of consecutive frames, motion and light taken out"),
    StatisticInfo("reader_ned", "reader NED", "of 1", "edit distance of the reading of a frame"),
)
"""Means over the sample's frames; `growth` to `flicker` compare consecutive frames."""

NAMES: Final = tuple(info.name for info in STATISTICS_OF_FRAMES)
INFO: Final = {info.name: info for info in STATISTICS_OF_FRAMES}


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """One set, sample by sample.

    Attributes:
        name: The set's name.
        sample_ids: n of them.
        plate_ids: The plate of each.
        values: float64 [n] by statistic; NaN where a sample has none (one frame, no text).
        features: [n, D] by the name of what made them; `reader` sees the last frame.
        images: uint8 [n, 112, 224, 3], the last frame of each sample at the working size.
    """

    name: str
    sample_ids: tuple[str, ...]
    plate_ids: tuple[str, ...]
    values: Mapping[str, FloatArray]
    features: Mapping[str, npt.NDArray[np.float32]]
    images: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.sample_ids)

    @property
    def n_plates(self) -> int:
        """Plates."""
        return len(set(self.plate_ids))


def measure(
    samples: Samples,
    name: str,
    reader: Reader | None,
    *,
    limit: int | None = None,
    seed: int = 0,
    inception: InceptionFeatures | None = None,
    engine: Engine = SERIAL,
) -> Measured:
    """Measure a set.

    Args:
        samples: Samples with frames.
        name: The set's name.
        reader: Reads the frames for `reader_ned` and gives features; None leaves both out.
        limit: About how many samples at most: whole plates, chosen by a hash of their ids, so that two sets
            that share plates keep the same ones.
        seed: Seed of that choice.
        inception: Gives Inception's features too; None leaves them out.
        engine: Where frames are decoded and measured.

    Raises:
        DataError: There are no samples, or one has no frames or one that is too small.
    """
    chosen = choose_plates(samples, limit, seed)
    rows = list(engine.map(_measured, chosen, chunk=_CHUNK))
    return _assembled(rows, name, reader, inception)


def choose_plates(samples: Samples, limit: int | None, seed: int) -> Samples:
    """Whole plates in the order of their hashes until `limit` samples are reached; at least one plate.

    These are not the hashes of `splits_of`, by which the first plates would all be in one part.
    """
    if limit is None or len(samples) <= limit:
        return samples
    of_plate: dict[str, list[str]] = {}
    for sample_id, plate_id in zip(samples.sample_ids, samples.column("plate_id"), strict=True):
        of_plate.setdefault(plate_id, []).append(sample_id)
    kept: list[str] = []
    for plate in sorted(of_plate, key=lambda plate: unit_hash(f"chosen/{plate}", seed)):
        if kept and len(kept) + len(of_plate[plate]) > limit:
            break
        kept += of_plate[plate]
    return samples.select(sample_ids=kept)


def statistics_of(frames: Sequence[ImageU8]) -> dict[str, float]:
    """All statistics of a sample's frames that need no reader; a single frame has none of the temporal ones.

    NaN stands for what no frame tells (see `camera.jpeg_quality`).

    Raises:
        DataError: A frame is smaller than 6 pixels in a direction.
    """
    rows = [_frame_values(frame) for frame in frames]
    values = {name: _mean_of_known([row[name] for row in rows]) for name in rows[0]}
    temporal = camera.temporal_statistics(frames)
    if temporal is not None:
        values |= {name: getattr(temporal, name) for name in camera.TEMPORAL_NAMES}
    return values


@dataclass(frozen=True, slots=True)
class _Row:
    sample_id: str
    plate_id: str
    text: str | None
    values: dict[str, float]
    working: list[ImageU8]


def _frame_values(frame: ImageU8) -> dict[str, float]:
    own, colour = frame_statistics(frame), camera.colour_statistics(frame)
    luma = luminance(frame)
    horizontal, diagonal = camera.detail_direction(luma)
    detail_x, detail_y = camera.detail_along(luma)
    neighbours, channels = camera.noise_correlation(frame)
    quality = camera.jpeg_quality(frame)
    values = {name: float(getattr(own, name)) for name in NAMES if hasattr(own, name)}
    values |= {name: getattr(colour, name) for name in camera.COLOUR_NAMES}
    return values | {
        "blur_horizontal": horizontal,
        "blur_diagonal": diagonal,
        "detail_x": detail_x,
        "detail_y": detail_y,
        "noise_correlation": neighbours,
        "noise_channels": channels,
        "jpeg_quality": math.nan if quality is None else quality,
    }


def _mean_of_known(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return float(np.mean(known)) if known else math.nan


def _assembled(
    rows: Sequence[_Row], name: str, reader: Reader | None, inception: InceptionFeatures | None
) -> Measured:
    if not rows:
        raise DataError(f"{name}: no samples to measure")
    frames = [row.working for row in rows]
    features: dict[str, npt.NDArray[np.float32]] = {}
    values = {key: np.array([row.values.get(key, np.nan) for row in rows], np.float64) for key in NAMES}
    last = np.stack([each[-1] for each in frames])
    if reader is not None:
        values["reader_ned"] = _reader_ned(reader, frames, [row.text for row in rows])
        seen = reader.features(list(last))
        if seen is not None:
            features[READER] = seen
    if inception is not None:
        features["inception"] = inception(last)
    return Measured(
        name,
        tuple(row.sample_id for row in rows),
        tuple(row.plate_id for row in rows),
        values,
        features,
        last,
    )


def _measured(sample: Sample) -> _Row:
    name = f"sample {sample.sample_id}"
    if not sample.frames:
        raise DataError(f"{name}: has no frames; degrade its ground truth by a recipe (FOLDER@RECIPE)")
    frames = sample.decode_frames(FRAMES)
    try:
        values = statistics_of(frames)
    except DataError as error:
        raise DataError(f"{name}: {error}") from error
    working = [to_working_size(frame) for frame in frames]
    return _Row(sample.sample_id, sample.plate_id, sample.text, values, working)


def _reader_ned(
    reader: Reader, frames: Sequence[Sequence[ImageU8]], texts: Sequence[str | None]
) -> FloatArray:
    """Mean NED of each sample's frames, NaN where the text is unknown; float64 [n]."""
    found = np.full(len(frames), np.nan)
    known = [index for index, text in enumerate(texts) if text and not is_unreadable(text)]
    read = reader.read([frame for index in known for frame in frames[index]])
    gt_texts = [str(texts[index]) for index in known for _ in frames[index]]
    scores = iter(ned([reading.text for reading in read], gt_texts).tolist())
    for index in known:
        found[index] = np.mean([next(scores) for _ in frames[index]])
    return found
