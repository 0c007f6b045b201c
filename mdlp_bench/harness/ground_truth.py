"""What scoring finds in the samples themselves, for any method; kept between runs.

Readings and features of the ground truths and readings of the frames depend on the data set, the weights and
the code alone. They are kept in `$MDLP_BENCH_CACHE`, by default `~/.cache/mdlp-bench`, as one file per data
set and plan, under a name that hashes all they depend on; the folder may be deleted at any time. (Features of
LPIPS are computed in every run: they would take megabytes per sample.)
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from mdlp_bench.errors import MdlpBenchError, ReaderError
from mdlp_bench.files import atomic_path, sha256_bytes
from mdlp_bench.harness.plan import ScoringPlan
from mdlp_bench.harness.run import Environment
from mdlp_bench.readers.base import Reading

logger = logging.getLogger(__name__)


@dataclass
class Collected:
    """What has been gathered so far of one method, or of the samples themselves.

    Attributes:
        columns: Name to one value per sample.
        features: Name to parts of a set of features, float32 [n, D] each.
    """

    columns: dict[str, list[Any]] = field(default_factory=dict)
    features: dict[str, list[npt.NDArray[np.float32]]] = field(default_factory=dict)

    def add(self, columns: Mapping[str, Sequence[Any] | npt.NDArray[Any]]) -> None:
        """Append values to columns."""
        for name, values in columns.items():
            self.columns.setdefault(name, []).extend(values)

    def join(self, more: Self) -> None:
        """Append everything of another one."""
        self.add(more.columns)
        for name, parts in more.features.items():
            self.features.setdefault(name, []).extend(parts)

    def add_features(self, name: str, found: npt.NDArray[np.float32] | None) -> None:
        """Append features, if there are any."""
        if found is not None and len(found):
            self.features.setdefault(name, []).append(found)

    def stacked_features(self, name: str) -> npt.NDArray[np.float32] | None:
        """All features of a name, float32 [n, D]."""
        return np.concatenate(self.features[name]) if name in self.features else None


def cache_file(fingerprint: str, plan: ScoringPlan) -> Path | None:
    """The file that keeps what a plan finds in a data set.

    None when something that it depends on is unknown: readers without a hash of their weights, plans that
    were not made from names.
    """
    hashes = [reader.descriptor.weights_sha256 for reader in plan.readers]
    if plan.asked is None or None in hashes:
        return None
    known = {
        "data": fingerprint,
        "readers": [reader.descriptor.model_dump(mode="json") for reader in plan.readers],
        "inception": None if plan.inception is None else plan.inception.weights_sha256,
        "device": plan.device.partition(":")[0],
        "protocol": plan.protocol.fingerprint(),
        "code": Environment.current().identity,
    }
    home = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    folder = Path(os.environ.get("MDLP_BENCH_CACHE", f"{home}/mdlp-bench")).expanduser()
    name = sha256_bytes(json.dumps(known, sort_keys=True).encode())
    return folder / "ground-truth" / f"{name}.safetensors"


def read_cache(path: Path | None) -> Collected | None:
    """The content of a file; None when the file is missing or damaged."""
    if path is None or not path.is_file():
        return None
    try:
        with safe_open(path, framework="np") as file:
            columns = json.loads(file.metadata()["columns"])
            features = {name: [file.get_tensor(name)] for name in file.keys()}  # noqa: SIM118 - not a mapping
        return Collected({name: [_reading(v) for v in values] for name, values in columns.items()}, features)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, ReaderError):
        return None


def write_cache(path: Path | None, found: Collected) -> None:
    """Write what was found; a folder that cannot be written is logged and is not an error."""
    if path is None:
        return
    columns = {name: [_plain(value) for value in values] for name, values in found.columns.items()}
    features = {name: np.concatenate(parts) for name, parts in found.features.items()}
    try:
        with atomic_path(path) as temporary:
            save_file(features, temporary, {"columns": json.dumps(columns)})
    except MdlpBenchError as error:
        logger.info("the readings of the ground truths are not kept: %s", error)


def _plain(value: Any) -> Any:
    return asdict(value) if isinstance(value, Reading) else value


def _reading(value: Any) -> Any:
    return Reading(value["text"], tuple(value["char_confidences"])) if isinstance(value, dict) else value
