"""The LRLPR challenge: a submission that a checker of the format accepts, and its score."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from mdlp_bench.cli.main import app
from mdlp_bench.data import open_samples
from mdlp_bench.data.samples import Samples, whole_of
from mdlp_bench.errors import DataError
from mdlp_bench.harness.predict import predict
from mdlp_bench.leaderboard.lrlpr import (
    UNREAD,
    LrlprScore,
    read_submission,
    score_submission,
    track_of,
    write_submission,
)
from mdlp_bench.leaderboard.submission.readings import parse_confidence, read_readings
from mdlp_bench.methods import FrameBatch, MethodDescriptor, TextMethod
from mdlp_bench.readers import Reading

TEXTS = {1: "BAI8068", 2: "ABC1D23", 3: "XYZ9A87", 4: "BAI8068"}


def check_strictly(path: Path) -> dict[str, tuple[str, float]]:
    """An independent reading of the rules: one .txt, one line per track, a text of seven, a confidence."""
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        (name,) = archive.namelist()
        assert name.endswith(".txt") and "/" not in name
        content = archive.read(name)
    assert content.endswith(b"\n") and b"\r" not in content and not content.startswith(b"\xef\xbb\xbf")
    found = {}
    for line in content.decode("ascii").split("\n")[:-1]:
        track, _, rest = line.partition(",")
        text, _, confidence = rest.partition(";")
        assert re.fullmatch("track_[0-9]{5}", track) and track not in found
        assert len(text) == 7 and text.isascii() and text.isalnum() and text == text.upper()
        assert re.fullmatch(r"[01]\.[0-9]{4}", confidence) and 0 <= float(confidence) <= 1
        found[track] = (text, float(confidence))
    return found


@pytest.fixture
def tracks(tmp_path: Path) -> Path:
    """Four tracks of five frames in the challenge's layout, two of one plate."""
    rng = np.random.default_rng(0)
    for number, text in TEXTS.items():
        layout = "Brazilian" if text[4].isdigit() else "Mercosur"
        folder = tmp_path / "LRLPR/train/Scenario-A" / layout / f"track_{number:05d}"
        folder.mkdir(parents=True)
        for index in range(1, 6):
            for kind, size in (("lr", (17, 48)), ("hr", (40, 110))):
                image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
                cv2.imwrite(str(folder / f"{kind}-{index:03d}.png"), image)
        annotation = {"plate_layout": layout, "plate_text": text, "corners": {}}
        (folder / "annotations.json").write_text(json.dumps(annotation))
    return tmp_path / "LRLPR"


class _Says(TextMethod):
    descriptor = MethodDescriptor(name="says", title="Says", output="text", frames_used=5)

    def read_batch(self, batch: FrameBatch) -> list[Reading]:
        assert all(len(frames) == 5 for frames in batch.native)
        said = {1: ("BAI8068", 0.99), 2: ("ABC1D28", 0.9), 3: ("", 0.0), 4: ("BAI8068", 0.95)}
        found = [said[int(sample_id[-5:])] for sample_id in batch.sample_ids]
        return [Reading(text, (share,) * len(text)) for text, share in found]


def test_predictions_become_a_submission_and_a_score(tracks: Path, tmp_path: Path) -> None:
    samples = open_samples(tracks)
    assert isinstance(samples, Samples) and len(samples) == 4
    assert {len(sample.frames) for sample in samples} == {5}
    predict(_Says(), samples, tmp_path / "preds")
    out = tmp_path / "sub.zip"
    done = CliRunner().invoke(app, ["submit", "lrlpr", str(tmp_path / "preds"), "-o", str(out)])
    assert done.exit_code == 0, done.output
    assert "4 tracks" in done.output and "1 of them without seven characters" in done.output
    found = check_strictly(out)
    assert found == read_submission(out)
    assert found["track_00001"] == ("BAI8068", pytest.approx(0.99**7, abs=5e-5))
    assert found["track_00003"] == (UNREAD, 0.0)

    score = score_submission(out, samples)
    assert score.recognition_rate.value == 0.5 and score.recognition_rate.n_plates == 3
    low, high = score.recognition_rate.low, score.recognition_rate.high
    assert low is not None and high is not None and low < 0.2 and high > 0.8
    assert score.by_layout["brazilian"].value == 1 and score.by_layout["mercosur"].value == 0
    right, wrong = (0.99**7 + 0.95**7) / 2, 0.9**7 / 2
    assert score.confidence_gap == pytest.approx(right - wrong, abs=1e-4)
    assert score.missing == 0
    told = CliRunner().invoke(app, ["submit", "lrlpr-score", str(out), str(tracks)])
    assert told.exit_code == 0 and "recognition rate: 0.5000" in told.output and "brazilian" in told.output
    as_json = CliRunner().invoke(app, ["submit", "lrlpr-score", str(out), str(tracks), "--json"])
    assert json.loads(as_json.stdout)["by_layout"]["brazilian"]["value"] == 1


