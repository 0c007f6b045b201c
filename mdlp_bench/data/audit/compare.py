"""What samples show together: plates and pictures in several splits, duplicates, counts, balance."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import Levenshtein

from mdlp_bench.data.audit.model import CHECKS, AuditConfig, Finding
from mdlp_bench.data.audit.near import Pairs, Signatures, confirm, similar_hashes

_NAMED = 4
# Samples of one plate that are compared with those of a plate one edit away.
_PER_PLATE = 32


@dataclass(frozen=True, slots=True)
class Columns:
    """The examined samples as columns, and a function that gives their signatures.

    Attributes:
        digests: uint64 [images].
        owners: Sample of each digest, int64 [images].
        hashes: uint64 [K, 2, 2].
        hashed: Sample of each hash, int64 [K].
        signatures: From positions in `hashed` to signatures [., 16, 64].
    """

    sample_ids: Sequence[str]
    splits: Sequence[str]
    plates: Sequence[str]
    tracks: Sequence[str]
    texts: Sequence[str | None]
    layouts: Sequence[str | None]
    n_frames: npt.NDArray[np.int64]
    has_gt: npt.NDArray[np.bool_]
    digests: npt.NDArray[np.uint64]
    owners: npt.NDArray[np.int64]
    hashes: npt.NDArray[np.uint64]
    hashed: npt.NDArray[np.int64]
    signatures: Callable[[npt.NDArray[np.int64]], Signatures]

    def finding(self, code: str, members: Sequence[int], what: str) -> Finding:
        """A finding about these samples, which the message names."""
        ordered = sorted(members)
        names = [f"{self.splits[m]}/{self.sample_ids[m]}" for m in ordered[:_NAMED]]
        more = f" and {len(ordered) - _NAMED:,} more" if len(ordered) > _NAMED else ""
        return Finding(
            code=code,
            severity=CHECKS[code].severity,
            message=f"{what}: {', '.join(names)}{more}",
            sample_ids=tuple(self.sample_ids[m] for m in ordered),
            splits=tuple(sorted({self.splits[m] for m in ordered})),
        )

    def leaks(self, members: Iterable[int]) -> bool:
        """Whether samples are in more than one split."""
        return len({self.splits[m] for m in members}) > 1


def compare(columns: Columns, config: AuditConfig) -> Iterator[Finding]:
    """Every finding that takes more than one sample to see."""
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
    by_text: dict[str, list[int]] = defaultdict(list)
    by_plate: dict[str, list[int]] = defaultdict(list)
    by_track: dict[str, list[int]] = defaultdict(list)
    for number, (text, plate, track) in enumerate(
        zip(columns.texts, columns.plates, columns.tracks, strict=True)
    ):
        if text is not None:
            by_text[text].append(number)
        by_plate[plate].append(number)
        by_track[track].append(number)
    seen: set[tuple[int, ...]] = set()
    for plates in (by_text, by_plate):
        for name, members in plates.items():
            if len(members) == 1 or tuple(members) in seen:
                continue
            seen.add(tuple(members))
            if columns.leaks(members):
                yield columns.finding("plate-leak", members, f"plate {name} in several splits")
            elif len({columns.tracks[m] for m in members}) > 1:
                yield columns.finding("repeated-plate", members, f"plate {name} in several tracks")
    for name, members in by_track.items():
        if columns.leaks(members) and tuple(members) not in seen:
            yield columns.finding("track-leak", members, f"track {name} in several splits")


def exact_duplicates(columns: Columns) -> list[tuple[int, ...]]:
    """Groups of samples with an image in common, byte for byte.

    Samples of one track in one split may share images: several triplets of a track share its ground truth.
    """
    order = np.argsort(columns.digests, kind="stable")
    sorted_digests, owners = columns.digests[order], columns.owners[order]
    starts = np.flatnonzero(np.concatenate([[True], sorted_digests[1:] != sorted_digests[:-1]]))
    sizes = np.diff(np.append(starts, len(order)))
    groups: dict[tuple[int, ...], None] = {}
    for start, size in zip(starts[sizes > 1].tolist(), sizes[sizes > 1].tolist(), strict=True):
        members = tuple(sorted(set(owners[start : start + size].tolist())))
        if len(members) > 1 and not _one_track(columns, members):
            groups[members] = None
    return sorted(groups)


def near_duplicates(
    columns: Columns, config: AuditConfig, exact: Sequence[tuple[int, ...]]
) -> Iterator[Finding]:
    """The same picture, encoded, resized or turned anew; and similar pictures with texts one edit apart."""
    count = len(columns.hashed)
    if count < 2:
        return
    # Upright hashes first, turned ones behind them: a pair of two turned ones says nothing new.
    both = np.concatenate([columns.hashes[:, 0], columns.hashes[:, 1]])
    pairs = similar_hashes(both, config.hash_bits)
    pairs = pairs[pairs[:, 0] < count] % count
    pairs = np.unique(np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1), axis=0)
    same = _confirmed(columns, pairs, config.near_correlation)
    known = {tuple(pair) for group in exact for pair in _links(group)}
    links = [pair for pair in same if pair not in known and not _one_track(columns, pair)]
    for members in _components(links):
        texts = sorted({text for m in members if (text := columns.texts[m])})
        labels = f", labelled {' / '.join(texts[:_NAMED])}" if len(texts) > 1 else ""
        code = "near-duplicate-leak" if columns.leaks(members) else "near-duplicate"
        yield columns.finding(code, members, f"the same picture{labels}")
    similar = _confirmed(columns, _one_edit_apart(columns), config.near_text_correlation)
    for first, second in sorted(set(similar) - set(same)):
        code = "near-text-leak" if columns.leaks((first, second)) else "near-text"
        what = f"similar pictures labelled {columns.texts[first]} / {columns.texts[second]}"
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
    splits = np.asarray(columns.splits, dtype=object)
    for split in dict.fromkeys(columns.splits):
        inside = splits == split
        without = np.flatnonzero(inside & ~columns.has_gt).tolist()
        if len(without) == int(inside.sum()):
            message = f"split {split}: none of its {len(without):,} samples has a ground truth"
            yield Finding(code="no-gt", severity="note", message=message, splits=(split,))
            continue
        for number in without:
            yield columns.finding("missing-gt", [number], "no ground truth")


def balance(columns: Columns) -> dict[str, dict[str, float]]:
    """Share of the plates by province and by layout, the largest first; `unknown` where there is no text."""
    return {
        name: {value: round(n / max(1, sum(found.values())), 4) for value, n in found.most_common()}
        for name, found in _classes(columns, range(len(columns.plates))).items()
    }


def imbalances(columns: Columns, config: AuditConfig) -> Iterator[Finding]:
    """Splits in which one province or layout has most of the plates."""
    members: dict[str, list[int]] = defaultdict(list)
    for number, split in enumerate(columns.splits):
        members[split].append(number)
    for split, inside in members.items():
        for name, found in _classes(columns, inside).items():
            found.pop("unknown", None)
            total = sum(found.values())
            if total < config.min_class_plates:
                continue
            value, count = found.most_common(1)[0]
            if count / total > config.max_class_share and (name == "province" or len(found) > 1):
                message = f"split {split}: {name} {value} has {count / total:.0%} of {total:,} plates"
                yield Finding(code="imbalance", severity="note", message=message, splits=(split,))


def _classes(columns: Columns, members: Iterable[int]) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {"province": Counter(), "layout": Counter()}
    seen: set[str] = set()
    for number in members:
        text = columns.texts[number]
        plate = text or columns.plates[number]
        if plate not in seen:
            seen.add(plate)
            found["province"][text[0] if text else "unknown"] += 1
            found["layout"][columns.layouts[number] or "unknown"] += 1
    return found


def _confirmed(columns: Columns, pairs: Pairs, threshold: float) -> list[tuple[int, int]]:
    """Pairs of positions in `hashed` whose strips all correlate, as pairs of samples."""
    kept = pairs[confirm(pairs, columns.signatures, lambda found: found.min(axis=1) >= threshold)]
    return [(int(a), int(b)) for a, b in np.sort(columns.hashed[kept], axis=1)]


def _one_track(columns: Columns, members: Sequence[int]) -> bool:
    return len({(columns.splits[m], columns.tracks[m]) for m in members}) == 1


def _links(group: Sequence[int]) -> Iterator[tuple[int, int]]:
    for number, first in enumerate(group):
        for second in group[number + 1 :]:
            yield first, second


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
    """Pairs of positions in `hashed` whose texts are one edit apart.

    Texts that are one edit apart agree once a character is blanked in both, or deleted from the longer one.
    """
    members: dict[str, list[int]] = defaultdict(list)
    for position, sample in enumerate(columns.hashed.tolist()):
        if text := columns.texts[sample]:
            members[text].append(position)
    texts = sorted(members)
    keys: list[int] = []
    owners: list[int] = []
    for number, text in enumerate(texts):
        variants = {f"{text[:p]}\0{text[p + 1 :]}" for p in range(len(text))}
        variants |= {text[:p] + text[p + 1 :] for p in range(len(text))} | {text}
        keys += [crc32(variant.encode()) for variant in variants]
        owners += [number] * len(variants)
    order = np.argsort(np.asarray(keys, np.uint32), kind="stable")
    sorted_keys, sorted_owners = np.asarray(keys, np.uint32)[order], np.asarray(owners, np.int64)[order]
    bounds = np.flatnonzero(np.concatenate([[True], sorted_keys[1:] != sorted_keys[:-1], [True]]))
    near: set[tuple[int, int]] = set()
    sizes = np.diff(bounds)
    for start, size in zip(bounds[:-1][sizes > 1].tolist(), sizes[sizes > 1].tolist(), strict=True):
        bucket = sorted(set(sorted_owners[start : start + size].tolist()))
        near.update(
            (a, b) for a, b in _links(bucket) if Levenshtein.distance(texts[a], texts[b], score_cutoff=1) == 1
        )
    found = [
        (first, second)
        for a, b in sorted(near)
        for first in members[texts[a]][:_PER_PLATE]
        for second in members[texts[b]][:_PER_PLATE]
    ]
    return np.asarray(found, np.int64).reshape(-1, 2)
