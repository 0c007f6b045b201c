"""Findings that need several samples: plates and pictures in several splits, duplicates, counts, balance."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from rapidfuzz.distance import Levenshtein

from mdlp_bench.curate.audit.findings import AuditConfig, Finding
from mdlp_bench.curate.audit.near import Pairs, Signatures, bucket_pairs, confirm, similar_hashes
from mdlp_bench.data.temp_table import Spill, Strings

_NAMED = 4
# Samples of one plate that are compared with those of a plate one edit away.
_PER_PLATE = 32


Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Classes:
    """A column of few different values: their names, and the number of each sample's name, int32 [N]."""

    names: Sequence[str]
    codes: npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Columns:
    """The examined samples as columns; values that only messages need are in a file.

    Attributes:
        rows: Columns sample_id, split, plate_id, track_id and text of each sample.
        plates: Hash of the plate id, uint64 [N].
        tracks: Hash of the track id, uint64 [N].
        texts: Hash of the text, uint64 [N].
        has_text: Whether there is one, bool [N].
        splits: The split.
        provinces: The province of the text, `none` where it has none, or `unknown`.
        layouts: The layout, or `unknown`.
        n_frames: int32 [N].
        has_gt: bool [N].
        digests: uint64 [images]; each sample's stand together, frames first.
        hashes: uint64 [K, 2, 2].
        hashed: Sample of each hash, int64 [K].
        signatures: From positions in `hashed` to signatures [., 16, 64].
    """

    rows: Spill
    plates: npt.NDArray[np.uint64]
    tracks: npt.NDArray[np.uint64]
    texts: npt.NDArray[np.uint64]
    has_text: npt.NDArray[np.bool_]
    splits: Classes
    provinces: Classes
    layouts: Classes
    n_frames: npt.NDArray[np.int32]
    has_gt: npt.NDArray[np.bool_]
    digests: npt.NDArray[np.uint64]
    hashes: npt.NDArray[np.uint64]
    hashed: Codes
    signatures: Callable[[npt.NDArray[np.int64]], Signatures]

    def finding(self, code: str, members: Sequence[int], what: str) -> Finding:
        """A finding about these samples, which the message names."""
        found = self.rows.take(np.sort(np.asarray(members, np.int64)))
        ids, splits = (found.column(name).to_pylist() for name in ("sample_id", "split"))
        names = [f"{split}/{name}" for split, name in zip(splits[:_NAMED], ids, strict=False)]
        more = f" and {len(ids) - _NAMED:,} more" if len(ids) > _NAMED else ""
        message = f"{what}: {', '.join(names)}{more}"
        return Finding.of(code, message, tuple(ids), tuple(sorted(set(splits))))

    def leaks(self, members: Sequence[int]) -> bool:
        """Whether samples are in more than one split."""
        return len(set(self.splits.codes[list(members)].tolist())) > 1

    def are_one_track(self, members: Sequence[int]) -> bool:
        """Whether samples are of one track in one split."""
        return not self.leaks(members) and len(set(self.tracks[list(members)].tolist())) == 1

    def labels(self, members: Sequence[int]) -> list[str]:
        """The different texts of samples."""
        return sorted(set(self.values("text", members)) - {None})

    def values(self, column: str, members: Sequence[int]) -> list[Any]:
        """The values of samples in a column of `rows`."""
        return self.rows.take(np.asarray(members, np.int64)).column(column).to_pylist()  # type: ignore[no-any-return]

    @property
    def names(self) -> npt.NDArray[np.uint64]:
        """The hash that identifies each sample's plate: of its text, or without a text of its plate id."""
        return np.where(self.has_text, self.texts, self.plates)


def compare(columns: Columns, config: AuditConfig) -> Iterator[Finding]:
    """Every finding that needs more than one sample."""
    yield from shared_identities(columns)
    exact = exact_duplicates(columns)
    for members in exact:
        code = "duplicate-leak" if columns.leaks(members) else "duplicate"
        yield columns.finding(code, members, "the same image bytes")
    yield from near_duplicates(columns, config, exact)
    yield from counts(columns, config)
    yield from imbalances(columns, config)


