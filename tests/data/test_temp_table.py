"""What holds a million rows: the same as lists, in any order and in blocks of any size."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from mdlp_bench.data.temp_table import Spill, Strings, hash_strings

TEXTS = st.lists(st.text("京A1é\n", max_size=4), max_size=30)


@given(st.lists(TEXTS, max_size=6), st.data())
def test_rows_come_back_in_the_order_asked_for(blocks: list[list[str]], data: st.DataObject) -> None:
    spill = Spill(pa.schema([("text", pa.string()), ("n", pa.int64())]))
    expected: list[tuple[str, int]] = []
    for texts in blocks:
        rows = [{"text": text, "n": len(expected) + n} for n, text in enumerate(texts)]
        expected += [(row["text"], row["n"]) for row in rows]
        spill.append(pa.RecordBatch.from_pylist(rows, pa.schema([("text", pa.string()), ("n", pa.int64())])))
    assert len(spill) == len(expected)
    places = data.draw(st.lists(st.integers(0, len(expected) - 1), max_size=40) if expected else st.just([]))
    found = spill.take(np.array(places, np.int64)).to_pylist()
    assert [(row["text"], row["n"]) for row in found] == [expected[place] for place in places]


@given(TEXTS, st.data())
def test_strings_are_a_sequence(texts: list[str], data: st.DataObject) -> None:
    strings = Strings(pa.array(texts, pa.string()))
    part = data.draw(st.slices(len(texts)).filter(lambda s: s.step in (None, 1)))
    assert list(strings) == texts and len(strings) == len(texts) and strings[part] == texts[part]
    if texts:
        place = data.draw(st.integers(-len(texts), len(texts) - 1))
        assert strings[place] == texts[place]


@given(TEXTS)
def test_equal_strings_have_equal_hashes_and_others_do_not(texts: list[str]) -> None:
    hashes = hash_strings(pa.array(texts, pa.string()))
    assert hashes.dtype == np.uint64 and len(hashes) == len(texts)
    assert len(set(hashes.tolist())) == len(set(texts))
