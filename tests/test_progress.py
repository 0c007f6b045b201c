"""Progress where nobody watches: a line now and then, never a flood."""

from __future__ import annotations

import sys

import pytest

from mdlp_bench import progress


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(progress, "time", found)
    monkeypatch.setattr(progress._Lines, "_last", 0.0)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    return found


def test_a_line_every_ten_seconds_with_what_is_left(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress.shown(), progress.progress_bar(100, "Scoring") as bar:
        for _ in range(40):
            clock.now += 1
            bar.update(1)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "Scoring: 10 of 100 samples after 10 s, about 1 min 30 s left",
        "Scoring: 20 of 100 samples after 20 s, about 1 min 20 s left",
        "Scoring: 30 of 100 samples after 30 s, about 1 min 10 s left",
        "Scoring: 40 of 100 samples after 40 s, about 1 min 0 s left",
    ]


def test_short_works_share_the_lines(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(6):
        with progress.shown(), progress.progress_bar(4, f"Method {number}") as bar:
            clock.now += 4
            bar.update(4)
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["Method 2: 4 of 4 samples after 4 s", "Method 5: 4 of 4 samples after 4 s"]


def test_nothing_where_nothing_is_wanted(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress.progress_bar(4, "Scoring") as bar:
        progress.say("not wanted")
        clock.now += 100
        bar.update(4)
    assert capsys.readouterr().err == ""


def test_parts_of_a_work_are_not_shown_beside_it(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress.shown():
        with progress.progress_bar(2, "Method") as bar:
            for _ in bar.over(range(2)):
                with progress.progress_bar(1, "Writing") as part:
                    clock.now += 20
                    part.update()
        progress.say("comparing")
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(" after")[0] for line in lines] == [
        "Method: 1 of 2 samples",
        "Method: 2 of 2 samples",
        "comparing",
    ]


def test_after_an_error_nothing_is_said_and_the_next_bar_is_shown(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress.shown():
        with pytest.raises(ValueError, match="stopped"), progress.progress_bar(9, "First"):
            clock.now += 60
            raise ValueError("stopped")
        with progress.progress_bar(9, "Second") as bar:
            clock.now += 60
            bar.update(9)
    assert capsys.readouterr().err == "Second: 9 of 9 samples after 1 min 0 s\n"
