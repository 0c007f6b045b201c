"""What a store keeps of a data set: its card, the readings of its pictures, and a few thumbnails.

Everything but the pictures follows from `samples.parquet`, so `check` derives it again without the data set.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mdlp_bench.data.manifest import fingerprint, index_row, row_digest
from mdlp_bench.engine import chunks
from mdlp_bench.errors import ProtocolError, SubmissionError
from mdlp_bench.files import atomic_path, sha256_bytes, sha256_file, write_bytes
from mdlp_bench.images import ImageU8, encode
from mdlp_bench.leaderboard.board_samples import BoardSamples
from mdlp_bench.leaderboard.copy_detection import residual
from mdlp_bench.leaderboard.store import (
    FRAME_RESIDUAL,
    SAMPLES,
    THUMBNAILS,
    BrowsedSample,
    DatasetCard,
    Store,
    dataset_slug,
    reader_key,
)
from mdlp_bench.leaderboard.submission.faults import listed, printable
from mdlp_bench.leaderboard.submission.form import read_name
from mdlp_bench.metrics.protocol import to_working_size
from mdlp_bench.metrics.text import accuracy, ned
from mdlp_bench.plate import is_unreadable
from mdlp_bench.readers.base import Reader

if TYPE_CHECKING:
    from mdlp_bench.data.samples import Samples

logger = logging.getLogger(__name__)

BROWSED: Final = 48
"""Samples of a data set that the site shows pictures of."""

WEBP_QUALITY: Final = 80
SHOWN_FRAMES: Final = 3
_CHUNK: Final = 64
_MAX_NAME: Final = 60
_HASHES: Final = ("gt_sha256", "frames_sha256")
_TOLD: Final = ("about", "source", "siblings", "thumbnails", "texts", "declared")
_TOLD_OF_PLATES: Final = ("sample_id", "text", "plate_id", "layout")


Pictures = tuple[str | None, tuple[str, ...]]
"""The hashes of a sample's stored pictures: of the ground truth and of the frames."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How a data set differs from the one of a board, in sample ids.

    Attributes:
        card: The board's card.
        n: Samples of the data set.
        changed: Those that are there with other pictures.
        renamed: Those whose pictures are there under another id, and that id.
        added: Those that are not there.
        missing: Samples of the board that the data set lacks.
    """

    card: DatasetCard
    n: int
    changed: tuple[str, ...]
    renamed: tuple[tuple[str, str], ...]
    added: tuple[str, ...]
    missing: tuple[str, ...]

    @classmethod
    def of(cls, given: Mapping[str, Pictures], card: DatasetCard, known: pa.Table) -> Difference:
        """Compare the pictures of a data set with the table of a board's samples."""
        there = _pictures(known.select(["sample_id", *_HASHES]).to_pylist())
        # Several samples may have the same pictures.
        ids_there: dict[Pictures, list[str]] = {}
        for sample_id in sorted(there.keys() - given.keys(), reverse=True):
            ids_there.setdefault(there[sample_id], []).append(sample_id)
        others = sorted(given.keys() - there.keys())
        renamed = tuple((one, ids.pop()) for one in others if (ids := ids_there.get(given[one])))
        return cls(
            card,
            len(given),
            tuple(sorted(one for one in given.keys() & there.keys() if given[one] != there[one])),
            renamed,
            tuple(sorted(set(others) - dict(renamed).keys())),
            tuple(sorted(there.keys() - given.keys() - {known_id for _, known_id in renamed})),
        )

    @property
    def is_none(self) -> bool:
        """Whether the samples have the same pictures, under whatever ids."""
        return not (self.changed or self.added or self.missing)

    @property
    def n_alike(self) -> int:
        """Samples whose pictures are there."""
        return self.n - len(self.added) - len(self.changed)

    @property
    def is_small(self) -> bool:
        """Whether most ids are the board's, or half of the pictures of one of the two are the other's."""
        n_ids = self.n - len(self.added) - len(self.renamed)
        return 2 * n_ids > self.n or 2 * self.n_alike >= min(self.n, self.card.n_samples)

    def __str__(self) -> str:
        parts = []
        if self.changed:
            parts.append(
                f"has other pictures for {len(self.changed):,} of {self.n:,} samples ({listed(self.changed)})"
            )
        if self.renamed:
            one, known_id = self.renamed[0]
            parts.append(
                f"has other ids for {len(self.renamed):,} of {self.n:,} samples "
                f"({printable(one)} is {printable(known_id)} there)"
            )
        if self.added:
            parts.append(f"has {len(self.added):,} more ({listed(self.added)})")
        if self.missing:
            parts.append(
                f"lacks {len(self.missing):,} of {self.card.n_samples:,} samples ({listed(self.missing)})"
            )
        return ", ".join(parts)


