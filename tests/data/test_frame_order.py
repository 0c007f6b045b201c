"""The order of frames: names of recorders, detectors and file systems, and the options that overrule it."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from mdlp_bench import images
from mdlp_bench.cli.main import app
from mdlp_bench.curate.audit import audit
from mdlp_bench.curate.pairing import make_config, pair
from mdlp_bench.curate.tracks import BadTrack, open_tracks
from mdlp_bench.data import open_samples
from mdlp_bench.data.sources.frame_order import OrderRule, order_frames
from mdlp_bench.errors import DataError
from mdlp_bench.quality.measures import unsteady


def order(*names: str, rule: str = "auto") -> Any:
    """The order of these names, given in any order."""
    shuffled = list(names)
    random.Random(len(names)).shuffle(shuffled)
    return order_frames(shuffled, OrderRule.parse(rule))


@pytest.mark.parametrize(
    "names",
    [
        "car car2 car3 car10",
        "img|img (1)|img (2)|img (10)",
        "a_1 a_1_2 a_1_3 a_1_10",
        "0001x4 0002x4 0010x4",
        "1 10 11",
        "frame_001_conf87 frame_002_conf85 frame_003_conf86",
        "conf87_frame_001 conf85_frame_002 conf86_frame_003",
        "001_87conf 002_85conf 003_86conf",
        "frame_1_x200_y7 frame_2_x180_y9 frame_10_x190_y8",
        "cam_10-00-58 cam_10-00-59 cam_10-01-00 cam_10-01-01",
        "10_59_58 10_59_59 11_00_00",
        "10:00:59 10:01:00",
        "10h00m58s 10h00m59s 10h01m00s",
        "31-01-2024_23-59-59 01-02-2024_00-00-00",
        "01-31-2024_23-59-59 02-01-2024_00-00-00",
        "12-59-59_PM 01-00-00_PM 01-00-01_PM",
        "11-59-59AM 12-00-00PM",
        "IMG_20240131_100059_900 IMG_20240131_100100_100",
        "car car-2",
        "frame001 frame002_copy frame003",
        "000058 000059 000100 000101",
        "20240131_235958 20240131_235959 20240201_000000",
        "2024-01-31_23-59-58 2024-01-31_23-59-59 2024-02-01_00-00-00",
        "20240131235958 20240201000000",
        "10-00-58-900 10-00-59-100 10-01-00-000",
        "10-00-58.900 10-00-59.100 10-01-00.000",
        "10-00-58-5 10-00-58-12 10-00-58-120",
        "10-00-58_f1 10-00-58_f2 10-00-59_f3",
        "0001_10-00-58 0002_10-00-59 0003_10-01-00",
        "0.25 0.50 10.25",
        "23-12-31_23-59-59 24-01-01_00-00-00",
        "2023-12-31T23-59-59 2024-01-01T00-00-00",
        "311223_235959 010124_000000",
        "01-02-2024_10-00-00 01-02-2024_11-00-00",
        "1-00-09_PM 1-00-10_PM 2-00-00_PM",
        "9-59-59_AM 10-00-00_AM",
        "１ ２ １０",
        "第1帧 第2帧 第10帧",
        "start start-1 start-2 start-10",
        "car_x4 car2_x4 car3_x4 car10_x4",
        "car-LR car2-LR car10-LR",
        "car_conf90 car2_conf80 car3_conf95",
        "59m59s 60m00s 60m01s",
        "0m59s 1m00s 1m01s",
        "1h59m59s 2h00m00s",
        "10-00-58 10-00-58_1 10-00-59",
        "frame_001_87.5 frame_002_85.0 frame_003_86.25",
        "cam1_23-59-58_1 cam1_23-59-58_2 cam1_23-59-59_1",
        "1706691658123 1706691658223",
        "1of22 2of22 10of22",
    ],
)
def test_names_with_one_meaning(names: str) -> None:
    wanted = [f"{stem}.png" for stem in names.split("|" if "|" in names else " ")]
    found = order(*wanted)
    assert list(found.names) == wanted and found.note is None


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("001_87 002_85 003_86", "--order number:2"),
        ("87_001 85_002 86_003", "--order number:1"),
        ("0.87_001 0.85_002 0.86_003", "--order number:1"),
        ("12_87 15_91 19_70", "--order number:2"),
        ("2_0001 1_0002 2_0003", "--order name"),
        ("23-59-58 23-59-59 00-00-00 00-00-01", "midnight"),
        ("235958 235959 000000", "midnight"),
        ("23-59-59_0 23-59-59_1 00-00-00_0", "midnight"),
        ("59-58 59-59 00-00", "full hour"),
        ("58.500 59.500 00.000", "full minute"),
        ("2359 0000 0001", "midnight"),
        ("23-59 00-00 00-01", "midnight"),
        ("cam10_23-59-58 cam10_23-59-59 cam10_00-00-00", "midnight"),
        ("cam10_59-58 cam10_59-59 cam10_00-00", "full hour"),
        ("11-59-59_PM 12-00-00_AM", "midnight"),
        ("23时59分59秒 00时00分00秒", "midnight"),
        ("235959_1 000000_2", "midnight"),
        ("12-59-59 01-00-00 01-00-01", "one o'clock"),
        ("23-59-59 23-59-59_1 00-00-00", "midnight"),
        ("1.2 1.10 2.1", "--order number:1"),
        ("frame1.5 frame1.10 frame1.20", "--order number:1"),
        ("0.25 0.5 10.25", "--order name"),
        ("b2 c3 a10", "--order name"),
        ("crop_500_200_1 crop_300_100_2 crop_450_150_3", "--order number:1"),
        ("7_100 8_90 10_95", "--order number:2"),
        ("a b c", "no number"),
        ("cover img_2 img_10", "cover.png has no number"),
    ],
)
def test_names_with_two_meanings_are_said(names: str, said: str) -> None:
    wanted = [f"{stem}.png" for stem in names.split()]
    found = order(*wanted)
    assert list(found.names) == wanted and said in (found.note or "") and "--order" in (found.note or "")


def test_two_runs_of_numbers_take_the_counter() -> None:
    scores = np.random.default_rng(0).permutation(np.arange(70, 92))
    wanted = [f"frame_{n + 1:03d}_conf{score}.png" for n, score in enumerate(scores)]
    assert list(order(*wanted).names) == wanted
    assert order(*wanted).indices == tuple(range(1, 23))


@pytest.mark.parametrize(("first", "last"), [("img_1", "img_01"), ("f7", "F7"), ("0001_3", "1_3")])
def test_equal_numbers_are_refused(first: str, last: str) -> None:
    with pytest.raises(DataError, match="same number"):
        order(f"{first}.png", f"{last}.png")


def test_options_overrule_the_names(tmp_path: Path) -> None:
    names = ("1_9.png", "2_7.png", "3_8.png")
    assert order(*names, rule="number:2").names == ("2_7.png", "3_8.png", "1_9.png")
    assert order(*names, rule="number:-1").indices == (7, 8, 9)
    assert order("23-59-59.png", "00-00-00.png", rule="name").names[0] == "00-00-00.png"
    listed = tmp_path / "order.txt"
    listed.write_text("t\\3_8.png\n\n./t/1_9.png\r\nt/2_7\n", "utf-8")
    assert order_frames(names, OrderRule.parse(str(listed)), "t").names == ("3_8.png", "1_9.png", "2_7.png")
    spaced = ("img (1).png", "a 10:00.png")
    listed.with_name("s.txt").write_text("a 10:00.png\nimg (1).png\n", "utf-8")
    assert order_frames(spaced, OrderRule.parse(str(listed.with_name("s.txt")))).names == spaced[::-1]
    for rule, message in (
        ("number:4", "has 2 numbers"), ("time", "no clock time"), ("size", "write name, number:K"),
        ("number:0", "write name, number:K"),
    ):  # fmt: skip
        with pytest.raises(DataError, match=message):
            order(*names, rule=rule)
    with pytest.raises(DataError, match=r"4_1\.png is not in"):
        order_frames([*names, "4_1.png"], OrderRule.parse(str(listed)), "t")


@given(st.lists(st.from_regex(r"[a-z_]{0,4}[0-9]{0,12}[-_.]?[0-9]{0,3}\.jpg", fullmatch=True), unique=True))
def test_frames_are_ordered_or_refused(names: list[str]) -> None:
    try:
        found = order_frames(names)
    except DataError as error:
        assert "same number" in str(error)
    else:
        assert sorted(found.names) == sorted(names) and found == order_frames(names[::-1])
        assert list(found.indices) == sorted(set(found.indices))
        assert all(0 <= index < 2**31 for index in found.indices)


@given(st.integers(2, 40), st.integers(0, 86_399), st.randoms())
def test_clocks_are_in_the_order_of_time(count: int, start: int, rng: random.Random) -> None:
    times = [(start + n) % 86_400 for n in range(count)]
    wanted = [f"c_{t // 3600:02d}-{t // 60 % 60:02d}-{t % 60:02d}.png" for t in times]
    shuffled = rng.sample(wanted, count)
    assert list(order_frames(shuffled).names) == wanted


def track(folder: Path, stems: list[str], sides: list[int]) -> Path:
    """Frames of these names and sizes."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for stem, side in zip(stems, sides, strict=True):
        pixels = rng.integers(0, 255, (side, side * 3, 3)).astype(np.uint8)
        (folder / f"{stem}.png").write_bytes(images.encode(pixels))
    return folder


