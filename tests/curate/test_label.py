"""Labels by vote: what is sure, what a person settles, and that the result goes back in."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from mdlp_bench import images
from mdlp_bench.cli.main import app
from mdlp_bench.curate.label import LabelConfig, label
from mdlp_bench.data import Problem, open_samples, write_parquet
from mdlp_bench.errors import DataError

READERS = """
from mdlp_bench.readers.base import Reading

TEXTS = {0: "皖A12345", 1: "京P20S75", 2: "苏UZ502G", 3: "", 4: "皖A12345"}

def plate(image):
    return int(image[0, 0, 0]) // 40

def make(wrong, confidence):
    def read(crops):
        found = []
        for crop in crops:
            text = TEXTS[plate(crop)]
            if plate(crop) in wrong:
                text = wrong[plate(crop)]
            found.append(Reading(text, (confidence,) * len(text)))
        return found
    return read

first = make({}, 0.95)
second = make({1: "京P20S76"}, 0.9)
third = make({1: "京P20S7", 2: "苏UZ502C"}, 0.9)
"""
MARKS = "\ufeff"


@pytest.fixture
def readers(tmp_path: Path) -> list[str]:
    """Three readers that see the plate by its colour and disagree on some."""
    path = tmp_path / "readers.py"
    path.write_text(READERS, "utf-8")
    return [f"{path}:{name}" for name in ("first", "second", "third")]


@pytest.fixture
def mdlp(tmp_path: Path) -> Path:
    """Five plates: sure, disputed, two of three, unreadable, and a second one of the first's text."""
    for number in range(5):
        for folder, side in (("inputs", 6), ("gt", 20)):
            path = tmp_path / f"set/test/{folder}/g{number}/img_1.png"
            path.parent.mkdir(parents=True)
            pixels = np.full((side, side * 3, 3), number * 40 + 5, np.uint8)
            if folder == "gt":
                pixels[5:15, 10:50:4] = 255
            path.write_bytes(images.encode(pixels))
    return tmp_path / "set"


def lines(out: Path) -> dict[str, dict[str, str]]:
    with (out / "labels.csv").open(encoding="utf-8", newline="") as stream:
        return {line["sample_id"]: line for line in csv.DictReader(stream)}


def test_votes_are_sure_doubtful_or_unreadable(mdlp: Path, readers: list[str], tmp_path: Path) -> None:
    report = label(open_samples(mdlp), tmp_path / "out", readers)
    found = lines(tmp_path / "out")
    assert {i: (p["status"], p["text"], p["text_origin"]) for i, p in found.items()} == {
        "test-g0": ("sure", "皖A12345", "reader"),
        "test-g1": ("doubtful", "", ""),
        "test-g2": ("sure", "苏UZ502G", "reader"),
        "test-g3": ("unreadable", "", ""),
        "test-g4": ("sure", "皖A12345", "reader"),
    }
    assert found["test-g1"]["votes"] == "京P20S75|京P20S76|京P20S7" and found["test-g2"]["agreeing"] == "2"
    assert report.counts == {"sure": 3, "doubtful": 1, "unreadable": 1}
    assert report.same_text == {"皖A12345": ("test-g0", "test-g4")}
    assert json.loads((tmp_path / "out/label.json").read_text("utf-8"))["counts"] == report.counts
    strict = label(open_samples(mdlp), tmp_path / "out", readers, LabelConfig(sure_confidence=0.7))
    assert strict.counts == {"sure": 2, "doubtful": 2, "unreadable": 1}


def test_the_page_is_whole_and_the_least_sure_first(mdlp: Path, readers: list[str], tmp_path: Path) -> None:
    label(open_samples(mdlp), tmp_path / "out", readers)
    page = (tmp_path / "out/doubtful.html").read_text("utf-8")
    assert re.findall(r'data-id="([^"]*)"', page) == ["test-g3", "test-g1"]
    assert page.count("data:image/jpeg;base64,") == 4 and not re.search(r'(src|href)="(?!data:)', page)
    choices = re.findall(r'data-text="([^"]*)"><b>(.*?)</b> ([^<]*)</button>', page)
    assert [(text, shown, said.replace("readers:", "")) for text, shown, said in choices] == [
        ("#", "#", "cannot be read"),
        ("京P20S75", "京P20S75", "first, vote"),
        ("京P20S76", "京P20S7<mark>6</mark>", "second"),
        ("京P20S7", "京P20S7", "third"),
        ("#", "#", "cannot be read"),
    ]


