from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdlp_bench import plate
from mdlp_bench.errors import PlateError


def test_alphabet_has_no_twins_and_leaves_out_i_and_o() -> None:
    assert len(set(plate.ALPHABET)) == len(plate.ALPHABET) == 72
    assert len(plate.PROVINCES) == 31
    assert not set("IO") & set(plate.ALPHABET)


@pytest.mark.parametrize(
    ("text", "layouts"),
    [
        ("京P20S75", ("blue", "yellow", "black")),
        ("沪AE22283", ("green_small",)),
        ("沪A22283D", ("green_large",)),
        ("京A1234警", ("white_police",)),
        ("使014578", ("black",)),
        ("粤Z1234港", ("black",)),
        ("鲁A123学".replace("123", "1234"), ("training",)),
        ("皖A12X4挂", ("trailer",)),
    ],
)
def test_layouts_of_known_plates(text: str, layouts: tuple[str, ...]) -> None:
    assert plate.parse(text).layouts == layouts


@pytest.mark.parametrize("written", ["京P·20S75", "京p 20s75", "京Ｐ２０Ｓ７５", " 京P-20S75 "])
def test_separators_case_and_width_are_forgiven(written: str) -> None:
    assert plate.parse(written).text == "京P20S75"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "0 characters"),
        ("京P20S7", "6 characters"),
        ("京P20SO5", "do not use I and O"),
        ("京P20S7人", "character 7, '人'"),
        ("AP20S75", "starts with 'A'"),
        ("京120S75", "no order"),
        ("京PABCDE", "no order"),
    ],
)
def test_what_is_no_plate_is_refused_with_its_reason(text: str, says: str) -> None:
    with pytest.raises(PlateError, match=says):
        plate.parse(text)


def test_a_demanded_layout_is_demanded() -> None:
    assert plate.is_valid("京P20S75", "blue")
    with pytest.raises(PlateError, match="green_small"):
        plate.parse("京P20S75", "green_small")


@given(st.text(max_size=12))
def test_any_text_is_parsed_or_refused_and_normalising_is_idempotent(text: str) -> None:
    plain = plate.normalise(text)
    assert plate.normalise(plain) == plain or not plate.is_valid(plain)
    assert plate.is_valid(text) == bool(_layouts_or_none(text))


def _layouts_or_none(text: str) -> tuple[str, ...]:
    try:
        return plate.parse(text).layouts
    except PlateError:
        return ()


def test_every_label_of_the_real_data_is_a_plate(shared_dir) -> None:
    lines = (shared_dir / "real/mdlp_figures/labels.csv").read_text(encoding="utf-8").split()[1:]
    crops = [path.stem for path in (shared_dir / "real/plate_crops").glob("*.jpg")]
    assert len(lines) == 36 and len(crops) == 483
    for text in [line.split(",")[1] for line in lines] + crops:
        plate.parse(text)
