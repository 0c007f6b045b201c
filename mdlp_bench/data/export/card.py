"""The dataset card: YAML front matter for the hub, statistics, pictures, the limits the data itself shows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

import numpy as np
import yaml
from pydantic import Field

from mdlp_bench import images
from mdlp_bench.data.inspect import Inspection, Range
from mdlp_bench.data.manifest import Manifest
from mdlp_bench.data.samples import Samples
from mdlp_bench.frozen import Frozen
from mdlp_bench.metrics.protocol import WORKING_SIZE, to_working_size
from mdlp_bench.schema import Sample

PICTURE: Final = "assets/samples.png"
_PICTURED: Final = 6
_FRAMES_SHOWN: Final = 3
# The hub's size classes, each with its upper limit (exclusive).
_SIZES: Final = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
    (100_000_000, "10M<n<100M"),
    (1_000_000_000, "100M<n<1B"),
)
_DOMINANT: Final = 0.5


COLUMN_DESCRIPTIONS: Final = {
    "sample_id": "Stable, unique id of the sample.",
    "plate_id": "Identity of the plate: the unit of splitting and of resampling.",
    "track_id": "Track the frames were taken from.",
    "split": "Split the sample is in.",
    "domain": "real or synthetic.",
    "source": "Where the sample comes from.",
    "frames": "Degraded frames in order, as their original encoded bytes.",
    "frame_indices": "Number of each frame in its track.",
    "gt": "Ground truth image, as its original encoded bytes.",
    "text": "Text of the plate.",
    "text_origin": "How the text is known: label, filename, rendered, reader or person.",
    "layout": "Visual layout of the plate.",
    "recipe": "Degradation recipe of synthetic frames.",
    "degradation": "Sampled parameters of the degradation, as JSON.",
}


class CardFields(Frozen):
    """What no file can say about a data set.

    Attributes:
        title: Heading of the card (default: the data set's name).
        description: What it is and how it was made.
        licence: SPDX identifier, lower case on the hub (`cc-by-4.0`), or None when it is not stated.
        citation: Paper or BibTeX.
        homepage: Where it comes from.
        published: Date of publication, `YYYY-MM-DD`.
    """

    title: str | None = None
    description: str | None = None
    licence: str | None = None
    citation: str | None = None
    homepage: str | None = None
    published: str | None = Field(default=None, pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")


def hub_split(split: str) -> str:
    """A split name as the hub allows it: word characters and dots."""
    return re.sub(r"[^\w.]", "_", split)


def size_category(samples: int) -> str:
    """The hub's class of sizes for a number of samples, e.g. `10K<n<100K`."""
    return next((name for limit, name in _SIZES if samples < limit), "1B<n<10B")


def dataset_card(manifest: Manifest, found: Inspection, card: CardFields) -> str:
    """The `README.md` of a data set repository."""
    title = card.title or manifest.name
    front = yaml.safe_dump(_front_matter(manifest, title, card), allow_unicode=True, sort_keys=False)
    blocks = [
        f"---\n{front}---\n\n# {title}",
        card.description or "Samples for licence plate restoration: degraded frames, ground truth, text.",
        f"![Samples: frames, then the ground truth]({PICTURE})",
        _identity(manifest),
        "## Contents\n\n" + _statistics(found),
        "## Columns\n\nOne row is one sample. Images are the original encoded bytes, never encoded again.\n\n"
        + "\n".join(f"- `{name}`: {text}" for name, text in COLUMN_DESCRIPTIONS.items()),
        "## Known limits\n\n" + "\n".join(f"- {limit}" for limit in _limits(found)),
        "## Licence\n\n" + (card.licence or "Not stated. Ask the owner of the images before you use them."),
        "## Citation\n\n" + (f"```\n{card.citation.strip()}\n```" if card.citation else "Not stated."),
    ]
    if card.homepage:
        blocks.append(f"## Source\n\n<{card.homepage}>")
    return "\n\n".join(blocks) + "\n"


def contact_sheet(samples: Samples) -> bytes:
    """A PNG of a few samples at the working size, one per row: up to three frames, then the ground truth."""
    rows = [list(_pictures(sample)) for sample in islice(samples, _PICTURED)]
    blank = np.full((*WORKING_SIZE, 3), 255, np.uint8)
    width = max(len(row) for row in rows)
    lines = [np.hstack(row[:-1] + [blank] * (width - len(row)) + row[-1:]) for row in rows]
    return images.encode(np.vstack(lines))


def _pictures(sample: Sample) -> Iterator[images.ImageU8]:
    if sample.frames:
        yield from map(to_working_size, sample.decode_frames(_FRAMES_SHOWN))
    gt = sample.decode_gt()
    yield np.full((*WORKING_SIZE, 3), 255, np.uint8) if gt is None else to_working_size(gt)


def _front_matter(manifest: Manifest, title: str, card: CardFields) -> dict[str, Any]:
    files: dict[str, list[str]] = {}
    for shard in manifest.shards:
        files.setdefault(shard.split, []).append(shard.path)
    return {
        "pretty_name": title,
        "license": card.licence or "unknown",
        "task_categories": ["image-to-image"],
        "tags": ["licence-plate", "image-restoration", "super-resolution"],
        "size_categories": [size_category(manifest.samples)],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": hub_split(split), "path": paths} for split, paths in files.items()],
            }
        ],
    }


