"""Grammars as data: the automaton against regular expressions, and files that are wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdlp_bench import plate
from mdlp_bench.data import open_samples
from mdlp_bench.errors import PlateError
from mdlp_bench.plate import ALPHABET, CHINESE, DIGITS, ENERGY_LETTERS, LETTERS, PROVINCES
from mdlp_bench.plate.grammar import GRAMMARS_VARIABLE, load_grammars

_L, _S = f"[{LETTERS}]", f"[{LETTERS}{DIGITS}]"
_SERIAL = f"(?=(?:{_S}*?[0-9]){{2}}){_S}{{5}}"
# An independent wording of the same rules.
_ORACLE = {
    "blue": f"[{PROVINCES}]{_L}{_SERIAL}",
    "green_small": f"[{PROVINCES}]{_L}[{ENERGY_LETTERS}]{_S}[0-9]{{4}}",
    "green_large": f"[{PROVINCES}]{_L}[0-9]{{5}}[{ENERGY_LETTERS}]",
    "white_police": f"[{PROVINCES}]{_L}{_S}{{4}}警",
    "black": f"使[0-9]{{6}}|[{PROVINCES}]{_L}(?:{_S}{{4}}[港澳领]|{_SERIAL})",
    "training": f"[{PROVINCES}]{_L}{_S}{{4}}学",
    "trailer": f"[{PROVINCES}]{_L}{_S}{{4}}挂",
    "brazilian": "[A-Z]{3}[0-9]{4}",
    "mercosur": "[A-Z]{3}[0-9][A-Z][0-9]{2}",
}
_NEAR_PLATES = st.builds(
    lambda first, letter, serial, last: first + letter + serial + last,
    st.sampled_from(PROVINCES + "使警A"),
    st.sampled_from(LETTERS + DIGITS),
    st.text(LETTERS + DIGITS, min_size=3, max_size=6),
    st.sampled_from(["", *"警学挂港澳领使D7京"]),
)
_LATIN = st.from_regex(r"[A-Z]{2,3}[A-Z0-9]{4,5}", fullmatch=True)
_TEXTS = st.one_of(
    _NEAR_PLATES, _LATIN, st.text(ALPHABET, max_size=9), st.from_regex(r"使[0-9]{5,7}", fullmatch=True)
)


@pytest.fixture
def own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def clear() -> None:
        for cached in (plate.grammars, plate._kept):
            cached.cache_clear()

    def write(content: str) -> Path:
        path = tmp_path / "own.yaml"
        path.write_text(content, encoding="utf-8")
        monkeypatch.setenv(GRAMMARS_VARIABLE, str(path))
        clear()
        return path

    yield write
    monkeypatch.undo()
    clear()


@given(_TEXTS)
@settings(max_examples=600)
def test_layouts_agree_with_regular_expressions(text: str) -> None:
    for layout, pattern in _ORACLE.items():
        assert plate.is_valid(text, layout) == bool(re.fullmatch(pattern, text)), layout


@given(_TEXTS)
@settings(max_examples=300)
def test_patterns_of_templates_say_what_templates_say(text: str) -> None:
    for grammar in plate.grammars().values():
        for template in grammar.templates:
            assert template.matches(text) == bool(re.search(template.pattern, text))


@given(_TEXTS)
@settings(max_examples=300)
def test_every_beginning_of_a_plate_is_viable(text: str) -> None:
    for grammar in plate.grammars().values():
        if grammar.layouts_of(text):
            assert all(grammar.viable(text[:length]) for length in range(len(text) + 1))


@given(_NEAR_PLATES)
@settings(max_examples=200)
def test_a_viable_prefix_can_be_finished(text: str) -> None:
    if not CHINESE.viable(text):
        return
    candidates = {text}
    for _ in range(9 - len(text)):
        if any(CHINESE.layouts_of(c) for c in candidates):
            return
        candidates = {c + e for c in candidates for e in DIGITS[:1] + "警D" if CHINESE.viable(c + e)}
    raise AssertionError(f"{text} is viable and cannot be finished")


def test_examples() -> None:
    assert CHINESE.viable("") and not CHINESE.viable("京I") and not CHINESE.viable("A")
    assert not CHINESE.viable("沪A12345DD")
    assert plate.parse("bai-8068").layouts == ("brazilian",) and plate.parse("TAM0I70").text == "TAM0I70"
    assert plate.grammar_of("TAM 0I70").name == "mercosur"
    assert plate.grammar_of("京P20S75") is CHINESE and plate.grammar_of("ABC123") is None
    with pytest.raises(PlateError, match="Mercosur"):
        plate.parse("BAI8068", "mercosur")


def test_a_file_adds_grammars(own_file) -> None:
    own_file(
        "german:\n  title: Germany\n  pattern: [LLLNNN, LLLNNNN]\n  separators: '/'\n  letters: ABCÄÖÜ\n"
    )
    assert plate.grammar_of("ab/c 123").name == "german" and plate.normalise("AB/C 123") == "ABC123"
    assert plate.grammars()["german"].lengths == (6, 7)
    assert plate.is_valid("AÜB123", "german")
    assert plate.grammar_of("DEF123") is None


def test_a_region_sign_has_its_own_class(own_file) -> None:
    own_file("hangul: {title: Korea, pattern: NNRNNNN, region: 가나다}")
    assert plate.grammar_of("12가 3456").name == "hangul" and plate.grammar_of("12라3456") is None


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("- a", "mapping"),
        ("a: [", "correct the YAML"),
        ("a: {title: A, pattern: LLN, length: 4}", r"a: .*length says \[4\], the patterns have \[3\]"),
        ("a: {title: A}", "a: pattern"),
        ("a: {title: A, pattern: []}", "pattern must not be empty"),
        ("a: {title: A, pattern: LLN, seperators: x}", "seperators"),
        ("a: {title: A, pattern: LLN, separators: X}", "'X' cannot be a separator"),
        ("a: {title: A, pattern: LLN, region: X}", "region has 'X'"),
        ("a: {title: A, pattern: RLN}", "region names no glyphs"),
        ("brazilian: {title: A, pattern: LLN}", "brazilian is a grammar or layout of the package"),
        ("chinese: {title: A, pattern: LLN}", "chinese is a grammar or layout of the package"),
        ("blue: {title: A, pattern: LLN}", "blue is a grammar or layout of the package"),
        ("a: {title: A, pattern: lln}", "pattern has 'l', which no compared text has; write L"),
        ("a: {title: A, pattern: LL-NN}", "pattern has '-', which no compared text has; leave it out"),
        ("a: {title: A, pattern: LLN, letters: ABc}", "letters has 'c'"),
        ("[]", "at least one"),
        ("a: 3", "a: expected a mapping with title and pattern"),
        ("", "at least one"),
    ],
)
def test_a_wrong_file_is_named_with_its_fault(own_file, content: str, says: str) -> None:
    path = own_file(content)
    with pytest.raises(PlateError, match=says) as caught:
        plate.grammars()
    assert str(path) in str(caught.value)


def test_a_wrong_file_is_no_fault_of_the_samples(own_file, tmp_path: Path) -> None:
    path = own_file("a: {title: A}")
    (tmp_path / "data.csv").write_text("frame_1,text\nx.png,BAI8068\n")
    with pytest.raises(PlateError, match="a: pattern") as caught:
        open_samples(tmp_path / "data.csv")
    assert str(caught.value).startswith(str(path))


def test_a_missing_file_says_where_its_name_comes_from(tmp_path: Path) -> None:
    with pytest.raises(PlateError, match=GRAMMARS_VARIABLE):
        load_grammars(tmp_path / "absent.yaml")
