"""Scores of restored images: fidelity, perception, distribution, text and cost.

The functions take numpy arrays or torch tensors and give one score per sample under the protocol's rules; the
classes give the same numbers in a training loop (they need the extra `torchmetrics`).

Names are imported when first used.

Example:
    >>> import numpy as np, mdlp_bench as mb
    >>> gt = np.zeros((2, 3, 112, 224), np.float32)
    >>> mb.metrics.psnr(gt + 1 / 255, gt, data_range=(0, 1)).round(2)
    array([48.13, 48.13])
    >>> mb.metrics.accuracy(["京P20S76"], ["京P20S75"])
    array([0.])
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mdlp_bench.metrics.base import METRICS, MetricInfo
    from mdlp_bench.metrics.classes import (
        CER,
        FID,
        FRD,
        KID,
        KRD,
        LPIPS,
        NED,
        PSNR,
        SSIM,
        Accuracy,
        AlignedPSNR,
        AlignedSSIM,
    )
    from mdlp_bench.metrics.functional import (
        accuracy,
        cer,
        lpips,
        ned,
        psnr,
        psnr_aligned,
        ssim,
        ssim_aligned,
        within,
    )
    from mdlp_bench.metrics.protocol import to_working_size

__all__ = [
    "CER",
    "FID",
    "FRD",
    "KID",
    "KRD",
    "LPIPS",
    "METRICS",
    "NED",
    "PSNR",
    "SSIM",
    "Accuracy",
    "AlignedPSNR",
    "AlignedSSIM",
    "MetricInfo",
    "accuracy",
    "cer",
    "lpips",
    "ned",
    "psnr",
    "psnr_aligned",
    "ssim",
    "ssim_aligned",
    "to_working_size",
    "within",
]

_ELSEWHERE = {"METRICS": "base", "MetricInfo": "base", "to_working_size": "protocol"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _ELSEWHERE.get(name, "classes" if name[0].isupper() else "functional")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return __all__
