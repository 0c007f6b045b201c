"""Splits by plate identity: a plate's split depends on its id and the seed, on nothing else.

Each plate is hashed to a number in [0, 1) that falls into one split's share. So no plate is ever in two
splits and adding or removing data never moves a plate.

Exact stratification is not possible at the same time: to fill a quota of each stratum exactly, the place of
a plate must depend on the other plates of its stratum, and one more plate can then move it. A hash
stratifies in expectation: it is independent of layout, province and degradation, so every stratum of n
plates is split like n draws with the ratios as probabilities, and its shares deviate by no more than the
binomial tolerance sqrt(p (1 - p) / n). Two things are added, and neither moves a plate later:
`mdlp_bench.curate.splitting` reports every stratum's deviation against that tolerance, and for the first
version of a data set it can search a few seeds for the best balanced one, which is then kept.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from types import MappingProxyType
from typing import Final

from mdlp_bench.errors import DataError

DEFAULT_RATIOS: Final[Mapping[str, float]] = MappingProxyType({"train": 0.8, "val": 0.1, "test": 0.1})


def split_of(identity: str, ratios: Mapping[str, float] = DEFAULT_RATIOS, seed: int = 0) -> str:
    """The split of a plate.

    Args:
        identity: The plate id (or anything else that must stay together).
        ratios: Share of each split, summing to 1; the order matters, equal mappings give equal splits.
        seed: Another seed gives an independent split.

    Raises:
        DataError: The ratios are not shares of a whole.
    """
    return next(iter(splits_of([identity], ratios, seed)))


def splits_of(
    identities: Iterable[str], ratios: Mapping[str, float] = DEFAULT_RATIOS, seed: int = 0
) -> Iterator[str]:
    """`split_of` of many plates.

    Raises:
        DataError: The ratios are not shares of a whole.
    """
    check_ratios(ratios)
    shared = [(name, share) for name, share in ratios.items() if share > 0]
    names = [name for name, _ in shared]
    # The last bound is 1 by definition; rounding could leave the sum just below.
    bounds = list(accumulate(share for _, share in shared))[:-1]
    for identity in identities:
        yield names[bisect_right(bounds, unit_hash(identity, seed))]


def check_ratios(ratios: Mapping[str, float]) -> None:
    """Test that ratios are shares of a whole.

    Raises:
        DataError: There are none, one is negative, or they do not sum to 1.
    """
    values = list(ratios.values())
    if (
        not values
        or not all(value >= 0 for value in values)
        or not math.isclose(sum(values), 1.0, abs_tol=1e-9)
    ):
        raise DataError(f"split ratios {dict(ratios)} must not be negative and must sum to 1")


def unit_hash(identity: str, seed: int) -> float:
    """A number in [0, 1) that looks random and depends on `identity` and `seed` alone."""
    digest = hashlib.sha256(f"{seed}\x1f{identity}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
