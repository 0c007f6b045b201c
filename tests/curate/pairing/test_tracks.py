from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdlp_bench.curate.tracks import BadTrack, Track, open_tracks
from mdlp_bench.errors import DataError, MdlpBenchError
from mdlp_bench.images import decode, encode

HEADER = "track_id,frame_index,path"


def table(tmp_path: Path, *lines: str, name: str = "frames.csv") -> Path:
    path = tmp_path / name
    path.write_text("\n".join(lines) + "\n")
    return path


def test_folders_at_any_depth_in_numeric_order(tmp_path: Path) -> None:
    for name in ("b/cam2/img_10.png", "b/cam2/img_9.png", "a/000100.jpg", "a/000099.jpg", "c/notes.txt"):
        path = tmp_path / "tracks" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    found = open_tracks(tmp_path / "tracks")
    tracks = [track for track in found if isinstance(track, Track)]
    assert found.size == len(tracks) == 2
    assert [track.track_id for track in tracks] == ["a", "b-cam2"]
    assert [[frame.index for frame in track.frames] for track in tracks] == [[99, 100], [9, 10]]
    # A folder of frames is a track itself.
    (alone,) = open_tracks(tmp_path / "tracks" / "a")
    assert alone.track_id == "a"


def test_labels_that_fit_no_track_are_told(tmp_path: Path) -> None:
    for name in ("a/x", "b/x", "c"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "1.png").write_bytes(b"x")
    table(
        tmp_path,
        "group,text",
        "x,京A12345",
        "nobody,京A12345",
        "b/x,京B12345",
        "c,京C12345",
        name="labels.csv",
    )
    found = open_tracks(tmp_path)
    texts = {track.track_id: track.text for track in found if isinstance(track, Track)}
    assert texts == {"a-x": None, "b-x": "京B12345", "c": "京C12345"}
    assert len(found.notes) == 2
    assert "several tracks" in found.notes[0] and "no track" in found.notes[1]


def test_a_table_is_grouped_and_ordered(tmp_path: Path) -> None:
    path = table(
        tmp_path, HEADER + ",timestamp,split", "b,2,b2.png,2.5,val", "a,1,a1.png,1,train", "b,1,b1.png,2,val"
    )
    first, second = open_tracks(path)
    assert isinstance(first, Track) and isinstance(second, Track)
    assert (first.track_id, first.split, second.track_id) == ("b", "val", "a")
    assert [frame.path.name for frame in first.frames] == ["b1.png", "b2.png"]


@given(
    st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 99)), min_size=1, max_size=40, unique=True)
)
def test_rows_of_a_track_need_not_stand_together(rows: list[tuple[str, int]]) -> None:
    expected: dict[str, list[int]] = {}
    for track, number in rows:
        expected.setdefault(track, []).append(number)
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("mdlp_bench.curate.tracks.table._ROWS", 3)
        path = Path(folder, "frames.parquet")
        names = [f"{track}{number}.png" for track, number in rows]
        tracks, numbers = zip(*rows, strict=True)
        pd.DataFrame({"track_id": tracks, "frame_index": numbers, "path": names}).to_parquet(path)
        found = [track for track in open_tracks(path) if isinstance(track, Track)]
    assert [track.track_id for track in found] == list(expected)
    assert [[f.index for f in track.frames] for track in found] == [sorted(n) for n in expected.values()]
    assert all(f.path.name == f"{track.track_id}{f.index}.png" for track in found for f in track.frames)


