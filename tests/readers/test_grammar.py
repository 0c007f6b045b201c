"""The decoder's automaton says what the plate grammar says."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from mdlp_bench.plate import ALPHABET, DIGITS, LETTERS, PROVINCES, is_valid
from mdlp_bench.readers.grammar import complete, viable

_SERIAL = LETTERS + DIGITS
_NEAR_PLATES = st.builds(
    lambda first, letter, serial, last: first + letter + serial + last,
    st.sampled_from(PROVINCES + "使警A"),
    st.sampled_from(_SERIAL),
    st.text(_SERIAL, min_size=3, max_size=6),
    st.sampled_from(["", *"警学挂港澳领使D7京"]),
)


@given(st.one_of(_NEAR_PLATES, st.text(ALPHABET, max_size=9), st.from_regex(r"使[0-9]{5,7}", fullmatch=True)))
@settings(max_examples=600)
def test_complete_agrees_with_the_grammar(text: str) -> None:
    assert complete(text) == is_valid(text)


@given(_NEAR_PLATES)
@settings(max_examples=300)
def test_every_beginning_of_a_plate_is_viable(text: str) -> None:
    if is_valid(text):
        assert all(viable(text[:length]) for length in range(len(text) + 1))
    elif viable(text):
        # A viable prefix can be finished.
        endings = ["", *DIGITS, *LETTERS, *"警学挂港澳领"]
        candidates = {text}
        for _ in range(8 - len(text)):
            candidates |= {c + e for c in candidates for e in endings if viable(c + e)}
            if any(complete(c) for c in candidates):
                break
        assert any(complete(c) for c in candidates)


def test_examples() -> None:
    assert viable("") and not complete("")
    assert complete("京P20S75") and complete("沪AD12345") and complete("沪A12345D") and complete("使123456")
    assert not viable("京I") and not viable("A") and not complete("京P20S7")
    assert not viable("沪A12345DD")
