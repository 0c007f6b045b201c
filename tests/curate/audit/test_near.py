from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from mdlp_bench.curate.audit.near import confirm, describe, similar_hashes, strip_correlations, strips
from mdlp_bench.images import ImageU8, decode, encode

Change = Callable[[ImageU8], ImageU8]


def proposed(hashes: npt.NDArray[np.uint64], radius: int) -> npt.NDArray[np.int64]:
    """All pairs, once each and sorted."""
    pairs = [np.zeros((0, 2), np.int64), *similar_hashes(hashes, radius)]
    return np.unique(np.concatenate(pairs), axis=0)


def brute_force(hashes: npt.NDArray[np.uint64], radius: int) -> set[tuple[int, int]]:
    distance = np.bitwise_count(hashes[:, None] ^ hashes[None]).sum(axis=2)
    return {(int(i), int(j)) for i, j in np.argwhere(distance <= radius) if i < j}


def with_flips(
    rng: np.random.Generator, hashes: npt.NDArray[np.uint64], flips: int
) -> npt.NDArray[np.uint64]:
    bits = np.unpackbits(hashes.view(np.uint8).reshape(len(hashes), 16), axis=1)
    for line in bits:
        line[rng.choice(128, flips, replace=False)] ^= 1
    return np.packbits(bits, axis=1).view(np.uint64).reshape(len(hashes), 2)


def test_every_pair_within_seven_bits_is_found_and_no_pair_beyond_the_radius() -> None:
    rng = np.random.default_rng(0)
    base = rng.integers(0, 2**64, (300, 2), np.uint64)
    hashes = np.concatenate([base, *(with_flips(rng, base[:60], flips) for flips in (0, 1, 4, 7, 12))])
    found = {(int(a), int(b)) for a, b in proposed(hashes, 12)}
    assert found <= brute_force(hashes, 12)
    assert brute_force(hashes, 7) <= found


def test_thousands_of_hashes_take_no_time() -> None:
    rng = np.random.default_rng(1)
    base = rng.integers(0, 2**64, (20_000, 2), np.uint64)
    copies = with_flips(rng, base[:2_000], 6)
    started = time.perf_counter()
    found = proposed(np.concatenate([base, copies]), 12)
    # All pairs would be 242 million.
    assert time.perf_counter() - started < 10
    expected = np.stack([np.arange(2_000), np.arange(2_000) + 20_000], axis=1)
    np.testing.assert_array_equal(found, expected)


def test_crowds_do_not_explode() -> None:
    """Thousands of equal hashes, and thousands that share one band."""
    rng = np.random.default_rng(2)
    equal = np.repeat(rng.integers(0, 2**64, (1, 2), np.uint64), 3_000, axis=0)
    found = proposed(equal, 0)
    assert len(found) == 2_999 and len(np.unique(found)) == 3_000
    shared = rng.integers(0, 2**64, (5_000, 2), np.uint64)
    shared.view(np.uint16)[:, 0] = 7
    shared = np.concatenate([shared, shared[:10]])
    found = proposed(shared, 4)
    np.testing.assert_array_equal(found, np.stack([np.arange(10), np.arange(10) + 5_000], axis=1))
    assert len(proposed(np.zeros((0, 2), np.uint64), 4)) == 0


def jpeg(quality: int) -> Change:
    return lambda image: decode(encode(image, "jpg", quality=quality), "copy")


def resized(factor: float) -> Change:
    kind = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return lambda image: np.asarray(
        cv2.resize(image, None, fx=factor, fy=factor, interpolation=kind), np.uint8
    )


CHANGES: dict[str, Change] = {
    "quality 90": jpeg(90),
    "quality 30": jpeg(30),
    "twice the size": resized(2.0),
    "darker": lambda image: (image * 0.7).astype(np.uint8),
    "turned by 180": lambda image: np.ascontiguousarray(image[::-1, ::-1]),
    "turned by 90": lambda image: np.ascontiguousarray(np.rot90(image)),
    "turned and compressed": lambda image: jpeg(50)(np.ascontiguousarray(np.rot90(image, 3))),
}


def pairs_of(images: list[ImageU8]) -> set[tuple[int, int]]:
    """The pairs that an audit would call near duplicates."""
    described = [describe(image) for image in images]
    hashes = np.concatenate([np.stack([d[0][side] for d in described]) for side in (0, 1)])
    signatures = np.stack([d[1] for d in described])
    pairs = proposed(hashes, 20)
    pairs = pairs[pairs[:, 0] < len(images)] % len(images)
    kept = confirm(pairs, lambda places: signatures[places], lambda found: found.min(axis=1) >= 0.82)
    return {(min(a, b), max(a, b)) for a, b in pairs[kept].tolist() if a != b}


@pytest.fixture(scope="module")
def crops(shared_dir: Path) -> list[tuple[str, ImageU8]]:
    """Real crops of different plates."""
    paths = sorted((shared_dir / "real" / "plate_crops").iterdir())[:160]
    return [(path.stem, decode(path.read_bytes(), path.name)) for path in paths]


def test_different_real_plates_are_no_duplicates(crops: list[tuple[str, ImageU8]]) -> None:
    assert pairs_of([image for _, image in crops]) == set()


@pytest.mark.parametrize("change", CHANGES)
def test_copies_of_real_plates_are_found(crops: list[tuple[str, ImageU8]], change: str) -> None:
    originals = [image for _, image in crops[:60]]
    found = pairs_of([*originals, *(CHANGES[change](image) for image in originals)])
    expected = {(n, n + 60) for n in range(60)}
    assert found <= expected
    assert len(found) >= 0.9 * len(expected)


def test_flat_strips() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (1, 16, 64), np.uint8)
    noisy, inverted = strips(pixels), strips(255 - pixels)
    flat, brighter = (strips(np.full((1, 16, 64), level, np.uint8)) for level in (90, 110))
    assert strip_correlations(flat, brighter).min() == 1.0
    assert strip_correlations(flat, noisy).max() == 0.0
    np.testing.assert_allclose(strip_correlations(noisy, noisy), 1.0, rtol=1e-5)
    np.testing.assert_allclose(strip_correlations(noisy, inverted), -1.0, rtol=1e-5)