def test_every_source_takes_the_rule(tmp_path: Path) -> None:
    stems, sides = ["1_9", "2_7", "3_8"], [12, 14, 16]
    track(tmp_path / "tracks/t", stems, sides)
    track(tmp_path / "mdlp/test/inputs/g", stems, sides)
    (found,) = open_tracks(tmp_path / "tracks", "number:2")
    assert not isinstance(found, BadTrack) and [f.index for f in found.frames] == [7, 8, 9]
    (plain,) = open_tracks(tmp_path / "tracks")
    assert not isinstance(plain, BadTrack) and "number 1" in plain.notes[0][1]
    row = next(open_samples(tmp_path / "mdlp", order="number:2").rows())
    assert row["frame_indices"] == [7, 8, 9]
    assert [p.code for p in open_samples(tmp_path / "mdlp").problems] == ["order-unclear"]
    table = tmp_path / "t.csv"
    table.write_text("gt\nmdlp/test/inputs/g/1_9.png\n", "utf-8")
    with pytest.raises(DataError, match="leave --order out"):
        open_samples(table, order="name")


def test_the_audit_compares_the_order_with_the_sizes(tmp_path: Path) -> None:
    track(tmp_path / "d/test/inputs/steady", ["1", "2", "3", "4"], [12, 14, 14, 18])
    track(tmp_path / "d/test/inputs/mixed", ["1", "2", "3", "4"], [12, 18, 13, 20])
    found = [f for f in audit(open_samples(tmp_path / "d")).findings if f.code == "unsteady-size"]
    assert [f.sample_ids for f in found] == [("test-mixed",)]