def test_readings_in_a_csv_file_serve_too(tracks: Path, tmp_path: Path) -> None:
    table = tmp_path / "readings.csv"
    table.write_text("sample_id,text,confidence\ntrack_00001,bai-8068,0.5\ntrack_00002,ABC1D23,1\n")
    out = tmp_path / "sub.zip"
    done = CliRunner().invoke(app, ["submit", "lrlpr", str(table), "-o", str(out)])
    assert done.exit_code == 0, done.output
    assert check_strictly(out) == {"track_00001": ("BAI8068", 0.5), "track_00002": ("ABC1D23", 1.0)}
    score = score_submission(out, open_samples(tracks))
    assert score.recognition_rate.value == 0.5 and score.missing == 2 and score.confidence_gap is None
    first = out.read_bytes()
    CliRunner().invoke(app, ["submit", "lrlpr", str(table), "-o", str(out)])
    assert out.read_bytes() == first


@pytest.mark.parametrize(
    "written",
    [
        "sample_id,text,confidence\ntrack_00007,ABC1234,1e-3\ntrack_00008,,0\n",
        "sample_id,text,confidence\ntrack_00007,ABC1234,0.0010000000000000000208\ntrack_00008,,\n",
        "\ufeffsample_id;text;confidence\ntrack_00007;ABC1234;0,001\ntrack_00008;;0\n",
        "Track ID\tConf\tPrediction\ntrack_00007\t1E-03\tabc-1234\ntrack_00008\t0\t\n",
        '"sample_id","confidence","text","frames"\n"track_00007","0.001","ABC1234",5\n"track_00008","0","",5\n',
        "track_00007,ABC1234;0.001\ntrack_00008,;0\n",
        "track_00007, ABC1234; 0.001\ntrack_00008, ; 0\n",
        "track_00007,ABC1234;1e-03\n\ntrack_00008,;0.0\n",
        "track_00007,ABC1234,.001\ntrack_00008,,0\n",
    ],
)
def test_readings_are_taken_as_people_and_programs_write_them(tmp_path: Path, written: str) -> None:
    for encoding in ("utf-8", "utf-16"):
        path = tmp_path / f"{encoding}.csv"
        path.write_text(written, encoding=encoding)
        found = read_readings(path)
        assert {one: reading.text for one, reading in found.items()} == {
            "track_00007": "ABC1234",
            "track_00008": "",
        }
        assert found["track_00007"].confidence == pytest.approx(0.001)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("sample_id,text\na,B\n", r"r\.csv: no column confidence in sample_id, text"),
        (
            "sample_id,text,confidence\na,B,0.5\nb,C,95\nc,D,x\n",
            r"r\.csv:3: its confidence .* 0\.93 \(and 1 more",
        ),
        ("sample_id,text,confidence\na,B,\n", r"r\.csv:2: its confidence is not a number"),
        ("sample_id,text,confidence\na,B,nan\n", r"r\.csv:2: its confidence is not a number"),
        ("sample_id,text,confidence\na,B,0.5\na,B,0.5\n", r"r\.csv:3: a has a line already"),
        ("sample_id,text,confidence\n,B,0.5\n", r"r\.csv:2: without an id"),
        ("sample_id,text,confidence\na,B\n", r"r\.csv:2: 2 cells, not 3; give sample_id, text, confidence"),
        ("sample_id,text,confidence\na,<b>,0.5\n", r"r\.csv:2: its text holds"),
        ("a,b\n", r"r\.csv:1: 2 cells, not 3"),
        ("", r"r\.csv: the table is empty"),
    ],
)
def test_faulty_tables_of_readings_name_their_own_file_and_line(
    tmp_path: Path, written: str, says: str
) -> None:
    (tmp_path / "r.csv").write_text(written)
    with pytest.raises(DataError, match=says):
        read_readings(tmp_path / "r.csv")


@given(st.floats(0, 1))
def test_every_number_that_python_writes_is_a_confidence(value: float) -> None:
    assert parse_confidence(repr(value)) == value == parse_confidence(str(np.float64(value)))
    assert parse_confidence(f"{value:e}") == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize(
    "written", ["", "nan", "inf", "-0.1", "1.01", "1e1", "0x1", "0.9 ", "1_0", "1e-9999"]
)
def test_other_texts_are_no_confidence(written: str) -> None:
    assert parse_confidence(written) is None