def test_a_person_settles_plates_in_a_browser(
    mdlp: Path, readers: list[str], tmp_path: Path, browser: Any
) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    label(open_samples(mdlp), tmp_path / "out", readers)
    browser.get((tmp_path / "out/doubtful.html").as_uri())
    fields = browser.find_elements("css selector", "input[data-id]")
    answers = lambda: browser.execute_script("return answers();")  # noqa: E731
    assert answers() == []
    fields[0].find_element("xpath", "ancestor::article").find_element(
        "css selector", "[data-text='#']"
    ).click()
    fields[1].clear()
    fields[1].send_keys(" 京p·20s7")
    odd = fields[1].find_element("xpath", "ancestor::article").find_element("css selector", ".odd")
    assert odd.is_displayed()
    fields[1].send_keys("6\n")
    assert answers() == [["test-g3", "#"], ["test-g1", "京P20S76"]] and not odd.is_displayed()
    browser.execute_script("arguments[0].setSelectionRange(0, 0);", fields[1])
    next(b for b in browser.find_elements("css selector", "#glyphs button") if b.text == "皖").click()
    assert fields[1].get_attribute("value") == "皖P20S76"
    browser.execute_script("unsaved = false;")

    def kept(page: Any) -> bool:
        page.refresh()
        return bool(answers() == [["test-g3", "#"], ["test-g1", "皖P20S76"]])

    # A busy browser stores what a page keeps a moment later.
    WebDriverWait(browser, 20).until(kept)


def test_answers_go_back_in_without_reading_again(mdlp: Path, readers: list[str], tmp_path: Path) -> None:
    out, answers = tmp_path / "out", tmp_path / "answers.csv"
    label(open_samples(mdlp), out, readers)
    kept = (out / "readings.jsonl").read_bytes()
    answers.write_text(
        f'{MARKS}sample_id,text,text_origin\r\n"test-g1","京P20S75",person\r\n"test-g0","#",person\r\n'
        '"test-g9","京A11111",person\r\n', "utf-8",
    )  # fmt: skip
    report = label(open_samples(mdlp), out, readers, answers=answers)
    found = lines(out)
    assert (found["test-g1"]["text"], found["test-g1"]["text_origin"]) == ("京P20S75", "person")
    assert (found["test-g0"]["text"], found["test-g0"]["status"]) == ("#", "unreadable")
    (unused,) = report.unused_answers
    assert "answers.csv:4: 'test-g9' labels no sample" in unused
    assert (out / "readings.jsonl").read_bytes() == kept
    assert 'data-id="test-g3"' in (page := (out / "doubtful.html").read_text("utf-8"))
    assert 'data-id="test-g0"' not in page and 'data-id="test-g1"' not in page


def test_a_person_ends_a_conflict_and_takes_a_label_away(
    mdlp: Path, readers: list[str], tmp_path: Path
) -> None:
    (mdlp / "labels.csv").write_text("g0,皖A12346\ng2,苏UZ502F\n", "utf-8")
    out, answers = tmp_path / "out", tmp_path / "answers.csv"
    assert len(label(open_samples(mdlp), out, readers).conflicts) == 2
    answers.write_text("g0,皖A·12346\ntest/g2,#\ng2,看不清\n", "utf-8")
    report = label(open_samples(mdlp), out, readers, answers=answers)
    assert not report.conflicts and not report.unused_answers and report.sure_of_labelled == 2
    texts = {s.sample_id: s.text for s in open_samples(mdlp, labels=out / "labels.csv")}
    assert (texts["test-g0"], texts["test-g2"]) == ("皖A12346", None)
    answers.write_text("g0,皖A12346\ng0,皖A12345\n", "utf-8")
    report = label(open_samples(mdlp), out, readers, answers=answers)
    assert len(report.conflicts) == 2 and "'皖A12345' here but '皖A12346'" in report.unused_answers[0]


