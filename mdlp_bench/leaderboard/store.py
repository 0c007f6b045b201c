"""The append-only store: entries in `entries/<method>/<version>/<data set>/`, cards of data sets, a chain.

A method and version has an entry for each protocol; the folders of later ones than the first end in its id.

A writer holds the store's lock, and each written folder gets a line in the chain (`chain`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal, Self

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import AliasChoices, Field

from mdlp_bench.errors import MdlpBenchError, RunError, SubmissionError
from mdlp_bench.files import FileLock, cannot_write, slugify
from mdlp_bench.frozen import Frozen
from mdlp_bench.harness.run import Run
from mdlp_bench.leaderboard import chain
from mdlp_bench.leaderboard.submission.form import Submission, read_name
from mdlp_bench.metrics.protocol import MDLP_V1
from mdlp_bench.readers.base import ReaderDescriptor
from mdlp_bench.records import Record

ENTRIES: Final = "entries"
DATASETS: Final = "datasets"
THUMBNAILS: Final = "thumbnails"
SAMPLES: Final = "samples.parquet"
"""The file in a data set's folder with what is known of each sample, to derive scores without pictures."""

FRAME_RESIDUAL: Final = "frame_residual"
"""Column of `samples.parquet`: the least share of the ground truth that a frame does not explain."""

LOCK: Final = ".lock"
OUTPUT_HASH: Final = "output_sha256"
"""Column of `per_sample.parquet`: hash of the picture's pixels, or of the submitted reading."""

FLAG_RULES: Final = 2
"""The rules by which new entries are flagged."""

FlagCode = Literal[
    "extra-data",
    "synthetic",
    "duplicate",
    "equals-ground-truth",
    "equals-input",
    "too-good",
    "training-overlap",
    "claim-differs",
    "deprecated",
    "superseded",
]


class _Record(Record):
    error = SubmissionError
    remedy = "restore the file, or add the submission again"


class Flag(Frozen):
    """Something that readers of a board should know about an entry."""

    code: FlagCode
    text: str

    @property
    def copied(self) -> str:
        """The key of the entry that a duplicate is of, with which the text ends; nothing for other flags."""
        return self.text.rpartition(" ")[2] if self.code == "duplicate" else ""


class ClaimedScore(Frozen):
    """A score the authors claimed beside the recomputed one.

    Attributes:
        metric: Its name.
        claimed: What the form says.
        recomputed: What the pictures say; null when the metric could not be computed here.
        agrees: Whether both are equal within one unit of the last decimal that tables show.
    """

    metric: str
    claimed: float
    recomputed: float | None
    agrees: bool


class EntryRecord(_Record):
    """`entry.json`: what was submitted, and the result of the recomputation.

    Attributes:
        schema_version: Version of this record.
        submission: The form.
        dataset: Slug of the data set.
        added: UTC time, ISO 8601.
        archive_sha256: SHA-256 of the submitted zip.
        claimed_vs_recomputed: One item per claimed score.
        flags: What was noticed.
        flag_rules: By which rules; the first ones saw `training-overlap` in whole names only.
    """

    file_name: ClassVar[str] = "entry.json"

    schema_version: Literal[1] = 1
    submission: Submission
    dataset: str
    added: str
    archive_sha256: str
    claimed_vs_recomputed: tuple[ClaimedScore, ...]
    flags: tuple[Flag, ...]
    flag_rules: Literal[1, 2] = 1


class Deprecation(_Record):
    """`deprecated.json` beside a version's entries: why it was withdrawn. Entries are never removed."""

    file_name: ClassVar[str] = "deprecated.json"

    schema_version: Literal[1] = 1
    reason: Annotated[str, Field(min_length=3, max_length=300)]
    date: str


