"""What each metric is: its name, direction, range and source, for tables, statistics and failed samples.

`metric` makes a user's own metric; it is known once it, or a run that has it, is loaded.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from mdlp_bench.errors import ProtocolError, debug_hint, no_such, raised
from mdlp_bench.files import sha256_file
from mdlp_bench.userfiles import Registry

Level = Literal["sample", "set"]


@dataclass(frozen=True, slots=True)
class MetricInfo:
    """One metric.

    Attributes:
        name: Column name.
        title: Name in tables.
        higher_is_better: Direction of the ranking.
        worst: The value of a failed sample, so that failing never improves a column: the bound of the metric,
            or without one a value that no usable output reaches. None for metrics of sets and costs.
        best: The value of a perfect output; None where there is none.
        unit: Unit, or an empty string.
        decimals: Digits after the decimal point in tables.
        level: `sample` (one value per image, averaged) or `set` (one value per test set).
        source: Paper or definition.
        is_share: Whether its values are shares of something, within [0, 1].
        is_binary: Whether the value of one output is 0 or 1, so that a mean counts events.
    """

    name: str
    title: str
    higher_is_better: bool
    worst: float | None
    best: float | None
    unit: str
    decimals: int
    level: Level
    source: str
    is_share: bool = False
    is_binary: bool = False

    @property
    def bounds(self) -> tuple[float, float]:
        """The lowest and the highest mean; infinite where there is no bound."""
        if self.is_share:
            return 0.0, 1.0
        low, high = (self.worst, self.best) if self.higher_is_better else (self.best, self.worst)
        return -inf if low is None else low, inf if high is None else high


_WANG = "Wang et al., IEEE TIP 13(4), 2004"
_ZHANG = "Zhang et al., CVPR 2018, version 0.1"
_HEUSEL = "Heusel et al., NeurIPS 2017"
_BINKOWSKI = "Binkowski et al., ICLR 2018"
_ECC = "after ECC registration (Evangelidis and Psarakis, IEEE TPAMI 30(10), 2008)"
_EDIT = "Levenshtein distance"
_RISK = "share of wrong readings by coverage, ordered by the lowest character confidence"
_AURC = "Geifman et al., ICLR 2019, area under the risk-coverage curve; confidence"


def _of_sample(
    name: str,
    title: str,
    worst: float,
    best: float,
    source: str,
    *,
    unit: str = "",
    decimals: int = 3,
    is_share: bool = False,
    is_binary: bool = False,
) -> MetricInfo:
    higher = best > worst
    return MetricInfo(name, title, higher, worst, best, unit, decimals, "sample", source, is_share, is_binary)


def _part_wrong(name: str, title: str, source: str) -> MetricInfo:
    return _of_sample(name, title, 1.0, 0.0, source, is_share=True)


def _share_right(name: str, title: str, source: str) -> MetricInfo:
    return _of_sample(name, title, 0.0, 1.0, source, is_share=True, is_binary=True)


def _share_wrong(name: str, title: str, source: str) -> MetricInfo:
    return _of_sample(name, title, 1.0, 0.0, source, is_share=True, is_binary=True)


def _of_set(name: str, title: str, source: str, *, decimals: int = 3, is_share: bool = False) -> MetricInfo:
    return MetricInfo(name, title, False, None, 0.0, "", decimals, "set", source, is_share)


def _cost(name: str, title: str, unit: str, decimals: int, source: str) -> MetricInfo:
    return MetricInfo(name, title, False, None, None, unit, decimals, "set", source)


_ALL: Final = (
    _of_sample("psnr", "PSNR", 0.0, 100.0, "10 log10(255^2 / MSE), capped", unit="dB", decimals=2),
    _of_sample("ssim", "SSIM", -1.0, 1.0, _WANG),
    _of_sample("psnr_aligned", "PSNR (aligned)", 0.0, 100.0, f"PSNR {_ECC}", unit="dB", decimals=2),
    _of_sample("ssim_aligned", "SSIM (aligned)", -1.0, 1.0, f"SSIM {_ECC}"),
    _share_right("registered", "Registered", "share of outputs that could be aligned"),
    _of_sample("lpips", "LPIPS", 1.0, 0.0, f"{_ZHANG}, AlexNet"),
    _of_sample("lpips_squeeze", "LPIPS (squeeze)", 1.0, 0.0, f"{_ZHANG}, SqueezeNet 1.1"),
    _of_sample("lpips_vgg", "LPIPS (vgg)", 1.0, 0.0, f"{_ZHANG}, VGG-16"),
    _of_set("fid", "FID", f"{_HEUSEL}; torchvision's Inception v3", decimals=1),
    _of_set("kid", "KID", f"{_BINKOWSKI}; torchvision's Inception v3", decimals=4),
    _of_set("frd", "FRD", "Fréchet distance of the reader's features", decimals=2),
    _of_set("krd", "KRD", "kernel distance of the reader's features", decimals=4),
    _part_wrong("ned", "NED", f"{_EDIT} / length of the longer text"),
    _part_wrong("ned_gt", "NED (gt)", f"{_EDIT} / length of ground truth, <= 1"),
    _share_right("acc", "ACC", "share of plates read without error"),
    _of_sample("cer", "CER", 2.0, 0.0, f"{_EDIT} / length of ground truth"),
    _share_right("within_1", "≥ n-1 right", f"{_EDIT} <= 1"),
    _share_right("within_2", "≥ n-2 right", f"{_EDIT} <= 2"),
    _part_wrong("ned_alnum", "NED (A-Z 0-9)", "NED without the region sign"),
    _part_wrong("ned_gt_alnum", "NED (gt, A-Z 0-9)", "NED (gt) without the region sign"),
    _share_right("acc_alnum", "ACC (A-Z 0-9)", "ACC without the region sign"),
    _of_sample("cer_alnum", "CER (A-Z 0-9)", 2.0, 0.0, "CER without the region sign"),
    _share_right("within_1_alnum", "≥ n-1 right (A-Z 0-9)", f"{_EDIT} <= 1 without the region sign"),
    _share_right("within_2_alnum", "≥ n-2 right (A-Z 0-9)", f"{_EDIT} <= 2 without the region sign"),
    _share_wrong("hallucination", "Hallucination", "confident, valid and wrong readings"),
    _share_right(
        "seed_agreement",
        "Same text",
        "share of samples in which the outputs of all seeds are read as one text",
    ),
    _part_wrong(
        "invented",
        "Not in the frames",
        "share of characters read that are wrong and that the same reader reads in no frame",
    ),
    _share_wrong(
        "wrong_if_believed",
        "P(wrong | believed)",
        "share of wrong readings among those of at least the reader's confidence threshold",
    ),
    _of_set("risk_100", "Wrong at 100 %", f"{_RISK}, all readings", is_share=True),
    _of_set("risk_50", "Wrong at 50 %", f"{_RISK}, the surest half", is_share=True),
    _of_set("risk_20", "Wrong at 20 %", f"{_RISK}, the surest fifth", is_share=True),
    _of_set("aurc", "AURC", f"{_AURC}, lowest character", is_share=True),
    _of_set("aurc_mean", "AURC (mean)", f"{_AURC}, mean of the characters", is_share=True),
    _of_set("ece", "ECE", "Guo et al., ICML 2017, eq. 3, 15 bins", is_share=True),
    MetricInfo(
        "confidence_gap", "Confidence gap", True, None, 1.0, "", 3, "set",
        "ICPR 2026 LRLPR: mean right - mean wrong",
    ),
    _cost("parameters", "Parameters", "M", 2, "weights of the method"),
    _cost("macs", "MACs", "G", 2, "multiply-accumulates per image"),
    _cost("ms_per_image", "Time", "ms", 1, "median, one image per call"),
    _cost("peak_memory", "Memory", "MB", 0, "peak of the first call"),
)  # fmt: skip

_METRICS: Final = {info.name: info for info in _ALL}

METRICS: Final[Mapping[str, MetricInfo]] = MappingProxyType(_METRICS)
"""Every metric by name, in the order of tables; those of users come last."""

ENTRY_POINT_GROUP: Final = "mdlp_bench.metrics"
_OWN: Final = frozenset(_METRICS)
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")

ImageFunction = Callable[[npt.NDArray[np.uint8], npt.NDArray[np.uint8]], npt.ArrayLike]
"""Restored images and ground truths, uint8 RGB [B, 112, 224, 3] each, to B scores."""


@dataclass(frozen=True)
class UserMetric:
    """A user's own metric (see `metric`).

    Attributes:
        info: Its description.
        function: Computes it.
        sha256: Of the file that the function stands in; an empty string where there is none.
    """

    info: MetricInfo
    function: ImageFunction
    sha256: str

    def __call__(self, restored: npt.NDArray[np.uint8], gt: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        """The scores, float64 [B].

        Raises:
            ProtocolError: The function raised something, or did not return one finite number per image.
        """
        name = self.info.name
        try:
            scores = np.asarray(self.function(restored, gt), np.float64)
        except Exception as error:
            raise ProtocolError(f"metric {name}: {raised(error)}{debug_hint()}") from error
        if scores.shape != (len(restored),):
            raise ProtocolError(
                f"metric {name}: returned shape {list(scores.shape)}, must be [{len(restored)}]"
            )
        if not np.isfinite(scores).all():
            raise ProtocolError(f"metric {name}: returned values that are not finite")
        return scores


def metric(
    *,
    higher_is_better: bool,
    worst: float,
    name: str | None = None,
    title: str | None = None,
    best: float | None = None,
    unit: str = "",
    decimals: int = 3,
    source: str = "user's own",
) -> Callable[[ImageFunction], UserMetric]:
    """Make a function on restored images and ground truths a metric, with a column in tables.

    Args:
        higher_is_better: Direction.
        worst: The value of a failed sample: the bound, or a value that no usable output reaches.
        name: Column name (lower case letters, digits, `_`); default the function's name.
        title: Heading in tables; default `name`.
        best: The value of a perfect output, where there is one.
        unit: Unit, e.g. `dB`.
        decimals: Digits after the decimal point in tables.
        source: Paper or definition.

    Returns:
        A decorator for `f(restored, gt)`, both uint8 RGB [B, 112, 224, 3], that gives B numbers.

    Raises:
        ProtocolError: The name is not allowed or taken.

    Example:
        >>> import mdlp_bench as mb
        >>> @mb.metric(higher_is_better=False, worst=255.0, best=0.0, title="MAE", decimals=1)
        ... def mae(restored, gt):
        ...     return abs(restored.astype(float) - gt).mean(axis=(1, 2, 3))
        >>> data = mb.open("DATA", split="test")
        >>> comparison = mb.bench(["bicubic", "lanczos"], data, "out", lpips="none", metrics=[mae])
        >>> comparison.table.columns[-1].heading
        'MAE ↓'
    """

    def decorate(function: ImageFunction) -> UserMetric:
        own = name or function.__name__
        if not _NAME.fullmatch(own):
            raise ProtocolError(f"metric {own!r}: a name has lower case letters, digits and _ only")
        info = MetricInfo(own, title or own, higher_is_better, worst, best, unit, decimals, "sample", source)
        register_metric(info)
        file = inspect.getsourcefile(function)
        return UserMetric(info, function, sha256_file(Path(file)) if file and Path(file).is_file() else "")

    return decorate


def lpips_column(net: str) -> str:
    """The column of LPIPS with a net: `lpips` with AlexNet, else `lpips_<net>`."""
    return "lpips" if net == "alex" else f"lpips_{net}"


def load_metric(spec: str) -> UserMetric:
    """Load a user's own metric.

    Args:
        spec: A name that another package registers, or `path/to/file.py:NAME`.

    Raises:
        ProtocolError: There is none, or it is not made by `metric`.
    """
    known: Registry[UserMetric] = Registry("metric", ENTRY_POINT_GROUP, {}, UserMetric, ProtocolError)
    if spec not in known:
        raise no_such("metric", spec, known, ProtocolError, hint=", or give file.py:NAME")
    return known[spec]


def register_metric(info: MetricInfo) -> None:
    """Make a metric known to tables and statistics.

    Raises:
        ProtocolError: Another one has this name.
    """
    if info.name in _OWN and _METRICS[info.name] != info:
        raise ProtocolError(f"metric {info.name!r}: this name is taken; choose another")
    _METRICS[info.name] = info