def board_of(store: Store, samples: Samples) -> tuple[DatasetCard | None, Samples, Difference | None]:
    """The board of a data set in a store, and its samples as that board has them.

    Whoever has the pictures of a board can use it: they are recognised by their hashes, and name, ids, texts
    and plates come from the store.

    Returns:
        The board's card, the samples, None; or None, the samples as they are, and the least of the small
        differences from the data sets of boards, if there is any.

    Raises:
        SubmissionError: A card is damaged.
        ProtocolError: The samples have the pictures of a board, but not its texts, which the store lacks.
    """
    cards = store.cards()
    for card in cards:
        if card.fingerprint == samples.fingerprint:
            return card, samples if card.name == samples.name else BoardSamples(samples, card.name), None
    tables = [(card, table) for card in cards if (table := store.samples(card.slug)) is not None]
    given = _pictures(samples.index()) if tables else {}
    found = [(Difference.of(given, card, table), table) for card, table in tables]
    same = sorted((pair for pair in found if pair[0].is_none), key=lambda pair: not pair[0].card.texts)
    for difference, table in same:
        card, ids = difference.card, dict(difference.renamed)
        if not card.texts:
            renamed = BoardSamples(samples, card.name, ids=ids)
            if renamed.fingerprint == card.fingerprint:
                return card, renamed, None
            raise ProtocolError(
                f"{samples.name}: has the pictures of the board {card.name} but not its texts, which the "
                "store does not keep; give them with --labels"
            )
        told = {row["sample_id"]: row for row in table.select([*_TOLD_OF_PLATES]).to_pylist()}
        return card, BoardSamples(samples, card.name, told, ids), None
    small = [difference for difference, _ in found if difference.is_small]
    return None, samples, max(small, key=lambda one: one.n_alike, default=None)


def bound(store: Store, samples: Samples) -> tuple[str, Samples]:
    """The name in paths of a data set's board, there or not yet, and the samples as that board has them.

    Raises:
        SubmissionError: A card is damaged.
        ProtocolError: The samples are nearly those of a board that somebody made, or lack the texts of one.
    """
    card, samples, difference = board_of(store, samples)
    if card is not None:
        return card.slug, samples
    if difference is not None and difference.card.is_declared:
        raise ProtocolError(
            f"{samples.name}: not the set of the board {difference.card.name}, though much like it: it "
            f"{difference}; give that set, or make a board of this one with `leaderboard new`"
        )
    return dataset_slug(samples.name, samples.fingerprint), samples


