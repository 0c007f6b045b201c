"""What samples show together, against comparisons of all with all."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from mdlp_bench.curate.audit import audit
from mdlp_bench.curate.audit.compare import _repeated, one_edit_apart
from mdlp_bench.data.samples import Samples
from mdlp_bench.images import decode, encode


@given(st.lists(st.text("京沪AB1", max_size=5), max_size=30, unique=True))
def test_every_pair_of_texts_one_edit_apart_is_found(texts: list[str]) -> None:
    expected = [
        [a, b] for a, b in combinations(range(len(texts)), 2) if Levenshtein.distance(texts[a], texts[b]) == 1
    ]
    assert one_edit_apart(texts).tolist() == expected


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=40))
def test_repeated_values_come_in_the_order_of_their_first_places(cells: list[tuple[int, bool]]) -> None:
    expected: dict[int, list[int]] = {}
    for place, (value, counts) in enumerate(cells):
        if counts:
            expected.setdefault(value, []).append(place)
    values = np.array([value for value, _ in cells], np.uint64)
    among = np.array([counts for _, counts in cells], np.bool_)
    assert list(_repeated(values, among)) == [tuple(group) for group in expected.values() if len(group) > 1]


def test_a_picture_that_many_samples_share_is_one_finding(make_samples: Callable[..., Samples]) -> None:
    rows = list(make_samples(60, name="sound").rows())
    pixels = decode(rows[0]["gt"]["bytes"], "gt")
    shared = {"bytes": encode(pixels), "path": "gt.png"}
    again = {"bytes": encode(cv2.GaussianBlur(pixels, (0, 0), 0.6), "jpg"), "path": "gt.jpg"}
    for number, row in enumerate(rows):
        row["gt"] = again if number == 59 else shared
    found = audit(make_samples(rows=rows))
    by_code = {f.code: f for f in found.findings}
    assert found.counts["duplicate"] == found.counts["near-duplicate"] == 1
    assert len(by_code["duplicate"].sample_ids) == 59
    assert by_code["near-duplicate"].sample_ids[-1] == "s0059"
