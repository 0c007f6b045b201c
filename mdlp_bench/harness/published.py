"""Published numbers, always shown apart: not recomputed, under rules that are not stated.

Source: Gong, Zhang, Feng, Nguyen, Liu, "LP-Diff: Towards Improved Restoration of Real-World Degraded License
Plate", CVPR 2025, the comparison on MDLP's test set and the ablation.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mdlp_bench.errors import MdlpBenchError, no_such, reason
from mdlp_bench.harness.tables import Cell, Row
from mdlp_bench.metrics.base import METRICS

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


def published_rows(source: str | Path) -> tuple[Row, ...]:
    """Rows quoted from a paper, for the section of a table that is not ranked.

    Metrics that need a network which the MDLP paper does not name (LPIPS, FID) are left out of its rows.

    Args:
        source: `mdlp` (the comparison in LP-Diff's paper), `mdlp-ablation`, or a CSV file with the column
            `method`, one column per metric by its name (`psnr`, `ned`, ...) and, if wanted, `note`: where
            the numbers were published. Empty cells are left out.

    Raises:
        MdlpBenchError: There is no such table, or the file has another form; names the line.
    """
    boards = {board.slug.replace("-published", ""): board for board in PUBLISHED}
    if str(source) in boards:
        board = boards[str(source)]
        return tuple(
            _row(name, {k: v for k, v in zip(board.metrics, scores, strict=True) if k in _COMPARABLE}, _MDLP)
            for name, scores in board.rows
        )
    path = Path(source)
    if path.suffix.lower() != ".csv" or not path.is_file():
        hint = ", or give a CSV file with the columns method, note and metrics"
        raise no_such("published table", str(source), boards, MdlpBenchError, hint=hint)
    return tuple(_csv_rows(path))


_MDLP: Final = "published on MDLP"
_COMPARABLE: Final = ("psnr", "ssim", "ned", "acc")


def _row(name: str, values: Mapping[str, float], note: str) -> Row:
    return Row(name=name, kind="published", cells={k: Cell(value=v) for k, v in values.items()}, note=note)


def _csv_rows(path: Path) -> Iterator[Row]:
    try:
        reader = csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise MdlpBenchError(f"{path}: cannot be read ({reason(error)})") from error
    metrics = [name for name in reader.fieldnames or () if name not in ("method", "note")]
    if "method" not in (reader.fieldnames or ()):
        raise MdlpBenchError(f"{path}: needs a column 'method'")
    for name in metrics:
        if name not in METRICS:
            raise no_such("metric", name, METRICS, MdlpBenchError, where=str(path))
    for line in reader:
        try:
            values = {name: float(line[name]) for name in metrics if line[name]}
            yield _row(line["method"], values, line.get("note") or "published")
        except (TypeError, ValueError) as error:
            raise MdlpBenchError(f"{path}, line {reader.line_num}: {reason(error)}") from error
