"""What a restored image is worth: fidelity, perception, distribution, text and cost.

The functions take numpy arrays or torch tensors and give one score per sample under the protocol's rules; the
classes are the same numbers for a training loop (they need the extra `torchmetrics`).

    import mdlp_bench as mb

    mb.metrics.psnr(restored, gt)                    # uint8 [B, H, W, 3] or [B, 3, H, W] -> float64 [B]
    mb.metrics.lpips(restored, gt, data_range=(-1, 1))      # float images say their range
    mb.metrics.ned(["京P20S76"], ["京P20S75"])
    mb.metrics.PSNR()                                # update, compute, reset

Names are imported when first used.
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
