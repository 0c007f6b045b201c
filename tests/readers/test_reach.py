"""Which texts readers can know, and that it is said before anything runs."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mdlp_bench.cli.main import app
from mdlp_bench.curate.triage import triage
from mdlp_bench.data.samples import Samples
from mdlp_bench.errors import MissingDependencyError, MissingWeightsError, ReaderError
from mdlp_bench.harness.plan import ScoringPlan
from mdlp_bench.metrics.protocol import CURRENT
from mdlp_bench.readers import READERS, load_reader
from mdlp_bench.readers.reach import (
    AUTO_CHOICES,
    GRAMMARS_READ,
    ONLY_PLATES,
    beyond_reach,
    in_reach,
    texts_read,
)
from mdlp_bench.readers.registry import DEFAULT_READER
from tests.conftest import sample_row


@pytest.mark.parametrize(
    "text, chinese, latin",
    [
        ("京P20S75", True, False),
        ("沪AD12345", True, False),
        ("BAI8068", False, True),  # Brazil, I is no letter of a Chinese plate
        ("ABC1D23", False, True),
        ("A12", True, True),  # a part of either's plates
        ("A12345", True, True),  # a Chinese plate without its province, as some label it
        ("AB123CD", False, True),  # no plate of either; Latin readers have no province to expect
        ("1234567", False, True),
        ("京12", True, False),
        ("부산12", False, False),
    ],
)
def test_what_readers_can_know(text: str, chinese: bool, latin: bool) -> None:
    assert in_reach(text, ["chinese"]) == chinese
    assert in_reach(text, ["brazilian", "mercosur"]) == latin


@pytest.mark.parametrize(
    "text, chinese, latin",
    [
        ("京P20S75", True, False),
        ("BAI8068", False, True),
        ("P20S75", False, False),  # plates without a part, which these readers never say
        ("AB", False, False),
        ("京12", False, False),
        ("1234567", False, False),
    ],
)
def test_readers_that_say_whole_plates_alone_read_no_parts(text: str, chinese: bool, latin: bool) -> None:
    counts = texts_read([text])
    assert counts["crnn-grammar"] == counts["crnn-3-grammar"] == chinese
    assert counts["crnn-latin-grammar"] == latin
    only = load_reader("crnn-3-grammar").descriptor
    assert (beyond_reach(only, [text]) is None) == chinese
    assert counts["crnn"] == in_reach(text, ["chinese"])


def test_whole_plates_alone_are_said_by_the_readers_that_decode_by_grammar() -> None:
    assert {name for name, (_, *arguments) in READERS.items() if "grammar" in arguments} == ONLY_PLATES


def test_the_table_of_readers_is_what_their_descriptors_say() -> None:
    assert GRAMMARS_READ.keys() == READERS.keys()
    assert AUTO_CHOICES[0] == DEFAULT_READER == CURRENT.text.reader
    for name, reads in GRAMMARS_READ.items():
        try:
            assert load_reader(name).descriptor.grammars == reads
        except (MissingDependencyError, MissingWeightsError, ReaderError):  # not installed or not fetched
            continue


def test_one_line_says_what_a_reader_cannot_know() -> None:
    reader = load_reader("crnn").descriptor
    assert beyond_reach(reader, ["京P20S75", None, ""]) is None
    some = beyond_reach(reader, ["京P20S75", "BAI8068", "ABC1D23"])
    assert some is not None and "\n" not in some
    assert "2 of 3 texts" in some and "BAI8068" in some and "--reader crnn-latin can read 2" in some
    assert "all texts" in (beyond_reach(reader, ["BAI8068"]) or "")
    assert texts_read(["京P20S75", "BAI8068", None])["crnn-latin"] == 1
    # A function may read any plates.
    assert beyond_reach(reader.model_copy(update={"grammars": ()}), ["BAI8068"]) is None


def rows(*texts: str) -> list[dict]:
    return [sample_row(number) | {"text": text} for number, text in enumerate(texts)]


def test_a_plan_for_samples_says_it_before_anything_is_scored(
    make_samples: Callable[..., Samples], caplog: pytest.LogCaptureFixture
) -> None:
    latin = make_samples(rows=rows("BAI8068", "ABC1D23"))
    with caplog.at_level(logging.WARNING):
        ScoringPlan.from_names(["crnn-latin"], "none", samples=latin)
        assert not caplog.records
        ScoringPlan.from_names(["crnn"], "none", samples=latin)
        (record,) = caplog.records
        assert record.getMessage().startswith("crnn reads plates of Mainland China: all texts")


def test_inspect_and_audit_say_which_readers_can_read_a_set(shared_dir: Path) -> None:
    data = str(shared_dir / "real" / "lrlpr")
    for command in (["data", "inspect", data], ["data", "audit", data]):
        shown = CliRunner().invoke(app, command)
        assert "texts within the alphabets of readers: all by crnn-latin, crnn-latin-grammar" in shown.output
        parsed = json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout)
        assert parsed["texts_read"]["crnn-latin"] == 1 and parsed["texts_read"]["clpr"] == 0


def test_auto_and_the_warning_agree(
    make_samples: Callable[..., Samples], caplog: pytest.LogCaptureFixture
) -> None:
    further = make_samples(rows=rows("AB123CD", "AC123CD"))
    with caplog.at_level(logging.WARNING):
        plan = ScoringPlan.from_names(["auto"], "none", samples=further)
        assert [reader.descriptor.name for reader in plan.readers] == ["crnn-latin"]
        assert not caplog.records
        ScoringPlan.from_names(["crnn-3"], "none", samples=further)
        assert "all texts are none of these" in caplog.text and "crnn-latin can read 2" in caplog.text
        caplog.clear()
        without = make_samples(rows=[sample_row(0) | {"text": None, "layout": None}], name="other")
        ScoringPlan.from_names(["auto"], "none", samples=without)
        assert "no sample has a text, so crnn-3 reads" in caplog.text


def test_triage_says_what_its_reader_cannot_know(
    make_samples: Callable[..., Samples], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        triage(make_samples(rows=rows("BAI8068")), load_reader("crnn-3"))
    assert "all texts are none of these" in caplog.text