class BrowsedSample(Frozen):
    """A sample the site shows pictures of.

    Attributes:
        sample_id: The sample.
        text: Its plate, null when unknown.
        layout: Its layout, null when unknown.
        n_frames: Degraded frames shown, at most three.
        has_gt: Whether there is a ground truth picture.
        frame_texts: What each reader (by key) read in each frame.
        gt_texts: What each reader read in the ground truth.
    """

    sample_id: str
    text: str | None
    layout: str | None
    n_frames: int
    has_gt: bool = Field(validation_alias=AliasChoices("has_gt", "has_truth"))
    frame_texts: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    gt_texts: dict[str, str] = Field(
        default_factory=dict, validation_alias=AliasChoices("gt_texts", "truth_texts")
    )


class DatasetCard(_Record):
    """`dataset.json`: what the board says of a data set.

    Attributes:
        schema_version: Version of this record.
        slug: Name in paths.
        name: Name of the data set.
        fingerprint: Fingerprint of its samples.
        n_samples: Samples.
        n_plates: Plates.
        domain: real, synthetic, or mixed.
        layouts: Number of samples by layout.
        ceilings: For each reader (by key) its NED and ACC on the ground truths: what no restoration should
            surpass.
        floors: For each reader its NED and ACC on the first degraded frame: what a restoration has to beat.
        browsed: Samples with pictures.
        samples_sha256: SHA-256 of `samples.parquet`; null in stores from before there was this file.
        readers: The readers whose readings are in `samples.parquet`, by key.
        about: What the board is for, in one sentence.
        source: Where to get the data set.
        siblings: Names of data sets with plates or pictures in common.
        thumbnails: Whether the store holds pictures, small ones of a few samples.
        texts: Whether the store holds the plates' texts.
        declared: Whether it was made with `leaderboard new`; stores from before this field do not say so.
    """

    file_name: ClassVar[str] = "dataset.json"

    schema_version: Literal[1] = 1
    slug: str
    name: str
    fingerprint: str
    n_samples: int
    n_plates: int
    domain: Literal["real", "synthetic", "mixed"]
    layouts: dict[str, int]
    ceilings: dict[str, dict[str, float]]
    floors: dict[str, dict[str, float]]
    browsed: tuple[BrowsedSample, ...]
    samples_sha256: str | None = None
    readers: dict[str, ReaderDescriptor] = Field(default_factory=dict)
    about: str = ""
    source: str = ""
    siblings: tuple[str, ...] = ()
    thumbnails: bool = True
    texts: bool = True
    declared: bool = False

    @property
    def is_declared(self) -> bool:
        """Whether somebody chose what the board says or keeps; others come with their first entry."""
        told = self.declared or self.about or self.source or self.siblings
        return bool(told) or not (self.thumbnails and self.texts)


@dataclass(frozen=True)
class Entry:
    """One entry of the store.

    Attributes:
        folder: Its folder.
        record: What was submitted.
        run: Its scores.
        marks: Flags that come from other entries or from a deprecation.
        replaced: Keys of withdrawn entries of the same owner, which this one may repeat.
    """

    folder: Path
    record: EntryRecord
    run: Run
    marks: tuple[Flag, ...] = ()
    replaced: frozenset[str] = frozenset()

    @cached_property
    def method(self) -> str:
        """The method's slug."""
        return self.record.submission.slug

    @property
    def version(self) -> str:
        """The method's version."""
        return self.record.submission.version

    @cached_property
    def key(self) -> str:
        """Method and version: unique on a board, used in addresses."""
        return f"{self.method}@{self.version}"

    @property
    def protocol(self) -> str:
        """The id of the protocol that it was scored under."""
        return self.record.submission.protocol

    @property
    def title(self) -> str:
        """The name as shown."""
        return self.record.submission.method

    @property
    def flags(self) -> tuple[Flag, ...]:
        """All flags, without those of what the owner has withdrawn and submitted again."""
        return tuple(flag for flag in self.record.flags if flag.copied not in self.replaced) + self.marks

    @property
    def current(self) -> bool:
        """Whether it is neither superseded nor withdrawn."""
        return not any(flag.code in ("deprecated", "superseded") for flag in self.flags)

    @cached_property
    def output_hashes(self) -> frozenset[str]:
        """The hashes of its pictures or readings."""
        known = OUTPUT_HASH in self.table.column_names
        return frozenset(filter(None, self.table[OUTPUT_HASH].to_pylist())) if known else frozenset()

    @cached_property
    def table(self) -> pa.Table:
        """The per-sample scores, by sample id."""
        return self.run.per_sample().sort_by("sample_id")


