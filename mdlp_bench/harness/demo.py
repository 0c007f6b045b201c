"""The demo: the main job end to end on rendered plates, offline and deterministic."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from mdlp_bench.data import open_samples, write_parquet
from mdlp_bench.data.manifest import Manifest, is_written
from mdlp_bench.data.parquet import ParquetSamples
from mdlp_bench.data.samples import Samples
from mdlp_bench.engine import LocalEngine
from mdlp_bench.errors import DataError, MdlpBenchError
from mdlp_bench.harness.bench import ORACLES, bench
from mdlp_bench.harness.compare import RunComparison
from mdlp_bench.harness.plan import ScoringPlan
from mdlp_bench.methods import load_method, registered_methods
from mdlp_bench.metrics.weights import BACKBONES, is_cached
from mdlp_bench.synth.build import synthesise_rendered
from mdlp_bench.synth.degrade import load_recipe

logger = logging.getLogger(__name__)

RECIPE: Final = "surveillance"
SEED: Final = 2025
"""Seed of the demo's plates: of the test split only, on which no bundled weights are trained."""

PACKED: Final = Path(__file__).parent / "demo_set"
"""The first plates of the demo, rendered once: a Parquet data set."""

PACKED_PLATES: Final = 200
FINGERPRINT: Final = "15ba72bf60a5ca3525d623d5b7835d15bbb63cc8ee2b20325011955b4c9b6999"
"""Of the packed plates; the bundled board carries it."""


_ENGINE: Final = LocalEngine(2)


def demo(out: Path, *, plates: int = 200) -> RunComparison:
    """Bench every registered method on rendered plates, degraded with the surveillance recipe.

    Writes the data set to `out/data` and what `bench` writes to `out`; a stopped demo resumes.

    Args:
        out: The folder.
        plates: How many.

    Raises:
        MdlpBenchError: As in `bench` and `synthesise_rendered`; e.g. the folder holds a demo of another size.
    """
    samples = _samples(out / "data", plates)
    plan = ScoringPlan.from_names(lpips=lpips_net())
    return bench(installed_methods(), samples, out, plan, engine=_ENGINE)


def _samples(data: Path, plates: int) -> Samples:
    if not is_written(data):
        write_test_set(data, plates)
    samples = open_samples(data, split="test")
    if len(samples) != plates:
        raise MdlpBenchError(
            f"{data}: holds {len(samples)} plates, not {plates}; delete it or choose another folder"
        )
    return samples


def write_test_set(out: Path, plates: int = PACKED_PLATES) -> Manifest:
    """Write the test set of the demo and of the bundled board.

    Up to `PACKED_PLATES` plates come from the packed file that this package brings: the same pictures on
    every machine, where rendering depends on the processor in the last bit. More are rendered here.

    Args:
        out: Folder to write (see `write_parquet`).
        plates: How many.

    Raises:
        DataError: The packed file is damaged, or as in `write_parquet`.
    """
    if plates > PACKED_PLATES:
        recipe = load_recipe(RECIPE)
        return synthesise_rendered(recipe, plates, out, seed=SEED, only="test", engine=_ENGINE)
    packed = ParquetSamples(PACKED)
    for problem in packed.check_shards():
        raise DataError(f"{problem.message}; install the package again")
    if packed.fingerprint != FINGERPRINT:
        raise DataError(f"{PACKED}: is not the test set it should be; install the package again")
    chosen = packed.select(sample_ids=packed.sample_ids[:plates])
    return write_parquet(chosen, out, name=packed.name)


def installed_methods() -> list[str]:
    """The registered methods that can run here, without oracles; the others are logged with their reason.

    Those that read Latin plates alone are left out too: the demo's plates are Chinese.
    """
    return usable(name for name in registered_methods() if not name.endswith("-latin"))


def usable(names: Iterable[str]) -> list[str]:
    """The methods that can run here, without oracles; the others are logged with their reason."""
    found = []
    for name in names:
        if name in ORACLES:
            continue
        try:
            load_method(name)
        except MdlpBenchError as error:
            logger.warning("%s is left out: %s", name, error)
        else:
            found.append(name)
    return found


def lpips_net() -> str:
    """The default squeeze, or alex when only that net's weights are at hand."""
    cached = [net for net in ("squeeze", "alex") if is_cached(BACKBONES[net])]
    return cached[0] if cached else "squeeze"