def shared_identities(columns: Columns) -> Iterator[Finding]:
    """Plates and tracks in several splits, and plates in several tracks of one split.

    A plate is identified by its text, and by its plate id: either alone is enough.
    """
    seen: set[tuple[int, ...]] = set()
    everyone = np.ones_like(columns.has_text)
    for column, hashes, among in (
        ("text", columns.texts, columns.has_text),
        ("plate_id", columns.plates, everyone),
    ):
        for members in _repeated(hashes, among):
            if members in seen or columns.are_one_track(members):
                continue
            seen.add(members)
            name = columns.values(column, members[:1])[0]
            if columns.leaks(members):
                yield columns.finding("plate-leak", members, f"plate {name} in several splits")
            else:
                yield columns.finding("repeated-plate", members, f"plate {name} in several tracks")
    for members in _repeated(columns.tracks, everyone):
        if columns.leaks(members) and members not in seen:
            name = columns.values("track_id", members[:1])[0]
            yield columns.finding("track-leak", members, f"track {name} in several splits")


def exact_duplicates(columns: Columns) -> list[tuple[int, ...]]:
    """Groups of samples with an image in common, byte for byte.

    Samples of one track in one split may share images: several triplets of a track share its ground truth.
    """
    owners = np.repeat(np.arange(len(columns.has_gt), dtype=np.int32), columns.n_frames + columns.has_gt)
    order = np.argsort(columns.digests, kind="stable")
    groups: dict[tuple[int, ...], None] = {}
    for start, stop in zip(*_runs(columns.digests[order]), strict=True):
        members = tuple(sorted(set(owners[order[start:stop]].tolist())))
        if len(members) > 1 and not columns.are_one_track(members):
            groups[members] = None
    return sorted(groups)


def near_duplicates(
    columns: Columns, config: AuditConfig, exact: Sequence[tuple[int, ...]]
) -> Iterator[Finding]:
    """The same picture, encoded again, resized or turned; and similar pictures with texts one edit apart."""
    count = len(columns.hashed)
    if count < 2:
        return
    # Upright hashes first, then turned ones; a pair of two turned ones adds nothing.
    both = np.concatenate([columns.hashes[:, 0], columns.hashes[:, 1]])
    same: set[tuple[int, int]] = set()
    for proposed in similar_hashes(both, config.hash_bits):
        pairs = proposed[proposed[:, 0] < count] % count
        pairs = pairs[pairs[:, 0] != pairs[:, 1]]
        same.update(_confirmed(columns, pairs, config.near_correlation))
    groups: dict[int, set[int]] = defaultdict(set)
    for number, group in enumerate(exact):
        for member in group:
            groups[member].add(number)
    none: set[int] = set()
    links = [
        pair
        for pair in sorted(same)
        if not groups.get(pair[0], none) & groups.get(pair[1], none) and not columns.are_one_track(pair)
    ]
    for members in _components(links):
        texts = columns.labels(members)
        labels = f", labelled {' / '.join(texts[:_NAMED])}" if len(texts) > 1 else ""
        code = "near-duplicate-leak" if columns.leaks(members) else "near-duplicate"
        yield columns.finding(code, members, f"the same picture{labels}")
    similar = _confirmed(columns, _one_edit_apart(columns), config.near_text_correlation)
    for first, second in sorted(set(similar) - same):
        code = "near-text-leak" if columns.leaks((first, second)) else "near-text"
        what = f"similar pictures labelled {' / '.join(columns.values('text', (first, second)))}"
        yield columns.finding(code, (first, second), what)


def counts(columns: Columns, config: AuditConfig) -> Iterator[Finding]:
    """Samples with another number of frames than the rest, and without ground truth."""
    if not len(columns.n_frames):
        return
    usual = int(np.bincount(columns.n_frames).argmax()) if config.n_frames is None else config.n_frames
    for number in np.flatnonzero(columns.n_frames != usual).tolist():
        yield columns.finding(
            "wrong-count", [number], f"{int(columns.n_frames[number])} frames instead of {usual}"
        )
    for split, inside in _members_by_split(columns):
        without = inside[~columns.has_gt[inside]].tolist()
        if len(without) == len(inside):
            message = f"split {split}: none of its {len(without):,} samples has a ground truth"
            yield Finding.of("no-gt", message, splits=(split,))
            continue
        for number in without:
            yield columns.finding("missing-gt", [number], "no ground truth")