def test_parquet_tables_take_lists_of_corners(tmp_path: Path) -> None:
    scene = np.random.default_rng(0).integers(0, 255, (100, 200, 3), np.uint8)
    (tmp_path / "s.png").write_bytes(encode(scene))
    corners = [[10.0, 20.0], [90.0, 20.0], [90.0, 50.0], [10.0, 50.0]]
    frame = pd.DataFrame({"track_id": ["t"], "frame_index": [7], "path": ["s.png"], "corners": [corners]})
    frame.to_parquet(tmp_path / "f.parquet")
    (track,) = open_tracks(tmp_path / "f.parquet")
    assert isinstance(track, Track)
    image, pixels = track.frames[0].load()
    assert pixels.shape[0] == pytest.approx(30 * 1.08, abs=1)
    np.testing.assert_array_equal(decode(image.content, ""), pixels)


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ((HEADER, "a,1,x.png", "a,1,y.png"), "frame-order"),
        ((HEADER, "a,one,x.png"), "annotation"),
        ((HEADER, "a,1.5,x.png"), "annotation"),
        ((HEADER, "a,nan,x.png"), "annotation"),
        ((HEADER, "a,99999999999,x.png"), "annotation"),
        ((HEADER, "a,1,"), "annotation"),
        ((HEADER + ",box", "a,1,x.png,1 2 3"), "annotation"),
        ((HEADER + ",corners", "a,1,x.png,1 2 3 4 5 6 7"), "annotation"),
        ((HEADER + ",timestamp", "a,1,x.png,5", "a,2,y.png,4"), "frame-order"),
        ((HEADER + ",split", "a,1,x.png,train", "a,2,y.png,test"), "annotation"),
    ],
)
def test_a_bad_row_spoils_its_track_only(tmp_path: Path, lines: tuple[str, ...], code: str) -> None:
    columns = lines[0].count(",") - 2
    found = list(open_tracks(table(tmp_path, *lines, "good,1,g.png" + "," * columns)))
    assert isinstance(found[0], BadTrack)
    assert (found[0].track_id, found[0].code) == ("a", code)
    assert isinstance(found[1], Track)


@pytest.mark.parametrize(
    "content",
    [b"", b"track_id,frame_index\na,1\n", HEADER.encode(), b"\xff\xfe\x00", b"\x00" * 64,
     HEADER.encode() + b"\n,1,x.png\n", HEADER.encode() + b"\na,1,x.png,extra\n"],
)  # fmt: skip
def test_a_table_that_is_none_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    for name in ("t.csv", "t.parquet"):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(DataError) as caught:
            open_tracks(path)
        assert name in str(caught.value) and "\n" not in str(caught.value)


def test_what_is_paired_already_is_no_folder_of_tracks(tmp_path: Path) -> None:
    for part in ("inputs", "gt"):
        (tmp_path / "MDLP" / "train" / part / "0001").mkdir(parents=True)
    with pytest.raises(DataError, match="MDLP: frames and ground truths are paired already"):
        open_tracks(tmp_path / "MDLP")


def test_nothing_to_pair(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", tmp_path / "missing", tmp_path / "x.txt"):
        with pytest.raises(DataError):
            open_tracks(path)


@pytest.mark.parametrize("box", ["0 0 300 20", "-1 0 10 10", "10 10 10 20", "20 5 10 15"])
def test_a_box_outside_the_image_names_the_file(tmp_path: Path, box: str) -> None:
    (tmp_path / "s.png").write_bytes(encode(np.zeros((100, 200, 3), np.uint8)))
    (track,) = open_tracks(table(tmp_path, HEADER + ",box", f"a,1,s.png,{box}"))
    assert isinstance(track, Track)
    with pytest.raises(DataError, match=r"s\.png: the box"):
        track.frames[0].load()


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.text(max_size=4), st.text(max_size=4), st.text(max_size=8), st.text(max_size=12)),
        max_size=6,
    )
)
def test_no_table_crashes_the_listing(tmp_path_factory: pytest.TempPathFactory, rows: list[Any]) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "t.parquet"
    frame = pd.DataFrame(rows, columns=["track_id", "frame_index", "path", "box"]).astype(str)
    frame.to_parquet(path)
    try:
        found = list(open_tracks(path))
    except MdlpBenchError as error:
        assert "\n" not in str(error)
    else:
        assert len(found) == frame["track_id"].nunique()
