"""Open any data: one entry point for every layout."""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path

from mdlp_bench.data.labelled import with_labels
from mdlp_bench.data.samples import Samples, name_of_first
from mdlp_bench.data.sources.frame_order import AUTO, OrderRule
from mdlp_bench.data.sources.names import printable
from mdlp_bench.data.sources.registry import SOURCES, sniff
from mdlp_bench.errors import DataError, no_such
from mdlp_bench.plate import grammars

HUB_PREFIX = "hf://"


def open_samples(
    path: Path | str,
    *,
    split: str | None = None,
    source: str | None = None,
    order: str | None = None,
    limit: int | None = None,
    labels: Path | str | None = None,
) -> Samples:
    """Open a data set.

    Args:
        path: A folder or file of any layout in `mdlp_bench.data.sources.SOURCES`, or `hf://owner/name`.
        split: Take this split only.
        source: The layout's name; by default it is recognised from the folder.
        order: How the names of frames are read: `name`, `number:K`, `time` or the path of a list (see
            `mdlp_bench.data.sources.frame_order`).
        labels: A label list (sample_id,text) whose texts replace those of the data set, e.g. one that
            `mdlp-bench data label` wrote.
        limit: Use only this many samples, the first ones of every split in turn: for a quick try.

    Returns:
        Samples; broken ones are left out and reported in `.problems`.

    Raises:
        DataError: Nothing is there, no or more than one layout fits, or there is no such split.
        PlateError: The file of further grammars is wrong (see `mdlp_bench.plate.grammars`).
    """
    name = str(path)
    grammars()  # a wrong file of further ones is no fault of the samples
    if source is not None and source not in SOURCES:
        raise no_such("source", source, SOURCES, DataError)
    source = source or layout_of(path)
    if order is not None and not SOURCES[source].named_frames:
        raise DataError(
            f"{printable(name)}: the layout {source} itself says which frame is which; leave --order out"
        )
    samples = SOURCES[source].open(name, split, AUTO if order is None else OrderRule.parse(order))
    if split is not None and not samples.name.endswith(f"/{split}"):
        samples = samples.select(split=split)
    if labels is not None:
        samples = with_labels(samples, Path(labels))
    return samples if limit is None else _first(samples, limit)


def as_samples(given: Samples | Path | str) -> Samples:
    """The data set that a user gave: as it is, or opened where it is a path.

    Raises:
        DataError: It is neither samples nor a path, or it cannot be opened.
    """
    if isinstance(given, Samples):
        return given
    if isinstance(given, str | Path):
        return open_samples(given)
    raise DataError(f"a {type(given).__name__} is no data set; give its folder, or what mb.open returned")


def layout_of(path: Path | str) -> str:
    """The name of the layout that a path has.

    Raises:
        DataError: Nothing is there, none or several fit, or the folder holds several data sets.
    """
    if str(path).startswith(HUB_PREFIX):
        return "hub"
    if not Path(path).exists():
        raise DataError(f"{printable(str(path))}: no such file or folder")
    return sniff(Path(path)).name


def _first(samples: Samples, limit: int) -> Samples:
    """The first samples, drawn from the splits in turn until there are `limit`."""
    rounds = zip_longest(*samples.candidates().values())
    ids = [sample_id for turn in rounds for sample_id in turn if sample_id is not None]
    if len(ids) <= limit:
        return samples
    chosen = samples.select(sample_ids=ids[:limit])
    chosen.name = name_of_first(samples.name, limit)
    return chosen
