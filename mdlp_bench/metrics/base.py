"""What each metric is: its name, direction, range and source, for tables, statistics and failed samples.

`metric` makes a user's own metric; it is known once it, or a run that has it, is loaded.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
        decimals: Digits behind the point in tables.
        level: `sample` (one value per image, averaged) or `set` (one value per test set).
        source: Paper or definition.
        is_share: Whether a sample's value is a share of something, within [0, 1].
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


_WANG = "Wang et al., IEEE TIP 13(4), 2004"
_ZHANG = "Zhang et al., CVPR 2018, version 0.1"
_HEUSEL = "Heusel et al., NeurIPS 2017"
_BINKOWSKI = "Binkowski et al., ICLR 2018"
_ECC = "after ECC registration (Evangelidis and Psarakis, IEEE TPAMI 30(10), 2008)"
_EDIT = "Levenshtein distance"
_RISK = "share of wrong readings by coverage, ordered by the lowest character confidence"
_AURC = "Geifman et al., ICLR 2019, area under the risk-coverage curve; confidence"

_METRICS: Final[dict[str, MetricInfo]] = {
    "psnr": MetricInfo("psnr", "PSNR", True, 0.0, 100.0, "dB", 2, "sample", "10 log10(255^2 / MSE), capped"),
    "ssim": MetricInfo("ssim", "SSIM", True, -1.0, 1.0, "", 3, "sample", _WANG),
    "psnr_aligned": MetricInfo(
        "psnr_aligned", "PSNR (aligned)", True, 0.0, 100.0, "dB", 2, "sample", f"PSNR {_ECC}"
    ),
    "ssim_aligned": MetricInfo(
        "ssim_aligned", "SSIM (aligned)", True, -1.0, 1.0, "", 3, "sample", f"SSIM {_ECC}"
    ),
    "registered": MetricInfo(
        "registered",
        "Registered",
        True,
        0.0,
        1.0,
        "",
        3,
        "sample",
        "share of outputs that could be aligned",
        is_share=True,
    ),
    "lpips": MetricInfo("lpips", "LPIPS", False, 1.0, 0.0, "", 3, "sample", f"{_ZHANG}, AlexNet"),
    "lpips_squeeze": MetricInfo(
        "lpips_squeeze",
        "LPIPS (squeeze)",
        False,
        1.0,
        0.0,
        "",
        3,
        "sample",
        f"{_ZHANG}, SqueezeNet 1.1",
    ),
    "lpips_vgg": MetricInfo(
        "lpips_vgg", "LPIPS (vgg)", False, 1.0, 0.0, "", 3, "sample", f"{_ZHANG}, VGG-16"
    ),
    "fid": MetricInfo("fid", "FID", False, None, 0.0, "", 1, "set", f"{_HEUSEL}; torchvision's Inception v3"),
    "kid": MetricInfo(
        "kid", "KID", False, None, 0.0, "", 4, "set", f"{_BINKOWSKI}; torchvision's Inception v3"
    ),
    "frd": MetricInfo(
        "frd", "FRD", False, None, 0.0, "", 2, "set", "Fréchet distance of the reader's features"
    ),
    "krd": MetricInfo(
        "krd", "KRD", False, None, 0.0, "", 4, "set", "kernel distance of the reader's features"
    ),
    "ned": MetricInfo(
        "ned",
        "NED",
        False,
        1.0,
        0.0,
        "",
        3,
        "sample",
        f"{_EDIT} / length of the longer text",
        is_share=True,
    ),
    "ned_gt": MetricInfo(
        "ned_gt",
        "NED (gt)",
        False,
        1.0,
        0.0,
        "",
        3,
        "sample",
        f"{_EDIT} / length of ground truth, <= 1",
        is_share=True,
    ),
    "acc": MetricInfo(
        "acc", "ACC", True, 0.0, 1.0, "", 3, "sample", "share of plates read without error", is_share=True
    ),
    "cer": MetricInfo("cer", "CER", False, 2.0, 0.0, "", 3, "sample", f"{_EDIT} / length of ground truth"),
    "within_1": MetricInfo(
        "within_1", "≥ n-1 right", True, 0.0, 1.0, "", 3, "sample", f"{_EDIT} <= 1", is_share=True
    ),
    "within_2": MetricInfo(
        "within_2", "≥ n-2 right", True, 0.0, 1.0, "", 3, "sample", f"{_EDIT} <= 2", is_share=True
    ),
    "ned_alnum": MetricInfo(
        "ned_alnum",
        "NED (A-Z 0-9)",
        False,
        1.0,
        0.0,
        "",
        3,
        "sample",
        "NED without the region sign",
        is_share=True,
    ),
    "ned_gt_alnum": MetricInfo(
        "ned_gt_alnum",
        "NED (gt, A-Z 0-9)",
        False,
        1.0,
        0.0,
        "",
        3,
        "sample",
        "NED (gt) without the region sign",
        is_share=True,
    ),
    "acc_alnum": MetricInfo(
        "acc_alnum",
        "ACC (A-Z 0-9)",
        True,
        0.0,
        1.0,
        "",
        3,
        "sample",
        "ACC without the region sign",
        is_share=True,
    ),
    "cer_alnum": MetricInfo(
        "cer_alnum", "CER (A-Z 0-9)", False, 2.0, 0.0, "", 3, "sample", "CER without the region sign"
    ),
    "within_1_alnum": MetricInfo(
        "within_1_alnum",
        "≥ n-1 right (A-Z 0-9)",
        True,
        0.0,
        1.0,
        "",
        3,
        "sample",
        f"{_EDIT} <= 1 without the region sign",
        is_share=True,
    ),
    "within_2_alnum": MetricInfo(
        "within_2_alnum",
        "≥ n-2 right (A-Z 0-9)",
        True,
        0.0,
        1.0,
        "",
        3,
        "sample",
        f"{_EDIT} <= 2 without the region sign",
        is_share=True,
    ),
    "hallucination": MetricInfo(
        "hallucination",
        "Hallucination",
        False,
        1.0,
        0.0,
        "",
        3,
        "sample",
        "confident, valid and wrong readings",
        is_share=True,
    ),
    "seed_agreement": MetricInfo(
        "seed_agreement",
        "Same text",
        True,
        0.0,
        1.0,
        "",
        3,
        "sample",
        "share of samples in which the outputs of all seeds are read as one text",
        is_share=True,
    ),
    "invented": MetricInfo(
        "invented",
        "Not in the frames",
        False,
        1.0,
        0.0,
        "",
        3,
        "sample",
        "share of characters read that are wrong and that the same reader reads in no frame",
        is_share=True,
    ),
    "wrong_if_believed": MetricInfo(
        "wrong_if_believed",
        "P(wrong | believed)",
        False,
        1.0,
        0.0,
        "",
        3,
        "sample",
        "share of wrong readings among those of at least the reader's confidence threshold",
        is_share=True,
    ),
    "risk_100": MetricInfo(
        "risk_100", "Wrong at 100 %", False, None, 0.0, "", 3, "set", f"{_RISK}, all readings"
    ),
    "risk_50": MetricInfo(
        "risk_50", "Wrong at 50 %", False, None, 0.0, "", 3, "set", f"{_RISK}, the surest half"
    ),
    "risk_20": MetricInfo(
        "risk_20", "Wrong at 20 %", False, None, 0.0, "", 3, "set", f"{_RISK}, the surest fifth"
    ),
    "aurc": MetricInfo("aurc", "AURC", False, None, 0.0, "", 3, "set", f"{_AURC}, lowest character"),
    "aurc_mean": MetricInfo(
        "aurc_mean", "AURC (mean)", False, None, 0.0, "", 3, "set", f"{_AURC}, mean of the characters"
    ),
    "ece": MetricInfo("ece", "ECE", False, None, 0.0, "", 3, "set", "Guo et al., ICML 2017, eq. 3, 15 bins"),
    "confidence_gap": MetricInfo(
        "confidence_gap",
        "Confidence gap",
        True,
        None,
        1.0,
        "",
        3,
        "set",
        "ICPR 2026 LRLPR: mean right - mean wrong",
    ),
    "parameters": MetricInfo(
        "parameters", "Parameters", False, None, None, "M", 2, "set", "weights of the method"
    ),
    "macs": MetricInfo("macs", "MACs", False, None, None, "G", 2, "set", "multiply-accumulates an image"),
    "ms_per_image": MetricInfo(
        "ms_per_image", "Time", False, None, None, "ms", 1, "set", "median, one image a call"
    ),
    "peak_memory": MetricInfo(
        "peak_memory", "Memory", False, None, None, "MB", 0, "set", "peak of the first call"
    ),
}

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
        decimals: Digits behind the point in tables.
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
