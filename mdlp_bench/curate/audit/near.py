"""Near duplicates: perceptual hashes, a candidate search that is not quadratic, and a test on the pixels.

Plates look alike: the same colours and the same places for the characters. A hash alone would therefore
either miss re-encoded copies or join different plates. Here the hash only proposes pairs; a pair counts when
every vertical strip of the two pictures, about one character wide, correlates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from mdlp_bench.images import ImageU8
from mdlp_bench.quality.statistics import luminance

Hashes = npt.NDArray[np.uint64]
Signatures = npt.NDArray[np.uint8]
Pairs = npt.NDArray[np.int64]

SIGNATURE_SHAPE: Final = (16, 64)
STRIPS: Final = 8
BANDS: Final = 8

_HASH_INPUT: Final = (32, 64)
_HASH_BITS: Final = (8, 16)
# Larger buckets are divided by the next band, because they would have too many pairs.
_CROWDED: Final = 256
_PAIRS_AT_ONCE: Final = 1 << 16
_SIGNATURES_AT_ONCE: Final = 1 << 12
# Grey levels of a strip below which its correlation is that of noise.
_FLAT: Final = 3.0


def describe(image: ImageU8) -> tuple[Hashes, Signatures]:
    """The perceptual hashes and the signature of a picture.

    A picture higher than wide is laid on its side first, so that turned copies differ by half a turn at most.

    Args:
        image: uint8 RGB [H, W, 3].

    Returns:
        Perceptual hashes uint64 [2, 2] of the picture and of the picture turned by 180 degrees (128 bits
        each: signs, against their median, of the lowest 8 x 16 cosine coefficients), and the luminance at
        `SIGNATURE_SHAPE`, uint8.
    """
    if image.shape[0] > image.shape[1]:
        image = np.rot90(image)
    luma = luminance(np.ascontiguousarray(image))
    small = np.asarray(cv2.resize(luma, _HASH_INPUT[::-1], interpolation=cv2.INTER_AREA), np.float32)
    hashes = np.stack([_hash(small), _hash(small[::-1, ::-1])])
    height, width = SIGNATURE_SHAPE
    signature = cv2.resize(luma, (width, height), interpolation=cv2.INTER_AREA)
    return hashes, np.clip(np.rint(signature), 0, 255).astype(np.uint8)


def similar_hashes(hashes: Hashes, radius: int) -> Iterator[Pairs]:
    """Pairs of hashes that differ in at most `radius` bits, without comparing all with all.

    The 128 bits are eight bands of 16; only hashes that agree in a whole band are compared. So every pair
    that differs in at most 7 bits is found and most of those up to twice that, unless a band is shared by
    more than 256 hashes: these are compared only where the next band agrees as well, and so on. Of hashes
    that are equal in all bands and that many, each is paired with its neighbour.

    Args:
        hashes: uint64 [N, 2].
        radius: Bits.

    Yields:
        int64 [P, 2], first < second; pairs that agree in several bands are repeated.
    """
    bands = np.ascontiguousarray(hashes).view(np.uint16).reshape(len(hashes), BANDS)
    for band in range(BANDS):
        for pairs in _band_pairs(bands, np.arange(len(hashes)), band, 1):
            differing = np.bitwise_count(hashes[pairs[:, 0]] ^ hashes[pairs[:, 1]]).sum(axis=1)
            yield np.sort(pairs[differing <= radius], axis=1)


def confirm(
    pairs: Pairs,
    signature: Callable[[npt.NDArray[np.int64]], Signatures],
    accept: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.bool_]],
) -> npt.NDArray[np.bool_]:
    """Which pairs are accepted by their strip correlations, upright or turned by 180 degrees; bool [P].

    Args:
        pairs: int64 [P, 2].
        signature: Gives the signatures [K, 16, 64] of K pictures.
        accept: From correlations [K, 8] to bool [K].
    """
    kept = np.zeros(len(pairs), np.bool_)
    for start in range(0, len(pairs), _SIGNATURES_AT_ONCE):
        part = pairs[start : start + _SIGNATURES_AT_ONCE]
        first, second = strips(signature(part[:, 0])), signature(part[:, 1])
        upright = accept(strip_correlations(first, strips(second)))
        turned = accept(strip_correlations(first, strips(second[:, ::-1, ::-1])))
        kept[start : start + len(part)] = upright | turned
    return kept


def _hash(small: npt.NDArray[np.float32]) -> Hashes:
    coefficients = cv2.dct(np.ascontiguousarray(small))[: _HASH_BITS[0], : _HASH_BITS[1]].ravel()
    # The mean brightness says nothing about the picture.
    coefficients[0] = 0.0
    return np.packbits(coefficients > np.median(coefficients)).view(np.uint64)


def _band_pairs(
    bands: npt.NDArray[np.uint16], members: npt.NDArray[np.int64], band: int, depth: int
) -> Iterator[Pairs]:
    """All pairs of members that share the value of a band, a limited number at a time."""
    keys = bands[members, band]
    order = np.argsort(keys, kind="stable")
    members = members[order]
    bounds = np.flatnonzero(np.diff(keys[order].astype(np.int64), prepend=-1, append=-1))
    sizes = np.diff(bounds)
    crowded = sizes > _CROWDED
    for start, size in zip(bounds[:-1][crowded].tolist(), sizes[crowded].tolist(), strict=True):
        bucket = np.sort(members[start : start + size])
        if depth == BANDS:
            yield np.stack([bucket[:-1], bucket[1:]], axis=1)
        else:
            yield from _band_pairs(bands, bucket, (band + 1) % BANDS, depth + 1)
    yield from bucket_pairs(members, np.repeat(np.where(crowded, 0, bounds[1:]), sizes))


def bucket_pairs(members: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]) -> Iterator[Pairs]:
    """Each member with every other of its bucket, a limited number of pairs at a time.

    Args:
        members: int64 [N], bucket by bucket.
        ends: int64 [N]; where the bucket of each member ends, 0 to leave it out.
    """
    offset, open_places = 1, np.arange(len(members))
    while len(open_places := open_places[open_places + offset < ends[open_places]]):
        for start in range(0, len(open_places), _PAIRS_AT_ONCE):
            part = open_places[start : start + _PAIRS_AT_ONCE]
            yield np.stack([members[part], members[part + offset]], axis=1)
        offset += 1


def strips(signatures: Signatures) -> npt.NDArray[np.float32]:
    """The vertical strips of signatures [P, 16, 64], centred: [P, 8, 128] (flat ones are zero)."""
    count, height, width = signatures.shape
    cut = signatures.reshape(count, height, STRIPS, width // STRIPS).transpose(0, 2, 1, 3)
    values = cut.reshape(count, STRIPS, -1).astype(np.float32)
    values -= values.mean(axis=2, keepdims=True)
    values[values.std(axis=2) < _FLAT] = 0
    return values


def strip_correlations(
    first: npt.NDArray[np.float32], second: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Correlation coefficients of `strips`, float32 [P, 8] in [-1, 1].

    Two flat strips correlate fully, a flat one with any other not at all.
    """
    a, b = np.linalg.norm(first, axis=2), np.linalg.norm(second, axis=2)
    scale = a * b
    dots = np.einsum("psk,psk->ps", first, second)
    correlations = np.divide(dots, scale, out=np.zeros_like(dots), where=scale > 0)
    correlations[(a == 0) & (b == 0)] = 1
    return np.asarray(correlations, np.float32)
