from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, kstest

from mdlp_bench.data.plate_split import DEFAULT_RATIOS, split_of, splits_of, unit_hash
from mdlp_bench.errors import DataError
from mdlp_bench.plate import DIGITS, LETTERS, PROVINCES

N = 10_000
# Chance that one of the comparisons of a test fails on a sound split.
ALPHA = 1e-6


def random_plates(seed: int, count: int = N) -> list[str]:
    rng = random.Random(seed)
    serial = LETTERS + DIGITS
    plates: set[str] = set()
    while len(plates) < count:
        province = rng.choices(PROVINCES, [50, *[1] * (len(PROVINCES) - 1)])[0]
        plates.add(province + rng.choice(LETTERS) + "".join(rng.choices(serial, k=5)))
    return sorted(plates, key=lambda _: rng.random())


def ratios(names: int) -> st.SearchStrategy[dict[str, float]]:
    weights = st.lists(st.integers(1, 20), min_size=names, max_size=names)
    return weights.map(lambda w: {f"s{i}": v / sum(w) for i, v in enumerate(w)})


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 2**32), st.integers(1, 5).flatmap(ratios))
def test_ten_thousand_plates_keep_the_ratios_and_their_place(
    plate_seed: int, seed: int, shares: dict[str, float]
) -> None:
    plates = random_plates(plate_seed)
    assigned = dict(zip(plates, splits_of(plates, shares, seed), strict=True))
    counts = Counter(assigned.values())
    for name, share in shares.items():
        assert binomtest(counts[name], N, share).pvalue > ALPHA
    # One plate, one split: in any order, alone, among more plates or fewer.
    shuffled = random.Random(plate_seed + 1).sample(plates, len(plates))
    assert dict(zip(shuffled, splits_of(shuffled, shares, seed), strict=True)) == assigned
    more = [*random_plates(plate_seed + 2, 500), *plates[: N // 2]]
    later = dict(zip(more, splits_of(more, shares, seed), strict=True))
    assert all(later[plate] == assigned[plate] for plate in plates[: N // 2])
    assert all(split_of(plate, shares, seed) == assigned[plate] for plate in plates[:50])


def test_strata_are_split_like_the_whole() -> None:
    plates = random_plates(1)
    assigned = list(splits_of(plates))
    strata = {plate[0] for plate in plates}
    for stratum in sorted(strata):
        inside = [split for plate, split in zip(plates, assigned, strict=True) if plate[0] == stratum]
        counts = Counter(inside)
        for name, share in DEFAULT_RATIOS.items():
            assert binomtest(counts[name], len(inside), share).pvalue > ALPHA


def test_the_hash_is_uniform_and_the_seeds_independent() -> None:
    plates = random_plates(2)
    assert kstest([unit_hash(plate, 0) for plate in plates], "uniform").pvalue > ALPHA
    halves = {"a": 0.5, "b": 0.5}
    same = sum(
        a == b for a, b in zip(splits_of(plates, halves, 0), splits_of(plates, halves, 1), strict=True)
    )
    assert binomtest(same, N, 0.5).pvalue > ALPHA


def test_places_are_frozen() -> None:
    """Another hash would move plates of published data sets."""
    plates = ["京P20S75", "冀HJ6395", "沪AD12345", "val-0001", "苏E05EV8"]
    assert [round(unit_hash(plate, 0), 6) for plate in plates] == [
        0.061682,
        0.60657,
        0.609451,
        0.886424,
        0.888469,
    ]


def test_a_longer_first_split_only_takes_in() -> None:
    plates = random_plates(3, 2000)
    before = dict(zip(plates, splits_of(plates, {"train": 0.5, "test": 0.5}), strict=True))
    after = dict(zip(plates, splits_of(plates, {"train": 0.7, "test": 0.3}), strict=True))
    assert all(after[plate] == "train" for plate in plates if before[plate] == "train")


def test_an_empty_share_gets_nothing() -> None:
    assert set(splits_of(random_plates(4, 2000), {"a": 0.0, "b": 1.0, "c": 0.0})) == {"b"}


@pytest.mark.parametrize(
    "bad", [{}, {"a": 0.5}, {"a": 1.5, "b": -0.5}, {"a": float("nan")}, {"a": float("nan"), "b": 1.0}]
)
def test_ratios_that_are_no_shares_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(DataError, match="must sum to 1"):
        split_of("京A12345", bad)
