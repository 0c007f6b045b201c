"""What each metric is: its name, direction, range and source, for tables, statistics and failed samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

Level = Literal["sample", "set"]


@dataclass(frozen=True, slots=True)
class MetricInfo:
    """One metric.

    Attributes:
        name: Column name.
        title: Name in tables.
        higher_is_better: Direction of the ranking.
        worst: What a failed sample gets, so that failing never improves a column: the bound of the metric
            where it has one, else a value that no usable output reaches. None for metrics of sets and costs.
        best: The value of a perfect output; None where there is none.
        unit: Unit, or an empty string.
        decimals: Digits behind the point in tables.
        level: `sample` (one value an image, averaged) or `set` (one value a test set).
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

METRICS: Final[Mapping[str, MetricInfo]] = MappingProxyType(
    {
        "psnr": MetricInfo(
            "psnr", "PSNR", True, 0.0, 100.0, "dB", 2, "sample", "10 log10(255^2 / MSE), capped"
        ),
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
        "fid": MetricInfo(
            "fid", "FID", False, None, 0.0, "", 1, "set", f"{_HEUSEL}; torchvision's Inception v3"
        ),
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
            f"{_EDIT} / length of truth, <= 1",
            is_share=True,
        ),
        "acc": MetricInfo(
            "acc", "ACC", True, 0.0, 1.0, "", 3, "sample", "share of plates read without error", is_share=True
        ),
        "cer": MetricInfo("cer", "CER", False, 2.0, 0.0, "", 3, "sample", f"{_EDIT} / length of truth"),
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
            "NED of A-Z and 0-9",
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
            "NED (gt) of A-Z and 0-9",
            is_share=True,
        ),
        "acc_alnum": MetricInfo(
            "acc_alnum", "ACC (A-Z 0-9)", True, 0.0, 1.0, "", 3, "sample", "ACC of A-Z and 0-9", is_share=True
        ),
        "cer_alnum": MetricInfo(
            "cer_alnum", "CER (A-Z 0-9)", False, 2.0, 0.0, "", 3, "sample", "CER of A-Z and 0-9"
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
            f"{_EDIT} <= 1 of A-Z and 0-9",
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
            f"{_EDIT} <= 2 of A-Z and 0-9",
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
        "ece": MetricInfo(
            "ece", "ECE", False, None, 0.0, "", 3, "set", "Guo et al., ICML 2017, eq. 3, 15 bins"
        ),
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
)
"""Every metric by name, in the order of tables."""
