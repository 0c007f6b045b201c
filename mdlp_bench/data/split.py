"""Splits by plate identity: a plate's split depends on its id and the seed, on nothing else.

Each plate is hashed to a number in [0, 1) that falls into one split's share. So no plate is ever in two
splits, adding or removing data never moves a plate, and every stratum (layout, province, degradation level)
is split in the same expected ratios without knowing the strata.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from mdlp_bench.errors import DataError

DEFAULT_RATIOS: Final[Mapping[str, float]] = MappingProxyType({"train": 0.8, "val": 0.1, "test": 0.1})


def split_of(identity: str, ratios: Mapping[str, float] = DEFAULT_RATIOS, seed: int = 0) -> str:
    """The split of a plate.

    Args:
        identity: The plate id (or whatever else must not be torn apart).
        ratios: Share of each split, summing to 1; the order matters, equal mappings give equal splits.
        seed: Another seed gives an independent split.

    Raises:
        DataError: The ratios are no shares.
    """
    if not ratios or min(ratios.values()) < 0 or not math.isclose(sum(ratios.values()), 1.0, abs_tol=1e-9):
        raise DataError(f"split ratios {dict(ratios)} must not be negative and must sum to 1")
    place = unit_hash(identity, seed)
    upper = 0.0
    for name, share in ratios.items():
        upper += share
        if place < upper:
            return name
    # Rounding can leave the last bound just below 1.
    return [name for name, share in ratios.items() if share > 0][-1]


def unit_hash(identity: str, seed: int) -> float:
    """A number in [0, 1) that looks random and depends on `identity` and `seed` alone."""
    digest = hashlib.sha256(f"{seed}\x1f{identity}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