def balance(columns: Columns) -> dict[str, dict[str, float]]:
    """Share of the plates by province and by layout, the largest first; `unknown` where there is no text."""
    return {
        name: {value: round(n / max(1, sum(found.values())), 4) for value, n in found.most_common()}
        for name, found in _classes(columns, np.arange(len(columns.plates))).items()
    }


def imbalances(columns: Columns, config: AuditConfig) -> Iterator[Finding]:
    """Splits in which one province or layout has most of the plates."""
    for split, inside in _members_by_split(columns):
        for name, found in _classes(columns, inside).items():
            for without in ("unknown", "none"):
                found.pop(without, None)
            total = sum(found.values())
            if total < config.min_class_plates:
                continue
            value, count = found.most_common(1)[0]
            if count / total > config.max_class_share and (name == "province" or len(found) > 1):
                message = f"split {split}: {name} {value} has {count / total:.0%} of {total:,} plates"
                yield Finding.of("imbalance", message, splits=(split,))


def _classes(columns: Columns, members: Codes) -> dict[str, Counter[str]]:
    """Plates by province and by layout; a plate counts as its first sample says."""
    first = members[np.unique(columns.names[members], return_index=True)[1]]
    found = {}
    for name, classes in (("province", columns.provinces), ("layout", columns.layouts)):
        counts = np.bincount(classes.codes[first], minlength=len(classes.names)).tolist()
        found[name] = Counter({value: n for value, n in zip(classes.names, counts, strict=True) if n})
    return found


def _members_by_split(columns: Columns) -> Iterator[tuple[str, Codes]]:
    for code, split in enumerate(columns.splits.names):
        yield split, np.flatnonzero(columns.splits.codes == code)


def _repeated(values: npt.NDArray[np.uint64], among: npt.NDArray[np.bool_]) -> Iterator[tuple[int, ...]]:
    """The positions of each value that occurs more than once, in order of first appearance."""
    places = np.flatnonzero(among)
    places = places[np.argsort(values[places], kind="stable")]
    starts, stops = _runs(values[places])
    for run in np.argsort(places[starts]).tolist():
        yield tuple(places[starts[run] : stops[run]].tolist())


def _runs(values: npt.NDArray[Any]) -> tuple[Codes, Codes]:
    """Starts and stops of the runs of more than one equal value in a sorted array."""
    same = np.diff((values[1:] == values[:-1]).view(np.int8), prepend=np.int8(0), append=np.int8(0))
    return np.flatnonzero(same == 1), np.flatnonzero(same == -1) + 1


def _bounds(values: npt.NDArray[Any]) -> Codes:
    """Where the runs of equal values in a sorted array start, and its length."""
    changes = np.flatnonzero(values[1:] != values[:-1]) + 1
    return np.concatenate([[0], changes, [len(values)] if len(values) else []]).astype(np.int64)


def _confirmed(columns: Columns, pairs: Pairs, threshold: float) -> list[tuple[int, int]]:
    """Pairs of positions in `hashed` whose strips all correlate, as pairs of samples."""
    kept = pairs[confirm(pairs, columns.signatures, lambda found: found.min(axis=1) >= threshold)]
    return [(int(a), int(b)) for a, b in np.sort(columns.hashed[kept], axis=1)]


def _components(links: Sequence[tuple[int, int]]) -> list[tuple[int, ...]]:
    """Samples that are joined by links, directly or through others."""
    if not links:
        return []
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    nodes, places = np.unique(np.asarray(links), return_inverse=True)
    places = places.reshape(-1, 2)
    graph = coo_array((np.ones(len(places), np.int8), (places[:, 0], places[:, 1])), shape=(len(nodes),) * 2)
    labels = connected_components(graph, directed=False)[1]
    found: dict[int, list[int]] = defaultdict(list)
    for node, label in zip(nodes.tolist(), labels.tolist(), strict=True):
        found[label].append(node)
    return sorted(tuple(members) for members in found.values())