@dataclass
class Store:
    """A folder of entries.

    Attributes:
        root: The folder that has `entries/` and `datasets/`.
    """

    root: Path
    _cards: dict[str, DatasetCard] = field(default_factory=dict)

    @classmethod
    def existing(cls, root: Path) -> Self:
        """Open a folder that is a store.

        Raises:
            SubmissionError: It has neither entries nor data sets.
        """
        if not any((root / part).is_dir() for part in (ENTRIES, DATASETS)):
            raise SubmissionError(
                f"{root}: no store there ({ENTRIES}/ and {DATASETS}/); name its folder with --store"
            )
        return cls(root)

    def entry_folder(self, submission: Submission, dataset: str) -> Path:
        """The folder of an entry with this form."""
        name = dataset + protocol_suffix(submission.protocol)
        return self.root / ENTRIES / submission.slug / submission.version / name

    def dataset_folder(self, slug: str) -> Path:
        """The folder of a data set's card and pictures."""
        return self.root / DATASETS / slug

    def card(self, slug: str) -> DatasetCard:
        """A data set's card.

        Raises:
            SubmissionError: There is none.
        """
        if slug not in self._cards:
            self._cards[slug] = DatasetCard.read(self.dataset_folder(slug))
        return self._cards[slug]

    def cards(self) -> list[DatasetCard]:
        """The cards of all data sets.

        Raises:
            SubmissionError: One is damaged.
        """
        paths = sorted((self.root / DATASETS).glob(f"*/{DatasetCard.file_name}"))
        return [self.card(path.parent.name) for path in paths]

    def samples(self, slug: str) -> pa.Table | None:
        """What is known of a data set's samples, by sample id; None in stores without this table.

        The columns are `sample_id`, `plate_id`, `text`, `layout`, `gt_sha256` and `frames_sha256` (of the
        stored files), `frame_residual` (see `copy_detection.residual`), and for every reader by its key
        `truth_text@<key>` and `frame_texts@<key>` (of at most three frames).

        Raises:
            SubmissionError: The table is damaged.
        """
        path = self.dataset_folder(slug) / SAMPLES
        if not path.is_file():
            return None
        try:
            return pq.read_table(path).sort_by("sample_id")
        except (OSError, pa.ArrowException) as error:
            raise SubmissionError(f"{path}: cannot be read ({error}); {chain.RESTORE}") from error

    def write_card(self, card: DatasetCard) -> None:
        """Store a data set's card; the caller holds the lock, and chains it when all of it is written."""
        card.write(self.dataset_folder(card.slug))
        self._cards[card.slug] = card

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Wait until nobody else writes to the store, then hold its lock.

        Raises:
            MdlpBenchError: The folder is not writable.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.root / LOCK, wait=True)
        except OSError as error:
            raise cannot_write(self.root, error) from error
        try:
            self._cards.clear()
            yield
        finally:
            lock.release()

    def link(self, kind: chain.Kind, folder: Path) -> None:
        """Chain what was stored in a folder; the caller holds the lock.

        What an older store without a chain holds is chained first.
        """
        if not (self.root / chain.CHAIN).exists():
            for known, its_kind in self.folders():
                if (known, its_kind) != (folder, kind):
                    chain.append(self.root, its_kind, known)
        chain.append(self.root, kind, folder)

    def folders(self) -> list[tuple[Path, chain.Kind]]:
        """Everything that is chained: data sets, entries by the time they were added, deprecations."""
        entries = self.root / ENTRIES
        found: list[tuple[Path, chain.Kind]] = []
        found += ((path.parent, "dataset") for path in sorted((self.root / DATASETS).glob("*/dataset.json")))
        records = [path.parent for path in entries.glob(f"*/*/*/{EntryRecord.file_name}")]
        found += ((folder, "entry") for folder in sorted(records, key=lambda f: (_added(f), f)))
        versions = sorted(entries.glob(f"*/*/{Deprecation.file_name}"))
        return [*found, *((path.parent, "deprecation") for path in versions)]

    def entries(self) -> list[Entry]:
        """All entries, oldest first, with the flags that they cause for one another.

        Raises:
            SubmissionError: A record is damaged.
            RunError: A run is damaged.
        """
        found = []
        for path in sorted((self.root / ENTRIES).glob(f"*/*/*/{EntryRecord.file_name}")):
            folder = path.parent
            entry = Entry(folder, EntryRecord.read(folder), Run(folder), _deprecation(folder.parent))
            if folder != self.entry_folder(entry.record.submission, entry.record.dataset):
                raise RunError(f"{folder}: holds {entry.key} on {entry.record.dataset}; move it back")
            found.append(entry)
        found.sort(key=lambda entry: (entry.record.added, entry.key))
        newest = {(entry.method, entry.record.dataset, entry.protocol): entry for entry in found}
        withdrawn = [entry for entry in found if entry.marks]
        return [
            _marked(entry, newest[entry.method, entry.record.dataset, entry.protocol], withdrawn)
            for entry in found
        ]


