from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdlp_bench.curate.pairing import vote
from mdlp_bench.plate import ALPHABET
from mdlp_bench.readers.base import Reading


def read(text: str, confidence: float = 1.0) -> Reading:
    return Reading(text, (confidence,) * len(text))


def test_the_majority_decides_each_character() -> None:
    found = vote([read("京A12345"), read("京A1Z345"), read("京A12346")])
    assert found.text == "京A12345"
    assert found.char_confidences == pytest.approx([1, 1, 1, 2 / 3, 1, 1, 2 / 3])
    assert found.confidence == pytest.approx(2 / 3)


def test_a_sure_reading_outvotes_two_doubtful_ones() -> None:
    assert vote([read("京A12345", 0.9), read("京A12346", 0.3), read("京A12346", 0.3)]).text == "京A12345"


def test_readings_without_confidences_have_a_whole_vote_for_each_character() -> None:
    bare = [Reading("京A12345"), Reading("京A12346"), Reading("京A12346")]
    assert vote(bare) == vote([read(one.text) for one in bare])


def test_a_dropped_province_only_costs_its_own_character() -> None:
    found = vote([read("冀HJ6395"), read("HJ6395"), read("冀HJ6395"), read("HJ6395X")])
    assert found.text == "冀HJ6395"
    assert found.char_confidences[0] == pytest.approx(0.5)
    assert found.char_confidences[2] == pytest.approx(1.0)


def test_empty_readings_count_against_every_character() -> None:
    assert vote([read("京A12345"), read("")]).confidence == pytest.approx(0.5)
    assert vote([read(""), read("")]).text == ""
    assert vote([]).confidence == 0.0


@given(
    st.text(st.sampled_from(ALPHABET), min_size=1, max_size=9),
    st.lists(st.floats(0.01, 1), min_size=1, max_size=8),
)
def test_agreement_gives_the_text_and_the_mean_confidence(text: str, confidences: list[float]) -> None:
    found = vote([read(text, confidence) for confidence in confidences])
    assert found.text == text
    assert found.char_confidences == pytest.approx([sum(confidences) / len(confidences)] * len(text))


@given(
    st.lists(
        st.tuples(st.text(st.sampled_from("京AB12"), max_size=8), st.floats(0, 1)), min_size=1, max_size=8
    ),
    st.randoms(use_true_random=False),
)
def test_order_does_not_matter_and_confidences_are_shares(
    readings: list[tuple[str, float]], random: object
) -> None:
    given_readings = [read(*item) for item in readings]
    shuffled = list(given_readings)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    first, second = vote(given_readings), vote(shuffled)
    assert first.text == second.text
    assert first.char_confidences == pytest.approx(second.char_confidences)
    assert all(0 <= confidence <= 1 for confidence in first.char_confidences)
