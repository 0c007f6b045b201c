"""What is in a data set: counts, sizes, layouts, problems, in one pass."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Final

from mdlp_bench import images
from mdlp_bench.data.problem import NOTES, Problem
from mdlp_bench.data.samples import Samples
from mdlp_bench.errors import DataError
from mdlp_bench.frozen import Frozen
from mdlp_bench.plate import layout_or_length, region_sign
from mdlp_bench.progress import progress_bar
from mdlp_bench.schema import Sample

_FORMATS: Final = {".jpg": "jpeg", ".png": "png", ".bmp": "bmp", ".webp": "webp"}

EXAMPLES = 3
"""Problems of one kind that a summary shows."""


class Range(Frozen):
    """Smallest, median and largest value."""

    low: int
    median: float
    high: int

    @classmethod
    def of(cls, counts: Mapping[int, int]) -> Range | None:
        """The range of values that occur `counts[value]` times; None without any."""
        if not counts:
            return None
        return cls(low=min(counts), median=statistics.median(Counter(counts).elements()), high=max(counts))


class SplitSummary(Frozen):
    """What one split holds; sizes in pixels."""

    samples: int
    plates: int
    with_gt: int
    with_text: int
    frames: Range | None
    frame_width: Range | None
    frame_height: Range | None
    gt_width: Range | None
    gt_height: Range | None
    layouts: dict[str, int]
    provinces: dict[str, int]
    formats: dict[str, int]


class Inspection(Frozen):
    """The result of `inspect`.

    Attributes:
        plates: Distinct plate ids over all splits.
        shared_plates: Plate ids that occur in more than one split.
        problems: Number of problems by code.
        examples: The first few of each code.
        sound: No problem that somebody should fix.
    """

    name: str
    version: str | None
    supersedes: str | None
    fingerprint: str
    samples: int
    plates: int
    shared_plates: int
    sources: dict[str, int]
    domains: dict[str, int]
    splits: dict[str, SplitSummary]
    problems: dict[str, int]
    examples: dict[str, tuple[Problem, ...]]
    sound: bool


class _Tally:
    """Counts of one split; memory does not grow with the number of samples, except for the plate ids."""

    def __init__(self) -> None:
        self.samples = self.with_gt = self.with_text = 0
        self.plates: set[str] = set()
        self.numbers: dict[str, Counter[int]] = defaultdict(Counter)
        self.names: dict[str, Counter[str]] = defaultdict(Counter)

    def add(self, sample: Sample) -> None:
        self.samples += 1
        self.plates.add(sample.plate_id)
        self.with_text += sample.text is not None
        self.with_gt += sample.gt is not None
        self.numbers["frames"][len(sample.frames)] += 1
        for name, image in sample.named_images():
            kind = "gt" if image is sample.gt else "frame"
            height, width = images.decode(image.content, name).shape[:2]
            self.numbers[f"{kind}_width"][width] += 1
            self.numbers[f"{kind}_height"][height] += 1
            self.names["format"][_FORMATS.get(image.suffix, "other")] += 1
        self.names["layout"][layout_or_length(sample.layout, sample.text)] += 1
        if (sign := region_sign(sample.text)) is not None:
            self.names["province"][sign] += 1

    def summary(self) -> SplitSummary:
        ranges = ("frames", "frame_width", "frame_height", "gt_width", "gt_height")
        return SplitSummary(
            samples=self.samples,
            plates=len(self.plates),
            with_gt=self.with_gt,
            with_text=self.with_text,
            layouts=dict(self.names["layout"].most_common()),
            provinces=dict(self.names["province"].most_common()),
            formats=dict(self.names["format"].most_common()),
            **{name: Range.of(self.numbers[name]) for name in ranges},
        )


def inspect(samples: Samples) -> Inspection:
    """Read everything once and count what is there.

    A Parquet data set is also compared with the hashes of its manifest.

    Args:
        samples: Any samples.

    Raises:
        DataError: The data set as a whole cannot be read.
    """
    tallies: dict[str, _Tally] = defaultdict(_Tally)
    origins: dict[str, Counter[str]] = {"source": Counter(), "domain": Counter()}
    problems = [*samples.problems, *samples.check_shards()]
    with progress_bar(len(samples), "Inspecting") as bar:
        for sample in bar.over(samples):
            try:
                tallies[sample.split].add(sample)
            except DataError as error:
                what = Problem("broken-image", str(error), sample.sample_id, sample.split, rejected=False)
                problems.append(what)
            for column, counts in origins.items():
                counts[getattr(sample, column)] += 1
    manifest = samples.manifest
    plate_splits = Counter(plate for tally in tallies.values() for plate in tally.plates)
    by_code: dict[str, list[Problem]] = defaultdict(list)
    for record in problems:
        by_code[record.code].append(record)
    return Inspection(
        name=samples.name,
        version=manifest.version if manifest else None,
        supersedes=manifest.supersedes if manifest else None,
        fingerprint=samples.fingerprint,
        samples=len(samples),
        plates=len(plate_splits),
        shared_plates=sum(count > 1 for count in plate_splits.values()),
        sources=dict(origins["source"].most_common()),
        domains=dict(origins["domain"].most_common()),
        splits={split: tally.summary() for split, tally in tallies.items()},
        problems={code: len(found) for code, found in by_code.items()},
        examples={code: tuple(found[:EXAMPLES]) for code, found in by_code.items()},
        sound=NOTES.issuperset(by_code),
    )