def name_problem(form: Submission, entries: Sequence[Entry]) -> str | None:
    """Why entries in the store forbid the name of a form's method; None if they do not.

    A name, and every name that people could mistake for it, belongs to whoever sent its newest version.
    """
    latest: Submission | None = None
    for entry in entries:
        other = entry.record.submission
        if other.method == form.method:
            latest = other
        elif other.slug == form.slug or read_name(other.method) == read_name(form.method):
            return (
                f"{form.method} is easily taken for {other.method}, which is there; a new version has "
                "exactly that name, another method one that differs in letters or digits"
            )
    if latest is None or form.owned_by(latest):
        return None
    if latest.owner_key_sha256 is not None:
        return (
            f"{form.method} belongs to {latest.contact}, who registered a key; give it as `owner_key`, or "
            "choose another name"
        )
    return (
        f"{form.method} belongs to {latest.contact}; submit a new version with the same contact, or choose "
        "another name"
    )


def dataset_slug(name: str, fingerprint: str) -> str:
    """A data set's name in paths: readable, and different for different samples."""
    return f"{slugify(name)}-{fingerprint[:8]}"


def protocol_suffix(protocol: str) -> str:
    """What tells a protocol in names of folders and pages; nothing for the first one, the oldest names."""
    return "" if protocol == MDLP_V1.id else f"--{protocol}"


def reader_key(reader: ReaderDescriptor) -> str:
    """A reader's name in addresses: readings of different versions or weights have different keys."""
    return f"{reader.name}-{(reader.weights_sha256 or reader.version)[:8]}"


def _added(folder: Path) -> str:
    """When an entry was added; nothing for a damaged one."""
    try:
        return EntryRecord.read(folder).added
    except MdlpBenchError:
        return ""


def _deprecation(version_folder: Path) -> tuple[Flag, ...]:
    if not (version_folder / Deprecation.file_name).is_file():
        return ()
    found = Deprecation.read(version_folder)
    return (Flag(code="deprecated", text=f"withdrawn on {found.date}: {found.reason}"),)


def _marked(entry: Entry, newest: Entry, withdrawn: Sequence[Entry]) -> Entry:
    form, marks = entry.record.submission, entry.marks
    if entry.version != newest.version:
        marks += (Flag(code="superseded", text=f"superseded by version {newest.version}"),)
    replaced = frozenset(
        other.key
        for other in withdrawn
        if other.record.dataset == entry.record.dataset and form.owned_by(other.record.submission)
    )
    return replace(entry, marks=marks, replaced=replaced)
