"""A Codabench competition (bundle format version 2) that scores submissions as this leaderboard does."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

import mdlp_bench
from mdlp_bench.files import write_bytes
from mdlp_bench.images import encode
from mdlp_bench.leaderboard.boards import RANKED
from mdlp_bench.metrics.base import METRICS, lpips_column
from mdlp_bench.metrics.protocol import CURRENT

if TYPE_CHECKING:
    from mdlp_bench.data.samples import Samples

_TIME: Final = (2020, 1, 1, 0, 0, 0)
_SCORE: Final = '''"""Score a submission: `python score.py INPUT OUTPUT`, with INPUT/ref and INPUT/res."""

import sys

from mdlp_bench.leaderboard.export.codabench_score import main

main(sys.argv[1], sys.argv[2])
'''
_DOCKERFILE: Final = f"""FROM python:3.11-slim
RUN pip install --no-cache-dir mdlp-bench=={mdlp_bench.__version__}
"""


def write_codabench(
    samples: Samples,
    out: Path,
    *,
    title: str,
    image: str,
    readers: list[str] | None = None,
    lpips: str = "squeeze",
) -> None:
    """Write the bundle.

    Args:
        samples: The test set; it becomes the reference data, which participants do not see.
        out: The zip to write.
        title: Title of the competition.
        image: Docker image with this package (the bundle's Dockerfile makes one).
        readers: Readers as for scoring; the first one ranks.
        lpips: LPIPS net, or none.

    Raises:
        DataError: The ids of two samples are one file name where case does not count.
        MdlpBenchError: The samples cannot be read, or the file not written.
    """
    import tempfile

    from mdlp_bench.data import write_parquet
    from mdlp_bench.data.export.target import check_ids

    check_ids(samples)
    with tempfile.TemporaryDirectory(prefix="mdlp-bench-") as work:
        reference = Path(work) / "reference"
        write_parquet(iter(samples), reference / "data", name=samples.name.replace("/", "-"))
        settings = {"readers": readers or [CURRENT.text.reader], "lpips": lpips}
        (reference / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
        members = {
            "competition.yaml": yaml.safe_dump(
                _competition(title, image, lpips), sort_keys=False, allow_unicode=True
            ).encode(),
            "logo.png": _logo(),
            "overview.md": _overview(title, samples).encode(),
            "evaluation.md": _evaluation().encode(),
            "terms.md": b"Predictions must not be made with the test set's ground truths or texts.\n",
            "Dockerfile": _DOCKERFILE.encode(),
            "reference_data.zip": _zipped(
                {
                    str(p.relative_to(reference)): p.read_bytes()
                    for p in sorted(reference.rglob("*"))
                    if p.is_file()
                }
            ),
            "scoring_program.zip": _zipped(
                {
                    "score.py": _SCORE.encode(),
                    "metadata.yaml": b"command: python3 score.py /app/input/ /app/output/\n",
                }
            ),
        }
    write_bytes(out, _zipped(members))


def _competition(title: str, image: str, lpips: str) -> dict[str, Any]:
    shown = [name for name in RANKED if not name.startswith("lpips") or name == lpips_column(lpips)]
    return {
        "version": 2,
        "title": title,
        "description": "Restore licence plates from degraded frames; scores follow protocol " + CURRENT.id,
        "image": "logo.png",
        "registration_auto_approve": True,
        "docker_image": image,
        "terms": "terms.md",
        "pages": [
            {"title": "Overview", "file": "overview.md"},
            {"title": "Evaluation", "file": "evaluation.md"},
        ],
        "tasks": [
            {
                "index": 0,
                "name": "Restoration",
                "description": "One picture per sample",
                "reference_data": "reference_data.zip",
                "scoring_program": "scoring_program.zip",
            }
        ],
        "phases": [
            {
                "index": 0,
                "name": "Test",
                "description": "Scores on the whole test set",
                "start": datetime.now(UTC).date().isoformat(),
                "max_submissions": 100,
                "max_submissions_per_day": 5,
                "execution_time_limit": 3600,
                "tasks": [0],
            }
        ],
        "leaderboards": [
            {
                "index": 0,
                "title": "Results",
                "key": "main",
                "submission_rule": "Force_Latest_Multiple",
                "columns": [
                    {
                        "index": position,
                        "title": METRICS[name].title,
                        "key": name,
                        "sorting": "desc" if METRICS[name].higher_is_better else "asc",
                        "precision": METRICS[name].decimals,
                    }
                    for position, name in enumerate(shown)
                ],
            }
        ],
    }


def _overview(title: str, samples: Samples) -> str:
    return (
        f"# {title}\n\nRestore {len(samples):,} licence plates from their degraded frames. Submit what "
        "`mdlp-bench leaderboard pack` writes: `submission.yaml` and `predictions/<sample_id>.png`, 8-bit "
        "RGB, 224 x 112 pixels.\n"
    )


def _evaluation() -> str:
    rules = (f"- {METRICS[name].title}: {METRICS[name].source}" for name in RANKED)
    return "\n".join([f"# Protocol {CURRENT.id}", "", *rules, "", "The ranking is by NED, then ACC.", ""])


def _logo() -> bytes:
    import numpy as np

    image = np.full((128, 256, 3), (21, 80, 184), np.uint8)
    image[8:12, 8:-8] = image[-12:-8, 8:-8] = image[8:-8, 8:12] = image[8:-8, -12:-8] = 255
    for position in range(7):
        left = 24 + 30 * position
        image[36:92, left : left + 20] = 255
    return encode(image)


def _zipped(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, _TIME), content, zipfile.ZIP_DEFLATED)
    return stream.getvalue()