@pytest.mark.parametrize(
    ("sides", "steady"),
    [([10, 12, 15], True), ([15, 12, 10], True), ([10, 11, 10, 12], True), ([10, 15, 10], False), ([], True)],
)
def test_unsteady(sides: list[int], steady: bool) -> None:
    assert (unsteady([(side, side) for side in sides]) is None) is steady


def test_limit_takes_from_all_splits(tmp_path: Path) -> None:
    for split, count in (("train", 5), ("val", 1), ("test", 3)):
        for n in range(count):
            track(tmp_path / f"d/{split}/inputs/g{n}", ["1"], [12])
    samples = open_samples(tmp_path / "d", limit=5)
    assert samples.splits == {"test": 2, "train": 2, "val": 1} and samples.name == "d/first-5"
    assert open_samples(tmp_path / "d", limit=99).name == "d"


def test_pairing_takes_the_first_tracks_and_the_rule(tmp_path: Path) -> None:
    for name in ("a", "b"):
        track(tmp_path / "tracks" / name, ["1_6", "2_5", "3_8", "4_7", "5_9"], [10, 11, 12, 13, 64])
    config = make_config(min_gt_sharpness=0, max_frame_sharpness=1e9)
    report = pair(tmp_path / "tracks", tmp_path / "one", config, limit=1)
    assert (report.tracks, report.notes["order-unclear"]) == (1, 1)
    reversed_report = pair(tmp_path / "tracks", tmp_path / "two", config, order="number:2")
    assert reversed_report.tracks == 2 and "order-unclear" not in reversed_report.notes


@pytest.mark.parametrize(
    "command", ["predict bicubic", "data export", "data split", "bench -m bicubic --lpips none"]
)
def test_commands_say_which_order_they_took(tmp_path: Path, command: str) -> None:
    track(tmp_path / "d/val/inputs/g", ["1_9", "2_7", "3_8"], [12, 14, 16])
    track(tmp_path / "d/val/gt/g", ["x"], [24])
    arguments = [*command.split(), str(tmp_path / "d"), "-o", str(tmp_path / "o")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0 and "note: sample val-g: frames are taken in the order of" in result.output
    arguments[-1] += "2"
    result = CliRunner().invoke(app, [*arguments, "--order", "number:2"])
    assert result.exit_code == 0 and "note: sample" not in result.output
