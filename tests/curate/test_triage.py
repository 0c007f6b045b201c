"""Sorting samples by whether they need restoring."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mdlp_bench.cli.main import app
from mdlp_bench.curate.triage import triage
from mdlp_bench.data import open_samples
from mdlp_bench.data.samples import Samples
from mdlp_bench.errors import DataError
from mdlp_bench.images import ImageU8
from mdlp_bench.readers import Reader, ReaderDescriptor, Reading, load_reader
from tests.conftest import sample_row

Make = Callable[..., Samples]


class Scripted(Reader):
    """Reads what a test says, picture by picture."""

    def __init__(self, *readings: tuple[str, float], believed_from: float | None = 0.9) -> None:
        self.descriptor = ReaderDescriptor(
            name="scripted",
            title="Scripted",
            version="1",
            weights_sha256=None,
            licence="none",
            believed_from=believed_from,
        )
        self.readings = list(readings)

    def read(self, images: Sequence[ImageU8]) -> list[Reading]:
        taken, self.readings = self.readings[: len(images)], self.readings[len(images) :]
        return [Reading(text, (1.0,) * (len(text) - 1) + (last,)) for text, last in taken]


TEXT = "京P20S75"
WRONG = "京P20S7A"


def rows(*texts: str | None, gt: bool = True) -> list[dict]:
    return [
        sample_row(number)
        | {"text": text, "text_origin": "label" if text else None}
        | ({} if gt else {"gt": None})
        for number, text in enumerate(texts)
    ]


@pytest.mark.parametrize(
    "gt, frames, verdict",
    [
        ((TEXT, 0.9), [(WRONG, 0.5), (TEXT, 0.8), (WRONG, 0.7)], "readable"),
        ((TEXT, 0.9), [(WRONG, 0.9), (TEXT, 0.8), (WRONG, 0.7)], "needs-restoring"),
        ((WRONG, 0.9), [(WRONG, 0.9), (TEXT, 0.8), (WRONG, 0.7)], "unreadable"),
    ],
)
def test_the_surest_frame_and_the_ground_truth_decide(
    make_samples: Make, gt: tuple[str, float], frames: list[tuple[str, float]], verdict: str
) -> None:
    found = triage(make_samples(rows=rows(TEXT)), Scripted(gt, *frames))
    (one,) = found.samples
    assert one.verdict == verdict
    assert one.frame_lowest == max(confidence for _, confidence in frames)
    assert one.frame_mean == pytest.approx((6 + one.frame_lowest) / 7)
    assert sum(found.counts[one.split].values()) == found.counts[one.split][one.verdict] == 1


def test_without_a_ground_truth_unread_frames_tell_nothing(make_samples: Make) -> None:
    found = triage(make_samples(rows=rows(TEXT, gt=False)), Scripted(*[(WRONG, 0.9)] * 3))
    assert found.samples[0].verdict == "unknown"


def test_without_a_text_the_threshold_decides(make_samples: Make) -> None:
    samples = make_samples(rows=rows(None))
    assert (
        triage(samples, Scripted((WRONG, 0.95), *[(WRONG, 0.5)] * 3)).samples[0].verdict == "needs-restoring"
    )
    with pytest.raises(DataError, match="has no text, and it is not known"):
        triage(samples, Scripted(*[(WRONG, 0.95)] * 4, believed_from=None))


def test_one_sure_character_is_no_plate(make_samples: Make) -> None:
    fence = ("川", 1.0)
    samples = make_samples(rows=rows(None))
    assert triage(samples, Scripted(fence, *[fence] * 3)).samples[0].verdict == "unreadable"
    found = triage(samples, Scripted((WRONG, 0.95), *[fence] * 3)).samples[0]
    assert (found.verdict, found.frame) == ("needs-restoring", "川")
    # Where a reader names no grammar, a plate of any is one.
    anyones = Scripted((WRONG, 0.5), ("BAI8068", 0.95), *[fence] * 2)
    anyones.descriptor = anyones.descriptor.model_copy(update={"grammars": ()})
    assert triage(samples, anyones).samples[0].verdict == "readable"
    chinese = Scripted((WRONG, 0.5), ("BAI8068", 0.95), *[fence] * 2)
    assert triage(samples, chinese).samples[0].verdict == "unreadable"


def test_a_frame_read_as_a_plate_is_surer_than_one_character(make_samples: Make) -> None:
    samples = make_samples(rows=rows(TEXT))
    (one,) = triage(samples, Scripted((TEXT, 0.9), (TEXT, 0.95), ("1", 0.99), (TEXT, 0.94))).samples
    assert (one.verdict, one.frame, one.frame_lowest) == ("readable", TEXT, 0.95)
    # Among readings that are no plates, confidence alone decides.
    (one,) = triage(samples, Scripted((TEXT, 0.9), ("12", 0.95), ("1", 0.99), ("A", 0.5))).samples
    assert one.frame == "1"


def test_a_reader_without_confidences_is_not_said_to_be_sure(make_samples: Make) -> None:
    class Bare(Scripted):
        def read(self, images: Sequence[ImageU8]) -> list[Reading]:
            return [Reading(one.text) for one in super().read(images)]

    labelled, other = triage(make_samples(rows=rows(TEXT, None)), Bare(*[(TEXT, 1.0)] * 8)).samples
    assert (labelled.verdict, labelled.frame_lowest, labelled.frame_mean) == ("readable", None, None)
    assert other.verdict == "unreadable"


def test_real_plates_on_the_command_line(shared_dir: Path, tmp_path: Path) -> None:
    data = shared_dir / "real" / "mdlp_figures"
    out = tmp_path / "triage.csv"
    done = CliRunner().invoke(app, ["data", "triage", str(data), "--csv", str(out), "--json"])
    assert done.exit_code == 0, done.output
    parsed = json.loads(done.stdout)
    counts = parsed["counts"]["val"]
    assert sum(counts.values()) == 36 and counts["needs-restoring"] >= 30 and counts["readable"] <= 3
    written = list(csv.DictReader(out.open(encoding="utf-8")))
    assert [row["sample_id"] for row in written] == list(open_samples(str(data)).sample_ids)
    again = triage(open_samples(str(data)), load_reader())
    assert [row["verdict"] for row in written] == [one.verdict for one in again.samples]
