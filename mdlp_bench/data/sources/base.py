"""Samples whose rows are made on demand from light entries: the base of every folder and table source."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import pyarrow as pa

from mdlp_bench import images
from mdlp_bench.data.manifest import digest_of, fingerprint
from mdlp_bench.data.problem import Problem, ProblemCode
from mdlp_bench.data.samples import Samples, check_known
from mdlp_bench.data.sources.names import Listing, printable, read_file
from mdlp_bench.engine import chunks
from mdlp_bench.errors import DataError, no_such
from mdlp_bench.files import file_state
from mdlp_bench.progress import progress_bar
from mdlp_bench.schema import (
    IMAGE_COLUMNS,
    SAMPLE_SCHEMA,
    Domain,
    EncodedImage,
    Sample,
    TextOrigin,
    check_columns,
    record_batch,
)

_WINDOW = 1024
"""Images of this many samples are checked at a time, so memory does not grow with the data set."""


class RejectedError(DataError):
    """A sample cannot be used; `code` says what kind of problem it is."""

    def __init__(self, code: ProblemCode, message: str) -> None:
        super().__init__(message)
        self.code: ProblemCode = code

    def __reduce__(self) -> tuple[type[RejectedError], tuple[ProblemCode, str]]:
        return RejectedError, (self.code, str(self))


class Entry(Protocol):
    """What a source keeps in memory for each sample."""

    @property
    def sample_id(self) -> str:
        """Unique id."""

    @property
    def split(self) -> str:
        """Split the sample is in."""


E = TypeVar("E", bound=Entry)


class LazySamples(Samples, Generic[E]):
    """Samples made from entries by `read`.

    Opening costs a directory listing. The first use that needs to know which samples are sound (`len`, ids,
    `batches`, `fingerprint`, `problems`) reads, decodes and hashes every image once; a sample with a broken
    image is then left out and reported in `problems`.

    Args:
        name: See `Samples`.
        entries: The samples in order.
        problems: What the source met while listing.
        quarantine: Sample ids to leave out, with reasons.
    """

    def __init__(
        self,
        name: str,
        entries: Iterable[E],
        problems: Iterable[Problem] = (),
        quarantine: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self._problems = list(problems)
        self._digests: dict[str, str] | None = None
        self._by_id: dict[str, E] | None = None
        unique: dict[str, E] = {}
        for entry in entries:
            sample_id, split = entry.sample_id, entry.split
            if quarantine and sample_id in quarantine:
                what = f"in quarantine ({quarantine[sample_id]})"
                self._problems.append(Problem.of_sample("quarantined", sample_id, split, what))
            elif sample_id in unique:
                what = "a second sample has this id; only the first is used, rename one"
                self._problems.append(Problem.of_sample("duplicate-id", sample_id, split, what))
            else:
                unique[sample_id] = entry
        self._entries = list(unique.values())

    @abstractmethod
    def read(self, entry: E, *, with_images: bool) -> Sample:
        """Make the sample of an entry; `frames` and `gt` may be left out unless `with_images`.

        Raises:
            DataError: A file cannot be read; names it.
        """

    def files_of(self, entry: E) -> Sequence[Path] | None:
        """The files that the images of an entry are made from; None where only reading tells."""
        return None

    @property
    def problems(self) -> Sequence[Problem]:
        """See `Samples`."""
        self._admit()
        return tuple(self._problems)

    @property
    def fingerprint(self) -> str:
        """See `Samples`."""
        return fingerprint(self._admit().values())

    @property
    def sample_ids(self) -> Sequence[str]:
        """See `Samples`."""
        self._admit()
        return [entry.sample_id for entry in self._entries]

    @property
    def splits(self) -> Mapping[str, int]:
        """See `Samples`."""
        self._admit()
        return dict(Counter(entry.split for entry in self._entries))

    def candidates(self) -> Mapping[str, Sequence[str]]:
        """See `Samples`."""
        found: dict[str, list[str]] = {}
        for entry in self._entries:
            found.setdefault(entry.split, []).append(entry.sample_id)
        return found

    def load(self, sample_ids: Collection[str]) -> Iterator[Sample | Problem]:
        """See `Samples`."""
        for entry in self._listed(sample_ids):
            yield self._verified(entry)

    def origin(self, sample_ids: Collection[str]) -> str | None:
        """See `Samples`."""
        digest = sha256()
        for entry in self._listed(sample_ids):
            files = self.files_of(entry)
            if files is None:
                return None
            try:
                listed: Sample | str = self.read(entry, with_images=False)
            except DataError as error:
                listed = str(error)
            digest.update(repr((listed, [file_state(path) for path in files])).encode())
        return digest.hexdigest()

    def listing_problems(self) -> Sequence[Problem]:
        """See `Samples`."""
        return tuple(self._problems)

    def batches(self, size: int = 128, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """See `Samples`."""
        self._admit()
        wanted = SAMPLE_SCHEMA.names if columns is None else list(columns)
        with_images = not IMAGE_COLUMNS.isdisjoint(wanted)
        for chunk in chunks(self._entries, size):
            yield _project([self.read(entry, with_images=with_images) for entry in chunk], wanted)

    def __iter__(self) -> Iterator[Sample]:
        self._admit()
        for entry in self._entries:
            yield self.read(entry, with_images=True)

    def sample_at(self, position: int) -> Sample:
        """See `Samples`."""
        self._admit()
        return self.read(self._entries[position], with_images=True)

    def select(self, *, split: str | None = None, sample_ids: Collection[str] | None = None) -> Samples:
        """See `Samples`."""
        chosen = copy.copy(self)
        chosen._problems, chosen._by_id = list(self._problems), None
        if split is not None:
            chosen._keep_split(split)
        if sample_ids is not None:
            chosen._keep_ids(set(sample_ids))
        if chosen._digests is not None:
            chosen._digests = {e.sample_id: chosen._digests[e.sample_id] for e in chosen._entries}
        return chosen

    def _listed(self, sample_ids: Collection[str]) -> Iterator[E]:
        if self._by_id is None:
            self._by_id = {entry.sample_id: entry for entry in self._entries}
        yield from (self._by_id[sample_id] for sample_id in sample_ids)

    def _keep_split(self, split: str) -> None:
        known = list(dict.fromkeys(entry.split for entry in self._entries))
        known += [p.split for p in self._problems if p.split is not None and p.split not in known]
        if split not in known:
            raise no_such("split", split, known, DataError, where=self.name)
        self._entries = [entry for entry in self._entries if entry.split == split]
        self._problems = [p for p in self._problems if p.split in (None, split)]
        self.name = f"{self.name}/{split}"

    def _keep_ids(self, wanted: set[str]) -> None:
        known = {entry.sample_id for entry in self._entries} | {p.sample_id for p in self._problems}
        check_known(self.name, wanted, known)
        self._entries = [entry for entry in self._entries if entry.sample_id in wanted]
        self._problems = [p for p in self._problems if p.sample_id in wanted]

    def _verified(self, entry: E) -> Sample | Problem:
        try:
            sample = self.read(entry, with_images=True)
            for name, image in sample.named_images():
                images.verify(image.content, name if image.name is None else f"{name} ({image.name})")
            record_batch([sample])
        except DataError as error:
            code = error.code if isinstance(error, RejectedError) else "broken-image"
            return Problem(code, str(error), entry.sample_id, entry.split)
        return sample

    def _admit(self) -> dict[str, str]:
        """Check every image once; keep the digests of the sound samples."""
        if self._digests is not None:
            return self._digests
        digests: dict[str, str] = {}

        def check(entry: E) -> str | Problem:
            found = self._verified(entry)
            return found if isinstance(found, Problem) else digest_of(found)

        with progress_bar(len(self._entries), "Checking images") as bar, ThreadPoolExecutor() as pool:
            for window in chunks(self._entries, _WINDOW):
                for entry, outcome in zip(window, bar.over(pool.map(check, window)), strict=True):
                    if isinstance(outcome, Problem):
                        self._problems.append(outcome)
                    else:
                        digests[entry.sample_id] = outcome
        self._entries = [entry for entry in self._entries if entry.sample_id in digests]
        self._digests = digests
        return digests


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A sample whose images are files; `plate_id` is the text when known, else the sample id."""

    sample_id: str
    split: str
    source: str
    frames: tuple[Path, ...]
    frame_indices: tuple[int, ...]
    gt: Path | None
    text: str | None = None
    text_origin: TextOrigin | None = None
    layout: str | None = None
    domain: Domain = "real"
    plate_id: str | None = None
    track_id: str | None = None
    recipe: str | None = None

    def sample(self) -> Sample:
        """The sample without its images."""
        return Sample(
            sample_id=self.sample_id,
            plate_id=self.plate_id or self.text or self.sample_id,
            track_id=self.track_id or self.sample_id,
            split=self.split,
            domain=self.domain,
            source=self.source,
            frame_indices=self.frame_indices,
            text=self.text,
            text_origin=self.text_origin if self.text is not None else None,
            layout=self.layout,
            recipe=self.recipe,
        )