def make_board(
    store: Store,
    name: str,
    samples: Samples,
    readers: Sequence[Reader],
    *,
    about: str = "",
    source: str = "",
    siblings: Sequence[str] = (),
    thumbnails: bool = False,
    texts: bool = True,
) -> DatasetCard:
    """Make the board of a data set that the store does not know yet.

    Args:
        store: The store.
        name: The board's name.
        samples: The data set.
        readers: Those whose readings of ground truths and frames are kept.
        about: What the board is for, in one sentence.
        source: Where to get the data set.
        siblings: Names of data sets with plates or pictures in common.
        thumbnails: Keep small pictures of some samples.
        texts: Keep the plates' texts.

    Raises:
        ProtocolError: There is a board of the name or of the samples.
        SubmissionError: The name is not one for a board.
        DataError: A picture cannot be decoded.
    """
    if not any(c.isalnum() for c in name) or not name.isprintable() or len(name) > _MAX_NAME:
        raise SubmissionError(
            f"{name[:_MAX_NAME]!r}: not a name for a board; give {_MAX_NAME} printable characters at most"
        )
    named = BoardSamples(samples, name.strip())
    with store.locked():
        there, known, _ = board_of(store, named)
        texts_there = zip(named.column("text"), known.column("text"), strict=True)
        # Other texts of the same pictures may have a board of their own.
        if there is not None and all(text in (None, other) for text, other in texts_there):
            raise ProtocolError(f"{name}: the board {there.name} has these samples; add to that one")
        told: dict[str, object] = {"about": about, "source": source, "siblings": tuple(siblings)}
        told |= {"thumbnails": thumbnails, "texts": texts, "declared": True}
        return complete_card(store, dataset_slug(name, named.fingerprint), named, readers, told)


def complete_card(
    store: Store,
    slug: str,
    samples: Samples,
    readers: Sequence[Reader],
    about: Mapping[str, object] | None = None,
) -> DatasetCard:
    """The data set's card, made or completed with what these readers see in it; the caller holds the lock.

    Args:
        store: The store.
        slug: The data set's name in it.
        samples: The data set.
        readers: Those whose readings the card must have.
        about: Fields of a new card that the samples do not tell: `about`, `source`, `siblings`, `thumbnails`,
            `texts`, `declared`. Without them pictures and texts are kept where all boards of the store do so.

    Raises:
        ProtocolError: `slug` stands for other samples, or another data set of the store has the same name.
        SubmissionError: The card is damaged.
        DataError: A picture cannot be decoded.
    """
    folder = store.dataset_folder(slug)
    known: pa.Table | None = None
    card: DatasetCard | None = None
    if (folder / DatasetCard.file_name).is_file():
        card, known = store.card(slug), store.samples(slug)
        if card.fingerprint != samples.fingerprint:
            raise ProtocolError(f"{samples.name}: not the samples that {slug} stands for; use those")
    for other in () if card is not None else store.cards():
        if read_name(other.name) == read_name(samples.name):
            raise ProtocolError(
                f"{samples.name}: the store has a board of that name on other samples "
                f"({other.fingerprint[:8]}, these are {samples.fingerprint[:8]}); use those, or give these "
                "another name with `leaderboard new`"
            )
    read = {} if card is None or known is None else card.readers
    missing = [reader for reader in readers if reader_key(reader.descriptor) not in read]
    if card is not None and known is not None and not missing:
        return card
    table = _described(samples, missing, known)
    if card is not None:
        told = {name: getattr(card, name) for name in _TOLD}
    else:
        told = dict(about) if about is not None else _as_the_others(store, samples.name)
    bounds = derived_card(table, [*read, *(reader_key(reader.descriptor) for reader in missing)])
    if not told["texts"]:
        table = without_texts(table)
    with atomic_path(folder / SAMPLES) as temporary:
        pq.write_table(table, temporary, compression="zstd")
    all_readers = read | {reader_key(reader.descriptor): reader.descriptor for reader in missing}
    derived = derived_card(table, list(all_readers))
    card = derived.model_copy(
        update={
            # A store from before this table existed: it has readings of readers that are not installed here.
            "ceilings": ({} if card is None else card.ceilings) | bounds.ceilings,
            "floors": ({} if card is None else card.floors) | bounds.floors,
            "slug": slug,
            "name": samples.name,
            "fingerprint": samples.fingerprint,
            "domain": _domain(samples) if card is None else card.domain,
            "samples_sha256": sha256_file(folder / SAMPLES),
            "readers": all_readers,
            **told,
        }
    )
    if not card.thumbnails:
        card = card.model_copy(update={"browsed": ()})
    _write_thumbnails(folder / THUMBNAILS, card.browsed, samples)
    store.write_card(card)
    store.link("dataset", folder)
    return card