def test_a_cut_line_and_changed_pictures_are_read_again(
    mdlp: Path, readers: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    label(open_samples(mdlp), out, readers)
    whole, labels = (out / "readings.jsonl").read_bytes(), (out / "labels.csv").read_bytes()
    (out / "readings.jsonl").write_bytes(whole[: len(whole) // 2])
    label(open_samples(mdlp), out, readers)
    assert ((out / "readings.jsonl").read_bytes(), (out / "labels.csv").read_bytes()) == (whole, labels)
    shutil.copy(mdlp / "test/gt/g2/img_1.png", mdlp / "test/gt/g0/img_1.png")
    label(open_samples(mdlp), out, readers)
    assert lines(out)["test-g0"]["text"] == "苏UZ502G"


def test_other_texts_and_touched_files_are_not_read_again(
    mdlp: Path, readers: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    first = label(open_samples(mdlp), out, readers)
    (mdlp / "labels.csv").write_text("g0,皖A12346\n", "utf-8")
    (mdlp / "test/gt/g2/img_1.png").touch()
    shown: list[int] = []
    monkeypatch.setattr("mdlp_bench.curate.label._readable", lambda sample, _: shown.append(1) or [])
    second = label(open_samples(mdlp), out, readers)
    assert not shown and second.counts == first.counts | {"sure": 2, "label": 1} and second.conflicts
    shutil.copy(mdlp / "test/gt/g2/img_1.png", mdlp / "test/gt/g0/img_1.png")
    label(open_samples(mdlp), out, readers)
    assert len(shown) == 1


def test_labels_that_were_there_are_kept_and_compared(mdlp: Path, readers: list[str], tmp_path: Path) -> None:
    (mdlp / "labels.csv").write_text("g0,皖A12346\ng2,苏UZ502G\ng3,#####\n", "utf-8")
    report = label(open_samples(mdlp), tmp_path / "out", readers)
    assert report.conflicts == (("test-g0", "皖A12346", "皖A12345"),) and report.sure_of_labelled == 2
    assert lines(tmp_path / "out")["test-g0"]["text"] == "皖A12346"
    page = (tmp_path / "out/doubtful.html").read_text("utf-8")
    assert "the readers contradict the label" in page and 'data-id="test-g0"' in page
    assert re.search(r"data-text=\"皖A12346\"><b>皖A1234<mark>6</mark></b> label<", page)


@pytest.mark.parametrize("stored", ["folder", "parquet"])
def test_every_command_takes_the_labels(mdlp: Path, readers: list[str], tmp_path: Path, stored: str) -> None:
    label(open_samples(mdlp), tmp_path / "out", readers)
    data = mdlp
    if stored == "parquet":
        data = tmp_path / "pq"
        write_parquet(open_samples(mdlp), data)
    labels = tmp_path / "out/labels.csv"
    samples = open_samples(data, labels=labels)
    texts = ["皖A12345", None, "苏UZ502G", None, "皖A12345"]
    assert [s.text for s in samples] == texts
    origin = [s.text_origin for s in samples.load([i for ids in samples.candidates().values() for i in ids])
              if not isinstance(s, Problem)]  # fmt: skip
    assert origin == ["reader", None, "reader", None, "reader"]
    assert samples[0].plate_id == "皖A12345" and samples[1].plate_id == "test-g1"
    assert samples.select(sample_ids=["test-g2"])[0].text == "苏UZ502G"
    assert samples.fingerprint != open_samples(data).fingerprint
    result = CliRunner().invoke(
        app, ["data", "export", str(data), "-o", str(tmp_path / "new"), "--labels", str(labels), "--json"]
    )
    assert result.exit_code == 0, result.output
    exported = open_samples(tmp_path / "new")
    assert [s.text for s in exported] == texts and exported.fingerprint == samples.fingerprint


def test_the_list_may_lie_in_the_folder(mdlp: Path, readers: list[str], tmp_path: Path) -> None:
    label(open_samples(mdlp), tmp_path / "out", readers)
    shutil.copy(tmp_path / "out/labels.csv", mdlp / "labels.csv")
    rows = list(open_samples(mdlp))
    assert [(s.text, s.text_origin) for s in rows][:2] == [("皖A12345", "reader"), (None, None)]
    assert not [p for p in open_samples(mdlp).problems if p.code == "label"]


def test_what_is_refused(mdlp: Path, readers: list[str], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at least two readers"):
        label(open_samples(mdlp), tmp_path / "out", readers[:1])
    label(open_samples(mdlp), tmp_path / "out", readers)
    with pytest.raises(DataError, match="other samples or readers"):
        label(open_samples(mdlp), tmp_path / "out", readers[:2])
    with pytest.raises(DataError, match="is not empty"):
        label(open_samples(mdlp), mdlp, readers)
    lost = tmp_path / "lost.csv"
    lost.write_text("sample_id,text\nx,皖A12345\n", "utf-8")
    with pytest.raises(
        DataError, match=r"none of its lines names a sample; .*lost\.csv:2: 'x' labels no sample"
    ):
        open_samples(mdlp, labels=lost)


def test_the_command_says_what_it_did(mdlp: Path, readers: list[str], tmp_path: Path) -> None:
    arguments: list[Any] = ["data", "label", mdlp, "--readers", ",".join(readers), "-o", tmp_path / "out"]
    result = CliRunner().invoke(app, list(map(str, arguments)))
    output = " ".join(result.output.split())  # wherever the terminal breaks lines
    assert result.exit_code == 0 and "sure" in output and "doubtful.html" in output.replace(" ", "")
    assert "1 text of several samples (one plate seen again, or a misreading): 皖A12345" in output
    assert "for a person to decide: 2 plates in" in output
