"""What a Codabench scoring program runs: pictures in, `scores.json` out."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from mdlp_bench.errors import MdlpBenchError, SubmissionError
from mdlp_bench.files import read_json, write_json
from mdlp_bench.leaderboard.boards import RANKED
from mdlp_bench.leaderboard.submission.faults import Faults
from mdlp_bench.leaderboard.submission.pack import repack
from mdlp_bench.leaderboard.submission.validate import read_submission


def main(source: str, target: str) -> None:
    """Score `<source>/res` against `<source>/ref`, write `<target>/scores.json`; a fault ends the program."""
    try:
        write_json(Path(target) / "scores.json", scores(Path(source) / "ref", Path(source) / "res"))
    except MdlpBenchError as error:
        sys.exit(f"error: {error}")


def scores(reference: Path, result: Path) -> dict[str, float]:
    """Means of the ranked metrics.

    Args:
        reference: The bundle's reference data, unpacked.
        result: The submission, unpacked by the platform.

    Raises:
        SubmissionError: The submission has faults.
    """
    from mdlp_bench.data import open_samples
    from mdlp_bench.harness.plan import ScoringPlan
    from mdlp_bench.harness.score import score

    settings = read_json(reference / "settings.json")
    samples = open_samples(reference / "data")
    plan = ScoringPlan.from_names(settings["readers"], settings["lpips"], samples=samples)
    with tempfile.TemporaryDirectory(prefix="mdlp-bench-") as work:
        # The platform has unpacked the archive; packed again, it passes the same checks as everywhere.
        archive = Path(work) / "submission.zip"
        faults = Faults()
        repack(result, archive, faults)
        if len(faults):
            raise faults.error("submission")
        predictions = read_submission(archive, samples, Path(work) / "pictures")
        (run,) = score([predictions], samples, [Path(work) / "run"], plan)
    found = {name: run.summary[name].mean for name in RANKED if name in run.summary}
    if not found:
        raise SubmissionError(
            "no metric could be computed; the reference data have neither text nor pictures"
        )
    return {name: value for name, value in found.items() if value is not None}