def _as_the_others(store: Store, name: str) -> dict[str, object]:
    """What the board of a set that nobody declared keeps: no more than every other board of the store."""
    cards = store.cards()
    kept: dict[str, object] = {
        what: all(getattr(card, what) for card in cards) for what in ("thumbnails", "texts")
    }
    if left_out := [what for what, chosen in kept.items() if not chosen]:
        logger.warning(
            "%s: a new board, without %s, as another board of the store; choose with `leaderboard new`",
            name,
            " and ".join(left_out),
        )
    return kept


def without_texts(table: pa.Table) -> pa.Table:
    """A table of samples whose plates have numbers instead of texts."""
    # Numbered in their sorted order, on which the resamples of plates depend.
    names = sorted(set(table["plate_id"].to_pylist()))
    plates = {plate: f"plate-{number:05d}" for number, plate in enumerate(names)}
    numbered = pa.array([plates[plate] for plate in table["plate_id"].to_pylist()], pa.string())
    for name, values in (("plate_id", numbered), ("text", pa.nulls(len(table), pa.string()))):
        table = table.set_column(table.column_names.index(name), name, values)
    return table


def fingerprint_of(table: pa.Table) -> str:
    """The fingerprint of the samples in a table, from their ids, texts and hashes."""
    rows = table.select(["sample_id", "text", "frames_sha256", "gt_sha256"]).to_pylist()
    return fingerprint(row_digest(*row.values()) for row in rows)


def derived_card(table: pa.Table, keys: Sequence[str]) -> DatasetCard:
    """The fields of a card that follow from its table; those that only the data set tells are left empty.

    Args:
        table: See `Store.samples`.
        keys: The readers whose readings it holds.
    """
    layouts = Counter(layout or "unknown" for layout in table["layout"].to_pylist())
    bounds = {key: bounds_of(table, key) for key in keys}
    return DatasetCard(
        slug="",
        name="",
        fingerprint="",
        n_samples=len(table),
        n_plates=len(set(table["plate_id"].to_pylist())),
        domain="synthetic",
        layouts=dict(sorted(layouts.items())),
        ceilings={key: ceiling for key, (ceiling, _) in bounds.items() if ceiling},
        floors={key: floor for key, (_, floor) in bounds.items() if floor},
        browsed=tuple(_browsed(table, keys)),
    )


def bounds_of(table: pa.Table, key: str) -> tuple[dict[str, float], dict[str, float]]:
    """NED and ACC of a reader on the ground truths and on the first frames, where there is a text."""
    texts = table["text"].to_pylist()
    gts = table[f"truth_text@{key}"].to_pylist()
    frames = table[f"frame_texts@{key}"].to_pylist()
    found: list[dict[str, float]] = []
    for readings in (gts, [read[0] for read in frames]):
        pairs = [
            (reading, text)
            for reading, text in zip(readings, texts, strict=True)
            if reading is not None and text and not is_unreadable(text)
        ]
        read, gt_texts = [reading for reading, _ in pairs], [text for _, text in pairs]
        scores = {"ned": ned(read, gt_texts), "acc": accuracy(read, gt_texts)} if pairs else {}
        found.append({name: float(np.mean(values)) for name, values in scores.items()})
    return found[0], found[1]


def chosen_ids(sample_ids: Iterable[str]) -> list[str]:
    """The samples that the site shows: a fixed choice, independent of the order of the data."""
    chosen = set(sorted(sample_ids, key=lambda sample_id: sha256_bytes(sample_id.encode()))[:BROWSED])
    return sorted(chosen)