class FileSamples(LazySamples[FileEntry]):
    """Samples whose images are the unchanged bytes of files."""

    def files_of(self, entry: FileEntry) -> Sequence[Path]:
        """See `LazySamples`."""
        return (*entry.frames, *([] if entry.gt is None else [entry.gt]))

    def read(self, entry: FileEntry, *, with_images: bool) -> Sample:
        """See `LazySamples`."""
        sample = entry.sample()
        if not with_images:
            return sample
        gt = None if entry.gt is None else image_of(entry.gt)
        return replace(sample, frames=tuple(map(image_of, entry.frames)), gt=gt)


def image_of(path: Path) -> EncodedImage:
    """The bytes and the base name of an image file.

    Raises:
        DataError: The file cannot be read.
    """
    return EncodedImage(read_file(path), printable(path.name))


def stray_files(listing: Listing, folder: Path, split: str | None) -> list[Problem]:
    """Notes about the files in a folder that should hold only folders."""
    where = printable(str(folder))
    return [
        Problem(
            "ignored-file", f"{where}/{printable(name)}: not part of the layout, ignored", None, split, False
        )
        for name in (*listing.images, *listing.others)
    ]


def _project(samples: list[Sample], columns: Sequence[str]) -> pa.RecordBatch:
    check_columns(columns)
    if not IMAGE_COLUMNS.isdisjoint(columns):
        return record_batch(samples).select(list(columns))
    fields = [SAMPLE_SCHEMA.field(name) for name in columns]
    arrays = [pa.array([getattr(sample, f.name) for sample in samples], f.type) for f in fields]
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))