def test_predictions_of_a_part_and_failed_tracks_are_named(
    tracks: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class _Fails(_Says):
        def read_batch(self, batch: FrameBatch) -> list[Reading]:
            if "track_00002" in batch.sample_ids[0]:
                raise ValueError("no idea")
            return super().read_batch(batch)

    predict(_Fails(), open_samples(tracks, limit=3), tmp_path / "part", batch_size=1)
    out = tmp_path / "sub.zip"
    done = CliRunner().invoke(
        app, ["submit", "lrlpr", str(tmp_path / "part"), "-o", str(out), "--reader", "auto"]
    )
    assert done.exit_code == 0 and len(read_submission(out)) == 3, done.output
    said = "\n".join(caplog.messages)
    assert "predictions of 3 samples of" in said and "without --limit" in said
    assert "the method failed on 1 of 3 tracks" in said
    caplog.clear()
    predict(_Says(), open_samples(tracks), tmp_path / "whole")
    CliRunner().invoke(app, ["submit", "lrlpr", str(tmp_path / "whole"), "-o", str(out)])
    assert "only" not in "\n".join(caplog.messages)
    assert whole_of(open_samples(tracks)[1:3].name) == whole_of(open_samples(tracks, limit=2).name) == "LRLPR"


def _scored(folder: Path, right: int, tracks: int, plates: int) -> LrlprScore:
    """The score of a submission with so many right texts."""

    class _Known:
        name = f"{tracks} tracks"
        sample_ids = tuple(f"track_{i:05d}" for i in range(tracks))

        def column(self, name: str) -> list[str]:
            values = {
                "plate_id": [str(i % plates) for i in range(tracks)],
                "text": ["ABC1234"] * tracks,
                "layout": ["brazilian"] * tracks,
            }
            return values[name]

    readings = {
        f"track_{i:05d}": Reading("ABC1234" if i < right else "ABC1235", (0.9,) * 7) for i in range(tracks)
    }
    write_submission(readings, folder / "sub.zip")
    return score_submission(folder / "sub.zip", _Known())  # type: ignore[arg-type]


def test_the_difference_by_chance_agrees_with_simulated_submissions_and_never_vanishes(
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(0)
    for right, n in ((0, 12), (12, 12), (6, 12), (110, 120)):
        found = _scored(tmp_path, right, n, n).indistinct
        assert found is not None and found > 0
        first, second = rng.binomial(n, right / n, (2, 20000))
        assert (np.abs(first - second) / n > found + 1e-9).mean() <= 0.065
    # At 0 and n what is left is the exact limit itself (0.265 = 1 - 0.025 ** (1 / 12)).
    assert _scored(tmp_path, 0, 12, 12).indistinct == pytest.approx(1 - 0.025 ** (1 / 12), abs=1e-6)
    by_plates = _scored(tmp_path, 6, 12, 3).indistinct
    by_tracks = _scored(tmp_path, 6, 12, 12).indistinct
    assert by_plates is not None and by_tracks is not None and by_plates > by_tracks


def test_at_the_size_of_the_challenge_three_points_prove_nothing(tmp_path: Path) -> None:
    score = _scored(tmp_path, 819, 999, 999)
    assert score.indistinct is not None and 0.03 < score.indistinct < 0.035
    low, high = score.recognition_rate.low, score.recognition_rate.high
    assert low is not None and high is not None and 0.02 < (high - low) / 2 < 0.03


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("track_00001,ABC1234,0.9", "line 1 is 'track_00001,ABC1234,0.9'"),
        ("track_1,ABC1234;0.9", "line 1"),
        ("track_00001,abc1234;0.9", "line 1"),
        ("track_00001,ABC1234;1.2", "line 1"),
        ("track_00009,ABC1234;0.9", "track_00009: not a track of"),
        ("track_00001,ABC1234;0.9\ntrack_00001,ABC1234;0.9", "has a line already"),
    ],
)
def test_faulty_submissions_are_named(tracks: Path, tmp_path: Path, line: str, says: str) -> None:
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as archive:
        archive.writestr("p.txt", line)
    with pytest.raises(DataError, match=says):
        score_submission(tmp_path / "s.zip", open_samples(tracks))


def test_what_cannot_be_submitted_is_refused(tmp_path: Path) -> None:
    reading = Reading("ABC1234", (1.0,) * 7)
    with pytest.raises(DataError, match="no readings"):
        write_submission({}, tmp_path / "s.zip")
    with pytest.raises(DataError, match="two readings of track_00001"):
        write_submission({"a-track_00001": reading, "b-track_00001": reading}, tmp_path / "s.zip")
    with pytest.raises(DataError, match="does not name a track_NNNNN"):
        write_submission({"plate-000123": reading}, tmp_path / "s.zip")
    for name in ("test-public-track_00001", "test/track_00001/lr-001.png", r"a\track_00001.jpg"):
        assert track_of(name) == "track_00001"
    (tmp_path / "no.zip").write_bytes(b"no")
    with pytest.raises(DataError, match="not a zip file"):
        read_submission(tmp_path / "no.zip")
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.txt", "")
        archive.writestr("b.txt", "")
    with pytest.raises(DataError, match=r"holds one \.txt file"):
        read_submission(tmp_path / "two.zip")


def test_a_real_track_opens_with_its_five_frames(shared_dir: Path) -> None:
    (sample,) = open_samples(shared_dir / "real/lrlpr")
    assert len(sample.frames) == 5 and sample.text == "BAI8068" and sample.layout == "brazilian"
    assert track_of(sample.sample_id) == "track_10001"
