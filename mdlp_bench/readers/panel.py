"""Scoring with several readers at once: what one network sees, another may not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mdlp_bench.errors import MissingDependencyError
from mdlp_bench.images import ImageU8
from mdlp_bench.readers.base import Reader, Reading
from mdlp_bench.readers.registry import PANEL, load_reader


def load_panel(specs: Sequence[str] = PANEL) -> dict[str, Reader]:
    """Load every reader of a panel; all or none.

    Args:
        specs: What `load_reader` takes; default the three of `PANEL`.

    Returns:
        Readers by their descriptor's name, in the order given.

    Raises:
        ReaderError: A reader is unknown or cannot be loaded.
        MissingDependencyError: A package is missing; says how to install it. No reader is left out silently:
            a panel of two is another panel.
    """
    readers: dict[str, Reader] = {}
    for spec in specs:
        try:
            reader = load_reader(spec)
        except MissingDependencyError as error:
            raise MissingDependencyError(f"panel reader {spec}: {error}") from error
        readers[reader.descriptor.name] = reader
    return readers


def read_with_all(readers: Mapping[str, Reader], images: Sequence[ImageU8]) -> dict[str, list[Reading]]:
    """Every reader's readings of the same crops, uint8 RGB [H, W, 3] each, by reader name.

    The ranking of methods under each reader, and Kendall's tau between rankings, come from the statistics of
    the harness; this only makes sure that all readers see the very same images in the same order.
    """
    return {name: reader.read(images) for name, reader in readers.items()}
