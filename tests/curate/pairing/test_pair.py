from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from mdlp_bench.cli.main import app
from mdlp_bench.curate.pairing import PairingReport, make_config, pair, pair_tracks
from mdlp_bench.data import open_samples
from mdlp_bench.engine import SERIAL, Engine
from mdlp_bench.errors import DataError, MissingDependencyError
from mdlp_bench.images import decode, encode
from mdlp_bench.readers.registry import load_reader

MakeTrack = Callable[..., Path]


def run(
    tmp_path: Path, readers: tuple[str, ...] = (), engine: Engine = SERIAL, **values: object
) -> PairingReport:
    return pair(tmp_path / "tracks", tmp_path / "out", make_config(**values), readers=readers, engine=engine)


def test_a_track_gives_a_triplet_of_the_original_bytes(make_track: MakeTrack, tmp_path: Path) -> None:
    folder = make_track("0001")
    (tmp_path / "tracks" / "labels.csv").write_text("track,text\n0001,京A·12345\n".replace("track", "group"))
    report = run(tmp_path)
    assert (report.tracks, report.tracks_kept, report.triplets) == (1, 1, 1)
    samples = open_samples(tmp_path / "out")
    (row,) = samples.rows()
    assert row["frame_indices"] == [1, 2, 3]
    assert [f["bytes"] for f in row["frames"]] == [(folder / f"img_{n}.png").read_bytes() for n in (1, 2, 3)]
    assert row["gt"]["bytes"] == (folder / "img_12.png").read_bytes()
    assert (row["text"], row["text_origin"], row["plate_id"]) == ("京A12345", "label", "京A12345")
    assert (row["track_id"], row["source"], row["domain"]) == ("0001", "tracks", "real")


def test_readers_give_the_text_where_no_label_is(
    make_track: MakeTrack, tmp_path: Path, sharp_reader: str
) -> None:
    make_track("0001")
    report = run(tmp_path, (sharp_reader,))
    (row,) = open_samples(tmp_path / "out").rows()
    assert (row["text"], row["text_origin"]) == ("京A12345", "reader")
    assert report.text_origins == {"reader": 1}
    (track,) = pq.read_table(tmp_path / "out" / "pairing.parquet").to_pylist()
    assert track["consensus"] == "京A12345"
    assert track["consensus_confidence"] == pytest.approx(1.0)
    assert [frame["readings"] for frame in track["frames"]][-1] == ["京A12345"]


def test_a_label_that_readers_contradict_is_kept_and_told(
    make_track: MakeTrack, tmp_path: Path, sharp_reader: str
) -> None:
    make_track("0001")
    (tmp_path / "tracks" / "labels.csv").write_text("group,text\n0001,京A99999\n")
    report = run(tmp_path, (sharp_reader,))
    assert report.notes == {"label-disagrees": 1}
    assert next(open_samples(tmp_path / "out").rows())["text"] == "京A99999"


def test_every_rejection_has_its_reason(make_track: MakeTrack, tmp_path: Path, sharp_reader: str) -> None:
    make_track("good")
    make_track("short", (20, 30, 90))
    make_track("small", (12, 13, 14, 15, 20, 25))
    make_track("readable", (80, 82, 84, 86, 88, 90, 92, 94, 96))
    blurred = make_track("blurred", (12, 13, 14, 15, 20, 25, 30, 60))
    for number in (7, 8):
        (blurred / f"img_{number}.png").write_bytes(encode(np.full((60, 150, 3), 90, np.uint8)))
    broken = make_track("broken")
    for path in broken.iterdir():
        path.write_bytes(path.read_bytes()[:50])
    twice = make_track("twice")
    (twice / "copy_1.png").write_bytes((twice / "img_1.png").read_bytes())
    report = run(tmp_path, late_share=0.2)
    assert report.triplets == 1
    assert report.rejected == {
        "too-short": 1,
        "gt-too-small": 1,
        "gt-blurred": 1,
        "not-degraded": 1,
        "broken-image": 1,
        "frame-order": 1,
    }
    assert report.notes["broken-frame"] == 12
    for code, messages in report.examples.items():
        assert all(message.startswith("track ") and "\n" not in message for message in messages), code


def test_unsure_readers_reject_the_track(make_track: MakeTrack, tmp_path: Path) -> None:
    make_track("0001")
    make_track("0002")
    (tmp_path / "tracks" / "labels.csv").write_text("group,text\n0002,京A12345\n")
    path = tmp_path / "unsure.py"
    path.write_text("def read(crops):\n    return [f'京A{10000 + len(c) * 97}' for c in crops]\n")
    report = run(tmp_path, (f"{path}:read",), late_share=0.4, sharp_share=0.1, min_text_confidence=0.9)
    assert report.rejected == {"text-uncertain": 1}
    assert report.triplets == 1


def test_frames_that_can_be_read_are_not_degraded(
    make_track: MakeTrack, tmp_path: Path, sharp_reader: str
) -> None:
    make_track("0001")
    with pytest.raises(DataError, match=r"not-degraded 1.*frame 9 is read as 京A12345"):
        run(tmp_path, (sharp_reader,), policy="gap:0", max_frame_sharpness=5)