def _identity(manifest: Manifest) -> str:
    lines = [f"Version {manifest.version}", f"fingerprint `{manifest.fingerprint}`"]
    if manifest.supersedes:
        lines.insert(1, f"supersedes {manifest.supersedes}")
    return ", ".join(lines) + "."


def _statistics(found: Inspection) -> str:
    head = (
        "split", "samples", "plates", "with ground truth", "with text", "frames", "frame size",
        "ground truth size",
    )  # fmt: skip
    table = [head, tuple("---" for _ in head)]
    for split, summary in found.splits.items():
        table.append((
            split, f"{summary.samples:,}", f"{summary.plates:,}", f"{summary.with_gt:,}",
            f"{summary.with_text:,}", span(summary.frames), size(summary.frame_width, summary.frame_height),
            size(summary.gt_width, summary.gt_height),
        ))  # fmt: skip
    counts = _total(summary.layouts for summary in found.splits.values())
    layouts = ", ".join(f"{name} {count:,}" for name, count in counts)
    sources = ", ".join(f"{name} {count:,}" for name, count in found.sources.items())
    return (
        "\n".join(f"| {' | '.join(cells)} |" for cells in table)
        + f"\n\nSources: {sources}. Layouts: {layouts}."
        + "\n\nSizes are width x height in pixels: smallest, median, largest."
    )


def span(values: Range | None) -> str:
    """`3` or `1 / 3 / 5`: smallest, median and largest."""
    if values is None:
        return "-"
    return (
        f"{values.low}" if values.low == values.high else f"{values.low} / {values.median:g} / {values.high}"
    )


def size(width: Range | None, height: Range | None) -> str:
    """`40x17 / 70x30 / 120x51`."""
    if width is None or height is None:
        return "-"
    return f"{width.low}x{height.low} / {width.median:g}x{height.median:g} / {width.high}x{height.high}"


def _limits(found: Inspection) -> Iterator[str]:
    splits = found.splits.values()
    without_gt = found.samples - sum(split.with_gt for split in splits)
    without_text = found.samples - sum(split.with_text for split in splits)
    if without_gt:
        yield f"{without_gt:,} of {found.samples:,} samples have no ground truth."
    if without_text:
        yield f"{without_text:,} of {found.samples:,} samples have no text; their plate id is the sample id."
    if found.shared_plates:
        yield f"{found.shared_plates:,} plates occur in more than one split: the splits are not independent."
    for title, counts in (
        ("of the plates with text begin with", _total(split.provinces for split in splits)),
        ("of the samples are", _total(split.layouts for split in splits)),
    ):
        total = sum(count for _, count in counts)
        if len(counts) > 1 and counts[0][1] > _DOMINANT * total:
            name, most = counts[0]
            yield f"{most / total:.0%} {title} {name}: the classes are not balanced."
    for code, count in found.problems.items():
        yield f"{count:,} problems of the kind `{code}` were met when the data set was built (manifest.json)."
    yield "Licence plates can be personal data where you live; use them accordingly."


def _total(counts: Iterable[Mapping[str, int]]) -> list[tuple[str, int]]:
    """The summed counts of all splits, the most frequent first."""
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return total.most_common()