def thumbnail(image: ImageU8) -> bytes:
    """A picture as the site shows it."""
    return encode(image, "webp", WEBP_QUALITY)


def _browsed(table: pa.Table, keys: Sequence[str]) -> Iterable[BrowsedSample]:
    chosen = set(chosen_ids(table["sample_id"].to_pylist()))
    for row in table.to_pylist():
        if row["sample_id"] in chosen:
            gts = {key: row[f"truth_text@{key}"] for key in keys}
            yield BrowsedSample(
                sample_id=row["sample_id"],
                text=row["text"],
                layout=row["layout"],
                n_frames=min(SHOWN_FRAMES, len(row["frames_sha256"])),
                has_gt=row["gt_sha256"] is not None,
                frame_texts={key: tuple(row[f"frame_texts@{key}"]) for key in keys},
                gt_texts={key: text for key, text in gts.items() if text is not None},
            )


def _described(samples: Samples, readers: Sequence[Reader], known: pa.Table | None) -> pa.Table:
    """The table of a data set, with the readings of these readers and those that it has already."""
    columns: dict[str, list[Any]] = {}
    for chunk in chunks(iter(samples), _CHUNK):
        for name in ("sample_id", "plate_id", "text", "layout"):
            columns.setdefault(name, []).extend(getattr(sample, name) for sample in chunk)
        hashes = [index_row(sample) for sample in chunk]
        for name in _HASHES:
            columns.setdefault(name, []).extend(one[name] for one in hashes)
        gts = [sample.decode_gt() for sample in chunk]
        present = [to_working_size(image) for image in gts if image is not None]
        frames = [[to_working_size(f) for f in sample.decode_frames(SHOWN_FRAMES)] for sample in chunk]
        columns.setdefault(FRAME_RESIDUAL, []).extend(
            None if gt is None else min(residual(f, to_working_size(gt)) for f in sample)
            for gt, sample in zip(gts, frames, strict=True)
        )
        for reader in readers:
            key = reader_key(reader.descriptor)
            read = iter(reader.read(present) if present else [])
            columns.setdefault(f"truth_text@{key}", []).extend(
                None if image is None else next(read).text for image in gts
            )
            flat = iter(reader.read([frame for sample in frames for frame in sample]))
            columns.setdefault(f"frame_texts@{key}", []).extend(
                [next(flat).text for _ in sample] for sample in frames
            )
    string = pa.string()
    types = {n: pa.list_(string) if n.startswith("frame") else string for n in columns}
    types[FRAME_RESIDUAL] = pa.float64()
    table = pa.table({n: pa.array(v, types[n]) for n, v in columns.items()}).sort_by("sample_id")
    for name in () if known is None else known.column_names:
        if name not in columns and known is not None:
            table = table.append_column(name, known[name])
    return table


def _pictures(rows: Iterable[Mapping[str, Any]]) -> dict[str, Pictures]:
    """By sample id, the hashes in rows of an index or of `Store.samples`."""
    return {row["sample_id"]: (row["gt_sha256"], tuple(row["frames_sha256"])) for row in rows}


def _domain(samples: Samples) -> str:
    domains = {value for batch in samples.batches(4096, ["domain"]) for value in batch.to_pydict()["domain"]}
    return "mixed" if len(domains) > 1 else "real" if domains == {"real"} else "synthetic"


def _write_thumbnails(folder: Path, browsed: Sequence[BrowsedSample], samples: Samples) -> None:
    ids = [sample.sample_id for sample in browsed]
    for sample in samples.select(sample_ids=ids):
        frames = sample.decode_frames(SHOWN_FRAMES)
        pictures = {f"{sample.sample_id}-f{n}": frame for n, frame in enumerate(frames, start=1)}
        gt = sample.decode_gt()
        if gt is not None:
            pictures[f"{sample.sample_id}-gt"] = gt
        for name, image in pictures.items():
            write_bytes(folder / f"{name}.webp", thumbnail(to_working_size(image)))