def test_several_triplets_share_the_ground_truth_only(make_track: MakeTrack, tmp_path: Path) -> None:
    make_track("0001")
    report = run(tmp_path, max_triplets=9, stride=2, max_frame_sharpness=0.9)
    rows = list(open_samples(tmp_path / "out").rows())
    assert report.triplets == len(rows) > 2
    assert [row["frame_indices"][0] for row in rows] == [1, 3, 5, 7][: len(rows)]
    assert len({row["gt"]["bytes"] for row in rows}) == 1
    for row in rows:
        assert row["gt"]["bytes"] not in [frame["bytes"] for frame in row["frames"]]


def test_workers_change_no_byte(make_track: MakeTrack, tmp_path: Path, parallel: Engine) -> None:
    for number in range(20):
        make_track(f"{number:02d}", (14, 15, 16, 18, 40, 60 + number))
    one = pair(tmp_path / "tracks", tmp_path / "one", name="same")
    two = pair(tmp_path / "tracks", tmp_path / "two", name="same", engine=parallel)
    assert one == two and one.tracks == 20
    for path in sorted((tmp_path / "one").rglob("*")):
        if path.is_file():
            assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()


def test_stopped_before_any_write_it_ends_the_same(
    make_track: MakeTrack, tmp_path: Path, resumes: Callable[..., int]
) -> None:
    make_track("0001")
    config = make_config()
    assert resumes(lambda out: pair(tmp_path / "tracks", out, config)) >= 6


def test_thresholds_that_changed_are_refused(
    make_track: MakeTrack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_track("0001")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(pair_tracks, "write_json", stop)
        run(tmp_path)
    with pytest.raises(DataError, match="max_triplets was 1 and is now 2"):
        run(tmp_path, max_triplets=2)


def test_the_report_is_one_page_without_outside_files(make_track: MakeTrack, tmp_path: Path) -> None:
    make_track("<script>alert(1)")
    make_track("small", (12, 13, 14, 15, 20, 25))
    report = run(tmp_path)
    page = (tmp_path / "out" / "pairing.html").read_text()
    assert "<script" not in page
    assert all(source.startswith("data:image/jpeg;base64,") for source in re.findall(r'src="([^"]*)', page))
    assert page.count("<img") == 4 + 4
    assert page.count("<svg") == len(report.histograms)
    assert "gt-too-small" in page and "min_gt_sharpness" in page
    stored = json.loads((tmp_path / "out" / "pairing.json").read_text())
    assert PairingReport.model_validate(stored) == report
    assert stored["config"]["min_gt_height"] == 40
    assert sum(stored["histograms"]["gt_height"]["counts"]) == 2


def test_a_real_track_of_an_approaching_car(shared_dir: Path, tmp_path: Path) -> None:
    try:
        load_reader("ppocrv4")
    except MissingDependencyError as error:
        pytest.skip(str(error))
    report = pair(shared_dir / "real" / "mdlp_track", tmp_path / "out", readers=("ppocrv4",))
    (row,) = open_samples(tmp_path / "out").rows()
    assert report.triplets == 1
    assert row["text"] == "冀HJ6395"
    assert row["frame_indices"] == [1, 2, 3]
    assert row["gt"]["path"] in ("img_20.png", "img_21.png", "img_22.png")


def test_the_verb_prints_the_thresholds_and_json(make_track: MakeTrack, tmp_path: Path) -> None:
    make_track("0001")
    (tmp_path / "config.yaml").write_text("min_gt_height: 44\npolicy: gap:1\n")
    runner = CliRunner()
    args = ["data", "pair", str(tmp_path / "tracks"), "--config", str(tmp_path / "config.yaml")]
    done = runner.invoke(app, [*args, str(tmp_path / "a"), "--policy", "earliest"])
    assert done.exit_code == 0, done.output
    flat = " ".join(done.output.split())
    assert "min_gt_height 44" in flat and "policy earliest" in flat
    done = runner.invoke(app, [*args, str(tmp_path / "b"), "--policy", "earliest", "--json"])
    assert json.loads(done.stdout)["triplets"] == 1
    failed = runner.invoke(app, [*args, str(tmp_path / "c"), "--policy", "best"])
    assert isinstance(failed.exception, DataError)


def test_cut_outs_of_a_table_are_exact(tmp_path: Path, make_track: MakeTrack) -> None:
    folder = make_track("0001")
    rng = np.random.default_rng(0)
    lines = ["track_id,frame_index,path,box,text"]
    for number in range(1, 13):
        crop = decode((folder / f"img_{number}.png").read_bytes(), "")
        scene = rng.integers(0, 255, (200, 300, 3), np.uint8)
        scene[50 : 50 + crop.shape[0], 40 : 40 + crop.shape[1]] = crop
        (tmp_path / f"scene{number}.png").write_bytes(encode(scene))
        box = f"40 50 {40 + crop.shape[1]} {50 + crop.shape[0]}"
        lines.append(f"t1,{number},scene{number}.png,{box},京A12345")
    table = tmp_path / "frames.csv"
    table.write_text("\n".join([lines[0], *reversed(lines[1:])]) + "\n")
    report = pair(table, tmp_path / "out")
    assert report.triplets == 1
    (row,) = open_samples(tmp_path / "out").rows()
    assert row["frame_indices"] == [1, 2, 3]
    np.testing.assert_array_equal(
        decode(row["gt"]["bytes"], ""), decode((folder / "img_12.png").read_bytes(), "")
    )
