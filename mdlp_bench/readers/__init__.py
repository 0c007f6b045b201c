"""Text recognisers that score what methods restore."""

from mdlp_bench.readers.base import Reader, ReaderDescriptor, Reading
from mdlp_bench.readers.registry import (
    AUTO,
    DEFAULT_READER,
    PANEL,
    READERS,
    check_reader,
    load_reader,
    reader_for,
    reader_names,
)

__all__ = [
    "AUTO",
    "DEFAULT_READER",
    "PANEL",
    "READERS",
    "Reader",
    "ReaderDescriptor",
    "Reading",
    "check_reader",
    "load_reader",
    "reader_for",
    "reader_names",
]