def _one_edit_apart(columns: Columns) -> Pairs:
    """Pairs of positions in `hashed` whose texts are one edit apart."""
    texts = columns.texts[columns.hashed]
    order = np.flatnonzero(columns.has_text[columns.hashed])
    order = order[np.argsort(texts[order], kind="stable")]
    bounds = _bounds(texts[order])
    near = one_edit_apart(_read_texts(columns.rows, columns.hashed[order[bounds[:-1]]]))
    found = (
        number
        for a, b in near.tolist()
        for first in order[bounds[a] : min(bounds[a + 1], bounds[a] + _PER_PLATE)].tolist()
        for second in order[bounds[b] : min(bounds[b + 1], bounds[b] + _PER_PLATE)].tolist()
        for number in (first, second)
    )
    return np.fromiter(found, np.int64).reshape(-1, 2)


def _read_texts(rows: Spill, members: Codes) -> Strings:
    """The texts of samples, in their order."""
    ascending = np.sort(members)
    parts = []
    start = 0
    for block in rows.blocks():
        a, b = np.searchsorted(ascending, [start, start + block.num_rows])
        parts.append(block.column("text").take(pa.array(ascending[a:b] - start)))
        start += block.num_rows
    texts = pa.concat_arrays([pa.array([], pa.string()), *parts])
    return Strings(texts.take(pa.array(np.searchsorted(ascending, members))))


def one_edit_apart(texts: Sequence[str]) -> Pairs:
    """Pairs of different texts that are one edit apart, without comparing all with all.

    Such texts agree once one character is blanked in both or deleted from the longer one. So, for one
    position after the other, the texts that agree in this way are paired.

    Returns:
        int64 [P, 2], positions in `texts`, first < second, sorted.
    """
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    whole, found = _keys(texts, len(texts)), [np.zeros((0, 2), np.int64)]
    for place in range(lengths.max(initial=0)):
        longer = np.flatnonzero(lengths > place)
        blanked, shortened = (
            _keys(
                (f"{text[:place]}{mark}{text[place + 1 :]}" for text in texts if len(text) > place),
                len(longer),
            )
            for mark in ("\0", "")
        )
        for keys, owners in (
            (blanked, longer),
            (np.concatenate([whole, shortened]), np.concatenate([np.arange(len(texts)), longer])),
        ):
            members, ends = _sharing(keys, owners)
            found += [pairs[pairs[:, 0] != pairs[:, 1]] for pairs in bucket_pairs(members, ends)]
    pairs = np.unique(np.sort(np.concatenate(found), axis=1), axis=0)
    near = [Levenshtein.distance(texts[a], texts[b], score_cutoff=1) == 1 for a, b in pairs.tolist()]
    return np.asarray(pairs[np.asarray(near, np.bool_)], np.int64)


def _keys(texts: Iterable[str], count: int) -> npt.NDArray[np.uint64]:
    return np.fromiter((crc32(text.encode()) for text in texts), np.uint64, count)


def _sharing(keys: npt.NDArray[np.uint64], owners: Codes) -> tuple[Codes, Codes]:
    """The owners of keys that others have too, key by key, and where the owners of each one's key end.

    Args:
        keys: uint64 [N], below 2**32.
        owners: int64 [N], below 2**32.
    """
    # Key and owner in one number: sorting it needs no second array.
    packed = (keys << np.uint64(32)) | owners.astype(np.uint64)
    packed.sort()
    same = packed[1:] >> np.uint64(32) == packed[:-1] >> np.uint64(32)
    packed = packed[np.append(same, False) | np.append(False, same)]
    bounds = _bounds(packed >> np.uint64(32))
    return (packed & np.uint64(0xFFFFFFFF)).astype(np.int64), np.repeat(bounds[1:], np.diff(bounds))
