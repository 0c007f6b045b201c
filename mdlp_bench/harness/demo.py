"""The demo: the main job end to end on rendered plates, offline and deterministic."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from mdlp_bench.data import open_samples
from mdlp_bench.data.manifest import MANIFEST
from mdlp_bench.data.samples import Samples
from mdlp_bench.engine import LocalEngine
from mdlp_bench.errors import MdlpBenchError
from mdlp_bench.harness.bench import ORACLES, bench
from mdlp_bench.harness.compare import RunComparison
from mdlp_bench.harness.plan import ScoringPlan
from mdlp_bench.methods import load_method, registered_ablations, registered_methods
from mdlp_bench.metrics.weights import BACKBONES, is_cached
from mdlp_bench.progress import progress_bar
from mdlp_bench.synth.build import synthesise_rendered
from mdlp_bench.synth.degrade import load_recipe

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
    return _bench(installed_methods(), out, out, plates, progress)


def demo_ablations(out: Path, *, plates: int, progress: bool = False) -> RunComparison | None:
    """Bench the registered ablations on the demo's plates; None where no two of them have their weights.

    Writes what `bench` writes to `out/ablations`; arguments and errors as in `demo`.
    """
    names = _usable(registered_ablations())
    return _bench(names, out, out / "ablations", plates, progress) if len(names) > 1 else None


def _bench(
    methods: Sequence[str], demo_folder: Path, out: Path, plates: int, progress: bool
) -> RunComparison:
    samples = _samples(demo_folder / "data", plates, progress)
    plan = ScoringPlan.from_names(lpips=lpips_net())
    return bench(methods, samples, out, plan, engine=_ENGINE, progress=progress)


def _samples(data: Path, plates: int, progress: bool) -> Samples:
    if not (data / MANIFEST).is_file():
        with progress_bar(plates, "Rendering", "plate", shown=progress) as bar:
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
    return samples


def installed_methods() -> list[str]:
    """The registered methods that can run here, without oracles; the others are logged with their reason."""
    return _usable(registered_methods())


def _usable(names: Iterable[str]) -> list[str]:
    usable = []
    for name in names:
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
    """The default squeeze, or alex when only that net's weights are at hand."""
    cached = [net for net in ("squeeze", "alex") if is_cached(BACKBONES[net])]
    return cached[0] if cached else "squeeze"
