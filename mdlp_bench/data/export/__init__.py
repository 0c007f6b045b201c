"""Write a data set in the layouts that others read: one function and one `Export` per layout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mdlp_bench.data.export.folders import export_lrlpr, export_mdlp
from mdlp_bench.data.export.webdataset import export_webdataset
from mdlp_bench.data.samples import Samples


@dataclass(frozen=True, slots=True)
class Export:
    """One layout to write: its name on the command line, what it looks like, and the writer."""

    name: str
    layout: str
    write: Callable[[Samples, Path], int]


EXPORTS: Final[dict[str, Export]] = {
    export.name: export
    for export in (
        Export("mdlp", "<split>/inputs/<group>/, <split>/gt/<group>/, labels.csv", export_mdlp),
        Export("lrlpr", "<split>/<layout>/track_<n>/{lr,hr}-<n>.<ext>, annotations.json", export_lrlpr),
        Export(
            "webdataset",
            "<split>-<number>.tar with <key>.frame<n>.<ext>, .gt.<ext>, .json",
            export_webdataset,
        ),
    )
}
"""The plain layouts; Parquet and the Hugging Face repository need more facts and have their own functions."""

__all__ = ["EXPORTS", "Export", "export_lrlpr", "export_mdlp", "export_webdataset"]
