"""The demo: the main job end to end on rendered plates, offline and deterministic."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

from tqdm import tqdm

from mdlp_bench.data import open_samples
from mdlp_bench.data.manifest import MANIFEST
from mdlp_bench.data.synth import synthesise_rendered
from mdlp_bench.degrade import load_recipe
from mdlp_bench.engine import LocalEngine
from mdlp_bench.errors import MdlpBenchError
from mdlp_bench.harness.bench import ORACLES, bench
from mdlp_bench.harness.compare import RunComparison
from mdlp_bench.harness.score import ScoringPlan
from mdlp_bench.methods import load_method, registered_methods
from mdlp_bench.metrics.weights import BACKBONES, cache_folder

logger = logging.getLogger(__name__)

RECIPE: Final = "surveillance"
SEED: Final = 2025
"""Seed of the demo's plates: of the test split only, on which no bundled weights are trained."""


_ENGINE: Final = LocalEngine(2)


def demo(out: Path, *, plates: int = 200, progress: bool = False) -> RunComparison:
    """Render plates, degrade them with the surveillance recipe, bench every registered method.

    Writes the data set to `out/data` and what `bench` writes to `out`; a stopped demo resumes.

    Args:
        out: The folder.
        plates: How many.
        progress: Show bars on standard error.

    Raises:
        MdlpBenchError: As in `bench` and `synthesise_rendered`; e.g. the folder holds a demo of another size.
    """
    data = out / "data"
    if not (data / MANIFEST).is_file():
        with tqdm(total=plates, desc="Rendering", unit="plate", disable=not progress, leave=False) as bar:
            synthesise_rendered(
                load_recipe(RECIPE),
                plates,
                data,
                seed=SEED,
                only="test",
                engine=_ENGINE,
                progress=bar.update,
            )
    samples = open_samples(data, split="test")
    if len(samples) != plates:
        raise MdlpBenchError(
            f"{data}: holds {len(samples)} plates, not {plates}; delete it or choose another folder"
        )
    plan = ScoringPlan.from_names(lpips=lpips_net())
    return bench(installed_methods(), samples, out, plan, engine=_ENGINE, progress=progress)


def installed_methods() -> list[str]:
    """The registered methods that can run here, without oracles; the others are logged with their reason."""
    usable = []
    for name in registered_methods():
        if name in ORACLES:
            continue
        try:
            load_method(name)
        except MdlpBenchError as error:
            logger.warning("%s is left out: %s", name, error)
        else:
            usable.append(name)
    return usable


def lpips_net() -> str:
    """The protocol's alex, or squeeze (a column of its own) when only that net's weights are at hand."""
    cached = [net for net in ("alex", "squeeze") if (cache_folder() / BACKBONES[net].file_name).is_file()]
    return cached[0] if cached else "alex"
