"""Published numbers on MDLP, on boards of their own: not recomputed, under rules that are not stated.

Source: Gong, Zhang, Feng, Nguyen, Liu, "LP-Diff: Towards Improved Restoration of Real-World Degraded License
Plate", CVPR 2025, the comparison on MDLP's test set and the ablation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SOURCE: Final = (
    "Gong, Zhang, Feng, Nguyen, Liu. LP-Diff: Towards Improved Restoration of Real-World Degraded License "
    "Plate. CVPR 2025, pp. 17831-17840."
)
CAUTION: Final = (
    "As published, not recomputed. The paper states neither the backbone of LPIPS, the sets of FID, the "
    "denominator of NED nor the training data of its reader, and no pictures are public: these numbers have "
    "no intervals and cannot be compared with those of the other boards."
)


@dataclass(frozen=True, slots=True)
class PublishedBoard:
    """A table of a paper.

    Attributes:
        slug: Name in addresses.
        title: Heading.
        metrics: Names of `metrics.base.METRICS`, in the order of the paper.
        rows: Method and scores, in the order of the paper.
        note: What else the paper says.
    """

    slug: str
    title: str
    metrics: tuple[str, ...]
    rows: tuple[tuple[str, tuple[float, ...]], ...]
    note: str = ""


PUBLISHED: Final = (
    PublishedBoard(
        slug="mdlp-published",
        title="MDLP, as published",
        metrics=("psnr", "ssim", "fid", "lpips", "ned", "acc"),
        rows=(
            ("SRCNN", (14.01, 0.195, 248.3, 0.517, 0.626, 0.041)),
            ("HAT", (14.16, 0.250, 229.6, 0.413, 0.613, 0.050)),
            ("Real-ESRGAN", (13.93, 0.369, 31.0, 0.176, 0.279, 0.161)),
            ("ResDiff", (12.00, 0.269, 35.9, 0.277, 0.292, 0.159)),
            ("ResShift", (12.53, 0.321, 89.1, 0.288, 0.332, 0.099)),
            ("LP-Diff", (14.396, 0.393, 22.0, 0.159, 0.198, 0.305)),
        ),
        note="The degraded input reads with NED 0.709.",
    ),
    PublishedBoard(
        slug="mdlp-published-ablation",
        title="MDLP, ablation of LP-Diff as published",
        metrics=("psnr",),
        rows=(
            ("LP-Diff, full", (14.396,)),
            ("without ICAM", (12.93,)),
            ("without TEM", (12.76,)),
            ("without DFM", (13.16,)),
        ),
    ),
)
