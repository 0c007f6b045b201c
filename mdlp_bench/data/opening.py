"""Open any data: one entry point for every layout."""

from __future__ import annotations

from pathlib import Path

from mdlp_bench.data.samples import Samples
from mdlp_bench.data.sources.names import printable
from mdlp_bench.data.sources.registry import SOURCES, sniff
from mdlp_bench.errors import DataError

HUB_PREFIX = "hf://"


def open_samples(path: Path | str, *, split: str | None = None, source: str | None = None) -> Samples:
    """Open a data set.

    Args:
        path: A folder or file of any layout in `mdlp_bench.data.sources.SOURCES`, or `hf://owner/name`.
        split: Take this split only.
        source: The layout's name; without it the folder is looked at.

    Returns:
        Samples; broken ones are left out and told in `.problems`.

    Raises:
        DataError: Nothing is there, no or more than one layout fits, or there is no such split.
    """
    name = str(path)
    if source is not None and source not in SOURCES:
        raise DataError(f"no source {source!r}; there are: {', '.join(SOURCES)}")
    location = Path(path)
    if source is None:
        if name.startswith(HUB_PREFIX):
            source = "hub"
        elif not location.exists():
            raise DataError(f"{printable(name)}: no such file or folder")
        else:
            source = sniff(location).name
    samples = SOURCES[source].open(name, split)
    if split is not None and not samples.name.endswith(f"/{split}"):
        samples = samples.select(split=split)
    return samples
